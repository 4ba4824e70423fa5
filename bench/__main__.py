"""`python -m bench`: measure, print the table, write `bench/results/`."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import (
    accepting,
    cold_start,
    end_to_end,
    history,
    machine,
    memory,
    pictures,
    reach,
    table,
    transactions,
)
from bench.figure import Figure
from bench.records import Patterns
from bench.scale import FULL, JOB_SECONDS, PAGE_SIZE, QUICK, TICK_SECONDS, Scale

SCHEMA = 1
_RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the parts of one run share."""

    scale: Scale

    @cached_property
    def patterns(self) -> Patterns:
        """The records that crowds are copied from; made when a part first wants them."""
        return Patterns.made()


@dataclass(frozen=True, kw_only=True)
class Part:
    """Figures that are measured together."""

    figures: Sequence[str]
    measure: Callable[[Run], list[Figure]]


PARTS: Mapping[str, Part] = {
    "cold-start": Part(figures=("cold-start",), measure=lambda run: cold_start.measure(run.scale)),
    "restores": Part(
        figures=("arm-calls", "end-to-event"), measure=lambda run: end_to_end.measure(run.scale)
    ),
    "transactions": Part(
        figures=("idle-tick", "request-transactions"),
        measure=lambda run: transactions.measure(run.scale),
    ),
    "accepting": Part(
        figures=("accept-rate", "own-time"), measure=lambda run: accepting.measure(run.scale)
    ),
    "history": Part(
        figures=("sweep-reads-1000", "history-time", "history-reads"),
        measure=lambda run: history.measure(run.scale, run.patterns),
    ),
    "reach": Part(
        figures=("sweep-reads-5000", "sweep-time-5000"),
        measure=lambda run: reach.measure(run.scale, run.patterns),
    ),
    "memory": Part(
        figures=("memory",), measure=lambda run: memory.measure(run.scale, run.patterns)
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is wanted; the exit status tells only whether everything could be measured."""
    chosen = _arguments(arguments)
    logging.basicConfig(level=logging.ERROR)
    scale = QUICK if chosen.quick else FULL
    run, figures, seconds = Run(scale=scale), [], {}
    made_on = machine.described()
    for name, part in PARTS.items():
        if chosen.only and not {name, *part.figures} & set(chosen.only):
            continue
        print(f"measuring {name}: {', '.join(part.figures)}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        figures += part.measure(run)
        seconds[name] = round(time.monotonic() - begun, 1)
    print(table.written(figures))
    write(chosen.results, results(scale, made_on, figures, seconds), figures)
    return 0


def results(
    scale: Scale,
    made_on: Mapping[str, Any],
    figures: Sequence[Figure],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """The content of `results.json`; docs/performance.md explains it."""
    return {
        "schema": SCHEMA,
        "scale": scale.name,
        "madeAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "machine": made_on,
        "emulator": {
            "pageSize": PAGE_SIZE,
            "timeScale": scale.time_scale,
            "tickSeconds": TICK_SECONDS,
            "jobSeconds": JOB_SECONDS,
        },
        "seconds": {**seconds, "all": round(sum(seconds.values()), 1)},
        "figures": [one.to_json() for one in figures],
    }


def write(folder: Path, content: Mapping[str, Any], figures: Sequence[Figure]) -> None:
    """Write the results and a picture for each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(
        json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    for one in figures:
        (folder / f"{one.name}.svg").write_text(pictures.figure(one), encoding="utf-8")
    (folder / "overview.svg").write_text(pictures.overview(figures), encoding="utf-8")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works")
    names = sorted({*PARTS, *(name for part in PARTS.values() for name in part.figures)})
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--results", type=Path, help="the folder to write into")
    chosen = parser.parse_args(arguments)
    if chosen.results is None:
        # What is kept beside the program is a whole run at full size.
        whole = not chosen.quick and not chosen.only
        chosen.results = _RESULTS if whole else Path(".data") / "bench"
    return chosen


if __name__ == "__main__":
    sys.exit(main())
