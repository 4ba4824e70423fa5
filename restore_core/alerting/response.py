"""From an alert to one request, or to the reason why there is none.

Knows the order: is there a plan for it, does it still count, has one of the same storm been
answered, has the plan failed too often. Refuses to accept the request, and to count one alert as
another: an alert that comes again after its request was made is that request.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from restore_core.alerting.cooldowns import Cooldowns
from restore_core.alerting.planning import NoPlan, NotFired, find_plan, make_request
from restore_core.alerting.plans import Plan, Plans
from restore_core.errors import FileInvalid, Problem
from restore_core.messages.alerts import Alert
from restore_core.messages.decoding import ROOT
from restore_core.messages.request import RestoreRequest
from restore_core.policy.reviewed_file import in_words
from restore_core.times import format_time
from restore_core.vocabulary import Rejection

_log = logging.getLogger(__name__)


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
        found = find_plan(plans, alert)
        if isinstance(found, NotFired):
            return Declined(reason=Rejection.NOT_FIRED, message=_sentence(found.why))
        if isinstance(found, NoPlan):
            return _no_plan(_sentence(found.why))
        plan = found.plan
        request = make_request(plan, alert, request_id=request_id, now=now)
        if isinstance(request, NoPlan):
            return _no_plan(f"The plan {plan.name}: {request.why}.")
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


def _no_plan(message: str) -> Declined:
    return Declined(reason=Rejection.NO_PLAN, message=message)


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:]}."
