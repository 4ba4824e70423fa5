"""When the guards are asked: before the first read, after the lists, and before the intent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import is_urgent
from restore_core.errors import ArmAnswer, FileInvalid, LookupFailed, Problem
from restore_core.policy.guards import Guards
from restore_core.vocabulary import Reason, WaitingFor
from tests.simulators.world import ACCOUNTS, VAULT, World, request

MISSING = FileInvalid([Problem(path="restore-guards.json", message="cannot be read")])
SHARES = f"{ACCOUNTS}/source1/fileServices/default/shares"
UNCOVERED = VAULT.replace("vault1", "not-ours")


def guards(*more: dict[str, Any], **fields: Any) -> Guards:
    rule = {
        "name": "the-rule",
        "vaults": [VAULT],
        "sources": [f"{SHARES}/*"],
        "originalLocation": "overwrite",
        **fields,
    }
    return Guards.model_validate({"schemaVersion": "1.0", "rules": [*more, rule]})


def item(share: str, vault: str = VAULT) -> dict[str, str]:
    container = (
        f"{vault}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
    )
    return {"protectedItemId": f"{container}/protectedItems/AzureFileShare;{share}"}


def asked(world: World) -> list[str]:
    return [name for name in world.calls.names if name.startswith("arm.")]


def at(world: World, call: str, act: Callable[[], None]) -> None:
    """Let something happen while a call is under way, which takes five minutes."""

    def during(_number: int, name: str) -> None:
        if name == call:
            world.calls.during = lambda _number, _name: None
            world.pass_time(300)
            act()

    world.calls.during = during


@pytest.fixture
def world() -> World:
    return World(guards=guards())


# Before the first read.


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    "asked_for",
    [
        {"vaultId": UNCOVERED},
        {"vaultId": None, "source": item("share-r1", UNCOVERED)},
        {"source": {"storageAccountId": f"{ACCOUNTS}/other1", "fileShare": "share-r1"}},
    ],
)
def test_of_what_no_rule_covers_nothing_is_read(
    world: World, dry_run: bool, asked_for: dict[str, Any]
) -> None:
    world.send(request(dryRun=dry_run, **asked_for))
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Refused", "NotAllowed")
    assert end["message"].startswith("No rule covers the ")
    assert asked(world) == []
    assert not {"plan", "recoveryPoint"} & set(end)


@pytest.mark.parametrize("dry_run", [False, True])
def test_points_of_an_item_that_no_rule_covers_are_not_read(world: World, dry_run: bool) -> None:
    world.guards = guards(sources=[f"{SHARES}/public"])
    point = {"id": "1"}
    body = request(dryRun=dry_run, vaultId=None, source=item("secret"), recoveryPoint=point)
    world.send(body)
    end = world.end_of("r1")
    assert (end["reason"], end["rule"]) == ("NotAllowed", "the-rule/sources")
    assert asked(world) == ["arm.find_item"]
    assert not {"plan", "recoveryPoint"} & set(end)


def test_a_vault_names_those_shares_alone_that_a_rule_covers(world: World) -> None:
    listed = {f"source1/{share}": f"{SHARES}/{share}" for share in ("secret", "public-1", "public")}

    def find_item(_request: object) -> None:
        raise LookupFailed("It has none.", reason=Reason.SOURCE_NOT_FOUND, listed=listed)

    world.vaults.find_item = find_item  # type: ignore[method-assign,assignment]
    world.guards = guards(sources=[f"{SHARES}/public*"])
    world.send(request("r1", vaultId=None, source=item("gone")))
    assert world.end_of("r1")["message"] == (
        "It has none. It protects source1/public, source1/public-1."
    )
    world.guards = guards(sources=[f"{SHARES}/another"])
    world.send(request("r2", vaultId=None, source=item("gone")))
    assert world.end_of("r2")["message"] == (
        "It has none. It protects no file share that a rule covers."
    )
    world.guards = None
    world.send(request("r3"))
    assert "source1/secret" in world.end_of("r3")["message"]
    listed.clear()
    world.send(request("r4"))
    assert world.end_of("r4")["message"] == "It has none. It protects no file share at all."
    listed.update({f"source1/s{number:03}": f"{SHARES}/s{number}" for number in range(300)})
    world.send(request("r5"))
    assert world.end_of("r5")["message"].endswith("source1/s009 and 290 more.")


# After the lists, and right before the intent.

LATE = ["arm.find_item", "arm.choose_point", "arm.resource_guard_requests", "table.write_claim"]


@pytest.mark.parametrize("call", LATE)
def test_guards_that_go_away_during_the_way_to_the_post_keep_it_from_going(
    world: World, call: str
) -> None:
    at(world, call, lambda: setattr(world, "guards", MISSING))
    world.send(request())
    record = world.record("r1")
    assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.GUARDS_INVALID)
    assert world.vaults.posts == 0
    assert world.holders() == {}
    world.guards = guards()
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


@pytest.mark.parametrize("call", LATE)
def test_a_rule_that_is_taken_back_on_the_way_to_the_post_refuses(world: World, call: str) -> None:
    at(world, call, lambda: setattr(world, "guards", guards(originalLocation="refuse")))
    world.send(request())
    end = world.end_of("r1")
    assert (end["reason"], end["rule"]) == ("NotAllowed", "the-rule/originalLocation")
    assert world.vaults.posts == 0
    assert world.holders() == {}
    world.check_laws()


@pytest.mark.parametrize("call", LATE[:3])
def test_a_dry_run_is_judged_by_the_rules_at_its_end(world: World, call: str) -> None:
    at(world, call, lambda: setattr(world, "guards", guards(originalLocation="refuse")))
    world.send(request(dryRun=True))
    assert world.end_of("r1")["rule"] == "the-rule/originalLocation"


def test_the_limits_that_count_are_those_of_the_rule_at_the_end(world: World) -> None:
    world.send(request("r0", share="share-1"))
    world.sweep_until_quiet()
    at(world, "table.write_claim", lambda: setattr(world, "guards", guards(maxPerHour=1)))
    world.send(request("r1", share="share-1"))
    end = world.end_of("r1")
    assert (end["phase"], end["rule"]) == ("Refused", "the-rule/maxPerHour")
    assert world.vaults.posts == 1
    assert world.holders()["starts"] == ["r0"]


# What may call itself an emergency.


def mark_of_each_read(world: World) -> list[bool]:
    """Note of each read whether it was made as an emergency's."""
    marks: list[bool] = []

    def during(_number: int, name: str) -> None:
        if name in {"arm.find_item", "arm.choose_point", "arm.post.send"}:
            marks.append(is_urgent.get())

    world.calls.during = during
    return marks


EMERGENCY = {"priority": "emergency", "requestedBy": "oncall"}


@pytest.mark.parametrize(
    ("rules", "counts"),
    [
        (guards(emergencyBy=["oncall"]), True),
        (guards(emergencyBy=["night shift"]), False),
        (guards(), False),
        (None, True),
    ],
)
def test_reads_are_an_emergencys_once_a_guard_lets_it_say_so(
    world: World, rules: Guards | None, counts: bool
) -> None:
    world.guards = rules
    marks = mark_of_each_read(world)
    world.send(request(**EMERGENCY))
    assert marks == [counts] * (3 if counts else 2)
    assert world.record("r1").is_emergency is counts
    if not counts:
        assert world.end_of("r1")["rule"] == "the-rule/emergencyBy"


def test_what_no_guard_lets_say_emergency_waits_as_a_normal_request(world: World) -> None:
    world.vaults.read_errors = [ArmAnswer(status=403, code="AuthorizationFailed")]
    world.send(request(**EMERGENCY))
    record = world.record("r1")
    assert (record.waiting_for, record.is_emergency) == (WaitingFor.NOT_AUTHORIZED_YET, False)
    (row,) = [row for row in world.open_rows() if row.key == "r1"]
    assert not row.is_emergency
