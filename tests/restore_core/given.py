"""What the tests of this folder begin with: names, a good request, and samples of the wire.

The samples in `tests/samples/` are made up, in the shapes that the service has used since the year
of each name.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from restore_core.domain.record import Decision, RestoreRecord
from restore_core.errors import MessageInvalid
from restore_core.messages.decoding import read_object
from restore_core.messages.parsing import read_request
from restore_core.messages.request import AlternateTarget, CancelRequest, RestoreRequest

SUBSCRIPTION = "11112222-3333-4444-8555-666677778888"
VAULT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/vaults-rg"
    "/providers/Microsoft.RecoveryServices/vaults/harbour"
)
ACCOUNTS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/files-rg"
    "/providers/Microsoft.Storage/storageAccounts"
)
ACCOUNT = f"{ACCOUNTS}/quayfiles"
OTHER_ACCOUNT = f"{ACCOUNTS}/quaycopies"
CONTAINER = f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;storage;files-rg"
ITEM = f"{CONTAINER};quayfiles/protectedItems/AzureFileShare;{'0123456789abcdef' * 4}"
IDENTITY = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/people-rg"
    "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/restorer"
)
NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)

Json = dict[str, Any]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats(allow_nan=True, allow_infinity=True)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


def sample(name: str) -> Any:  # the JSON of a file
    """Read a file of `tests/samples`."""
    folder = Path(__file__).parent.parent / "samples"
    return json.loads((folder / f"{name}.json").read_text())


def request_body(**changes: object) -> Json:
    """A good request with changes; `...` takes a field away."""
    body: Json = {
        "schemaVersion": "1.0",
        "requestId": "refresh-1",
        "vaultId": VAULT,
        "source": {"storageAccountId": ACCOUNT, "fileShare": "ledgers"},
        "recoveryPoint": {"select": "latest"},
        "target": {
            "location": "alternate",
            "storageAccountId": OTHER_ACCOUNT,
            "fileShare": "drydock",
        },
    } | changes
    return copy.deepcopy({name: held for name, held in body.items() if held is not ...})


def request_of(**changes: object) -> RestoreRequest:
    """Read a good request with changes."""
    made = read_request(request_body(**changes))
    assert isinstance(made, RestoreRequest)
    return made


def decided(body: Json, **changes: Any) -> tuple[RestoreRecord, Decision]:
    """A request, and what it was decided to be: the item that the vault lists is «ledgers»."""
    request = read_request(body, unproven_copy_options=True)
    assert isinstance(request, RestoreRequest)
    target = request.target
    alternate = target if isinstance(target, AlternateTarget) else None
    decision = Decision(
        item_id=ITEM,
        share="ledgers",
        account_id=ACCOUNT,
        point_id="93288",
        point_time=NOW - timedelta(days=2),
        why="the newest of 3",
        target_account_id=alternate.storage_account_id if alternate else ACCOUNT,
        target_share=alternate.file_share if alternate else "ledgers",
    )
    decision = replace(decision, **changes)
    record = RestoreRecord.accept(request, message_id="m", requested_at=NOW, now=NOW)
    return replace(record, decision=decision), decision


def read_message(body: bytes) -> RestoreRequest | CancelRequest:
    """Read the bytes of a message that nothing wraps."""
    value, problems = read_object(body)
    return read_request(value, problems=problems)


def problems_of(body: Json, *, unproven: bool = False) -> list[str]:
    """Read what is no request, and return «path: message» of each problem."""
    with pytest.raises(MessageInvalid) as raised:
        read_request(body, unproven_copy_options=unproven)
    assert raised.value.problems
    return [f"{problem.path}: {problem.message}" for problem in raised.value.problems]


RULE_ID = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/watch-rg"
    "/providers/Microsoft.Insights/scheduledQueryRules/ransomware-ledgers"
)
ALERT_ID = (
    f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.AlertsManagement"
    "/alerts/0a1b2c3d-4e5f-4061-8273-94a5b6c7d8e9"
)


def alert_body(*, context: object = ..., custom: object = None, **essentials: object) -> Json:
    """A good alert in the common schema with changes; `...` takes a field away."""
    held = {
        "alertId": ALERT_ID,
        "alertRule": "ransomware-ledgers",
        "alertRuleID": RULE_ID,
        "severity": "Sev1",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [ACCOUNT],
        "firedDateTime": "2026-05-04T07:55:01.1234567Z",
        "description": "many files changed",
        "essentialsVersion": "1.0",
        "alertContextVersion": "1.0",
    } | essentials
    data = {
        "essentials": {name: one for name, one in held.items() if one is not ...},
        "alertContext": context,
        "customProperties": custom,
    }
    given = {name: one for name, one in data.items() if one is not ...}
    return copy.deepcopy({"schemaId": "azureMonitorCommonAlertSchema", "data": given})


def plan_body(**changes: object) -> Json:
    """A good plan with changes; `...` takes a field away."""
    body: Json = {
        "name": "plan-1",
        "match": {"alertRule": "ransomware-*"},
        "vaultId": VAULT,
        "source": {"storageAccountId": ACCOUNT, "fileShare": "ledgers"},
        "recoveryPoint": {"maxAge": "P2D"},
        "target": {
            "location": "alternate",
            "storageAccountId": OTHER_ACCOUNT,
            "fileShare": "drydock",
        },
        "cooldown": "PT6H",
    } | changes
    return copy.deepcopy({name: held for name, held in body.items() if held is not ...})


def plans_body(*plans: object) -> Json:
    """A file of plans."""
    return {"schemaVersion": "1.0", "plans": list(plans)}
