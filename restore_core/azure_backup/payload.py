"""The body of the restore POST, made from a request and the names it resolved to.

It has one of the four shapes of Microsoft's «Restore Azure Files using REST API»: a full share or
items, to the original or to an alternate location.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from restore_core.messages.request import (
    PART_ITEMS,
    AlternateTarget,
    RestoreRequest,
    SystemIdentity,
    UserIdentity,
)


def restore_body(
    request: RestoreRequest,
    *,
    source_account_id: str,
    guard_requests: Sequence[str] = (),
    part: int = 0,
) -> dict[str, Any]:
    """Build the body of a part, counted from 0.

    `source_account_id` is the ARM id of the protected share's account, and `guard_requests` are the
    ids that a Resource Guard of the vault demands.

    A full-share restore into a folder needs a file specification that names the folder: azure-cli
    left it out for years, and the data went to the share's root.
    """
    target = request.target
    alternate = target if isinstance(target, AlternateTarget) else None
    properties: dict[str, Any] = {
        "objectType": "AzureFileShareRestoreRequest",
        "recoveryType": "AlternateLocation" if alternate else "OriginalLocation",
        "sourceResourceId": source_account_id,
        "copyOptions": request.effective_copy_options.value,
        "restoreRequestType": "ItemLevelRestore" if request.items else "FullShareRestore",
    }
    folder = alternate.folder if alternate else None
    if request.items:
        properties["restoreFileSpecs"] = [
            {"path": item.path, "fileSpecType": item.type, "targetFolderPath": folder}
            for item in request.items[part * PART_ITEMS : (part + 1) * PART_ITEMS]
        ]
    elif folder:
        properties["restoreFileSpecs"] = [{"targetFolderPath": folder}]
    if alternate:
        properties["targetDetails"] = {
            "name": alternate.file_share,
            "targetResourceId": alternate.storage_account_id,
        }
    elif request.items:
        properties["targetDetails"] = None
    match request.identity:
        case SystemIdentity():
            properties["identityInfo"] = {"isSystemAssignedIdentity": True}
        case UserIdentity(id=identity_id):
            properties["identityInfo"] = {
                "isSystemAssignedIdentity": False,
                "managedIdentityResourceId": identity_id,
            }
    if guard_requests:
        properties["resourceGuardOperationRequests"] = list(guard_requests)
    return {"properties": properties}


def body_text(body: dict[str, Any]) -> str:
    """Write a body as the exact text that is stored, shown in a plan and sent."""
    return json.dumps(body, separators=(",", ":"))
