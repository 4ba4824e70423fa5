"""Azure Backup in memory, on a clock that the test turns.

It says what the service says (a job exists from the POST on and is listed a moment later; an
operation names it; a second restore to a busy target is refused), and it can be told to misbehave
at the next POST. Held to the same contract tests as the vault client against the emulator.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from restore_core.arm_ids import ProtectedItemId, StorageAccountId, VaultId
from restore_core.azure_backup.recovery_points import choose
from restore_core.domain.ports import ChosenPoint, JobListing
from restore_core.domain.vault import (
    Job,
    JobEnd,
    Operation,
    OperationStatus,
    ProtectedItem,
    RecoveryPoint,
    ServiceError,
    Tally,
)
from restore_core.errors import ArmAnswer, ArmError, LookupFailed, NoAnswer, NotSent
from restore_core.messages.request import ItemSource, RestoreRequest
from restore_core.vocabulary import Reason


class Fate(StrEnum):
    """What becomes of a restore POST."""

    TAKEN = "taken"
    LOST_ANSWER = "the restore starts, the answer is lost"
    LOST_REQUEST = "the request is lost, and so is the answer"
    NOT_SENT = "it is not sent"
    NO_JOB = "202, and the operation fails"


@dataclass
class SimulatedJob:
    """A job that the simulator runs."""

    id: str
    operation_id: str
    activity_id: str
    item: ProtectedItemId
    body: dict[str, object]
    target: str
    started: datetime
    ends: datetime
    end: JobEnd = JobEnd.COMPLETED
    cancelled: bool = False
    listed: datetime = field(default=datetime.min.replace(tzinfo=UTC))

    @property
    def first_path(self) -> str:
        """What tells it from the jobs of other parts; empty where it restores a full share."""
        specs = self.body.get("restoreFileSpecs")
        first = specs[0] if isinstance(specs, list) and specs else {}
        return str(first.get("path", ""))


class MemoryVaults:
    """Every vault that a test asks for, with any share in it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._numbers = itertools.count(1)
        self.jobs_by_id: dict[str, SimulatedJob] = {}
        self.failed_operations: dict[str, ServiceError] = {}
        self.fates: list[Fate | ArmError] = []
        """Of the next POSTs, first come first; the rest are taken."""
        self.read_errors: list[ArmError] = []
        """Of the next reads, first come first."""
        self.job_seconds = 30.0
        self.list_delay = 0.0
        self.next_end = JobEnd.COMPLETED
        self.ends: list[JobEnd] = []
        """Of the next jobs, first come first; the rest end as `next_end` says."""
        self.restored_by_failed = 0
        """How many files a job restores that does not complete."""
        self.job_error = ServiceError(code="1073871825", message="internal")
        """What a job says that does not complete."""
        self.posts = 0
        self.tokens = 0
        """How often a POST's token was renewed."""
        self.guard_requests: tuple[str, ...] = ()
        """What a Resource Guard wants in the body of every restore; none by default."""
        self.missing_shares: set[str] = set()
        self.protection_state = "Protected"
        """Of every item that is found."""
        self.soft_deleted = False
        """Whether every item that is found was deleted and is still kept."""
        self.sent: list[tuple[str, str]] = []
        """The URL and the body of each POST, as they were sent."""
        self.points = [
            RecoveryPoint(id=f"93288{day}", time=datetime(2026, 1, day, 8, tzinfo=UTC))
            for day in (3, 1, 2)
        ]

    def find_item(self, request: RestoreRequest) -> ProtectedItem:
        self._reading()
        source = request.source
        if isinstance(source, ItemSource):
            item_id = ProtectedItemId.parse(source.protected_item_id)
            share = item_id.item.partition(";")[2]
            account = StorageAccountId(
                subscription=item_id.vault.subscription,
                resource_group="rg",
                name=item_id.container.rpartition(";")[2],
            )
        else:
            account = StorageAccountId.parse(source.storage_account_id)
            share = source.file_share
            item_id = ProtectedItemId(
                vault=request.vault,
                container=f"StorageContainer;Storage;{account.resource_group};{account.name}",
                item=f"AzureFileShare;{share}",
            )
        if share in self.missing_shares:
            raise LookupFailed(f"no share {share}", reason=Reason.SOURCE_NOT_FOUND)
        return ProtectedItem(
            id=item_id,
            share=share,
            account=account,
            account_name=account.name,
            protection_state=self.protection_state,
            soft_deleted=self.soft_deleted,
        )

    def choose_point(
        self, item: ProtectedItem, request: RestoreRequest, *, requested_at: datetime
    ) -> ChosenPoint:
        self._reading()
        return choose(self.points, request, requested_at=requested_at, now=self._clock())

    def resource_guard_requests(self, vault: VaultId) -> tuple[str, ...]:
        self._reading()
        return self.guard_requests

    def restore_url(self, item: ProtectedItemId, point_id: str) -> str:
        return f"https://arm.test{item}/recoveryPoints/{point_id}/restore"

    def prepare_restore(
        self, item: ProtectedItemId, point_id: str, body: str, client_request_id: str
    ) -> _Post:
        return _Post(self, item, self.restore_url(item, point_id), body, client_request_id)

    def operation(self, vault: VaultId, operation_id: str) -> Operation:
        self._reading()
        if operation_id in self.failed_operations:
            return Operation(
                status=OperationStatus.FAILED, error=self.failed_operations[operation_id]
            )
        for job in self.jobs_by_id.values():
            if job.operation_id == operation_id:
                return Operation(status=OperationStatus.SUCCEEDED, job_ids=(job.id,))
        raise ArmAnswer(status=404)

    def job(self, vault: VaultId, job_id: str) -> Job:
        self._reading()
        job = self.jobs_by_id.get(job_id)
        if job is None:
            raise ArmAnswer(status=404)
        return self._seen(job, details=True)

    def jobs(self, vault: VaultId, *, since: datetime, now: datetime) -> JobListing:
        self._reading()
        date = self._clock().replace(microsecond=0)
        listed = [
            self._seen(job, details=False)
            for job in list(self.jobs_by_id.values())
            if job.item.vault.key == vault.key and job.listed <= self._clock()
        ]
        return JobListing(jobs=tuple(listed), started=date, ended=date)

    def cancel(self, vault: VaultId, job_id: str) -> None:
        with self._lock:
            job = self.jobs_by_id[job_id]
            if self._end(job) is not None:
                raise ArmAnswer(status=400, code="BMSUserErrorJobNotCancellable")
            job.cancelled, job.ends = True, self._clock() + timedelta(seconds=3)

    def start(self, item: ProtectedItemId, body: str, client_request_id: str) -> str:
        """Do what a POST asks, as its fate has it; return the operation's id."""
        with self._lock:
            self.posts += 1
            fate = self.fates.pop(0) if self.fates else Fate.TAKEN
            if isinstance(fate, ArmError):
                raise fate
            if fate is Fate.NOT_SENT:
                raise NotSent("refused")
            if fate is Fate.LOST_REQUEST:
                raise NoAnswer("reset")
            asked = json.loads(body)
            consents = asked["properties"].get("resourceGuardOperationRequests") or []
            if not set(self.guard_requests) <= set(consents):
                raise ArmAnswer(status=403, code="LinkedAuthorizationFailed")
            operation_id = str(uuid.UUID(int=next(self._numbers)))
            if fate is Fate.NO_JOB:
                self.failed_operations[operation_id] = ServiceError(
                    code="TargetFileShareNotFound", message="there is no such share"
                )
                return operation_id
            self._start_job(operation_id, item, asked, client_request_id)
            if fate is Fate.LOST_ANSWER:
                raise NoAnswer("reset")
            return operation_id

    def running(self) -> list[SimulatedJob]:
        """Return the jobs that have not ended."""
        return [job for job in self.jobs_by_id.values() if self._end(job) is None]

    def _start_job(
        self,
        operation_id: str,
        item: ProtectedItemId,
        body: dict[str, dict[str, object]],
        client_request_id: str,
    ) -> None:
        details = body["properties"].get("targetDetails")
        target = json.dumps(details) if details else item.key
        for other in self.running():
            if other.target == target:
                raise ArmAnswer(status=409, code="UserErrorAnotherRestoreInProgressOnSameTarget")
        now = self._clock()
        job = SimulatedJob(
            id=str(uuid.UUID(int=next(self._numbers) + (1 << 64))),
            operation_id=operation_id,
            activity_id=client_request_id,
            item=item,
            body=body["properties"],
            target=target,
            started=now,
            ends=now + timedelta(seconds=self.job_seconds),
            end=self.ends.pop(0) if self.ends else self.next_end,
            listed=now + timedelta(seconds=self.list_delay),
        )
        self.jobs_by_id[job.id] = job

    def _end(self, job: SimulatedJob) -> JobEnd | None:
        if self._clock() < job.ends:
            return None
        return JobEnd.CANCELLED if job.cancelled else job.end

    def _seen(self, job: SimulatedJob, *, details: bool) -> Job:
        end = self._end(job)
        running = "Cancelling" if job.cancelled else "InProgress"
        failed = end in {JobEnd.FAILED, JobEnd.COMPLETED_WITH_WARNINGS}
        seen = Job(
            id=job.id,
            status=end.value if end else running,
            end=end,
            activity_id=job.activity_id,
            operation="Restore",
            start_time=job.started,
            end_time=job.ends if end else None,
            errors=(self.job_error,) if failed else (),
        )
        if not details:
            return seen
        restored = 7 if end is JobEnd.COMPLETED else self.restored_by_failed
        return replace(
            seen, files=Tally(restored=restored, skipped=0, failed=0), transferred_mb=1.0
        )

    def _reading(self) -> None:
        with self._lock:
            if self.read_errors:
                raise self.read_errors.pop(0)


class _Post:
    """A POST that is ready to go."""

    def __init__(
        self,
        vaults: MemoryVaults,
        item: ProtectedItemId,
        url: str,
        body: str,
        client_request_id: str,
    ) -> None:
        self._vaults = vaults
        self._item = item
        self._url = url
        self._body = body
        self._client_request_id = client_request_id

    def renew_token(self) -> None:
        self._vaults.tokens += 1

    def send(self) -> str:
        self._vaults.sent.append((self._url, self._body))
        return self._vaults.start(self._item, self._body, self._client_request_id)
