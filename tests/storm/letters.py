"""What goes onto the queue in a storm: alerts of one rule, and the request of a pipeline.

Knows the forms that producers send and the plan that answers the alerts. Refuses to know the app's
own code: the id that an alert's request must get is worked out here.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.stack.estate import TARGET_ACCOUNT, Share, account_id
from tests.stack.outside import Json
from tests.stack.town import elsewhere, request

_SAMPLE = Path(__file__).parents[1] / "samples" / "2026_alert_log.json"
_RULE = "files-deleted-ledgers"
_COPIED = 0
PIPELINE = "nightly-refresh"
"""The request id of the pipeline."""
PLAN_TARGET = elsewhere("recovered", "by plan")
PIPELINE_TARGET = elsewhere("refreshed", "nightly")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A message, and the id of the request that it is, or would be."""

    request_id: str
    text: str


def write_plans(path: Path, source: Share) -> None:
    """Write the file of plans: alerts about a share recover it into another one."""
    plan = {
        "name": "mass-deletion",
        "match": {
            "alertRule": "files-deleted-*",
            "severity": ["Sev0", "Sev1"],
            "targetResource": [account_id(source.account)],
        },
        "vaultId": source.vault_id,
        "source": source.source,
        "recoveryPoint": {"margin": "PT15M", "maxAge": "P3D"},
        "target": PLAN_TARGET,
        "cooldown": "PT6H",
        "priority": "emergency",
    }
    path.write_text(json.dumps({"schemaVersion": "1.0", "plans": [plan]}), encoding="utf-8")


def alerts(source: Share, count: int, *, seed: int) -> Sequence[Letter]:
    """Make alerts of one rule: half of them one alert again and again, the others all different."""
    fired_at = datetime.now(UTC)
    numbers = [_COPIED if number % 2 else number // 2 + 1 for number in range(count)]
    random.Random(f"storm {seed}").shuffle(numbers)
    letters = {number: _alert(source, number, fired_at) for number in set(numbers)}
    return [letters[number] for number in numbers]


def pipeline(source: Share) -> Letter:
    """Make the request of a pipeline, as a CloudEvent."""
    event = {
        "specversion": "1.0",
        "id": "build-4711",
        "source": "/pipelines/nightly",
        "type": "com.contoso.refresh",
        "data": request(source, PIPELINE, target=PIPELINE_TARGET, copyOptions=None),
    }
    return Letter(request_id=PIPELINE, text=json.dumps(event))


def _alert(source: Share, number: int, fired_at: datetime) -> Letter:
    alert: Json = json.loads(_SAMPLE.read_text(encoding="utf-8"))
    alert_id = f"/subscriptions/x/providers/Microsoft.AlertsManagement/alerts/storm-{number}"
    alert["data"]["essentials"] |= {
        "alertId": alert_id,
        "alertRule": _RULE,
        "alertTargetIDs": [account_id(source.account), account_id(TARGET_ACCOUNT)],
        "firedDateTime": fired_at.isoformat(),
    }
    digest = hashlib.sha256(f"{_RULE}\n{alert_id}".encode()).hexdigest()
    return Letter(request_id=f"evt-{digest[:32]}", text=json.dumps(alert))
