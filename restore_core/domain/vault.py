"""The contents of a Recovery Services vault as values: items, recovery points, operations, jobs.

`azure_backup/wire.py` reads them from the service's JSON; the engine decides what they mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from restore_core.arm_ids import ProtectedItemId, StorageAccountId


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Where a recovery point's data is kept: `InstantRP` (snapshot), `HardenedRP` (vault), …"""

    kind: str
    status: str


@dataclass(frozen=True, kw_only=True)
class ProtectedItem:
    """A protected file share as the vault lists it."""

    id: ProtectedItemId
    share: str
    """`friendlyName`: the share's name. The item's own name is a hash since 2021."""
    account: StorageAccountId | None
    """`sourceResourceId`; absent for some items whose account was deleted."""
    account_name: str
    """The last part of the container's name; known even when the account was deleted."""
    protection_state: str = ""
    soft_deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """One recovery point. `id` is text, since a JSON number would round its 19 digits."""

    id: str
    time: datetime | None
    tiers: tuple[Tier, ...] = ()
    soft_deleted: bool = False
    threat_status: str = ""


class OperationStatus(StrEnum):
    """The ends of an ARM asynchronous operation. `Canceled` has one l here."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, kw_only=True)
class ServiceError:
    """An error of the service: its code as text (jobs give numbers), its message, its advice."""

    code: str
    message: str
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An ARM operation. `status` is `None` while it runs, or when the service's word is unknown.

    `Succeeded` means that a job was made, not that data was restored.
    """

    status: OperationStatus | None
    job_ids: tuple[str, ...] = ()
    error: ServiceError | None = None


class JobEnd(StrEnum):
    """The ends of a backup job, best first. `Cancelled` has two l here."""

    COMPLETED = "Completed"
    COMPLETED_WITH_WARNINGS = "CompletedWithWarnings"
    CANCELLED = "Cancelled"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Counts of files or folders restored, skipped and failed; `None` where none was given."""

    restored: int | None = None
    skipped: int | None = None
    failed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """A backup job. Times are aware UTC; `end` is `None` while it runs."""

    id: str
    status: str
    """The service's word, for logs and for people."""
    end: JobEnd | None
    activity_id: str
    """The `x-ms-client-request-id` of the POST that made the job, lower case."""
    operation: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    errors: tuple[ServiceError, ...] = ()
    files: Tally = field(default_factory=Tally)
    directories: Tally = field(default_factory=Tally)
    transferred_mb: float | None = None
