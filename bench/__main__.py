"""`python -m bench`: measure, write each figure as it comes, print the table."""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench import (
    accepting,
    cold_start,
    end_to_end,
    history,
    machine,
    memory,
    reach,
    table,
    transactions,
)
from bench.figure import Figure
from bench.records import Patterns
from bench.results_file import Results
from bench.scale import FULL, QUICK, Scale

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
    measure: Callable[[Run], Iterable[Figure]]
    """Gives each as soon as it is there."""


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
    """Measure what is wanted; the exit status tells only whether everything could be measured.

    A part that fails does not keep the others from being measured. A run always begins anew: what
    counts are ratios, and figures of one table are to come from one machine in one mood.
    """
    chosen = _arguments(arguments)
    logging.basicConfig(level=logging.ERROR)
    parts = {
        name: part
        for name, part in PARTS.items()
        if not chosen.only or {name, *part.figures} & set(chosen.only)
    }
    results = Results(
        scale=QUICK if chosen.quick else FULL,
        machine=machine.described(),
        wanted=[name for part in parts.values() for name in part.figures],
    )
    results.write(chosen.results)
    try:
        _measure(parts, results, chosen.results)
    finally:
        if results.figures:
            print(table.written(results.figures))
        if results.missing:
            print(
                f"bench: not measured: {', '.join(results.missing)}. What was measured is in "
                f"{chosen.results}; `--only NAME` measures a figure by itself.",
                file=sys.stderr,
            )
    if results.missing:
        return 1
    if chosen.keep is not None:
        results.write(chosen.keep)
    return 0


def _measure(parts: Mapping[str, Part], results: Results, folder: Path) -> None:
    """Measure part after part, and write each figure as soon as it is there."""
    run = Run(scale=results.scale)
    for name, part in parts.items():
        print(f"measuring {name}: {', '.join(part.figures)}", file=sys.stderr, flush=True)
        begun = time.monotonic()
        try:
            for figure in part.measure(run):
                results.figures.append(figure)
                results.write(folder)
        except Exception:  # noqa: BLE001  (whatever it is, the other parts can still be measured)
            traceback.print_exc()
            continue
        results.seconds[name] = round(time.monotonic() - begun, 1)
        results.write(folder)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: shows that it works")
    names = sorted({*PARTS, *(name for part in PARTS.values() for name in part.figures)})
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--results", type=Path, help="the folder to write into")
    chosen = parser.parse_args(arguments)
    # What is kept beside the program is a whole run at full size, once all of it is there.
    whole = not chosen.quick and not chosen.only and chosen.results is None
    chosen.keep = _RESULTS if whole else None
    chosen.results = chosen.results or Path(".data") / "bench"
    return chosen


if __name__ == "__main__":
    sys.exit(main())
