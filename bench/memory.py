"""The peak memory of the host's process, with few open restores and with thousands.

The host is the real one with the real worker library in it; it is measured once it has swept every
vault twice. Linux tells a process's peak; elsewhere the figure stays open.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from bench.figure import Bar, Figure
from bench.machine import peak_mib
from bench.records import Patterns, write_open
from bench.scale import PRODUCTION, Crowd, Scale
from bench.stage import Emulated, arrived, hosted, stored
from bench.sweeping import crowd

_ROUNDS = 2
_SECONDS = 150.0


def measure(scale: Scale, patterns: Patterns) -> list[Figure]:
    """Run the host on both, one after the other."""
    peaks = {
        size.restores: _peak(size, patterns, poll=scale.memory_poll)
        for size in (scale.few, scale.many)
    }
    few, many = peaks[scale.few.restores], peaks[scale.many.restores]
    return [
        Figure(
            name="memory",
            title=f"Peak memory of the host at {scale.many.restores:,} open restores, against "
            f"{scale.few.restores}",
            unit="times",
            goal=1.3,
            measured=round(many / few, 2) if many and few else None,
            beside=[Bar(label=f"at {scale.few.restores} open restores", value=1.0)],
            facts={"peakMiB": {str(size): round(peak, 1) for size, peak in peaks.items()}},
        )
    ]


def _peak(size: Crowd, patterns: Patterns, *, poll: float) -> float:
    """Peak resident memory in MiB; 0 where the system does not tell it.

    The job poll is short, so that two rounds come soon: the peak is that of one.
    """
    settings: Mapping[str, str] = {
        **PRODUCTION,
        "RESTORE_POLL_SCHEDULE": "* * * * * *",
        "RESTORE_JOB_POLL_SECONDS": f"{poll:g}",
    }
    with crowd(size) as arm, stored(arm, settings) as stack:
        write_open(stack.storage, patterns, arm, vaults=size.vaults)
        arm.clear()
        with hosted(stack) as host:
            _await_rounds(arm, size.vaults, poll)
            return peak_mib(host.pid)


def _await_rounds(arm: Emulated, vaults: int, poll: float) -> None:
    """Wait until each vault was asked in two sweeps at least."""
    give_up = time.monotonic() + _SECONDS
    while time.monotonic() < give_up:
        time.sleep(1)
        rounds: dict[str, int] = {}
        last: dict[str, float] = {}
        for call in arm.calls():
            vault = str(call["path"]).partition("/vaults/")[2].partition("/")[0]
            at = arrived(call)
            if at - last.get(vault, 0) > poll / 2:
                rounds[vault] = rounds.get(vault, 0) + 1
            last[vault] = at
        if len(rounds) == vaults and min(rounds.values()) >= _ROUNDS:
            return
    raise TimeoutError(f"not every vault was asked in {_ROUNDS} sweeps")
