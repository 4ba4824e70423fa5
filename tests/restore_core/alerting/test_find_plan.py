"""From an alert to a request: which plan, which request, and why not."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.alerting.plans import Plan, Plans, read_plans
from restore_core.alerting.response import Declined, find_plan, make_request
from restore_core.messages.alerts import Alert, read_alert, reduce_alert
from restore_core.messages.parsing import read_request
from restore_core.messages.request import (
    CopyOptions,
    LatestPointBefore,
    OriginalTarget,
    Priority,
    RestoreRequest,
)
from restore_core.vocabulary import Rejection
from tests.restore_core.given import (
    ACCOUNT,
    IDENTITY,
    ITEM,
    NOW,
    OTHER_ACCOUNT,
    SUBSCRIPTION,
    VAULT,
    Json,
    alert_body,
    plan_body,
    plans_body,
    sample,
)

ID = "evt-0123456789abcdef0123456789abcdef"
LONGER = "longer ago than the plan's alertMaxAge, PT3600S"
FIRED = datetime(2026, 5, 4, 7, 55, 1, 123456, tzinfo=UTC)


def plans_of(*bodies: Json) -> Plans:
    return read_plans(json.dumps(plans_body(*bodies)).encode(), unproven_copy_options=True)


def plan_of(**changes: object) -> Plan:
    return plans_of(plan_body(**changes)).plans[0]


def alert_of(*, context: object = ..., custom: object = None, **changes: object) -> Alert:
    return read_alert(alert_body(context=context, custom=custom, **changes))


def request_of(plan: Plan, alert: Alert, *, now: datetime = NOW) -> RestoreRequest:
    request = make_request(plan, alert, request_id=ID, now=now)
    assert isinstance(request, RestoreRequest)
    return request


def why(plan: Plan, alert: Alert, *, now: datetime = NOW) -> str:
    refusal = make_request(plan, alert, request_id=ID, now=now)
    assert isinstance(refusal, Declined)
    prefix = f"The plan {plan.name}: "
    assert refusal.message.startswith(prefix)
    assert refusal.message.endswith(".")
    return refusal.message[len(prefix) : -1]


# --- which plan

FITS: list[Json] = [
    {"alertRule": "*"},
    {"alertRule": "Ransomware-Ledgers"},
    {"alertRule": "ransomware-*", "severity": ["Sev0", "Sev1"]},
    {"alertRule": "*", "monitoringService": "log alerts*"},
    {"alertRule": "*", "targetResource": [ACCOUNT.upper()]},
    {"alertRule": "*", "targetResource": ["/subscriptions/*", ACCOUNT.replace("quay", "*")]},
]
MISSES: list[tuple[Json, str]] = [
    ({"alertRule": "ransomware"}, "alertRule"),
    ({"alertRule": "*", "severity": ["Sev0", "Sev2"]}, "severity"),
    ({"alertRule": "*", "monitoringService": "Platform"}, "monitoringService"),
    ({"alertRule": "*", "targetResource": ["/subscriptions/*"]}, "targetResource"),
    ({"alertRule": "*", "targetResource": [OTHER_ACCOUNT]}, "targetResource"),
    (
        {"alertRule": "*", "targetResource": [f"/subscriptions/{SUBSCRIPTION}/resourceGroups/*"]},
        "targetResource",
    ),
]


@pytest.mark.parametrize("match", FITS)
def test_a_plan_fits_when_all_its_conditions_do(match: Json) -> None:
    plans = plans_of(plan_body(match=match))
    assert find_plan(plans, alert_of()) == plans.plans[0]


@pytest.mark.parametrize(("match", "condition"), MISSES)
def test_one_condition_that_does_not_fit_is_said(match: Json, condition: str) -> None:
    plans = plans_of(plan_body(match=match))
    assert find_plan(plans, alert_of()) == Declined(
        reason=Rejection.NO_PLAN,
        message=f"No plan fits the alert: plan-1 has another {condition}.",
    )
    named = alert_of(custom={"restorePlan": "plan-1"})
    assert find_plan(plans, named) == Declined(
        reason=Rejection.NO_PLAN,
        message=f"The alert names the plan plan-1, which has another {condition}.",
    )


def test_a_resource_is_one_of_those_that_the_alert_is_about() -> None:
    plans = plans_of(plan_body(match={"alertRule": "*", "targetResource": [ACCOUNT]}))
    several = alert_of(alertTargetIDs=[OTHER_ACCOUNT, ACCOUNT.lower()])
    assert isinstance(find_plan(plans, several), Plan)
    for targets in ([], None, [ACCOUNT + "/fileServices/default"]):
        assert isinstance(find_plan(plans, alert_of(alertTargetIDs=targets)), Declined)


def test_the_first_plan_that_fits_is_taken() -> None:
    plans = plans_of(
        plan_body(name="other", match={"alertRule": "other"}),
        plan_body(name="first"),
        plan_body(name="second"),
    )
    assert find_plan(plans, alert_of()) == plans.plans[1]


def test_a_plan_that_the_alert_names_is_the_only_one() -> None:
    plans = plans_of(plan_body(name="first"), plan_body(name="second"))
    named = alert_of(custom={"restorePlan": "second"})
    assert find_plan(plans, named) == plans.plans[1]
    for unknown in ("third", "", "Second", "second ", "s" * 5000, "\ud800"):
        found = find_plan(plans, alert_of(custom={"restorePlan": unknown}))
        assert isinstance(found, Declined)
        assert found.message.startswith("The alert names the plan '")
        assert found.message.isascii()
        assert len(found.message) < 200


@pytest.mark.parametrize("condition", ["Resolved", "Activated", "", "🎉" * 500, "\ud800"])
def test_only_an_alert_that_fired_counts(condition: str) -> None:
    found = find_plan(plans_of(plan_body()), alert_of(monitorCondition=condition))
    assert isinstance(found, Declined)
    assert found.message.endswith("only Fired starts a restore.")
    assert found.message.isascii()


@pytest.mark.parametrize("category", ["Jobs", "jobs", None, "Other"])
@pytest.mark.parametrize("custom", [None, {"restorePlan": "plan-1"}])
def test_an_alert_about_a_job_of_azure_backup_never_fits(category: object, custom: object) -> None:
    alert = alert_of(
        monitoringService="Azure Backup", context={"category": category}, custom=custom
    )
    found = find_plan(plans_of(plan_body(match={"alertRule": "*"})), alert)
    assert isinstance(found, Declined)
    assert "a failed restore starts no other" in found.message


def test_the_alert_of_our_own_failed_restore_starts_nothing() -> None:
    body = sample("2026_alert_backup")
    plans = plans_of(plan_body(match={"alertRule": "*"}))
    assert isinstance(find_plan(plans, read_alert(body)), Declined)
    assert isinstance(find_plan(plans, read_alert(reduce_alert(body))), Declined)
    assert isinstance(find_plan(plans, read_alert(sample("2026_alert_security"))), Plan)


def test_the_reasons_of_many_plans_are_few() -> None:
    bodies = [plan_body(name=f"p{n}", match={"alertRule": "x"}) for n in range(200)]
    found = find_plan(plans_of(*bodies), alert_of())
    assert isinstance(found, Declined)
    assert found.message.count("another alertRule") == 5
    assert found.message.endswith("and 195 more.")


def test_a_reduced_alert_finds_the_same_plan() -> None:
    plans = plans_of(plan_body(name="first"), plan_body(name="second"))
    body = alert_body(custom={"restorePlan": "second"}, description="x" * 100_000)
    whole, reduced = read_alert(body), read_alert(reduce_alert(body))
    assert find_plan(plans, whole) == find_plan(plans, reduced) == plans.plans[1]
    plan = plans.plans[1]
    assert request_of(plan, whole) == request_of(plan, reduced)


# --- which request


def test_the_request_of_the_smallest_plan() -> None:
    assert request_of(plan_of(), alert_of()).given() == {
        "schemaVersion": "1.0",
        "requestId": ID,
        "vaultId": VAULT,
        "source": {"storageAccountId": ACCOUNT, "fileShare": "ledgers"},
        "recoveryPoint": {
            "select": "latestBefore",
            "time": "2026-05-04T07:55:01.123456Z",
            "maxAge": "PT172800S",
        },
        "target": {
            "location": "alternate",
            "storageAccountId": OTHER_ACCOUNT,
            "fileShare": "drydock",
        },
        "requestedBy": "plan:plan-1",
        "reason": "alert ransomware-ledgers",
    }


def test_the_request_of_a_plan_with_every_field() -> None:
    plan = plan_of(
        vaultId=...,
        source={"protectedItemId": ITEM},
        items=[{"path": "books", "type": "Directory"}],
        recoveryPoint={"margin": "PT30M", "maxAge": "P1D"},
        target={"location": "original"},
        copyOptions="CreateCopy",
        identity={"type": "userAssigned", "id": IDENTITY},
        priority="emergency",
        dryRun=True,
        startDeadline="PT4H",
        labels={"runbook": "7"},
    )
    request = request_of(plan, alert_of(custom={"runbook": "8", "dryRun": "false"}))
    assert isinstance(request.recovery_point, LatestPointBefore)
    assert request.recovery_point.time == FIRED - timedelta(minutes=30)
    assert request.recovery_point.max_age == timedelta(days=1)
    assert isinstance(request.target, OriginalTarget)
    assert request.copy_options is CopyOptions.CREATE_COPY
    assert request.items == plan.items
    assert (request.identity, request.source) == (plan.identity, plan.source)
    assert (request.priority, request.dry_run) == (Priority.EMERGENCY, True)
    assert request.start_deadline == timedelta(hours=4)
    assert request.labels == {"runbook": "7"}
    assert str(request.vault) == VAULT
    assert read_request(request.given(), unproven_copy_options=True) == request


@pytest.mark.parametrize("fired", ["2026-05-04T08:05:00Z", "2026-05-04T07:00:00Z"])
def test_an_alert_may_be_slightly_early_or_exactly_as_old_as_allowed(fired: str) -> None:
    assert request_of(plan_of(), alert_of(firedDateTime=fired)).request_id == ID


@pytest.mark.parametrize(
    ("fired", "said"),
    [
        (None, "the alert does not say when it fired, with a zone"),
        (
            "2026-05-04T08:05:00.000001Z",
            "the alert fired at 2026-05-04T08:05:00.000001Z, which is in the future",
        ),
        ("9999-12-31T23:59:59Z", "the alert fired at 9999-12-31T23:59:59Z, which is in the future"),
        (
            "2026-05-04T06:59:59.999999Z",
            f"the alert fired at 2026-05-04T06:59:59.999999Z, {LONGER}",
        ),
    ],
)
def test_an_alert_of_no_time_or_another_time_starts_nothing(fired: object, said: str) -> None:
    assert why(plan_of(), alert_of(firedDateTime=fired)) == said


def test_a_time_without_a_zone_starts_nothing() -> None:
    naive = replace(alert_of(), fired_at=NOW.replace(tzinfo=None))
    assert why(plan_of(), naive) == "the alert does not say when it fired, with a zone"


def test_a_plan_says_how_old_an_alert_may_be() -> None:
    old = alert_of(firedDateTime="2026-05-03T08:00:00Z")
    assert request_of(plan_of(alertMaxAge="P1D"), old).request_id == ID
    assert why(plan_of(alertMaxAge="PT23H"), old).endswith("alertMaxAge, PT82800S")
    with_zone = replace(old, fired_at=NOW.astimezone(timezone(timedelta(hours=2))))
    assert request_of(plan_of(), with_zone) == request_of(plan_of(), replace(old, fired_at=NOW))


def test_texts_of_the_alert_are_cut() -> None:
    request = request_of(plan_of(), alert_of(alertRule="🎉" * 256))
    assert request.reason == "alert " + "🎉" * 250


@given(
    rule=st.text(min_size=1, max_size=300),
    custom=st.dictionaries(st.text(), st.text()),
    fired=st.datetimes(timezones=st.just(UTC)),
    margin=st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=36500)),
)
def test_what_an_alert_says_changes_only_the_time_and_the_reason(
    rule: str, custom: dict[str, str], fired: datetime, margin: timedelta | None
) -> None:
    plan = plan_of(match={"alertRule": "*"}, alertMaxAge="P36500D")
    point = plan.recovery_point.model_copy(update={"margin": margin})
    plan = plan.model_copy(update={"recovery_point": point})
    rule = rule.encode("utf-8", "replace").decode()
    alert = replace(alert_of(), rule=rule, custom_properties=custom, fired_at=fired)
    made = make_request(plan, alert, request_id=ID, now=NOW)
    if isinstance(made, Declined):
        assert fired > NOW or fired < NOW - timedelta(days=36500)
        return
    plain = request_of(plan, alert_of())
    for field in set(RestoreRequest.model_fields) - {"recovery_point", "reason"}:
        assert getattr(made, field) == getattr(plain, field)
    assert isinstance(made.recovery_point, LatestPointBefore)
    assert made.recovery_point.time == fired - (margin or timedelta(0))
