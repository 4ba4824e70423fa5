"""How far one timer reaches: a sweep of thousands of open restores in many vaults."""

from __future__ import annotations

import time

from bench.counting import counted
from bench.figure import Bar, Figure
from bench.records import Patterns, write_open
from bench.scale import PRODUCTION, TICK_SECONDS, Scale
from bench.stage import stored
from bench.sweeping import Sweeper, Swept, crowd, median_seconds, plain_reads, usual


def measure(scale: Scale, patterns: Patterns) -> list[Figure]:
    """Sweep them again and again."""
    size = scale.many
    with crowd(size) as arm, stored(arm, PRODUCTION) as stack, counted() as counting:
        write_open(stack.storage, patterns, arm, vaults=size.vaults)
        sweeper = Sweeper(stack, arm, counting)
        sweeper.sweep()  # makes connections
        swept: list[Swept] = []
        begun = time.monotonic()
        while len(swept) < scale.sweeps and time.monotonic() - begun < scale.sweep_seconds:
            swept.append(sweeper.sweep())
        plain = plain_reads(stack, arm, threads=scale.threads)
    one = usual(swept)
    many = f"{size.restores:,} open restores in {size.vaults} vaults"
    return [
        Figure(
            name="sweep-reads-5000",
            title=f"ARM reads of a sweep, {many}",
            unit="reads",
            goal=200,
            measured=max(each.arm_reads for each in swept),
            beside=[Bar(label="a read for each job, by count", value=size.restores)],
            facts={"reads": one.reads},
        ),
        Figure(
            name="sweep-time-5000",
            title=f"Time of a sweep, {many}",
            unit="s",
            goal=TICK_SECONDS / 2,
            measured=round(median_seconds(swept), 2),
            beside=[Bar(label="the work list and the job lists alone", value=round(plain, 2))],
            facts={
                "seconds": [round(each.seconds, 2) for each in swept],
                "transactions": one.transactions,
                "cpuSeconds": one.cpu,
            },
        ),
    ]
