"""Every script of the examples runs, says what it should, and stops at an empty part."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jmespath
import pytest

from restore_core.messages.alerts import read_alert
from restore_core.messages.envelopes import read_envelope
from tests.az import stand_in
from tests.az.scripts import (
    ENVIRONMENT,
    EXAMPLES,
    ROOT,
    SCRIPTS,
    Call,
    calls_in,
    queries_of,
    run,
    variables_of,
    with_stand_ins,
)
from tests.patience import PATIENCE
from tests.test_docs import DOCUMENTS, blocks
from tests.test_producers import example, request_in

ANSWERS = stand_in.commands()
COMMON = {"--name", "--resource-group", "--query", "--output"}
OPTIONS = {
    "az account get-access-token": {"--resource"},
    "az eventgrid event-subscription create": {
        "--source-resource-id",
        "--event-delivery-schema",
        "--endpoint",
        "--delivery-identity",
        "--delivery-identity-endpoint-type",
        "--delivery-identity-endpoint",
        "--storage-queue-msg-ttl",
    },
    "az eventgrid topic create": {"--location", "--input-schema", "--identity"},
    "az eventgrid topic show": set(),
    "az functionapp function keys list": {"--function-name"},
    "az functionapp show": set(),
    "az monitor action-group create": {"--short-name", "--action"},
    "az monitor metrics alert create": {
        *("--scopes", "--condition", "--window-size", "--evaluation-frequency", "--severity"),
        "--action",
    },
    "az role assignment create": {
        *("--role", "--assignee-object-id", "--assignee-principal-type", "--scope"),
    },
    "az storage account show": set(),
    "az storage message put": {
        *("--auth-mode", "--account-name", "--queue-name", "--time-to-live", "--content"),
    },
    "curl": {
        *("--fail-with-body", "--silent", "--show-error", "--header", "--data", "--write-out"),
    },
}
"""The commands of the scripts, and those of their options that the manuals have: a misspelt one is
found here. `make test-az` asks a real `az`.
"""


def said(command: str, query: str) -> str:
    """What `az` says to a query."""
    text: str = jmespath.search(query, ANSWERS[command])
    assert text
    return text


@pytest.fixture
def calls(request: pytest.FixtureRequest, tmp_path: Path) -> list[Call]:
    """What the script of a test has called."""
    done, made = run(request.param, tmp_path, with_stand_ins(tmp_path))
    assert done.returncode == 0, done.stderr
    return made


def of(name: str) -> pytest.MarkDecorator:
    """Run this script for the test."""
    return pytest.mark.parametrize("calls", [name], indirect=True)


# --- the stand-in


@pytest.mark.parametrize(
    ("query", "output"),
    [("defaultHostName", ""), ("properties.defaultHostName", "func-restore-1.azurewebsites.net\n")],
)
def test_the_host_name_of_a_flex_app_lies_below_properties(
    tmp_path: Path, query: str, output: str
) -> None:
    words = ["az", "functionapp", "show", "--query", query, "--output", "tsv"]
    done = subprocess.run(
        words,
        env=with_stand_ins(tmp_path),
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert done.stdout == output


def test_the_stand_in_answers_no_command_that_nobody_looked_up(tmp_path: Path) -> None:
    words = ["az", "functionapp", "shows"]
    done = subprocess.run(
        words,
        env=with_stand_ins(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    assert "no answer is known for: az functionapp shows" in done.stderr


# --- all scripts


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(text, id=f"{path.name}-{number}")
        for path in DOCUMENTS
        for number, text in enumerate(blocks(path, "sh"))
    ],
)
def test_every_shell_block_of_the_documents_is_shell(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True)


@pytest.mark.parametrize("calls", SCRIPTS, indirect=True)
def test_each_script_uses_commands_and_options_that_there_are(calls: list[Call]) -> None:
    assert calls
    for call in calls:
        assert call.options <= OPTIONS[call.command] | COMMON, call.command


@pytest.mark.parametrize("calls", SCRIPTS, indirect=True)
def test_each_body_that_a_script_sends_is_a_request(calls: list[Call]) -> None:
    bodies = [
        call.value(option) for call in calls for option in {"--content", "--data"} & call.options
    ]
    for body in bodies:
        assert request_in(body).request_id
    puts = {"az storage message put", "curl"} & {call.command for call in calls}
    assert bool(bodies) is bool(puts)


@pytest.mark.parametrize("calls", SCRIPTS, indirect=True)
def test_each_address_has_a_host_and_the_key_of_its_route(calls: list[Call]) -> None:
    source = (ROOT / "function_app.py").read_text(encoding="utf-8")
    routes = {
        name: route
        for route, name in re.findall(
            r'^@app\.route\(route="([^"]+)".*\)\ndef (\w+)\(', source, re.MULTILINE
        )
    }
    words = [word for call in calls for word in call.words if re.match(r"\w+://", word)]
    urls = [urlsplit(word) for word in words if not word.startswith("api://")]
    assert all((url.scheme, bool(url.hostname)) == ("https", True) for url in urls)
    called = [url for url in urls if "code=" in url.query]
    keys = [call for call in calls if call.command == "az functionapp function keys list"]
    assert len(called) == len(keys)
    for url, key in zip(called, keys, strict=True):
        assert url.path == f"/api/{routes[key.value('--function-name')]}"
        assert url.hostname == said("az functionapp show", "properties.defaultHostName")
        assert parse_qs(url.query) == {
            "code": [said("az functionapp function keys list", "default")]
        }


@pytest.mark.parametrize(
    ("name", "variable"), [(name, one) for name in SCRIPTS for one in variables_of(name)]
)
def test_a_script_stops_at_an_empty_variable(tmp_path: Path, name: str, variable: str) -> None:
    done, calls = run(name, tmp_path, {**with_stand_ins(tmp_path), variable: ""})
    assert done.returncode != 0
    assert f"{variable}: is empty: " in done.stderr
    assert calls == []


@pytest.mark.parametrize(
    ("name", "number"),
    [(name, number) for name in SCRIPTS for number in range(1, len(queries_of(name)) + 1)],
)
def test_a_script_stops_where_az_prints_nothing(tmp_path: Path, name: str, number: int) -> None:
    done, calls = run(name, tmp_path, {**with_stand_ins(tmp_path), "SILENT": str(number)})
    assert done.returncode != 0
    assert re.search(r": \w+: is empty: \w+", done.stderr)
    asked = [call for call in calls if "--query" in call.options]
    assert calls == asked, "something was made of the empty part"


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("post_request.sh", "request.json"),
        ("publish_event.sh", "cloud-event.json"),
        ("put_request.sh", "request.json"),
    ],
)
@pytest.mark.parametrize("empty", [True, False])
def test_a_script_sends_no_body_that_is_not_there(
    tmp_path: Path, name: str, file: str, empty: bool
) -> None:
    folder = tmp_path / "examples"
    folder.mkdir()
    (folder / name).write_bytes((EXAMPLES / name).read_bytes())
    if empty:
        (folder / file).touch()
    done = subprocess.run(
        ["bash", name],
        cwd=folder,
        env=with_stand_ins(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode != 0
    assert file in done.stderr
    sent = {"--data", "--content"}
    assert not [call for call in calls_in(tmp_path) if sent & call.options]


# --- one by one


@of("put_request.sh")
def test_the_script_for_the_queue_sends_the_request_to_stay(calls: list[Call]) -> None:
    (put,) = calls
    assert json.loads(put.value("--content")) == json.loads(example("request.json"))
    assert put.value("--queue-name") == "restore-requests"
    assert put.value("--time-to-live") == "-1"


@of("topic_to_queue.sh")
def test_the_topic_may_add_to_its_own_queue_only(
    calls: list[Call],
) -> None:
    (role,) = [call for call in calls if call.command == "az role assignment create"]
    (made,) = [call for call in calls if call.command.endswith("event-subscription create")]
    assert role.value("--role") == "Storage Queue Data Message Sender"
    principal = said("az eventgrid topic show", "identity.principalId")
    assert role.value("--assignee-object-id") == principal
    account = said("az storage account show", "id")
    queue = f"{account}/queueServices/default/queues/restore-requests"
    assert role.value("--scope") == made.value("--delivery-identity-endpoint") == queue
    assert calls.index(role) < calls.index(made)
    assert made.value("--event-delivery-schema") == "cloudeventschemav1_0"
    assert made.value("--storage-queue-msg-ttl") == "-1"


@of("publish_event.sh")
def test_the_event_is_published_as_a_cloud_event(calls: list[Call]) -> None:
    post = calls[-1]
    assert "Content-Type: application/cloudevents+json; charset=utf-8" in post.words
    token = said("az account get-access-token", "accessToken")
    assert f"Authorization: Bearer {token}" in post.words
    assert read_envelope(post.value("--data").encode()).event_id == "run-1278"


@of("alert_rule.sh")
def test_the_alert_rule_is_that_of_the_alert_and_the_plan(calls: list[Call]) -> None:
    group, rule = calls[-2:]
    action = group.values("--action")
    assert action[0] == "webhook"
    assert "usecommonalertschema" in action
    assert action[3:6] == [
        "useaadauth",
        ENVIRONMENT["WEBHOOK_OBJECT_ID"],
        ENVIRONMENT["WEBHOOK_IDENTIFIER_URI"],
    ]
    alert = read_alert(json.loads(example("alert.json")))
    assert rule.value("--name") == alert.rule
    assert f"Sev{rule.value('--severity')}" == alert.severity
    assert rule.value("--scopes").casefold() == alert.target_ids[0].casefold()
    made = said("az monitor action-group create", "id")
    assert rule.values("--action") == [made, f"restorePlan={alert.plan}"]


@of("post_request.sh")
def test_the_script_for_http_asks_for_the_request_that_it_posted(calls: list[Call]) -> None:
    post, asked = calls
    request = request_in(post.value("--data"))
    assert asked.words[-1] == f"{ENVIRONMENT['RESTORE_URL']}/api/restores/{request.request_id}"
    assert f"x-functions-key: {ENVIRONMENT['POST_RESTORE_KEY']}" in post.words
    assert f"x-functions-key: {ENVIRONMENT['GET_RESTORE_KEY']}" in asked.words


def test_the_script_for_http_does_not_wait_behind_a_closed_door(tmp_path: Path) -> None:
    done, _ = run("post_request.sh", tmp_path, {**with_stand_ins(tmp_path), "STATUS": "401"})
    assert done.returncode == 1
    assert "the app does not tell" in done.stderr


# --- README


def test_the_command_of_the_readme_puts_the_request_to_stay(tmp_path: Path) -> None:
    (command,) = [one for one in blocks(ROOT / "README.md", "sh") if "az storage" in one]
    (tmp_path / "request.json").write_text(example("request.json"))
    subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env={**with_stand_ins(tmp_path), "STORAGE": "made-up"},
        check=True,
        timeout=PATIENCE,
    )
    (put,) = calls_in(tmp_path)
    assert put.options <= OPTIONS[put.command] | {"--connection-string"}
    assert json.loads(put.value("--content")) == json.loads(example("request.json"))
    assert put.value("--time-to-live") == "-1"
