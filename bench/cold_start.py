"""The cold start: import and first invocation in fresh processes, ours and the peer's in turn.

A third app imports what neither can do without, and does nothing: the floor.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import estate
from bench.estate import Share
from bench.figure import Bar, Figure
from bench.scale import PRODUCTION, Scale
from bench.stage import FOR_EVER, Emulated, by_kind, emulated, stored
from local.stack import ROOT, Stack

_APPS = {"ours": "function_app", "sdk": "bench.sdk_app", "bare": "bench.bare_app"}
_SECONDS = 60


def measure(scale: Scale) -> list[Figure]:
    """Start each app so often."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        root = Path(folder) / "vault"
        shares = iter(estate.build(root, shares=3 * (scale.starts + 1), files=False))
        started: dict[str, list[dict[str, float]]] = {name: [] for name in _APPS}
        calls: dict[str, dict[str, int]] = {}
        with emulated(root, job_seconds=FOR_EVER) as arm, stored(arm, PRODUCTION) as stack:
            # The first of each compiles modules that nobody imported before; it does not count.
            for turn in range(scale.starts + 1):
                for name, app in _APPS.items():
                    one, made = _started(app, next(shares), stack, arm)
                    calls[name] = made
                    if turn:
                        started[name].append(one)
    whole = {name: _median(each, "import", "invocation") for name, each in started.items()}
    return [
        Figure(
            name="cold-start",
            title="Cold start, import and first invocation, against the official SDK",
            unit="of the peer's",
            goal=0.75,
            measured=round(whole["ours"] / whole["sdk"], 3),
            beside=[
                Bar(label="the same app on the official SDK", value=1.0),
                Bar(
                    label="imports that neither does without",
                    value=round(whole["bare"] / whole["sdk"], 3),
                ),
            ],
            facts={
                "milliseconds": {name: round(1000 * one) for name, one in whole.items()},
                "importMilliseconds": {
                    name: round(1000 * _median(each, "import")) for name, each in started.items()
                },
                "invocationMilliseconds": {
                    name: round(1000 * _median(each, "invocation"))
                    for name, each in started.items()
                },
                "modules": {name: each[-1]["modules"] for name, each in started.items()},
                "armCalls": calls,
            },
        )
    ]


def _started(
    app: str, share: Share, stack: Stack, arm: Emulated
) -> tuple[dict[str, float], dict[str, int]]:
    arm.clear()
    ran = subprocess.run(
        [sys.executable, "-m", "bench.first_invocation", app],
        input=share.request(f"start-{share.number}").encode(),
        capture_output=True,
        env=_environment(stack),
        cwd=ROOT,
        timeout=_SECONDS,
        check=True,
    )
    calls = by_kind(arm.calls())
    if app != _APPS["bare"] and calls.get("restore") != 1:
        raise AssertionError(f"{app} started no restore: {calls}")
    result: dict[str, float] = json.loads(ran.stdout)
    return result, calls


def _environment(stack: Stack) -> dict[str, str]:
    """The app's settings; whatever the shell says, compiled modules are kept, as by default."""
    environment = {**os.environ, **stack.settings}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _median(each: list[dict[str, float]], *names: str) -> float:
    return statistics.median(sum(one[name] for name in names) for one in each)
