"""The faults of a campaign: spells of bad weather over the vault, from a seed.

No fault here starts a second job, ends a request by lying about what exists, or lasts for ever:
whatever the app makes of these, the laws must hold.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from tests.stack.outside import Json

READS = ["list_items", "list_points", "operation", "list_jobs", "job"]
_EVERY = [*READS, "restore", "cancel"]
HANG_SECONDS = 4.0
"""Longer than the app waits for an answer."""
LATE_SERVICE_SECONDS = 90.0


def _rule(on: str | list[str], chance: float, kind: str, **action: object) -> Json:
    return {
        "on": on,
        "times": None,
        "probability": chance,
        "action": {"kind": kind, **action},
    }


# A job that is listed late and whose 202 is lost is what the grace is for.
_LATE = _rule("restore", 0.3, "late_job", seconds=LATE_SERVICE_SECONDS)
# Shaping faults come first: those that make the answer by themselves end the list for a call.
_JOBS = (
    _rule("restore", 0.08, "late_job", seconds=LATE_SERVICE_SECONDS),
    _rule("restore", 0.05, "outcome", status="Failed"),
    _rule("restore", 0.05, "outcome", locked=["*a.txt"]),
    _rule("restore", 0.04, "outcome", duration=300),
    _rule("restore", 0.02, "outcome", status="Failed", duration=5),
    _rule("restore", 0.02, "operation_error", code="CloudInternalError", message="It failed."),
    _rule("job", 0.03, "job_status", status="Dreaming"),
    _rule("list_jobs", 0.03, "job_status", status="Dreaming"),
    _rule("operation", 0.05, "operation_status", status="Dreaming"),
)
_LOST = (
    _rule("restore", 0.04, "reset", processed=True),
    _rule("restore", 0.03, "truncate"),
    _rule("restore", 0.02, "truncate", keep=30),
    _rule("restore", 0.02, "drip", seconds=HANG_SECONDS),
    _rule("restore", 0.02, "hang", seconds=HANG_SECONDS, processed=True),
    _rule("restore", 0.02, "status", status=500, processed=True),
    _rule("restore", 0.02, "status", status=502, body="<html>", processed=True),
    _rule("restore", 0.02, "status", status=408, processed=True),
    _rule("restore", 0.02, "status", status=200, processed=True),
    _rule("restore", 0.02, "not_json"),
    _rule("restore", 0.02, "merge", headers={"Azure-AsyncOperation": None, "Location": None}),
    _rule("restore", 0.02, "foreign", origin="https://elsewhere.invalid"),
)
_NEVER_CAME = (
    _rule("restore", 0.03, "reset"),
    _rule("restore", 0.02, "status", status=503),
    _rule("restore", 0.01, "hang", seconds=HANG_SECONDS),
    _rule("restore", 0.02, "delay", seconds=HANG_SECONDS),
)
_NOT_NOW = (
    _rule("restore", 0.05, "status", status=429, code="TooManyRequests", retry_after=1),
    _rule("restore", 0.02, "status", status=429, retry_after_date=2),
    _rule(
        "restore",
        0.02,
        "status",
        status=409,
        code="UserErrorAnotherRestoreInProgressOnSameTarget",
    ),
    _rule("restore", 0.02, "status", status=403, code="AuthorizationFailed"),
    _rule("restore", 0.01, "status", status=401, code="AuthenticationFailed"),
    _rule("restore", 0.01, "status", status=400, code="BMSUserErrorInvalidInput"),
)
_READS = (
    _rule(READS, 0.03, "reset"),
    _rule(READS, 0.02, "truncate"),
    _rule(READS, 0.02, "status", status=500),
    _rule(READS, 0.02, "status", status=429, retry_after=1),
    _rule(READS, 0.01, "status", status=404, body={}),
    _rule(READS, 0.01, "status", status=403, code="AuthorizationFailed"),
    _rule(READS, 0.01, "empty"),
    _rule(READS, 0.01, "not_json"),
    _rule(READS, 0.005, "hang", seconds=HANG_SECONDS),
    _rule(READS, 0.005, "drip", seconds=HANG_SECONDS),
    _rule(READS, 0.005, "redirect", location="https://elsewhere.invalid/"),
    _rule(["list_items", "list_points", "list_jobs"], 0.02, "foreign", origin="http://10.0.0.1"),
)
_CANCELS = (
    _rule("cancel", 0.15, "reset", processed=True),
    _rule("cancel", 0.1, "status", status=503),
    _rule("cancel", 0.1, "status", status=409, code="Conflict"),
)
SPELLS: Mapping[str, Sequence[Json]] = {
    "unsettled": (*_JOBS, *_LOST, *_NEVER_CAME, *_NOT_NOW, *_READS, *_CANCELS),
    "lost answers": (_LATE, *_JOBS, *_LOST, *_LOST, *_CANCELS),
    "bad reads": (*_JOBS, *_READS, *_READS, *_READS, *_CANCELS),
    "throttled": (*_JOBS, _rule(_EVERY, 0.3, "status", status=429, retry_after=1), *_NOT_NOW),
    "outage": (*_JOBS, _rule(_EVERY, 0.5, "status", status=503), _rule(_EVERY, 0.3, "reset")),
    "fair": _JOBS,
}
_WEIGHTS = (8, 4, 4, 2, 1, 2)


def spell(chance: random.Random) -> tuple[str, list[Json]]:
    """Choose the next spell of weather: its name, and the faults of it with seeds of their own."""
    (name,) = chance.choices(list(SPELLS), _WEIGHTS)
    return name, [{**rule, "seed": chance.randrange(2**31)} for rule in SPELLS[name]]
