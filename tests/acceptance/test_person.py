"""Who runs it: tokens are kept, and read only to know oneself."""

from __future__ import annotations

from typing import Any

from azure.core.credentials import AccessToken

from tests.acceptance.azure_stage import OBJECT_ID, Credential
from tests.acceptance.person import KeptTokens, Person


class Counting:
    """Gives a new token each time."""

    given = 0

    def get_token(self, *scopes: str, **_more: Any) -> AccessToken:
        """A token for ten minutes."""
        self.given += 1
        return AccessToken(f"{self.given} for {scopes[0]}", 600)


def test_a_token_is_kept_for_its_scope_until_it_is_about_to_end() -> None:
    now = [0.0]
    kept = KeptTokens(Counting(), clock=lambda: now[0])
    assert kept.get_token("one").token == "1 for one"
    assert kept.get_token("two").token == "2 for two"
    now[0] = 299
    assert kept.get_token("one").token == "1 for one"
    now[0] = 301
    assert kept.get_token("one").token == "3 for one"


def test_a_token_for_other_claims_is_asked_for_anew() -> None:
    kept = KeptTokens(Counting())
    kept.get_token("one")
    assert kept.get_token("one", claims="{}").token == "2 for one"


def test_the_token_tells_the_object_id_and_its_kind() -> None:
    person = Person(credential=Credential())
    assert (person.object_id, person.principal_type) == (OBJECT_ID, "User")
