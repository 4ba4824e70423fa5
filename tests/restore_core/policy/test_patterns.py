"""Patterns: what they match, and which are refused because they could match nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from restore_core.policy.patterns import (
    SHARE,
    VAULT,
    ResourcePattern,
    SharePattern,
    VaultPattern,
    id_matches,
    matches,
)
from tests.restore_core.growth import assert_grows_at_most

SUBSCRIPTION = "ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
VAULT_ID = VAULT.format(SUBSCRIPTION, "rg-prod", "vault1")
SHARE_ID = SHARE.format(SUBSCRIPTION, "rg-prod", "account1", "finance")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*", ""),
        ("*", "anything"),
        ("finance", "Finance"),
        ("fin*", "finance"),
        ("*ce", "finance"),
        ("f*n*e", "finance"),
        ("a*a", "aa"),
        ("a**b", "ab"),
    ],
)
def test_a_pattern_matches_without_case(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", "x"),
        ("finance", "finance2"),
        ("fin*", "a-finance"),
        ("*ce", "finances"),
        ("a*a", "a"),
        ("a*b*c", "acb"),
        ("fin?nce", "finance"),
        ("[f]inance", "finance"),
    ],
)
def test_a_pattern_matches_nothing_else(pattern: str, text: str) -> None:
    assert not matches(pattern, text)


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_a_pattern_means_what_a_shell_would_make_of_it(pattern: str, text: str) -> None:
    def slow(wanted: str, given_text: str) -> bool:
        if not wanted:
            return not given_text
        if wanted[0] == "*":
            return any(slow(wanted[1:], given_text[at:]) for at in range(len(given_text) + 1))
        return given_text[:1] == wanted[0] and slow(wanted[1:], given_text[1:])

    assert matches(pattern, text) == slow(pattern, text)


def test_a_pattern_full_of_stars_costs_no_more_than_its_length_by_the_texts() -> None:
    def match(size: int) -> None:
        assert not matches("a*" * (size // 2) + "b", "a" * size)

    assert_grows_at_most(2, match, 2000)


@pytest.mark.parametrize("pattern", [VAULT.format("*", "*", "*"), VAULT_ID.upper()])
def test_an_id_matches_segment_by_segment(pattern: str) -> None:
    assert id_matches(pattern, VAULT_ID)


@pytest.mark.parametrize(
    "pattern",
    ["*", "/subscriptions/*", VAULT.format("*", "rg-dev*", "*"), VAULT.format("*", "*", "*1x")],
)
def test_a_star_does_not_reach_over_a_slash(pattern: str) -> None:
    assert not id_matches(pattern, VAULT_ID)


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "",
        VAULT_ID,  # a vault is no share
        SHARE.format("*", "*", "*", "fin/ance"),
        SHARE.format("*", "*", "*", "*").replace("resourceGroups", "resourceGroup"),
        SHARE.format("*", "*", "*", "*").replace("default", "*"),
        SHARE.format("*", "*", "*", "a?"),
        SHARE.format("*", "*", "*", "%2f"),
        SHARE.format("*", "*", "*", "a" * 1100),
        SHARE.format("*", "*", "*", "") + "",
    ],
)
def test_a_pattern_that_could_match_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(SharePattern).validate_python(text)


def test_a_pattern_of_a_vault_is_kept_as_it_is() -> None:
    pattern = VAULT.format("*", "rg-*", "*")
    assert TypeAdapter(VaultPattern).validate_python(pattern) == pattern


def test_a_refused_pattern_says_what_it_must_be() -> None:
    with pytest.raises(ValidationError, match=r"must be the id of a vault, /subscriptions/\*/"):
        TypeAdapter(VaultPattern).validate_python("/subscriptions/*")


@pytest.mark.parametrize(
    "pattern",
    [
        "/subscriptions/*",
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/*",
        "/Subscriptions/*/resourcegroups/rg-*/providers/Microsoft.Web/sites/*/slots/*",
        "/subscriptions/*/providers/Microsoft.AlertsManagement/alerts/*",
        SHARE_ID,
        "/subscriptions/*/resourceGroups/größe/providers/A.B/c/" + "d" * 900,
    ],
)
def test_a_pattern_of_any_resource_is_kept_as_it_is(pattern: str) -> None:
    assert TypeAdapter(ResourcePattern).validate_python(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("", "must start with /subscriptions/"),
        ("*", "must start with /subscriptions/"),
        ("subscriptions/*", "must start with /subscriptions/"),
        ("/*/*/resourceGroups/*", "must start with /subscriptions/"),
        ("/subscriptions", "has an empty segment"),
        ("/subscriptions/", "has an empty segment"),
        ("/subscriptions/*/", "has an empty segment"),
        ("/subscriptions/*//resourceGroups/a", "has an empty segment"),
        ("/subscriptions/*/resourceGroups/..", "has an empty segment"),
        ("/subscriptions/*/resourceGroups/a%2fb", "a character that no ARM id holds"),
        ("/subscriptions/*/resourceGroups/a\\b", "a character that no ARM id holds"),
        ("/subscriptions/*/resourceGroups/a?", "a character that no ARM id holds"),
        ("/subscriptions/*/resourceGroups/a b", "a character that no ARM id holds"),
        ("/subscriptions/*/resourceGroups/a\n", "a character that no ARM id holds"),
        ("/subscriptions/*/resourceGroup/a", "must go on with /resourceGroups/ or /providers/"),
        ("/subscriptions/*/*/a", "must go on with /resourceGroups/ or /providers/"),
        ("/subscriptions/*/resourceGroups/" + "a" * 1000, "is longer than 1024 characters"),
    ],
)
def test_a_pattern_that_could_match_no_resource_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TypeAdapter(ResourcePattern).validate_python(pattern)
