"""How fast requests are taken in, and how soon a restore is sent, each against the plain writes.

Both run in this process on the same Azurite and emulator, ours and the floor's in turn.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import requests

from bench import estate
from bench.counting import Transaction, counted, titles
from bench.estate import Share
from bench.figure import Bar, Figure, quantile
from bench.floor import Inbox, Writer, post
from bench.scale import PRODUCTION, Scale
from bench.stage import FOR_EVER, Emulated, arrived, emulated, stored
from local.stack import Stack
from restore_core.domain.ports import Message
from restore_core.wiring import build

_ROUNDS = 3
"""Of accepting, ours and the floor's in turn; the median counts."""


def measure(scale: Scale) -> Iterator[Figure]:
    """Take in a queue full of requests; then send restores one by one."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "vault"
        # One for the names, one to trace, then ours and the floor's.
        shares = estate.build(root, shares=2 + 2 * scale.sent, files=False)
        with emulated(root, job_seconds=FOR_EVER) as arm:
            # Each on a storage of its own: what was only accepted waits for the same shares.
            with stored(arm, PRODUCTION) as stack:
                yield _rate(scale, stack)
            with stored(arm, PRODUCTION) as stack:
                yield _own_time(stack, arm, shares)


def _rate(scale: Scale, stack: Stack) -> Figure:
    """Accepted requests a second, on so many threads."""
    engine = build(stack.settings)
    with Inbox(stack.storage) as inbox, counted() as counting:
        inbox.put(Share(number=0).request("rate-trace"))
        _, message = inbox.take()
        counting.take()
        engine.accept(message, datetime.now(UTC))
        trace = counting.take()
    rates: dict[str, list[float]] = {"ours": [], "floor": []}
    each = scale.accepted // _ROUNDS
    with Writer(stack.storage, trace) as writer:

        def accept(message: Message, _: str) -> None:
            engine.accept(message, datetime.now(UTC))

        def write(_: Message, key: str) -> None:
            writer.write(key)

        for turn in range(_ROUNDS):
            for name, work in (("floor", write), ("ours", accept)):
                seconds = _drained(stack.storage, f"{name}-{turn}", each, scale.threads, work)
                rates[name].append(each / seconds)
        writes = len(writer)
    ours, floor = statistics.median(rates["ours"]), statistics.median(rates["floor"])
    return Figure(
        name="accept-rate",
        title=f"Requests accepted a second on {scale.threads} threads, against the plain writes",
        unit="of the floor",
        goal=0.6,
        at_least=True,
        measured=round(ours / floor, 3),
        beside=[Bar(label="the plain writes", value=1.0)],
        facts={
            "perSecond": round(ours, 1),
            "floorPerSecond": round(floor, 1),
            "rounds": {name: [round(one, 1) for one in each] for name, each in rates.items()},
            "transactions": titles(trace),
            "floorTableWrites": writes,
        },
    )


def _drained(
    storage: str, name: str, count: int, threads: int, work: Callable[[Message, str], None]
) -> float:
    """Take, work on and delete every message of a full queue; the seconds that it took."""
    with Inbox(storage) as inbox:
        for number in range(count):
            inbox.put(Share(number=number).request(f"{name}-{number}"))
        lock = threading.Lock()
        left = count

        def serve(_: int) -> None:
            nonlocal left
            while True:
                with lock:
                    if not left:
                        return
                    left -= 1
                    number = left
                received, message = inbox.take()
                work(message, f"{name}-{number}")
                inbox.delete(received)

        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(serve, range(threads)))
        return time.perf_counter() - begun


def _own_time(stack: Stack, arm: Emulated, shares: Sequence[Share]) -> Figure:
    """From a message in hand to its restore call at the emulator, nothing else going on."""
    engine = build(stack.settings)
    first, traced, *rest = shares
    with Inbox(stack.storage) as inbox, requests.Session() as session:
        session.trust_env = False

        def ours(message: Message, _: Share) -> None:
            engine.handle(message, datetime.now(UTC))

        _timed(inbox, arm, first, ours)  # the names of the vault's items are known now
        with counted() as counting:
            _timed(inbox, arm, traced, ours)
            trace = _before_post(counting.take(), arm)
        with Writer(stack.storage, trace) as writer:

            def floor(_: Message, share: Share) -> None:
                writer.write(f"own-{share.number}")
                post(session, arm.url, share)

            took: dict[str, list[float]] = {"ours": [], "floor": []}
            for number, share in enumerate(rest):
                name, work = ("floor", floor) if number % 2 else ("ours", ours)
                took[name].append(1000 * _timed(inbox, arm, share, work))
            writes = len(writer)
    p95 = {name: quantile(each, 0.95) for name, each in took.items()}
    return Figure(
        name="own-time",
        title="From message received to restore call sent, p95, against the plain writes",
        unit="times",
        goal=4,
        measured=round(p95["ours"] / p95["floor"], 2),
        beside=[Bar(label="the plain writes and the call", value=1.0)],
        facts={
            "p95Milliseconds": {name: round(one, 1) for name, one in p95.items()},
            "medianMilliseconds": {
                name: round(statistics.median(each), 1) for name, each in took.items()
            },
            "transactionsBeforeTheCall": titles(trace),
            "floorTableWrites": writes,
        },
    )


def _timed(
    inbox: Inbox, arm: Emulated, share: Share, work: Callable[[Message, Share], None]
) -> float:
    """Seconds from a message in hand to the arrival of its restore call."""
    inbox.put(share.request(f"own-{share.number}"))
    received, message = inbox.take()
    arm.clear()
    begun = time.time()
    work(message, share)
    inbox.delete(received)
    return _posted_at(arm) - begun


def _posted_at(arm: Emulated) -> float:
    (call,) = (one for one in arm.calls() if one["operation"] == "restore")
    return arrived(call)


def _before_post(trace: list[Transaction], arm: Emulated) -> list[Transaction]:
    posted = _posted_at(arm)
    return [one for one in trace if one.began < posted and not one.name.startswith("restore-")]
