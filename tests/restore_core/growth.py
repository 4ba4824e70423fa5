"""How the work on an input grows with its size, told without a limit in seconds.

A machine that is half as fast takes twice as long for the small input and for the large one alike,
so that only their ratio is judged, in processor time. Work that grows as a power shows it there;
work that explodes does not come back before pytest's own limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_TIMES = 4
"""The large input is so many times the small one."""
_FEWEST_ROUNDS, _MOST_ROUNDS = 3, 12
"""Both are measured anew so often before the verdict is yes, and no. Noise adds to a measurement
and never takes from it, so the least of all rounds is judged.
"""
_NOISE_SECONDS = 0.05
"""What comes of caches, of the collector and of the first call."""


def assert_grows_at_most(power: int, work: Callable[[int], object], size: int) -> None:
    """Assert that work on an input of a size grows about as `size ** power`, and no steeper."""
    small = large = float("inf")
    for done in range(1, _MOST_ROUNDS + 1):
        small = min(small, _thread_time(work, size // _TIMES))
        large = min(large, _thread_time(work, size))
        # Halfway to the next power.
        allowed = _TIMES ** (power + 0.5) * small + _NOISE_SECONDS
        if done >= _FEWEST_ROUNDS and large <= allowed:
            return
    raise AssertionError(f"{small:.4f} s for {size // _TIMES}, {large:.4f} s for {size}")


def _thread_time(work: Callable[[int], object], size: int) -> float:
    began = time.thread_time()
    work(size)
    return time.thread_time() - began
