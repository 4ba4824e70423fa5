"""`python -m tests.storm --alerts N`: send a storm, print a page, exit 0 or 1."""

from __future__ import annotations

import argparse
import sys
import time

from tests.storm.storm import Result, run


def main() -> int:
    """Run a storm; 0 when all was as it must be."""
    parser = argparse.ArgumentParser(prog="python -m tests.storm", description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000, help="at least 4")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patience", type=float, default=900.0, help="seconds to be answered in")
    chosen = parser.parse_args()
    begun = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:6.1f} s  {text}\n")

    result = run(seed=chosen.seed, alerts=chosen.alerts, patience=chosen.patience, tell=tell)
    sys.stdout.write(page(result) + "\n")
    return 1 if result.faults else 0


def page(result: Result) -> str:
    """The summary of a storm."""
    copied = "the alert that came in copies" if result.starting > 1 else "one of the others"
    lines = [
        f"Storm, seed {result.seed}: {result.alerts} alerts of one rule, {result.copies} of them "
        "copies of one alert",
        "",
        f"  sent        in {result.sending:.1f} s, {_rate(result.alerts, result.sending)}; at most "
        f"{result.most_waiting} messages stood on the queue",
        f"  answered    the queue was empty after {result.emptying:.1f} s, "
        f"{_rate(result.alerts, result.emptying)}",
        f"  restore     one, by {copied}: {result.starter},",
        f"              at its end {result.recovery:.1f} s after its alert",
        f"  folded      {result.folded} alerts, {_rate(result.folded, result.emptying)}; "
        f"the claim counts {result.counted}",
        f"  duplicates  {max(0, result.starting - 1)} of the alert that started it, "
        f"{result.event_copies} copies of events",
        f"  pipeline    its request, sent in the middle, was accepted after "
        f"{result.accepted:.1f} s",
        f"              and at its end after {result.refreshed:.1f} s",
        "",
        *(f"  {fault}" for fault in result.faults),
        "  NOT as it must be" if result.faults else "  every alert is answered, by one restore",
    ]
    return "\n".join(lines)


def _rate(count: int, seconds: float) -> str:
    return f"{count / max(seconds, 0.001):.0f} per second"


if __name__ == "__main__":
    sys.exit(main())
