"""What the reconciler needs of the world: Protocols, and the values that pass through them.

Knows shapes only. The real parts (`azure_backup/backup.py`, `storage/tables.py`,
`completions/queue.py`) and the in-memory simulators of the tests both fit, and are held to the
same contract tests.
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
"""What a storage queue takes as one message, in the form in which it is sent."""

is_urgent: ContextVar[bool] = ContextVar("urgent", default=False)
"""Whether the call that is about to be made belongs to an emergency."""


@contextmanager
def urgent(*, is_emergency: bool) -> Iterator[None]:
    """Mark the calls made meanwhile as an emergency's, so that no brake holds them back."""
    token = is_urgent.set(is_emergency)
    try:
        yield
    finally:
        is_urgent.reset(token)


@dataclass(frozen=True, kw_only=True)
class Message:
    """A queue message, or a copy of one. `inserted_at` is the queue's own time, aware UTC, or that
    of its arrival where `is_dated` is false: then the next delivery has another.
    """

    id: str
    body: bytes
    inserted_at: datetime
    is_dated: bool = True


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """A cancel that was received, first one wins."""

    received_at: datetime
    message_id: str
    reason: str | None = None
    requested_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class StoredRequest:
    """What the store has of a request: its record with the ETag it was read at, and its cancel."""

    record: RestoreRecord
    etag: str
    cancel: Cancel | None = None

    @property
    def request_id(self) -> str:
        """The id that its sender gave it."""
        return self.record.request.request_id


@dataclass(frozen=True, kw_only=True)
class Holder:
    """One request that holds, or counts on, a shared thing, since a time."""

    key: str
    """The record's key."""
    request_id: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A shared thing and its holders, as read. `etag` is `None` where there is no entity yet."""

    thing: str
    holders: tuple[Holder, ...] = field(default_factory=tuple)
    etag: str | None = None
    wanted: bool = False
    """Whether somebody may wait for it, where it is a target."""
    folded: int = 0
    """How many messages were folded into the holder's request, where it is a cooldown."""

    def is_held_by(self, key: str) -> bool:
        """Whether a record is among the holders."""
        return any(holder.key == key for holder in self.holders)

    def without(self, key: str) -> Self:
        """The claim as that record leaves it."""
        return replace(self, holders=tuple(one for one in self.holders if one.key != key))


@dataclass(frozen=True, kw_only=True)
class JobListing:
    """A vault's restore jobs of a time, read to the last page.

    `started` and `ended` are the service's `Date` of the first and the last page; `None` where it
    sent none, and then the listing proves the absence of nothing.
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
        """One list serves thousands of requests: no request may walk through it."""
        found: dict[str, list[Job]] = {}
        for job in self.jobs:
            found.setdefault(job.activity_id, []).append(job)
        return found

    @cached_property
    def _by_id(self) -> dict[str, Job]:
        return {job.id: job for job in self.jobs}


@dataclass(frozen=True, kw_only=True)
class ChosenPoint:
    """A recovery point and why it is the one."""

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
        """Return what the body of a restore must carry where a Resource Guard protects restores,
        empty where none does; raises `ArmError`.
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
        """Read a record and the request's cancel; `None` where there is no such record."""
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
        """Delete what was announced before a time, in one part of the history."""
        ...

    def open_rows(self) -> list[OpenRow]:
        """Read the work list."""
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
        """Make a row due, if it still stands."""
        ...

    def delete_open(self, row: OpenRow) -> None:
        """Take a row off the list, if it still stands."""
        ...

    def read_claim(self, thing: str) -> Claim:
        """Read who holds a thing."""
        ...

    def write_claim(self, claim: Claim, holders: Sequence[Holder]) -> str:
        """Write the holders, and what else `claim` says; return the ETag; raises `Conflict`."""
        ...


class Requests(Protocol):
    """The queue that requests come from."""

    def send(self, text: str) -> None:
        """Put a message on the queue; raises `StoreUnavailable`."""
        ...


class Completions(Protocol):
    """The completion queue, and those that requests may name."""

    def send(self, event: str, *, reply_queue: str | None = None) -> None:
        """Put an event on the queue; raises `StoreUnavailable`."""
        ...
