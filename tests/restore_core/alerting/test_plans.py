"""The file of plans: what is read of it, and that every mistake in it is said at once."""

from __future__ import annotations

import base64
import copy
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.alerting.plans import Plan, Plans, read_plans
from restore_core.errors import FileInvalid
from restore_core.messages.request import AlternateTarget, CopyOptions, OriginalTarget, Priority
from tests.restore_core.given import (
    ACCOUNT,
    IDENTITY,
    ITEM,
    OTHER_ACCOUNT,
    VAULT,
    Json,
    json_values,
    plan_body,
    plans_body,
)

OTHER_VAULT = VAULT.replace("harbour", "lighthouse")
DURATIONS = "must be an ISO 8601 duration of days, hours, minutes and seconds, such as P1DT12H"
NAME = "must be 1 to 64 of A-Z a-z 0-9 . _ -"
GO_ON = "must go on with /resourceGroups/ or /providers/ after the subscription"
UNPROVEN = (
    "must be Overwrite or Skip: this one is not proven for Azure Files "
    "(RESTORE_UNPROVEN_COPY_OPTIONS)"
)
EVERY_FIELD: Json = {
    "match": {
        "alertRule": "ransomware-*",
        "severity": ["Sev0", "Sev1"],
        "targetResource": [f"{ACCOUNT}*", "/subscriptions/*"],
        "monitoringService": "Log*",
    },
    "items": [{"path": "books/2026", "type": "Directory"}],
    "recoveryPoint": {"margin": "PT30M", "maxAge": "P2D"},
    "target": {"location": "original"},
    "copyOptions": "Skip",
    "identity": {"type": "userAssigned", "id": IDENTITY},
    "alertMaxAge": "PT20M",
    "cooldown": "P30D",
    "breaker": {"failures": 1, "within": "PT12H"},
    "priority": "emergency",
    "dryRun": True,
    "startDeadline": "PT4H",
    "labels": {"runbook": "7"},
}


def read(body: object, *, unproven: bool = False) -> Plans:
    return read_plans(json.dumps(body).encode(), unproven_copy_options=unproven)


def plan_of(**changes: object) -> Plan:
    return read(plans_body(plan_body(**changes))).plans[0]


def problems_of(body: object) -> list[str]:
    with pytest.raises(FileInvalid) as raised:
        read(body)
    return [f"{problem.path}: {problem.message}" for problem in raised.value.problems]


def test_the_smallest_plan_and_what_it_leaves_open() -> None:
    plan = plan_of()
    assert (plan.name, plan.match.alert_rule) == ("plan-1", "ransomware-*")
    assert plan.match.model_dump(by_alias=True, exclude_none=True) == {"alertRule": "ransomware-*"}
    assert plan.recovery_point.margin is None
    assert plan.recovery_point.max_age == timedelta(days=2)
    assert isinstance(plan.target, AlternateTarget)
    assert plan.alert_max_age == timedelta(hours=1)
    assert plan.cooldown == timedelta(hours=6)
    assert (plan.breaker.failures, plan.breaker.within) == (3, timedelta(days=1))
    assert (plan.priority, plan.dry_run) == (Priority.NORMAL, False)


def test_a_plan_with_every_field() -> None:
    plan = plan_of(**EVERY_FIELD)
    assert plan.match.severity == ("Sev0", "Sev1")
    assert plan.match.target_resource == (f"{ACCOUNT}*", "/subscriptions/*")
    assert plan.recovery_point.margin == timedelta(minutes=30)
    assert isinstance(plan.target, OriginalTarget)
    assert plan.copy_options is CopyOptions.SKIP
    assert plan.cooldown == timedelta(days=30)
    assert (plan.breaker.failures, plan.breaker.within) == (1, timedelta(hours=12))
    assert plan.start_deadline == timedelta(hours=4)
    assert set(EVERY_FIELD) | {"name", "vaultId", "source"} == {
        field.alias for field in Plan.model_fields.values()
    }


def test_a_file_may_point_to_its_schema_and_name_the_item() -> None:
    by_item = plan_body(vaultId=..., source={"protectedItemId": ITEM})
    assert len(read(plans_body(by_item) | {"$schema": "docs/x.json"}).plans) == 1


WRONG: list[tuple[Json, list[str]]] = [
    ({"name": ...}, ["name: is missing"]),
    *(({"name": bad}, [f"name: {NAME}"]) for bad in ("", "a b", "a" * 65, "a\n", "ü", "a~b")),
    ({"name": 5}, ["name: must be a text"]),
    ({"match": ...}, ["match: is missing"]),
    ({"match": {}}, ["match.alertRule: is missing"]),
    ({"match": []}, ["match: must be an object"]),
    ({"match": {"alertRule": ""}}, ["match.alertRule: must not be empty"]),
    ({"match": {"alertRule": "*" * 257}}, ["match.alertRule: has more than 256 characters"]),
    ({"match": {"alertrule": "*"}}, ["match.alertrule: is not a field of this file"]),
    (
        {"match": {"alertRule": "*", "severity": []}},
        ["match.severity: must have 1 to 5 entries"],
    ),
    ({"match": {"alertRule": "*", "severity": "Sev0"}}, ["match.severity: must be a list"]),
    (
        {"match": {"alertRule": "*", "severity": ["Sev0", "sev1", 2]}},
        [
            f"match.severity[{at}]: must be 'Sev0', 'Sev1', 'Sev2', 'Sev3' or 'Sev4'"
            for at in (1, 2)
        ],
    ),
    (
        {"match": {"alertRule": "*", "targetResource": ["*", "/subscriptions/*/resourceGroup/a"]}},
        [
            "match.targetResource[0]: must start with /subscriptions/",
            f"match.targetResource[1]: {GO_ON}",
        ],
    ),
    (
        {"match": {"alertRule": "*", "targetResource": ["/subscriptions/*"] * 101}},
        ["match.targetResource: must have 1 to 100 entries"],
    ),
    ({"vaultId": ...}, ["vaultId: is missing"]),
    (
        {"vaultId": OTHER_VAULT, "source": {"protectedItemId": ITEM}},
        ["source.protectedItemId: is under another vault than vaultId"],
    ),
    ({"source": ...}, ["source: is missing"]),
    (
        {"source": {"storageAccountId": ACCOUNT, "fileshare": "ledgers"}},
        ["source.fileshare: is not a field of this file"],
    ),
    ({"source": "ledgers"}, ["source: must be an object"]),
    ({"items": []}, ["items: must have 1 to 990 entries"]),
    (
        {"items": [{"path": "a", "type": "File"}, {"path": "A", "type": "File"}]},
        ["items[1].path: is listed twice"],
    ),
    ({"recoveryPoint": ...}, ["recoveryPoint: is missing"]),
    ({"recoveryPoint": {"margin": "PT1M"}}, ["recoveryPoint.maxAge: is missing"]),
    (
        {"recoveryPoint": {"maxAge": "P1D", "margin": "PT0S"}},
        ["recoveryPoint.margin: must be longer than nothing and at most 36500 days"],
    ),
    (
        {"recoveryPoint": {"maxAge": "P1D", "margin": "-PT1S"}},
        [f"recoveryPoint.margin: {DURATIONS}"],
    ),
    (
        {"recoveryPoint": {"maxAge": "P1D", "select": "latest"}},
        ["recoveryPoint.select: is not a field of this file"],
    ),
    ({"target": ...}, ["target: is missing"]),
    ({"target": {}}, ["target: must be an object with location: original or alternate"]),
    (
        {"target": {"location": "original"}},
        ["copyOptions: is missing: say Overwrite or Skip for the original location"],
    ),
    (
        {"target": {"location": "original"}, "copyOption": "Skip"},
        ["copyOption: is not a field of this file"],
    ),
    (
        {"copyOptions": "CreateCopy"},
        [
            f"copyOptions: {UNPROVEN}",
        ],
    ),
    (
        {"identity": {"type": "other"}},
        ["identity: must be an object with type: systemAssigned or userAssigned"],
    ),
    ({"alertMaxAge": 60}, ["alertMaxAge: must be a text"]),
    ({"cooldown": ...}, ["cooldown: is missing"]),
    *(
        ({"cooldown": bad}, ["cooldown: must be 5 minutes to 30 days: PT5M to P30D"])
        for bad in ("PT1S", "PT299S", "P31D", "P30DT1S")
    ),
    ({"breaker": {"failures": 0}}, ["breaker.failures: must be at least 1"]),
    ({"breaker": {"failures": 11}}, ["breaker.failures: must be at most 10"]),
    *(
        ({"breaker": {"failures": bad}}, ["breaker.failures: must be a whole number"])
        for bad in (True, "3", 3.0)
    ),
    (
        {"breaker": {"within": "P0D"}},
        ["breaker.within: must be longer than nothing and at most 36500 days"],
    ),
    ({"priority": "high"}, ["priority: must be 'normal' or 'emergency'"]),
    ({"dryRun": "true"}, ["dryRun: must be true or false"]),
    ({"startDeadline": "2026-05-04T08:00:00Z"}, [f"startDeadline: {DURATIONS}"]),
    ({"labels": {"a": 1}}, ["labels.a: must be a text"]),
    # what a request has and a plan must not
    *(
        ({name: "x"}, [f"{name}: is not a field of this file"])
        for name in ("requestId", "requestedBy", "reason", "action", "traceparent")
    ),
]


@pytest.mark.parametrize(("changes", "problems"), WRONG)
def test_a_wrong_field_is_its_problems_and_no_others(changes: Json, problems: list[str]) -> None:
    body = plans_body(plan_body(name="first"), plan_body(**changes))
    assert problems_of(body) == [f"plans[1].{problem}" for problem in problems]


@pytest.mark.parametrize("name", sorted({*plan_body(), *EVERY_FIELD}))
def test_null_is_no_value_of_any_field(name: str) -> None:
    problems = problems_of(plans_body(plan_body(**{name: None})))
    assert problems == [f"plans[0].{name}: must not be null: leave the field out"]


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({}, ["schemaVersion: is missing", "plans: is missing"]),
        ({"schemaVersion": "1.0", "plans": []}, ["plans: must have 1 to 200 entries"]),
        ({"schemaVersion": "1.0", "plans": {}}, ["plans: must be a list"]),
        ({"schemaVersion": "1.0", "plans": None}, ["plans: must not be null: leave the field out"]),
        ({"schemaVersion": "1.0", "plans": ["x"]}, ["plans[0]: must be an object"]),
        ({"schemaVersion": "2", "plans": [plan_body()]}, ["schemaVersion: must be '1.0'"]),
        (plans_body(plan_body()) | {"$schema": 5}, ["$schema: must be a text"]),
        (plans_body(plan_body()) | {"guards": {}}, ["guards: is not a field of this file"]),
        (
            {"schemaVersion": "1.0", "plan": [plan_body(cooldown="PT6H", items=[])]},
            ["plan: is not a field of this file", "plans[0].items: must have 1 to 990 entries"],
        ),
        (
            plans_body(*[plan_body(name=f"p{n}") for n in range(201)]),
            ["plans: must have 1 to 200 entries"],
        ),
    ],
)
def test_a_wrong_file_is_its_problems_and_no_others(body: object, problems: list[str]) -> None:
    assert problems_of(body) == problems


def test_as_many_plans_as_are_allowed() -> None:
    assert len(read(plans_body(*[plan_body(name=f"p{n}") for n in range(200)])).plans) == 200


def test_no_two_plans_have_one_name() -> None:
    bodies = [plan_body(name=name) for name in ("a", "b", "A", "a")]
    assert problems_of(plans_body(*bodies)) == [
        "plans[2].name: is the name of plans[0] already",
        "plans[3].name: is the name of plans[0] already",
    ]


def test_all_problems_of_a_file_are_reported_at_once() -> None:
    body = plans_body(
        plan_body(cooldown=5, source={"protectedItemId": ITEM}, vaultId=OTHER_VAULT),
        plan_body(target={"location": "original"}, breaker={"failure": 5}),
    )
    assert set(problems_of(body | {"schemaVersion": 1})) == {
        "schemaVersion: must be '1.0'",
        "plans[0].cooldown: must be a text",
        "plans[0].source.protectedItemId: is under another vault than vaultId",
        "plans[1].breaker.failure: is not a field of this file",
        "plans[1].copyOptions: is missing: say Overwrite or Skip for the original location",
        "plans[1].name: is the name of plans[0] already",
    }


def test_a_misspelt_field_is_told_what_was_meant() -> None:
    body = plans_body(plan_body(match={"alertRules": "*"}, coolDown="PT6H", cooldown=...))
    with pytest.raises(FileInvalid, match=r"plans\[0\]\.match\.alertRules") as raised:
        read(body)
    assert [problem.did_you_mean for problem in raised.value.problems] == ["alertRule", "cooldown"]


def test_unproven_copy_options_are_a_matter_of_a_setting() -> None:
    body = plans_body(plan_body(copyOptions="CreateCopy"))
    assert read(body, unproven=True).plans[0].copy_options is CopyOptions.CREATE_COPY


GOOD = json.dumps(plans_body(plan_body())).encode()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"\xff", "is not UTF-8 (byte 0)"),
        (GOOD[:-1], f"is not JSON (line 1, column {len(GOOD)})"),
        (base64.b64encode(GOOD), "is not JSON (line 1, column 1)"),
        (b"[" + GOOD + b"]", "must be a JSON object"),
        (b'{"plans":' * 40 + b"1" + b"}" * 40, "is nested 40 deep; at most 32 is allowed"),
        (b'{"plans":' * 100_000, "is nested 100000 deep; at most 32 is allowed"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(text: bytes, said: str) -> None:
    with pytest.raises(FileInvalid) as raised:
        read_plans(text)
    assert [(one.path, one.message) for one in raised.value.problems] == [("$", said)]


def test_a_key_that_stands_twice_is_a_problem_of_the_file() -> None:
    with pytest.raises(FileInvalid) as raised:
        read_plans(GOOD.replace(b'"cooldown":', b'"cooldown": "PT9H", "cooldown":'))
    assert [one.path for one in raised.value.problems] == ["plans[0].cooldown"]


def test_a_file_full_of_problems_says_how_many_were_left_out() -> None:
    problems = problems_of(plans_body(*[plan_body(name="same", cooldown=5)] * 200))
    assert len(problems) == 101
    assert problems[-1].endswith("more problems")


@given(
    changes=st.dictionaries(
        st.sampled_from([*plan_body(), *EVERY_FIELD, "x", "\ud800"]), json_values, max_size=4
    ),
    outside=st.dictionaries(st.sampled_from(["plans", "$schema", "y"]), json_values, max_size=1),
)
def test_a_file_with_any_json_in_any_field_is_read_or_refused(changes: Json, outside: Json) -> None:
    body = copy.deepcopy(plans_body(plan_body(**EVERY_FIELD) | changes, 5, None) | outside)
    with pytest.raises(FileInvalid) as raised:
        read(body)
    assert 1 <= len(raised.value.problems) <= 101
    for problem in raised.value.problems:
        assert problem.path.isascii()
        problem.message.encode()


def test_an_alternate_target_needs_no_copy_options() -> None:
    target = {"location": "alternate", "storageAccountId": OTHER_ACCOUNT, "fileShare": "drydock"}
    assert plan_of(target=target).copy_options is None
