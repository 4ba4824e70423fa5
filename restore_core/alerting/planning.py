"""From an alert and the plans to a request, or to the reason why there is none.

Knows which plan an alert fits and what request comes of both. Refuses to let an alert say more: it
chooses among plans and gives the time; whatever else stands in the request was reviewed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from restore_core.alerting.plans import SHARED, Match, Plan, Plans
from restore_core.messages.alerts import Alert
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.policy.patterns import id_matches, matches
from restore_core.times import format_duration, format_time

CLOCK_SKEW = timedelta(minutes=5)
_MAX_REASON = 256


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The plan to act by."""

    plan: Plan


@dataclass(frozen=True, kw_only=True)
class NotFired:
    """The alert is over, or never began."""

    why: str


@dataclass(frozen=True, kw_only=True)
class NoPlan:
    """No plan is for this alert, or not now."""

    why: str


def find_plan(plans: Plans, alert: Alert) -> Matched | NotFired | NoPlan:
    """Return the plan for an alert: the first that fits, or the one that the alert names."""
    if not alert.is_fired:
        return NotFired(why=f"the alert is {_shown(alert.condition)}; only Fired starts a restore")
    if alert.is_backup_job:
        return NoPlan(
            why="the alert is Azure Backup's own, about a job; a failed restore starts no other"
        )
    candidates = plans.plans
    if alert.plan is not None:
        candidates = tuple(plan for plan in plans.plans if plan.name == alert.plan)
        if not candidates:
            return NoPlan(why=f"the alert names the plan {_shown(alert.plan)}, which is not there")
    misses = []
    for plan in candidates:
        miss = _miss(plan.match, alert)
        if miss is None:
            return Matched(plan=plan)
        misses.append(f"{plan.name} has another {miss}")
    if alert.plan is not None:
        return NoPlan(why=f"the alert names the plan {alert.plan}, which has another {miss}")
    more = f" and {len(misses) - 5} more" if len(misses) > 5 else ""
    return NoPlan(why=f"no plan fits the alert: {'; '.join(misses[:5])}{more}")


def _miss(wanted: Match, alert: Alert) -> str | None:
    """Return the first condition that an alert does not meet."""
    if not matches(wanted.alert_rule, alert.rule):
        return "alertRule"
    if wanted.severity is not None and alert.severity not in wanted.severity:
        return "severity"
    if wanted.target_resource is not None and not any(
        id_matches(pattern, target)
        for pattern in wanted.target_resource
        for target in alert.target_ids
    ):
        return "targetResource"
    service = wanted.monitoring_service
    if service is not None and not matches(service, alert.monitoring_service):
        return "monitoringService"
    return None


def make_request(
    plan: Plan, alert: Alert, *, request_id: str, now: datetime
) -> RestoreRequest | NoPlan:
    """Make the request of a plan, or say why this alert, at this time, starts nothing.

    The request counts from the time of the alert, which is its `requestedAt`.
    """
    fired_at = alert.fired_at
    if fired_at is None or fired_at.tzinfo is None:
        return NoPlan(why="the alert does not say when it fired, with a zone")
    if fired_at > now + CLOCK_SKEW:
        return NoPlan(why=f"the alert fired at {format_time(fired_at)}, which is in the future")
    if now - fired_at > plan.alert_max_age:
        return NoPlan(
            why=f"the alert fired at {format_time(fired_at)}, longer ago than the plan's "
            f"alertMaxAge, {format_duration(plan.alert_max_age)}"
        )
    given = plan.model_dump(mode="json", by_alias=True, exclude_unset=True)
    body = {name: given[name] for name in SHARED if name in given} | {
        "schemaVersion": "1.0",
        "requestId": request_id,
        "recoveryPoint": {
            "select": "latestBefore",
            "time": fired_at - (plan.recovery_point.margin or timedelta(0)),
            "maxAge": plan.recovery_point.max_age,
        },
        "requestedBy": f"plan:{plan.name}",
        "reason": f"alert {alert.rule}"[:_MAX_REASON],
    }
    # Whether such copy options are allowed was settled when the file was read.
    request = read_request(body, unproven_copy_options=True)
    assert isinstance(request, RestoreRequest)  # noqa: S101  (the body has no action)
    return request


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 64 else text[:64] + "…")
