"""Everything that the app needs, on this machine: Azurite, the vault emulator and the host.

`Stack` starts them on free ports and ends them in order. It restarts no process by itself; tests,
`local.up` and the demo end and start the host through it, or start another host with
`python -m local.host --settings` and the file `host.settings.json` in its data folder.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, BlobServiceClient

from local import process, storage
from local.closing import Closing
from local.storage import CONTAINER, LOCKS

ROOT = Path(__file__).resolve().parent.parent
# What infrastructure makes on Azure.
QUEUES = ("REQUEST", "REQUEST_POISON", "COMPLETION")
START_SECONDS = 60.0
HOST_GRACE_SECONDS = 10.0
VAULT_GRACE_SECONDS = 5.0


class Stack(Closing):
    """A running stack; use it as a context manager, from the main thread."""

    def __init__(
        self,
        *,
        arm_endpoint: str | None = None,
        data: Path | None = None,
        lease: int | None = None,
        host: bool = True,
        time_scale: float = 10.0,
        settings: Mapping[str, str] | None = None,
        app: Path = ROOT,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._given_arm = arm_endpoint
        self._keep = data
        self._lease = lease
        self._with_host = host
        self._time_scale = time_scale
        self._overrides = dict(settings or {})
        self._app = app
        self._cancelled = cancelled
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._azurite: storage.Azurite | None = None
        self._vault: subprocess.Popen[bytes] | None = None
        self._host: subprocess.Popen[bytes] | None = None
        self._port = 0
        self.settings: dict[str, str] = {}
        self.storage = ""
        self.arm = arm_endpoint or ""
        self.http: str | None = None

    @property
    def data(self) -> Path:
        """The folder of everything that is kept."""
        if self._keep is not None:
            return self._keep
        if self._temporary is None:
            raise RuntimeError("the stack has not been started")
        return Path(self._temporary.name)

    @property
    def vault_root(self) -> Path:
        """The root folder of the vault emulator: live shares and their recovery points."""
        return self.data / "vault"

    @property
    def settings_file(self) -> Path:
        """The settings of the host, as a local settings file."""
        return self.data / "host.settings.json"

    @property
    def children(self) -> Mapping[str, subprocess.Popen[bytes]]:
        """The processes that were started and not yet ended by us."""
        everyone = {
            "azurite": self._azurite.child if self._azurite else None,
            "vault": self._vault,
            "host": self._host,
        }
        return {name: child for name, child in everyone.items() if child is not None}

    @property
    def pids(self) -> Mapping[str, int]:
        return {name: child.pid for name, child in self.children.items()}

    def host_command(self, *, port: int = 0) -> list[str]:
        """How to start a host on this stack."""
        lease = [] if self._lease is None else ["--lease", str(self._lease)]
        return [
            *(sys.executable, "-m", "local.host"),
            *("--app", str(self._app), "--settings", str(self.settings_file)),
            *("--port", str(port), *lease),
        ]

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End everything: who writes before who is written to."""
        self.stop_host()
        if self._vault is not None:
            process.stop(self._vault, grace=VAULT_GRACE_SECONDS)
            self._vault = None
        if self._azurite is not None:
            self._azurite.stop()
            self._azurite = None
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def start_host(self, *, port: int = 0) -> None:
        """Start a host; only one at a time. Port 0 takes a free one."""
        if self._host is not None:
            raise RuntimeError("there is a host already")
        command = self.host_command(port=port)
        command += ["--grace", str(HOST_GRACE_SECONDS)]
        # The environment wins over the file: a shell that is set up for Azure must not leak in.
        self._host, self.http = self._serve("host", command, {**os.environ, **self.settings})
        self._port = urlsplit(self.http).port or 0

    def restart_host(self) -> None:
        """Start a host in the place of one that ended by itself, on the same address."""
        if self._host is not None:
            process.kill(self._host)  # what it may have left behind
        self._host = self.http = None
        self.start_host(port=self._port)

    def stop_host(self) -> None:
        """End the host in order: what runs may finish."""
        if self._host is not None:
            process.stop(self._host, grace=HOST_GRACE_SECONDS + 5)
        self._host = self.http = None

    def kill_host(self) -> None:
        """End the host as a crash would, in the middle of whatever it does.

        The leases of its timers end with it, for which the next host would wait up to two minutes.
        """
        if self._host is not None:
            process.kill(self._host)
            self._free_timers()
        self._host = self.http = None

    def _free_timers(self) -> None:
        with BlobServiceClient.from_connection_string(self.storage) as blobs:
            hosts = blobs.get_container_client(CONTAINER)
            with contextlib.suppress(ResourceNotFoundError):  # it had not come to that yet
                for name in hosts.list_blob_names(name_starts_with=LOCKS):
                    with contextlib.suppress(ResourceExistsError):  # nobody holds it
                        lease = BlobLeaseClient(hosts.get_blob_client(name))
                        lease.break_lease(lease_break_period=0)

    def _start(self) -> None:
        if self._keep is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="azure-files-restore-")
        else:
            self._keep.mkdir(parents=True, exist_ok=True)
        self._azurite = storage.start(
            logs=self.data,
            location=self.data / "storage" if self._keep else None,
            cancelled=self._cancelled,
        )
        self.storage = self._azurite.connection_string
        if self._given_arm is None:
            self.vault_root.mkdir(exist_ok=True)
            root, scale = str(self.vault_root), f"{self._time_scale:g}"
            command = [sys.executable, "-m", "local.vault", "--port", "0"]
            self._vault, self.arm = self._serve(
                "vault", [*command, "--root", root, "--time-scale", scale]
            )
        self.settings = self._settings()
        content = {"IsEncrypted": False, "Values": self.settings}
        self.settings_file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self._provision()
        if self._with_host:
            self.start_host()

    def _settings(self) -> dict[str, str]:
        sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))
        values = {
            **sample["Values"],
            "AzureWebJobsStorage": self.storage,
            "RestoreStorage": self.storage,
            "RESTORE_ARM_ENDPOINT": self.arm,
            **self._overrides,
        }
        if "RESTORE_REQUEST_POISON_QUEUE" not in self._overrides:
            # Whoever renames the queue of the requests renames its poison queue with it.
            values["RESTORE_REQUEST_POISON_QUEUE"] = f"{values['RESTORE_REQUEST_QUEUE']}-poison"
        return values

    def _provision(self) -> None:
        names = [self.settings[f"RESTORE_{one}_QUEUE"] for one in QUEUES]
        with storage.queues_of(self.storage) as queues:
            for name in names:
                try:
                    queues.create_queue(name)
                except ResourceExistsError:
                    continue  # kept from an earlier run
        storage.make_tables(self.storage)

    def _serve(
        self, name: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> tuple[subprocess.Popen[bytes], str]:
        """Start a server that tells on standard output where it serves."""
        output = self.data / f"{name}.out"
        child = process.start(command, output=output, environment=environment, directory=ROOT)
        try:
            url = process.await_sign(
                lambda: process.first_line(output, "ready "),
                child=child,
                name=f"the {name}",
                seconds=START_SECONDS,
                cancelled=self._cancelled,
            )
        except BaseException:
            process.kill(child)
            raise
        return child, url
