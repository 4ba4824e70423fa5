"""A thousand open restores, on young tables and on tables with a long history, in turn.

Azurite answers a query by walking through its whole table, whatever keys the query names, and a
read of one entity by an index. Both are timed here, so that growth that comes of walking can be
told from any other. Azure walks less: through one partition at most where the query names it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.counting import counted
from bench.figure import Bar, Figure
from bench.official import OfficialClient
from bench.records import Patterns, write_finished, write_open
from bench.scale import PRODUCTION, Scale
from bench.stage import Emulated, stored
from bench.sweeping import Sweeper, Swept, crowd, median_seconds, usual
from local.stack import Stack
from local.storage import tables_of

_LOOKUPS = 40


def measure(scale: Scale, patterns: Patterns) -> list[Figure]:
    """Sweep both in turn."""
    size = scale.some
    with (
        crowd(size) as arm,
        stored(arm, PRODUCTION) as young,
        stored(arm, PRODUCTION) as old,
        counted() as counting,
    ):
        begun = time.monotonic()
        write_finished(old.storage, patterns, scale.finished)
        filled = time.monotonic() - begun
        for stack in (young, old):
            write_open(stack.storage, patterns, arm, vaults=size.vaults)
        # The first sweep of a process makes connections and is not timed.
        sweepers = [Sweeper(stack, arm, counting) for stack in (young, old)]
        for sweeper in sweepers:
            sweeper.sweep()
        without, behind = _in_turn(sweepers, scale)
        lookups = [_lookups(stack) for stack in (young, old)]
        sdk_seconds, sdk_reads = _one_by_one(arm, scale.threads)
    one, other = usual(without), usual(behind)
    medians = [median_seconds(without), median_seconds(behind)]
    finished = f"{scale.finished:,} finished requests"
    return [
        Figure(
            name="sweep-reads-1000",
            title=f"ARM reads of a sweep, {size.restores:,} open restores in {size.vaults} vaults",
            unit="reads",
            goal=20,
            measured=max(each.arm_reads for each in without),
            beside=[Bar(label="official SDK, a read for each job", value=sdk_reads)],
            facts={
                "reads": one.reads,
                "transactions": one.transactions,
                "cpuSeconds": one.cpu,
                "medianSeconds": round(medians[0], 3),
                "sdkSeconds": round(sdk_seconds, 3),
            },
        ),
        Figure(
            name="history-time",
            title=f"Growth of a sweep's time with {finished} in the tables",
            unit="%",
            goal=10,
            measured=round(100 * (medians[1] / medians[0] - 1), 1),
            facts={
                "medianSeconds": [round(each, 3) for each in medians],
                "seconds": [[round(each.seconds, 3) for each in row] for row in (without, behind)],
                "cpuSeconds": [one.cpu, other.cpu],
                "azuriteMilliseconds": lookups,
                "fillSeconds": round(filled, 1),
            },
        ),
        Figure(
            name="history-reads",
            title=f"Growth of a sweep's reads with {finished} in the tables",
            unit="%",
            goal=10,
            measured=round(100 * (other.all_reads / one.all_reads - 1), 1),
            facts={
                "armReads": [one.arm_reads, other.arm_reads],
                "transactions": [one.transactions, other.transactions],
            },
        ),
    ]


def _in_turn(sweepers: list[Sweeper], scale: Scale) -> tuple[list[Swept], list[Swept]]:
    rounds: list[list[Swept]] = []
    begun = time.monotonic()
    while len(rounds) < scale.sweeps:
        # Each goes first as often as the other: the machine's mood is the same to both.
        if len(rounds) % 2:
            rounds.append([sweeper.sweep() for sweeper in sweepers])
        else:
            rounds.append([sweeper.sweep() for sweeper in sweepers[::-1]][::-1])
        if time.monotonic() - begun > scale.sweep_seconds:
            break
    return [each[0] for each in rounds], [each[1] for each in rounds]


def _lookups(stack: Stack) -> dict[str, float]:
    """Milliseconds of finding one record in Azurite: by a query for its keys, and by reading it."""
    with tables_of(stack.storage) as tables:
        records = tables.get_table_client("restores")
        one = next(iter(records.list_entities(results_per_page=1)))
        partition, row = str(one["PartitionKey"]), str(one["RowKey"])
        wanted = f"PartitionKey eq '{partition}' and RowKey eq '{row}'"
        return {
            "query": _milliseconds(lambda: list(records.query_entities(wanted))),
            "read": _milliseconds(lambda: records.get_entity(partition, row)),
        }


def _milliseconds(work: Callable[[], object]) -> float:
    took: list[float] = []
    for _ in range(_LOOKUPS):
        begun = time.perf_counter()
        work()
        took.append(time.perf_counter() - begun)
    return round(1000 * statistics.median(took), 2)


def _one_by_one(arm: Emulated, threads: int) -> tuple[float, int]:
    """Look at the same jobs with the official SDK, one read for each."""
    jobs = arm.jobs()
    with OfficialClient(arm.url) as client, ThreadPoolExecutor(threads) as pool:
        arm.clear()
        begun = time.perf_counter()
        list(pool.map(lambda job: client.status_of(job["vault_id"], job["id"]), jobs))
        return time.perf_counter() - begun, len(arm.calls())
