"""How Hypothesis runs in every test here: one profile, so that no verdict depends on the machine.

Every run of the suite draws the same examples, so that a red run means a changed program and not
another draw; `make fuzz SEED=…` is where new ones come from. (Hypothesis also draws constants that
it finds in the modules that are loaded, so one file by itself may draw others than the suite.)
No database of earlier failures is read or written: a fresh clone behaves as an old one does.
Hypothesis also measures how long it takes, and would fail a test because other work runs beside
it: those limits are off.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

PROFILE = "suite"
SPEED_CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
"""`too_slow` reads a clock. The other two judge how much a strategy draws, which is ours to weigh:
hostile input is large on purpose.
"""

settings.register_profile(
    PROFILE,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=SPEED_CHECKS,
)


def load() -> None:
    """Put the profile in force, also where `CI` has made Hypothesis choose one of its own."""
    settings.load_profile(PROFILE)
