"""The interfaces that the engine needs of storage and Azure Backup, and the values they exchange.

The real parts (`azure_backup/backup.py`, `storage/tables.py`, `completions/queue.py`) and the
in-memory simulators of the tests implement the same Protocols and pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Protocol, Self

from restore_core.arm_ids import ProtectedItemId, VaultId
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.domain.vault import Job, Operation, ProtectedItem, RecoveryPoint
from restore_core.messages.request import RestoreRequest
from restore_core.vocabulary import WaitingFor

MAX_MESSAGE_BYTES = 64 * 1024
"""The largest message that a storage queue takes, measured after any base64 encoding."""

is_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Whether the calls of this context belong to an emergency request."""


@contextmanager
def urgent(*, is_emergency: bool) -> Iterator[None]:
    """Mark the calls made inside as an emergency's, so that no brake of ours stops them."""
    token = is_urgent.set(is_emergency)
    try:
        yield
    finally:
        is_urgent.reset(token)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A queue message, or a copy of one.

    `inserted_at` is the queue's own time, aware UTC. Where `is_dated` is false the queue gave none:
    it is the time of this delivery, so the next delivery of the message has another.
    """

    id: str
    body: bytes
    inserted_at: datetime
    is_dated: bool = True


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """A cancel that was received. Of several for one request the first is kept."""

    received_at: datetime
    message_id: str
    reason: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredRequest:
    """A request as stored: its record, the ETag at which the record was read, and its cancel."""

    record: RestoreRecord
    etag: str
    cancel: Cancel | None = None

    @property
    def request_id(self) -> str:
        """The id that its sender gave it."""
        return self.record.request.request_id


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One entry of a claim: the request that holds the shared thing, and since when."""

    key: str
    """The record's key."""
    request_id: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A shared thing and its holders, as read. `etag` is `None` while no entity is stored."""

    thing: str
    holders: tuple[Holder, ...] = field(default_factory=tuple)
    etag: str | None = None
    wanted: bool = False
    """For a target: whether another request may wait for it."""
    folded: int = 0
    """For a cooldown: how many messages were folded into the holder's request."""

    def is_held_by(self, key: str) -> bool:
        """Whether a record is among the holders."""
        return any(holder.key == key for holder in self.holders)

    def without(self, key: str) -> Self:
        """The claim without that record among its holders."""
        return replace(self, holders=tuple(one for one in self.holders if one.key != key))


@dataclass(frozen=True, kw_only=True)
class JobListing:
    """A vault's restore jobs of a time span, read to the last page.

    `started` and `ended` are the service's `Date` of the first and the last page. Where the service
    sent none they are `None`, and the listing cannot prove that a job is absent.
    """

    jobs: tuple[Job, ...]
    started: datetime | None = None
    ended: datetime | None = None

    def of(self, client_request_id: str) -> list[Job]:
        """Return the jobs that a POST made, by their `activityId`."""
        return self._by_activity.get(client_request_id.casefold(), [])

    def get(self, job_id: str) -> Job | None:
        """Return a job by its id."""
        return self._by_id.get(job_id)

    @cached_property
    def _by_activity(self) -> dict[str, list[Job]]:
        """An index, so that thousands of requests share one list without each walking it."""
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(job.activity_id, []).append(job)
        return found

    @cached_property
    def _by_id(self) -> dict[str, Job]:
        return {job.id: job for job in self.jobs}


@dataclass(frozen=True, kw_only=True)
class ChosenPoint:
    """The chosen recovery point and the reason for the choice."""

    point: RecoveryPoint
    why: str
    passed_over: tuple[str, ...] = ()
    """What is said of newer points that could not be chosen, newest first."""


class RestorePost(Protocol):
    """A restore POST that is ready to go."""

    def renew_token(self) -> None:
        """Replace a token that was refused; raises `NotSent`."""
        ...

    def send(self) -> str:
        """Send it once and return the operation's id; raises `ArmError`."""
        ...


class Vaults(Protocol):
    """Azure Backup."""

    def find_item(self, request: RestoreRequest) -> ProtectedItem:
        """Find the protected item; raises `LookupFailed`, `ArmError`."""
        ...

    def choose_point(
        self, item: ProtectedItem, request: RestoreRequest, *, requested_at: datetime
    ) -> ChosenPoint:
        """Choose the recovery point; raises `LookupFailed`, `ArmError`."""
        ...

    def resource_guard_requests(self, vault: VaultId) -> tuple[str, ...]:
        """Return the ids that a restore's body must carry as `resourceGuardOperationRequests`,
        empty where no Resource Guard protects restores; raises `ArmError`.
        """
        ...

    def restore_url(self, item: ProtectedItemId, point_id: str) -> str:
        """Return the URL of a restore POST."""
        ...

    def prepare_restore(
        self, item: ProtectedItemId, point_id: str, body: str, client_request_id: str
    ) -> RestorePost:
        """Make a restore POST ready; raises `NotSent`."""
        ...

    def operation(self, vault: VaultId, operation_id: str) -> Operation:
        """Read an operation; raises `ArmError`."""
        ...

    def job(self, vault: VaultId, job_id: str) -> Job:
        """Read a job with its details; raises `ArmError`."""
        ...

    def jobs(self, vault: VaultId, *, since: datetime, now: datetime) -> JobListing:
        """List restore jobs to the last page; raises `ArmError`."""
        ...

    def cancel(self, vault: VaultId, job_id: str) -> None:
        """Ask for a job to be cancelled; raises `ArmError`."""
        ...


class Store(Protocol):
    """Tables. Every method may raise `StoreUnavailable`."""

    def load(self, request_id: str, key: str) -> StoredRequest | None:
        """Read a record and the request's cancel; `None` where the record does not exist."""
        ...

    def insert(self, record: RestoreRecord) -> str:
        """Insert a record and return its ETag; raises `Conflict`."""
        ...

    def replace(self, record: RestoreRecord, etag: str) -> str:
        """Replace a record and return the new ETag; raises `Conflict`."""
        ...

    def insert_cancel(self, request_id: str, cancel: Cancel) -> None:
        """Insert a cancel; raises `Conflict`."""
        ...

    def purge(self, *, partition: int, before: datetime) -> int:
        """Delete records announced before a time, in one part of the history."""
        ...

    def open_rows(self) -> list[OpenRow]:
        """Read the work list: the rows of all open requests."""
        ...

    def rows_for_target(self, target_key: str) -> list[OpenRow]:
        """Read the open requests that go to one target."""
        ...

    def rows_waiting(self, vault_id: str, why: WaitingFor) -> list[OpenRow]:
        """Read the open requests of one vault that wait for one thing."""
        ...

    def put_open(self, row: OpenRow) -> None:
        """Insert or replace a row."""
        ...

    def pull_forward(self, row: OpenRow, at: datetime) -> None:
        """Make a row due at a time, if the row still exists."""
        ...

    def delete_open(self, row: OpenRow) -> None:
        """Delete a row, if it still exists."""
        ...

    def read_claim(self, thing: str) -> Claim:
        """Read who holds a thing."""
        ...

    def write_claim(self, claim: Claim, holders: Sequence[Holder]) -> str:
        """Write the holders and the other fields of `claim`; return the ETag; raises `Conflict`."""
        ...


class Requests(Protocol):
    """The queue that requests come from."""

    def send(self, text: str) -> None:
        """Put a message on the queue; raises `StoreUnavailable`."""
        ...


class Completions(Protocol):
    """The completion queue, and the reply queues that requests may name."""

    def send(self, event: str, *, reply_queue: str | None = None) -> None:
        """Put an event on the queue; raises `StoreUnavailable`."""
        ...
