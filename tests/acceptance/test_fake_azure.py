"""The strict Azure of the tests is strict: what it does not know, it does not take."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.azure_stage import NAMES, token
from tests.acceptance.fake_azure import FakeAzure, differs, direct, session_to
from tests.acceptance.fake_parts import GROUPS

WANTED = {"name": str, "sku": {"name": "Standard"}, "days?": int}
GOOD = {"name": "x", "sku": {"name": "Standard"}}


@pytest.mark.parametrize("given", [GOOD, {**GOOD, "days": 3}])
def test_a_body_of_the_right_form_is_taken(given: dict[str, Any]) -> None:
    assert differs(WANTED, given) == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({**GOOD, "tier": "x"}, "unknown ['tier']"),
        ({"name": "x"}, "lacks ['sku']"),
        ({**GOOD, "name": 3}, "body.name is 3"),
        ({**GOOD, "sku": {"name": "Basic"}}, "body.sku.name is 'Basic'"),
        ({**GOOD, "days": "3"}, "body.days is '3'"),
        (None, "body is None"),
    ],
)
def test_any_other_body_is_refused_with_the_difference(given: object, told: str) -> None:
    assert told in differs(WANTED, given)


@pytest.mark.parametrize(
    ("path", "query", "headers", "told"),
    [
        (NAMES.group_id, {"api-version": "2019-01-01"}, True, "api-version 2019-01-01"),
        ("/subscriptions/s/nothing", {"api-version": GROUPS}, True, "no such call"),
        (NAMES.group_id, {"api-version": GROUPS}, False, "without the token"),
    ],
)
def test_a_call_that_is_not_as_it_must_be_is_a_problem(
    path: str, query: dict[str, str], headers: bool, told: str
) -> None:
    azure = direct(FakeAzure(token=token()))
    given = {"Authorization": f"Bearer {token()}"} if headers else {}
    with session_to(azure) as session:
        session.get(f"{azure.url}{path}", params=query, headers=given)
    (problem,) = azure.problems
    assert told in problem
