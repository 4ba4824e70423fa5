"""`python -m tests.fuzz --examples N --seed S`: a large campaign of hostile messages."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from tests.fuzz.campaign import Campaign, run

_EVERY = 1000


def main() -> int:
    """Run the campaign, say what became of the messages, and fail where a bug was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000, help="how many messages")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same messages")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    begun = time.monotonic()

    def progress(campaign: Campaign) -> None:
        if campaign.sent % _EVERY == 0:
            sys.stderr.write(f"{campaign.sent} sent, {len(campaign.bugs)} bugs\n")

    campaign = run(options.examples, options.seed, progress=progress)
    took = f"seed {options.seed}, {time.monotonic() - begun:.0f} s"
    sys.stdout.write(f"{campaign.sent} messages, {took}\n{summary(campaign)}\n")
    return 1 if campaign.bugs else 0


def summary(campaign: Campaign) -> str:
    """Say what became of the messages."""
    tally = campaign.tally
    lines = [f"  {count:6}  {outcome}" for outcome, count in tally.outcomes.most_common()]
    lines += [
        f"{len(tally.problems)} kinds of problem were named, {tally.urls} URLs were made",
        f"the longest event has {tally.longest} bytes",
        f"{len(campaign.bugs)} bugs",
    ]
    for bug, body in campaign.bugs.items():
        lines += [f"  {bug}", f"    {len(body)} bytes: {body[:300]!r}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
