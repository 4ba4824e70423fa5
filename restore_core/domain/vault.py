"""What a Recovery Services vault says, as values: protected items, recovery points, operations,
jobs.

Refuses to know how the service spells them, which is `azure_backup/wire.py`, and what we make of
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from restore_core.arm_ids import ProtectedItemId, StorageAccountId


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Where a recovery point's data stands: `InstantRP` (snapshot), `HardenedRP` (vault), …"""

    kind: str
    status: str


@dataclass(frozen=True, kw_only=True)
class ProtectedItem:
    """A protected file share as the vault lists it."""

    id: ProtectedItemId
    share: str
    """`friendlyName`: the share's name. The item's own name is a hash since 2021."""
    account: StorageAccountId | None
    """`sourceResourceId`; absent for some items whose account is gone."""
    account_name: str
    """The last part of the container's name; known even when the account is gone."""
    protection_state: str = ""
    soft_deleted: bool = False


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """One recovery point. `id` is text: 19 digits do not fit a double."""

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
    """An error of the service: its code as text (jobs give numbers), its words, its advice."""

    code: str
    message: str
    recommendations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An ARM operation. `status` is `None` while it runs, or when its word is not known.

    `Succeeded` means that a job was made, not that data came back.
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
    """How many of something were restored, skipped and failed; `None` where the service says
    nothing.
    """

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
