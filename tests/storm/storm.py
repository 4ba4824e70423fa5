"""One storm: a stack with a plan, alerts from several threads, a pipeline's request among them.

Watches with the clients of the SDK and by the vault's own account. While it lasts only counts are
looked at, so that the watcher takes little from what it measures.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient

from local import process
from local.stack import Stack
from tests.chaos.fleet import Fleet
from tests.patience import PATIENCE
from tests.stack.estate import Estate, build, reload
from tests.stack.outside import CLAIMS, REQUESTS, Json, Outside, awaited
from tests.storm import letters
from tests.storm.letters import PIPELINE, PIPELINE_TARGET, PLAN_TARGET, Letter
from tests.storm.verdict import Answers, Facts, faults, folded_messages

TIME_SCALE = 30.0
LEASE_SECONDS = 30
"""A message whose end was lost comes again while the storm lasts, not ten minutes later."""
_CAME_AGAIN = re.compile(r" (?:WARNING - - host\.queues: message|ERROR \S+ \S+ host: failed) ")
_THREADS = 4
_LOOK_SECONDS = 0.5


@dataclass(kw_only=True)
class Result:
    """What a storm came to. Times are in seconds."""

    seed: int
    alerts: int
    copies: int = 0
    """Alerts that are copies of one."""
    sending: float = 0.0
    """From the first message to the last, put on the queue."""
    emptying: float = 0.0
    """From the first message to the empty queue."""
    most_waiting: int = 0
    folded: int = 0
    counted: int = 0
    """Folded alerts by the claim's account."""
    starter: str = ""
    starting: int = 0
    """Alerts that are the one that started the restore."""
    recovery: float = 0.0
    """From the first alert of those to the end of the restore."""
    accepted: float = 0.0
    """From the pipeline's message, put on the queue, to its request, stored."""
    refreshed: float = 0.0
    """From there to the end of its restore."""
    came_again: int = 0
    """Messages that came once more, because a call of storage broke off."""
    faults: list[str] = field(default_factory=list)


def run(
    *,
    seed: int,
    alerts: int,
    patience: float,
    accepted_within: float | None = None,
    tell: Callable[[str], None] = lambda _: None,
    keep: Path | None = None,
) -> Result:
    """Run a storm; `patience` is how long it may take from the first message to the empty queue.

    `accepted_within` is how many seconds the pipeline's request may wait. It is a measure of the
    machine too, so that only a storm on a quiet one can be held to it.
    """
    with tempfile.TemporaryDirectory(prefix="restore-storm-") as folder:
        plans = Path(folder) / "restore-plans.json"
        settings = {"RESTORE_PLANS": str(plans)}
        with (
            _quick_azurite(),
            Stack(
                host=False, lease=LEASE_SECONDS, time_scale=TIME_SCALE, settings=settings
            ) as stack,
        ):
            targets = [str(one["fileShare"]) for one in (PLAN_TARGET, PIPELINE_TARGET)]
            estate = build(stack.vault_root, shares=2, vaults=1, targets=targets)
            reload(stack.arm)
            letters.write_plans(plans, estate.shares[0])
            # A fleet of one, since its host writes its log into a file.
            fleet = Fleet(stack, random.Random(seed))
            try:
                fleet.start()
                with Outside(stack.storage, stack.arm) as outside:
                    awaited(
                        lambda: _is_ready(stack.data), seconds=PATIENCE, what="a host that serves"
                    )
                    storm = _Storm(stack, outside, estate, tell)
                    result = storm.run(Result(seed=seed, alerts=alerts), patience=patience)
                    if accepted_within is not None and result.accepted > accepted_within:
                        result.faults.append(
                            f"the pipeline's request was accepted after {result.accepted:.1f} s, "
                            f"not within {accepted_within:.0f} s"
                        )
            finally:
                fleet.close()
                if keep is not None:
                    shutil.copy(_log(stack.data), keep)
            result.faults += fleet.died
            return result


class _Storm:
    def __init__(
        self, stack: Stack, outside: Outside, estate: Estate, tell: Callable[[str], None]
    ) -> None:
        self._storage = stack.storage
        self._log = _log(stack.data)
        self._outside = outside
        self._estate = estate
        self._tell = tell
        self._lock = threading.Lock()
        self._sent: dict[str, Letter] = {}
        self._sent_at: dict[str, datetime] = {}
        """When the first message of each request was put on the queue."""

    def run(self, result: Result, *, patience: float) -> Result:
        """Send everything, watch until all is quiet, and judge."""
        plan_source, pipeline_source = self._estate.shares
        alerts = letters.alerts(plan_source, result.alerts, seed=result.seed)
        middle = len(alerts) // 2
        left = iter([*alerts[:middle], letters.pipeline(pipeline_source), *alerts[middle:]])
        began = time.monotonic()
        with ThreadPoolExecutor(_THREADS) as pool:
            senders = [pool.submit(self._send, left) for _ in range(_THREADS)]
            while waiting := self._waiting(senders):
                result.most_waiting = max(result.most_waiting, waiting)
                if time.monotonic() - began > patience:
                    break
                time.sleep(_LOOK_SECONDS)
            result.emptying = time.monotonic() - began
            result.sending = max(sender.result() for sender in senders) - began
        self._tell("the events are read, the last ends and counts awaited")
        facts = self._facts()
        give_up = time.monotonic() + PATIENCE
        while _unsettled(facts) and time.monotonic() < give_up:
            time.sleep(_LOOK_SECONDS)
            facts = self._facts()
        return self._judged(result, facts)

    def _send(self, left: Iterator[Letter]) -> float:
        """Put on the queue what no other thread has taken; return when the last was there."""
        with QueueClient.from_connection_string(self._storage, REQUESTS) as queue:
            while True:
                with self._lock:
                    letter = next(left, None)
                    if letter is None:
                        return time.monotonic()
                    self._sent_at.setdefault(letter.request_id, datetime.now(UTC))
                message = queue.send_message(letter.text)
                self._sent[str(message.id)] = letter

    def _waiting(self, senders: Sequence[Future[float]]) -> int:
        """Return what stands on the queues; never 0 while there is more to come."""
        sending = not all(sender.done() for sender in senders)
        waiting = self._outside.waiting_messages()
        self._tell(f"{len(self._sent)} sent, {waiting} on the queue")
        return waiting or sending

    def _facts(self) -> Facts:
        outside = self._outside
        rows, waiting = len(outside.open_rows()), outside.waiting_messages()
        outside.take()
        plan_source, pipeline_source = self._estate.shares
        return Facts(
            alerts={
                message_id: letter
                for message_id, letter in self._sent.items()
                if letter.request_id != PIPELINE
            },
            texts=outside.texts,
            records=[str(record["requestId"]) for record in outside.records().values()],
            jobs=[str(job["source_share"]) for job in outside.jobs()],
            plan_source=plan_source.name,
            pipeline_source=pipeline_source.name,
            cooldowns=self._cooldowns(),
            open_rows=rows,
            waiting=waiting,
            came_again=len(_CAME_AGAIN.findall(self._log.read_text("utf-8", "replace"))),
            poisoned=0,
            wrong_files=0,
        )

    def _cooldowns(self) -> dict[str, int]:
        """Return who holds a cooldown, and how many alerts the claim says to have folded."""
        with TableServiceClient.from_connection_string(self._storage) as tables:
            claims = tables.get_table_client(CLAIMS).list_entities()
            return {
                str(holder["requestId"]): int(claim["folded"])
                for claim in claims
                if str(claim["thing"]).startswith("cooldown:")
                for holder in json.loads(str(claim["holders_0"]))
            }

    def _judged(self, result: Result, facts: Facts) -> Result:
        facts = replace(facts, poisoned=len(self._outside.poisoned()), wrong_files=self._wrong())
        answers = Answers.of(facts.texts)
        counts = Counter(letter.request_id for letter in facts.alerts.values())
        result.copies = max(counts.values())
        result.folded = folded_messages(facts)
        result.counted = sum(facts.cooldowns.values())
        result.came_again = facts.came_again
        result.faults = faults(facts)
        for request_id in answers.starters():
            result.starter, result.starting = request_id, counts[request_id]
            result.recovery = self._took(answers.ends[request_id], "finishedAt")
        if PIPELINE in answers.ends:
            end = answers.ends[PIPELINE]
            result.accepted = self._took(end, "acceptedAt")
            result.refreshed = self._took(end, "finishedAt")
        return result

    def _took(self, end: Json, until: str) -> float:
        """Return the seconds from the first message of a request to a time of its end."""
        moment = datetime.fromisoformat(end[until])
        return (moment - self._sent_at[end["requestId"]]).total_seconds()

    def _wrong(self) -> int:
        """Count the files that are not those of the newest recovery point."""
        wrong = 0
        for share, target in zip(self._estate.shares, (PLAN_TARGET, PIPELINE_TARGET), strict=True):
            written = self._estate.written(share, share.newer, {"target": target})
            for path, content in written.items():
                wrong += not path.is_file() or path.read_bytes() != content
        return wrong


@contextmanager
def _quick_azurite() -> Iterator[None]:
    """Let node, wherever it is started meanwhile, load what makes Azurite fit for a storm."""
    before = os.environ.get("NODE_OPTIONS")
    os.environ["NODE_OPTIONS"] = f'--require "{Path(__file__).with_name("azurite.js")}"'
    try:
        yield
    finally:
        os.environ.pop("NODE_OPTIONS")
        if before is not None:
            os.environ["NODE_OPTIONS"] = before


def _is_ready(data: Path) -> bool | None:
    return True if process.first_line(data / "host-0" / "out", "ready ") else None


def _log(data: Path) -> Path:
    return data / "host-0" / "log"


def _unsettled(facts: Facts) -> bool:
    """Whether something may yet come: an end, an answer, or the count of what was folded."""
    if facts.open_rows or facts.waiting:
        return True
    return sum(facts.cooldowns.values()) != folded_messages(facts)
