"""Targets: one share is one target, however its account's id is spelt, and across an upgrade."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Claim, Holder
from restore_core.domain.record import hash_key
from restore_core.vocabulary import WaitingFor
from tests.simulators.store import memory_store
from tests.simulators.world import ACCOUNTS, World, elsewhere, request

SANDBOX = ACCOUNTS.replace("resourceGroups/rg", "resourceGroups/sandbox")
OTHERWISE = {
    "another group": f"{SANDBOX}/target1",
    "another case": f"{ACCOUNTS}/TARGET1",
    "another subscription": f"{ACCOUNTS}/target1".replace("ef4ab5a7", "00000000"),
}


@pytest.fixture
def world() -> World:
    world = World()
    world.vaults.job_seconds = 600
    return world


@pytest.mark.parametrize("spelling", OTHERWISE)
def test_two_spellings_of_a_target_are_one_target(world: World, spelling: str) -> None:
    world.send(request("r1", target=elsewhere(), copyOptions=None))
    other = elsewhere(storageAccountId=OTHERWISE[spelling])
    world.send(request("r2", target=other, copyOptions=None))
    assert world.record("r1").phase is Phase.OPERATION_PENDING
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY
    assert "r1" in world.record("r2").waiting_message
    world.sweep_until_quiet()
    assert [world.end_of(one)["phase"] for one in ("r1", "r2")] == ["Completed"] * 2
    assert "target" not in world.holders()
    world.check_laws()


def test_a_source_restored_to_its_place_and_a_target_elsewhere_are_one_share(world: World) -> None:
    world.send(request("r1", share="ledgers"))
    target = elsewhere("ledgers", storageAccountId=f"{SANDBOX}/source1", folder="back")
    world.send(request("r2", share="others", target=target, copyOptions=None))
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY


def test_another_share_of_the_account_waits_for_nobody(world: World) -> None:
    world.send(request("r1", target=elsewhere("one"), copyOptions=None))
    world.send(request("r2", target=elsewhere("two"), copyOptions=None))
    assert world.record("r2").phase is Phase.OPERATION_PENDING


# Across an upgrade: the version before claims by the whole id of the account.


def _older_claim(world: World, holder: str | None) -> Claim:
    """Write, or read, the claim of the version before."""
    store = memory_store(world.tables)
    claim = store.read_claim(f"target:{hash_key(f'{ACCOUNTS}/target1', 'target1')}")
    if holder is not None:
        store.write_claim(claim, [Holder(key=holder, request_id=holder, since=world.now)])
    return claim


def _sent(world: World, request_id: str, **fields: Any) -> None:
    world.send(request(request_id, target=elsewhere(**fields), copyOptions=None))


def test_what_an_older_version_holds_is_waited_for_and_no_claim_is_kept(world: World) -> None:
    _sent(world, "r1")
    assert [one.key for one in _older_claim(world, None).holders] == ["r1"]
    # Its claim by the name alone is one that the version before does not make.
    store = memory_store(world.tables)
    share = f"target:{hash_key('target1', 'target1')}"
    store.write_claim(store.read_claim(share), [])
    _sent(world, "r2")
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY
    assert store.read_claim(share).holders == (), "who waits must keep nobody else waiting"
    world.sweep_until_quiet()
    assert world.end_of("r2")["phase"] == "Completed"
    assert "target" not in world.holders()
    world.check_laws()


def test_an_older_versions_request_gives_its_claim_back_here(world: World) -> None:
    _sent(world, "r1")
    store = memory_store(world.tables)
    stored = store.load("r1", "r1")
    assert stored is not None
    # As the version before wrote it: one claim, and its ETag alone.
    share = f"target:{hash_key('target1', 'target1')}"
    store.write_claim(store.read_claim(share), [])
    older = stored.record.from_json(stored.record.to_json().replace('"share_etag"', '"unknown"'))
    store.replace(older, stored.etag)
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert "target" not in world.holders()


def test_both_claims_are_given_back_when_a_start_is_not_to_be(world: World) -> None:
    world.send(request("r1", target=elsewhere(), copyOptions=None, startDeadline="PT1H"))
    _sent(world, "r2")
    world.send({"schemaVersion": "1.0", "action": "cancel", "requestId": "r2"})
    world.pass_time(timedelta(minutes=20).total_seconds())
    world.sweep_until_quiet()
    assert world.end_of("r2")["reason"] == "CancelledByRequest"
    assert "target" not in world.holders()
