"""The storage transactions of an idle tick, and of one request from accept to done.

Here the measuring process is the host: it takes the message, calls the engine, deletes the message,
and calls the sweep at each tick.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import estate
from bench.counting import Counted, Transaction, counted, titles
from bench.estate import Share
from bench.figure import Bar, Figure
from bench.floor import Inbox
from bench.scale import Scale
from bench.stage import emulated, stored
from restore_core.engine.reconciler import Reconciler
from restore_core.wiring import build

_SECONDS = 120.0
_IDLE_TICKS = 3


def measure(scale: Scale) -> Iterator[Figure]:
    """Sweep with nothing to do, then follow one request."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "vault"
        first, share = estate.build(root, shares=2)
        with (
            emulated(root, time_scale=scale.time_scale) as arm,
            stored(arm, scale.settings) as stack,
            counted() as counting,
        ):
            engine = build(stack.settings)
            with Inbox(stack.storage) as inbox:
                hourly = _ticked(engine, counting)
                idle = [_ticked(engine, counting) for _ in range(_IDLE_TICKS)]
                each_tick = max(len(one) for one in idle)
                yield _idle_tick(each_tick, idle[-1], hourly)
                _followed(engine, inbox, counting, first, scale.tick)  # names and connections
                host, steps = _followed(engine, inbox, counting, share, scale.tick)
    ticks = [one for name, one in steps if name == "tick"]
    everything = [one for _, step in steps for one in step]
    # A tick's look at the work list is made whether there is a request or not.
    own = len(everything) - sum(min(each_tick, len(one)) for one in ticks)
    yield Figure(
        name="request-transactions",
        title="Storage transactions of one request, from accept to done",
        unit="transactions",
        goal=20,
        measured=own,
        beside=[
            Bar(label="with the ticks' own", value=len(everything)),
            Bar(label="the host's, on the queue", value=len(host)),
        ],
        facts={
            "steps": [{"step": name, "transactions": titles(step)} for name, step in steps],
            "host": titles(host),
            "kinds": titles(everything),
            "ticks": len(ticks),
        },
    )


def _idle_tick(each_tick: int, last: list[Transaction], hourly: list[Transaction]) -> Figure:
    return Figure(
        name="idle-tick",
        title="Storage transactions of an idle tick",
        unit="transactions",
        goal=2,
        measured=each_tick,
        facts={"transactions": titles(last), "firstOfAnHour": titles(hourly)},
    )


def _ticked(engine: Reconciler, counting: Counted) -> list[Transaction]:
    counting.take()
    engine.sweep(datetime.now(UTC))
    return counting.take()


def _followed(
    engine: Reconciler, inbox: Inbox, counting: Counted, share: Share, tick: float
) -> tuple[list[Transaction], list[tuple[str, list[Transaction]]]]:
    """Take one request to its event; what the host did, and what the app did in each step."""
    inbox.put(share.request(f"counted-{share.number}"))
    counting.take()
    received, message = inbox.take()
    host = counting.take()
    engine.handle(message, datetime.now(UTC))
    steps = [("accept", counting.take())]
    inbox.delete(received)
    host += counting.take()
    give_up = time.monotonic() + _SECONDS
    while not any(one.title == "put restore-completions" for one in steps[-1][1]):
        if time.monotonic() > give_up:
            raise TimeoutError(f"{share.name}: the request did not end")
        time.sleep(tick)
        steps.append(("tick", _ticked(engine, counting)))
    return host, steps
