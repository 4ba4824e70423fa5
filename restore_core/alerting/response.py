"""From an alert to one request, or to the reason why there is none.

Knows which plan an alert fits, what request comes of both, and the order of the questions: is there
a plan for it, does it still count, has one of the same storm been answered, has the plan failed too
often. Refuses to let an alert say more: it chooses among plans and gives the time; whatever else
stands in the request was reviewed. Refuses to accept the request, and to count one alert as
another: an alert that comes again after its request was made is that request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from restore_core.alerting.cooldowns import Cooldowns
from restore_core.alerting.plans import SHARED, Match, Plan, Plans
from restore_core.errors import FileInvalid, Problem
from restore_core.messages.alerts import Alert
from restore_core.messages.decoding import ROOT
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.policy.patterns import id_matches, matches
from restore_core.policy.reviewed_file import in_words
from restore_core.times import format_duration, format_time
from restore_core.vocabulary import Rejection

_log = logging.getLogger(__name__)

CLOCK_SKEW = timedelta(minutes=5)
_MAX_REASON = 256


@dataclass(frozen=True, kw_only=True)
class Response:
    """A request to accept, and the plan that it comes from."""

    request: RestoreRequest
    plan: str


@dataclass(frozen=True, kw_only=True)
class Declined:
    """An alert that starts nothing, and why."""

    reason: Rejection
    message: str


class Responder:
    """Answers alerts. Safe to share between threads."""

    def __init__(self, *, plans: Callable[[], Plans], cooldowns: Cooldowns) -> None:
        """Take what reads the file of plans, which raises `FileInvalid`, and the claims."""
        self._plans = plans
        self._cooldowns = cooldowns

    def respond(self, alert: Alert, *, request_id: str, now: datetime) -> Response | Declined:
        """Make the request of an alert; `request_id` is the one that its id leads to.

        Raises:
            StoreError: the claims could not be read or written; the message must come again.
        """
        try:
            plans = self._plans()
        except FileInvalid as error:
            return _no_plan(f"The file of plans cannot be used: {in_words(error)}.")
        plan = find_plan(plans, alert)
        if isinstance(plan, Declined):
            return plan
        request = make_request(plan, alert, request_id=request_id, now=now)
        if isinstance(request, Declined):
            return request
        limits = (plan.name, request, plan.cooldown, now)
        if (holder := self._cooldowns.holder(*limits)) is not None:
            return self._folded(plan, request, holder)
        stopped = self._cooldowns.stopped_until(
            plan.name, plan.breaker.failures, plan.breaker.within, now
        )
        if stopped is not None:
            _log.error("the plan %s is stopped until %s", plan.name, format_time(stopped))
            return _no_plan(
                f"The plan {plan.name} is stopped until {format_time(stopped)}: "
                f"{plan.breaker.failures} of its requests failed. Look at their events."
            )
        if (holder := self._cooldowns.take(*limits)) is not None:
            return self._folded(plan, request, holder)
        return Response(request=request, plan=plan.name)

    def _folded(self, plan: Plan, request: RestoreRequest, holder: str) -> Declined:
        self._cooldowns.count_folded(plan.name, request)
        return Declined(
            reason=Rejection.FOLDED,
            message=f"The plan {plan.name} answers this alert with the request {holder}, which an "
            "earlier alert started.",
        )


def no_plans() -> Plans:
    """Stand for an installation without plans; raises `FileInvalid`."""
    raise FileInvalid([Problem(path=ROOT, message="there is none")])


def find_plan(plans: Plans, alert: Alert) -> Plan | Declined:
    """Return the plan for an alert: the first that fits, or the one that the alert names."""
    if not alert.is_fired:
        message = f"The alert is {_shown(alert.condition)}; only Fired starts a restore."
        return Declined(reason=Rejection.NOT_FIRED, message=message)
    if alert.is_backup_job:
        return _no_plan(
            "The alert is Azure Backup's own, about a job; a failed restore starts no other."
        )
    candidates = plans.plans
    if alert.plan is not None:
        candidates = tuple(plan for plan in plans.plans if plan.name == alert.plan)
        if not candidates:
            return _no_plan(f"The alert names the plan {_shown(alert.plan)}, which is not there.")
    misses = []
    for plan in candidates:
        miss = _miss(plan.match, alert)
        if miss is None:
            return plan
        misses.append(f"{plan.name} has another {miss}")
    if alert.plan is not None:
        return _no_plan(f"The alert names the plan {alert.plan}, which has another {miss}.")
    more = f" and {len(misses) - 5} more" if len(misses) > 5 else ""
    return _no_plan(f"No plan fits the alert: {'; '.join(misses[:5])}{more}.")


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
) -> RestoreRequest | Declined:
    """Make the request of a plan, or say why this alert, at this time, starts nothing.

    The request counts from the time of the alert, which is its `requestedAt`.
    """
    whose, fired_at = f"The plan {plan.name}: the alert", alert.fired_at
    if fired_at is None or fired_at.tzinfo is None:
        return _no_plan(f"{whose} does not say when it fired, with a zone.")
    if fired_at > now + CLOCK_SKEW:
        return _no_plan(f"{whose} fired at {format_time(fired_at)}, which is in the future.")
    if now - fired_at > plan.alert_max_age:
        return _no_plan(
            f"{whose} fired at {format_time(fired_at)}, longer ago than the plan's alertMaxAge, "
            f"{format_duration(plan.alert_max_age)}."
        )
    given = plan.given()
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


def _no_plan(message: str) -> Declined:
    return Declined(reason=Rejection.NO_PLAN, message=message)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 64 else text[:64] + "…")
