import json
import os
import shlex
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local import process
from local.stack import ROOT
from local.storage import queues_of, tables_of
from local.up import Again, Stack
from tests.local.host.running import PREAMBLE, eventually
from tests.patience import PATIENCE

APP = (
    PREAMBLE
    + """
@app.route()
def settings(req: func.HttpRequest) -> str:
    return json.dumps({name: os.environ.get(name) for name in req.params})
"""
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A folder with an app that tells its settings."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


class Up:
    """`python -m local.up` in a process of its own; all that it starts carries its mark."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        self.mark = f"UP_MARK={uuid.uuid4()}"
        self.output = folder / f"{uuid.uuid4()}.out"
        self.errors = self.output.with_suffix(".err")
        name, value = self.mark.split("=")
        self.child = process.start(
            [sys.executable, "-m", "local.up", *options],
            output=self.output,
            errors=self.errors,
            environment={
                **os.environ,
                "TMPDIR": str(folder),  # a killed up cannot remove its folder
                **environment,
                name: value,
            },
            directory=ROOT,
        )

    def ready(self) -> dict[str, Any]:
        """The line that it prints when all serve."""
        line = process.await_sign(
            lambda: process.first_line(self.output, '{"ready": true, '),
            child=self.child,
            name="up",
            seconds=PATIENCE,
        )
        told: dict[str, Any] = json.loads('{"ready": true, ' + line)
        return told

    def told(self) -> list[dict[str, Any]]:
        """Every whole line that it has printed."""
        lines = self.output.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def end(self, number: signal.Signals) -> int:
        self.child.send_signal(number)
        return self.child.wait(PATIENCE)

    def left_behind(self) -> list[int]:
        """Processes that it has started, however deep, and that still run."""
        mark = self.mark.encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
            except OSError:
                continue  # it has just ended, or is not ours
        return found


@pytest.fixture
def started() -> Iterator[list[Up]]:
    """Those in the list are ended after the test."""
    ups: list[Up] = []
    yield ups
    for up in ups:
        process.stop(up.child, grace=20)


def settings_of(http: str, *names: str) -> dict[str, str | None]:
    query = "&".join(f"{name}=1" for name in names)
    found: dict[str, str | None] = requests.get(f"{http}/api/settings?{query}").json()
    return found


def test_up_starts_all_tells_where_and_leaves_nothing_behind(
    tmp_path: Path, app: Path, started: list[Up]
) -> None:
    options = ["--app", str(app), "--lease", "7"]
    options += ["--set", "RESTORE_REQUEST_QUEUE=my-requests", "--set", "MY_OWN=a=b"]
    up = Up(tmp_path, *options, RESTORE_PAUSED="true", RestoreStorage="from the shell")
    started.append(up)

    told = up.ready()

    assert set(told) == {"ready", "storage", "arm", "http", "pids"}
    assert set(told["pids"]) == {"azurite", "vault", "host"}
    assert set(told["pids"].values()) < set(up.left_behind())
    assert requests.get(told["arm"]).status_code < 500
    with queues_of(told["storage"]) as queues:
        names = {queue.name for queue in queues.list_queues()}
    assert names == {"my-requests", "my-requests-poison", "restore-completions"}
    with tables_of(told["storage"]) as tables:
        names = {table.name for table in tables.list_tables()}
    assert names == {"restores", "openrestores", "restoreclaims"}
    assert settings_of(
        told["http"],
        *("RestoreStorage", "AzureWebJobsStorage", "RESTORE_ARM_ENDPOINT", "RESTORE_PAUSED"),
        *("RESTORE_REQUEST_QUEUE", "MY_OWN", "AZURE_CLOUD"),
    ) == {
        "RestoreStorage": told["storage"],
        "AzureWebJobsStorage": told["storage"],
        "RESTORE_ARM_ENDPOINT": told["arm"],
        "RESTORE_PAUSED": "false",
        "RESTORE_REQUEST_QUEUE": "my-requests",
        "MY_OWN": "a=b",
        "AZURE_CLOUD": "AzureCloud",
    }

    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []
    assert len(up.output.read_text().splitlines()) == 1


def test_up_can_leave_out_the_host_and_the_vault(tmp_path: Path, started: list[Up]) -> None:
    up = Up(tmp_path, "--no-host", "--arm-endpoint", "http://127.0.0.1:9")
    started.append(up)

    told = up.ready()

    assert set(told["pids"]) == {"azurite"}
    assert told["arm"] == "http://127.0.0.1:9"
    assert told["http"] is None
    assert up.end(signal.SIGINT) == 0
    assert up.left_behind() == []


@pytest.mark.parametrize("keeping", [False, True])
def test_an_up_that_is_killed_leaves_nothing_behind(
    tmp_path: Path, app: Path, started: list[Up], *, keeping: bool
) -> None:
    keep = ["--data", str(tmp_path / "data")] if keeping else []
    up = Up(tmp_path, "--app", str(app), *keep)
    started.append(up)
    told = up.ready()

    with (
        queues_of(told["storage"]) as queues,
        requests.Session() as http,
    ):
        # Open connections, which an orderly end would wait for.
        list(queues.list_queues())
        http.get(told["http"])
        up.child.kill()
        up.child.wait()
        eventually(lambda: not up.left_behind())


def test_a_host_that_is_killed_is_reported_and_can_be_replaced(
    tmp_path: Path, app: Path, started: list[Up]
) -> None:
    up = Up(tmp_path, "--app", str(app), "--arm-endpoint", "http://127.0.0.1:9")
    started.append(up)
    told = up.ready()

    os.kill(told["pids"]["host"], signal.SIGKILL)
    eventually(lambda: "the host (pid" in up.errors.read_text())
    assert up.child.poll() is None

    line = process.first_line(up.errors, "local.up: another host: ")
    assert line is not None
    folder, command = line.split(" && ")
    output = tmp_path / "host.out"
    host = process.start(shlex.split(command), output=output, directory=Path(folder.split()[1]))
    try:
        http = process.await_sign(
            lambda: process.first_line(output, "ready "), child=host, name="host", seconds=PATIENCE
        )
        assert settings_of(http, "RestoreStorage") == {"RestoreStorage": told["storage"]}
    finally:
        process.stop(host, grace=10)
    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []


def test_up_that_may_restart_replaces_a_host_on_its_address_and_tells_its_pid(
    tmp_path: Path, app: Path, started: list[Up]
) -> None:
    up = Up(tmp_path, "--app", str(app), "--arm-endpoint", "http://127.0.0.1:9", "--restart")
    started.append(up)
    first = up.ready()

    for ends in (1, 2):  # the second time it waits a moment, since the host was so young
        os.kill(up.told()[-1]["pids"]["host"], signal.SIGKILL)
        eventually(lambda ends=ends: len(up.told()) == ends + 1, 30)  # type: ignore[misc]

    last = up.told()[-1]
    assert last["pids"]["host"] != first["pids"]["host"]
    assert last == first | {"pids": first["pids"] | {"host": last["pids"]["host"]}}
    assert settings_of(last["http"], "RestoreStorage") == {"RestoreStorage": first["storage"]}
    assert "the host is started again" in up.errors.read_text()
    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []


def test_a_host_that_cannot_start_again_is_tried_ever_later(
    tmp_path: Path, app: Path, started: list[Up]
) -> None:
    up = Up(tmp_path, "--app", str(app), "--arm-endpoint", "http://127.0.0.1:9", "--restart")
    started.append(up)
    told = up.ready()
    code = (app / "function_app.py").read_text()

    (app / "function_app.py").write_text("import no_such_module\n")
    os.kill(told["pids"]["host"], signal.SIGKILL)
    eventually(lambda: up.errors.read_text().count("ended with 1 before it was ready") == 2, 30)
    (app / "function_app.py").write_text(code)

    eventually(lambda: len(up.told()) == 2, 30)
    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []


def test_a_host_that_keeps_ending_is_started_ever_later() -> None:
    clock = [0.0]
    again = Again(lambda: clock[0])
    pauses = []
    for lasted in (5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 60.0, 5.0):
        again.note_start()
        assert not again.is_due()
        clock[0] += lasted
        again.note_end()
        ended = clock[0]
        while not again.is_due():
            clock[0] += 0.5
        pauses.append(clock[0] - ended)

    assert pauses == [0, 1, 2, 4, 8, 16, 30, 0, 1]


def test_an_up_that_is_ended_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    up = Up(tmp_path, "--no-host")
    eventually(lambda: len(up.left_behind()) > 1)

    assert up.end(signal.SIGTERM) == 0
    assert up.left_behind() == []
    assert up.output.read_text() == ""


def test_an_app_that_does_not_start_ends_up_with_a_reason(tmp_path: Path) -> None:
    up = Up(tmp_path, "--app", str(tmp_path), "--arm-endpoint", "http://127.0.0.1:9")

    assert up.child.wait(PATIENCE) == 1

    said = up.errors.read_text()
    assert "host.json: No such file" in said
    assert "local.up: the host ended with 1 before it was ready" in said
    assert up.left_behind() == []


def test_a_setting_without_a_value_is_refused() -> None:
    command = [sys.executable, "-m", "local.up", "--set", "NAME"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert "'NAME' is not NAME=VALUE" in ended.stderr


def test_a_stack_keeps_its_data_and_its_hosts_come_and_go(tmp_path: Path, app: Path) -> None:
    data = tmp_path / "data"
    with Stack(data=data, app=app, settings={"MY_OWN": "1"}, host=False) as stack:
        assert set(stack.pids) == {"azurite", "vault"}
        stack.start_host()
        assert stack.http is not None
        assert settings_of(stack.http, "MY_OWN") == {"MY_OWN": "1"}
        with pytest.raises(RuntimeError, match="a host already"):
            stack.start_host()
        killed = stack.pids["host"]
        stack.kill_host()
        assert "host" not in stack.pids
        stack.start_host()
        assert stack.pids["host"] != killed
        stack.stop_host()
        with queues_of(stack.storage) as queues:
            queues.get_queue_client("restore-requests").send_message("kept")
        (stack.vault_root / "mine").write_text("kept")

    with Stack(data=data, app=app, host=False) as stack:
        with queues_of(stack.storage) as queues:
            (message,) = queues.get_queue_client("restore-requests").receive_messages()
        assert message.content == "kept"
        assert (stack.vault_root / "mine").read_text() == "kept"


def test_a_stack_without_a_folder_cleans_up_after_itself(app: Path) -> None:
    with Stack(app=app, arm_endpoint="http://127.0.0.1:9") as stack:
        folder = stack.data
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = stack.data
