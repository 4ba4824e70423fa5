"""`python -m tests.chaos --seed N --requests N`: run a campaign, print a page, exit 0 or 1."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from tests.chaos.campaign import Result, run
from tests.chaos.laws import Law

_SHOWN = 25


def main() -> int:
    """Run a campaign; 0 when every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--kills", type=int, help="times that hosts are killed (requests / 15)")
    parser.add_argument(
        "--outages", type=int, help="times that storage is gone (requests / 250, at least one)"
    )
    parser.add_argument("--patience", type=float, default=240.0, help="seconds to come to rest in")
    parser.add_argument("--keep", type=Path, help="keep the hosts' logs here")
    chosen = parser.parse_args()
    begun = time.monotonic()

    def tell(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - begun:6.1f} s  {text}\n")

    result = run(
        seed=chosen.seed,
        requests=chosen.requests,
        kills=chosen.requests // 15 if chosen.kills is None else chosen.kills,
        outages=max(1, chosen.requests // 250) if chosen.outages is None else chosen.outages,
        patience=chosen.patience,
        tell=tell,
        keep=chosen.keep,
    )
    sys.stdout.write(page(result) + "\n")
    return 0 if result.survived else 1


def page(result: Result) -> str:
    """The summary of a campaign."""
    messages = result.kinds.total()
    broken = Counter(breach.law for breach in result.breaches)
    again = max(0, result.invocations - messages)
    lines = [
        f"Chaos, seed {result.seed}: {result.requests} requests in {result.seconds:.0f} s",
        "",
        f"  messages    {messages}: {_counted(result.kinds)}",
        f"              redelivered at least {again} times, {result.poisoned} given up by the host",
        f"  hosts       {_counted(result.done)}",
        f"  weather     {_counted(result.spells)}",
        f"  calls       {result.calls} of Azure, struck by {result.faults.total()} faults:",
        f"              {_counted(result.faults)}",
        f"  restores    {result.jobs} jobs, {result.adopted} adopted after a lost answer;",
        f"              {result.tried_again} requests needed more than one try of a part,",
        f"              {result.in_parts} ran in parts",
        f"  events      {result.events}, {result.copies} of them copies",
        "",
        *(f"  {count:5d}  {end}" for end, count in result.ends.most_common()),
        "",
        "  " + ", ".join(f"{broken[law]} {law}" for law in Law),
        *(f"  {one.law}: {one.subject}: {one.text}" for one in result.breaches[:_SHOWN]),
        *(f"  a host failed by itself: {text}" for text in result.died[:_SHOWN]),
        *(f"  a step failed: {text}" for text in result.worries[:_SHOWN]),
        "  every law held" if result.survived else "  NOT survived",
    ]
    return "\n".join(lines)


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main())
