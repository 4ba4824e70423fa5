"""How much is measured: the sizes of a whole run, and of a quick one that only shows that it works.

Knows sizes and times, nothing else. Time is the service's and is scaled as a whole: the emulator's
jobs, the app's polls and its tick are all shorter by the same factor, so that counts stay what they
are in production.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGE_SIZE = 200
"""Of the emulator's lists. How large Azure's pages are is not established."""
TICK_SECONDS = 15.0
OPERATION_POLL_SECONDS = 5.0
JOB_POLL_SECONDS = 30.0
JOB_SECONDS = 33.0
"""How long a restore of a small share took where somebody recorded one."""

# An empty value is a default: production's, where the sample file for a laptop is quicker.
PRODUCTION = dict.fromkeys(
    (
        "RESTORE_OPERATION_POLL_SECONDS",
        "RESTORE_JOB_POLL_SECONDS",
        "RESTORE_RETRY_BASE_SECONDS",
        "RESTORE_RETRY_MAX_SECONDS",
        "RESTORE_SWEEP_BUDGET_SECONDS",
        "RESTORE_SWEEP_THREADS",
        "RESTORE_ADOPTION_GRACE_SECONDS",
    ),
    "",
)


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Open restores, spread evenly over vaults."""

    restores: int
    vaults: int

    @property
    def each(self) -> int:
        """The open restores of one vault."""
        return self.restores // self.vaults


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of a run."""

    name: str
    time_scale: float
    """At most 15, where the tick is one second and cannot be shorter, if counts are to be true."""
    restores: int
    """Sent at once into one vault."""
    spread: int
    """Sent one after the other, so that their jobs end at any time between two ticks."""
    some: Crowd
    many: Crowd
    few: Crowd
    """What the host's memory at `many` is held against."""
    finished: int
    """Requests in the tables' history."""
    sweeps: int
    """How often a sweep is timed; the median counts."""
    sweep_seconds: float
    """No further sweep is timed after that."""
    accepted: int
    threads: int
    sent: int
    """Requests whose way from message to POST is timed, one by one."""
    starts: int
    """Fresh processes of each app."""
    memory_poll: float
    """Of the host whose memory is measured: seconds between two looks at a job."""

    @property
    def tick(self) -> float:
        """Seconds between two sweeps here."""
        return max(TICK_SECONDS / self.time_scale, 1.0)

    @property
    def job_poll(self) -> float:
        """Seconds between two looks at a job here."""
        return JOB_POLL_SECONDS / self.time_scale

    @property
    def settings(self) -> dict[str, str]:
        """Production's settings, as short as the emulator's time."""
        seconds = {
            "RESTORE_OPERATION_POLL_SECONDS": OPERATION_POLL_SECONDS,
            "RESTORE_JOB_POLL_SECONDS": JOB_POLL_SECONDS,
            "RESTORE_RETRY_BASE_SECONDS": 5,
            "RESTORE_RETRY_MAX_SECONDS": 300,
            "RESTORE_ADOPTION_GRACE_SECONDS": 900,
        }
        return {
            **PRODUCTION,
            "RESTORE_POLL_SCHEDULE": f"*/{self.tick:.0f} * * * * *",
            **{name: f"{each / self.time_scale:.6f}" for name, each in seconds.items()},
        }


FULL = Scale(
    name="full",
    time_scale=7.5,
    restores=100,
    spread=24,
    some=Crowd(restores=1000, vaults=10),
    many=Crowd(restores=5000, vaults=100),
    few=Crowd(restores=50, vaults=5),
    finished=100_000,
    sweeps=5,
    sweep_seconds=60,
    accepted=600,
    threads=8,
    sent=100,
    starts=9,
    memory_poll=6,
)
QUICK = Scale(
    name="quick",
    time_scale=30,
    restores=4,
    spread=3,
    some=Crowd(restores=20, vaults=2),
    many=Crowd(restores=40, vaults=4),
    few=Crowd(restores=10, vaults=2),
    finished=300,
    sweeps=1,
    sweep_seconds=5,
    accepted=16,
    threads=4,
    sent=4,
    starts=1,
    memory_poll=1.2,
)
