"""`python -m tests.storm --alerts N`: send a storm, print a page, exit 0 or 1."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.storm.storm import Result, run

ACCEPTED_WITHIN_SECONDS = 30.0


def main() -> int:
    """Run a storm; 0 when all was as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000, help="at least 4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900.0, help="seconds to be answered in")
    parser.add_argument("--keep", type=Path, help="keep the host's log in this file")
    chosen = parser.parse_args()
    begun = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:6.1f} s  {text}\n")

    result = run(
        seed=chosen.seed,
        alerts=chosen.alerts,
        patience=chosen.patience,
        accepted_within=ACCEPTED_WITHIN_SECONDS,
        tell=tell,
        keep=chosen.keep,
    )
    sys.stdout.write(page(result) + "\n")
    return 1 if result.faults else 0


def page(result: Result) -> str:
    """The summary of a storm."""
    who = "the alert that came in copies" if result.starting > 1 else "one of the other alerts"
    again = max(0, result.starting - 1)
    rows = {
        "sent": f"in {result.sending:.1f} s, {_rate(result.alerts, result.sending)}",
        "answered": f"in {result.emptying:.1f} s, {_rate(result.alerts, result.emptying)}; "
        f"at most {result.most_waiting} messages waited",
        "restore": f"one, of {result.starter}, {who};",
        "": f"it ended {result.recovery:.1f} s after the alert was sent",
        "folded": f"{result.folded} alerts, {_rate(result.folded, result.emptying)}; "
        f"{result.counted} by the claim's count",
        "duplicates": f"{again} of the alert that started it; {result.came_again} messages came "
        "again after a broken call",
        "pipeline": f"its request, sent in the middle, was accepted after {result.accepted:.1f} s "
        f"and ended after {result.refreshed:.1f} s",
    }
    lines = [
        f"Storm, seed {result.seed}: {result.alerts} alerts, {result.copies} of them copies of one",
        "",
        *(f"  {name:12}{text}" for name, text in rows.items()),
        "",
        *(f"  {fault}" for fault in result.faults),
        "  NOT as it must be" if result.faults else "  one restore, and everybody is answered",
    ]
    return "\n".join(lines)


def _rate(count: int, seconds: float) -> str:
    return f"{count / max(seconds, 0.001):.0f} per second"


if __name__ == "__main__":
    sys.exit(main())
