"""The peer of the cold start: the same app written on the official SDK.

What it imports is what the documentation of each package shows. Its function does what ours does
with a message: store the request and its place on the work list, find the item and the latest
recovery point, note the intent, start the restore, note that it was started. It is no product: it
checks nothing and survives nothing.
"""

import json
import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import azure.functions as func
from azure.data.tables import TableServiceClient, UpdateMode
from azure.identity import DefaultAzureCredential
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import (
    AzureFileShareRestoreRequest,
    RestoreRequestResource,
)
from azure.storage.queue import QueueClient

from bench.plain import FABRIC, ITEMS, PlainToken

STORAGE = "RestoreStorage"

app = func.FunctionApp()


@cache
def vaults(subscription: str) -> RecoveryServicesBackupClient:
    """Make the vaults' client; plain http to the emulator takes a made-up token."""
    return RecoveryServicesBackupClient(
        DefaultAzureCredential(),
        subscription,
        base_url=os.environ["RESTORE_ARM_ENDPOINT"],
        authentication_policy=PlainToken(),
    )


@cache
def tables() -> TableServiceClient:
    """Make the tables' client."""
    return TableServiceClient.from_connection_string(os.environ[STORAGE])


@cache
def completions() -> QueueClient:
    """Make the client of the queue of events, as ours does before the first."""
    return QueueClient.from_connection_string(
        os.environ[STORAGE], os.environ["RESTORE_COMPLETION_QUEUE"]
    )


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_QUEUE%", connection="RestoreStorage"
)
def accept_request(message: func.QueueMessage) -> None:
    """Start the restore that a message asks for."""
    request: dict[str, Any] = json.loads(message.get_body())
    names = request["vaultId"].split("/")
    subscription, group, vault = names[2], names[4], names[8]
    records = tables().get_table_client("restores")
    rows = tables().get_table_client("openrestores")
    completions()
    keys = {"PartitionKey": "sdk", "RowKey": request["requestId"]}
    record = {**keys, "request": json.dumps(request), "acceptedAt": datetime.now(UTC)}
    records.create_entity(record)
    rows.upsert_entity({**keys, "phase": "Accepted"})

    client = vaults(subscription)
    account = request["source"]["storageAccountId"]
    item = next(
        one
        for one in client.backup_protected_items.list(vault, group, filter=ITEMS)
        if one.properties is not None
        and one.properties["friendlyName"] == request["source"]["fileShare"]
    )
    container = str(item.properties["containerName"]) if item.properties is not None else ""
    points = client.recovery_points.list(vault, group, FABRIC, container, str(item.name))
    latest = max(points, key=lambda point: str(point.properties["recoveryPointTime"]))  # type: ignore[index]
    records.update_entity({**record, "phase": "Triggering"}, mode=UpdateMode.REPLACE)
    client.restores.begin_trigger(
        vault,
        group,
        FABRIC,
        container,
        str(item.name),
        str(latest.name),
        RestoreRequestResource(
            properties=AzureFileShareRestoreRequest(
                recovery_type="OriginalLocation",
                source_resource_id=account,
                copy_options=request["copyOptions"],
                restore_request_type="FullShareRestore",
            )
        ),
        polling=False,
    )
    records.update_entity({**record, "phase": "OperationPending"}, mode=UpdateMode.REPLACE)
    rows.upsert_entity({**keys, "phase": "OperationPending"})
