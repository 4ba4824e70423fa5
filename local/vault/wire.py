"""JSON bodies as the service writes them, by era. A field without a value is left out, not null."""

from __future__ import annotations

from typing import Any

from local.vault.catalogue import Item, Point, Vault
from local.vault.jobs import Job, JobError
from local.vault.options import Era
from local.vault.ticks import NEVER, TICKS_PER_SECOND, iso_duration, rfc3339, us_text

PROVIDER = "Microsoft.RecoveryServices/vaults"
POLICY = "dailyfiles"
"""The one policy that all items of a vault have."""
RESTORE_ACTION = (
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
    "/recoveryPoints/restore/action"
)
Json = dict[str, Any]


def vault_path(vault: Vault, era: Era) -> str:
    """The vault's id as that year spells it: `/Subscriptions/` until about 2021."""
    return f"/Subscriptions{vault.id[14:]}" if era == "2019" else vault.id


def item_id(vault: Vault, item: Item, era: Era) -> str:
    """The protected item's id."""
    return (
        f"{vault_path(vault, era)}/backupFabrics/Azure/protectionContainers/"
        f"{item.container_name}/protectedItems/{item.item_name}"
    )


def item_body(vault: Vault, item: Item, era: Era, origin: str, *, detail: bool = False) -> Json:
    """A protected item; only a single GET (`detail`) has extendedInfo."""
    properties: Json = {
        "friendlyName": item.share,
        "protectionStatus": "Healthy",
        "protectionState": item.protection_state,
        "lastBackupStatus": "Completed",
        "protectedItemType": "AzureFileShareProtectedItem",
        "backupManagementType": "AzureStorage",
        "workloadType": "AzureFileShare",
        "containerName": item.container_name,
        "sourceResourceId": item.account_id,
        "policyId": f"{vault_path(vault, era)}/backupPolicies/{POLICY}",
    }
    if item.points:
        # A backup ends some seconds before the time that its recovery point carries.
        latest = max(point.time for point in item.points)
        properties["lastBackupTime"] = rfc3339(latest - 35_616_635)
        if era == "2026":
            properties["lastRecoveryPoint"] = rfc3339(latest)
    if era == "2026":
        properties.update(_ITEM_2026, sourceLocation=vault.location)
    if era in ("2024", "2026"):
        # Not an ARM id: the one field called vaultId is a URL.
        properties["vaultId"] = f"{origin}{vault.id}"
        properties["isArchiveEnabled"] = False
        properties["softDeleteRetentionPeriod"] = 14 if item.soft_deleted else 0
    if item.soft_deleted:
        properties["isScheduledForDeferredDelete"] = True
    if detail:
        properties["extendedInfo"] = _extended(item, era)
    properties.update(item.properties)
    return {
        "id": item_id(vault, item, era),
        "name": item.item_name,
        "type": f"{PROVIDER}/backupFabrics/protectionContainers/protectedItems",
        "properties": properties,
    }


_ITEM_2026: Json = {
    "fileShareProtocol": "SMB",
    "sourceSideScanInfo": {
        "sourceSideScanStatus": "NotApplicable",
        "sourceSideScanSummary": "NotApplicable",
    },
}


def _extended(item: Item, era: Era) -> Json:
    extended: Json = {
        "recoveryPointCount": len(item.points),
        "policyState": "Consistent",
        "resourceState": "SoftDeleted" if item.soft_deleted else "Active",
    }
    if item.points:
        times = [point.time for point in item.points]
        extended["oldestRecoveryPoint"] = rfc3339(min(times))
        if era == "2026":
            # Seen some seconds after the newest point, in whole seconds.
            synced = max(times) // TICKS_PER_SECOND + 5
            extended["resourceStateSyncTime"] = rfc3339(synced * TICKS_PER_SECOND)
    return extended


def point_body(vault: Vault, item: Item, point: Point, era: Era) -> Json:
    """A recovery point. A point kept in the vault only has no snapshot to name."""
    properties: Json = {
        "objectType": "AzureFileShareRecoveryPoint",
        "recoveryPointType": "FileSystemConsistent",
        "recoveryPointTime": rfc3339(point.time),
    }
    if not point.vault_only:
        moment = rfc3339(point.time).rstrip("Z").split(".")[0]
        properties["fileShareSnapshotUri"] = (
            f"https://{item.account}.file.core.windows.net/{item.share}"
            f"?sharesnapshot={moment}.0000000Z"
        )
    properties["recoveryPointSizeInGB"] = point.size_in_gb
    if era in ("2024", "2026"):
        properties["recoveryPointTierDetails"] = [
            {"type": tier, "status": "Valid"} for tier in point.tiers
        ]
    if point.soft_deleted or era == "2026":
        properties["recoveryPointProperties"] = {"isSoftDeleted": point.soft_deleted}
    if point.threat_status and era == "2026":
        properties["threatStatus"] = point.threat_status
    properties.update(point.properties)
    return {
        "id": f"{item_id(vault, item, era)}/recoveryPoints/{point.id}",
        "name": point.id,
        "type": f"{PROVIDER}/backupFabrics/protectionContainers/protectedItems/recoveryPoints",
        "properties": properties,
    }


def container_body(vault: Vault, item: Item, era: Era) -> Json:
    """The registered storage account of an item; this list has the capital `Storage`."""
    name = item.listed_container_name
    properties: Json = {
        "sourceResourceId": item.account_id.replace("Microsoft.storage", "Microsoft.Storage"),
        "protectedItemCount": sum(1 for each in vault.items if each.account == item.account),
        "friendlyName": item.account,
        "backupManagementType": "AzureStorage",
        "registrationStatus": "Registered",
        "healthStatus": "Healthy",
        "containerType": "StorageContainer",
    }
    if era == "2026":
        properties.update(
            acquireStorageAccountLock="Acquire",
            accessType="KeyBased",
            protectableObjectType="StorageContainer",
            sourceLocation=vault.location,
        )
    else:
        properties.update(
            storageAccountVersion=item.account_kind, resourceGroup=item.account_resource_group
        )
    return {
        "id": f"{vault_path(vault, era)}/backupFabrics/Azure/protectionContainers/{name}",
        "name": name,
        "type": f"{PROVIDER}/backupFabrics/protectionContainers",
        "properties": properties,
    }


def guard_body(vault: Vault, guard: str) -> Json:
    """The one resource guard proxy that a guarded vault has."""
    return {
        "id": f"{vault.id}/backupResourceGuardProxies/VaultProxy",
        "name": "VaultProxy",
        "type": f"{PROVIDER}/backupResourceGuardProxies",
        "properties": {
            "resourceGuardResourceId": guard,
            "resourceGuardOperationDetails": [
                {
                    "vaultCriticalOperation": RESTORE_ACTION,
                    "defaultResourceRequest": f"{guard}/restoreRequests/default",
                }
            ],
        },
    }


def operation_body(job: Job, operation_id: str, now: int, shown: str | None = None) -> Json:
    """An operation's status. `id` is a bare guid, and its end is the job's beginning, not its end.

    `shown` replaces the status.
    """
    body: Json = {"id": operation_id, "name": operation_id}
    if operation_id in job.cancel_operations:
        body.update(status=shown or "Succeeded", startTime=rfc3339(job.start))
        body["endTime"] = rfc3339(job.start)
    elif now < job.operation_ready:
        body.update(status=shown or "InProgress", startTime=rfc3339(job.start), endTime=NEVER)
    elif job.operation_error is not None:
        error = job.operation_error
        body.update(
            status=shown or error.status,
            startTime=rfc3339(job.start),
            endTime=rfc3339(job.operation_ready),
            error={"code": error.code, "message": error.message},
        )
    else:
        body.update(
            status=shown or "Succeeded",
            startTime=rfc3339(job.start),
            endTime=rfc3339(job.start),
            properties={"objectType": "OperationStatusJobExtendedInfo", "jobId": job.id},
        )
    return body


def job_body(
    vault: Vault, job: Job, era: Era, now: int, *, detail: bool, shown: str | None = None
) -> Json:
    """A job; only a single GET (`detail`) has extendedInfo. `shown` replaces the status."""
    first_look = era == "2019" and now < job.operation_ready
    properties: Json = {"jobType": "AzureStorageJob"}
    duration = iso_duration((now if job.end is None else job.end) - job.start)
    # Cancellable is still said of jobs that have ended.
    if era == "2019":
        properties.update(duration=duration, actionsInfo=[1])
    else:
        actions: list[int | str] = [1] if era == "2021" else ["Cancellable"]
        properties.update(actionsInfo=actions, duration=duration)
    if job.errors:
        properties["errorDetails"] = [_error_body(error) for error in job.errors]
    properties["storageAccountName"] = job.source_account
    # ClassicCompute stands for any account, new ones too; 2019 corrected itself to it.
    properties["storageAccountVersion"] = "Storage" if first_look else "ClassicCompute"
    if detail:
        bag = {} if first_look else property_bag(job, era, now)
        properties["extendedInfo"] = {"tasksList": [], "propertyBag": bag}
    if era != "2019":
        properties["isUserTriggered"] = False
    properties.update(
        entityFriendlyName=job.source_share,
        backupManagementType="AzureStorage",
        operation="Restore",
        status=shown or job.outcome.shown_status or job.status,
        startTime=rfc3339(job.start),
    )
    if job.end is not None:
        properties["endTime"] = rfc3339(job.end)
    properties["activityId"] = job.activity_id
    return {
        "id": f"{vault_path(vault, era)}/backupJobs/{job.id}",
        "name": job.id,
        "type": f"{PROVIDER}/backupJobs",
        "properties": properties,
    }


def _error_body(error: JobError) -> Json:
    return {
        "errorCode": error.code,
        "errorString": error.text,
        "recommendations": list(error.recommendations),
    }


def property_bag(job: Job, era: Era, now: int) -> dict[str, str]:
    """What a restore tells about itself; every value is a string, and counts say 0 till the end."""
    over = not job.running
    half_way = job.ends is not None and now >= (job.start + job.ends) // 2
    # One second later than the point's own time, as the service shows it.
    point_time = us_text(job.point_time + 10_000_000)
    bag = {
        "Source File Share Name": job.source_share,
        "Source Storage Account Name": job.source_account,
    }
    if era == "2026" and (over or half_way):
        bag["Recovery Point Time in UTC"] = point_time
    elif era != "2026" and over:
        bag["RestoreRecoveryPointTime"] = point_time
    if job.alternate:
        bag["Target File Share Name"] = job.target_share
        bag["Target Storage Account Name"] = job.target_account
    bag["Job Type"] = (
        "Recover to an alternate file share"
        if job.alternate
        else "Recovering to the original file share"
    )
    bag["RestoreDestination"] = f"{job.target_account}/{job.target_share}/{job.shown_folder}"
    counts = job.counts
    bag["Data Transferred (in MB)"] = str(counts.bytes_written // 2**20 if over else 0)
    bag["Number Of Restored Files"] = str(counts.files_restored if over else 0)
    bag["Number Of Skipped Files"] = str(counts.files_skipped if over else 0)
    bag["Number Of Failed Files"] = str(counts.files_failed if over else 0)
    if era == "2026" and over:
        bag["Number Of Restored Directories"] = str(counts.directories_restored)
        bag["Number Of Skipped Directories"] = str(counts.directories_skipped)
        bag["Number Of Failed Directories"] = str(counts.directories_failed)
    return bag


def error_body(code: str, message: str) -> Json:
    """ARM's error envelope."""
    return {"error": {"code": code, "message": message}}
