"""The emulator as one object: for tests in the same process, and for the command."""

from __future__ import annotations

import ssl
import threading
import uuid
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import trustme

from local.vault.admin import ADMIN, admin_answer
from local.vault.catalogue import Catalogue, CatalogueError, Vault
from local.vault.everything import fill_everything
from local.vault.faults import Fault, FaultBook
from local.vault.jobs import Job, JobStore, Status
from local.vault.log import LogEntry
from local.vault.options import EmulatorOptions
from local.vault.replies import Call, common_headers
from local.vault.routes import match_route
from local.vault.runner import Runner
from local.vault.sample import fill_sample, is_unfilled
from local.vault.server import Server
from local.vault.service import Service
from local.vault.shares import Layout
from local.vault.striking import (
    Delivery,
    after_answer,
    delay_of,
    instead_of_answer,
    shaping_of,
)
from local.vault.ticks import now_ticks, rfc3339

_LOG_LENGTH = 100_000
Sample = Literal["basic", "everything"]


class VaultEmulator:
    """A Recovery Services endpoint over the files below `root`; a context manager.

    An empty or absent root is filled with the sample first (see `sample` and `everything`).
    Raises CatalogueError when vaults.json is missing from a root that is not empty, or cannot be
    read.
    """

    def __init__(
        self,
        root: Path,
        options: EmulatorOptions | None = None,
        *,
        port: int = 0,
        faults: Iterable[Fault] = (),
        sample: Sample = "basic",
    ) -> None:
        self.options = options or EmulatorOptions()
        self.layout = Layout(root=root)
        if is_unfilled(self.layout):
            (fill_sample if sample == "basic" else fill_everything)(self.layout)
        if not self.layout.vaults_file.exists():
            raise CatalogueError(f"{root} is not empty and has no {self.layout.vaults_file.name}")
        catalogue = Catalogue.load(self.layout.vaults_file)
        self.faults = FaultBook()
        for fault in faults:
            self.faults.add(fault)
        self.store = JobStore(self.layout.jobs_file)
        self._runner = Runner(self.layout, self.store, self.options)
        self._service = Service(catalogue, self.layout, self.store, self._runner, self.options)
        self._log: deque[LogEntry] = deque(maxlen=_LOG_LENGTH)
        self._log_lock = threading.Lock()
        self._logged = 0
        try:
            self._server = Server(port, self._answer, self._tls() if self.options.https else None)
        except (OSError, OverflowError):
            self.store.close()
            raise
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="vault-server", daemon=True
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The endpoint, without a trailing slash."""
        return f"{self._server.scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def ca_file(self) -> Path:
        """The certificate that signs the server's own, when it serves https."""
        return self.layout.root / "ca.pem"

    @property
    def catalogue(self) -> Catalogue:
        """What the vaults know."""
        return self._service.catalogue

    @property
    def log(self) -> list[LogEntry]:
        """The calls that came in, oldest first; admin calls are left out."""
        with self._log_lock:
            return list(self._log)

    def clear_log(self) -> None:
        """Forget the calls so far."""
        with self._log_lock:
            self._log.clear()

    def start(self) -> None:
        """Serve, and go on with the jobs of an earlier emulator."""
        self._runner.start()
        self._thread.start()

    def stop(self) -> None:
        """End serving and copying; jobs stay where they are."""
        self._server.end()
        self._thread.join()
        self._runner.stop()
        self.store.close()

    def reload(self) -> None:
        """Read vaults.json again; raises CatalogueError and changes nothing then."""
        self._service.catalogue = Catalogue.load(self.layout.vaults_file)

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        return list(self.store.newest_first())

    def inject(self, fault: object) -> int:
        """Put a fault (or its JSON form) in force; its number. Raises FaultError."""
        return self.faults.add(fault if isinstance(fault, Fault) else Fault.from_json(fault))

    def add_jobs(
        self,
        count: int,
        *,
        vault: Vault | None = None,
        status: Status = "InProgress",
        seconds: float | None = None,
        activity_ids: Iterable[str] = (),
    ) -> list[Job]:
        """Jobs without files, for measurements: running for `seconds` (None: for ever) or ended.

        They copy nothing, hold no target and are not kept on disk.
        """
        home = vault or self.catalogue.vaults[0]
        given = iter(activity_ids)
        first = now_ticks()
        added: list[Job] = []
        for index in range(count):
            start = first - index * 9_973
            ends = None if seconds is None else start + self.options.ticks(seconds)
            job_id = str(uuid.uuid4())
            job = Job(
                id=job_id,
                operation_id=job_id,
                activity_id=next(given, None) or str(uuid.uuid4()),
                vault_id=home.id.lower(),
                source_account="afsaccount",
                source_share="azurefiles",
                target_account="afaccount1",
                target_share="azurefiles1",
                point_id="1",
                point_time=start,
                alternate=True,
                synthetic=True,
                start=start,
                operation_ready=start,
                listed_from=start,
                ends=ends,
                status=status,
                end=None if status in ("InProgress", "Cancelling") else start + 10_000_000,
            )
            self.store.add(job)
            added.append(job)
            if job.running and ends is not None:
                self._runner.watch(job)
        return added

    def _answer(self, call: Call) -> Delivery:
        if call.path.startswith(ADMIN):
            return Delivery(reply=admin_answer(self, call))
        arrived = now_ticks()
        route = match_route(call.method, call.path)
        faults = self.faults.take("" if route is None else route.name, call.path)
        delivery = instead_of_answer(faults, common_headers(call, self.options))
        wait = delay_of(faults)
        if wait:
            self._server.stopping.wait(wait)
        if delivery is None:
            reply = self._service.answer(call, route, shaping_of(faults))
            delivery = after_answer(faults, reply, call.origin)
        with self._log_lock:
            self._logged += 1
            entry = LogEntry(
                number=self._logged,
                time=rfc3339(arrived),
                answered=rfc3339(now_ticks()),
                operation=None if route is None else route.name,
                method=call.method,
                path=call.path,
                query=call.raw_query,
                status=None if delivery.reply is None else delivery.reply.status,
                faults=tuple(fault.kind for fault in faults),
                client_request_id=call.client_request_id,
                user_agent=call.headers.get("user-agent"),
            )
            self._log.append(entry)
        return delivery

    def _tls(self) -> ssl.SSLContext:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        authority.cert_pem.write_to_path(str(self.ca_file))
        return context
