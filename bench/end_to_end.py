"""Restores from request to event, on the running app: the calls that each costs, and the last wait.

Knows the queues and the emulator's own account of its jobs. The official SDK restores the same
shares afterwards, on the same emulator.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from azure.storage.queue import QueueClient

from bench import estate
from bench.estate import Share
from bench.figure import Bar, Figure, quantile
from bench.official import OfficialClient, Seen
from bench.scale import Scale
from bench.stage import (
    COMPLETIONS,
    OWN_AGENT,
    REQUESTS,
    Emulated,
    by_kind,
    emulated,
    hosted,
    stored,
)
from local.stack import Stack

_TICKS = 1e7
_SECONDS = 180.0
_LOOK = 0.1
_APART = 0.43
"""Between two requests of those that come one after the other; in step with no tick."""
_ALLOWED = 2.0
"""What the goal allows beside a tick and a poll, and is not made shorter."""
_RECORDED_CLI = 9.3
"""Median of the ARM calls in 40 recordings of `az backup restore` and its wait."""


def measure(scale: Scale) -> list[Figure]:
    """Restore shares of one vault, through the app and then through the official SDK."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "vault"
        first, *shares = estate.build(root, shares=scale.restores + 1)
        with emulated(root, time_scale=scale.time_scale) as arm:
            with stored(arm, scale.settings) as stack, hosted(stack):
                _restored(stack, [first], "warm")  # the names of the vault's items are known now
                arm.clear()
                burst = _restored(stack, shares, "burst")
                calls = [one for one in arm.calls() if one["user_agent"] == OWN_AGENT]
                events = _restored(stack, shares[: scale.spread], "spread", apart=_APART)
                ends = _ends(arm)
            arm.clear()
            seen = _by_official(arm, shares, scale)
            sdk_calls, sdk_ends = arm.calls(), _ends(arm)
    lags = [at - ends[job] for job, at in events.items()]
    sdk_lags = [one.at - sdk_ends[one.job_id] for one in seen]
    each = len(calls) / len(shares)
    sdk_each = len(sdk_calls) / len(shares)
    bound = scale.tick + scale.job_poll + _ALLOWED
    return [
        Figure(
            name="arm-calls",
            title=f"ARM calls of a restore, {len(shares)} at once in one vault, names cached",
            unit="calls",
            goal=3.5,
            measured=round(each, 2),
            beside=[
                Bar(label="official SDK", value=round(sdk_each, 2)),
                Bar(label="az CLI, as recorded", value=_RECORDED_CLI),
            ],
            facts={"calls": by_kind(calls), "sdkCalls": by_kind(sdk_calls)},
        ),
        Figure(
            name="end-to-event",
            title="From a job's end to the event on the queue, the longest",
            unit="s",
            goal=round(bound, 2),
            measured=round(max(lags), 2),
            beside=[
                Bar(label="median", value=round(statistics.median(lags), 2)),
                Bar(label="official SDK, the longest", value=round(max(sdk_lags), 2)),
            ],
            facts={
                "tickSeconds": scale.tick,
                "jobPollSeconds": scale.job_poll,
                "restores": len(lags),
                "shortest": round(min(lags), 2),
                "p95": round(quantile(lags, 0.95), 2),
                "longestOfBurst": round(max(at - ends[job] for job, at in burst.items()), 2),
                "sdkMedian": round(statistics.median(sdk_lags), 2),
            },
        ),
    ]


def _restored(
    stack: Stack, shares: list[Share], name: str, *, apart: float = 0.0
) -> dict[str, float]:
    """Send a request for each share; when each one's event was seen, by the id of its job."""
    seen: dict[str, float] = {}
    with (
        QueueClient.from_connection_string(stack.storage, REQUESTS) as requests,
        QueueClient.from_connection_string(stack.storage, COMPLETIONS) as completions,
    ):
        begun = time.monotonic()
        waiting = list(shares)
        while len(seen) < len(shares):
            while waiting and time.monotonic() - begun >= apart * (len(shares) - len(waiting)):
                share = waiting.pop(0)
                requests.send_message(share.request(f"{name}-{share.number}"))
            for data in _taken(completions):
                if data["phase"] != "Completed":
                    raise AssertionError(f"{data['requestId']}: {data['message']}")
                seen.setdefault(data["jobIds"][0], time.time())
            if time.monotonic() - begun > _SECONDS:
                raise TimeoutError(f"{len(seen)} of {len(shares)} restores ended")
            time.sleep(_LOOK)
    return seen


def _taken(completions: QueueClient) -> list[dict[str, Any]]:
    pages = completions.receive_messages(max_messages=32, visibility_timeout=3600)
    return [json.loads(message.content)["data"] for message in pages]


def _by_official(arm: Emulated, shares: list[Share], scale: Scale) -> list[Seen]:
    """Restore each share, all at once: while one waits the others go on."""
    with (
        OfficialClient(
            arm.url, job_poll=scale.job_poll, operation_poll=30 / scale.time_scale
        ) as client,
        ThreadPoolExecutor(len(shares)) as pool,
    ):
        return list(pool.map(client.restore, shares))


def _ends(arm: Emulated) -> dict[str, float]:
    return {job["id"]: job["end"] / _TICKS for job in arm.jobs() if job["end"]}
