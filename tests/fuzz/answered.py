"""What must be true of every message, whatever is in it.

A message leads to one rejection or to one record, and a record to one end. Every event can be sent
and read. Every URL that is made for it holds only names that were checked.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from restore_core.arm_ids import ProtectedItemId, VaultId
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import Answer, ArmClient, PreparedPost
from restore_core.completions.events import MAX_EVENT_BYTES
from restore_core.domain.ports import ChosenPoint, JobListing
from restore_core.domain.record import RestoreRecord
from restore_core.domain.vault import Job, Operation, ProtectedItem
from restore_core.errors import ArmError, NotSent
from restore_core.messages.request import RestoreRequest
from restore_core.vocabulary import Rejection
from tests.fuzz.envelopes import PLAN_NAMES, PLANS
from tests.fuzz.plain_reading import Reading, read
from tests.simulators.vaults import MemoryVaults
from tests.simulators.world import World

ENDPOINT = "https://arm.test"
SOON = timedelta(minutes=10)
"""Nothing fails in these worlds: whatever takes longer could not be stored, or was not due."""
_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_VAULT = (
    rf"/subscriptions/{_GUID}/resourceGroups/[\w.()-]{{1,90}}"
    r"/providers/Microsoft\.RecoveryServices/vaults/[A-Za-z][A-Za-z0-9-]{1,49}"
)
_NAME = r"[^/\\?#%\x00-\x20\x7f]{1,250}"
_POINTS = (
    rf"/backupFabrics/Azure/protectionContainers/StorageContainer;{_NAME}"
    rf"/protectedItems/AzureFileShare;{_NAME}/recoveryPoints"
)
_PATH = re.compile(
    rf"{_VAULT}(?:/backupProtectedItems|{_POINTS}(?:/[0-9]{{1,19}}/restore)?"
    r"|/backupJobs(?:/[A-Za-z0-9._-]+(?:/cancel)?)?|/backupOperations/[A-Za-z0-9._-]+)",
    re.IGNORECASE,
)
_QUERY = re.compile(r"api-version=2026-07-01(?:&\$filter=[A-Za-z0-9%._~-]+)?")
_QUEUE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
_SENDABLE = re.compile(r"[\x20-\x7e]+")


class _NotingArm(ArmClient):
    """A client that notes each URL and sends nothing."""

    def __init__(self, urls: list[str]) -> None:
        limit = timedelta(seconds=1)
        super().__init__(
            endpoint=ENDPOINT,
            api_version="2026-07-01",
            tokens=None,
            connect_limit=limit,
            answer_limit=limit,
        )
        self._urls = urls

    def get(self, url: str) -> Answer:
        self._urls.append(url)
        raise NotSent("noted")

    def prepare_post(self, url: str, body: str = "", client_request_id: str = "") -> PreparedPost:
        self._urls.append(url)
        raise NotSent("noted")


class NotingVaults(MemoryVaults):
    """Vaults in memory, for which the real client makes its URLs all the same."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda: world.now)
        self.urls: list[str] = []
        self._arm = _NotingArm(self.urls)
        self._real = AzureBackup(self._arm, name_cache=timedelta(0))

    def find_item(self, request: RestoreRequest) -> ProtectedItem:
        with suppress(ArmError):
            self._real.find_item(request)
        return super().find_item(request)

    def choose_point(
        self, item: ProtectedItem, request: RestoreRequest, *, requested_at: datetime
    ) -> ChosenPoint:
        with suppress(ArmError):
            self._real.choose_point(item, request, requested_at=requested_at)
        return super().choose_point(item, request, requested_at=requested_at)

    def prepare_restore(
        self, item: ProtectedItemId, point_id: str, body: str, client_request_id: str
    ) -> Any:
        with suppress(ArmError):
            self._real.prepare_restore(item, point_id, body, client_request_id)
        return super().prepare_restore(item, point_id, body, client_request_id)

    def operation(self, vault: VaultId, operation_id: str) -> Operation:
        with suppress(ArmError):
            self._real.operation(vault, operation_id)
        return super().operation(vault, operation_id)

    def job(self, vault: VaultId, job_id: str) -> Job:
        with suppress(ArmError):
            self._real.job(vault, job_id)
        return super().job(vault, job_id)

    def jobs(self, vault: VaultId, *, since: datetime, now: datetime) -> JobListing:
        with suppress(ArmError):
            self._real.jobs(vault, since=since, now=now)
        return super().jobs(vault, since=since, now=now)

    def close(self) -> None:
        self._arm.close()


class _Errors(logging.Handler):
    """Errors that were logged in place of being raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(f"{record.getMessage()}: {error!r}")


@contextmanager
def _no_errors() -> Iterator[None]:
    logger, handler = logging.getLogger("restore_core"), _Errors()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert handler.found == [], "an error was logged"


@dataclass
class Tally:
    """What became of many messages, and some of their events."""

    outcomes: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    urls: int = 0
    longest: int = 0
    events: list[str] = field(default_factory=list)

    def keep(self, outcome: str, texts: list[str], urls: int) -> None:
        """Count a message, and keep some of the events, the longest among them."""
        is_new = outcome not in self.outcomes
        self.outcomes[outcome] += 1
        self.urls += urls
        for text in texts:
            if is_new or len(text) > self.longest or self.outcomes.total() % 8 == 0:
                self.events.append(text)
            self.longest = max(self.longest, len(text))
            for problem in json.loads(text)["data"].get("problems", ()):
                self.problems[re.sub(r"\W+", " ", problem["message"])[:40]] += 1


def check_message(body: bytes, tally: Tally, *, before: bytes | None = None) -> None:
    """Deliver one message to a new world, twice, and let it come to its end.

    An alert that was answered a moment before may make the message one of a storm.
    """
    world = World()
    world.plans = PLANS
    vaults = NotingVaults(world)
    world.vaults = vaults
    world.start()
    try:
        with _no_errors():
            old = _answer_before(world, before)
            message = world.send(body)
            rejected = _rejections(world.queue.sent)
            records = [record for record in world.records() if record.key not in old]
            assert len(rejected) + len(records) == 1, "not one rejection or one record"
            world.app.handle(message, world.now)
            assert len(world.records()) == len(records) + len(old), "a second record of one message"
            world.sweep_until_quiet()
        ends = {world.record(key).event for key in old}
        texts = [text for text in dict.fromkeys(world.queue.sent) if text not in ends]
        assert len(texts) == 1, "copies of an event differ, or there is none"
        event = check_event(texts[0])
        plain = read(body)
        reason = plain.reason_to_reject
        assert rejected or reason is None, f"accepted, though it {reason}"
        if rejected:
            outcome = _check_rejection(event, message.id)
        else:
            world.check_laws()
            outcome = f"{event['data']['phase']}, {event['data']['reason']}"
            record = world.record(records[0].key)
            check_body(record.part.body)
            assert record.finished_at is not None
            assert record.finished_at - record.accepted_at < SOON, f"ended late: {outcome}"
            _check_origin(record, plain)
            if record.plan is not None:
                outcome += ", by a plan"
        _check_queues(world)
        for url in vaults.urls:
            check_url(url)
    finally:
        vaults.close()
    tally.keep(outcome, texts, len(vaults.urls))


def _answer_before(world: World, before: bytes | None) -> set[str]:
    """Let a plan answer another alert first; return the keys of the records."""
    if before is None:
        return set()
    world.send(before)
    (record,) = world.records()
    assert record.plan is not None
    return {record.key}


def _check_origin(record: RestoreRecord, plain: Reading) -> None:
    """Check that a request has the id that its sender gave it, and the time of its message."""
    request = record.request
    if plain.request_id is not None:
        assert request.request_id == plain.request_id, "another id"
        assert record.source_event_id == plain.event_id, "another event"
    assert record.requested_at <= record.accepted_at, "requested after it was accepted"
    if plain.is_alert or record.plan is not None:
        assert request.requested_by == f"plan:{record.plan}"
        assert record.plan in PLAN_NAMES


def _check_queues(world: World) -> None:
    """Check that an event went to one queue, and never to where requests come from."""
    for name, texts in world.queue.replies.items():
        assert _QUEUE.fullmatch(name), f"an event went to {name!r}"
        assert not name.startswith(world.settings.request_queue), "an event is no request"
        assert len(set(texts)) == 1


def _rejections(texts: Sequence[str]) -> list[str]:
    return [text for text in texts if "MessageRejected" in json.loads(text)["type"]]


def _check_rejection(event: dict[str, Any], message_id: str) -> str:
    data = event["data"]
    assert (event["subject"], data["messageId"]) == (message_id, message_id)
    reason = str(Rejection(data["reason"]))
    assert data["message"]
    if reason in {"Unreadable", "Invalid"}:
        assert data["problems"], "no problem is named"
        for problem in data["problems"]:
            assert problem["message"]
            assert "path" in problem or "cut" in problem["message"]
    return f"rejected, {reason}"


def check_event(text: str) -> dict[str, Any]:
    """Check that an event can be sent by any queue and read by any reader."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({name for name, _ in pairs}) == len(pairs), "a key twice"
        return dict(pairs)

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    assert _SENDABLE.fullmatch(text), "not printable ASCII"
    assert len(text) <= MAX_EVENT_BYTES, f"{len(text)} bytes"
    event: dict[str, Any] = json.loads(text, object_pairs_hook=once, parse_constant=refuse)
    json.dumps(event, ensure_ascii=False).encode()  # raises for half a character
    wanted = {"specversion", "type", "source", "id", "subject", "time", "datacontenttype", "data"}
    assert set(event) == wanted
    assert datetime.fromisoformat(event["time"]).tzinfo is not None
    return event


def check_body(body: str | None) -> None:
    """Check that the body of a restore POST is JSON in ASCII, with text that can be stored."""
    if body is not None:
        assert body.isascii()
        json.dumps(json.loads(body), ensure_ascii=False).encode()


def check_url(url: str) -> None:
    """Check that a URL is on the endpoint, and made of names that Azure's rules allow."""
    assert url.isascii(), url
    parts = urlsplit(url)
    assert (f"{parts.scheme}://{parts.netloc}", parts.fragment) == (ENDPOINT, ""), url
    decoded = unquote(parts.path, errors="strict")
    assert _PATH.fullmatch(decoded), url
    assert not {".", ".."} & set(decoded.split("/")), url
    assert _QUERY.fullmatch(parts.query), url
    item, _, rest = decoded.partition("/recoveryPoints")
    if rest or "/recoveryPoints" in decoded:
        assert str(ProtectedItemId.parse(item)) == item, "an id that was not rebuilt"
    else:
        vault = re.match(_VAULT, decoded)
        assert vault is not None
        assert str(VaultId.parse(vault.group())) == vault.group(), "an id that was not rebuilt"
