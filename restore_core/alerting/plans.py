"""Restore plans: the reviewed file that says which alert leads to which restore.

Knows the file, and that each plan in it must make good requests. Refuses to know alerts, and what
has been restored lately: cooldown and breaker are only said here, and counted elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from restore_core.errors import MessageInvalid, Problem
from restore_core.messages.fields import AsWord, Duration, EntryName, VaultIdText, as_tuple
from restore_core.messages.parsing import read_request
from restore_core.messages.request import (
    MAX_ITEMS,
    CopyOptions,
    Identity,
    Items,
    Labels,
    Priority,
    RestoreRequest,
    Source,
    Target,
)
from restore_core.messages.validation import (
    Model,
    as_meant,
    field_names,
    meant_field,
    moved,
    repeated,
)
from restore_core.policy.patterns import ResourcePattern
from restore_core.policy.reviewed_file import read_model

MAX_PLANS = 200
MAX_PATTERNS = 100
_LEAST_COOLDOWN, _MOST_COOLDOWN = timedelta(minutes=5), timedelta(days=30)


def _cooldown(length: timedelta) -> timedelta:
    if not _LEAST_COOLDOWN <= length <= _MOST_COOLDOWN:
        raise ValueError("must be 5 minutes to 30 days: PT5M to P30D")
    return length


def _up_to(most: int) -> BeforeValidator:
    """Take a list of one entry or more; pydantic itself counts only the valid ones."""

    def check(value: object) -> object:
        if isinstance(value, list) and not 1 <= len(value) <= most:
            raise ValueError(f"must have 1 to {most} entries")
        return as_tuple(value)

    return BeforeValidator(check)


TextPattern = Annotated[str, Field(min_length=1, max_length=256)]
Severity = Literal["Sev0", "Sev1", "Sev2", "Sev3", "Sev4"]


class Match(Model):
    """Which alerts a plan is for; every condition that is given must fit."""

    alert_rule: TextPattern = Field(
        description="The name of the alert rule, without case; * stands for any characters."
    )
    severity: Annotated[tuple[Severity, ...], _up_to(5)] | None = Field(
        default=None,
        description="Absent: any.",
        json_schema_extra={"minItems": 1, "maxItems": 5},
    )
    target_resource: Annotated[tuple[ResourcePattern, ...], _up_to(MAX_PATTERNS)] | None = Field(
        default=None,
        description="Patterns of ARM ids; one must fit one resource that the alert is about.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_PATTERNS},
    )
    monitoring_service: TextPattern | None = None


class PlanPoint(Model):
    """Which recovery point: the newest at or before the time of the alert, less a margin."""

    margin: Duration | None = Field(default=None, description="Absent: none.")
    max_age: Duration = Field(description="How old it may be when the alert fires.")


class Breaker(Model):
    """When a plan stops by itself: after so many failures within that time."""

    failures: Annotated[int, Field(ge=1, le=10)] = 3
    within: Duration = timedelta(days=1)


class Plan(Model):
    """Which alerts lead to which restore."""

    name: EntryName
    match: Match
    vault_id: VaultIdText | None = None
    source: Source
    items: Items | None = Field(
        default=None,
        description="Absent: the full share.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS},
    )
    recovery_point: PlanPoint
    target: Target
    copy_options: Annotated[CopyOptions, AsWord] | None = None
    identity: Identity | None = None
    alert_max_age: Duration = Field(
        default=timedelta(hours=1), description="An alert that is older starts nothing."
    )
    cooldown: Annotated[Duration, AfterValidator(_cooldown)] = Field(
        description="How long alerts of this plan and source are folded into one restore: "
        "PT5M to P30D."
    )
    breaker: Breaker = Breaker()
    priority: Annotated[Priority, AsWord] = Priority.NORMAL
    dry_run: bool = False
    start_deadline: Duration | None = None
    labels: Labels | None = None


class Plans(Model):
    """The file of plans: the first that fits an alert is taken."""

    schema_hint: str | None = Field(
        default=None, alias="$schema", description="For editors; nothing is read from there."
    )
    schema_version: Literal["1.0"]
    plans: Annotated[tuple[Plan, ...], _up_to(MAX_PLANS)] = Field(
        json_schema_extra={"minItems": 1, "maxItems": MAX_PLANS}
    )


_SMALLEST = {
    "schemaVersion": "1.0",
    "requestId": "plan",
    "recoveryPoint": {"select": "latest"},
}
SHARED = set(field_names(Plan)) & set(field_names(RestoreRequest)) - set(_SMALLEST)
"""What a plan has in common with its requests; a recovery point is something else in each."""


def read_plans(text: bytes, *, unproven_copy_options: bool = False) -> Plans:
    """Read the file.

    Raises:
        FileInvalid: with every problem, those included that each request of a plan would have.
    """
    return read_model(
        text, Plans, partial(_beyond_fields, unproven_copy_options=unproven_copy_options)
    )


def _beyond_fields(
    file: Mapping[str, object], found: Sequence[Problem], *, unproven_copy_options: bool
) -> list[Problem]:
    """Find names that are given twice, and what each request of a plan would have wrong."""
    listed = as_meant(file, Plans).get("plans")
    if not isinstance(listed, list) or len(listed) > MAX_PLANS:
        return []
    known = {problem.path for problem in found}
    more = [
        Problem(path=f"plans[{index}].name", message=f"is the name of plans[{first}] already")
        for index, first in repeated(listed, "name", str.casefold)
    ]
    for index, plan in enumerate(listed):
        each = _request_problems(plan, unproven_copy_options=unproven_copy_options)
        there = (moved(problem, f"plans[{index}]") for problem in each)
        more += (problem for problem in there if problem.path not in known)
    return more


def _request_problems(plan: object, *, unproven_copy_options: bool) -> Sequence[Problem]:
    """Return what would be wrong with every request of a plan, under the names that it uses."""
    if not isinstance(plan, Mapping):
        return ()
    fields = field_names(Plan)
    body = {
        name: held
        for name, held in plan.items()
        if (name if name in fields else meant_field(name, fields)) in SHARED
    }
    try:
        read_request(_SMALLEST | body, unproven_copy_options=unproven_copy_options)
    except MessageInvalid as error:
        return error.problems
    return ()
