"""The peer: the published client of Azure Backup doing what the app does, as it is documented.

List the protected items, list the recovery points, `begin_trigger`, wait for the operation, ask the
operation for its job, then read the job again and again until it has ended. Nothing is made worse
than its documentation shows, and nothing is thrifty that it does not show.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from azure.core.pipeline import PipelineResponse
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import (
    AzureFileShareRestoreRequest,
    RestoreRequestResource,
)

from bench.estate import GROUP, SUBSCRIPTION, Share
from bench.plain import FABRIC, ITEMS, NoCredential, PlainToken
from local.closing import Closing

_OPERATION = re.compile(r"/operationsStatus/([0-9a-f-]{36})", re.IGNORECASE)
_ENDED = {"Completed", "CompletedWithWarnings", "Failed", "Cancelled"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A job whose end was seen, and when, in seconds since 1970."""

    job_id: str
    at: float


class OfficialClient(Closing):
    """Restores one share at a time, from as many threads as wanted; use it as a context manager."""

    def __init__(self, arm: str, *, job_poll: float = 30.0, operation_poll: float = 30.0) -> None:
        """Make the client. The service's Retry-After counts above `operation_poll`."""
        self._job_poll = job_poll
        self._client = RecoveryServicesBackupClient(
            NoCredential(),  # type: ignore[arg-type]
            SUBSCRIPTION,
            base_url=arm,
            authentication_policy=PlainToken(),
            polling_interval=operation_poll,
        )

    def close(self) -> None:
        """Close the clients."""
        self._client.close()

    def restore(self, share: Share) -> Seen:
        """Restore a share to its latest point and see the end."""
        vault, (container, item) = share.vault, self._item(share)
        points = list(self._client.recovery_points.list(vault, GROUP, FABRIC, container, item))
        latest = max(points, key=lambda point: point.properties["recoveryPointTime"])  # type: ignore[index]
        request = RestoreRequestResource(
            properties=AzureFileShareRestoreRequest(
                recovery_type="OriginalLocation",
                source_resource_id=share.account_id,
                copy_options="Overwrite",
                restore_request_type="FullShareRestore",
            )
        )
        operations: list[str] = []

        def note(response: PipelineResponse[Any, Any]) -> None:
            url = response.http_response.headers.get("Azure-AsyncOperation", "")
            operations.extend(_OPERATION.findall(url))

        self._client.restores.begin_trigger(
            vault, GROUP, FABRIC, container, item, str(latest.name), request, raw_response_hook=note
        ).result()
        operation = self._client.backup_operation_statuses.get(vault, GROUP, operations[0])
        if operation.properties is None:
            raise LookupError(f"the operation names no job: {operation.status}")
        job_id = str(operation.properties["jobId"])
        while self.status_of(share.vault_id, job_id) not in _ENDED:
            time.sleep(self._job_poll)
        return Seen(job_id=job_id, at=time.time())

    def status_of(self, vault_id: str, job_id: str) -> str:
        """Read a job."""
        vault = vault_id.rpartition("/")[2]
        job = self._client.job_details.get(vault, GROUP, job_id)
        if job.properties is None:
            raise LookupError(f"the job {job_id} has no properties")
        return str(job.properties.status)

    def _item(self, share: Share) -> tuple[str, str]:
        """Find the names of a share's container and item."""
        for item in self._client.backup_protected_items.list(share.vault, GROUP, filter=ITEMS):
            properties = item.properties
            if properties is not None and properties["friendlyName"] == share.name:
                return str(properties["containerName"]), str(item.name)
        raise LookupError(f"{share.vault} protects no {share.name}")
