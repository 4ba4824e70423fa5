"""Alerts: what is read of them, and what is left of one that is too large."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.errors import MessageInvalid
from restore_core.messages.alerts import (
    MAX_REDUCED_BYTES,
    MAX_TARGETS,
    read_alert,
    readable_identity,
    reduce_alert,
)
from tests.restore_core.given import (
    ACCOUNT,
    ALERT_ID,
    ITEM,
    RULE_ID,
    Json,
    alert_body,
    json_values,
    sample,
)

SWITCH = "must be azureMonitorCommonAlertSchema: switch the action group to the common alert schema"


def problems_of(body: Json, *, inside: str = "") -> list[str]:
    with pytest.raises(MessageInvalid) as raised:
        read_alert(body, inside=inside)
    assert raised.value.reason == "Invalid"
    return [f"{problem.path}: {problem.message}" for problem in raised.value.problems]


def test_an_alert_with_every_field() -> None:
    alert = read_alert(
        alert_body(
            context={"category": "Security", "protectedItemId": ITEM},
            custom={"restorePlan": "plan-1", "team": "harbour"},
        )
    )
    assert (alert.id, alert.rule, alert.rule_id) == (ALERT_ID, "ransomware-ledgers", RULE_ID)
    assert (alert.severity, alert.condition) == ("Sev1", "Fired")
    assert (alert.monitoring_service, alert.signal_type) == ("Log Alerts V2", "Log")
    assert alert.target_ids == (ACCOUNT,)
    assert alert.fired_at == datetime(2026, 5, 4, 7, 55, 1, 123456, tzinfo=UTC)
    assert alert.custom_properties == {"restorePlan": "plan-1", "team": "harbour"}
    assert (alert.plan, alert.category, alert.protected_item_id) == ("plan-1", "Security", ITEM)
    assert alert.source == RULE_ID
    assert alert.is_fired
    assert not alert.is_backup_job
    assert not alert.reduced


@pytest.mark.parametrize(
    "name", ["2026_alert_metric", "2026_alert_log", "2026_alert_backup", "2026_alert_security"]
)
def test_alerts_in_the_shapes_of_their_services_are_read(name: str) -> None:
    body = sample(name)
    alert = read_alert(body)
    assert alert.id == body["data"]["essentials"]["alertId"]
    assert alert.is_fired
    assert alert.fired_at is not None
    assert alert.target_ids
    assert alert.is_backup_job == (name == "2026_alert_backup")


@pytest.mark.parametrize("custom", [None, ..., {}])
def test_an_alert_without_custom_properties_names_no_plan(custom: object) -> None:
    alert = read_alert(alert_body(custom=custom))
    assert alert.custom_properties == {}
    assert alert.plan is None


def test_custom_properties_that_are_no_text_are_left_out() -> None:
    custom = {"a": 1, "b": None, "c": ["x"], "d": "kept", "restorePlan": None}
    alert = read_alert(alert_body(custom=custom))
    assert alert.custom_properties == {"d": "kept"}
    assert alert.plan is None


def test_a_rule_without_an_id_is_known_by_its_name() -> None:
    for rule_id in (..., None, ""):
        assert read_alert(alert_body(alertRuleID=rule_id)).source == "ransomware-ledgers"


@pytest.mark.parametrize(
    "changes",
    [
        {"description": 5, "newField": {"x": [1]}},
        {"signalType": ..., "monitoringService": ..., "alertTargetIDs": ...},
        {"signalType": 1, "monitoringService": [], "alertTargetIDs": "all"},
        {"alertTargetIDs": [None, 5, "", "a\nb", "\ud800", "x" * 2000]},
    ],
)
def test_what_does_not_identify_an_alert_may_be_anything(changes: Json) -> None:
    alert = read_alert(alert_body(**changes))
    assert alert.target_ids in {(), (ACCOUNT,)}
    assert alert.signal_type in {"", "Log"}


@pytest.mark.parametrize("context", [None, ..., [], "text", {"category": 5, "protectedItemId": 5}])
def test_each_context_is_good_enough(context: object) -> None:
    alert = read_alert(alert_body(context=context))
    assert (alert.category, alert.protected_item_id) == ("", None)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-05-04T07:55:01Z", 0),
        ("2026-05-04T07:55:01.1234567Z", 123456),
        ("2026-05-04T09:55:01.5+02:00", 500000),
        (" 2026-05-04t07:55:01z\n", 0),
    ],
)
def test_times_are_read_as_azure_writes_them(text: str, micros: int) -> None:
    fired_at = read_alert(alert_body(firedDateTime=text)).fired_at
    assert fired_at == datetime(2026, 5, 4, 7, 55, 1, micros, tzinfo=UTC)


@pytest.mark.parametrize("held", [None, ..., "", "0001-01-01T00:00:00Z"])
def test_an_alert_may_not_say_when_it_fired(held: object) -> None:
    assert read_alert(alert_body(firedDateTime=held)).fired_at is None


@pytest.mark.parametrize("severity", ["Sev0", "sev1", "SEV4"])
def test_severities_are_read_without_case(severity: str) -> None:
    assert read_alert(alert_body(severity=severity)).severity == severity.capitalize()


TIMES = "must be an RFC 3339 time with a zone, such as 2026-02-05T07:43:47Z"
WRONG: list[tuple[Json, list[str]]] = [
    ({"alertId": ...}, ["alertId: is missing"]),
    ({"alertId": 5}, ["alertId: must be a text"]),
    ({"alertId": ""}, ["alertId: must not be empty"]),
    ({"alertId": "a\nb"}, ["alertId: holds a control character"]),
    ({"alertId": "\ud800"}, ["alertId: is not valid Unicode text"]),
    ({"alertId": "x" * 513}, ["alertId: is longer than 512 characters"]),
    ({"alertId": "ü" * 300}, ["alertId: is longer than 512 bytes of UTF-8"]),
    ({"alertRule": None}, ["alertRule: is missing"]),
    ({"alertRule": {}}, ["alertRule: must be a text"]),
    ({"alertRuleID": 5}, ["alertRuleID: must be a text"]),
    ({"alertRuleID": "x" * 1025}, ["alertRuleID: is longer than 1024 characters"]),
    ({"severity": ...}, ["severity: is missing"]),
    ({"severity": 1}, ["severity: must be Sev0, Sev1, Sev2, Sev3 or Sev4"]),
    ({"severity": "Sev5"}, ["severity: must be Sev0, Sev1, Sev2, Sev3 or Sev4"]),
    ({"monitorCondition": ...}, ["monitorCondition: is missing"]),
    ({"monitorCondition": True}, ["monitorCondition: must be a text"]),
    ({"firedDateTime": "2026-05-04T07:55:01"}, [f"firedDateTime: {TIMES}"]),
    ({"firedDateTime": "05/04/2026 07:55:01"}, [f"firedDateTime: {TIMES}"]),
    ({"firedDateTime": "2026-13-04T07:55:01Z"}, ["firedDateTime: is not a time that exists"]),
    ({"firedDateTime": 1777881301}, ["firedDateTime: must be a text"]),
]


@pytest.mark.parametrize(("changes", "problems"), WRONG)
def test_a_wrong_essential_is_its_problem(changes: Json, problems: list[str]) -> None:
    body = alert_body(**changes)
    assert problems_of(body) == [f"data.essentials.{problem}" for problem in problems]
    assert problems_of(body, inside="data")[0].startswith("data.data.essentials.")


def test_all_problems_of_an_alert_are_reported_at_once() -> None:
    body = alert_body(custom=[], alertId=..., severity="High", firedDateTime="now")
    assert [problem.split(":")[0] for problem in problems_of(body)] == [
        *("data.essentials.alertId", "data.essentials.severity", "data.essentials.firedDateTime"),
        "data.customProperties",
    ]


@pytest.mark.parametrize("plan", [5, True, ["plan-1"], {}])
def test_an_alert_that_means_a_plan_must_say_which(plan: object) -> None:
    assert problems_of(alert_body(custom={"restorePlan": plan})) == [
        "data.customProperties.restorePlan: must be a text"
    ]


@pytest.mark.parametrize(
    "schema",
    [
        *("AzureMonitorMetricAlert", "Microsoft.Insights/LogAlert", "Microsoft.Insights/eventData"),
        *(None, 5, "", ["azureMonitorCommonAlertSchema"]),
    ],
)
def test_an_older_form_is_told_to_switch(schema: object) -> None:
    body = {"schemaId": schema, "data": {"status": "Activated", "context": {}}}
    assert problems_of(body) == [f"schemaId: {SWITCH}"]
    assert problems_of(body, inside="data") == [f"data.schemaId: {SWITCH}"]


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (..., "data: is missing"),
        ([], "data: must be an object"),
        ({}, "data.essentials: is missing"),
        ({"essentials": "x"}, "data.essentials: must be an object"),
    ],
)
def test_an_alert_without_its_frame_is_one_problem(data: object, problem: str) -> None:
    body = {"schemaId": "azureMonitorCommonAlertSchema", "data": data}
    assert problems_of({name: held for name, held in body.items() if held is not ...}) == [problem]


@pytest.mark.parametrize(
    ("service", "category", "is_job"),
    [
        ("Azure Backup", "Jobs", True),
        ("azure backup", "JOBS", True),
        ("AzureBackup", " jobs ", True),
        ("Azure Backup", "", True),
        ("Azure Backup", "Configuration", True),
        ("Azure Backup", None, True),
        ("Azure Backup", 5, True),
        ("Azure Backup", "Security", False),
        ("Platform", "Jobs", True),
        (None, "Jobs", True),
        ("Platform", "", False),
        (None, None, False),
    ],
)
def test_an_alert_about_a_backup_job_is_one_in_case_of_doubt(
    service: object, category: object, *, is_job: bool
) -> None:
    alert = read_alert(alert_body(monitoringService=service, context={"category": category}))
    assert alert.is_backup_job is is_job
    assert (
        read_alert(
            reduce_alert_of(alert_body(monitoringService=service, context={"category": category}))
        ).is_backup_job
        is is_job
    )


# --- reduced


def reduce_alert_of(body: Json) -> Json:
    """Reduce an alert, and see that nothing was done to it and that the rest is small."""
    before = copy.deepcopy(body)
    reduced = reduce_alert(body)
    assert body == before
    assert len(json.dumps(reduced)) <= MAX_REDUCED_BYTES
    return reduced


@pytest.mark.parametrize("custom", [None, {"restorePlan": "plan-1", "long": "x" * 100_000}])
def test_a_large_alert_is_reduced_to_what_plans_use(custom: object) -> None:
    body = alert_body(
        description="x" * 100_000,
        context={"category": "Security", "protectedItemId": ITEM, "rows": ["y" * 99] * 1000},
        custom=custom,
    )
    reduced = reduce_alert_of(body)
    assert reduced["reduced"] is True
    assert "x" * 100 not in json.dumps(reduced)
    whole = read_alert(body)
    plan = {"restorePlan": whole.plan} if whole.plan else {}
    assert read_alert(reduced) == replace(whole, custom_properties=plan, reduced=True)
    assert reduce_alert_of(reduced) == reduced


def test_many_targets_are_cut() -> None:
    targets = [f"{ACCOUNT}{number}" for number in range(5000)]
    reduced = reduce_alert_of(alert_body(alertTargetIDs=targets))
    kept = reduced["data"]["essentials"]["alertTargetIDs"]
    assert 50 < len(kept) <= MAX_TARGETS
    assert kept == targets[: len(kept)]
    long = [f"{number:04}" + "z" * 1000 for number in range(5000)]
    assert 10 < len(read_alert(reduce_alert_of(alert_body(alertTargetIDs=long))).target_ids) < 20


def test_the_longest_alert_of_the_widest_characters_is_small() -> None:
    wide = "🎉"
    reduce_alert_of(
        alert_body(
            alertId=wide * 128,
            alertRule=wide * 256,
            alertRuleID=wide * 256,
            monitorCondition=wide * 5000,
            monitoringService=wide * 5000,
            signalType=wide * 5000,
            alertTargetIDs=[wide * 256] * 5000,
            context={"category": wide * 5000, "protectedItemId": wide * 256},
            custom={"restorePlan": wide * 5000},
        )
    )


def test_the_name_of_a_plan_that_is_cut_is_still_the_name_of_none() -> None:
    reduced = reduce_alert_of(alert_body(custom={"restorePlan": "p" * 5000}))
    plan = read_alert(reduced).plan
    assert plan is not None
    assert len(plan) > 64


def test_what_is_no_alert_is_not_reduced() -> None:
    with pytest.raises(MessageInvalid):
        reduce_alert({"schemaId": "AzureMonitorMetricAlert"})


ESSENTIALS = [
    *("alertId", "alertRule", "alertRuleID", "severity", "monitorCondition", "signalType"),
    *("monitoringService", "alertTargetIDs", "firedDateTime"),
]


@given(
    changes=st.dictionaries(st.sampled_from(ESSENTIALS), json_values | st.text(), max_size=4),
    context=json_values
    | st.dictionaries(st.sampled_from(["category", "protectedItemId"]), st.text()),
    custom=json_values | st.dictionaries(st.just("restorePlan"), st.text()),
)
def test_any_alert_is_refused_or_reduced_to_the_same(
    changes: Json, context: object, custom: object
) -> None:
    body = alert_body(**changes, context=context, custom=custom)
    identity = readable_identity(body)
    try:
        alert = read_alert(body)
    except MessageInvalid:
        return
    assert identity == (alert.source, alert.id)
    plan = {} if alert.plan is None else {"restorePlan": alert.plan[:65]}
    reduced = reduce_alert_of(body)
    assert read_alert(reduced) == replace(alert, custom_properties=plan, reduced=True)


@given(json_values)
def test_any_json_in_place_of_an_alert_is_refused(value: Any) -> None:
    for body in ({"schemaId": value}, {"schemaId": "azureMonitorCommonAlertSchema", "data": value}):
        with pytest.raises(MessageInvalid):
            read_alert(body)
        assert readable_identity(body) is None


def test_a_log_rule_names_its_plan_inside_the_context() -> None:
    body = alert_body(context={"properties": {"restorePlan": "plan-2", "n": 1}}, custom=None)
    alert = read_alert(body)
    assert alert.custom_properties == {"restorePlan": "plan-2"}
    assert read_alert(reduce_alert(body)).plan == "plan-2"
    wrong = alert_body(context={"properties": {"restorePlan": 7}}, custom=None)
    assert problems_of(wrong) == ["data.alertContext.properties.restorePlan: must be a text"]


def test_the_properties_of_the_alert_itself_go_first() -> None:
    body = alert_body(context={"properties": {"restorePlan": "b"}}, custom={"restorePlan": "a"})
    assert read_alert(body).plan == "a"
