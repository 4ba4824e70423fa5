"""The examples for producers and readers run, and the app reads what they send."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from azure.storage.queue import QueueClient

from local.storage import Azurite
from restore_core.alerts import read_alert
from restore_core.envelopes import read_envelope, read_wrapped
from restore_core.guards import read_guards
from restore_core.lifecycle import FINAL, Phase, Rejection
from restore_core.planning import Matched, find_plan, make_request
from restore_core.plans import read_plans
from restore_core.request import LatestPointBefore, RestoreRequest
from tests.patience import PATIENCE
from tests.test_docs import DOCUMENTS, blocks
from tests.test_event_schema import FULL, rejected, rendered

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs/examples"
PAGE = ROOT / "docs/producers.md"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".json", ".py", ".sh"})
SCRIPTS = [path.name for path in FILES if path.suffix == ".sh"]
LANGUAGES = {".json": ("json", "jsonc"), ".py": ("python",), ".sh": ("sh",)}


def example(name: str) -> str:
    return (EXAMPLES / name).read_text(encoding="utf-8")


def request_in(body: str | bytes) -> RestoreRequest:
    """Read a message as the app does."""
    envelope = read_envelope(body if isinstance(body, bytes) else body.encode())
    request = read_wrapped(envelope)
    assert isinstance(request, RestoreRequest)
    return request


# --- the page and the files


def test_the_page_shows_each_file_as_it_is_and_nothing_else() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = re.findall(
        r"^\[`([\w.-]+)`\]\(examples/([\w.-]+)\):\n\n```(\w+)\n(.*?)^```$",
        text,
        re.DOTALL | re.MULTILINE,
    )
    assert len(shown) == text.count("\n```") / 2, "a block that is no file"
    assert sorted(name for name, *_ in shown) == [path.name for path in FILES]
    for name, target, language, block in shown:
        assert name == target
        assert language in LANGUAGES[Path(name).suffix]
        assert block == example(name), name


def test_nothing_lies_among_the_examples_that_is_none() -> None:
    others = {path.name for path in EXAMPLES.iterdir()} - {path.name for path in FILES}
    assert others - {"__pycache__", ".ruff_cache"} == {"ruff.toml"}


# --- what is sent

READ_IN_ANOTHER_WAY = {"alert.json", "restore-plans.json"}


@pytest.mark.parametrize(
    "name",
    [
        path.name
        for path in FILES
        if path.suffix == ".json" and path.name not in READ_IN_ANOTHER_WAY
    ],
)
def test_each_request_of_the_examples_is_one_that_the_app_reads(name: str) -> None:
    request = request_in(example(name))
    assert request.source == request_in(example("request.json")).source


def test_the_event_of_the_examples_gives_its_request_an_id() -> None:
    envelope = read_envelope(example("cloud-event.json").encode())
    assert "requestId" not in envelope.body
    assert request_in(example("cloud-event.json")).request_id == envelope.derived_id
    assert (envelope.event_source, envelope.event_id) == ("/pipelines/refresh-test", "run-1278")
    # With a time of its own it would be too old to start, for whoever tries it.
    assert envelope.event_time is None


def test_the_request_with_a_reply_names_a_queue_that_guards_may_list() -> None:
    queue = request_in(example("request-with-reply.json")).reply_to
    sample = json.loads((ROOT / "restore-guards.sample.json").read_text(encoding="utf-8"))
    guards = read_guards(json.dumps(sample | {"replyQueues": [queue]}).encode())
    assert guards.reply_queues == (queue,)
    assert f"RESTORE_COMPLETION_QUEUE={queue}`" in PAGE.read_text(encoding="utf-8")


def test_the_alert_of_the_examples_leads_by_their_plan_to_a_request() -> None:
    plans = read_plans(example("restore-plans.json").encode())
    alert = read_alert(json.loads(example("alert.json")))
    found = find_plan(plans, alert)
    assert isinstance(found, Matched)
    assert alert.plan == found.plan.name
    assert alert.fired_at is not None
    request = make_request(
        found.plan, alert, request_id="evt-1", now=alert.fired_at + timedelta(minutes=6)
    )
    assert isinstance(request, RestoreRequest)
    assert isinstance(request.recovery_point, LatestPointBefore)
    assert request.recovery_point.time == alert.fired_at - timedelta(minutes=30)
    # Without its name it is the plan for that alert all the same.
    unnamed = replace(alert, custom_properties={})
    assert isinstance(find_plan(plans, unnamed), Matched)


def test_the_plan_of_the_examples_fits_the_sample_alert_of_the_infrastructure() -> None:
    bicep = (ROOT / "infra/modules/alert.bicep").read_text(encoding="utf-8")
    (name,) = re.findall(r"name: '(files-deleted-)\$\{", bicep)
    alert = replace(read_alert(json.loads(example("alert.json"))), rule=f"{name}abc123")
    assert isinstance(find_plan(read_plans(example("restore-plans.json").encode()), alert), Matched)


# --- shell

ACCOUNT = request_in(example("request.json")).given()["source"]["storageAccountId"]
ENVIRONMENT = {
    "AZURE_LOCATION": "westeurope",
    "AZURE_RESOURCE_GROUP": "rg-restore-test",
    "GET_RESTORE_KEY": "key-that-looks",
    "POST_RESTORE_KEY": "key-that-posts",
    "RESTORE_APP_NAME": "func-restore-1",
    "RESTORE_STORAGE_ACCOUNT": "strestore1",
    "RESTORE_URL": "https://func-restore-1.example",
    "TOPIC_GROUP": "rg-topics",
    "TOPIC_NAME": "restores",
    "WATCHED_ACCOUNT_ID": ACCOUNT,
    "WEBHOOK_IDENTIFIER_URI": "api://restore",
    "WEBHOOK_OBJECT_ID": "11112222-3333-4444-8555-666677778888",
}
SAID = {
    "accessToken": "token-of-the-one-who-is-signed-in",
    "default": "key-of-the-function",
    "defaultHostName": "func-restore-1.example",
    "endpoint": "https://restores.example/api/events",
    "id": "/subscriptions/1/resourceGroups/2",
    "identity.principalId": "99998888-7777-4666-8555-444433332222",
}
"""What stands in for Azure's answers, by the query."""
STAND_IN = f"""#!{sys.executable}
import json, os, sys
words = sys.argv[1:]
program = os.path.basename(sys.argv[0])
files = {{word: open(word[1:]).read() for word in words if word[:1] == "@"}}
with open(os.environ["CALLS"], "a") as calls:
    print(json.dumps({{"words": [program, *words], "files": files}}), file=calls)
said = {SAID!r}
if "--query" in words:
    print(said[words[words.index("--query") + 1]])
elif program == "curl":
    print('{{"event": "refresh-test-2026-02-05/Completed"}}')
"""
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
        *("--fail-with-body", "--silent", "--show-error", "--header", "--data"),
    },
}
"""The commands of the scripts, and those of their options that the manuals have: a misspelt one is
found here.
"""


class Call:
    """One call of a program, as a stand-in saw it."""

    def __init__(self, words: list[str], files: dict[str, str]) -> None:
        self.words, self.files = words, files
        named = [one for one in OPTIONS if words[: len(one.split())] == one.split()]
        assert named, f"a command that nobody has looked up: {words[:5]}"
        self.command = named[0]

    @property
    def options(self) -> set[str]:
        return {word for word in self.words if word.startswith("--")}

    def values(self, option: str) -> list[str]:
        """Give what follows an option, up to the next."""
        after = self.words[self.words.index(option) + 1 :]
        ends = [index for index, word in enumerate(after) if word.startswith("--")]
        return after[: ends[0]] if ends else after

    def value(self, option: str) -> str:
        (held,) = self.values(option)
        return self.files.get(held, held)


def run_script(name: str, folder: Path) -> list[Call]:
    """Run a script in a folder of its own, with stand-ins for `az` and `curl`."""
    programs = folder / "bin"
    programs.mkdir()
    for program in ("az", "curl"):
        (programs / program).write_text(STAND_IN)
        (programs / program).chmod(0o755)
    for path in FILES:
        (folder / path.name).write_bytes(path.read_bytes())
    calls = folder / "calls"
    subprocess.run(
        ["bash", name],
        cwd=folder,
        env={**ENVIRONMENT, "CALLS": str(calls), "PATH": f"{programs}:{os.environ['PATH']}"},
        check=True,
        timeout=PATIENCE,
    )
    return [Call(**json.loads(line)) for line in calls.read_text().splitlines()]


@pytest.fixture
def calls(request: pytest.FixtureRequest, tmp_path: Path) -> list[Call]:
    """What the script of a test has called."""
    return run_script(request.param, tmp_path)


def of(name: str) -> pytest.MarkDecorator:
    """Run this script for the test."""
    return pytest.mark.parametrize("calls", [name], indirect=True)


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
def test_each_address_is_https_and_each_key_that_of_the_route(calls: list[Call]) -> None:
    source = (ROOT / "function_app.py").read_text(encoding="utf-8")
    routes = {
        name: route
        for route, name in re.findall(
            r'^@app\.route\(route="([^"]+)".*\)\ndef (\w+)\(', source, re.MULTILINE
        )
    }
    urls = [word for call in calls for word in call.words if "://" in word]
    urls = [word for word in urls if not word.startswith("api://")]
    assert all(word.startswith("https://") for word in urls)
    called = [urlsplit(word) for word in urls if "/api/" in word and "code=" in word]
    keys = [call for call in calls if call.command == "az functionapp function keys list"]
    assert len(called) == len(keys)
    for url, key in zip(called, keys, strict=True):
        assert url.path == f"/api/{routes[key.value('--function-name')]}"
        assert parse_qs(url.query) == {"code": [SAID["default"]]}


@of("put_request.sh")
def test_the_script_for_the_queue_sends_the_request_to_stay(calls: list[Call]) -> None:
    (put,) = calls
    assert json.loads(put.value("--content")) == json.loads(example("request.json"))
    assert put.value("--queue-name") == "restore-requests"
    assert put.words[put.words.index("--time-to-live") + 1] == "-1"


@of("topic_to_queue.sh")
def test_the_topic_may_add_to_the_queue_that_it_delivers_to_and_to_no_other(
    calls: list[Call],
) -> None:
    (role,) = [call for call in calls if call.command == "az role assignment create"]
    (made,) = [call for call in calls if call.command.endswith("event-subscription create")]
    assert role.value("--role") == "Storage Queue Data Message Sender"
    assert role.value("--assignee-object-id") == SAID["identity.principalId"]
    queue = f"{SAID['id']}/queueServices/default/queues/restore-requests"
    assert role.value("--scope") == made.value("--delivery-identity-endpoint") == queue
    assert calls.index(role) < calls.index(made)
    assert made.value("--event-delivery-schema") == "cloudeventschemav1_0"


@of("publish_event.sh")
def test_the_event_is_published_as_a_cloud_event(calls: list[Call]) -> None:
    post = calls[-1]
    assert post.words[-4:-2] == [
        "--header",
        "Content-Type: application/cloudevents+json; charset=utf-8",
    ]
    assert f"Authorization: Bearer {SAID['accessToken']}" in post.words
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
    assert rule.values("--action") == [SAID["id"], f"restorePlan={alert.plan}"]


@of("post_request.sh")
def test_the_script_for_http_asks_for_the_request_that_it_posted(calls: list[Call]) -> None:
    post, asked = calls
    request = request_in(post.value("--data"))
    assert asked.words[-1] == f"{ENVIRONMENT['RESTORE_URL']}/api/restores/{request.request_id}"
    assert f"x-functions-key: {ENVIRONMENT['POST_RESTORE_KEY']}" in post.words
    assert f"x-functions-key: {ENVIRONMENT['GET_RESTORE_KEY']}" in asked.words


# --- Python


@pytest.fixture
def queue(azurite: Azurite) -> Iterator[QueueClient]:
    """A queue of its own."""
    name = f"examples-{uuid.uuid4()}"
    with QueueClient.from_connection_string(azurite.connection_string, name) as client:
        client.create_queue()
        yield client


def run_python(
    name: str, *arguments: str, azurite: Azurite, queue: QueueClient, folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "STORAGE": azurite.connection_string,
            "RESTORE_REQUEST_QUEUE": queue.queue_name,
            "RESTORE_COMPLETION_QUEUE": queue.queue_name,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("name", ["request.json", "request-with-reply.json", "cloud-event.json"])
def test_what_the_sending_program_sends_is_what_the_app_reads(
    azurite: Azurite, queue: QueueClient, tmp_path: Path, name: str
) -> None:
    path = str(EXAMPLES / name)
    done = run_python("send_request.py", path, azurite=azurite, queue=queue, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    message = queue.receive_message()
    assert message is not None
    assert message.id in done.stdout
    assert message.expires_on is not None
    assert message.expires_on > datetime.now(UTC) + timedelta(days=3650)
    assert request_in(str(message.content)) == request_in(example(name))


def read(azurite: Azurite, queue: QueueClient, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_python("read_completions.py", azurite=azurite, queue=queue, folder=folder)


def left_on(queue: QueueClient) -> int | None:
    return queue.get_queue_properties().approximate_message_count


def test_the_reading_program_knows_what_every_event_means(
    azurite: Azurite, queue: QueueClient, tmp_path: Path
) -> None:
    phases = [phase for phase in Phase if phase in FINAL]
    events: list[Any] = [rendered(replace(FULL, phase=phase)) for phase in phases]
    untouched = replace(FULL, phase=Phase.CANCELLED, parts=FULL.parts[:0])
    events.append(rendered(untouched) | {"id": "another"})
    events += [
        rejected(b"{}", reason) | {"id": f"-/MessageRejected/{reason}"} for reason in Rejection
    ]
    for event in events:
        queue.send_message(json.dumps(event))
    done = read(azurite, queue, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(events)
    said = dict(zip([*phases, "untouched"], lines, strict=False))
    assert "is restored:" in said[Phase.COMPLETED]
    assert "in part, do not go on" in said[Phase.COMPLETED_WITH_WARNINGS]
    assert "may have changed" in said[Phase.FAILED]
    assert "did not start" in said["untouched"]
    assert "a person must look" in said[Phase.INDETERMINATE]
    assert all(line.startswith("no request:") for line in lines[len(phases) + 1 :])
    assert left_on(queue) == 0


def test_the_reading_program_acts_once_on_copies_of_an_event(
    azurite: Azurite, queue: QueueClient, tmp_path: Path
) -> None:
    event = json.dumps(rendered(replace(FULL, phase=Phase.COMPLETED)))
    queue.send_message(event)
    queue.send_message(event)
    first = read(azurite, queue, tmp_path)
    queue.send_message(event)
    second = read(azurite, queue, tmp_path)
    assert first.stdout.count("is restored") == 1
    assert (second.returncode, second.stdout) == (0, "")
    assert left_on(queue) == 0


def test_the_reading_program_deletes_no_event_that_it_could_not_deal_with(
    azurite: Azurite, queue: QueueClient, tmp_path: Path
) -> None:
    event = rendered(replace(FULL, phase=Phase.COMPLETED))
    unknown = event | {"data": event["data"] | {"phase": "Unheard"}}
    queue.send_message(json.dumps(unknown))
    done = read(azurite, queue, tmp_path)
    assert done.returncode != 0
    assert "Unheard is no phase" in done.stderr
    assert left_on(queue) == 1
    # Nor does it take it for done.
    queue.send_message(json.dumps(event))
    assert "is restored" in read(azurite, queue, tmp_path).stdout


@pytest.mark.parametrize("name", ["send_request.py", "read_completions.py"])
def test_in_azure_a_program_is_whoever_is_signed_in(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("STORAGE", raising=False)
    monkeypatch.setenv("RESTORE_STORAGE_ACCOUNT", "strestore1")
    program = runpy.run_path(str(EXAMPLES / name))
    with program["open_queue"]() as client:
        assert client.url == f"https://strestore1.queue.core.windows.net/{program['QUEUE']}"
        assert isinstance(client.credential, program["DefaultAzureCredential"])
