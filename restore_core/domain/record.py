"""The record of a request: every fact that is known, every decision, and the tries still open.

Records are values: each change makes a new one, and the phase moves only along
`lifecycle.TRANSITIONS`. A record writes itself as JSON; `storage/tables.py` stores it, and the
engine decides what to do next.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, PlainSerializer, TypeAdapter

from restore_core.arm_ids import (
    ArmIdError,
    ProtectedItemId,
    StorageAccountId,
    account_name,
    same_share,
)
from restore_core.domain.lifecycle import FINAL, Event, Phase, next_phase
from restore_core.domain.vault import JobEnd, Tally, Tier
from restore_core.messages.request import (
    AlternateTarget,
    ItemSource,
    Priority,
    RestoreRequest,
    payload_hash,
)
from restore_core.vocabulary import ErrorClass, Reason, WaitingFor

SCHEMA = 1
MAX_WAITING_CHARACTERS = 2000


class TryState(StrEnum):
    """What is known of one POST. A POST that certainly started nothing is not kept."""

    OPEN = "open"
    """Stored before sending. Found again after a crash, it counts as unknown."""
    UNKNOWN = "unknown"
    """Sent, or perhaps sent, without a usable answer."""
    TAKEN = "taken"
    """Answered with 202."""
    ABSENT = "absent"
    """Two complete job lists, a grace period apart, did not show its job: nothing started."""


@dataclass(frozen=True, kw_only=True)
class Try:
    """One restore POST."""

    client_request_id: str
    """Sent as `x-ms-client-request-id`; the job carries it as `activityId`. Lower case."""
    intended_at: datetime
    state: TryState = TryState.OPEN
    operation_id: str | None = None
    absent_since: datetime | None = None
    """The service's `Date` of the first complete job list without this try."""

    @property
    def is_unsettled(self) -> bool:
        """Whether the POST may have started a restore whose job has not been found."""
        return self.state in {TryState.OPEN, TryState.UNKNOWN}


@dataclass(frozen=True, kw_only=True)
class JobError:
    """An error in the form in which events show it."""

    code: str
    message: str
    kind: ErrorClass


@dataclass(frozen=True, kw_only=True)
class FollowedJob:
    """A backup job of this request, as last seen."""

    id: str
    status: str = ""
    end: JobEnd | None = None
    start_time: datetime | None = None
    end_time: datetime | None = None
    files: Tally = field(default_factory=Tally)
    directories: Tally = field(default_factory=Tally)
    transferred_mb: float | None = None
    error: JobError | None = None
    advice: str = ""


_PACKED = "zlib:"
_PACKED_FROM = 32_000


def _packed(body: str) -> str:
    """Compress a long body: 99 long folder paths, escaped twice, do not fit an entity of 1 MiB."""
    if len(body) < _PACKED_FROM:
        return body
    return _PACKED + base64.b64encode(zlib.compress(body.encode())).decode("ascii")


def _unpacked(stored: object) -> object:
    """Undo `_packed`. A body that was not compressed is a JSON object and begins with `{`."""
    if not isinstance(stored, str) or not stored.startswith(_PACKED):
        return stored
    return zlib.decompress(base64.b64decode(stored.removeprefix(_PACKED))).decode()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One trigger of at most 99 items, with its tries and jobs."""

    body: Annotated[
        str | None,
        BeforeValidator(_unpacked),
        PlainSerializer(_packed, when_used="unless-none"),
    ] = None
    """The exact JSON text of the POST, decided once and sent unchanged by every try."""
    tries: tuple[Try, ...] = ()
    jobs: tuple[FollowedJob, ...] = ()
    end: End | None = None
    """How this part ended, where the request has several."""

    @property
    def unsettled(self) -> tuple[Try, ...]:
        """The tries that may have started a restore whose job has not been found."""
        return tuple(one for one in self.tries if one.is_unsettled)

    @property
    def in_doubt(self) -> tuple[Try, ...]:
        """The tries without a 202 and without a job, those that are proven absent included."""
        return tuple(one for one in self.tries if one.state is not TryState.TAKEN)

    @property
    def may_have_more_jobs(self) -> bool:
        """Whether a job may still appear: of a try in doubt, or of a second try answered 202."""
        taken = [one for one in self.tries if one.state is TryState.TAKEN]
        return bool(self.in_doubt) or len(taken) > max(1, len(self.jobs))

    @property
    def may_have_started(self) -> bool:
        """Whether a restore of this part ran, runs, or may run."""
        taken = any(one.state is TryState.TAKEN for one in self.tries)
        return bool(self.jobs or taken or self.unsettled)

    @property
    def triggered_at(self) -> datetime | None:
        """When the first try that Azure answered with 202 was made, else the first try at all."""
        taken = [one.intended_at for one in self.tries if one.state is TryState.TAKEN]
        return min(taken or [one.intended_at for one in self.tries], default=None)

    @property
    def current_try(self) -> Try | None:
        """The latest try."""
        return self.tries[-1] if self.tries else None

    @property
    def operation_id(self) -> str | None:
        """The operation of the latest try that Azure answered with 202."""
        return next((one.operation_id for one in reversed(self.tries) if one.operation_id), None)

    def with_try(self, changed: Try) -> Self:
        """Replace the try of that client request id, or append it."""
        tries = {one.client_request_id: one for one in self.tries}
        return replace(self, tries=tuple((tries | {changed.client_request_id: changed}).values()))

    def without_try(self, client_request_id: str) -> Self:
        """Forget a try that certainly started nothing."""
        kept = (one for one in self.tries if one.client_request_id != client_request_id)
        return replace(self, tries=tuple(kept))

    def with_job(self, job: FollowedJob) -> Self:
        """Replace the job of that id, or append it."""
        jobs = {one.id: one for one in self.jobs}
        return replace(self, jobs=tuple((jobs | {job.id: job}).values()))


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The choices made and stored before the first try, so that every retry sends the same."""

    item_id: str
    share: str
    account_id: str
    point_id: str
    point_time: datetime | None
    why: str
    """Why this recovery point was chosen, in words for people."""
    target_account_id: str
    target_share: str
    protection_state: str = ""
    item_soft_deleted: bool = False
    tiers: tuple[Tier, ...] = ()
    threat_status: str = ""
    guard_requests: tuple[str, ...] | None = ()
    """The Resource Guard ids that the body must carry; `None` when they could not be read."""

    @property
    def item(self) -> ProtectedItemId:
        """The protected item's id, parsed."""
        return ProtectedItemId.parse(self.item_id)

    @property
    def stays_in_its_share(self) -> bool:
        """Whether the target share is the source share."""
        return same_share(self.account_id, self.share, self.target_account_id, self.target_share)


@dataclass(frozen=True, kw_only=True)
class End:
    """How and why a request ends."""

    event: Event
    reason: Reason
    message: str
    recommendation: str = ""
    error: JobError | None = None
    rule: str | None = None
    plan: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class RestoreRecord:
    """A request and everything that has happened to it. Times are aware UTC."""

    schema: int = SCHEMA
    request: Annotated[RestoreRequest, PlainSerializer(RestoreRequest.given)]
    payload_hash: str
    message_id: str
    requested_at: datetime
    accepted_at: datetime
    phase: Phase = Phase.ACCEPTED
    source_event_id: str | None = None
    plan: str | None = None
    """The name of the plan that made the request of an alert."""
    reply_queue: str | None = None
    """The queue for the completion, set once the guards have allowed the request's `replyTo`."""
    waiting_for: WaitingFor | None = None
    waiting_message: str = ""
    failures: int = 0
    """Consecutive steps without progress; sets the back-off."""
    forbidden_since: datetime | None = None
    emergency_allowed: bool = False
    """Whether the guards, when they were last asked, let it say `emergency`."""
    decision: Decision | None = None
    parts: tuple[Part, ...] = (Part(),)
    target_etag: str | None = None
    """The ETag of the claim under `older_target_key` when it was taken, to release it unread."""
    share_etag: str | None = None
    """The same of the claim under `target_key`."""
    hold_until: datetime | None = None
    """The next POST waits until then, since `Retry-After` or the error's code asked for it."""
    cancel_sent_at: datetime | None = None
    warnings: tuple[str, ...] = ()
    pending_end: End | None = None
    """An end that is stored only after one more job list, since an earlier try is unsettled."""
    end: End | None = None
    finished_at: datetime | None = None
    event: str | None = None
    """The completion's text, rendered once, so that every send of it is identical."""
    announced_at: datetime | None = None

    @classmethod
    def accept(
        cls,
        request: RestoreRequest,
        *,
        message_id: str,
        requested_at: datetime,
        now: datetime,
        source_event_id: str | None = None,
        plan: str | None = None,
    ) -> Self:
        """Make the first record of a request, in phase `Accepted`."""
        return cls(
            request=request,
            payload_hash=payload_hash(request),
            message_id=message_id,
            requested_at=requested_at,
            accepted_at=now,
            source_event_id=source_event_id,
            plan=plan,
        )

    @property
    def key(self) -> str:
        """The record's row key."""
        return self.request.record_key

    @property
    def is_final(self) -> bool:
        """Whether the request has ended."""
        return self.phase in FINAL

    @property
    def part_index(self) -> int:
        """The index of the current part: the first without an end, else the last."""
        open_ones = (index for index, part in enumerate(self.parts) if part.end is None)
        return next(open_ones, len(self.parts) - 1)

    @property
    def part(self) -> Part:
        """The current part."""
        return self.parts[self.part_index]

    @property
    def is_between_parts(self) -> bool:
        """Whether a part has ended and the next is sent now, so that the target stays claimed."""
        waits = self.waiting_for is not None or self.phase is not Phase.ACCEPTED
        return self.parts[0].end is not None and not waits

    @property
    def start_key(self) -> str:
        """The name under which the allowance counts this start: each part counts by itself."""
        return self._start_key(self.part_index)

    @property
    def unused_starts(self) -> tuple[str, ...]:
        """The starts to give back to the allowance: perhaps counted, but nothing was started."""
        reached = enumerate(self.parts[: self.part_index + 1])
        return tuple(self._start_key(at) for at, part in reached if not part.may_have_started)

    @property
    def tries(self) -> tuple[Try, ...]:
        """Every try that is kept, oldest first."""
        return tuple(one for part in self.parts for one in part.tries)

    @property
    def jobs(self) -> tuple[FollowedJob, ...]:
        """Every job that was found, in the order in which they were found."""
        return tuple(one for part in self.parts for one in part.jobs)

    @property
    def triggered_at(self) -> datetime | None:
        """When the first POST was made that reached Azure, or may have reached it."""
        times = (part.triggered_at for part in self.parts)
        return min((time for time in times if time is not None), default=None)

    @property
    def is_emergency(self) -> bool:
        """Whether it goes before normal requests: it says so, and a guard has allowed it."""
        return self.says_emergency and self.emergency_allowed

    @property
    def says_emergency(self) -> bool:
        """Whether its sender calls it an emergency."""
        return self.request.priority is Priority.EMERGENCY

    def _start_key(self, index: int) -> str:
        return self.key if index == 0 else f"{self.key}~{index + 1}"

    def with_part(self, part: Part) -> Self:
        """Replace the current part."""
        at = self.part_index
        return replace(self, parts=(*self.parts[:at], part, *self.parts[at + 1 :]))

    def moved(self, event: Event) -> Self:
        """Move to the phase that an event leads to; raises `IllegalTransitionError`."""
        return replace(self, phase=next_phase(self.phase, event))

    def waiting(
        self, why: WaitingFor | None, message: str = "", *, event: Event = Event.WAITED
    ) -> Self:
        """Take `event`, store the reason to wait with a bounded message, and count a failure."""
        return replace(
            self.moved(event),
            waiting_for=why,
            waiting_message=message[:MAX_WAITING_CHARACTERS],
            failures=self.failures + 1,
        )

    def start_deadline(self, limit: timedelta) -> datetime:
        """The time until which the first POST may be sent: the request's deadline or the limit,
        whichever is earlier.
        """
        latest = self.requested_at + limit
        wanted = self.request.start_deadline
        if isinstance(wanted, timedelta):
            return min(latest, self.requested_at + wanted)
        return latest if wanted is None else min(latest, wanted)

    @property
    def target_key(self) -> str | None:
        """A hash of the share that data goes to, by its account's name alone; `None` until the
        item is resolved where it must be.
        """
        target = self._target
        return None if target is None else hash_key(account_name(target[0]), target[1])

    @property
    def older_target_key(self) -> str | None:
        """The same with the account's whole id, as the version before this one claims
        it. For one release both are claimed, since the two may run side by side.
        """
        target = self._target
        return None if target is None else hash_key(*target)

    @property
    def _target(self) -> tuple[str, str] | None:
        """The account and the share that data goes to, as far as they are known."""
        target, source = self.request.target, self.request.source
        if isinstance(target, AlternateTarget):
            return target.storage_account_id, target.file_share
        if self.decision is not None:
            return self.decision.target_account_id, self.decision.target_share
        if isinstance(source, ItemSource):
            return None
        return source.storage_account_id, source.file_share

    @property
    def source_key(self) -> str | None:
        """A hash of the share that is read; `None` while only the protected item names it."""
        source = self.request.source
        if self.decision is not None:
            return hash_key(self.decision.account_id, self.decision.share)
        if isinstance(source, ItemSource):
            return None
        return hash_key(source.storage_account_id, source.file_share)

    def to_json(self) -> str:
        """Write the record as JSON, ASCII only."""
        text = _RECORD.dump_json(self, exclude_none=True, ensure_ascii=True)
        return text.decode("ascii")

    @staticmethod
    def from_json(text: str) -> RestoreRecord:
        """Read a record that `to_json` wrote."""
        return _RECORD.validate_json(text)


_RECORD = TypeAdapter(RestoreRecord)


def hash_key(*parts: str) -> str:
    """Hash names, ignoring case, into 32 hex digits: a key that any table accepts."""
    text = "\n".join(part.casefold() for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def source_account(item_id: ProtectedItemId, known: StorageAccountId | None) -> StorageAccountId:
    """Return the account of a protected item; raises `ArmIdError` when nothing names it.

    An item whose account was deleted may list none. Then the container's name tells it, which ends
    in the resource group and the account, in the vault's subscription.
    """
    if known is not None:
        return known
    names = item_id.container.split(";")
    if len(names) < 4:
        raise ArmIdError("the container's name does not tell the storage account")
    return StorageAccountId.parse(
        f"/subscriptions/{item_id.vault.subscription}/resourceGroups/{names[-2]}"
        f"/providers/Microsoft.Storage/storageAccounts/{names[-1]}"
    )


def restore_started(record: RestoreRecord) -> str:
    """Say whether a restore ran or runs: `yes`, `no`, or `unknown`."""
    if record.jobs:
        return "yes"
    if any(part.may_have_started for part in record.parts) or record.phase is Phase.INDETERMINATE:
        # A 202 whose operation failed, or whose job was never found, proves neither yes nor no.
        return "unknown"
    return "no"


def writes_to_its_source(record: RestoreRecord, decision: Decision) -> bool:
    """Tell whether data is written where it came from, even if the request calls it alternate."""
    target = record.request.target
    if not isinstance(target, AlternateTarget):
        return True
    return decision.stays_in_its_share and target.folder is None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRow:
    """The work list's row of an open request; a sweep reads only these, not the records."""

    key: str
    """The record's key."""
    request_id: str
    vault_id: str
    phase: Phase
    next_check_at: datetime
    is_emergency: bool
    requested_at: datetime
    accepted_at: datetime
    target_key: str | None = None
    source_key: str | None = None
    waiting_for: WaitingFor | None = None
    job_id: str | None = None
    needs_attention: bool = False
    """Whether the sweep must load the record: a cancel came, or the last step went wrong."""

    @classmethod
    def of(cls, record: RestoreRecord, next_check_at: datetime) -> Self:
        """Make the row of a record."""
        return cls(
            key=record.key,
            request_id=record.request.request_id,
            vault_id=str(record.request.vault),
            phase=record.phase,
            next_check_at=next_check_at,
            is_emergency=record.is_emergency,
            requested_at=record.requested_at,
            accepted_at=record.accepted_at,
            target_key=record.target_key,
            source_key=record.source_key,
            waiting_for=record.waiting_for,
            job_id=record.jobs[-1].id if record.jobs else None,
            needs_attention=bool(record.failures or record.hold_until or record.pending_end),
        )

    @property
    def rank(self) -> tuple[bool, datetime, str]:
        """The order among requests that wait for one thing: priority, then arrival.

        Arrival is `accepted_at`, by our clock: a sender could date its event back.
        """
        return (not self.is_emergency, self.accepted_at, self.key)
