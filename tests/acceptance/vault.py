"""The vault as the run sees it: items, recovery points, jobs, and the restore call.

The same code reads the service and the emulator. It knows none of the app's code, so that the app
is not believed about anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.acceptance.arm import Answer, Arm
from tests.acceptance.pace import Pace
from tests.acceptance.place import Place, Share

Json = dict[str, Any]
BACKUP = "2026-07-01"
"""The api-version of all calls to Azure Backup: the app's own default."""
ITEMS_FILTER = "backupManagementType eq 'AzureStorage' and itemType eq 'AzureFileShare'"
ENDED = frozenset({"Completed", "CompletedWithWarnings", "Failed", "Cancelled"})
_CLOCK = "%Y-%m-%d %I:%M:%S %p"
_JOB_SECONDS = 30 * 60.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A recovery point."""

    id: str
    name: str
    time: datetime
    tiers: tuple[str, ...]

    @property
    def vault_only(self) -> bool:
        """Kept in the vault and no longer as a snapshot of the share."""
        return "HardenedRP" in self.tiers and "InstantRP" not in self.tiers


class Vault:
    """One vault."""

    def __init__(self, arm: Arm, place: Place) -> None:
        """Know the vault of a place."""
        self._arm = arm
        self._place = place

    @property
    def pace(self) -> Pace:
        """The time of the run."""
        return self._arm.pace

    @property
    def token(self) -> Callable[[], str] | None:
        """What gives the bearer token, or None where none is sent."""
        return self._arm.token

    def item(self) -> Json | None:
        """The protected item of the source share, if there is one."""
        items = self._arm.list(
            f"{self._place.vault_id}/backupProtectedItems", BACKUP, filter=ITEMS_FILTER
        )
        source = self._place.source
        for item in items:
            properties = item["properties"]
            account = str(properties["containerName"]).rpartition(";")[2]
            if (properties["friendlyName"], account.lower()) == (source.name, source.account):
                return item
        return None

    def points(self, item: Json) -> list[Point]:
        """An item's recovery points, newest first."""
        found = self._arm.list(f"{item['id']}/recoveryPoints", BACKUP)
        return sorted(map(_point, found), key=lambda point: point.time, reverse=True)

    def jobs(self, operation: str) -> dict[str, Json]:
        """The jobs of the last two days, by id; the list has no details."""
        now = self.pace.clock.now()
        since, until = now - timedelta(days=2), now + timedelta(hours=1)
        wanted = (
            "backupManagementType eq 'AzureStorage' and "
            f"endTime eq '{until:{_CLOCK}}' and operation eq '{operation}' and "
            f"startTime eq '{since:{_CLOCK}}'"
        )
        found = self._arm.list(f"{self._place.vault_id}/backupJobs", BACKUP, filter=wanted)
        return {str(job["name"]): job["properties"] for job in found}

    def job(self, job_id: str) -> Json:
        """One job with its details."""
        found: Json = self._arm.get(self._job(job_id), BACKUP)["properties"]
        return found

    def ended_job(self, job_id: str, seconds: float = _JOB_SECONDS) -> Json:
        """Wait until a job has ended; the job."""

        def look() -> Json | None:
            job = self.job(job_id)
            return job if job["status"] in ENDED else None

        return self.pace.wait_for(look, what=f"the end of job {job_id}", seconds=seconds, every=30)

    def cancel(self, job_id: str) -> Answer:
        """Cancel a job."""
        return self._arm.post(f"{self._job(job_id)}/cancel", BACKUP)

    def operation_job(self, answer: Answer) -> str | None:
        """The job that an operation's last answer names."""
        properties = answer.body.get("properties")
        return str(properties["jobId"]) if properties and "jobId" in properties else None

    def restore_url(self, point: Point) -> str:
        """The URL of the restore call."""
        return self._arm.url(f"{point.id}/restore", BACKUP)

    def restore_body(self, target: Share, folder: str) -> Json:
        """The body of a restore of the full share to a folder of another share."""
        return {
            "properties": {
                "objectType": "AzureFileShareRestoreRequest",
                "recoveryType": "AlternateLocation",
                "sourceResourceId": self._place.source.account_id,
                "copyOptions": "Overwrite",
                "restoreRequestType": "FullShareRestore",
                "restoreFileSpecs": [{"targetFolderPath": folder}],
                "targetDetails": {"name": target.name, "targetResourceId": target.account_id},
            }
        }

    def _job(self, job_id: str) -> str:
        return f"{self._place.vault_id}/backupJobs/{job_id}"


def _point(body: Json) -> Point:
    properties = body["properties"]
    tiers = properties.get("recoveryPointTierDetails") or [{"type": "InstantRP", "status": "Valid"}]
    return Point(
        id=body["id"],
        name=str(body["name"]),
        time=datetime.fromisoformat(properties["recoveryPointTime"]),
        tiers=tuple(tier["type"] for tier in tiers if tier.get("status") == "Valid"),
    )
