"""The loop that changes a claim, on tables in memory, with another instance that gets between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from restore_core.domain import claims
from restore_core.domain.ports import Claim, Holder
from restore_core.errors import Conflict
from restore_core.storage.tables import RestoreStore
from tests.simulators.store import MemoryTables

KEY = "target:x"
NOW = datetime(2026, 2, 5, 7, 0, tzinfo=UTC)


def holder(name: str) -> Holder:
    return Holder(key=name, request_id=name, since=NOW)


def adding(name: str) -> Callable[[Claim], tuple[Claim, int]]:
    """A step that adds a holder, and answers how many there were."""
    return lambda claim: (
        replace(claim, holders=(*claim.holders, holder(name))),
        len(claim.holders),
    )


class Contended(RestoreStore):
    """A store whose claim another instance changes, right before each of the next writes."""

    others = 0
    writes = 0

    def write_claim(self, claim: Claim, holders: Sequence[Holder]) -> str:
        if self.others:
            self.others -= 1
            other = self.read_claim(claim.thing)
            super().write_claim(other, [*other.holders, holder(f"other{self.others}")])
        self.writes += 1
        return super().write_claim(claim, holders)


@pytest.fixture
def store() -> Contended:
    return Contended(MemoryTables())  # type: ignore[arg-type]


def test_a_change_is_written_and_comes_back_with_its_new_etag(store: Contended) -> None:
    claim, answer = claims.change(store, KEY, adding("r1"))
    assert answer == 0
    assert claim.holders == (holder("r1"),)
    assert store.read_claim(KEY) == claim


def test_a_claim_that_stays_as_it_was_is_not_written(store: Contended) -> None:
    claims.change(store, KEY, adding("r1"))
    claim, answer = claims.change(store, KEY, lambda claim: (claim, "seen"))
    assert (store.writes, answer) == (1, "seen")
    assert claim == store.read_claim(KEY)


def test_a_step_is_asked_again_about_what_another_instance_wrote(store: Contended) -> None:
    store.others = 3
    claim, answer = claims.change(store, KEY, adding("r1"))
    assert answer == 3, "the answer is about the claim that was changed at last"
    assert [one.key for one in claim.holders] == ["other2", "other1", "other0", "r1"]
    assert store.read_claim(KEY) == claim, "nobody's change is lost"


def test_a_claim_that_never_comes_to_rest_is_a_conflict(store: Contended) -> None:
    store.others = 1000
    with pytest.raises(Conflict, match=KEY):
        claims.change(store, KEY, adding("r1"))
    assert "r1" not in {one.key for one in store.read_claim(KEY).holders}
    assert store.others > 900, "it gives up soon"
