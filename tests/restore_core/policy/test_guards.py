"""Guards: the file with every problem at once, and what each field refuses and lets through."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.arm_ids import share_id
from restore_core.errors import FileInvalid, MessageInvalid, Problem
from restore_core.policy.guards import (
    MAX_PATTERNS,
    MAX_RULES,
    MAX_STARTS,
    Guards,
    OriginalLocation,
    Rule,
    read_guards,
)
from restore_core.policy.judging import NotAllowed, judge
from restore_core.policy.patterns import SHARE, VAULT
from tests.restore_core.given import (
    ACCOUNT,
    ACCOUNTS,
    ITEM,
    NOW,
    OTHER_ACCOUNT,
    SUBSCRIPTION,
    Json,
    decided,
    json_values,
    request_body,
)
from tests.restore_core.given import VAULT as HARBOUR

SOURCE = share_id(ACCOUNT, "ledgers")
TARGET = share_id(OTHER_ACCOUNT, "drydock")
ANY_VAULT = VAULT.format("*", "*", "*")
ANY_SHARE = SHARE.format("*", "*", "*", "*")
SHARES = (
    "must be the id of a file share, /subscriptions/*/resourceGroups/*/providers/Microsoft.Storage"
    "/storageAccounts/*/fileServices/default/shares/*; * may stand for any part of a name, not for "
    "a /"
)
DURATIONS = "must be an ISO 8601 duration of days, hours, minutes and seconds, such as P1DT12H"
ORIGINAL: Json = {"target": {"location": "original"}, "copyOptions": "Overwrite"}
ORIGINAL_ALLOWED: Json = {"targets": [], "originalLocation": "overwrite"}
BY_ITEM: Json = {"source": {"protectedItemId": ITEM}}


def elsewhere(account: str = OTHER_ACCOUNT, share: str = "drydock", **fields: str) -> Json:
    """An alternate target."""
    target = {"location": "alternate", "storageAccountId": account, "fileShare": share, **fields}
    return {"target": target}


def rule(name: object = "harbour", **changes: object) -> Json:
    """A rule for one share of one vault, with changes; `...` takes a field away."""
    fields = {"name": name, "vaults": [HARBOUR], "sources": [SOURCE], "targets": [TARGET]}
    return {field: held for field, held in (fields | changes).items() if held is not ...}


def text_of(*rules: object, **changes: object) -> bytes:
    return json.dumps({"schemaVersion": "1.0", "rules": list(rules)} | changes).encode()


def guards_of(*rules: Json) -> Guards:
    return read_guards(text_of(*rules))


def problems_of(text: bytes) -> list[str]:
    """Read a wrong file, and return «path: message» of each problem."""
    return [f"{problem.path}: {problem.message}" for problem in wrong(text)]


def wrong(text: bytes) -> Sequence[Problem]:
    with pytest.raises(FileInvalid) as raised:
        read_guards(text)
    assert raised.value.problems
    return raised.value.problems


def judged(guards: Guards, request: Json | None = None, **decision: Any) -> Rule | NotAllowed:
    """Judge the good request with changes, and changes of what it was decided to be."""
    return judge(guards, *decided(request_body(**request or {}), **decision))


def allowed(rules: Json | Sequence[Json], request: Json | None = None, **decision: Any) -> str:
    """Return the name of the rule that allows a request."""
    rules = [rules] if isinstance(rules, dict) else rules
    said = judged(guards_of(*rules), request, **decision)
    assert isinstance(said, Rule), said
    return said.name


def refused(
    rules: Json | Sequence[Json], request: Json | None = None, **decision: Any
) -> tuple[str, str]:
    """Return the rule and the message of a refusal."""
    rules = [rules] if isinstance(rules, dict) else rules
    said = judged(guards_of(*rules), request, **decision)
    assert isinstance(said, NotAllowed), said
    return said.rule, said.message


# Reading the file.


def test_the_smallest_file_allows_little() -> None:
    (one,) = guards_of(rule(targets=...)).rules
    assert (one.name, one.vaults, one.sources) == ("harbour", (HARBOUR,), (SOURCE,))
    assert one.targets == one.emergency_by == ()
    assert one.original_location is OriginalLocation.REFUSE
    assert (one.max_per_hour, one.max_per_day, one.not_older_than) == (None, None, None)
    assert one.healthy_recovery_point is False


def test_every_field_is_read() -> None:
    every = rule(
        originalLocation="skipExisting",
        emergencyBy=["night shift", "pipeline *"],
        maxPerHour=2,
        maxPerDay=6,
        notOlderThan="P7DT12H",
        healthyRecoveryPoint=True,
    )
    (one,) = guards_of(every).rules
    assert one.original_location is OriginalLocation.SKIP_EXISTING
    assert one.emergency_by == ("night shift", "pipeline *")
    assert (one.max_per_hour, one.max_per_day) == (2, 6)
    assert one.not_older_than == timedelta(days=7, hours=12)
    assert one.healthy_recovery_point is True
    assert one.model_fields_set == set(type(one).model_fields)


def test_a_file_may_name_its_schema() -> None:
    link: Json = {"$schema": "docs/schemas/restore-guards.schema.json"}
    text = text_of(rule(), **link)
    assert read_guards(text).rules[0].name == "harbour"
    assert read_guards(b"\xef\xbb\xbf\r\n" + text + b"\n") == read_guards(text)


def test_all_problems_of_a_file_come_at_once() -> None:
    first = rule("a b", vaults=[], sources=["*"], originalLocation="any", maxPerHour=0)
    second = rule("good", notOlderThan="7 days", healthyRecoveryPoint="yes", extra=1, targets="*")
    assert problems_of(text_of(first, "third", second, schemaVersion="2.0", more=True)) == [
        "schemaVersion: must be '1.0'",
        "rules[0].name: must be 1 to 64 of A-Z a-z 0-9 . _ -",
        "rules[0].vaults: must not be empty",
        f"rules[0].sources[0]: {SHARES}",
        "rules[0].originalLocation: must be 'refuse' or 'skipExisting' or 'overwrite'",
        "rules[0].maxPerHour: must be at least 1",
        "rules[1]: must be an object",
        "rules[2].targets: must be a list",
        f"rules[2].notOlderThan: {DURATIONS}",
        "rules[2].healthyRecoveryPoint: must be true or false",
        "rules[2].extra: is not a field of this file",
        "more: is not a field of this file",
    ]


def test_a_misspelt_field_is_one_problem_that_says_what_was_meant() -> None:
    text = text_of(rule(source=[SOURCE], sources=...))
    assert wrong(text) == (
        Problem(
            path="rules[0].source",
            message="is not a field of this file",
            did_you_mean="sources",
        ),
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_per_hour", "maxPerHour"),
        ("originallocation", "originalLocation"),
        ("notOlderThen", "notOlderThan"),
        ("healthyRecoveryPoints", "healthyRecoveryPoint"),
        ("emergencyby", "emergencyBy"),
        ("comment", None),
    ],
)
def test_no_limit_is_lost_to_a_misspelt_name(name: str, meant: str | None) -> None:
    (problem,) = wrong(text_of(rule(), rule("second", **{name: 1})))
    assert (problem.path, problem.did_you_mean) == (f"rules[1].{name}", meant)


def test_fields_of_a_rule_do_not_belong_beside_the_rules() -> None:
    (problem,) = wrong(text_of(rule(), targets=[TARGET]))
    assert problem.path == "targets"


def test_a_rule_is_named_once_whatever_the_case() -> None:
    text = text_of(rule("Finance"), rule("other"), rule("finance"), rule("FINANCE"))
    assert problems_of(text) == [
        "rules[2].name: is given more than once",
        "rules[3].name: is given more than once",
    ]


def test_a_rule_without_a_name_is_no_namesake() -> None:
    text = text_of(rule(...), rule("None"), rule(None), rule(7), rule("7"))
    assert problems_of(text) == [
        "rules[0].name: is missing",
        "rules[2].name: must not be null: leave the field out",
        "rules[3].name: must be a text",
    ]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a\n", "ä", "a" * 65, "a\u0000"])
def test_a_name_is_plain(name: str) -> None:
    problems = problems_of(text_of(rule(name)))
    assert problems == ["rules[0].name: must be 1 to 64 of A-Z a-z 0-9 . _ -"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            b'{"schemaVersion": "1.0", "rules": [%s], "rules": [%s]}',
            "rules: is given more than once",
        ),
        (
            b'{"schemaVersion": "1.0", "rules": [%s, {"name": "b", "name": "b", %s}]}',
            "rules[1].name: is given more than once",
        ),
    ],
)
def test_a_key_that_stands_twice_is_a_problem_and_not_the_last_one(
    text: bytes, problem: str
) -> None:
    one = json.dumps(rule()).encode()
    rest = json.dumps(rule(...)).encode()
    inner = one if b'"rules": [%s],' in text else rest[1:-1]
    assert problems_of(text % (one, inner)) == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "$: must be a JSON object, in plain UTF-8"),
        (b" \n", "$: must be a JSON object, in plain UTF-8"),
        (b"rules: []", "$: must be a JSON object, in plain UTF-8"),
        (b"[]", "$: must be a JSON object, in plain UTF-8"),
        (b"null", "$: must be a JSON object, in plain UTF-8"),
        (b'"rules"', "$: must be a JSON object, in plain UTF-8"),
        (b"{", "$: is not JSON (line 1, column 2)"),
        (b'{\n "rules": [],\n}', "$: is not JSON (line 3, column 1)"),
        (b"{} {}", "$: is not JSON (line 1, column 4)"),
        (b'{"rules": "\xff"}', "$: is not UTF-8 (byte 11)"),
    ],
)
def test_what_is_no_json_object_is_said_so(text: bytes, problem: str) -> None:
    assert problems_of(text) == [problem]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_another_encoding_is_refused_and_named(encoding: str) -> None:
    (problem,) = problems_of(text_of(rule()).decode().encode(encoding))
    assert "UTF-8" in problem or "is not JSON" in problem


def test_a_file_in_base64_is_refused_since_nobody_can_review_it() -> None:
    assert problems_of(base64.b64encode(text_of(rule()))) == [
        "$: must be a JSON object, in plain UTF-8"
    ]


def test_numbers_that_are_none_in_json_are_refused() -> None:
    said = problems_of(text_of(rule(maxPerDay=float("nan"))))
    assert "$: holds NaN, which is not JSON" in said
    digits = b"9" * 5000
    assert "$: holds a number of 5000 digits" in problems_of(
        text_of(rule(maxPerDay=7)).replace(b"7}", digits + b"}")
    )


@pytest.mark.parametrize("deep", [b'{"rules": ' + b"[" * 100_000, b'{"a":' * 100_000])
def test_deep_nesting_is_a_problem_and_no_recursion(deep: bytes) -> None:
    (problem,) = problems_of(deep)
    assert problem.endswith("at most 32 is allowed")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([], "rules: must not be empty"),
        (None, "rules: must not be null: leave the field out"),
        ({}, "rules: must be a list"),
        ("*", "rules: must be a list"),
        ([None], "rules[0]: must be an object"),
        (["*"], "rules[0]: must be an object"),
        ([[]], "rules[0]: must be an object"),
    ],
)
def test_a_file_without_rules_is_no_file(rules: object, problem: str) -> None:
    assert problems_of(text_of(rules=rules)) == [problem]


@pytest.mark.parametrize("version", [1.0, 1, "1", "1.1", "2.0", True, ["1.0"]])
def test_another_version_is_not_understood(version: object) -> None:
    assert problems_of(text_of(rule(), schemaVersion=version)) == ["schemaVersion: must be '1.0'"]


def test_an_empty_file_misses_its_fields() -> None:
    assert problems_of(b"{}") == ["schemaVersion: is missing", "rules: is missing"]
    assert problems_of(text_of({})) == [
        "rules[0].name: is missing",
        "rules[0].vaults: is missing",
        "rules[0].sources: is missing",
    ]


@pytest.mark.parametrize("field", ["sources", "targets"])
@pytest.mark.parametrize(
    "pattern",
    [
        "*",
        "",
        "/subscriptions/*",
        ACCOUNT,
        HARBOUR,
        SOURCE + "/",
        SOURCE + "/*",
        SOURCE.replace("/shares/", "/share/"),
        SOURCE.replace("ledgers", "led?ers"),
        SOURCE.replace("ledgers", "led/ers"),
        SOURCE.replace("ledgers", "%6cedgers"),
        SOURCE.replace("ledgers", "ledgers "),
        "\n" + SOURCE,
    ],
)
def test_a_pattern_that_is_no_share_is_refused(field: str, pattern: str) -> None:
    text = text_of(rule(**{field: [TARGET, pattern]}))
    assert problems_of(text) == [f"rules[0].{field}[1]: {SHARES}"]


@pytest.mark.parametrize("pattern", ["*", "/subscriptions/*", SOURCE, HARBOUR + "/x", 7, None])
def test_a_pattern_that_is_no_vault_is_refused(pattern: object) -> None:
    (problem,) = problems_of(text_of(rule(vaults=[pattern])))
    assert problem.startswith("rules[0].vaults[0]: must be ")


@pytest.mark.parametrize("field", ["vaults", "sources"])
def test_a_rule_is_about_a_vault_and_a_share(field: str) -> None:
    text = text_of(rule(**{field: []}))
    assert problems_of(text) == [f"rules[0].{field}: must not be empty"]


@pytest.mark.parametrize("field", ["maxPerHour", "maxPerDay"])
@pytest.mark.parametrize("limit", [1, MAX_STARTS])
def test_a_limit_within_its_bounds_is_read(field: str, limit: int) -> None:
    (one,) = guards_of(rule(**{field: limit})).rules
    assert limit in {one.max_per_hour, one.max_per_day}


@pytest.mark.parametrize("field", ["maxPerHour", "maxPerDay"])
@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (0, "must be at least 1"),
        (-1, "must be at least 1"),
        (MAX_STARTS + 1, "must be at most 1000"),
        (10**30, "must be at most 1000"),
        (True, "must be a whole number"),
        (1.0, "must be a whole number"),
        ("3", "must be a whole number"),
        ([3], "must be a whole number"),
    ],
)
def test_a_limit_out_of_its_bounds_is_refused(field: str, limit: object, message: str) -> None:
    assert problems_of(text_of(rule(**{field: limit}))) == [f"rules[0].{field}: {message}"]


EVERY_FIELD = (
    *("name", "vaults", "sources", "targets", "originalLocation", "emergencyBy"),
    *("maxPerHour", "maxPerDay", "notOlderThan", "healthyRecoveryPoint"),
)


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_null_is_not_the_same_as_left_out(field: str) -> None:
    text = text_of(rule(**{field: None}))
    assert problems_of(text) == [f"rules[0].{field}: must not be null: leave the field out"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"originalLocation": "Overwrite"},
            "originalLocation: must be 'refuse' or 'skipExisting' or 'overwrite'",
        ),
        (
            {"originalLocation": True},
            "originalLocation: must be 'refuse' or 'skipExisting' or 'overwrite'",
        ),
        ({"emergencyBy": "*"}, "emergencyBy: must be a list"),
        ({"emergencyBy": [""]}, "emergencyBy[0]: must not be empty"),
        ({"emergencyBy": ["a" * 257]}, "emergencyBy[0]: has more than 256 characters"),
        ({"notOlderThan": 7}, "notOlderThan: must be a text"),
        (
            {"notOlderThan": "PT0S"},
            "notOlderThan: must be longer than nothing and at most 36500 days",
        ),
        ({"healthyRecoveryPoint": "true"}, "healthyRecoveryPoint: must be true or false"),
        ({"healthyRecoveryPoint": 1}, "healthyRecoveryPoint: must be true or false"),
        ({"sources": SOURCE}, "sources: must be a list"),
    ],
)
def test_nothing_is_taken_for_something_near(changes: Json, problem: str) -> None:
    assert problems_of(text_of(rule(**changes))) == [f"rules[0].{problem}"]


def test_rules_and_patterns_are_bounded() -> None:
    many = [rule(f"rule-{number}") for number in range(MAX_RULES)]
    assert len(guards_of(*many).rules) == MAX_RULES
    assert problems_of(text_of(*many, rule())) == ["rules: has more than 200 entries"]
    lists = ("vaults", HARBOUR), ("sources", SOURCE), ("targets", TARGET), ("emergencyBy", "a")
    for field, pattern in lists:
        guards_of(rule(**{field: [pattern] * MAX_PATTERNS}))
        assert problems_of(text_of(rule(**{field: [pattern] * (MAX_PATTERNS + 1)}))) == [
            f"rules[0].{field}: has more than 200 entries"
        ]


def test_a_file_full_of_problems_says_how_many_there_are() -> None:
    said = problems_of(text_of(rule(sources=["*"] * 150)))
    assert len(said) == 101
    assert said[-1] == "$: has 50 more problems"


@given(json_values)
def test_any_json_is_a_file_or_has_problems(value: object) -> None:
    for text in (json.dumps(value), json.dumps({"schemaVersion": "1.0", "rules": value})):
        with pytest.raises(FileInvalid):
            read_guards(text.encode())


@given(st.sampled_from(EVERY_FIELD), json_values)
def test_any_value_of_a_field_makes_a_rule_or_problems(field: str, value: object) -> None:
    text = text_of(rule(**{field: value}))
    try:
        guards = read_guards(text)
    except FileInvalid:
        assert all(problem.path.isascii() for problem in wrong(text))
    else:
        assert isinstance(judged(guards), Rule | NotAllowed)


# Judging: each field refuses and lets through.


def test_a_rule_that_fits_allows() -> None:
    assert allowed(rule()) == "harbour"


def test_vaults_refuse_another_vault() -> None:
    lighthouse = HARBOUR.replace("harbour", "lighthouse")
    assert refused(rule(vaults=[lighthouse])) == (
        "harbour/vaults",
        f"No rule covers the share {SOURCE} in the vault {HARBOUR}.",
    )


@pytest.mark.parametrize("pattern", [HARBOUR, ANY_VAULT, VAULT.format("*", "vaults-*", "*bour")])
def test_vaults_let_their_own_through(pattern: str) -> None:
    lighthouse = HARBOUR.replace("harbour", "lighthouse")
    assert allowed(rule(vaults=[lighthouse, pattern])) == "harbour"


@pytest.mark.parametrize(
    "pattern",
    [
        SHARE.format("*", "*", "quayfiles", "ledger"),
        SHARE.format("*", "*", "quayfile", "ledgers"),
        SHARE.format("*", "vaults-rg", "quayfiles", "ledgers"),
        SHARE.format(SUBSCRIPTION.replace("1", "2"), "*", "*", "*"),
        TARGET,
    ],
)
def test_sources_refuse_another_share(pattern: str) -> None:
    assert refused(rule(sources=[pattern])) == (
        "harbour/sources",
        f"No rule covers the share {SOURCE} in the vault {HARBOUR}.",
    )


@pytest.mark.parametrize("pattern", [SOURCE, ANY_SHARE, SHARE.format("*", "*", "quay*", "led*")])
def test_sources_let_their_own_through(pattern: str) -> None:
    assert allowed(rule(sources=[TARGET, pattern])) == "harbour"


@pytest.mark.parametrize("targets", [..., [], [SOURCE], [SHARE.format("*", "*", "*", "dry")]])
def test_targets_refuse_another_share(targets: object) -> None:
    assert refused(rule(targets=targets)) == (
        "harbour/targets",
        f"The rule harbour: not to the share {TARGET}.",
    )


@pytest.mark.parametrize("pattern", [TARGET, ANY_SHARE, SHARE.format("*", "*", "*copies", "*")])
@pytest.mark.parametrize("folder", [{}, {"folder": "back/2026"}])
def test_targets_let_their_own_through(pattern: str, folder: dict[str, str]) -> None:
    assert allowed(rule(targets=[pattern]), elsewhere(**folder)) == "harbour"


@pytest.mark.parametrize(
    "pattern",
    [
        TARGET,
        SHARE.format("*", "sandbox", "quaycopies", "*"),
        SHARE.format(SUBSCRIPTION, "files-rg", "quaycopies", "drydock"),
        SHARE.format("*", "*", "quay*copies", "drydock"),
    ],
)
def test_a_target_is_judged_by_account_and_share_and_not_by_its_group(pattern: str) -> None:
    allowing = rule(targets=[pattern])
    for group in ("files-rg", "sandbox", "nobody-knows"):
        named = OTHER_ACCOUNT.replace("files-rg", group)
        assert allowed(allowing, elsewhere(named)) == "harbour"
        for account, share in (("production", "drydock"), ("quaycopies", "other")):
            wrong_one = elsewhere(named.replace("quaycopies", account), share)
            if not pattern.endswith("/*") or account == "production":
                assert refused(allowing, wrong_one)[0] == "harbour/targets"


@pytest.mark.parametrize(
    ("subscription", "group"),
    [
        ("*", "sandbox"),
        ("*", "sand*"),
        (SUBSCRIPTION, "*"),
        (SUBSCRIPTION, "files-rg"),
        ("*", "**"),
    ],
)
def test_a_targets_account_has_a_wildcard_only_where_nothing_seems_to_bound_it(
    subscription: str, group: str
) -> None:
    for account in ("*", "quay*"):
        pattern = SHARE.format(subscription, group, account, "*")
        (problem,) = problems_of(text_of(rule(targets=[TARGET, pattern])))
        assert problem == (
            "rules[0].targets[1]: must name the storage account in full, or have * as subscription "
            "and * as resource group: targets are judged by account and share alone"
        )
        # The vault tells where a source is.
        assert guards_of(rule(sources=[pattern])).rules[0].sources == (pattern,)


def test_targets_say_nothing_of_the_original_location() -> None:
    back = rule(targets=..., originalLocation="overwrite")
    assert allowed(back, ORIGINAL) == "harbour"
    assert refused(back) == ("harbour/targets", f"The rule harbour: not to the share {TARGET}.")


@pytest.mark.parametrize("said", [..., "refuse"])
@pytest.mark.parametrize("copy_options", ["Overwrite", "Skip", "FailOnConflict"])
def test_the_original_location_is_refused(said: object, copy_options: str) -> None:
    request = ORIGINAL | {"copyOptions": copy_options}
    assert refused(rule(targets=[ANY_SHARE], originalLocation=said), request) == (
        "harbour/originalLocation",
        "The rule harbour: not to the original location.",
    )


@pytest.mark.parametrize("copy_options", ["Overwrite", "CreateCopy", "FailOnConflict"])
def test_skip_existing_refuses_whatever_is_not_skip(copy_options: str) -> None:
    request = ORIGINAL | {"copyOptions": copy_options}
    assert refused(rule(originalLocation="skipExisting"), request) == (
        "harbour/originalLocation",
        "The rule harbour: to the original location with copyOptions Skip only.",
    )


def test_skip_existing_lets_skip_through() -> None:
    request = ORIGINAL | {"copyOptions": "Skip"}
    assert allowed(rule(originalLocation="skipExisting"), request) == "harbour"


@pytest.mark.parametrize("copy_options", ["Overwrite", "Skip", "CreateCopy", "FailOnConflict"])
def test_overwrite_lets_the_original_location_through(copy_options: str) -> None:
    request = ORIGINAL | {"copyOptions": copy_options}
    assert allowed(rule(originalLocation="overwrite"), request) == "harbour"


@pytest.mark.parametrize("said", ["refuse", "skipExisting", "overwrite"])
def test_the_original_location_is_no_matter_for_another_share(said: str) -> None:
    assert allowed(rule(originalLocation=said), {"copyOptions": "Overwrite"}) == "harbour"


EMERGENCY: Json = {"priority": "emergency", "requestedBy": "night shift 7"}


@pytest.mark.parametrize("patterns", [..., [], ["night shift"], ["Night Shift ?"], ["*8"]])
def test_an_emergency_is_refused_to_others(patterns: object) -> None:
    assert refused(rule(emergencyBy=patterns), EMERGENCY) == (
        "harbour/emergencyBy",
        "The rule harbour: 'night shift 7' may not say emergency.",
    )


def test_an_emergency_is_refused_to_who_does_not_say() -> None:
    assert refused(rule(emergencyBy=["*"]), {"priority": "emergency"}) == (
        "harbour/emergencyBy",
        "The rule harbour: a request without requestedBy may not say emergency.",
    )


def test_who_says_emergency_is_shown_in_ascii_and_on_one_line() -> None:
    _, message = refused(rule(), EMERGENCY | {"requestedBy": "ü\n🎉\u202e"})
    assert message == r"The rule harbour: '\xfc\n\U0001f389\u202e' may not say emergency."


@pytest.mark.parametrize("pattern", ["*", "night shift 7", "NIGHT*", "*shift*"])
def test_an_emergency_is_let_through(pattern: str) -> None:
    assert allowed(rule(emergencyBy=["others", pattern]), EMERGENCY) == "harbour"


@pytest.mark.parametrize("priority", ["normal", ...])
def test_nobody_needs_a_rule_for_a_request_that_is_no_emergency(priority: object) -> None:
    assert allowed(rule(), {"priority": priority, "requestedBy": "anybody"}) == "harbour"


def test_a_recovery_point_that_is_too_old_is_refused() -> None:
    late = NOW - timedelta(hours=1, seconds=1)
    assert refused(rule(notOlderThan="PT1H"), point_time=late) == (
        "harbour/notOlderThan",
        "The rule harbour: the recovery point 93288 of 2026-05-04T06:59:59Z is older than PT3600S.",
    )


@pytest.mark.parametrize(("age", "is_allowed"), [(3600, True), (3601, False)])
@pytest.mark.parametrize("requested", [timedelta(days=-30), timedelta(hours=-1), timedelta()])
def test_the_age_of_a_point_counts_by_our_clock_not_the_senders(
    age: int, is_allowed: bool, requested: timedelta
) -> None:
    """A request counts from the time of the event that wraps it, which anybody may write."""
    record, decision = decided(request_body(), point_time=NOW - timedelta(seconds=age))
    record = replace(record, requested_at=NOW + requested, accepted_at=NOW)
    said = judge(guards_of(rule(notOlderThan="PT1H")), record, decision)
    assert isinstance(said, Rule) is is_allowed


def test_a_recovery_point_of_an_unknown_age_is_refused() -> None:
    assert refused(rule(notOlderThan="P7D"), point_time=None) == (
        "harbour/notOlderThan",
        "The rule harbour: the age of the recovery point 93288 is not known.",
    )


@pytest.mark.parametrize("age", [timedelta(days=7), timedelta(), timedelta(hours=-1)])
def test_a_recovery_point_that_is_young_enough_is_let_through(age: timedelta) -> None:
    assert allowed(rule(notOlderThan="P7D"), point_time=NOW - age) == "harbour"


@pytest.mark.parametrize("point_time", [None, NOW - timedelta(days=3650)])
def test_no_limit_of_the_age_lets_any_through(point_time: datetime | None) -> None:
    assert allowed(rule(), point_time=point_time) == "harbour"


@pytest.mark.parametrize("status", ["Unknown", "UnHealthy", "Warning", "NotAvailable", "Healthy?"])
def test_a_recovery_point_that_is_not_healthy_is_refused(status: str) -> None:
    assert refused(rule(healthyRecoveryPoint=True), threat_status=status) == (
        "harbour/healthyRecoveryPoint",
        f"The rule harbour: the threat status of the recovery point 93288 is {status}.",
    )


def test_a_recovery_point_without_a_threat_status_is_refused() -> None:
    assert refused(rule(healthyRecoveryPoint=True)) == (
        "harbour/healthyRecoveryPoint",
        "The rule harbour: the threat status of the recovery point 93288 is not known.",
    )


@pytest.mark.parametrize("status", ["Healthy", "healthy", "HEALTHY"])
def test_a_healthy_recovery_point_is_let_through(status: str) -> None:
    assert allowed(rule(healthyRecoveryPoint=True), threat_status=status) == "harbour"


@pytest.mark.parametrize("demanded", [..., False])
@pytest.mark.parametrize("status", ["", "UnHealthy"])
def test_health_counts_only_where_it_is_demanded(demanded: object, status: str) -> None:
    assert allowed(rule(healthyRecoveryPoint=demanded), threat_status=status) == "harbour"


# Several rules.


def test_the_first_rule_that_allows_all_of_it_wins() -> None:
    rules = [rule("no", targets=[]), rule("first", maxPerDay=2), rule("second"), rule("third")]
    said = judged(guards_of(*rules))
    assert isinstance(said, Rule)
    assert (said.name, said.max_per_day) == ("first", 2)


def test_two_rules_do_not_make_one() -> None:
    # One allows the share and the other the target: no rule allows the restore.
    rules = [rule("share", targets=[]), rule("target", sources=[TARGET])]
    assert refused(rules) == ("share/targets", f"The rule share: not to the share {TARGET}.")


def test_the_rule_that_came_nearest_is_named() -> None:
    rules = [
        rule("far", sources=[TARGET]),
        rule("near", targets=[]),
        rule("nearest", notOlderThan="P1D"),
        rule("as-near", notOlderThan="PT1H"),
    ]
    assert refused(rules)[0] == "nearest/notOlderThan"
    assert refused(rules[:2])[0] == "near/targets"


def test_where_no_rule_is_about_the_share_none_is_named() -> None:
    others = rule("a", sources=[TARGET]), rule("b", vaults=[HARBOUR + "2"])
    words = f"No rule covers the share {SOURCE} in the vault {HARBOUR}."
    assert refused(others) == ("rules", words)
    assert refused(others[1]) == ("b/vaults", words)


# What is judged are resolved ids, whatever the request calls them.


def test_the_ids_of_the_resolved_item_count_and_not_those_of_the_request() -> None:
    by_item = BY_ITEM | {"vaultId": ...}
    assert allowed(rule(), by_item) == "harbour"
    secrets = share_id(ACCOUNT, "secrets")
    for request in ({}, by_item):
        # The request names what the rule allows; the vault lists the item as another share.
        assert refused(rule(), request, share="secrets") == (
            "harbour/sources",
            f"No rule covers the share {secrets} in the vault {HARBOUR}.",
        )
        assert refused(rule(), request, account_id=OTHER_ACCOUNT)[0] == "harbour/sources"
    lighthouse = ITEM.replace("/harbour/", "/lighthouse/")
    assert refused(rule(), item_id=lighthouse)[0] == "harbour/vaults"


def test_a_request_by_its_item_goes_back_to_the_share_that_the_vault_lists() -> None:
    request = ORIGINAL | BY_ITEM
    assert allowed(rule(originalLocation="overwrite"), request) == "harbour"
    assert refused(rule(), request)[0] == "harbour/originalLocation"
    same = elsewhere(ACCOUNT, "ledgers") | BY_ITEM
    assert refused(rule(targets=[ANY_SHARE]), same)[0] == "harbour/originalLocation"


def test_the_case_of_ids_does_not_matter() -> None:
    shouting = rule(vaults=[HARBOUR.upper()], sources=[SOURCE.upper()], targets=[TARGET.swapcase()])
    assert allowed(shouting) == "harbour"
    assert allowed(shouting, {"vaultId": HARBOUR.replace("harbour", "HARBOUR")}) == "harbour"
    assert allowed(rule(), account_id=ACCOUNT.upper(), item_id=ITEM.swapcase()) == "harbour"
    assert refused(shouting, share="secrets")[0] == "harbour/sources"


@pytest.mark.parametrize("account", [ACCOUNT, ACCOUNT.replace("quayfiles", "QUAYFILES")])
@pytest.mark.parametrize("items", [..., [{"path": "a/b.txt", "type": "File"}]])
def test_an_alternate_target_that_is_the_source_counts_as_the_original_location(
    account: str, items: object
) -> None:
    request = elsewhere(account, "ledgers") | {"items": items}
    for targets in ([], [SOURCE], [ANY_SHARE]):
        assert refused(rule(targets=targets), request) == (
            "harbour/originalLocation",
            "The rule harbour: not to the original location.",
        )
        assert refused(rule(targets=targets, originalLocation="skipExisting"), request) == (
            "harbour/originalLocation",
            "The rule harbour: to the original location with copyOptions Skip only.",
        )
    assert allowed(rule(targets=[], originalLocation="overwrite"), request) == "harbour"


def test_the_source_by_the_spelling_of_the_vault_is_the_source() -> None:
    request = elsewhere(ACCOUNT, "ledgers")
    assert refused(rule(targets=[ANY_SHARE]), request, share="Ledgers")[0] == (
        "harbour/originalLocation"
    )


@pytest.mark.parametrize("said", ["refuse", "overwrite"])
def test_a_folder_of_the_source_share_needs_targets(said: str) -> None:
    request = elsewhere(ACCOUNT, "ledgers", folder="back")
    assert refused(rule(originalLocation=said), request) == (
        "harbour/targets",
        f"The rule harbour: not to the share {SOURCE}.",
    )
    assert allowed(rule(targets=[SOURCE], originalLocation=said), request) == "harbour"


@pytest.mark.parametrize(
    ("path", "kind", "folder"),
    [
        ("a/b.txt", "File", "a"),
        ("a/b.txt", "File", "A"),
        ("a/b.txt", "File", "a."),
        ("a /b.txt", "File", "a"),
        ("a/b/c.txt", "File", "a/b"),
        ("a/b", "Directory", "a"),
        ("a/b", "Directory", "a/b"),
        ("STRASSE/b", "File", "straße"),
    ],
)
def test_an_item_does_not_come_back_to_its_place_by_naming_its_own_folder(
    path: str, kind: str, folder: str
) -> None:
    items = [{"path": "else/where.txt", "type": "File"}, {"path": path, "type": kind}]
    request = elsewhere(ACCOUNT, "ledgers", folder=folder) | {"items": items}
    open_targets = rule(targets=[ANY_SHARE])
    assert refused(open_targets, request)[0] == "harbour/originalLocation"
    skipping = open_targets | {"originalLocation": "skipExisting"}
    assert refused(skipping, request)[0] == "harbour/originalLocation"
    assert allowed(skipping, request | {"copyOptions": "Skip"}) == "harbour"
    assert refused(rule(originalLocation="overwrite"), request)[0] == "harbour/targets"
    assert allowed(open_targets | {"originalLocation": "overwrite"}, request) == "harbour"
    # The same folder of another share is another place.
    beside = elsewhere(folder=folder) | {"items": items}
    assert allowed(open_targets, beside) == "harbour"


@pytest.mark.parametrize("folder", ["back", "b", "a/b", "a/b.txt.", "a/back/b"])
def test_an_item_may_go_to_another_folder_of_its_share(folder: str) -> None:
    items = [{"path": "b.txt", "type": "File"}, {"path": "a/c/d.txt", "type": "File"}]
    request = elsewhere(ACCOUNT, "ledgers", folder=folder) | {"items": items}
    assert allowed(rule(targets=[SOURCE]), request) == "harbour"


@pytest.mark.parametrize(
    "account",
    [
        ACCOUNT.replace("files-rg", "other-rg"),
        ACCOUNT.replace(SUBSCRIPTION, SUBSCRIPTION.replace("1", "2")),
    ],
)
def test_the_source_does_not_become_another_share_by_another_resource_group(account: str) -> None:
    # The name of a storage account is its own in all of Azure: this can only be the source.
    request = elsewhere(account, "ledgers")
    assert refused(rule(targets=[ANY_SHARE]), request)[0] == "harbour/originalLocation"
    assert allowed(rule(targets=[], originalLocation="overwrite"), request) == "harbour"
    shouted = elsewhere(account.replace("quay", "QUAY"), "ledgers")
    for listed in ("ledgers", "Ledgers"):
        assert refused(rule(targets=[ANY_SHARE]), shouted, share=listed) == (
            "harbour/originalLocation",
            "The rule harbour: not to the original location.",
        )


@pytest.mark.parametrize(
    "share",
    [
        *("", "*", "ledgers\n", " ledgers", "ledgers/", "/ledgers", "secrets/../ledgers"),
        *("secrets/ledgers", "ledgers/secrets", "%6cedgers", "ledgers\x00", "\ud800ledgers"),
        "led\u00adgers",
    ],
)
def test_a_pattern_does_not_match_an_odd_name(share: str) -> None:
    assert refused(rule(sources=[SOURCE]), share=share)[0] == "harbour/sources"
    if "/" in share:
        assert refused(rule(sources=[ANY_SHARE]), share=share)[0] == "harbour/sources"


@pytest.mark.parametrize(
    ("name", "alike", "star"),
    [("books-rg", "book\u017f-rg", "book*-rg"), ("kelvin-rg", "\u212aelvin-rg", "*elvin-rg")],
)
def test_a_letter_that_only_looks_like_another_is_matched_by_a_star_alone(
    name: str, alike: str, star: str
) -> None:
    # Resource groups may have such names, and without case they become the other.
    assert name == alike.casefold()
    guarded, open_to_both = (
        rule(sources=[SHARE.format("*", group, "quayfiles", "ledgers")], **ORIGINAL_ALLOWED)
        for group in (name, star)
    )
    real, fake = (ACCOUNT.replace("files-rg", group) for group in (name, alike))
    assert allowed(guarded, ORIGINAL, account_id=real) == "harbour"
    field, _ = refused(guarded, ORIGINAL, account_id=fake)
    assert field == "harbour/sources"
    assert allowed(open_to_both, ORIGINAL, account_id=fake) == "harbour"


@pytest.mark.parametrize("share", ["*", "dry*", "drydock/..", "drydock "])
def test_a_request_cannot_name_a_pattern(share: str) -> None:
    with pytest.raises(MessageInvalid):
        decided(request_body(**elsewhere(share=share)))


# Laws.

_TARGETS = [SOURCE, TARGET, ANY_SHARE, share_id(ACCOUNT, "*"), SHARE.format("*", "*", "quay*", "*")]
_SHARES = [*_TARGETS, share_id(f"{ACCOUNTS}/quay*", "*")]


def _subsets(values: Sequence[str], *, least: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=2, unique=True)


rules_of = st.fixed_dictionaries(
    {
        "vaults": _subsets([HARBOUR, HARBOUR + "2", ANY_VAULT], least=1),
        "sources": _subsets(_SHARES, least=1),
    },
    optional={
        "targets": _subsets(_TARGETS, least=0),
        "originalLocation": st.sampled_from(list(OriginalLocation)),
        "emergencyBy": _subsets(["*", "night *", "day"], least=0),
        "maxPerHour": st.integers(1, 3),
        "notOlderThan": st.sampled_from(["PT1H", "P7D"]),
        "healthyRecoveryPoint": st.booleans(),
    },
)
requests = st.builds(
    lambda target, copy_options, priority, said: (
        target | {"copyOptions": copy_options, "priority": priority, "requestedBy": said}
    ),
    st.sampled_from(
        [
            {"target": {"location": "original"}},
            elsewhere(),
            elsewhere(ACCOUNT, "ledgers"),
            elsewhere(ACCOUNT, "ledgers", folder="back"),
        ]
    ),
    st.sampled_from(["Overwrite", "Skip"]),
    st.sampled_from(["normal", "emergency"]),
    st.sampled_from(["night shift", "day"]),
)
decisions = st.fixed_dictionaries(
    {
        "point_time": st.sampled_from([None, NOW, NOW - timedelta(days=2)]),
        "threat_status": st.sampled_from(["", "Healthy", "Warning"]),
        "share": st.sampled_from(["ledgers", "ledgers", "secrets"]),
    }
)


def numbered(rules: Sequence[Json]) -> list[Json]:
    return [{"name": f"rule-{number}"} | fields for number, fields in enumerate(rules)]


@given(st.lists(rules_of, min_size=1, max_size=4), rules_of, st.data(), requests, decisions)
def test_another_rule_never_makes_refused_what_was_allowed(
    rules: list[Json], added: Json, data: st.DataObject, request: Json, decision: Json
) -> None:
    before = judged(guards_of(*numbered(rules)), request, **decision)
    place = data.draw(st.integers(0, len(rules)))
    more = [*rules[:place], added, *rules[place:]]
    after = judged(guards_of(*numbered(more)), request, **decision)
    if isinstance(before, Rule):
        assert isinstance(after, Rule)
    elif isinstance(after, Rule):
        assert after.name == f"rule-{place}"


@given(st.lists(rules_of, min_size=1, max_size=4), requests, decisions)
def test_rules_allow_what_one_of_them_allows_alone(
    rules: list[Json], request: Json, decision: Json
) -> None:
    names = [one["name"] for one in numbered(rules)]
    alone = [judged(guards_of(one), request, **decision) for one in numbered(rules)]
    together = judged(guards_of(*numbered(rules)), request, **decision)
    first = next((one for one in alone if isinstance(one, Rule)), None)
    if first is not None:
        assert together == first
    else:
        assert isinstance(together, NotAllowed)
        name, _, field = together.rule.partition("/")
        assert (name, field) == ("rules", "") or (name in names and field in EVERY_FIELD)
        assert together.message


@given(rules_of, requests, decisions)
def test_a_rule_without_one_of_its_conditions_allows_no_less(
    one: Json, request: Json, decision: Json
) -> None:
    if isinstance(judged(guards_of(*numbered([one])), request, **decision), NotAllowed):
        return
    conditions = [name for name in ("notOlderThan", "healthyRecoveryPoint") if name in one]
    for size in range(1, len(conditions) + 1):
        for left_out in combinations(conditions, size):
            rest = {field: held for field, held in one.items() if field not in left_out}
            assert isinstance(judged(guards_of(*numbered([rest])), request, **decision), Rule)
