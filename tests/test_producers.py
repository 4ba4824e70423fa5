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

import pytest
from azure.storage.queue import QueueClient

from local.storage import Azurite
from restore_core.alerting.plans import Plan, read_plans
from restore_core.alerting.response import find_plan, make_request
from restore_core.domain.lifecycle import FINAL, Phase
from restore_core.messages.alerts import read_alert
from restore_core.messages.envelopes import read_envelope, read_wrapped
from restore_core.messages.request import LatestPointBefore, RestoreRequest
from restore_core.policy.guards import read_guards
from restore_core.vocabulary import Rejection
from tests.patience import PATIENCE
from tests.test_docs import blocks
from tests.test_event_schema import FULL, rejected, rendered

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "docs/examples"
PAGE = ROOT / "docs/producers.md"
FILES = sorted(path for path in EXAMPLES.iterdir() if path.suffix in {".json", ".py", ".sh"})
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
    assert isinstance(found, Plan)
    assert alert.plan == found.name
    assert alert.fired_at is not None
    request = make_request(
        found, alert, request_id="evt-1", now=alert.fired_at + timedelta(minutes=6)
    )
    assert isinstance(request, RestoreRequest)
    assert isinstance(request.recovery_point, LatestPointBefore)
    assert request.recovery_point.time == alert.fired_at - timedelta(minutes=30)
    # Without its name it is the plan for that alert all the same.
    unnamed = replace(alert, custom_properties={})
    assert isinstance(find_plan(plans, unnamed), Plan)


def test_the_plan_of_the_examples_fits_the_sample_alert_of_the_infrastructure() -> None:
    bicep = (ROOT / "infra/modules/alert.bicep").read_text(encoding="utf-8")
    (name,) = re.findall(r"name: '(files-deleted-)\$\{", bicep)
    alert = replace(read_alert(json.loads(example("alert.json"))), rule=f"{name}abc123")
    assert isinstance(find_plan(read_plans(example("restore-plans.json").encode()), alert), Plan)


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


def test_the_program_of_the_readme_sends_a_request_to_stay(
    azurite: Azurite, queue: QueueClient, tmp_path: Path
) -> None:
    (program,) = [one for one in blocks(ROOT / "README.md", "python") if "send_message" in one]
    (tmp_path / "request.json").write_text(example("request.json"), encoding="utf-8")
    subprocess.run(
        [sys.executable, "-c", program.replace("restore-requests", queue.queue_name)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "STORAGE": azurite.connection_string},
        check=True,
        timeout=PATIENCE,
    )
    message = queue.receive_message()
    assert message is not None
    assert message.expires_on is not None
    assert message.expires_on > datetime.now(UTC) + timedelta(days=3650)
    assert request_in(str(message.content)) == request_in(example("request.json"))


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
