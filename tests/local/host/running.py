"""A host in a process of its own, on an app that a test has written."""

import itertools
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueClient

from local import process
from local.stack import ROOT
from tests.patience import PATIENCE, eventually

__all__ = ["PREAMBLE", "Hosts", "RunningHost", "count", "eventually"]

PREAMBLE = """
import json, logging, os, time
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


def record(**facts):
    line = json.dumps({"at": time.time(), **facts}, default=str) + "\\n"
    with open(os.environ["RECORD"], "a") as file:
        file.write(line)


"""


class Hosts:
    """Starts hosts on apps in one folder, all on one Azurite, and ends them."""

    def __init__(self, folder: Path, connection: str) -> None:
        self.app = folder
        self.record = folder / "record.jsonl"
        self.connection = connection
        self._numbers = itertools.count(1)
        self._children: list[subprocess.Popen[bytes]] = []

    def write(self, code: str, **queues: object) -> None:
        """Write the app and its host.json; the preamble gives it `app`, `func` and `record`."""
        (self.app / "function_app.py").write_text(PREAMBLE + code)
        options = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.2", **queues}
        content = {"version": "2.0", "extensions": {"queues": options}}
        (self.app / "host.json").write_text(json.dumps(content))

    def queue(self, *, create: bool = True) -> QueueClient:
        """A queue under a name of its own."""
        name = f"q-{uuid.uuid4().hex}"
        queue = QueueClient.from_connection_string(self.connection, name)
        if create:
            queue.create_queue()
        return queue

    def poison(self, queue: QueueClient) -> QueueClient:
        return QueueClient.from_connection_string(self.connection, f"{queue.queue_name}-poison")

    def start(self, *options: str, **settings: str) -> "RunningHost":
        """Start a host and wait until it is ready."""
        host = self._launch(options, settings)
        host.url = process.await_sign(
            lambda: process.first_line(host.output, "ready "),
            child=host.child,
            name="the host",
            seconds=PATIENCE,
        )
        return host

    def refusal(self, *options: str, **settings: str) -> str:
        """What a host says that cannot start."""
        host = self._launch(options, settings)
        assert host.child.wait(PATIENCE) == 1
        assert "ready" not in host.output.read_text()
        return host.log()

    def recorded(self) -> list[dict[str, Any]]:
        """What the functions have recorded."""
        if not self.record.exists():
            return []
        return [json.loads(line) for line in self.record.read_text().splitlines(keepends=True)]

    def close(self) -> None:
        for child in self._children:
            process.kill(child)

    def _launch(self, options: tuple[str, ...], settings: Mapping[str, str]) -> "RunningHost":
        number = next(self._numbers)
        output, errors = self.app / f"{number}.out", self.app / f"{number}.err"
        command = [sys.executable, "-m", "local.host", "--app", str(self.app), "--port", "0"]
        child = process.start(
            [*command, *options],
            output=output,
            errors=errors,
            environment={
                **os.environ,
                "RECORD": str(self.record),
                "AzureWebJobsStorage": self.connection,
                **settings,
            },
            directory=ROOT,
        )
        self._children.append(child)
        return RunningHost(child, output, errors)


class RunningHost:
    """One host process."""

    def __init__(self, child: subprocess.Popen[bytes], output: Path, errors: Path) -> None:
        self.child = child
        self.output = output
        self.errors = errors
        self.url = ""

    def log(self) -> str:
        return self.errors.read_text()

    def logged(self, pattern: str) -> list[str]:
        """The log lines that match."""
        return [line for line in self.log().splitlines() if re.search(pattern, line)]

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.child.terminate()
        return self.child.wait(PATIENCE)


def count(queue: QueueClient) -> int:
    """How many messages there are, hidden ones too."""
    return queue.get_queue_properties().approximate_message_count or 0
