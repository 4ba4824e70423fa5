"""One call to the service: the parts that it may use, and the resources that its path names.

Where no source tells the service's answer, as for an unknown job, a plausible refusal is given, and
a comment there says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from local.vault.catalogue import Item, Point, Vault
from local.vault.jobs import Job, JobStore, OperationError, Outcome
from local.vault.options import EmulatorOptions
from local.vault.replies import Call, Refusal
from local.vault.routes import Route
from local.vault.runner import Runner
from local.vault.wire import item_id, vault_path


@dataclass(frozen=True, kw_only=True)
class Shaping:
    """What faults want of the restore, or of the look at a job or operation, in hand."""

    outcome: Outcome = field(default_factory=Outcome)
    late_job: float | None = None
    operation_error: OperationError | None = None
    duplicate_job: bool = False
    job_status: str | None = None
    operation_status: str | None = None


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A call of a known vault."""

    vault: Vault
    route: Route
    call: Call
    shaping: Shaping
    options: EmulatorOptions
    store: JobStore
    runner: Runner

    @property
    def api_version(self) -> str:
        """The version that the client asked for."""
        return self.call.query["api-version"]

    @property
    def operation_id(self) -> str:
        """The operation in the path."""
        return self.route.names["operation"].lower()

    @property
    def vault_path(self) -> str:
        """The vault's path as this era spells it."""
        return vault_path(self.vault, self.options.era)

    def item_path(self, item: Item) -> str:
        """An item's path as this era spells it."""
        return item_id(self.vault, item, self.options.era)

    def item(self) -> Item:
        """The protected item in the path; 404 is what a wrong item name has been seen to get."""
        item = self.vault.item(self.route.names["container"], self.route.names["item"])
        if item is None:
            raise Refusal(
                404,
                "BMSUserErrorDataSourceObjectNotFound",
                "The specified protected item was not found.",
            )
        return item

    def point(self, item: Item) -> Point:
        """The recovery point in the path (refusal: status and code not established)."""
        point = item.point(self.route.names["point"])
        if point is None:
            raise Refusal(
                404, "BMSUserErrorRecoveryPointNotFound", "The recovery point was not found."
            )
        return point

    def job(self) -> Job:
        """The job in the path (refusal: status and code not established)."""
        job = self.store.get(self.route.names["job"])
        if job is None or job.operation_error is not None or not self._ours(job):
            raise Refusal(404, "BMSUserErrorJobNotFound", "The job was not found.")
        return job

    def operation_job(self) -> Job:
        """The job of the operation in the path (refusal: status and code not established)."""
        job = self.store.by_operation(self.operation_id)
        if job is None or not self._ours(job):
            raise Refusal(404, "BMSUserErrorOperationNotFound", "The operation was not found.")
        return job

    def _ours(self, job: Job) -> bool:
        return job.vault_id == self.vault.id.lower()
