"""From `Accepted` to the POST: guards, checks, Resource Guards, allowances, and dry runs of it all.

What is counted and who goes first is in `test_allowance.py`, what each guard and each check says in
`test_guards.py` and `test_preflight.py`; here is what becomes of the request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from restore_core.azure_backup.payload import body_text
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Holder, Message
from restore_core.domain.record import hash_key
from restore_core.domain.vault import RecoveryPoint, Tier
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import ArmAnswer, ArmError, FileInvalid, Problem
from restore_core.policy.guards import Guards
from restore_core.policy.preflight import Outcome
from restore_core.vocabulary import WaitingFor
from tests.patience import PATIENCE
from tests.restore_core.given import (
    ACCOUNT,
    ACCOUNTS,
    IDENTITY,
    OTHER_ACCOUNT,
    Json,
    request_body,
    sample,
)
from tests.simulators.arm_server import ArmServer, Reply, by_path, serving
from tests.simulators.store import MemoryQueue, MemoryTables, memory_store, rows
from tests.simulators.vaults import Fate
from tests.simulators.world import (
    ACCOUNTS as HOME,
)
from tests.simulators.world import (
    SHAPES,
    VAULT,
    World,
    cancel,
    elsewhere,
    request,
    with_settings,
)

MISSING = FileInvalid([Problem(path="restore-guards.json (message)", message="cannot be read")])
GUARD_REQUEST = (
    f"{VAULT.partition('/providers')[0]}/providers/Microsoft.DataProtection/resourceGuards/guard"
    "/restoreRequests/default"
)
PROBE = "arm.resource_guard_requests"
VAULTED = (Tier(kind="HardenedRP", status="Valid"),)
CHECKS = [
    "guards",
    "protectionState",
    "recoveryPointTier",
    "threatStatus",
    "target",
    "subscription",
    "itemPaths",
    "identity",
    "resourceGuard",
    "allowance",
]


@pytest.fixture
def world() -> World:
    return World()


def guards(**fields: Any) -> Guards:
    """One rule, which allows every restore of the tests but for what is changed."""
    shares = "{}/fileServices/default/shares/*"
    rule = {
        "name": "the-rule",
        "vaults": [VAULT],
        "sources": [shares.format(f"{HOME}/source1")],
        "targets": [shares.format(f"{HOME}/target1")],
        "originalLocation": "overwrite",
        **fields,
    }
    return Guards.model_validate({"schemaVersion": "1.0", "rules": [rule]})


FORBIDDING = guards(originalLocation="refuse", targets=[])


def asked(world: World) -> list[str]:
    """The calls to ARM."""
    return [name for name in world.calls.names if name.startswith("arm.")]


def fail_probe(world: World, error: ArmError) -> None:
    world.calls.fail = lambda _number, name: error if name == PROBE else None


def assert_untouched(world: World) -> None:
    """Nothing was sent, and no claim was made that had to be given back."""
    assert world.vaults.sent == []
    assert rows(world.tables, "restoreclaims") == []


# Guards.


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_guard_refuses_ends_refused_and_names_the_rule(world: World, shape: str) -> None:
    world.guards = FORBIDDING
    world.send(request(**SHAPES[shape]))
    world.sweep_until_quiet()
    (event,) = world.events()
    end = event["data"]
    assert (event["id"], event["type"]) == ("r1/Refused", "azurefilesrestore.Refused.v1")
    assert (end["phase"], end["reason"], end["restoreStarted"]) == ("Refused", "NotAllowed", "no")
    back = "target" not in SHAPES[shape]
    assert end["rule"] == f"the-rule/{'originalLocation' if back else 'targets'}"
    assert "The rule the-rule" in end["message"]
    assert "RESTORE_GUARDS" in end["recommendation"]
    assert len(world.queue.sent) == 1
    assert_untouched(world)
    world.check_laws()


@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_guard_allows_runs(world: World, shape: str) -> None:
    world.guards = guards()
    world.send(request(**SHAPES[shape]))
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_guards_judge_the_resolved_item_and_not_what_the_request_calls_it(world: World) -> None:
    """A request may name the item alone: what counts is the share that it protects."""
    world.guards = guards(
        sources=[f"{HOME}/source1/fileServices/default/shares/public"],
    )
    item = f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
    for name, share in (("r1", "secret"), ("r2", "public")):
        source = {"protectedItemId": f"{item}/protectedItems/AzureFileShare;{share}"}
        world.send(request(name, source=source))
    world.sweep_until_quiet()
    assert (world.end_of("r1")["phase"], world.end_of("r1")["rule"]) == (
        "Refused",
        "the-rule/sources",
    )
    assert world.end_of("r2")["phase"] == "Completed"


def test_a_guard_speaks_before_any_check(world: World) -> None:
    world.guards, world.vaults.soft_deleted = FORBIDDING, True
    world.send(request())
    end = world.end_of("r1")
    assert end["reason"] == "NotAllowed"
    assert "soft-deleted" not in end["message"]


def test_guards_that_cannot_be_used_let_wait_before_anything_is_asked(world: World) -> None:
    world.guards = MISSING
    world.send(request())
    for _ in range(20):
        world.sweep(after=60)
    record = world.record("r1")
    assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.GUARDS_INVALID)
    assert record.waiting_message == "restore-guards.json (message) cannot be read"
    assert record.decision is None
    assert asked(world) == []
    assert world.queue.sent == []
    assert_untouched(world)


def test_without_guards_what_runs_is_followed_cancelled_and_announced(world: World) -> None:
    world.vaults.job_seconds = 600
    world.send(request("r1"))
    world.send(request("r2"))
    world.guards = MISSING
    world.send(request("r3"))
    world.send(cancel("r2"))
    for _ in range(60):
        world.sweep(after=15)
    assert world.end_of("r1")["phase"] == "Completed"
    assert (world.end_of("r2")["phase"], world.end_of("r2")["reason"]) == (
        "Cancelled",
        "JobCancelled",
    )
    assert world.record("r3").waiting_for is WaitingFor.GUARDS_INVALID
    assert world.vaults.posts == 2
    world.send(cancel("r3"))
    end = world.end_of("r3")
    assert (end["reason"], end["restoreStarted"]) == ("CancelledByRequest", "no")
    world.check_laws()


def test_without_guards_a_lost_answer_is_settled(world: World) -> None:
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay, world.vaults.job_seconds = 60, 300
    world.send(request())
    world.guards = MISSING
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.vaults.posts == 1


def test_without_guards_a_restore_that_did_not_happen_is_not_sent_again(world: World) -> None:
    world.vaults.fates = [Fate.LOST_REQUEST]
    world.send(request())
    world.guards = MISSING
    for _ in range(100):
        world.sweep(after=20)
    assert world.record("r1").waiting_for is WaitingFor.GUARDS_INVALID
    assert world.vaults.posts == 1
    world.guards = guards()
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    world.check_laws()


def test_when_the_guards_are_back_what_waited_for_them_starts(world: World) -> None:
    world.guards = MISSING
    world.send(request("r1"))
    world.send(request("r2", dryRun=True))
    world.sweep(after=600)
    world.guards = guards()
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.end_of("r2")["phase"] == "Planned"
    world.check_laws()


def test_guards_that_stay_away_until_the_deadline_end_the_request_and_are_named(
    world: World,
) -> None:
    world.guards = MISSING
    world.send(request(startDeadline="PT1H"))
    begun = world.now
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "StartDeadlineExceeded")
    assert (
        "It waited for GuardsInvalid. restore-guards.json (message) cannot be read"
        in (end["message"])
    )
    assert timedelta(hours=1) <= world.now - begun <= timedelta(hours=1, minutes=6)
    assert asked(world) == []
    assert_untouched(world)


def test_a_waiting_request_is_judged_by_the_rules_of_the_time_it_starts(world: World) -> None:
    world.guards = guards()
    world.send(request("r1", target=elsewhere()))
    world.send(request("r2", target=elsewhere()))
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY
    world.guards = FORBIDDING
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    end = world.end_of("r2")
    assert (end["phase"], end["rule"]) == ("Refused", "the-rule/targets")
    assert world.vaults.posts == 1
    assert world.holders() == {"starts": ["r1"]}
    world.check_laws()


def test_rules_that_change_between_the_claim_and_a_second_try_take_the_claim_back(
    world: World,
) -> None:
    world.guards, world.vaults.fates = guards(), [Fate.LOST_REQUEST]
    world.send(request())
    assert world.holders() == {"target": ["r1"], "starts": ["r1"]}
    world.guards = FORBIDDING
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "NotAllowed"
    assert world.vaults.posts == 1
    assert world.holders() == {}
    world.check_laws()


# Checks.


def _soft_deleted(world: World) -> dict[str, Any]:
    world.vaults.soft_deleted = True
    return {}


def _vault_tier(world: World) -> dict[str, Any]:
    keep_in_vault(world)
    return {}


def _to_its_source(_world: World) -> dict[str, Any]:
    target = elsewhere("share-r1", storageAccountId=f"{HOME}/source1")
    return {"target": target, "copyOptions": None}


def _old_version(world: World) -> dict[str, Any]:
    world.settings = with_settings(arm_api_version="2025-02-01")
    world.start()
    return {"identity": {"type": "systemAssigned"}}


def keep_in_vault(world: World) -> None:
    world.vaults.points = [
        RecoveryPoint(id=point.id, time=point.time, tiers=VAULTED) for point in world.vaults.points
    ]


SURE_TO_FAIL = {
    "protectionState": (_soft_deleted, "Undelete the protected item"),
    "recoveryPointTier": (_vault_tier, "Send a new request for the full share"),
    "target": (_to_its_source, "copyOptions"),
    "identity": (_old_version, "RESTORE_ARM_API_VERSION"),
}


@pytest.mark.parametrize("check", SURE_TO_FAIL)
def test_what_would_surely_fail_ends_refused_with_advice(world: World, check: str) -> None:
    given, advice = SURE_TO_FAIL[check]
    world.send(request(**given(world)))
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Refused", "PreflightFailed")
    assert (end["rule"], end["restoreStarted"]) == (check, "no")
    assert end["message"]
    assert advice in end["recommendation"]
    assert_untouched(world)
    world.check_laws()


def test_everything_that_would_surely_fail_is_said_at_once(world: World) -> None:
    keep_in_vault(world)
    world.vaults.soft_deleted = True
    world.send(request())
    end = world.end_of("r1")
    assert "soft-deleted" in end["message"]
    assert "kept in the vault alone" in end["message"]
    assert "Undelete" in end["recommendation"]
    assert "full share" in end["recommendation"]


def test_a_point_of_the_vault_alone_restores_a_full_share_elsewhere(world: World) -> None:
    keep_in_vault(world)
    world.send(request(target=elsewhere()))
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    (warning,) = end["warnings"]
    assert "must be empty" in warning


def test_a_warning_is_in_the_event_once_however_often_the_request_waited(world: World) -> None:
    world.vaults.protection_state = "ProtectionError"
    world.vaults.points = [
        RecoveryPoint(id="1", time=world.now - timedelta(days=1), threat_status="UnHealthy")
    ]
    world.vaults.fates = [Fate.TAKEN, Fate.NOT_SENT, ArmAnswer(status=429), Fate.LOST_REQUEST]
    world.send(request("r1", target=elsewhere()))
    world.send(request("r2", target=elsewhere()))
    assert world.record("r2").waiting_for is WaitingFor.TARGET_BUSY
    world.settings = with_settings(paused=True)
    world.start()
    world.sweep(after=600)
    world.settings = with_settings()
    world.start()
    world.sweep_until_quiet()
    wanted = [
        "The protection state of the share is ProtectionError.",
        "The recovery point's threat status is UnHealthy.",
    ]
    assert world.end_of("r1")["warnings"] == wanted
    assert world.end_of("r2")["warnings"] == wanted
    assert world.end_of("r2")["phase"] == "Completed"


def test_a_restore_without_any_doubt_has_no_warnings(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    assert "warnings" not in world.end_of("r1")


# Resource Guards.


@pytest.mark.parametrize("shape", SHAPES)
def test_in_a_guarded_vault_the_body_carries_the_guards_request(world: World, shape: str) -> None:
    world.vaults.guard_requests = (GUARD_REQUEST,)
    world.send(request(**SHAPES[shape]))
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert "warnings" not in world.end_of("r1")
    (job,) = world.vaults.jobs_by_id.values()
    assert job.body["resourceGuardOperationRequests"] == [GUARD_REQUEST]
    world.check_laws()


def test_without_a_resource_guard_the_body_has_no_word_of_it(world: World) -> None:
    world.send(request())
    (job,) = world.vaults.jobs_by_id.values()
    assert "resourceGuardOperationRequests" not in job.body


@pytest.mark.parametrize("status", [400, 403, 404, 409])
def test_a_vault_that_does_not_tell_its_resource_guard_is_a_warning(
    world: World, status: int
) -> None:
    fail_probe(world, ArmAnswer(status=status))
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    (warning,) = end["warnings"]
    assert "Resource Guard" in warning
    assert asked(world).count(PROBE) == 1, "it is asked once, and not again while it waits"


def test_a_resource_guard_that_nobody_could_see_ends_as_azure_says(world: World) -> None:
    world.vaults.guard_requests = (GUARD_REQUEST,)
    fail_probe(world, ArmAnswer(status=403))
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "NotAuthorized")
    assert "Resource Guard" in end["warnings"][0]
    assert world.vaults.jobs_by_id == {}
    assert world.holders() == {}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, WaitingFor.NOT_AUTHORIZED_YET),
        (408, WaitingFor.SERVICE_UNAVAILABLE),
        (429, WaitingFor.THROTTLED),
        (499, WaitingFor.SERVICE_UNAVAILABLE),
        (500, WaitingFor.SERVICE_UNAVAILABLE),
        (503, WaitingFor.SERVICE_UNAVAILABLE),
    ],
)
def test_a_resource_guard_that_cannot_be_asked_now_is_waited_for(
    world: World, status: int, why: WaitingFor
) -> None:
    world.vaults.guard_requests = (GUARD_REQUEST,)
    fail_probe(world, ArmAnswer(status=status))
    world.send(request())
    for _ in range(4):
        world.sweep(after=60)
    record = world.record("r1")
    assert record.waiting_for is why
    assert record.decision is None
    assert_untouched(world)
    world.calls.fail = lambda _number, _name: None
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    assert "warnings" not in end
    assert GUARD_REQUEST in world.vaults.sent[0][1]


def test_no_restore_waits_for_ever_for_an_answer_about_resource_guards(world: World) -> None:
    fail_probe(world, ArmAnswer(status=503))
    world.send(request())
    for _ in range(60):
        world.sweep(after=30)
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    assert "Resource Guard" in end["warnings"][0]


# The allowance of a day, and answers of the quota class.


def test_the_21st_restore_of_a_share_in_a_day_waits_a_day(world: World) -> None:
    # The default: 20 a day, of which 4 are kept for emergencies.
    for number in range(16):
        world.send(_one_of_many(f"r{number:02}"))
    world.send(_one_of_many("r16"))
    assert world.record("r16").waiting_for is WaitingFor.QUOTA
    assert "and 16 may be" in world.record("r16").waiting_message
    world.send(cancel("r16"))
    for number in range(4):
        world.send(_one_of_many(f"e{number:02}", priority="emergency"))
    first_start, posts = world.now, world.vaults.posts
    assert posts == 20
    world.sweep(after=600)
    world.send(_one_of_many("r21", priority="emergency"))
    record = world.record("r21")
    assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.QUOTA)
    assert record.waiting_message == (
        "20 restores of this share were started in the last 24 hours, and 20 may be; the earliest "
        "start is 2026-02-06T07:00:00Z. Position 1."
    )
    day = timedelta(hours=24)
    while world.vaults.posts == posts:
        assert world.now - first_start < day + timedelta(minutes=5)
        world.sweep(after=120)
    assert world.now - first_start >= day
    world.sweep_until_quiet()
    assert world.vaults.posts == 21
    ends = [event["data"]["phase"] for event in world.events()]
    assert sorted(ends) == ["Cancelled", *["Completed"] * 21]
    assert len(world.queue.sent) == 22


def _one_of_many(name: str, **fields: Any) -> dict[str, Any]:
    """A restore of the one share to a target of its own: only the count stands in its way."""
    target = elsewhere(f"target-{name}")
    return request(name, share="share-1", target=target, copyOptions=None, **fields)


def test_what_waits_for_the_allowance_ends_at_its_deadline_and_names_it() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.send(_one_of_many("r1"))
    world.send(_one_of_many("r2", startDeadline="PT2H"))
    world.sweep_until_quiet()
    end = world.end_of("r2")
    assert (end["phase"], end["reason"]) == ("Failed", "StartDeadlineExceeded")
    assert "It waited for Quota. 1 restores of this share were started" in end["message"]
    assert world.holders() == {"starts": ["r1"]}


def test_what_waits_for_the_allowance_is_looked_at_when_it_may_start() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.send(_one_of_many("r1"))
    free_at = world.now + timedelta(hours=24)
    world.sweep_until_quiet()
    world.pass_time((free_at - world.now).total_seconds() - 1)
    world.send(_one_of_many("r2"))
    (row,) = memory_store(world.tables).open_rows()
    assert (row.waiting_for, row.next_check_at) == (WaitingFor.QUOTA, free_at)
    world.sweep(after=1)
    assert world.record("r2").phase is Phase.OPERATION_PENDING


def test_a_request_that_waits_for_the_allowance_claims_no_target(world: World) -> None:
    world.settings = with_settings(daily_limit_per_share=1, emergency_reserve=0)
    world.start()
    world.send(request("r0", share="share-1"))
    world.send(request("r1", share="share-1", target=elsewhere(), copyOptions=None))
    for _ in range(10):
        world.sweep(after=60)
    assert world.record("r0").announced_at is not None
    world.start()
    world.sweep(after=400)
    assert world.record("r1").waiting_for is WaitingFor.QUOTA
    assert "table.replace" in world.calls.names, "it was looked at"
    assert "table.write_claim" not in world.calls.names
    world.sweep_until_quiet()
    world.check_laws()


@pytest.mark.parametrize("limited_by", ["the day's allowance", "a guard"])
def test_a_start_that_another_instance_takes_in_the_last_moment_gives_the_target_back(
    limited_by: str,
) -> None:
    world = World(with_settings(daily_limit_per_share=1 if "day" in limited_by else 0))
    world.guards = guards(maxPerDay=1) if limited_by == "a guard" else None
    store, left = memory_store(world.tables), [True]

    def overtake(_number: int, name: str) -> None:
        # The target is being claimed; the count comes after it.
        if name == "table.write_claim" and left:
            left.clear()
            claim = store.read_claim(f"starts:{hash_key(f'{HOME}/source1', 'share-1')}")
            store.write_claim(claim, [Holder(key="r0", request_id="r0", since=world.now)])

    world.calls.during = overtake
    world.send(_one_of_many("r1"))
    assert world.vaults.posts == 0
    assert world.holders() == {"starts": ["r0"]}
    if limited_by == "a guard":
        assert world.end_of("r1")["rule"] == "the-rule/maxPerDay"
    else:
        assert world.record("r1").waiting_for is WaitingFor.QUOTA


def test_what_waits_for_the_allowance_can_be_cancelled() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.send(_one_of_many("r1"))
    world.send(_one_of_many("r2"))
    world.send(cancel("r2"))
    assert world.end_of("r2")["reason"] == "CancelledByRequest"
    world.sweep_until_quiet()
    assert world.vaults.posts == 1


def test_a_start_that_azure_refuses_is_given_back_and_the_next_goes_on() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.vaults.fates = [Fate.LOST_REQUEST, ArmAnswer(status=400)]
    world.send(_one_of_many("r1"))
    world.send(_one_of_many("r2"))
    assert world.record("r2").waiting_for is WaitingFor.QUOTA
    begun = world.now
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "TriggerRefused"
    assert world.end_of("r2")["phase"] == "Completed"
    assert world.now - begun < timedelta(hours=1)
    assert world.holders() == {"starts": ["r2"]}


@pytest.mark.parametrize(
    "code",
    [
        "CloudDosTimeboudLimitReached",
        "CloudDosTimeboundLimitReached",
        "CloudDosAbsoluteLimitReached",
        "CloudDosAbsoluteLimitReachedWithRetry",
    ],
)
def test_an_answer_of_the_quota_class_holds_for_hours(world: World, code: str) -> None:
    world.vaults.fates = [ArmAnswer(status=400, code=code)]
    world.send(request())
    record, begun = world.record("r1"), world.now
    assert (record.phase, record.waiting_for) == (Phase.ACCEPTED, WaitingFor.QUOTA)
    assert world.holders() == {}, "the target and the start are given back meanwhile"
    while world.now - begun < timedelta(hours=3) - timedelta(seconds=30):
        world.sweep(after=30)
        assert world.vaults.posts == 1
    for _ in range(11):
        world.sweep(after=30)
    assert world.vaults.posts == 2
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.vaults.posts == 2
    world.check_laws()


@pytest.mark.parametrize("call", ["arm.find_item", "arm.choose_point", PROBE])
def test_a_list_that_is_refused_for_its_quota_is_not_asked_for_hours(
    world: World, call: str
) -> None:
    error = ArmAnswer(status=400, code="CloudDosTimeboudLimitReached")
    world.calls.fail = lambda _number, name: error if name == call else None
    world.send(request())
    assert world.record("r1").waiting_for is WaitingFor.QUOTA
    world.calls.names.clear()
    for _ in range(175):
        world.sweep(after=60)
    assert asked(world) == []
    world.calls.fail = lambda _number, _name: None
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_quota_that_names_its_own_time_is_waited_for_so_long(world: World) -> None:
    world.vaults.fates = [
        ArmAnswer(
            status=429,
            code="CloudDosAbsoluteLimitReachedWithRetry",
            retry_after=timedelta(minutes=20),
        )
    ]
    world.send(request())
    for _ in range(39):
        world.sweep(after=30)
    assert world.vaults.posts == 1
    for _ in range(12):
        world.sweep(after=30)
    assert world.vaults.posts == 2


# Dry runs.


def _guarded(world: World) -> None:
    world.vaults.guard_requests = (GUARD_REQUEST,)


PLANNED: Mapping[str, Mapping[str, Any]] = {
    **SHAPES,
    "with the vault's identity": {"identity": {"type": "systemAssigned"}},
    "with an identity of its own": {"identity": {"type": "userAssigned", "id": IDENTITY}},
    "from a point by its id": {"recoveryPoint": {"id": "932881"}},
}


@pytest.mark.parametrize("guarded", [False, True], ids=["no Resource Guard", "a Resource Guard"])
@pytest.mark.parametrize("shape", PLANNED)
def test_a_plan_is_what_the_real_run_then_sends_to_the_letter(
    world: World, shape: str, guarded: bool
) -> None:
    if guarded:
        _guarded(world)
    world.send(request(dryRun=True, **PLANNED[shape]))
    plan = world.end_of("r1")["plan"]
    assert_untouched(world)
    world.pass_time(60)
    world.send(request(**PLANNED[shape]))
    assert world.vaults.sent == [(plan["url"], body_text(plan["body"]))]
    assert ("resourceGuardOperationRequests" in plan["body"]["properties"]) is guarded
    assert plan["method"] == "POST"
    world.sweep_until_quiet()
    assert [event["id"] for event in world.events()] == ["r1/Planned", "r1/Completed"]
    world.check_laws()


def test_a_plan_names_the_point_and_why_and_what_the_names_resolved_to(world: World) -> None:
    world.send(request(dryRun=True, target=elsewhere(folder="back"), copyOptions=None))
    end = world.end_of("r1")
    plan = end["plan"]
    assert plan["recoveryPoint"] == {
        "id": "932883",
        "time": "2026-01-03T08:00:00Z",
        "why": "the newest of 3",
    }
    assert plan["protectedItemId"] == (
        f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
        "/protectedItems/AzureFileShare;share-r1"
    )
    assert plan["source"] == f"{HOME}/source1/fileServices/default/shares/share-r1"
    assert plan["target"] == f"{HOME}/target1/fileServices/default/shares/target1"
    assert plan["url"].startswith("https://arm.test/subscriptions/")
    assert end["restoreStarted"] == "no"


def test_a_plan_to_the_original_location_names_the_source_as_target(world: World) -> None:
    world.send(request(dryRun=True))
    plan = world.end_of("r1")["plan"]
    assert plan["target"] == plan["source"]


def checks_of(world: World, request_id: str = "r1") -> dict[str, dict[str, str]]:
    return {check["name"]: check for check in world.end_of(request_id)["plan"]["checks"]}


@pytest.mark.parametrize("rules", [None, guards()])
def test_a_plan_shows_each_check_with_its_result(world: World, rules: Guards | None) -> None:
    world.guards = rules
    world.send(request(dryRun=True))
    checks = checks_of(world)
    assert list(checks) == CHECKS
    assert {check["result"] for check in checks.values()} == {Outcome.PASSED.value}
    assert all(check["message"] for check in checks.values())
    wanted = "Allowed by the rule the-rule." if rules else "There are no guards."
    assert checks["guards"]["message"] == wanted


def test_a_plan_shows_what_might_fail_and_is_a_plan_still(world: World) -> None:
    world.vaults.protection_state = "ProtectionError"
    fail_probe(world, ArmAnswer(status=404))
    world.send(request(dryRun=True))
    end, checks = world.end_of("r1"), checks_of(world)
    assert end["phase"] == "Planned"
    warned = [name for name, check in checks.items() if check["result"] == "warning"]
    assert warned == ["protectionState", "resourceGuard"]
    assert end["warnings"] == [checks[name]["message"] for name in warned]


def test_a_dry_run_that_a_guard_refuses_says_so_with_its_checks(world: World) -> None:
    world.guards = FORBIDDING
    world.send(request(dryRun=True))
    (event,) = world.events()
    end = event["data"]
    assert (event["id"], event["subject"]) == ("plan~r1/Refused", "r1")
    assert (end["reason"], end["rule"]) == ("NotAllowed", "the-rule/originalLocation")
    checks = checks_of(world)
    assert checks["guards"]["result"] == "refused"
    assert checks["guards"]["message"] == end["message"]
    assert list(checks) == CHECKS[:-1], "whether it may start now is not asked any more"
    assert_untouched(world)
    world.send(request())
    assert [event["id"] for event in world.events()] == ["plan~r1/Refused", "r1/Refused"]


def test_a_dry_run_of_what_would_surely_fail_says_so_with_its_checks(world: World) -> None:
    world.vaults.soft_deleted = True
    world.send(request(dryRun=True))
    (event,) = world.events()
    assert event["id"] == "plan~r1/Refused"
    assert event["data"]["reason"] == "PreflightFailed"
    check = checks_of(world)["protectionState"]
    assert check["result"] == "refused"
    assert "Undelete" in check["advice"]
    assert_untouched(world)


def test_a_dry_run_claims_and_counts_nothing() -> None:
    world = World(with_settings(daily_limit_per_share=1, daily_limit_per_vault=1))
    for number in range(5):
        world.send(request(f"r{number}", share="share-1", dryRun=True))
    world.sweep_until_quiet()
    assert [event["data"]["phase"] for event in world.events()] == ["Planned"] * 5
    assert_untouched(world)
    assert "table.write_claim" not in world.calls.names


def test_a_dry_run_is_planned_while_its_target_is_in_use(world: World) -> None:
    world.vaults.job_seconds = 3600
    world.send(request("r1", target=elsewhere()))
    before = world.holders()
    world.send(request("r2", target=elsewhere(), dryRun=True))
    assert world.end_of("r2")["phase"] == "Planned"
    assert world.holders() == before


def test_a_dry_run_says_that_the_allowance_is_used_up() -> None:
    world = World(with_settings(daily_limit_per_share=1))
    world.send(_one_of_many("r1"))
    world.send(_one_of_many("r2", dryRun=True))
    end, check = world.end_of("r2"), checks_of(world, "r2")["allowance"]
    assert (end["phase"], end["reason"]) == ("Planned", "Planned")
    assert check["result"] == "waiting"
    assert "the earliest start is 2026-02-06T07:00:00Z. Position 1." in check["message"]
    world.send(_one_of_many("r3"))
    assert "Position 1." in world.record("r3").waiting_message
    world.pass_time(1)
    world.send(_one_of_many("r4", dryRun=True))
    assert "Position 2." in checks_of(world, "r4")["allowance"]["message"]


def test_a_dry_run_beyond_a_guards_limit_is_refused_and_says_so(world: World) -> None:
    world.guards = guards(maxPerDay=1)
    world.send(_one_of_many("r1"))
    world.send(_one_of_many("r2", dryRun=True))
    end, check = world.end_of("r2"), checks_of(world, "r2")["allowance"]
    assert (end["phase"], end["reason"], end["rule"]) == (
        "Refused",
        "NotAllowed",
        "the-rule/maxPerDay",
    )
    assert check["result"] == "refused"
    assert check["message"] == end["message"]


def test_a_dry_run_is_refused_by_the_real_runs_first_refusal(
    world: World,
) -> None:
    world.guards = guards(maxPerDay=1)
    world.send(_one_of_many("r1"))
    world.vaults.soft_deleted = True
    for dry in (True, False):
        world.send(_one_of_many("r2", dryRun=dry))
    planned, real = (event["data"] for event in world.events("r2"))
    assert planned["reason"] == real["reason"] == "PreflightFailed"
    assert planned["rule"] == real["rule"] == "protectionState"


def test_a_paused_app_still_plans() -> None:
    world = World(with_settings(paused=True))
    world.send(request(dryRun=True))
    assert world.end_of("r1")["phase"] == "Planned"


# The same over HTTP, where bytes are compared.

HARBOUR_GUARD = (
    f"{ACCOUNTS.partition('/providers/')[0]}/providers/Microsoft.DataProtection/resourceGuards"
    "/breakwater/restoreRequests/default"
)
OVER_HTTP: Mapping[str, Json] = {
    "full share to the original": {"target": {"location": "original"}, "copyOptions": "Skip"},
    "full share elsewhere": {},
    "items to the original": {
        "items": [{"path": "Größe/資料.txt", "type": "File"}],
        "target": {"location": "original"},
        "copyOptions": "Overwrite",
    },
    "items elsewhere": {
        "items": [{"path": "a b", "type": "Directory"}],
        "target": {
            "location": "alternate",
            "storageAccountId": OTHER_ACCOUNT,
            "fileShare": "drydock",
            "folder": "für Grüße/😀",
        },
    },
    "with an identity": {"identity": {"type": "userAssigned", "id": IDENTITY}},
}


def serve_vault(*, guarded: bool) -> Any:
    """A vault on a real socket, with one share and a Resource Guard or none."""
    restore_action = (
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
        "/recoveryPoints/restore/action"
    )
    detail = {
        "vaultCriticalOperation": restore_action,
        "defaultResourceRequest": HARBOUR_GUARD,
    }
    proxy = {
        "name": "VaultProxy",
        "properties": {"resourceGuardOperationDetails": [detail]},
    }
    accepted = sample("2024_accepted")["headers"]
    return serving(
        by_path(
            {
                "/backupProtectedItems?": Reply(body=sample("2024_items")),
                "/recoveryPoints?": Reply(body=sample("2024_points")),
                "/backupResourceGuardProxies?": Reply(body={"value": [proxy] if guarded else []}),
                "/restore?": Reply(
                    status=202,
                    headers=(("Location", accepted["Location"]),),
                ),
            }
        )
    )


def app_on(server: ArmServer, queue: MemoryQueue) -> Reconciler:
    settings = with_settings(arm_endpoint=server.origin)
    arm = ArmClient(
        endpoint=server.origin,
        api_version=settings.arm_api_version,
        tokens=None,
        connect_limit=timedelta(seconds=PATIENCE),
        answer_limit=timedelta(seconds=PATIENCE),
    )
    return Reconciler(
        vaults=AzureBackup(arm, name_cache=timedelta(minutes=5)),
        store=memory_store(MemoryTables()),
        completions=queue,
        settings=settings,
    )


@pytest.mark.parametrize("guarded", [False, True], ids=["no Resource Guard", "a Resource Guard"])
@pytest.mark.parametrize("shape", OVER_HTTP)
def test_a_plan_has_the_bytes_that_the_real_run_then_sends(shape: str, guarded: bool) -> None:
    now = datetime(2024, 5, 5, tzinfo=UTC)
    with serve_vault(guarded=guarded) as server:
        queue = MemoryQueue()
        app = app_on(server, queue)
        for number, fields in enumerate(({"dryRun": True}, {})):
            body = json.dumps(request_body(**OVER_HTTP[shape], **fields)).encode()
            app.handle(Message(id=f"m{number}", body=body, inserted_at=now), now)
        (event,) = (json.loads(text) for text in queue.sent)
        plan = event["data"]["plan"]
        (post,) = (call for call in server.calls if call.method == "POST")
    assert event["data"]["phase"] == "Planned"
    assert server.origin + post.target == plan["url"]
    assert post.body == body_text(plan["body"]).encode()
    assert (HARBOUR_GUARD.encode() in post.body) is guarded
    assert plan["recoveryPoint"]["id"] == "72001100220033"
    assert plan["source"] == f"{ACCOUNT}/fileServices/default/shares/ledgers"


# The newest point that can serve.


def test_newer_points_that_cannot_serve_are_passed_over_with_a_warning(world: World) -> None:
    snapshot = (Tier(kind="InstantRP", status="Valid"),)
    gone = (Tier(kind="InstantRP", status="Deleted"),)
    ahead = datetime(9998, 1, 1, tzinfo=UTC)
    world.vaults.points = [
        RecoveryPoint(id="1", time=datetime(2026, 2, 1, 8, tzinfo=UTC), tiers=snapshot),
        RecoveryPoint(id="2", time=datetime(2026, 2, 2, 8, tzinfo=UTC), tiers=VAULTED),
        RecoveryPoint(id="3", time=datetime(2026, 2, 3, 8, tzinfo=UTC), tiers=gone),
        RecoveryPoint(id="4", time=ahead, tiers=snapshot),
    ]
    world.send(request("r1", dryRun=True))
    world.send(request("r2"))
    world.sweep_until_quiet()
    planned, done = world.end_of("r1"), world.end_of("r2")
    assert (done["phase"], done["recoveryPoint"]["id"]) == ("Completed", "1")
    assert planned["plan"]["recoveryPoint"]["id"] == "1"
    for end in (planned, done):
        told = [one for one in end["warnings"] if "was passed over" in one]
        assert [one.split()[3] for one in told] == ["4", "3", "2"]
    # What a copy in the vault can do is left to it.
    world.send(request("r3", target=elsewhere(), copyOptions=None))
    world.sweep_until_quiet()
    assert world.end_of("r3")["recoveryPoint"]["id"] == "2"
    world.check_laws()
