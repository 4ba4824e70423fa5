"""The order of a sweep: every vault and every kind of request gets its places."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.fair_order import EMERGENCIES_IN_A_ROW, in_fair_order
from restore_core.errors import ArmAnswer
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.policy.guards import Guards
from tests.simulators.world import ACCOUNTS, START, VAULT, World, request, with_settings

_ANY = read_request(request())
assert isinstance(_ANY, RestoreRequest)
_ROW = OpenRow.of(RestoreRecord.accept(_ANY, message_id="m", requested_at=START, now=START), START)


def row(key: str, vault: str = "vault1", *, emergency: bool = False, due: int = 0) -> OpenRow:
    return replace(
        _ROW,
        key=key,
        vault_id=VAULT.replace("vault1", vault),
        is_emergency=emergency,
        next_check_at=START + timedelta(seconds=due),
    )


def keys(*rows: OpenRow) -> list[str]:
    return [one.key for one in in_fair_order(rows)]


def test_nothing_that_is_due_has_no_order() -> None:
    assert keys() == []


def test_emergencies_go_first_and_the_longest_due_before_the_others() -> None:
    rows = (row("c", due=3), row("e2", emergency=True, due=9), row("a", due=1), row("b", due=2))
    assert keys(*rows, row("e1", emergency=True, due=8)) == ["e1", "e2", "a", "b", "c"]


def test_each_vault_has_its_turn_however_much_is_due_in_another() -> None:
    crowd = [row(f"crowd{number:03}", "vault2", due=number) for number in range(150)]
    assert keys(*crowd, row("one", due=149), row("two", due=200))[:4] == [
        *("crowd000", "one", "crowd001", "two"),
    ]
    urgent = [replace(one, is_emergency=True) for one in crowd]
    assert keys(*urgent, row("one", emergency=True, due=149))[:2] == ["crowd000", "one"]


@given(
    st.lists(
        st.builds(
            row,
            st.uuids().map(str),
            st.sampled_from(["vault1", "vault2", "VAULT2", "vault3"]),
            emergency=st.booleans(),
            due=st.integers(0, 100),
        ),
        max_size=60,
    )
)
def test_all_are_taken_once_and_no_kind_waits_for_all_of_another(rows: list[OpenRow]) -> None:
    ordered = in_fair_order(rows)
    assert sorted(one.key for one in ordered) == sorted(one.key for one in rows)
    for at in range(len(ordered)):
        left = ordered[at:]
        window = left[: EMERGENCIES_IN_A_ROW + 1]
        if any(not one.is_emergency for one in left):
            assert any(not one.is_emergency for one in window)
        if any(one.is_emergency for one in left) and len(left) > 1:
            assert any(one.is_emergency for one in left[:2])


# A flood, seen from outside.

MANY = 150
OTHER = VAULT.replace("vault1", "vault2")


def answered_after(guards: Guards | None, **flood: Any) -> float:
    """Let a flood come for a vault that refuses to be read, and then two honest requests, where a
    read takes 1.2 s and one thread does it all; say after how many seconds both are answered.
    """
    world = World(with_settings(sweep_budget=timedelta(seconds=240)), guards=guards)
    find_item = world.vaults.find_item

    def refusing(asked: RestoreRequest) -> object:
        if asked.vault.name == "vault2":
            raise ArmAnswer(status=403, code="AuthorizationFailed", message="no role")
        return find_item(asked)

    world.vaults.find_item = refusing  # type: ignore[method-assign,assignment]
    world.start()
    world.send(request("running"))
    for number in range(MANY):
        world.send(request(f"flood{number}", vaultId=OTHER, **flood))

    def read(_number: int, name: str) -> None:
        if name == "arm.find_item":
            world.pass_time(1.2)

    world.calls.during = read
    world.send(request("new"))
    begun, honest = world.now, ("running", "new")
    while not all(world.events(name) for name in honest):
        assert world.now - begun < timedelta(hours=3)
        world.sweep(after=15)
    told = [world.record(name).announced_at for name in honest]
    return max((at - begun).total_seconds() for at in told if at is not None)


def rules(*vaults: str, by: tuple[str, ...] = ()) -> Guards:
    rule = {
        "name": "all",
        "vaults": vaults,
        "sources": [f"{ACCOUNTS}/source1/fileServices/default/shares/*"],
        "originalLocation": "overwrite",
        "emergencyBy": by,
    }
    return Guards.model_validate({"schemaVersion": "1.0", "rules": [rule]})


URGENT = {"priority": "emergency", "requestedBy": "anybody"}


def test_a_flood_for_a_vault_that_no_rule_covers_delays_nobody() -> None:
    assert answered_after(rules(VAULT), **URGENT) <= 60


@pytest.mark.parametrize("flood", [URGENT, {}])
def test_a_flood_for_a_vault_that_cannot_be_read_delays_nobody_for_minutes(
    flood: dict[str, Any],
) -> None:
    """Emergencies that a rule allows, or normal requests; with rules, or without any."""
    for guards in (rules(VAULT, OTHER, by=("*",)), None):
        assert answered_after(guards, **flood) <= 60


def test_what_no_guard_lets_say_emergency_overtakes_nobody() -> None:
    world = World(guards=rules(VAULT, OTHER, by=("oncall",)))
    world.vaults.read_errors = [ArmAnswer(status=403, code="AuthorizationFailed")] * 3
    for number in range(3):
        world.send(request(f"flood{number}", **URGENT))
    assert not any(one.is_emergency for one in world.open_rows())
