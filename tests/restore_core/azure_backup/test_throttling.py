"""Pauses that Azure asks for, brakes and buckets: who is held back, for how long, and who is not.

Calls go through the real client to a server on this machine; whole requests go to the vault
emulator. The clocks are the test's.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.vault import EmulatorOptions, Fault, LogEntry, VaultEmulator
from restore_core import wiring
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from restore_core.azure_backup.failures import SendOutcome, send_outcome, wait_for
from restore_core.azure_backup.throttling import LOW, OURS, Bucket, SharedThrottle
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Message, urgent
from restore_core.domain.record import RestoreRecord
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import ArmAnswer, ArmError
from restore_core.settings import Storage
from restore_core.storage.tables import RestoreStore
from restore_core.vocabulary import WaitingFor
from tests.patience import PATIENCE
from tests.simulators.arm_server import ArmServer, Reply, in_turn, serving
from tests.simulators.store import MemoryQueue, MemoryTables, memory_store, rows
from tests.simulators.world import with_settings
from tests.stack.estate import Estate, build
from tests.stack.town import elsewhere, request

ONE, OTHER = "11111111-0000-4000-8000-000000000001", "22222222-0000-4000-8000-000000000002"
OK = Reply(body={"value": []})
TAKEN = Reply(status=202)
QUOTA = "CloudDosAbsoluteLimitReached"
READS_LEFT = "x-ms-ratelimit-remaining-subscription-reads"
WRITES_LEFT = "x-ms-ratelimit-remaining-subscription-writes"
NOBODY = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
    "QueueEndpoint=http://127.0.0.1:1/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:1/devstoreaccount1;"
)


def vault(name: str = "vault1", subscription: str = ONE) -> str:
    return (
        f"/subscriptions/{subscription}/resourceGroups/rg"
        f"/providers/Microsoft.RecoveryServices/vaults/{name}"
    )


def restore(name: str = "vault1", subscription: str = ONE) -> str:
    item = "backupFabrics/Azure/protectionContainers/c;1/protectedItems/i;1"
    return f"{vault(name, subscription)}/{item}/recoveryPoints/932/restore"


def refused(status: int, code: str = "", **headers: str) -> Reply:
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status=status, body={"error": {"code": code, "message": "no"}}, headers=named)


@dataclass
class Clock:
    """Both clocks of a host, turned by the test."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    monotonic: float = 1000.0

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.monotonic += seconds


@dataclass
class Host:
    """An instance of the app: its throttle, and the client that keeps it."""

    arm: ArmClient
    server: ArmServer

    def get(self, path: str) -> None:
        self.arm.get(self.arm.url(path))

    def post(self, path: str) -> None:
        self.arm.prepare_post(self.arm.url(path), "{}").send()

    def held(self, path: str, *, writes: bool = False) -> float | None:
        """Seconds for which a call is held back; `None` when it goes out."""
        before = len(self.server.calls)
        answer: ArmError | None = None
        try:
            (self.post if writes else self.get)(path)
        except ArmError as error:
            answer = error
        if len(self.server.calls) > before:
            return None
        assert isinstance(answer, ArmAnswer)
        assert answer.status == 429
        assert answer.retry_after is not None
        return answer.retry_after.total_seconds()


@dataclass
class Line:
    """A server, and the tables and the clock that hosts share."""

    server: ArmServer
    clock: Clock = field(default_factory=Clock)
    tables: MemoryTables = field(default_factory=MemoryTables)

    def host(self, store: Any = None, **options: Any) -> Host:
        throttle = SharedThrottle(
            store or memory_store(self.tables),
            clock=lambda: self.clock.now,
            monotonic=lambda: self.clock.monotonic,
            **options,
        )
        arm = ArmClient(
            endpoint=self.server.origin,
            api_version="2026-07-01",
            tokens=None,
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
            throttle=throttle,
        )
        return Host(arm=arm, server=self.server)

    def pauses(self) -> dict[str, str]:
        """What other instances can read: each scope and its code."""
        (row,) = rows(self.tables, "restoreclaims")
        return {one["key"]: one["requestId"] for one in json.loads(str(row["holders_0"]))}


@contextmanager
def line(*replies: Reply) -> Iterator[Line]:
    with serving(in_turn(*replies)) as server:
        yield Line(server=server)


def strike(host: Host, path: str, *, writes: bool = False) -> None:
    """Make a call that Azure refuses."""
    before = len(host.server.calls)
    with pytest.raises(ArmAnswer):
        (host.post if writes else host.get)(path)
    assert len(host.server.calls) == before + 1


# 429: all reads, or all writes, of the subscription.


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 30), ({"Retry_After": "120"}, 120), ({"Retry_After": "5"}, 5)]
)
def test_a_429_holds_all_reads_of_its_subscription_and_nothing_else(
    headers: dict[str, str], seconds: float
) -> None:
    with line(refused(429, "TooManyRequests", **headers), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs/1") == seconds
        assert host.held(f"{vault('vault2')}/backupJobs") == seconds
        assert host.held(f"{vault(subscription=OTHER)}/backupJobs") is None
        assert host.held(restore(), writes=True) is None
        here.clock.turn(seconds - 2)
        assert host.held(f"{vault()}/backupJobs") == 2
        here.clock.turn(2)
        assert host.held(f"{vault()}/backupJobs") is None


def test_a_429_to_a_write_holds_the_writes_and_no_read() -> None:
    with line(refused(429, "TooManyRequests"), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs/1/cancel", writes=True)
        assert host.held(restore("vault2"), writes=True) == 30
        assert host.held(f"{vault()}/backupJobs") is None
        assert host.held(restore(subscription=OTHER), writes=True) is None


@pytest.mark.parametrize("seconds", [("600", "10"), ("10", "600")])
def test_of_two_pauses_of_one_scope_the_longer_counts_for_everybody(
    seconds: tuple[str, str],
) -> None:
    with line(OK, OK, *(refused(429, Retry_After=one) for one in seconds), OK) as here:
        each = here.host(), here.host()
        for host in each:
            # What this shows is half a minute old when it is looked for again.
            assert host.held(f"{vault()}/backupJobs") is None
        for host in each:
            strike(host, f"{vault()}/backupJobs")
        here.clock.turn(31)
        for host in (*each, here.host()):
            assert host.held(f"{vault()}/backupJobs") == 569


def test_a_pause_is_never_longer_than_six_hours() -> None:
    with line(refused(429, Retry_After="86400"), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs") == 6 * 3600


# 503: the vault.


def test_a_503_with_retry_after_holds_that_vault_only() -> None:
    with line(refused(503, Retry_After="60"), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs/1") == 60
        assert host.held(restore(), writes=True) == 60
        assert host.held(f"{vault().replace('vault1', 'VAULT1')}/backupJobs") == 60
        assert host.held(f"{vault('vault2')}/backupJobs") is None
        assert host.held(f"{vault('vault11')}/backupJobs") is None
        here.clock.turn(60)
        assert host.held(f"{vault()}/backupJobs") is None


@pytest.mark.parametrize("reply", [refused(503), refused(500), refused(404), refused(403), OK])
def test_what_asks_for_no_pause_holds_nothing(reply: Reply) -> None:
    with line(reply, OK) as here:
        host = here.host()
        host.held(f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs") is None
        assert rows(here.tables, "restoreclaims") == []


# A quota of Azure Backup: the restores of the vault.


@pytest.mark.parametrize("status", [400, 409, 429])
@pytest.mark.parametrize("headers", [{}, {"Retry_After": "1"}])
def test_a_quota_holds_the_restores_of_that_vault_for_hours(
    status: int, headers: dict[str, str]
) -> None:
    with line(refused(status, QUOTA, **headers), OK) as here:
        host = here.host()
        strike(host, restore(), writes=True)
        assert host.held(restore(), writes=True) == 3 * 3600
        assert host.held(f"{vault()}/backupJobs/1/cancel", writes=True) is None
        assert host.held(f"{vault()}/backupJobs") is None
        assert host.held(restore("vault2"), writes=True) is None
        with pytest.raises(ArmAnswer) as raised:
            host.post(restore())
        assert wait_for(raised.value) is WaitingFor.QUOTA
        assert send_outcome(raised.value) is SendOutcome.DELAYED
        assert "not sent: Azure asked for a pause" in str(raised.value)


@pytest.mark.parametrize("code", ["BMSUserErrorInvalidInput", "SomethingNew", "", "400123"])
def test_a_sender_whose_words_name_a_quota_holds_nobody(code: str) -> None:
    echo = {"error": {"code": code, "message": f"The folder '{QUOTA}' is not valid."}}
    with line(Reply(status=400, body=echo), TAKEN) as here:
        host = here.host()
        strike(host, restore(), writes=True)
        assert host.held(restore(), writes=True) is None


def test_a_quota_of_a_read_holds_nothing() -> None:
    with line(refused(400, QUOTA), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs") is None
        assert host.held(restore(), writes=True) is None


# Other instances.


def test_other_instances_keep_a_pause_within_half_a_minute() -> None:
    with line(OK, refused(429, Retry_After="300"), OK) as here:
        first, second = here.host(), here.host()
        assert second.held(f"{vault()}/backupJobs") is None
        strike(first, f"{vault()}/backupJobs")
        here.clock.turn(29)
        assert second.held(f"{vault()}/backupJobs") is None
        here.clock.turn(1)
        assert second.held(f"{vault()}/backupJobs") == 270
        assert here.host().held(f"{vault()}/backupJobs") == 270
        here.clock.turn(270)
        for host in (first, second, here.host()):
            assert host.held(f"{vault()}/backupJobs") is None


def test_the_code_of_a_pause_reaches_other_instances_too() -> None:
    with line(refused(400, QUOTA), OK) as here:
        strike(here.host(), restore(), writes=True)
        other = here.host()
        with pytest.raises(ArmAnswer) as raised:
            other.post(restore())
        assert raised.value.code == QUOTA
    with line(refused(429), OK) as here:
        strike(here.host(), f"{vault()}/backupJobs")
        other = here.host()
        with pytest.raises(ArmAnswer) as raised:
            other.get(f"{vault()}/backupJobs")
        assert (raised.value.code, wait_for(raised.value)) == ("", WaitingFor.THROTTLED)


def test_pauses_of_several_scopes_stand_beside_each_other_until_they_are_over() -> None:
    with line(refused(503, Retry_After="60")) as here:
        first, second = here.host(), here.host()
        strike(first, f"{vault('vault1')}/backupJobs")
        strike(second, f"{vault('vault2')}/backupJobs")
        assert here.pauses().keys() == {vault("vault1").casefold(), vault("vault2").casefold()}
        here.clock.turn(61)
        strike(first, f"{vault('vault3')}/backupJobs")
        assert here.pauses().keys() == {vault("vault3").casefold()}


def test_pauses_of_other_instances_are_read_twice_a_minute() -> None:
    with line(OK) as here:
        read: list[str] = []
        store = memory_store(here.tables)

        class Counting:
            def read_claim(self, thing: str) -> Any:
                read.append(thing)
                return store.read_claim(thing)

        host = here.host(Counting())
        for _ in range(60):
            here.clock.turn(1)
            assert host.held(f"{vault()}/backupJobs") is None
        assert len(read) == 2


def test_storage_that_fails_stops_no_call_and_a_pause_still_counts_here() -> None:
    nowhere = RestoreStore.open(Storage(connection_string=NOBODY), None)
    with line(OK, refused(429), OK) as here:
        host = here.host(nowhere)
        assert host.held(f"{vault()}/backupJobs") is None
        strike(host, f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs") == 30
        assert host.held(restore(), writes=True) is None


# The brake.


def left(name: str, text: str) -> Reply:
    return Reply(body={"value": []}, headers=((name, text),))


def test_few_remaining_requests_brake_normal_ones_and_let_emergencies_pass() -> None:
    with line(left(READS_LEFT, str(LOW - 1)), left(READS_LEFT, "100")) as here:
        host = here.host()
        host.get(f"{vault()}/backupJobs")
        assert host.held(f"{vault('vault2')}/backupJobs") == 5
        assert host.held(restore(), writes=True) is None
        assert host.held(f"{vault(subscription=OTHER)}/backupJobs") is None
        with urgent(is_emergency=True):
            assert host.held(f"{vault('vault2')}/backupJobs") is None
            with urgent(is_emergency=False):
                assert host.held(f"{vault('vault2')}/backupJobs") == 5
        assert host.held(f"{vault('vault2')}/backupJobs") == 5
        here.clock.turn(5)
        assert host.held(f"{vault('vault2')}/backupJobs") is None
        assert rows(here.tables, "restoreclaims") == [], "a brake is for seconds: nobody is told"


def test_few_remaining_writes_brake_writes() -> None:
    with line(Reply(status=202, headers=((WRITES_LEFT, "0"),)), TAKEN) as here:
        host = here.host()
        host.post(restore())
        assert host.held(restore(), writes=True) == 5
        assert host.held(f"{vault()}/backupJobs") is None


@pytest.mark.parametrize("text", [str(LOW), "12000", "", "many", "-1", "1e1", "9" * 30])
def test_enough_remaining_requests_or_none_that_can_be_read_brake_nothing(text: str) -> None:
    with line(left(READS_LEFT, text)) as here:
        host = here.host()
        host.get(f"{vault()}/backupJobs")
        assert host.held(f"{vault()}/backupJobs") is None


def test_a_pause_holds_emergencies_too() -> None:
    """Azure would refuse them as well, and count them."""
    with line(refused(429), OK) as here:
        host = here.host()
        strike(host, f"{vault()}/backupJobs")
        with urgent(is_emergency=True):
            assert host.held(f"{vault()}/backupJobs") == 30


# Buckets.


def small(clock: Clock, **buckets: Bucket) -> SharedThrottle:
    return SharedThrottle(
        memory_store(MemoryTables()),
        buckets=buckets,
        clock=lambda: clock.now,
        monotonic=lambda: clock.monotonic,
    )


def admitted(
    throttle: SharedThrottle, path: str = vault(), *, writes: bool = False, emergency: bool = False
) -> bool:
    answer: ArmAnswer | None = None
    try:
        with urgent(is_emergency=emergency):
            throttle.admit(f"https://management.azure.com{path}?api-version=1", writes=writes)
    except ArmAnswer as error:
        answer = error
    if answer is not None:
        assert (answer.status, wait_for(answer)) == (429, WaitingFor.THROTTLED)
        assert answer.retry_after is not None
        assert answer.retry_after >= timedelta(seconds=1)
    return answer is None


def count_admitted(throttle: SharedThrottle, tries: int, **options: Any) -> int:
    return sum(admitted(throttle, **options) for _ in range(tries))


def test_a_bucket_is_emptied_and_refills() -> None:
    clock = Clock()
    throttle = small(clock, reads=Bucket(size=10, refill=2))
    assert count_admitted(throttle, 20) == 10
    clock.turn(3)
    assert count_admitted(throttle, 20) == 6
    clock.turn(3600)
    assert count_admitted(throttle, 20) == 10, "it holds no more than its size"


def test_each_subscription_and_each_kind_has_a_bucket_of_its_own() -> None:
    throttle = small(Clock(), reads=Bucket(size=2, refill=1), writes=Bucket(size=3, refill=1))
    assert count_admitted(throttle, 9) == 2
    assert count_admitted(throttle, 9, path=vault("vault2")) == 0
    assert count_admitted(throttle, 9, path=vault(subscription=OTHER)) == 2
    assert count_admitted(throttle, 9, path=restore(), writes=True) == 3


def test_emergencies_take_from_an_empty_bucket_and_the_others_wait_for_it_to_refill() -> None:
    clock = Clock()
    throttle = small(clock, reads=Bucket(size=5, refill=1))
    assert count_admitted(throttle, 5) == 5
    assert count_admitted(throttle, 4, emergency=True) == 4
    assert not admitted(throttle)
    clock.turn(4)
    assert not admitted(throttle)
    clock.turn(1)
    assert admitted(throttle)


@pytest.mark.parametrize("emergencies", [20, 10_000])
def test_however_many_emergencies_came_the_others_wait_for_one_filling_at_most(
    emergencies: int,
) -> None:
    clock = Clock()
    throttle = small(clock, reads=OURS["reads"], writes=OURS["writes"])
    for writes in (False, True):
        assert count_admitted(throttle, emergencies, writes=writes, emergency=True) == emergencies
        bucket = OURS["writes" if writes else "reads"]
        clock.turn(bucket.size / bucket.refill + 1)
        assert admitted(throttle, writes=writes)


def test_without_buckets_nothing_is_counted() -> None:
    assert count_admitted(small(Clock()), 5000) == 5000


def test_what_is_in_no_subscription_is_never_held() -> None:
    throttle = small(Clock(), reads=Bucket(size=1, refill=0.1))
    assert count_admitted(throttle, 9, path="/providers/Microsoft.RecoveryServices/operations") == 9


def test_threads_take_no_more_than_there_is() -> None:
    throttle = small(Clock(), reads=Bucket(size=50, refill=1))
    gate, passed = threading.Barrier(8), list[int]()

    def take() -> None:
        gate.wait(PATIENCE)
        passed.append(count_admitted(throttle, 20))

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert sum(passed) == 50


STEPS = st.lists(
    st.tuples(st.floats(min_value=0, max_value=20), st.booleans()), min_size=1, max_size=80
)


@given(
    size=st.integers(min_value=1, max_value=12),
    refill=st.floats(min_value=0.05, max_value=5),
    steps=STEPS,
)
def test_in_no_span_of_time_goes_out_more_than_a_bucket_gives(
    size: int, refill: float, steps: Sequence[tuple[float, bool]]
) -> None:
    clock = Clock()
    throttle = small(clock, reads=Bucket(size=size, refill=refill))
    normal: list[float] = []
    for wait, emergency in steps:
        clock.turn(wait)
        passed = admitted(throttle, emergency=emergency)
        assert passed or not emergency, "an emergency is never held by a bucket"
        if passed and not emergency:
            normal.append(clock.monotonic)
    for first, begun in enumerate(normal):
        for last, ended in enumerate(normal[first:], 1):
            assert last <= size + (ended - begun) * refill + 1e-6


@given(
    size=st.integers(min_value=1, max_value=8),
    refill=st.floats(min_value=0.05, max_value=3),
    emergencies=st.integers(min_value=0, max_value=20),
)
def test_who_waits_as_long_as_it_is_told_is_let_through(
    size: int, refill: float, emergencies: int
) -> None:
    clock = Clock()
    throttle = small(clock, reads=Bucket(size=size, refill=refill))
    count_admitted(throttle, size)
    count_admitted(throttle, emergencies, emergency=True)
    with pytest.raises(ArmAnswer) as raised:
        throttle.admit(f"https://x{vault()}", writes=False)
    assert raised.value.retry_after is not None
    # A microsecond more: the time that is told is rounded to one.
    clock.turn(raised.value.retry_after.total_seconds() + 2e-6)
    assert admitted(throttle)


# Which endpoint has limits.


@pytest.mark.parametrize(
    ("endpoint", "has_limits"),
    [
        ("http://127.0.0.1:1", False),
        ("https://localhost:8443", False),
        ("https://management.azure.com", True),
        (None, True),
    ],
)
def test_only_a_real_endpoint_has_buckets(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None, has_limits: bool
) -> None:
    made: list[SharedThrottle] = []

    def remember(*args: Any, **options: Any) -> SharedThrottle:
        made.append(SharedThrottle(*args, **options))
        return made[-1]

    monkeypatch.setattr(wiring, "SharedThrottle", remember)
    environment = {"RestoreStorage": NOBODY}
    if endpoint is not None:
        environment["RESTORE_ARM_ENDPOINT"] = endpoint
    wiring.build(environment)
    (throttle,) = made
    assert throttle._buckets == (OURS if has_limits else {})


def test_our_share_of_the_documented_buckets_is_half() -> None:
    assert (OURS["reads"].size, OURS["reads"].refill) == (250 / 2, 25 / 2)
    assert (OURS["writes"].size, OURS["writes"].refill) == (200 / 2, 10 / 2)


# Whole requests, against the emulator.


@dataclass
class Town:
    """An app, or several, on one emulator; a sweep takes no time by itself."""

    estate: Estate
    emulator: VaultEmulator
    clock: Clock = field(default_factory=Clock)
    tables: MemoryTables = field(default_factory=MemoryTables)
    queue: MemoryQueue = field(default_factory=MemoryQueue)
    app: Reconciler = field(init=False)
    _numbers: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self, **buckets: Bucket) -> None:
        """Start an instance, which knows nothing but what is stored."""
        store = memory_store(self.tables)
        settings = with_settings(
            arm_endpoint=self.emulator.url,
            operation_poll=timedelta(seconds=1),
            job_poll=timedelta(seconds=1),
        )
        throttle = SharedThrottle(
            store,
            buckets=buckets,
            clock=lambda: self.clock.now,
            monotonic=lambda: self.clock.monotonic,
        )
        arm = ArmClient(
            endpoint=self.emulator.url,
            api_version=settings.arm_api_version,
            tokens=None,
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
            throttle=throttle,
        )
        self.app = Reconciler(
            vaults=AzureBackup(arm, name_cache=timedelta(seconds=300)),
            store=store,
            completions=self.queue,
            settings=settings,
            monotonic=lambda: self.clock.monotonic,
        )

    def send(self, number: int, **fields: Any) -> str:
        name = f"r{number}"
        body = request(self.estate.shares[number], name, **fields)
        self._numbers += 1
        message = Message(
            id=f"m{self._numbers}", body=json.dumps(body).encode(), inserted_at=self.clock.now
        )
        self.app.handle(message, self.clock.now)
        return name

    def record(self, name: str) -> RestoreRecord:
        stored = memory_store(self.tables).load(name, name)
        assert stored is not None
        return stored.record

    def sweep(self, after: float = 0) -> None:
        self.clock.turn(after)
        self.app.sweep(self.clock.now)

    def sweep_to_the_end(self) -> None:
        give_up = time.monotonic() + PATIENCE
        while rows(self.tables, "openrestores"):
            assert time.monotonic() < give_up, "left due for ever"
            self.sweep(after=2)
            time.sleep(0.01)

    def posts(self) -> list[LogEntry]:
        return [entry for entry in self.emulator.log if entry.operation == "restore"]

    def fault(self, on: str, times: int | None = 1, **action: Any) -> int:
        return self.emulator.inject(Fault(on=(on,), action=action, times=times))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    estate = build(tmp_path, shares=4, vaults=1, targets=["target"])
    with VaultEmulator(tmp_path, EmulatorOptions(time_scale=300)) as emulator:
        yield Town(estate=estate, emulator=emulator)


def test_a_held_back_restore_is_no_try_waits_as_throttled_and_goes_out_later(town: Town) -> None:
    town.fault("restore", kind="status", status=429, code="TooManyRequests", retry_after=60)
    first, second = town.send(0), town.send(1)
    for name in (first, second):
        record = town.record(name)
        assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.THROTTLED)
        assert record.tries == ()
    assert len(town.posts()) == 1, "the second one was held back here"
    assert held_targets(town) == []
    town.sweep(after=59)
    assert len(town.posts()) == 1
    town.sweep_to_the_end()
    assert len(town.posts()) == 3
    for name in (first, second):
        record = town.record(name)
        assert (record.phase, len(record.tries)) == (Phase.COMPLETED, 1)


def held_targets(town: Town) -> list[str]:
    return [
        str(row["thing"])
        for row in rows(town.tables, "restoreclaims")
        if str(row["thing"]).startswith("target:") and row["holders_0"] != "[]"
    ]


def test_after_a_quota_error_other_requests_wait_without_a_post(
    town: Town,
) -> None:
    town.fault("restore", kind="status", status=400, code=QUOTA)
    town.send(0)
    town.send(1)
    town.start()
    town.send(2, target=elsewhere("target", "x"), copyOptions=None, priority="emergency")
    begun = town.clock.now
    while town.clock.now - begun < timedelta(hours=3, minutes=-6):
        assert {town.record(f"r{number}").waiting_for for number in range(3)} == {WaitingFor.QUOTA}
        town.sweep(after=300)
        assert len(town.posts()) == 1
    town.sweep_to_the_end()
    assert len(town.posts()) == 4
    assert {town.record(f"r{number}").phase for number in range(3)} == {Phase.COMPLETED}


def test_a_request_that_is_held_for_hours_costs_no_claims_meanwhile(town: Town) -> None:
    town.fault("restore", kind="status", status=400, code=QUOTA)
    town.send(0)
    town.send(1)
    before = [dict(row) for row in rows(town.tables, "restoreclaims")]
    etags = [row.metadata for row in town.tables.get_table_client("restoreclaims").list_entities()]
    for _ in range(10):
        town.sweep(after=300)
    table = town.tables.get_table_client("restoreclaims")
    assert [dict(row) for row in table.list_entities()] == before
    assert [row.metadata for row in table.list_entities()] == etags


def test_a_cancel_ends_a_request_that_is_held_for_hours(town: Town) -> None:
    town.fault("restore", kind="status", status=400, code=QUOTA)
    town.send(0)
    name = town.send(1)
    stop = {"schemaVersion": "1.0", "action": "cancel", "requestId": name}
    message = Message(id="stop", body=json.dumps(stop).encode(), inserted_at=town.clock.now)
    town.app.handle(message, town.clock.now)
    assert town.record(name).phase is Phase.CANCELLED


def test_a_low_allowance_lets_normal_requests_wait_and_an_emergency_pass(town: Town) -> None:
    few = {READS_LEFT: "3"}
    number = town.fault("list_items", None, kind="merge", headers=few)
    town.fault("list_points", None, kind="merge", headers=few)
    normal = town.send(0)
    emergency = town.send(1, priority="emergency")
    record = town.record(normal)
    assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.THROTTLED)
    assert town.record(emergency).phase is Phase.OPERATION_PENDING
    assert len(town.posts()) == 1
    town.emulator.faults.remove(number)
    town.sweep_to_the_end()
    assert town.record(normal).phase is Phase.COMPLETED


def test_an_empty_bucket_lets_requests_wait_and_all_of_them_come_through(town: Town) -> None:
    town.start(writes=Bucket(size=1, refill=1 / 60))
    for number in range(4):
        town.send(number)
    assert len(town.posts()) == 1
    assert {town.record(f"r{number}").waiting_for for number in range(1, 4)} == {
        WaitingFor.THROTTLED
    }
    begun = town.clock.now
    town.sweep_to_the_end()
    assert len(town.posts()) == 4
    assert town.clock.now - begun >= timedelta(minutes=3)
    assert all(len(town.record(f"r{number}").tries) == 1 for number in range(4))


def test_a_read_that_is_held_back_never_fails_a_restore(town: Town) -> None:
    name = town.send(0)
    town.fault("list_jobs", kind="status", status=429, retry_after=600)
    town.sweep(after=1)
    assert town.record(name).phase is Phase.OPERATION_PENDING
    calls = len(town.emulator.log)
    for _ in range(19):
        town.sweep(after=30)
    assert len(town.emulator.log) == calls, "nothing is asked in vain"
    town.sweep_to_the_end()
    assert town.record(name).phase is Phase.COMPLETED


def test_the_jobs_of_an_emergency_are_watched_though_the_brake_is_on(town: Town) -> None:
    few = {READS_LEFT: "3"}
    for number in range(4):
        town.send(number, priority="emergency" if number == 3 else "normal")
    # Every answer says that little is left.
    for route in ("list_jobs", "job", "list_items", "list_points"):
        town.fault(route, None, kind="merge", headers=few)
    town.sweep_to_the_end()
    assert {town.record(f"r{number}").phase for number in range(4)} == {Phase.COMPLETED}
