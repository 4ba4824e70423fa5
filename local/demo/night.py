"""The night of the demo: a folder is deleted, alerts fire, and a plan answers them.

The alerts have the common alert schema, as Azure Monitor sends them. The id of an alert's request
is computed here, and not by the code that accepts the alert, so that the demo checks that code.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.demo.scenario import (
    VAULT_ID,
    Order,
    Stray,
    account_id,
    files_of,
    live_share,
    points,
    snapshot,
    whole,
)
from local.vault.sample import ACCOUNT, SHARE, SUBSCRIPTION, TARGET_ACCOUNT, TARGET_SHARE

DELETED_FOLDER = "photos"
FOLDER = "recovered by plan"
RULE = "files-deleted-azurefiles"
PLAN: dict[str, Any] = {
    "name": "mass-deletion",
    "match": {
        "alertRule": "files-deleted-*",
        "severity": ["Sev0", "Sev1"],
        "targetResource": [account_id(ACCOUNT)],
    },
    "vaultId": VAULT_ID,
    "source": {"storageAccountId": account_id(ACCOUNT), "fileShare": SHARE},
    "recoveryPoint": {"margin": "PT30M", "maxAge": "P3D"},
    "target": {
        "location": "alternate",
        "storageAccountId": account_id(TARGET_ACCOUNT),
        "fileShare": TARGET_SHARE,
        "folder": FOLDER,
    },
    "cooldown": "PT6H",
    "priority": "emergency",
}


def write_plans(path: Path) -> None:
    """Write the file of plans, with the one for this night."""
    path.write_text(json.dumps({"schemaVersion": "1.0", "plans": [PLAN]}), encoding="utf-8")


def delete(root: Path) -> int:
    """Delete a folder of the live share; return how many files that were."""
    folder = live_share(root) / DELETED_FOLDER
    lost = len(files_of(folder))
    shutil.rmtree(folder)
    return lost


def order(root: Path) -> Order:
    """The restore that the first alert leads to: the whole share, beside the damaged one."""
    latest = points(root)[-1]
    target = live_share(root, TARGET_ACCOUNT, TARGET_SHARE) / FOLDER
    alert = _alert(1)
    taken = ("vaultId", "source", "target", "priority")
    return Order(
        request={"requestId": _request_id(alert)} | {name: PLAN[name] for name in taken},
        shape="share, by plan",
        point=latest.id,
        writes=whole(snapshot(root, latest), target),
        alert=alert,
        label="demo-5-alert",
    )


def second(first: Order) -> Stray:
    """The next alert of the storm, which comes when the first is known."""
    return Stray(
        text=json.dumps(_alert(2)),
        words=f"another alert of the rule {RULE}: the storm goes on",
        after=first.id,
    )


def _alert(number: int) -> dict[str, Any]:
    """Make an alert of a log search rule that counts deletions."""
    alerts = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.AlertsManagement/alerts"
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": f"{alerts}/demo-{number}",
                "alertRule": RULE,
                "severity": "Sev1",
                "signalType": "Log",
                "monitorCondition": "Fired",
                "monitoringService": "Log Alerts V2",
                "alertTargetIDs": [account_id(ACCOUNT)],
                "firedDateTime": datetime.now(UTC).isoformat(),
                "description": "many files were deleted within minutes",
                "essentialsVersion": "1.0",
                "alertContextVersion": "1.0",
            },
            "alertContext": {"conditionType": "LogQueryCriteria"},
            "customProperties": None,
        },
    }


def _request_id(alert: dict[str, Any]) -> str:
    essentials = alert["data"]["essentials"]
    known = f"{essentials['alertRule']}\n{essentials['alertId']}"
    return f"evt-{hashlib.sha256(known.encode()).hexdigest()[:32]}"
