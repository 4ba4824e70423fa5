"""JSON bodies of the resources around the items: vault, policy, storage account, subscription.

A client that starts from names (as `az` does) reads these before it comes to an item.
"""

from __future__ import annotations

from local.vault.catalogue import Vault
from local.vault.options import Era
from local.vault.wire import POLICY, PROVIDER, Json, vault_path

TENANT = "3f2a8c11-6f0d-4d6b-9a51-7c1e0b9d4e20"
_SCHEDULED = "2026-02-01T08:00:00Z"
_CREATED = "2026-01-05T09:00:00.0000000Z"


def vault_body(vault: Vault, era: Era) -> Json:
    """The vault itself, which has fewer fields before 2024. No recording shows how the oldest years
    spell its id here; this is today's spelling.
    """
    properties: Json = {
        "provisioningState": "Succeeded",
        "privateEndpointStateForBackup": "None",
        "privateEndpointStateForSiteRecovery": "None",
    }
    if era in ("2024", "2026"):
        properties.update(
            publicNetworkAccess="Enabled",
            restoreSettings={
                "crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Enabled"}
            },
        )
    return {
        "location": vault.location,
        "name": vault.name,
        "etag": "W/\"datetime'2026-01-05T09%3A00%3A00.0000000Z'\"",
        "properties": properties,
        "id": vault.id,
        "type": PROVIDER,
        "sku": {"name": "RS0", "tier": "Standard"},
    }


def policy_body(vault: Vault, era: Era) -> Json:
    """The policy that items name: one backup a day at eight, each kept for 30 days."""
    return {
        "id": f"{vault_path(vault, era)}/backupPolicies/{POLICY}",
        "name": POLICY,
        "type": f"{PROVIDER}/backupPolicies",
        "properties": {
            "backupManagementType": "AzureStorage",
            "workLoadType": "AzureFileShare",
            "schedulePolicy": {
                "schedulePolicyType": "SimpleSchedulePolicy",
                "scheduleRunFrequency": "Daily",
                "scheduleRunTimes": [_SCHEDULED],
                "scheduleWeeklyFrequency": 0,
            },
            "retentionPolicy": {
                "retentionPolicyType": "LongTermRetentionPolicy",
                "dailySchedule": {
                    "retentionTimes": [_SCHEDULED],
                    "retentionDuration": {"count": 30, "durationType": "Days"},
                },
            },
            "timeZone": "UTC",
            "protectedItemsCount": len(vault.items),
        },
    }


def account_body(subscription: str, group: str, name: str, location: str) -> Json:
    """A storage account, as Microsoft.Storage tells it to api-version 2016-01-01."""
    services = ("blob", "queue", "table", "file")
    return {
        "sku": {"name": "Standard_LRS", "tier": "Standard"},
        "kind": "StorageV2",
        "id": (
            f"/subscriptions/{subscription}/resourceGroups/{group}"
            f"/providers/Microsoft.Storage/storageAccounts/{name}"
        ),
        "name": name,
        "type": "Microsoft.Storage/storageAccounts",
        "location": location,
        "tags": {},
        "properties": {
            "encryption": {
                "services": {"blob": {"enabled": True, "lastEnabledTime": _CREATED}},
                "keySource": "Microsoft.Storage",
            },
            "accessTier": "Hot",
            "provisioningState": "Succeeded",
            "creationTime": _CREATED,
            "primaryEndpoints": {
                service: f"https://{name}.{service}.core.windows.net/" for service in services
            },
            "primaryLocation": location,
            "statusOfPrimary": "available",
        },
    }


def subscription_body(subscription: str) -> Json:
    """A subscription of the emulator's one tenant."""
    return {
        "id": f"/subscriptions/{subscription}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription,
        "tenantId": TENANT,
        "displayName": "Vault emulator",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def cloud_body(origin: str) -> Json:
    """What `az cloud register` reads.

    The login endpoint is the emulator, which signs nobody in: no person's token for Azure can be
    fetched for this cloud by mistake. `az login --identity` asks the identity endpoint instead.
    """
    return {
        "portal": f"{origin}/",
        "authentication": {
            "loginEndpoint": f"{origin}/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": "https://rest.media.azure.net",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "name": "VaultEmulator",
        "suffixes": {"storage": "core.windows.net", "keyVaultDns": "vault.azure.net"},
        "batch": "https://batch.core.windows.net/",
        "resourceManager": f"{origin}/",
    }
