"""The app as the worker sees it: it indexes, and its triggers name the settings that deployments
give.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.meta import Datum
from azure.functions.queue import QueueMessageInConverter

import function_app
from restore_core.domain.ports import Message
from restore_core.http_api.answers import HttpAnswer, HttpRequest
from restore_core.http_api.routes import Intake

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
    assert trigger["queueName"] == "%RESTORE_REQUEST_POISON_QUEUE%"
    assert trigger["connection"] == "RestoreStorage"


def test_the_sweep_runs_on_the_schedule_that_is_set(functions: dict[str, dict[str, Any]]) -> None:
    trigger = functions["sweep_open_requests"]
    assert trigger["type"] == "timerTrigger"
    assert trigger["schedule"] == "%RESTORE_POLL_SCHEDULE%"
    assert not trigger.get("runOnStartup")


@pytest.mark.parametrize(
    ("name", "route", "methods"),
    [
        ("post_restore", "restores", {"POST", "OPTIONS"}),
        ("post_cancel", "restores/{id}/cancel", {"POST"}),
        ("post_alert", "alerts", {"POST", "OPTIONS"}),
        ("get_restore", "restores/{id}", {"GET"}),
    ],
)
def test_every_route_asks_for_a_key_of_its_function(
    functions: dict[str, dict[str, Any]], name: str, route: str, methods: set[str]
) -> None:
    trigger = functions[name]
    assert trigger["type"] == "httpTrigger"
    assert trigger["route"] == route
    assert set(trigger["methods"]) == methods
    assert trigger["authLevel"] == "FUNCTION"


def test_no_function_can_be_called_without_a_key(functions: dict[str, dict[str, Any]]) -> None:
    levels = {one.get("authLevel") for one in functions.values() if one["type"] == "httpTrigger"}
    assert levels == {"FUNCTION"}


def test_the_prefix_of_routes_is_the_hosts_own() -> None:
    # Locations begin with /api.
    host = json.loads((ROOT / "host.json").read_text())
    assert "http" not in host["extensions"]


def called(**changes: Any) -> func.HttpRequest:
    """A call as the worker hands it over."""
    values: dict[str, Any] = {
        "method": "post",
        "url": "https://app.example/api/restores/r1/cancel?code=key&dryRun=true",
        "headers": {"Content-Type": "application/json", "CE-Id": "1"},
        "params": {"dryRun": "true"},
        "route_params": {"id": "r1"},
        "body": b"{}",
    } | changes
    return func.HttpRequest(values.pop("method"), values.pop("url"), **values)


def test_a_call_and_its_answer_are_translated_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_app, "intake", lambda: None)
    seen: list[HttpRequest] = []

    def route(_intake: Intake, request: HttpRequest) -> HttpAnswer:
        seen.append(request)
        return HttpAnswer(status=202, headers={"Content-Type": "a/b", "X-Y": "z"}, body=b"\x00\xff")

    response = function_app.answered(called(), route)

    assert seen == [
        HttpRequest(
            method="POST",
            path={"id": "r1"},
            headers={"content-type": "application/json", "ce-id": "1"},
            query={"dryRun": "true"},
            body=b"{}",
        )
    ]
    assert response.status_code == 202
    assert dict(response.headers) == {"Content-Type": "a/b", "X-Y": "z"}
    assert response.get_body() == b"\x00\xff"


def test_what_nobody_expected_is_answered_without_details_and_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(function_app, "intake", lambda: None)

    def route(_intake: Intake, _request: HttpRequest) -> HttpAnswer:
        raise ZeroDivisionError("a detail")

    response = function_app.answered(called(), route)

    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    value = json.loads(response.get_body())
    assert (value["status"], value["title"]) == (500, "Internal Server Error")
    assert "a detail" not in response.get_body().decode()
    assert "a detail" in caplog.text


def test_settings_that_cannot_be_used_answer_with_an_error_and_do_not_say_which(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("RestoreStorage", raising=False)
    function_app.intake.cache_clear()

    response = function_app.answered(called(), Intake.post_restore)

    assert response.status_code == 500
    assert b"RestoreStorage" not in response.get_body()
    assert "RestoreStorage must be" in caplog.text


def test_what_answers_http_has_no_way_to_arm(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("HTTP needs neither a client for ARM nor a token")

    for name in ("ArmClient", "AzureBackup", "EntraTokens", "credential", "ReviewedFile"):
        monkeypatch.setattr(f"restore_core.wiring.{name}", refuse)
    monkeypatch.setenv(
        "RestoreStorage",
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
        "QueueEndpoint=http://127.0.0.1:1/devstoreaccount1;"
        "TableEndpoint=http://127.0.0.1:1/devstoreaccount1;",
    )
    function_app.intake.cache_clear()

    response = function_app.answered(called(method="GET"), Intake.get_restore)
    function_app.intake.cache_clear()

    assert response.status_code == 503, "storage does not answer, and that was all it needed"


def test_the_host_hands_messages_over_as_they_are() -> None:
    # Producers differ; with base64 the host would drop plain JSON before the app could answer.
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["queues"]["messageEncoding"] == "none"
    assert host["version"] == "2.0"


NOW = datetime(2026, 5, 4, 8, 0, 0, tzinfo=UTC)
INSERTED = datetime(2026, 5, 4, 7, 59, 0, tzinfo=UTC)


def handed_over(text: str, **told: Any) -> Message:
    """What the app makes of a message with that text; `told` is what the host says of it."""
    metadata = {
        "Id": Datum("q1", "string"),
        "DequeueCount": Datum("1", "json"),
        "InsertionTime": Datum(json.dumps(INSERTED.isoformat()), "json"),
    } | {name: Datum(value, "string") for name, value in told.items()}
    message = QueueMessageInConverter.decode(Datum(text, "string"), trigger_metadata=metadata)
    return function_app.translated(message, NOW)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"requestId": "id", "labels": {"id": "1"}}',
        '[{"id": "1"}]',
        '"id"',
        "no JSON, id: 1",
        '{"id": "1"',
        "{no JSON}",
        base64.b64encode(b'{"id": "1"}').decode(),
        '{"id": null, "insertionTime": [1]}',  # the host binds neither
    ],
)
def test_what_the_queue_says_of_a_message_is_believed(text: str) -> None:
    assert handed_over(text) == Message(id="q1", body=text.encode(), inserted_at=INSERTED)


@pytest.mark.parametrize(
    "text",
    [
        *('{"id": "1"}', '\r\n {"ID": ""}\t', '{"iD": {"a": 1}}', '{"id": false}'),
        *('{"dequeueCount": 1}', '{"POPRECEIPT": "1"}', '{"QueueTrigger": "x"}'),
        *("{'id': '1'}", '{id: "1"}', '{"\\u0069d": "1",}', '{"id": "1",}'),
        *('{"\\u0069d": "1"}', '{"id": "1", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}"),
    ],
)
def test_nothing_that_a_sender_can_set_is_taken_for_the_queues_word(text: str) -> None:
    digest = hashlib.sha256(text.encode()).hexdigest()

    message = handed_over(text, Id="spoofed")

    assert message == Message(
        id=f"body-{digest[:32]}", body=text.encode(), inserted_at=NOW, is_dated=False
    )


def test_a_message_without_a_time_zone_is_from_utc() -> None:
    message = handed_over("{}", InsertionTime="2026-05-04T07:59:00")
    assert message.inserted_at == INSERTED


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
