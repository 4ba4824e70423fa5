"""One campaign: a stack, its script, its weather and its fleet, until all is quiet."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.stack import Stack
from tests.chaos.fleet import Fleet
from tests.chaos.laws import Breach, Facts, Sent, breaches
from tests.chaos.script import (
    COMMON_TARGETS,
    Ask,
    Script,
    crowded_for,
    own_targets,
    shares_for,
    write,
)
from tests.chaos.weather import spell
from tests.local.gate import Gate
from tests.stack.estate import Estate, build, reload
from tests.stack.outside import Json, Outside

SETTINGS = {
    "RESTORE_POLL_SCHEDULE": "* * * * * *",
    "RESTORE_ARM_CONNECT_SECONDS": "2",
    "RESTORE_ARM_ANSWER_SECONDS": "3",
    "RESTORE_OPERATION_POLL_SECONDS": "0.5",
    "RESTORE_JOB_POLL_SECONDS": "1",
    "RESTORE_RETRY_BASE_SECONDS": "0.5",
    "RESTORE_RETRY_MAX_SECONDS": "4",
    "RESTORE_SWEEP_BUDGET_SECONDS": "20",
    # Counted, but never used up: nobody waits a day here.
    "RESTORE_DAILY_LIMIT_PER_SHARE": "1000",
}
GRACE_SECONDS = 12
"""Longer than a POST can be held up here and its job be listed late, both together."""
TIME_SCALE = 30.0
LEASE_SECONDS = 5
VAULTS = 8
_UNANSWERED_AT_ONCE = 100
_BETWEEN_LETTERS_SECONDS = 0.06
_LETTERS_PER_SPELL = 40
_LOOK_SECONDS = 0.3
_LAST_SPELL_SECONDS = 6.0


@dataclass(kw_only=True)
class Result:
    """What a campaign came to."""

    seed: int
    requests: int
    kinds: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    spells: Counter[str] = field(default_factory=Counter)
    events: int = 0
    copies: int = 0
    calls: int = 0
    jobs: int = 0
    adopted: int = 0
    tried_again: int = 0
    in_parts: int = 0
    invocations: int = 0
    poisoned: int = 0
    seconds: float = 0.0
    died: list[str] = field(default_factory=list)
    worries: list[str] = field(default_factory=list)
    breaches: list[Breach] = field(default_factory=list)

    @property
    def survived(self) -> bool:
        """Whether every law held and no host failed by itself."""
        return not (self.breaches or self.died or self.worries)


def run(
    *,
    seed: int,
    requests: int,
    kills: int,
    outages: int,
    patience: float,
    tell: Callable[[str], None] = lambda _: None,
    keep: Path | None = None,
) -> Result:
    """Run a campaign; `patience` is how long it may take to come to rest after the last message
    and the last outage of storage.
    """
    settings = {**SETTINGS, "RESTORE_ADOPTION_GRACE_SECONDS": str(GRACE_SECONDS)}
    with Stack(host=False, lease=LEASE_SECONDS, time_scale=TIME_SCALE, settings=settings) as stack:
        targets = [*COMMON_TARGETS, *own_targets(requests)]
        estate = build(
            stack.vault_root,
            shares=shares_for(requests),
            vaults=VAULTS,
            targets=targets,
            crowded=crowded_for(requests),
        )
        reload(stack.arm)
        with Outside(stack.storage, stack.arm) as outside, Gate(stack.storage) as gate:
            script = write(estate, seed=seed, requests=requests)
            fleet = Fleet(stack, random.Random(f"fleet {seed}"), gate)
            campaign = _Campaign(stack, outside, estate, script, fleet, seed, tell)
            try:
                return campaign.run(
                    requests=requests, kills=kills, outages=outages, patience=patience
                )
            finally:
                tell("the end")
                campaign.fleet.close()
                if keep is not None:
                    campaign.keep(keep)


class _Campaign:
    def __init__(
        self,
        stack: Stack,
        outside: Outside,
        estate: Estate,
        script: Script,
        fleet: Fleet,
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self._outside = outside
        self._estate = estate
        self._script = script
        self._seed = seed
        self._tell = tell
        self._stack = stack
        self._weather = random.Random(f"weather {seed}")
        self._moments = random.Random(f"moments {seed}")
        self.fleet = fleet
        self._sent: list[Sent] = []
        self._asked: set[str] = set()
        self._answered: set[str] = set()
        self._read = 0
        self._looked = 0.0
        self._spells: Counter[str] = Counter()

    def run(self, *, requests: int, kills: int, outages: int, patience: float) -> Result:
        """Send everything, disturb, come to rest, and judge."""
        begun = time.monotonic()
        self.fleet.start()
        self.fleet.start()
        self._send_all(kills, outages)
        self._tell("all is sent; the last spell of weather")
        while not self.fleet.has_storage:
            # Faults strike nobody while the hosts cannot take a message.
            self._rest(1.0)
        self._rest(_LAST_SPELL_SECONDS)
        self._outside.no_faults()
        self.fleet.wake()
        self._come_to_rest(patience)
        self.fleet.close()
        self._tell("all is quiet; the laws are checked")
        self._outside.take()
        return self._judge(requests, time.monotonic() - begun)

    def keep(self, folder: Path) -> None:
        """Keep the logs of the hosts for whoever looks for a cause."""
        folder.mkdir(parents=True, exist_ok=True)
        for log in self._stack.data.glob("host-*/log"):
            (folder / f"{log.parent.name}.log").write_bytes(log.read_bytes())

    def _send_all(self, kills: int, outages: int) -> None:
        letters = self._script.letters
        moments = Counter(self._moments.choices(range(5, len(letters)), k=kills))
        losses = {len(letters) * (2 * number + 1) // (2 * outages) for number in range(outages)}
        for number, letter in enumerate(letters):
            if number % _LETTERS_PER_SPELL == 0:
                self._change_weather()
            for _ in range(moments[number]):
                self.fleet.disturb()
            if number in losses:
                self.fleet.lose_storage()
            sent = Sent(letter=letter, message_id=self._outside.send(letter.text))
            self._sent.append(sent)
            self._asked.add(letter.request_id or sent.message_id)
            self._rest(_BETWEEN_LETTERS_SECONDS)
            while self._unanswered() > _UNANSWERED_AT_ONCE:
                self._rest(0.1)
            if number % 100 == 0:
                self._tell(f"{number} of {len(letters)} messages, {self._unanswered()} open")

    def _unanswered(self) -> int:
        """About how many requests have no answer yet: enough to pace the sending by."""
        new, self._read = self._outside.texts[self._read :], len(self._outside.texts)
        self._answered |= {str(json.loads(text)["subject"]) for text in new}
        return len(self._asked - self._answered)

    def _change_weather(self) -> None:
        name, faults = spell(self._weather)
        self._spells[name] += 1
        self._outside.no_faults()
        self._outside.faults(faults)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while True:
            self._look()
            if time.monotonic() >= until:
                return
            time.sleep(0.02)

    def _look(self) -> None:
        self.fleet.tend()
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._outside.take()
            self._looked = time.monotonic()

    def _come_to_rest(self, patience: float) -> None:
        give_up = time.monotonic() + patience
        while time.monotonic() < give_up:
            self._rest(1.0)
            left = len(self._outside.open_rows())
            messages = self._outside.waiting_messages()
            if not left and not messages:
                return
            self._tell(f"{left} requests and {messages} messages to go")

    def _judge(self, requests: int, seconds: float) -> Result:
        outside, script = self._outside, self._script
        records, jobs = outside.records(), outside.jobs()
        facts = Facts(
            asks=script.asks,
            sent=self._sent,
            texts=outside.texts,
            records=records,
            jobs=jobs,
            open_rows=outside.open_rows(),
            claims=outside.claims(),
            waiting_messages=outside.waiting_messages(),
            poisoned=outside.poisoned(),
            written=self._written,
        )
        calls = outside.calls()
        tries = [
            [one for part in record["record"]["parts"] for one in part["tries"]]
            for record in records.values()
        ]
        adopted = (one for each in tries for one in each if _is_adopted(one))
        parts = [record["record"]["parts"] for record in records.values()]
        return Result(
            seed=self._seed,
            requests=requests,
            kinds=Counter(_kind_of(sent) for sent in self._sent),
            done=self.fleet.done,
            faults=Counter(kind for call in calls for kind in call["faults"]),
            ends=Counter(_end_of(record) for record in records.values()),
            spells=self._spells,
            events=len(outside.texts),
            copies=len(outside.texts) - len(set(outside.texts)),
            calls=len(calls),
            jobs=len(jobs),
            adopted=sum(1 for _ in adopted),
            tried_again=sum(any(len(one["tries"]) > 1 for one in each) for each in parts),
            in_parts=sum(sum(bool(one["tries"]) for one in each) > 1 for each in parts),
            invocations=self.fleet.invocations(),
            poisoned=self.fleet.poisoned(),
            seconds=seconds,
            died=self.fleet.died,
            worries=self.fleet.worries(),
            breaches=breaches(facts),
        )

    def _written(self, ask: Ask, name: str, part: int) -> Mapping[Path, bytes]:
        body = ask.bodies[name]
        point = body.share.older if body.older else body.share.newer
        return self._estate.written(body.share, point, body.parts[part])


def _is_adopted(one: Json) -> bool:
    return one["state"] == "taken" and "operation_id" not in one


def _end_of(record: Json) -> str:
    return f"{record['phase']}, {record.get('reason', 'no reason')}"


def _kind_of(sent: Sent) -> str:
    return f"dry run {sent.letter.kind}" if sent.letter.dry else str(sent.letter.kind)
