"""The whole app on simulators: one clock, tables, queues and vaults that outlive any instance of
it.

A test can count every call that leaves the app, crash it just before or just after any of them,
start it again on what is left, and ask whether the laws hold.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from restore_core.alerting.plans import Plans
from restore_core.completions.events import event_id
from restore_core.domain.lifecycle import FINAL
from restore_core.domain.ports import Message
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import FileInvalid, Problem, StoreUnavailable
from restore_core.messages.request import PART_ITEMS
from restore_core.policy.guards import Guards
from restore_core.settings import Settings, Storage
from tests.simulators.store import MemoryQueue, MemoryTables, memory_store, rows
from tests.simulators.vaults import MemoryVaults

SUBSCRIPTION = "/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
VAULT = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.RecoveryServices/vaults/vault1"
ACCOUNTS = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
SETTINGS = Settings(
    storage=Storage(connection_string="memory"),
    arm_endpoint="http://127.0.0.1:1",
    sweep_threads=1,
)
START = datetime(2026, 2, 5, 7, 0, tzinfo=UTC)


NO_PLANS = FileInvalid([Problem(path="$", message="there is none")])


class Crash(BaseException):
    """The process ends here, whatever it was about to do."""


@dataclass
class Calls:
    """Counts the calls that leave the app, and crashes, fails or pauses at one of them."""

    names: list[str] = field(default_factory=list)
    crash_before: int | None = None
    crash_after: int | None = None
    dead: bool = False
    fail: Callable[[int, str], Exception | None] = lambda _number, _name: None
    fail_after: Callable[[int, str], Exception | None] = lambda _number, _name: None
    """As `fail`, when the call has done its work: the answer is lost."""
    during: Callable[[int, str], None] = lambda _number, _name: None

    def make(self, name: str, call: Callable[[], Any]) -> Any:
        if self.dead:
            # Threads of a sweep that have not noticed: a dead process does nothing more.
            raise Crash
        number = len(self.names)
        self.names.append(name)
        if number == self.crash_before:
            self.dead = True
            raise Crash
        if (error := self.fail(number, name)) is not None:
            raise error
        self.during(number, name)
        try:
            result = call()
        finally:
            if number == self.crash_after:
                self.dead = True
                raise Crash
        if (error := self.fail_after(number, name)) is not None:
            raise error
        return result


class _Counted:
    """A port whose calls are counted; the methods named in `within` are not calls by themselves."""

    def __init__(self, name: str, port: Any, calls: Calls, within: frozenset[str]) -> None:
        self._name, self._port, self._calls, self._within = name, port, calls, within

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        def call(*args: Any, **kwargs: Any) -> Any:
            if method in self._within:
                result = real(*args, **kwargs)
                if not hasattr(result, "send"):
                    return result
                return _Counted(f"{self._name}.post", result, self._calls, frozenset())
            name = f"{self._name}.{method}"
            return self._calls.make(name, lambda: real(*args, **kwargs))

        return call


class World:
    """Azure and its storage, with an instance of the app that can be killed and started."""

    def __init__(
        self, settings: Settings = SETTINGS, *, guards: Guards | FileInvalid | None = None
    ) -> None:
        self.now = START
        self.settings = settings
        self.guards = guards
        """What the file of guards says now, or why it cannot be used; `None` is no guards."""
        self.plans: Plans | FileInvalid = NO_PLANS
        """What the file of plans says now, or why it cannot be used."""
        self.tables = MemoryTables()
        self.vaults = MemoryVaults(lambda: self.now)
        self.queue = MemoryQueue()
        self.calls = Calls()
        self._numbers = itertools.count(1)
        self.app = self.start()

    def start(self, calls: Calls | None = None) -> Reconciler:
        """Start an instance: fresh objects on the same storage."""
        self.calls = calls if calls is not None else Calls()
        quiet = frozenset({"prepare_restore", "restore_url"})
        self.app = Reconciler(
            vaults=_Counted("arm", self.vaults, self.calls, quiet),
            store=_Counted("table", memory_store(self.tables), self.calls, frozenset()),
            completions=_Counted("queue", self.queue, self.calls, frozenset()),
            settings=self.settings,
            guards=self.read_guards,
            plans=self.read_plans,
            monotonic=lambda: (self.now - START).total_seconds(),
        )
        return self.app

    def read_guards(self) -> Guards | None:
        """Read the guards, as every instance does before it starts anything."""
        if isinstance(self.guards, FileInvalid):
            raise self.guards
        return self.guards

    def read_plans(self) -> Plans:
        """Read the plans, as every instance does when an alert comes."""
        if isinstance(self.plans, FileInvalid):
            raise self.plans
        return self.plans

    def message(self, body: dict[str, Any] | bytes) -> Message:
        """Make a queue message with an id of its own."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Message(id=f"message-{next(self._numbers)}", body=raw, inserted_at=self.now)

    def send(self, body: dict[str, Any] | bytes) -> Message:
        """Deliver a message once; a crash or an outage passes through."""
        message = self.message(body)
        self.app.handle(message, self.now)
        return message

    def deliver(self, message: Message) -> bool:
        """Deliver a message; tell whether it was acknowledged."""
        try:
            self.app.handle(message, self.now)
        except (StoreUnavailable, Crash):
            return False
        return True

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def sweep(self, *, after: float = 0) -> None:
        self.pass_time(after)
        self.app.sweep(self.now)

    def sweep_until_quiet(self, *, step: float = 15, limit: float = 30 * 24 * 3600) -> None:
        """Sweep until no row stands open; growing steps, since some waits are long."""
        begun, rounds = self.now, 0
        while rows(self.tables, "openrestores"):
            assert (self.now - begun).total_seconds() < limit, "a request is left due for ever"
            self.sweep(after=step)
            rounds += 1
            if rounds % 200 == 0:
                step *= 2

    def record(self, key: str) -> RestoreRecord:
        """Read a record as it stands."""
        stored = memory_store(self.tables).load(key.removeprefix("plan~"), key)
        assert stored is not None
        return stored.record

    def open_rows(self) -> list[OpenRow]:
        """Read the work list."""
        return memory_store(self.tables).open_rows()

    def holders(self) -> dict[str, list[str]]:
        """Return who holds what: the kind of each thing that is held, and the keys, once each."""
        found: dict[str, dict[str, None]] = {}
        for row in rows(self.tables, "restoreclaims"):
            text = "".join(str(row[name]) for name in sorted(row, key=len) if "holders_" in name)
            for holder in json.loads(text):
                found.setdefault(str(row["PartitionKey"]), {})[holder["key"]] = None
        return {kind: list(keys) for kind, keys in found.items()}

    def records(self) -> list[RestoreRecord]:
        """Read every record."""
        return [
            self.record(str(row["RowKey"]))
            for row in rows(self.tables, "restores")
            if not str(row["RowKey"]).endswith("~cancel")
        ]

    def events(self, request_id: str | None = None) -> list[dict[str, Any]]:
        """Return the events sent, once each, of one request or of all."""
        each = [json.loads(text) for text in dict.fromkeys(self.queue.sent)]
        return [one for one in each if request_id in {None, one["subject"]}]

    def end_of(self, request_id: str) -> dict[str, Any]:
        """Return the data of a request's one completion."""
        (event,) = self.events(request_id)
        data: dict[str, Any] = event["data"]
        return data

    def check_laws(self) -> None:
        """Assert laws (a) to (e) of what is left; the requests' sources must be distinct shares."""
        jobs = Counter((job.item.key, job.first_path) for job in self.vaults.jobs_by_id.values())
        texts: dict[str, set[str]] = {}
        for text in self.queue.sent:
            texts.setdefault(json.loads(text)["id"], set()).add(text)
        for record in self.records():
            request_id = record.request.request_id
            for number in range(len(record.parts) if record.decision else 0):
                assert record.decision is not None
                items = record.request.items
                first = items[number * PART_ITEMS].path if items else ""
                assert jobs[record.decision.item.key, first] <= 1, (
                    f"{request_id}: part {number + 1} restored twice (a)"
                )
            assert record.phase in FINAL, f"{request_id}: no final phase (c)"
            assert record.announced_at is not None, f"{request_id}: not announced (d)"
            assert texts.get(event_id(record)) == {record.event}, (
                f"{request_id}: unequal events (d)"
            )
        assert rows(self.tables, "openrestores") == [], "left due for ever (e)"


def request(request_id: str = "r1", *, share: str | None = None, **fields: Any) -> dict[str, Any]:
    """Make a restore request to the original location; `None` takes a field away."""
    body = {
        "schemaVersion": "1.0",
        "requestId": request_id,
        "vaultId": VAULT,
        "source": {
            "storageAccountId": f"{ACCOUNTS}/source1",
            "fileShare": share or f"share-{request_id.casefold()}",
        },
        "recoveryPoint": {"select": "latest"},
        "target": {"location": "original"},
        "copyOptions": "Overwrite",
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def cancel(request_id: str = "r1", **fields: Any) -> dict[str, Any]:
    """Make the cancel of a request."""
    return {"schemaVersion": "1.0", "action": "cancel", "requestId": request_id, **fields}


def elsewhere(share: str = "target1", **fields: Any) -> dict[str, Any]:
    """Make an alternate target."""
    return {
        "location": "alternate",
        "storageAccountId": f"{ACCOUNTS}/target1",
        "fileShare": share,
        **fields,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "full share to the original": {},
    "full share elsewhere": {"target": elsewhere(folder="back"), "copyOptions": None},
    "items to the original": {"items": [{"path": "a/b.txt", "type": "File"}]},
    "items elsewhere": {
        "items": [{"path": "a", "type": "Directory"}],
        "target": elsewhere(folder="back/again"),
    },
}


def with_settings(**changes: Any) -> Settings:
    """Change some of the simulators' settings."""
    return replace(SETTINGS, **changes)
