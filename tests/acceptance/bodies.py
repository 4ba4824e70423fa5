"""The bodies and api-versions of the calls that make an estate.

Each body is of a type that the Bicep compiler knows at this api-version; a test compiles them where
a compiler is there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from tests.acceptance.naming import TAG, Names

Json = dict[str, Any]
GROUPS = "2024-03-01"
DEPLOYMENTS = "2024-03-01"
PROVIDERS = "2021-04-01"
STORAGE = "2024-01-01"
VAULTS = "2026-07-01"
ROLES = "2022-04-01"
LOCKS = "2020-05-01"
SITES = "2024-04-01"
WORKSPACES = "2023-09-01"

FILE_DATA_PRIVILEGED_CONTRIBUTOR = "69566ab7-960f-475b-8e7c-b3118f30c6bd"
"""Read and write files by token: the person who runs this."""
BACKUP_CONTRIBUTOR = "e5e2a7ff-d759-4cd2-bb51-3152d37e2eb1"
"""Storage Account Backup Contributor: what Azure documents for restores of full shares."""
ACCOUNT_CONTRIBUTOR = "17d1049b-9a84-46fb-8f53-869881c3d3ab"
"""Storage Account Contributor: what Azure documents for restores of files."""
NAMESPACES = (
    "Microsoft.Insights",
    "Microsoft.ManagedIdentity",
    "Microsoft.OperationalInsights",
    "Microsoft.RecoveryServices",
    "Microsoft.Storage",
    "Microsoft.Web",
)
_BACKUP_TIME = "2026-01-01T03:00:00Z"
"""The policy's time of day; the run takes its backup itself."""
SHARE_QUOTA_GIB = 5


def tags(names: Names) -> dict[str, str]:
    """What marks a resource as a run's."""
    return {"purpose": TAG, "run": names.run}


def group(names: Names, region: str) -> Json:
    """The resource group."""
    return {"location": region, "tags": tags(names)}


def account(names: Names, region: str) -> Json:
    """A storage account. Shared keys are allowed, since Azure Backup comes in by them."""
    return {
        "location": region,
        "tags": tags(names),
        "kind": "StorageV2",
        "sku": {"name": "Standard_LRS"},
        "properties": {
            "allowBlobPublicAccess": False,
            "allowSharedKeyAccess": True,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        },
    }


def share() -> Json:
    """A file share."""
    return {"properties": {"enabledProtocols": "SMB", "shareQuota": SHARE_QUOTA_GIB}}


def vault(names: Names, region: str) -> Json:
    """The vault; its data in one region, since nothing of it is to be kept."""
    redundancy = {
        "standardTierStorageRedundancy": "LocallyRedundant",
        "crossRegionRestore": "Disabled",
    }
    return {
        "location": region,
        "tags": tags(names),
        "sku": {"name": "RS0", "tier": "Standard"},
        "properties": {"publicNetworkAccess": "Enabled", "redundancySettings": redundancy},
    }


def policy(*, vaulted: bool) -> Json:
    """A daily policy: snapshots alone, or `vaulted`, which keeps copies in the vault as well."""
    schedule = {
        "schedulePolicyType": "SimpleSchedulePolicy",
        "scheduleRunFrequency": "Daily",
        "scheduleRunTimes": [_BACKUP_TIME],
    }
    common = {
        "backupManagementType": "AzureStorage",
        "workLoadType": "AzureFileShare",
        "timeZone": "UTC",
        "schedulePolicy": schedule,
    }
    if not vaulted:
        return {"properties": {**common, "retentionPolicy": _retention(days=5)}}
    # The snapshot of a point goes after a day; from then on the vault alone has it.
    both = {"snapshotRetentionInDays": 1, "vaultRetention": _retention(days=30)}
    return {"properties": {**common, "vaultRetentionPolicy": both}}


def _retention(*, days: int) -> Json:
    return {
        "retentionPolicyType": "LongTermRetentionPolicy",
        "dailySchedule": {
            "retentionTimes": [_BACKUP_TIME],
            "retentionDuration": {"count": days, "durationType": "Days"},
        },
    }


def container(account_id: str) -> Json:
    """The registration of a storage account. Without Azure Backup's lock, which would stay."""
    return {
        "properties": {
            "containerType": "StorageContainer",
            "backupManagementType": "AzureStorage",
            "sourceResourceId": account_id,
            "acquireStorageAccountLock": "NotAcquire",
        }
    }


def protected_item(account_id: str, policy_id: str) -> Json:
    """The protection of a share."""
    return {
        "properties": {
            "protectedItemType": "AzureFileShareProtectedItem",
            "sourceResourceId": account_id,
            "policyId": policy_id,
        }
    }


def backup(now: datetime, *, days: int = 3) -> Json:
    """A backup on demand, whose recovery point goes by itself after some days."""
    until = now + timedelta(days=days)
    return {
        "properties": {
            "objectType": "AzureFileShareBackupRequest",
            "recoveryPointExpiryTimeInUTC": f"{until:%Y-%m-%dT%H:%M:%SZ}",
        }
    }


def assignment(names: Names, principal: str, role: str, kind: str) -> Json:
    """A role assignment."""
    definition = f"{names.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    return {
        "properties": {
            "roleDefinitionId": definition,
            "principalId": principal,
            "principalType": kind,
        }
    }


def deployment(region: str, template: Json, parameters: Json) -> Json:
    """A deployment for a subscription."""
    named = {name: {"value": value} for name, value in parameters.items()}
    properties = {"mode": "Incremental", "template": template, "parameters": named}
    return {"location": region, "properties": properties}
