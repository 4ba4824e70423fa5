"""What `az` 2.91 puts on the wire, byte for byte as it was recorded, and the answers it needs.

`tests/samples/az_2.91.0_calls.json` holds each call of each command. Placeholders stand for what
differs from run to run: the host, the token and the job. `make test-az` runs the same commands with
a real `az` and finds out whether the recording is still true.
"""

from __future__ import annotations

import json
import socket
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.vault.everything import GUARD, fill_everything
from local.vault.shares import Layout
from tests.local.vault.arm import Arm, Json
from tests.local.vault.conftest import Serve

SAMPLE = Path(__file__).parents[2] / "samples/az_2.91.0_calls.json"
COMMANDS: list[Json] = json.loads(SAMPLE.read_text(encoding="utf-8"))["commands"]


@pytest.fixture
def arm(serve: Serve, tmp_path: Path) -> Arm:
    """The sample `everything`, whose jobs run until they are cancelled."""
    root = tmp_path / "everything"
    fill_everything(Layout(root=root))
    return serve(
        root, time_scale=1.0, operation_delay=0.0, job_duration=1e6, busy="off", require_auth=True
    )


def sent(arm: Arm, call: Json, job: str) -> tuple[int, Any]:
    """Send a recorded call as it stands; the status and the document of its answer."""
    address = urlsplit(arm.emulator.url)
    known = {"{host}": address.netloc, "{token}": "made-up", "{job}": job}
    lines = [call["line"], *(f"{name}: {value}" for name, value in call["headers"])]
    text = "\r\n".join([*lines, "", ""]) + call["body"]
    for placeholder, value in known.items():
        text = text.replace(placeholder, value)
    assert address.port is not None
    with socket.create_connection(("127.0.0.1", address.port), timeout=20) as connection:
        connection.sendall(text.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    return answer.status, json.loads(body) if body else None


def replayed(arm: Arm, command: Json) -> list[Any]:
    """Send all calls of a command; the documents that `az` would read."""
    documents = []
    job = arm.emulator.add_jobs(1)[0].id
    for call in command["calls"]:
        status, document = sent(arm, call, job)
        assert status == call["status"], (call["line"], document)
        if call["line"].endswith("/restore?api-version=2026-08-01 HTTP/1.1"):
            job = arm.emulator.jobs()[0].id
        documents.append(document)
    return documents


def named(*words: str) -> Json:
    """The one recorded command with all these words, the first in the order of the file."""
    return next(one for one in COMMANDS if set(words) <= set(one["command"].split()))


@pytest.mark.parametrize(
    "command", [pytest.param(one, id=one["command"].split(" -")[0]) for one in COMMANDS]
)
def test_each_call_of_az_gets_the_status_that_it_got(arm: Arm, command: Json) -> None:
    assert replayed(arm, command)
    names = [entry.operation for entry in arm.emulator.log]
    assert None not in names


def test_the_recording_has_all_four_shapes_and_a_guarded_vault() -> None:
    bodies = [
        json.loads(call["body"])["properties"]
        for command in COMMANDS
        for call in command["calls"]
        if call["body"]
    ]
    shapes = {(one["restoreRequestType"], one["recoveryType"]) for one in bodies}
    assert len(shapes) == 4
    assert [one["resourceGuardOperationRequests"] for one in bodies[4:]] == [
        [f"{GUARD}/restoreRequests/default"]
    ]


@pytest.mark.parametrize("classic", [True, False])
def test_az_asks_for_accounts_by_a_doubled_slash_and_small_letters(classic: bool) -> None:
    calls = named("restore-azurefileshare", "AlternateLocation")["calls"]
    provider = "Microsoft.ClassicStorage" if classic else "Microsoft.Storage"
    lines = [call["line"] for call in calls if f"/{provider}/" in call["line"]]
    assert len(lines) == 2
    assert all("/resourcegroups/" in line and "storageAccounts//a" in line for line in lines)


def test_az_drops_the_target_folder_of_a_full_share(arm: Arm) -> None:
    command = named("restore-azurefileshare", "AlternateLocation")
    assert "--target-folder" in command["command"]
    replayed(arm, command)
    assert (arm.emulator.jobs()[0].folder, arm.emulator.jobs()[0].alternate) == ("", True)


def test_az_restores_items_into_the_target_folder(arm: Arm) -> None:
    replayed(arm, named("restore-azurefiles", "AlternateLocation"))
    job = arm.emulator.jobs()[0]
    assert job.specs is not None
    (spec,) = job.specs
    assert (spec.path, spec.directory, spec.folder) == ("drafts", True, "items")


def test_az_takes_the_accounts_id_out_of_its_answer(arm: Arm) -> None:
    command = named("restore-azurefileshare", "OriginalLocation")
    documents = replayed(arm, command)
    account = next(one for one in documents if one and one.get("kind") == "StorageV2")
    (body,) = [json.loads(call["body"]) for call in command["calls"] if call["body"]]
    assert body["properties"]["sourceResourceId"] == account["id"]


def test_the_table_of_items_has_its_columns(arm: Arm) -> None:
    (document,) = replayed(arm, named("item", "list", "table"))
    assert len(document["value"]) == 6
    for item in document["value"]:
        assert item["properties"]["lastRecoveryPoint"].endswith("Z")
        assert item["properties"]["lastBackupStatus"] == "Completed"


def test_a_stopped_job_is_cancelled(arm: Arm) -> None:
    replayed(arm, named("job", "stop"))
    assert [job.status for job in arm.emulator.jobs()] == ["Cancelling"]
