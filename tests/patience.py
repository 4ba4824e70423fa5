"""How long a test waits for what must come.

It is a net under the suite and no measure of anything: what comes, comes far sooner, and no verdict
may depend on how busy the machine is. It is shorter than pytest's own limit for a test, so that a
test that waits in vain can say what it waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0


def eventually(
    look: Callable[[], object], seconds: float = PATIENCE, *, every: float = 0.02
) -> None:
    """Wait until `look` gives something true."""
    give_up = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < give_up, f"it did not happen in {seconds:g} s"
        time.sleep(every)
