"""One request, one call of it struck by one fault: real sockets, the real client, real time.

The endpoint is the vault emulator over TLS. What it cannot be told to do to a call (a port that is
closed, a name that does not exist, a certificate that nobody trusts) is done by sending that one
call through another real client, whose endpoint is like that.
"""

from __future__ import annotations

import itertools
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self, cast

import pytest
import trustme

from local.vault import (
    Catalogue,
    EmulatorOptions,
    Fault,
    Item,
    Job,
    LogEntry,
    Point,
    Vault,
    VaultEmulator,
    write_files,
)
from local.vault.shares import Layout
from local.vault.ticks import TICKS_PER_SECOND, now_ticks
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Message, Vaults
from restore_core.domain.record import RestoreRecord
from restore_core.engine.reconciler import Reconciler
from restore_core.settings import Settings, Storage
from restore_core.vocabulary import Reason, WaitingFor
from tests.patience import PATIENCE
from tests.simulators.arm_server import ArmServer, Reply, serving
from tests.simulators.store import MemoryQueue, MemoryTables, memory_store, rows
from tests.simulators.world import SUBSCRIPTION

SCALE = 200.0
GRACE = timedelta(seconds=1)
PROVIDERS = f"{SUBSCRIPTION}/resourceGroups/rg/providers"
ACCOUNT = "files1"
POINT = "932881138555802864"
_NEVER_LISTED = 10.0**7

Bad = Literal["closed", "nameless", "distrusted"]


@dataclass(frozen=True, kw_only=True)
class Strike:
    """A fault: what the emulator does to the call, or the endpoint that the call goes to."""

    actions: tuple[Mapping[str, Any], ...] = ()
    line: Bad | None = None
    times: int = 1
    hold: float = 0.0
    """Seconds in which the call must not be made again: its `Retry-After`."""

    @property
    def keeps_waiting(self) -> bool:
        """Whether the call ends only when its client gives up."""
        return any(action["kind"] in {"hang", "drip"} for action in self.actions)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A call, as `Vaults` and the emulator name it, and what leads a request to it."""

    method: str
    route: str
    before: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """Faults that are in force from the start, by the call that they are on."""
    cancels: bool = False


COLUMNS: Mapping[str, Column] = {
    "items": Column(method="find_item", route="list_items"),
    "points": Column(method="choose_point", route="list_points"),
    "guards": Column(method="resource_guard_requests", route="resource_guards"),
    "restore": Column(method="prepare_restore", route="restore"),
    "jobs": Column(method="jobs", route="list_jobs"),
    "settling": Column(
        method="jobs",
        route="list_jobs",
        before=(("restore", {"kind": "reset", "processed": True}),),
    ),
    "operation": Column(
        method="operation",
        route="operation",
        before=(("restore", {"kind": "late_job", "seconds": _NEVER_LISTED}),),
    ),
    "job": Column(
        method="job",
        route="job",
        before=(("restore", {"kind": "outcome", "duration": 1}),),
    ),
    "cancel": Column(method="cancel", route="cancel", cancels=True),
}
"""`jobs` is the look after a 202, `settling` the look after an answer that was lost."""


WORDS: Mapping[str, str] = {
    WaitingFor.SERVICE_UNAVAILABLE: "unavailable",
    WaitingFor.NOT_AUTHORIZED_YET: "no role yet",
    WaitingFor.THROTTLED: "throttled",
    WaitingFor.QUOTA: "quota",
    WaitingFor.TARGET_BUSY: "busy",
    WaitingFor.LOOKUP: "lookup",
    Reason.TRIGGER_REFUSED: "refused",
}
"""The table's words for what a request waits for, and for its end."""


class Tokens:
    """Tokens of which each refresh makes a new one."""

    def __init__(self) -> None:
        self.number = 1

    def token(self, *, refresh: bool = False) -> str:
        self.number += refresh
        return f"token-{self.number}"


class _Lines:
    """The vaults: one client for all calls, but another for those that are to be struck, and one
    that gives up soon for the first of those.
    """

    def __init__(
        self,
        good: AzureBackup,
        *,
        bad: AzureBackup | None,
        first: AzureBackup | None,
        column: Column,
        times: int,
    ) -> None:
        self._good = good
        self._bad = bad
        self._first = first
        self._column = column
        self._left = times
        self.step_began = 0.0
        self.made_at: list[tuple[float, float]] = []
        """For each call of the kind that is struck: when its step began, and when it was made."""
        self.is_struck = False

    def __getattr__(self, method: str) -> Any:
        if method != self._column.method:
            return getattr(self._good, method)
        self.made_at.append((self.step_began, time.monotonic()))
        if self._first is not None and len(self.made_at) == 1:
            return getattr(self._first, method)
        if self._bad is None or self._left <= 0:
            return getattr(self._good, method)
        self._left -= 1
        self.is_struck = True
        return getattr(self._bad, method)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of a request. `word` is what the table has for it."""

    word: str
    end: dict[str, Any]
    jobs: int
    posts: tuple[LogEntry, ...]
    record: RestoreRecord
    gap: float
    """Seconds from the beginning of the struck call's step to the next call of its kind."""
    events: int
    open_rows: int
    cancels: bool


@dataclass(kw_only=True)
class Range:
    """Where requests are struck: the emulator, and endpoints that serve nobody."""

    emulator: VaultEmulator
    lure: ArmServer
    """A trusted host that no call must ever reach."""
    lines: Mapping[Bad, str]
    _vaults: Iterator[str]
    _open: ExitStack
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def vault(self) -> str:
        """A vault that no other case uses, with one share."""
        with self._lock:
            return next(self._vaults)

    def settings(self, **changes: Any) -> Settings:
        """Small numbers, so that a case takes about a second."""
        values: dict[str, Any] = {
            "storage": Storage(connection_string="memory"),
            "arm_endpoint": self.emulator.url,
            "arm_connect": timedelta(seconds=1),
            "arm_answer": timedelta(seconds=1.5),
            "operation_poll": timedelta(seconds=0.05),
            "job_poll": timedelta(seconds=0.1),
            "retry_base": timedelta(seconds=0.05),
            "retry_max": timedelta(seconds=0.2),
            "adoption_grace": GRACE,
            "sweep_threads": 1,
        }
        return Settings(**(values | changes))

    def backup(self, endpoint: str = "", *, brief: bool = False) -> AzureBackup:
        """A real client of an endpoint, of the emulator when none is given.

        Only a call that a fault keeps waiting needs a client that gives up soon; every other
        call has the time that a busy machine takes.
        """
        settings = self.settings()
        patient = timedelta(seconds=PATIENCE)
        arm = ArmClient(
            endpoint=endpoint or self.emulator.url,
            api_version=settings.arm_api_version,
            tokens=Tokens(),
            connect_limit=settings.arm_connect if brief else patient,
            answer_limit=settings.arm_answer if brief else patient,
        )
        self._open.callback(arm.close)
        return AzureBackup(arm, name_cache=timedelta(0))

    def calls(self, vault: str, route: str) -> list[LogEntry]:
        """The calls of one kind that a vault was asked."""
        return [
            entry
            for entry in self.emulator.log
            if entry.operation == route and f"/vaults/{vault}/" in entry.path
        ]

    def jobs(self, vault: str) -> list[Job]:
        """The jobs of a vault."""
        return [job for job in self.emulator.jobs() if job.vault_id.endswith(f"/{vault}")]


class Case:
    """One request to a vault of its own, whose calls can be struck."""

    def __init__(
        self,
        place: Range,
        column: Column = COLUMNS["items"],
        strike: Strike = Strike(),
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        **settings: Any,
    ) -> None:
        self.place, self.column, self.strike, self.clock = place, column, strike, clock
        self.vault = place.vault()
        self.vaults = _Lines(
            place.backup(),
            bad=place.backup(place.lines[strike.line]) if strike.line else None,
            first=place.backup(brief=True) if strike.keeps_waiting else None,
            column=column,
            times=strike.times,
        )
        self.tables, self.queue = MemoryTables(), MemoryQueue()
        self.store = memory_store(self.tables)
        self.app = Reconciler(
            vaults=cast("Vaults", self.vaults),
            store=self.store,
            completions=self.queue,
            settings=place.settings(**settings),
        )
        self._faults: list[int] = []
        self._strikes: list[int] = []
        self._messages = itertools.count(1)

    def run(self) -> Seen:
        """Play the case of the table to its end."""
        with self:
            for route, action in self.column.before:
                self.inject(route, action)
            if self.column.cancels:
                seconds = SCALE * (2.5 + 2 * self.strike.hold)
                self.inject("restore", {"kind": "outcome", "duration": seconds})
            if not self.column.cancels:
                self._arm()
            self.deliver(self.request())
            if self.column.cancels:
                self.sweep_until(lambda record: record.phase is Phase.JOB_IN_PROGRESS)
                self._arm()
                self.deliver(self.cancel())
            before = self.record()
            if not self.is_struck:
                before = self.sweep_until(lambda _: self.is_struck)
            word = self._word_of(before, self.record())
            return self.to_the_end(word)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in self._faults:
            self.place.emulator.faults.remove(number)

    def request(self, **fields: Any) -> dict[str, Any]:
        """A request for the vault's one share."""
        body = {
            "schemaVersion": "1.0",
            "requestId": self.vault,
            "vaultId": f"{PROVIDERS}/Microsoft.RecoveryServices/vaults/{self.vault}",
            "source": {
                "storageAccountId": f"{PROVIDERS}/Microsoft.Storage/storageAccounts/{ACCOUNT}",
                "fileShare": self.vault,
            },
            "recoveryPoint": {"select": "latest"},
            "target": {"location": "original"},
            "copyOptions": "Overwrite",
        }
        return body | fields

    def cancel(self) -> dict[str, Any]:
        """The cancel of that request."""
        return {"schemaVersion": "1.0", "action": "cancel", "requestId": self.vault}

    def inject(self, route: str, action: Mapping[str, Any], times: int | None = 1) -> int:
        """Put a fault in force for calls to this vault."""
        fault = Fault(on=(route,), action=action, path=f"/vaults/{self.vault}/", times=times)
        number = self.place.emulator.inject(fault)
        self._faults.append(number)
        return number

    def used(self, number: int) -> int:
        """How often a fault has struck."""
        listed = self.place.emulator.faults.to_json()
        return next(int(one["used"]) for one in listed if one["id"] == number)

    def deliver(self, body: Mapping[str, Any]) -> None:
        """Deliver a message; the queue's clock is the true one."""
        message = Message(
            id=f"message-{next(self._messages)}",
            body=json.dumps(body).encode(),
            inserted_at=datetime.now(UTC),
        )
        self.vaults.step_began = time.monotonic()
        self.app.handle(message, self.clock())

    def record(self) -> RestoreRecord:
        """The record as it stands."""
        stored = self.store.load(self.vault, self.vault)
        assert stored is not None
        return stored.record

    def sweep_until(self, reached: Callable[[RestoreRecord], object]) -> RestoreRecord:
        """Sweep until a record is as wanted; return what it was before the last sweep."""
        deadline = time.monotonic() + PATIENCE
        while True:
            before = self.record()
            self.vaults.step_began = time.monotonic()
            self.app.sweep(self.clock())
            record = self.record()
            if reached(record):
                return before
            assert not record.announced_at, f"ended as {record.end}"
            assert time.monotonic() < deadline, f"left due for ever, {record.phase}"
            time.sleep(0.02)

    def sweep_for(self, seconds: float) -> RestoreRecord:
        """Sweep for some time."""
        ends = time.monotonic() + seconds
        self.sweep_until(lambda _: time.monotonic() > ends)
        return self.record()

    def to_the_end(self, word: str = "") -> Seen:
        """Sweep until the end was announced, and say all that there is to see."""
        if self.record().announced_at is None:
            self.sweep_until(lambda record: record.announced_at)
        events = [json.loads(text) for text in dict.fromkeys(self.queue.sent)]
        end = events[0]["data"]
        posts = tuple(self.place.calls(self.vault, "restore"))
        made = self.vaults.made_at
        return Seen(
            word=self._whole_word(word, end, posts),
            end=end,
            jobs=len(self.place.jobs(self.vault)),
            posts=posts,
            record=self.record(),
            gap=made[1][1] - made[0][0] if len(made) > 1 else 0.0,
            events=len(events),
            open_rows=len(rows(self.tables, "openrestores")),
            cancels=self.column.cancels,
        )

    @property
    def is_struck(self) -> bool:
        """Whether the fault has struck."""
        return self.vaults.is_struck or any(self.used(number) for number in self._strikes)

    def _arm(self) -> None:
        for action in self.strike.actions:
            self._strikes.append(self.inject(self.column.route, action, self.strike.times))

    def _word_of(self, before: RestoreRecord, after: RestoreRecord) -> str:
        """What the struck step did, by the record before and after it."""
        match self.column.method:
            case "find_item" | "choose_point" | "resource_guard_requests" | "prepare_restore":
                if after.end is not None:
                    return WORDS[after.end.reason]
                if after.waiting_for is not None:
                    return WORDS[after.waiting_for]
                return "unknown" if after.phase is Phase.TRIGGERING else "goes on"
            case "cancel":
                return "goes on" if after.cancel_sent_at else "again"
            case "job":
                return "goes on" if after.is_final else "again"
        if after.phase is before.phase:
            return "again"
        asked = self.column.method == "jobs" and self.place.calls(self.vault, "operation")
        return "operation" if asked else "goes on"

    def _whole_word(self, word: str, end: Mapping[str, Any], posts: Sequence[LogEntry]) -> str:
        """The word, with what only the end shows."""
        if word == "unknown":
            return (
                "adopted" if len({post.client_request_id for post in posts}) == 1 else "sent again"
            )
        if self.column.cancels and any("was not taken" in one for one in end.get("warnings", ())):
            return "warning" if end["phase"] == "Completed" else f"{word}, warning"
        if self.column.method == "resource_guard_requests" and end.get("warnings"):
            return "unguarded" if word == "goes on" else f"{word}, warning"
        return word


def _status(status: int, *, processed: bool = False, **more: Any) -> Strike:
    return Strike(
        actions=({"kind": "status", "status": status, "processed": processed, **more},),
    )


PAGE = "<html><head><title>Service Unavailable</title></head><body></body></html>"
PASCAL_CASE = {"Error": {"Code": "BMSUserErrorInvalidInput", "Message": "Input is not valid."}}


def strikes(lure: str) -> Mapping[str, Strike]:
    """Every fault, by the name that the table has for it. `carried out` means that the service did
    what it was asked before the fault struck.
    """
    return {
        "connection refused": Strike(line="closed"),
        "no such host": Strike(line="nameless"),
        "certificate not trusted": Strike(line="distrusted"),
        "reset": Strike(actions=({"kind": "reset", "processed": False},)),
        "reset, carried out": Strike(actions=({"kind": "reset", "processed": True},)),
        "silence": Strike(actions=({"kind": "hang", "processed": False},)),
        "silence, carried out": Strike(actions=({"kind": "hang", "processed": True},)),
        "slow drip, carried out": Strike(actions=({"kind": "drip", "seconds": 20},)),
        "cut in the status line": Strike(actions=({"kind": "truncate", "keep": 9},)),
        "cut in the headers": Strike(actions=({"kind": "truncate", "keep": 60},)),
        "cut in the body": Strike(
            actions=(
                {"kind": "merge", "patch": {"padding": "x" * 20_000}},
                {"kind": "truncate"},
            )
        ),
        "301 to another host": Strike(
            actions=({"kind": "redirect", "location": lure, "status": 301, "processed": False},)
        ),
        "307 to another host": Strike(
            actions=({"kind": "redirect", "location": lure, "status": 307, "processed": False},)
        ),
        "400": _status(400),
        "400, PascalCase": _status(400, body=PASCAL_CASE),
        "400, quota, Retry-After": Strike(
            actions=(
                {
                    "kind": "status",
                    "status": 400,
                    "code": "CloudDosAbsoluteLimitReached",
                    "retry_after": 1,
                },
            ),
            hold=1,
        ),
        "401": _status(401),
        "401, the new token too": Strike(actions=({"kind": "status", "status": 401},), times=2),
        "403": _status(403, code="AuthorizationFailed"),
        "404 with {}": _status(404, body={}),
        "408": _status(408),
        "408, carried out": _status(408, processed=True),
        "409": _status(409),
        "409, the target is busy": _status(409, code="UserErrorDTSDestLocked"),
        "412": _status(412),
        "429": _status(429),
        "429, Retry-After: 1": Strike(
            actions=({"kind": "status", "status": 429, "retry_after": 1},), hold=1
        ),
        "429, Retry-After: a date": Strike(
            actions=({"kind": "status", "status": 429, "retry_after_date": 2},), hold=1
        ),
        **{
            name: _status(status, processed=processed)
            for status in (499, 500, 502, 503, 504)
            for name, processed in ((f"{status}", False), (f"{status}, carried out", True))
        },
        "200, empty": _status(200, processed=True, body=""),
        "200, cut JSON": _status(200, processed=True, body='{"value": ['),
        "200, a page of HTML": _status(200, processed=True, body=PAGE),
        "HTML under its own status": Strike(actions=({"kind": "not_json"},)),
        "no body, its own status": Strike(actions=({"kind": "empty"},)),
        "links to another host": Strike(actions=({"kind": "foreign", "origin": lure},)),
        "seventeen megabytes": Strike(actions=({"kind": "huge", "megabytes": 17},)),
    }


@contextmanager
def firing_range(root: Path, vaults: int) -> Iterator[Range]:
    """Serve the emulator over TLS with so many vaults, and the endpoints that serve nobody.

    The process trusts the emulator's certificate while it runs.
    """
    names = [f"vault-{number:04}" for number in range(vaults)]
    _build(root / "estate", names)
    options = EmulatorOptions(
        time_scale=SCALE,
        # Long enough to find the job still at it when a cancel is repeated.
        cancel_duration=0.8 * SCALE,
        page_size=3,
        https=True,
        require_auth=True,
    )
    trusted, distrusted = trustme.CA(), trustme.CA()
    with ExitStack() as stack:
        emulator = stack.enter_context(VaultEmulator(root / "estate", options))
        lure = stack.enter_context(serving(Reply(body={"value": []}), tls=_server(trusted)))
        liar = stack.enter_context(serving(Reply(body={"value": []}), tls=_server(distrusted)))
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        bundle = root / "trusted.pem"
        bundle.write_bytes(emulator.ca_file.read_bytes() + trusted.cert_pem.bytes())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        yield Range(
            emulator=emulator,
            lure=lure,
            lines={
                "closed": f"https://127.0.0.1:{closed.getsockname()[1]}",
                "nameless": "https://no-such-vault.invalid",
                "distrusted": liar.origin,
            },
            _vaults=iter(names),
            _open=stack,
        )


def _server(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _build(root: Path, names: Sequence[str]) -> None:
    """Write vaults with one small share each, which has the vault's name."""
    layout = Layout(root=root)
    yesterday = now_ticks() - 24 * 3600 * TICKS_PER_SECOND
    vaults = []
    for name in names:
        write_files(layout.snapshot(ACCOUNT, name, POINT), {"a.txt": b"as it was"})
        write_files(layout.share(ACCOUNT, name), {"a.txt": b"encrypted"})
        item = Item(
            account=ACCOUNT,
            share=name,
            account_subscription=SUBSCRIPTION.rpartition("/")[2],
            account_resource_group="rg",
            item_name=f"AzureFileShare;{name}",
            points=(Point(id=POINT, time=yesterday),),
        )
        vaults.append(
            Vault(
                subscription=SUBSCRIPTION.rpartition("/")[2],
                resource_group="rg",
                name=name,
                items=(item,),
            )
        )
    Catalogue(vaults=tuple(vaults)).save(layout.vaults_file)
