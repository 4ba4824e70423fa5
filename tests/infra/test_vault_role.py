"""The role in a vault is the calls of the code: neither may change alone."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import unquote

import pytest

from restore_core.arm_ids import ProtectedItemId, VaultId
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from tests.infra.compiler import ROOT
from tests.infra.snapshots import NAMES, read
from tests.patience import PATIENCE
from tests.restore_core.given import ITEM, NOW, VAULT, request_of, sample
from tests.simulators.arm_server import Call, Reply, by_path, serving

OPERATION = "0a1b2c3d-0000-4000-8000-00000000000a"
JOB = "0a1b2c3d-0000-4000-8000-00000000000b"
_PROVIDER = "Microsoft.RecoveryServices/Vaults"
_ITEM = "backupFabrics/protectionContainers/protectedItems"

ACTION_OF = {
    "GET /backupProtectedItems": "backupProtectedItems/read",
    "GET /{item}/recoveryPoints": f"{_ITEM}/recoveryPoints/read",
    "GET /backupResourceGuardProxies": "backupResourceGuardProxies/read",
    "POST /{item}/recoveryPoints/{id}/restore": f"{_ITEM}/recoveryPoints/restore/action",
    "GET /backupOperations/{id}": "backupOperations/read",
    "GET /backupJobs": "backupJobs/read",
    "GET /backupJobs/{id}": "backupJobs/read",
    "POST /backupJobs/{id}/cancel": "backupJobs/cancel/action",
}
"""Each call of the code below a vault, and the action that Azure asks for."""


def as_template(call: Call) -> str:
    """Take the names out of a call's path."""
    path = unquote(call.path).removeprefix(VAULT)
    path = re.sub(
        r"/backupFabrics/Azure/protectionContainers/[^/]+/protectedItems/[^/]+", "/{item}", path
    )
    path = re.sub(r"/(recoveryPoints|backupOperations|backupJobs)/[^/]+", r"/\1/{id}", path)
    return f"{call.method} {path}"


@pytest.fixture(scope="module")
def calls() -> tuple[set[str], set[str]]:
    """Call every method once: the calls that were made, and the methods."""
    accepted = Reply(
        status=202,
        headers=(("Location", f"https://x{VAULT}/backupOperations/{OPERATION}?api-version=1"),),
    )
    operation = {"id": OPERATION, "name": OPERATION, "status": "InProgress"}
    replies = {
        "/cancel": accepted,
        "/restore?": accepted,
        "/recoveryPoints?": Reply(body=sample("2024_points")),
        "/backupProtectedItems?": Reply(body=sample("2024_items")),
        "/backupResourceGuardProxies?": Reply(body={"value": []}),
        "/backupOperations/": Reply(body=operation),
        "/backupJobs?": Reply(body={"value": []}),
        "/backupJobs/": Reply(body=sample("2025_job_completed")),
    }
    vault = VaultId.parse(VAULT)
    item = ProtectedItemId.parse(ITEM)
    with serving(by_path(replies)) as server:
        arm = ArmClient(
            endpoint=server.origin,
            api_version="2026-07-01",
            tokens=None,
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
        )
        backup = AzureBackup(arm, name_cache=timedelta())
        request = request_of()
        found = backup.find_item(request)
        methods: dict[str, Callable[[], object]] = {
            "find_item": lambda: backup.find_item(request),
            "choose_point": lambda: backup.choose_point(found, request, requested_at=NOW),
            "resource_guard_requests": lambda: backup.resource_guard_requests(vault),
            "restore_url": lambda: backup.restore_url(item, "1"),
            "prepare_restore": lambda: backup.prepare_restore(item, "1", "{}", JOB).send(),
            "operation": lambda: backup.operation(vault, OPERATION),
            "job": lambda: backup.job(vault, JOB),
            "jobs": lambda: backup.jobs(vault, since=NOW, now=NOW),
            "cancel": lambda: backup.cancel(vault, JOB),
        }
        for call in methods.values():
            call()
        return {as_template(one) for one in server.calls}, set(methods)


def test_every_method_that_may_call_has_been_called(calls: tuple[set[str], set[str]]) -> None:
    public = {
        name
        for name, _ in inspect.getmembers(AzureBackup, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == calls[1], "a new method is called in this test, too"


def test_the_role_has_the_actions_of_the_calls_and_no_others(
    calls: tuple[set[str], set[str]],
) -> None:
    assert calls[0] == set(ACTION_OF), "a call has no action in the table, or none makes it"
    needed = {f"{_PROVIDER}/{ACTION_OF[call]}" for call in calls[0]}
    roles = [
        one["properties"]
        for name in NAMES
        for one in read(name).of("Microsoft.Authorization/roleDefinitions")
    ]
    assert len(roles) == 3
    for role in roles:
        (permissions,) = role["permissions"]
        actions = permissions["actions"]
        assert set(actions) == needed
        assert len(actions) == len(needed)
        assert permissions == {
            "actions": actions,
            "notActions": [],
            "dataActions": [],
            "notDataActions": [],
        }


def test_the_role_that_apps_share_has_the_same_actions() -> None:
    own = (ROOT / "infra/modules/vault-role.bicep").read_text(encoding="utf-8")
    shared = (ROOT / "infra/vault-role.bicep").read_text(encoding="utf-8")
    for text in (own, shared):
        assert re.search(r"^import \{ vaultActions \} from '", text, re.MULTILINE)
        assert re.findall(r"^ +actions: (.+)$", text, re.MULTILINE) == ["vaultActions"]


def test_nothing_but_the_vault_client_calls_azure() -> None:
    makers = {
        path.name
        for path in (ROOT / "restore_core").rglob("*.py")
        if re.search(r"\bArmClient\b", path.read_text(encoding="utf-8"))
    }
    assert makers == {"client.py", "backup.py", "wiring.py"}
