"""The app as the worker sees it: it indexes, and its triggers name the settings that deployments
give.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent

_INDEX = """
import json
from function_app import app
found = [
    {"name": one.get_function_name(), **json.loads(str(one))} for one in app.get_functions()
]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def functions() -> dict[str, dict[str, Any]]:
    """Index the app in a process of its own: the library does it once per process."""
    done = subprocess.run(
        [sys.executable, "-c", _INDEX], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    return {one["name"]: one["bindings"][0] for one in found}


def test_requests_come_from_the_queue_that_is_set(functions: dict[str, dict[str, Any]]) -> None:
    trigger = functions["accept_request"]
    assert trigger["type"] == "queueTrigger"
    assert trigger["queueName"] == "%RESTORE_REQUEST_QUEUE%"
    assert trigger["connection"] == "RestoreStorage"


def test_poison_copies_have_a_function_of_their_own(
    functions: dict[str, dict[str, Any]],
) -> None:
    trigger = functions["accept_poisoned_request"]
    assert trigger["queueName"] == "%RESTORE_REQUEST_QUEUE%-poison"
    assert trigger["connection"] == "RestoreStorage"


def test_the_sweep_runs_on_the_schedule_that_is_set(functions: dict[str, dict[str, Any]]) -> None:
    trigger = functions["sweep_open_requests"]
    assert trigger["type"] == "timerTrigger"
    assert trigger["schedule"] == "%RESTORE_POLL_SCHEDULE%"
    assert not trigger.get("runOnStartup")


def test_the_host_hands_messages_over_as_they_are() -> None:
    # Producers differ; with base64 the host would drop plain JSON before the app could answer.
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["queues"]["messageEncoding"] == "none"
    assert host["version"] == "2.0"


def test_a_missing_setting_is_said_at_first_use_and_not_at_import() -> None:
    script = (
        "import function_app\n"
        "from restore_core.errors import SettingsError\n"
        "try:\n    function_app.engine()\n"
        "except SettingsError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT), "RESTORE_PAUSED": "perhaps"},
    )
    assert "RestoreStorage must be" in done.stdout
    assert "RESTORE_PAUSED must be true or false" in done.stdout
    assert "perhaps" not in done.stdout


def test_what_is_not_run_in_azure_is_not_deployed() -> None:
    ignored = (ROOT / ".funcignore").read_text().split()
    deployed = {
        path.name
        for path in ROOT.iterdir()
        if path.name not in ignored
        and not path.name.endswith((".lock", "_cache"))
        and not path.name.startswith(".coverage")  # each worker of the tests writes its own
    }
    assert deployed <= {
        ".import_linter_cache",
        ".funcignore",
        "function_app.py",
        "host.json",
        "requirements.txt",
        "restore-guards.json",  # made by whoever deploys
        "restore_core",
    }
