"""What becomes of alerts, of requests in events, and of `replyTo`: from the message to the event.

On simulators and a clock that the test turns. What the claims of plans say by themselves is in
`test_cooldowns.py`, which plan an alert fits in `test_planning.py`, and how each envelope is read
in `test_envelopes.py`.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from restore_core.alerting.plans import Plans, read_plans
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Message
from restore_core.domain.vault import JobEnd, RecoveryPoint
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import FileInvalid
from restore_core.messages.envelopes import derived_id
from restore_core.policy.guards import Guards
from restore_core.policy.patterns import SHARE
from restore_core.times import format_time
from tests.restore_core.given import RULE_ID, Json, alert_body, plans_body
from tests.simulators.store import memory_store, rows
from tests.simulators.world import (
    ACCOUNTS,
    START,
    VAULT,
    Calls,
    World,
    cancel,
    elsewhere,
    request,
    with_settings,
)
from tests.threads import hammer

STORM = 1000
PLAN: Json = {
    "name": "finance",
    "match": {"alertRule": "ransomware-*"},
    "vaultId": VAULT,
    "source": {"storageAccountId": f"{ACCOUNTS}/source1", "fileShare": "finance"},
    "recoveryPoint": {"maxAge": "P60D"},
    "target": elsewhere("recovered"),
    "cooldown": "PT6H",
}
COOLDOWN = 6 * 3600
REJECTED = "azurefilesrestore.MessageRejected.v1"


def plans(*changes: Json) -> Plans:
    """A file of plans, read as the app reads it."""
    bodies = [PLAN | change for change in changes or ({},)]
    return read_plans(json.dumps(plans_body(*bodies)).encode())


def not_plans(body: object) -> FileInvalid:
    """A file that cannot be used."""
    with pytest.raises(FileInvalid) as raised:
        read_plans(json.dumps(body).encode())
    return raised.value


@pytest.fixture
def world() -> World:
    """A world with one plan."""
    world = World()
    world.plans = plans()
    return world


def alert(world: World, name: str = "a1", *, ago: float = 300, **changes: Any) -> Json:
    """An alert that fired some seconds ago, with changes of its essentials."""
    fired = format_time(world.now - timedelta(seconds=ago))
    return alert_body(**{"alertId": name, "firedDateTime": fired, **changes})


def made(name: str) -> str:
    """The id of the request that an alert leads to."""
    return derived_id(RULE_ID, name)


def answers(world: World) -> list[Json]:
    """What was answered to messages that were no requests."""
    return [event["data"] for event in world.events() if event["type"] == REJECTED]


def reasons(world: World) -> Counter[str]:
    return Counter(answer["reason"] for answer in answers(world))


def claims(world: World, kind: str) -> list[Json]:
    """The claims of a kind, as they stand in the table."""
    return [dict(one) for one in rows(world.tables, "restoreclaims") if one["PartitionKey"] == kind]


def folded(world: World) -> int:
    """How many messages the claims count as folded."""
    return sum(one["folded"] for one in claims(world, "cooldown"))


def another(world: World) -> Reconciler:
    """One more instance of the app on the same storage."""
    return Reconciler(
        vaults=world.vaults,
        store=memory_store(world.tables),
        completions=world.queue,
        settings=world.settings,
        guards=world.read_guards,
        plans=world.read_plans,
        monotonic=lambda: (world.now - START).total_seconds(),
    )


def guards(*, reply_queues: tuple[str, ...] = (), **fields: Any) -> Guards:
    """One rule, which allows every restore of the tests but for what is changed."""
    share = f"{ACCOUNTS}/*/fileServices/default/shares/*"
    rule = {
        "name": "the-rule",
        "vaults": [VAULT],
        "sources": [share],
        "targets": [SHARE.format("*", "*", "*", "*")],
        "originalLocation": "overwrite",
        **fields,
    }
    file = {"schemaVersion": "1.0", "rules": [rule], "replyQueues": list(reply_queues)}
    return Guards.model_validate(file)


# What an alert comes to.


def test_an_alert_that_a_plan_answers_recovers_the_share(world: World) -> None:
    world.send(alert(world))
    world.sweep_until_quiet()
    (event,) = world.events()
    end = event["data"]
    assert event["subject"] == end["requestId"] == made("a1")
    assert (end["phase"], end["reason"]) == ("Completed", "JobCompleted")
    assert (end["sourceEventId"], end["requestedBy"]) == ("a1", "plan:finance")
    assert end["requestedAt"] == format_time(START - timedelta(seconds=300))
    assert end["acceptedAt"] == format_time(START)
    assert end["target"] == elsewhere("recovered")
    assert end["recoveryPoint"]["id"] == "932883"
    assert world.vaults.posts == 1
    world.check_laws()


def test_the_time_of_an_alert_counts_no_later_than_its_message(world: World) -> None:
    """The clock of whoever sends alerts may be some minutes ahead."""
    world.send(alert(world, ago=-240))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["requestedAt"] == format_time(START)
    assert world.end_of(made("a1"))["phase"] == "Completed"


def test_a_plan_takes_the_point_before_the_alert_less_its_margin(world: World) -> None:
    times = [START - timedelta(minutes=minutes) for minutes in (3, 10, 40)]
    world.vaults.points = [
        RecoveryPoint(id=str(number), time=time) for number, time in enumerate(times)
    ]
    world.plans = plans({"recoveryPoint": {"margin": "PT30M", "maxAge": "PT2H"}})
    world.send(alert(world))
    world.sweep_until_quiet()
    end = world.end_of(made("a1"))
    assert end["recoveryPoint"]["id"] == "2"
    assert end["recoveryPointAgeSeconds"] == 300, "to the time that the plan aims at"


def test_a_plan_that_only_plans_says_what_it_would_send(world: World) -> None:
    world.plans = plans({"dryRun": True})
    world.send(alert(world))
    (event,) = world.events()
    assert event["data"]["phase"] == "Planned"
    assert world.vaults.posts == 0
    world.send(alert(world, "a2"))
    assert reasons(world) == {"Folded": 1}, "a storm of plans is one plan, too"
    assert made("a1") in answers(world)[0]["message"]


DECLINED: dict[str, tuple[Callable[[World], None], Json, str, str]] = {
    # what the plans are; the alert; the reason, and what is said
    "resolved": (
        lambda _: None,
        {"monitorCondition": "Resolved"},
        "NotFired",
        "The alert is 'Resolved'; only Fired starts a restore.",
    ),
    "no file": (
        lambda world: setattr(world, "plans", World().plans),
        {},
        "NoPlan",
        "The file of plans cannot be used: ",
    ),
    "a wrong file": (
        lambda world: setattr(world, "plans", not_plans({"schemaVersion": "2.0", "plan": []})),
        {},
        "NoPlan",
        "The file of plans cannot be used: schemaVersion must be '1.0'; plan is not a field",
    ),
    "another rule": (
        lambda _: None,
        {"alertRule": "disk-full"},
        "NoPlan",
        "No plan fits the alert: finance has another alertRule.",
    ),
    "a job of Azure Backup": (
        lambda _: None,
        {"monitoringService": "Azure Backup"},
        "NoPlan",
        "The alert is Azure Backup's own, about a job; a failed restore starts no other.",
    ),
    "an old alert": (
        lambda _: None,
        {"ago": 3601},
        "NoPlan",
        "The plan finance: the alert fired at 2026-02-05T05:59:59Z, longer ago than the plan's ",
    ),
    "an alert of tomorrow": (
        lambda _: None,
        {"ago": -86400},
        "NoPlan",
        "The plan finance: the alert fired at 2026-02-06T07:00:00Z, which is in the future.",
    ),
    "an alert without a time": (
        lambda _: None,
        {"firedDateTime": ...},
        "NoPlan",
        "The plan finance: the alert does not say when it fired, with a zone.",
    ),
    "a wrong alert": (
        lambda _: None,
        {"severity": "High"},
        "Invalid",
        "data.essentials.severity: must be Sev0, Sev1, Sev2, Sev3 or Sev4",
    ),
}


@pytest.mark.parametrize("name", DECLINED)
def test_an_alert_that_starts_nothing_is_answered_with_the_reason(world: World, name: str) -> None:
    prepare, changes, reason, said = DECLINED[name]
    prepare(world)
    message = world.message(alert(world, **changes))
    for _ in range(2):
        assert world.deliver(message)
        world.pass_time(30)
    assert len(world.queue.sent) == 2
    assert len(set(world.queue.sent)) == 1, "a redelivery is answered with the same bytes"
    (event,) = world.events()
    assert (event["type"], event["subject"]) == (REJECTED, message.id)
    data = event["data"]
    assert (data["reason"], data["requestId"]) == (reason, made("a1"))
    assert data["message"].startswith(said)
    assert world.records() == []
    assert claims(world, "cooldown") == []


def test_a_file_that_went_wrong_stops_plans_and_nothing_that_runs(world: World) -> None:
    world.vaults.job_seconds = 600
    world.send(alert(world))
    world.send(request("r1"))
    world.plans = not_plans({})
    world.send(request("r2"))
    world.send(alert(world, "a2"))
    assert reasons(world) == {"NoPlan": 1}
    world.sweep_until_quiet()
    for name in (made("a1"), "r1", "r2"):
        assert world.end_of(name)["phase"] == "Completed"
    world.plans = plans({"cooldown": "PT5M"})
    world.send(alert(world, "a3"))
    world.sweep_until_quiet()
    assert world.end_of(made("a3"))["phase"] == "Completed", "it is read when an alert comes"


WRAPPINGS: dict[str, Callable[[Json], Any]] = {
    "plain": lambda body: body,
    "CloudEvents": lambda body: cloud_event(body, id="e1"),
    "CloudEvents, base64": lambda body: cloud_event(..., id="e2", data_base64=packed(body)),
    "Event Grid": lambda body: grid_event(body, id="e3"),
    "Event Grid, in an array": lambda body: [grid_event(body, id="e4")],
}


def test_an_alert_is_the_same_alert_whichever_way_it_comes(world: World) -> None:
    body = alert(world)
    for wrap in WRAPPINGS.values():
        for text in (json.dumps(wrap(body)).encode(), packed(wrap(body)).encode()):
            world.send(text)
    world.sweep_until_quiet()
    (event,) = world.events()
    assert (event["subject"], event["data"]["sourceEventId"]) == (made("a1"), "a1")
    assert world.vaults.posts == 1


# Storms.


def test_a_thousand_alerts_and_a_thousand_copies_are_one_restore(world: World) -> None:
    world.vaults.job_seconds = 600
    fired = world.now
    bodies = [alert(world, f"a{number}") for number in range(STORM)]
    for body in bodies:
        world.send(body)
        world.pass_time(0.02)
    copies = [bodies[number % 50] for number in range(STORM)]
    for body in copies:
        world.send(body)
        world.pass_time(0.02)
    world.sweep_until_quiet()
    (record,) = world.records()
    assert record.request.request_id == made("a0")
    assert world.end_of(made("a0"))["phase"] == "Completed"
    assert world.vaults.posts == 1
    of_the_first = sum(body is bodies[0] for body in copies)
    assert reasons(world) == {"Folded": 2 * STORM - 1 - of_the_first}
    said = (
        f"The plan finance answers this alert with the request {made('a0')}, which an earlier "
        "alert started."
    )
    assert {answer["message"] for answer in answers(world)} == {said}
    assert len({answer["messageId"] for answer in answers(world)}) == len(answers(world))
    assert [row["RowKey"] for row in rows(world.tables, "restores")] == [made("a0")]
    assert folded(world) == 2 * STORM - 1 - of_the_first
    writes = world.calls.names.count("table.write_claim")
    assert writes < 120, "of two thousand alerts in forty seconds"
    assert world.now - fired < timedelta(minutes=20)
    world.check_laws()


def test_copies_of_the_first_alert_cost_nothing_after_a_folded_one(
    world: World,
) -> None:
    body = alert(world, "a0")
    early = [world.message(body) for _ in range(50)]
    world.send(body)
    world.pass_time(1)
    world.send(body)
    before = len(world.calls.names)
    for one in early:
        world.app.handle(one, world.now)
    assert world.calls.names[before:] == []
    world.sweep_until_quiet()
    world.check_laws()
    announced = len(world.queue.sent)
    world.pass_time(60)
    world.send(body)
    assert len(world.queue.sent) == announced + 1, "a copy after the end has its event again"
    for one in early:
        world.app.handle(one, world.now)
    assert len(world.queue.sent) == announced + 1
    world.send(alert(world, "a0", monitorCondition="Resolved"))
    assert reasons(world) == {"NotFired": 1}


def test_a_storm_that_reaches_several_instances_at_once_is_one_restore(world: World) -> None:
    apps = [another(world) for _ in range(4)]
    messages = [world.message(alert(world, f"a{number}")) for number in range(80)]

    def run(number: int) -> None:
        for message in messages[number::8]:
            apps[number % 4].handle(message, world.now)

    hammer(8, run)
    for app in apps:
        app.sweep(world.now)
    world.sweep_until_quiet()
    assert (len(world.records()), world.vaults.posts) == (1, 1)
    assert reasons(world) == {"Folded": 79}
    assert folded(world) == 79
    world.check_laws()


def test_alerts_are_folded_until_the_cooldown_is_over_whatever_became_of_the_restore(
    world: World,
) -> None:
    world.send(alert(world, "a1"))
    world.sweep_until_quiet()
    world.pass_time(COOLDOWN - 60 - (world.now - START).total_seconds())
    world.send(alert(world, "a2"))
    assert reasons(world) == {"Folded": 1}
    world.pass_time(60)
    world.send(alert(world, "a3"))
    world.sweep_until_quiet()
    assert reasons(world) == {"Folded": 1}
    assert world.end_of(made("a3"))["phase"] == "Completed"
    assert world.vaults.posts == 2
    world.send(alert(world, "a4"))
    assert made("a3") in answers(world)[-1]["message"]


def test_the_rest_of_a_storm_does_not_repeat_a_failed_restore(
    world: World,
) -> None:
    world.vaults.next_end = JobEnd.FAILED
    world.send(alert(world, "a1"))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["restoreStarted"] == "yes"
    world.send(alert(world, "a2"))
    assert reasons(world) == {"Folded": 1}
    assert world.vaults.posts == 1


def test_a_request_that_could_not_be_started_gives_the_cooldown_back(world: World) -> None:
    world.vaults.missing_shares = {"finance"}
    world.send(alert(world, "a1"))
    assert world.end_of(made("a1"))["reason"] == "SourceNotFound"
    world.vaults.missing_shares.clear()
    world.send(alert(world, "a2"))
    world.sweep_until_quiet()
    assert world.end_of(made("a2"))["phase"] == "Completed"
    assert answers(world) == []


def test_what_a_person_stopped_is_not_started_by_the_next_alert(world: World) -> None:
    world.vaults.job_seconds = 600
    world.send(alert(world, "a1"))
    world.send(cancel(made("a1")))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["phase"] == "Cancelled"
    world.send(alert(world, "a2"))
    assert made("a1") in answers(world)[0]["message"]
    assert world.vaults.posts == 1


def test_so_it_is_where_it_was_stopped_before_it_began(world: World) -> None:
    world.settings = with_settings(paused=True)
    world.start()
    world.send(alert(world, "a1"))
    world.send(cancel(made("a1")))
    assert world.end_of(made("a1"))["reason"] == "CancelledByRequest"
    world.send(alert(world, "a2"))
    assert reasons(world) == {"Folded": 1}
    assert world.vaults.posts == 0


def test_a_storm_keeps_no_request_of_a_pipeline_waiting(world: World) -> None:
    for number in range(200):
        world.send(alert(world, f"a{number}"))
        if number == 100:
            world.send(request("r1"))
    assert world.record("r1").accepted_at == world.now
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


# The same alert again.


def test_a_redelivery_of_an_alert_is_the_request_that_was_made(world: World) -> None:
    message = world.message(alert(world))
    for _ in range(3):
        assert world.deliver(message)
        world.pass_time(60)
    world.sweep_until_quiet()
    world.deliver(message)
    assert len(world.records()) == 1
    assert len(world.queue.sent) == 1
    assert world.vaults.posts == 1


def test_a_copy_of_an_alert_after_the_end_gets_the_same_event_again(world: World) -> None:
    body = alert(world)
    world.send(body)
    world.sweep_until_quiet()
    world.pass_time(60)
    world.send(body)
    assert len(world.queue.sent) == 2
    assert len(set(world.queue.sent)) == 1
    assert world.vaults.posts == 1


SINCE: dict[str, Callable[[World, bool], None]] = {
    "no plans": lambda world, _: setattr(world, "plans", not_plans({})),
    "another plan": lambda world, dry: setattr(
        world, "plans", plans({"match": {"alertRule": "none"}, "dryRun": dry})
    ),
    "a changed plan": lambda world, dry: setattr(
        world, "plans", plans({"labels": {"a": "b"}, "dryRun": dry})
    ),
    "a renamed plan": lambda world, dry: setattr(
        world, "plans", plans({"name": "renamed", "dryRun": dry})
    ),
    "an old alert": lambda world, _: world.pass_time(2 * 3600),
    "after the cooldown": lambda world, _: world.pass_time(7 * 3600),
}


@pytest.mark.parametrize("dry", [False, True])
@pytest.mark.parametrize("since", SINCE)
def test_an_alert_stays_its_request_when_the_plans_change(
    world: World, since: str, dry: bool
) -> None:
    world.plans = plans({"dryRun": dry})
    message = world.message(alert(world))
    world.deliver(message)
    SINCE[since](world, dry)
    world.deliver(message)
    world.sweep_until_quiet()
    (event,) = world.events()
    assert event["data"]["phase"] == ("Planned" if dry else "Completed")
    world.pass_time(60)
    world.send(message.body)
    assert len(set(world.queue.sent)) == 1
    assert len(world.queue.sent) == 2, "a copy after the end is answered with the end"
    assert len(world.records()) == 1
    assert world.vaults.posts == (0 if dry else 1)


def test_an_alert_that_is_resolved_is_answered_though_its_request_was_made(world: World) -> None:
    """Azure Monitor says so under the same alert id."""
    world.send(alert(world))
    world.send(alert(world, monitorCondition="Resolved"))
    assert reasons(world) == {"NotFired": 1}
    world.sweep_until_quiet()
    assert len(world.events(made("a1"))) == 1
    assert world.vaults.posts == 1


def crash_at(world: World, message: Message, call: str, *, after: bool) -> None:
    """Let the process die at a call that handling the message makes."""
    plain = World()
    plain.plans = world.plans
    plain.send(message.body)
    number = plain.calls.names.index(call)
    world.start(Calls(crash_after=number) if after else Calls(crash_before=number))
    assert not world.deliver(message)
    world.start()


@pytest.mark.parametrize(
    ("call", "after"),
    [
        ("table.write_claim", False),
        ("table.write_claim", True),
        ("table.insert", False),
        ("table.insert", True),
        ("table.put_open", False),
        ("table.put_open", True),
    ],
)
def test_a_crash_before_the_acknowledgement_is_mended_by_the_redelivery(
    world: World, call: str, after: bool
) -> None:
    message = world.message(alert(world))
    crash_at(world, message, call, after=after)
    world.pass_time(600)
    world.deliver(message)
    world.send(alert(world, "a2"))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["phase"] == "Completed"
    assert reasons(world) == {"Folded": 1}
    world.check_laws()


def test_alerts_between_the_claim_and_the_redelivery_are_folded_into_what_comes(
    world: World,
) -> None:
    message = world.message(alert(world))
    crash_at(world, message, "table.insert", after=False)
    world.send(alert(world, "a2"))
    assert made("a1") in answers(world)[0]["message"]
    world.pass_time(600)
    world.deliver(message)
    world.sweep_until_quiet()
    assert [record.request.request_id for record in world.records()] == [made("a1")]
    world.check_laws()


def test_a_claim_whose_alert_does_not_come_back_holds_nobody_up_for_long(world: World) -> None:
    """The redelivery comes too late for the plan, so that no request is ever made of it."""
    message = world.message(alert(world, ago=3300))
    crash_at(world, message, "table.insert", after=False)
    world.pass_time(960)
    assert world.deliver(message)
    assert reasons(world) == {"NoPlan": 1}
    world.send(alert(world, "a2"))
    world.sweep_until_quiet()
    assert world.end_of(made("a2"))["phase"] == "Completed"
    assert world.vaults.posts == 1


def test_copies_of_an_alert_whose_request_came_to_nothing_hold_up_no_other(world: World) -> None:
    world.vaults.missing_shares = {"finance"}
    body = alert(world, "a1")
    world.send(body)
    world.pass_time(30)
    world.send(body)
    world.vaults.missing_shares.clear()
    world.send(alert(world, "a2"))
    world.sweep_until_quiet()
    assert world.end_of(made("a2"))["phase"] == "Completed"
    assert len(world.events(made("a1"))) == 1
    assert answers(world) == []


def test_an_id_that_somebody_else_used_is_said_and_holds_up_no_other(world: World) -> None:
    world.send(request(made("a1")))
    world.send(alert(world, "a1"))
    assert reasons(world) == {"RequestIdReused": 1}
    world.send(alert(world, "a2"))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["requestId"] == made("a1")
    assert world.end_of(made("a2"))["phase"] == "Completed"


def test_a_folded_alert_is_answered_with_the_same_bytes_within_the_cooldown(world: World) -> None:
    world.send(alert(world, "a1"))
    message = world.message(alert(world, "a2", ago=0))
    for seconds in (0, 2, 60, 3000):
        world.pass_time(seconds)
        world.deliver(message)
        world.sweep()
    texts = [text for text in world.queue.sent if message.id in text]
    assert len(texts) == 4
    assert len(set(texts)) == 1


# A plan whose requests fail.


def test_a_plan_whose_requests_the_guards_refuse_stops_and_says_until_when(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.plans = plans({"priority": "emergency"})
    world.guards = guards(emergencyBy=["oncall@contoso.com"])
    for number in range(3):
        world.send(alert(world, f"a{number}"))
        end = world.end_of(made(f"a{number}"))
        assert (end["phase"], end["reason"]) == ("Refused", "NotAllowed")
        assert end["rule"] == "the-rule/emergencyBy"
        assert "'plan:finance' may not say emergency" in end["message"]
        world.pass_time(600)
    with caplog.at_level(logging.ERROR, "restore_core"):
        world.send(alert(world, "a3"))
    (answer,) = answers(world)
    assert answer["reason"] == "NoPlan"
    assert answer["message"] == (
        "The plan finance is stopped until 2026-02-06T07:00:00Z: 3 of its requests failed. "
        "Look at their events."
    )
    assert "the plan finance is stopped until 2026-02-06T07:00:00Z" in caplog.text
    world.guards = guards(emergencyBy=["plan:*"])
    world.send(alert(world, "a4"))
    assert reasons(world) == {"NoPlan": 2}, "it stays so, though it would be allowed now"
    world.pass_time((START + timedelta(days=1) - world.now).total_seconds())
    world.send(alert(world, "a5"))
    world.sweep_until_quiet()
    assert world.end_of(made("a5"))["phase"] == "Completed"
    assert world.vaults.posts == 1


def test_emergencies_of_plans_are_allowed_by_their_name(world: World) -> None:
    world.plans = plans({"priority": "emergency"})
    world.guards = guards(emergencyBy=["plan:fin*"])
    world.send(alert(world))
    world.sweep_until_quiet()
    assert world.end_of(made("a1"))["phase"] == "Completed"


def test_a_stopped_plan_stops_no_other_plan_and_no_pipeline(world: World) -> None:
    other = {
        "name": "sales",
        "match": {"alertRule": "sales-*"},
        "source": {"storageAccountId": f"{ACCOUNTS}/source1", "fileShare": "sales"},
    }
    world.plans = plans({"breaker": {"failures": 1, "within": "PT1H"}}, other)
    world.vaults.missing_shares = {"finance"}
    world.send(alert(world, "a1"))
    world.send(alert(world, "a2"))
    assert reasons(world) == {"NoPlan": 1}
    world.vaults.missing_shares.clear()
    world.send(alert(world, "a3", alertRule="sales-1"))
    world.send(request("r1", share="finance", target=elsewhere("by-hand")))
    world.sweep_until_quiet()
    assert world.end_of(made("a3"))["phase"] == "Completed"
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_request_that_the_last_failure_belongs_to_is_still_answered_as_it_was(
    world: World,
) -> None:
    world.plans = plans({"breaker": {"failures": 1, "within": "PT1H"}})
    world.vaults.missing_shares = {"finance"}
    message = world.message(alert(world, "a1"))
    world.deliver(message)
    world.pass_time(60)
    world.deliver(message)
    (event,) = world.events()
    assert event["data"]["reason"] == "SourceNotFound"


def test_while_a_restore_runs_alerts_are_folded_into_it_though_the_plan_is_stopped(
    world: World,
) -> None:
    """The failure is one of the plan's last restore, which took longer than the cooldown."""
    world.plans = plans({"cooldown": "PT5M", "breaker": {"failures": 1, "within": "P1D"}})
    world.vaults.job_seconds, world.vaults.next_end = 420, JobEnd.FAILED
    world.send(alert(world, "a1"))
    world.sweep(after=310)
    world.send(alert(world, "a2"))
    for _ in range(10):
        world.sweep(after=15)
    assert world.end_of(made("a1"))["phase"] == "Failed"
    for number in range(3):
        world.send(alert(world, f"b{number}"))
        world.pass_time(20)
    assert reasons(world) == {"Folded": 3}
    world.pass_time(300)
    world.send(alert(world, "c1"))
    assert reasons(world) == {"Folded": 3, "NoPlan": 1}


# Requests in events.


SOURCE, EVENT_ID, TOPIC = "/pipelines/refresh", "event-1", "/topics/requests"


def cloud_event(data: object = ..., **changes: Any) -> Json:
    event = {
        "specversion": "1.0",
        "type": "com.contoso.restore",
        "source": SOURCE,
        "id": EVENT_ID,
        "data": data,
    } | changes
    return copy.deepcopy({name: held for name, held in event.items() if held is not ...})


def grid_event(data: object, **changes: Any) -> Json:
    event = {
        "topic": TOPIC,
        "subject": "restore",
        "eventType": "Contoso.Restore",
        "id": EVENT_ID,
        "eventTime": "2026-02-05T06:30:00.1234567Z",
        "dataVersion": "1",
        "data": data,
    } | changes
    return copy.deepcopy({name: held for name, held in event.items() if held is not ...})


def packed(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


BARE = request("x", share="share-x", requestId=None)
EVENTS: dict[str, tuple[Callable[[Json], Any], str]] = {
    "CloudEvents": (cloud_event, SOURCE),
    "CloudEvents, base64": (lambda body: cloud_event(..., data_base64=packed(body)), SOURCE),
    "CloudEvents, text": (lambda body: cloud_event(json.dumps(body)), SOURCE),
    "CloudEvents, in an array": (lambda body: [cloud_event(body)], SOURCE),
    "Event Grid": (grid_event, TOPIC),
    "Event Grid, in an array": (lambda body: [grid_event(body)], TOPIC),
}


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize("name", EVENTS)
def test_a_request_in_an_event_is_that_request(name: str, encoded: bool) -> None:
    wrap, source = EVENTS[name]
    for request_id, body in ((None, BARE), ("mine", BARE | {"requestId": "mine"})):
        world = World()
        value = wrap(body)
        message = world.message((packed(value) if encoded else json.dumps(value)).encode())
        world.deliver(message)
        world.deliver(message)
        world.sweep_until_quiet()
        (event,) = world.events()
        end = event["data"]
        assert end["phase"] == "Completed"
        assert event["subject"] == end["requestId"] == (request_id or derived_id(source, EVENT_ID))
        assert end["sourceEventId"] == EVENT_ID
        assert world.vaults.posts == 1
        world.check_laws()


def test_a_plain_request_has_no_event(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    assert "sourceEventId" not in world.end_of("r1")


def test_one_event_that_comes_twice_is_one_restore_and_two_events_are_two(world: World) -> None:
    for event_id in ("one", "one", "two"):
        world.send(cloud_event(BARE, id=event_id))
    world.send(cloud_event(BARE, id="one", data_base64=None, time="2026-02-05T06:00:00Z"))
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    assert {event["subject"] for event in world.events()} == {
        derived_id(SOURCE, "one"),
        derived_id(SOURCE, "two"),
    }
    assert answers(world) == []


def test_one_event_id_with_another_request_in_it_is_an_id_used_again(world: World) -> None:
    world.send(cloud_event(BARE))
    world.send(cloud_event(BARE | {"copyOptions": "Skip"}))
    assert reasons(world) == {"RequestIdReused": 1}


@pytest.mark.parametrize(
    ("time", "counts"),
    [
        ("2026-02-05T06:30:00Z", "2026-02-05T06:30:00Z"),
        ("2026-02-05T08:30:00.5+02:00", "2026-02-05T06:30:00.500000Z"),
        ("2026-02-05T07:00:00Z", "2026-02-05T07:00:00Z"),
        ("2026-02-05T07:00:01Z", "2026-02-05T07:00:00Z"),
        ("9999-12-31T23:59:59Z", "2026-02-05T07:00:00Z"),
        (..., "2026-02-05T07:00:00Z"),
        (None, "2026-02-05T07:00:00Z"),
        ("0001-01-01T00:00:00Z", "2026-02-05T07:00:00Z"),
        ("1600-12-31T23:59:59Z", "2026-02-05T07:00:00Z"),
    ],
)
def test_a_request_counts_from_its_event_and_no_later_than_its_message(
    world: World, time: object, counts: str
) -> None:
    world.send(cloud_event(BARE, time=time))
    world.sweep_until_quiet()
    end = world.end_of(derived_id(SOURCE, EVENT_ID))
    assert (end["phase"], end["requestedAt"]) == ("Completed", counts)
    waited = (START - datetime.fromisoformat(counts)).total_seconds()
    assert waited <= end["recoveryTimeSeconds"] < waited + 600


def test_a_start_deadline_counts_from_the_event(world: World) -> None:
    for event_id, deadline in (("late", "PT30M"), ("in-time", "PT2H")):
        body = BARE | {"startDeadline": deadline}
        world.send(cloud_event(body, id=event_id, time="2026-02-05T06:00:00Z"))
    world.sweep_until_quiet()
    late = world.end_of(derived_id(SOURCE, "late"))
    assert (late["phase"], late["reason"]) == ("Failed", "StartDeadlineExceeded")
    assert "by 2026-02-05T06:30:00Z" in late["message"]
    assert world.end_of(derived_id(SOURCE, "in-time"))["phase"] == "Completed"


def test_an_event_that_is_older_than_any_request_may_wait_ends_at_once(world: World) -> None:
    world.send(cloud_event(BARE, time="1970-01-01T00:00:00Z"))
    end = world.end_of(derived_id(SOURCE, EVENT_ID))
    assert (end["reason"], end["restoreStarted"]) == ("StartDeadlineExceeded", "no")
    assert world.vaults.posts == 0


def test_the_age_of_a_recovery_point_counts_from_the_event(world: World) -> None:
    world.vaults.points = [RecoveryPoint(id="1", time=START - timedelta(hours=30))]
    for event_id, age in (("young", "PT10H"), ("old", "PT9H59M")):
        body = BARE | {"recoveryPoint": {"select": "latest", "maxAge": age}}
        world.send(cloud_event(body, id=event_id, time="2026-02-04T11:00:00Z"))
    world.sweep_until_quiet()
    young = world.end_of(derived_id(SOURCE, "young"))
    assert (young["phase"], young["recoveryPointAgeSeconds"]) == ("Completed", 36000)
    assert world.end_of(derived_id(SOURCE, "old"))["reason"] == "RecoveryPointTooOld"


def test_guards_measure_age_by_our_clock_and_not_by_the_time_of_the_event(world: World) -> None:
    world.vaults.points = [RecoveryPoint(id="1", time=START - timedelta(hours=30))]
    world.guards = guards(notOlderThan="P1D")
    world.send(cloud_event(BARE, time="2026-02-04T11:00:00Z"))
    end = world.end_of(derived_id(SOURCE, EVENT_ID))
    assert (end["reason"], end["rule"]) == ("NotAllowed", "the-rule/notOlderThan")


@pytest.mark.parametrize("name", EVENTS)
def test_a_cancel_in_an_event_cancels_the_request_that_it_names(world: World, name: str) -> None:
    wrap, _ = EVENTS[name]
    world.vaults.job_seconds = 600
    world.send(request("r1"))
    world.send(json.dumps(wrap(cancel("r1"))).encode())
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "JobCancelled"


def test_a_cancel_takes_no_id_from_its_event(world: World) -> None:
    world.send(cloud_event({"schemaVersion": "1.0", "action": "cancel"}))
    (answer,) = answers(world)
    assert answer["reason"] == "Invalid"
    assert [one["path"] for one in answer["problems"]] == ["data.requestId"]
    assert "requestId" not in answer


def test_problems_of_a_request_in_an_event_have_the_paths_that_the_sender_knows(
    world: World,
) -> None:
    wrong = BARE | {"items": [{"path": "/a", "type": "File"}], "copyOption": "Skip"}
    message = world.message(cloud_event(wrong, time="now"))
    world.deliver(message)
    world.deliver(message)
    (event,) = world.events()
    assert len(world.queue.sent) == 2
    answer = event["data"]
    assert answer["reason"] == "Invalid"
    assert answer["requestId"] == derived_id(SOURCE, EVENT_ID)
    assert {one["path"] for one in answer["problems"]} == {
        "time",
        "data.items[0].path",
        "data.copyOption",
    }
    assert world.records() == []
    world.send(cloud_event(BARE))
    world.sweep_until_quiet()
    assert world.end_of(derived_id(SOURCE, EVENT_ID))["phase"] == "Completed", "the id is free"


def test_a_dry_run_in_an_event_leaves_its_id_free_for_the_real_run(world: World) -> None:
    world.send(cloud_event(BARE | {"dryRun": True}))
    world.send(cloud_event(BARE))
    world.sweep_until_quiet()
    phases = [event["data"]["phase"] for event in world.events(derived_id(SOURCE, EVENT_ID))]
    assert phases == ["Planned", "Completed"]


def test_a_request_in_a_list_of_several_is_refused_as_a_whole(world: World) -> None:
    world.send(json.dumps([cloud_event(BARE, id="one"), cloud_event(BARE, id="two")]).encode())
    (answer,) = answers(world)
    assert (answer["reason"], world.records()) == ("Invalid", [])


# Where the event goes.


REPLIES = "team-replies"


def replied(world: World) -> dict[str, list[str]]:
    """The phases of the events on each queue that a request named."""
    return {
        name: [json.loads(text)["data"]["phase"] for text in texts]
        for name, texts in world.queue.replies.items()
    }


def test_the_event_goes_to_the_queue_that_the_request_names(world: World) -> None:
    world.guards = guards(reply_queues=("others", REPLIES))
    world.send(request(replyTo=REPLIES))
    world.sweep_until_quiet()
    assert replied(world) == {REPLIES: ["Completed"]}
    assert world.queue.sent == world.queue.replies[REPLIES], "and nowhere else"
    world.check_laws()


def test_a_request_in_an_event_may_name_a_queue_too(world: World) -> None:
    world.guards = guards(reply_queues=(REPLIES,))
    world.send(cloud_event(BARE | {"replyTo": REPLIES}))
    world.sweep_until_quiet()
    assert replied(world) == {REPLIES: ["Completed"]}


def test_without_guards_every_queue_may_be_named(world: World) -> None:
    world.send(request(replyTo=REPLIES))
    world.sweep_until_quiet()
    assert replied(world) == {REPLIES: ["Completed"]}


@pytest.mark.parametrize("dry", [False, True])
def test_a_queue_that_the_guards_do_not_list_is_refused_on_the_default_queue(
    world: World, dry: bool
) -> None:
    world.guards = guards(reply_queues=("others",))
    world.send(request(replyTo=REPLIES, dryRun=dry))
    end = world.end_of("r1")
    assert (end["phase"], end["reason"], end["rule"]) == ("Refused", "NotAllowed", "replyQueues")
    assert end["message"] == f"No event may go to the queue {REPLIES}."
    assert end["restoreStarted"] == "no"
    assert world.queue.replies == {}
    assert world.vaults.posts == 0
    assert rows(world.tables, "restoreclaims") == []
    world.check_laws()


@pytest.mark.parametrize("queue", ["restore-requests", "restore-requests-poison"])
@pytest.mark.parametrize("listed", [None, "restore-requests", "restore-requests-poison"])
def test_no_event_ever_goes_to_where_requests_come_from(
    world: World, queue: str, listed: str | None
) -> None:
    world.guards = guards(reply_queues=(queue, listed)) if listed else None
    world.send(request(replyTo=queue))
    assert world.end_of("r1")["rule"] == "replyQueues"
    assert world.queue.replies == {}


def test_the_request_queue_is_the_one_of_the_settings(world: World) -> None:
    world.settings = with_settings(request_queue="asked")
    world.start()
    for name, queue in (("r1", "asked"), ("r2", "asked-poison"), ("r3", "restore-requests")):
        world.send(request(name, replyTo=queue))
    world.sweep_until_quiet()
    assert replied(world) == {"restore-requests": ["Completed"]}
    assert world.end_of("r1")["rule"] == world.end_of("r2")["rule"] == "replyQueues"


def test_a_request_may_name_the_default_queue(world: World) -> None:
    world.guards = guards(reply_queues=(world.settings.completion_queue,))
    world.send(request(replyTo=world.settings.completion_queue))
    world.sweep_until_quiet()
    assert replied(world) == {world.settings.completion_queue: ["Completed"]}


def test_every_end_after_the_look_goes_to_that_queue(world: World) -> None:
    world.guards = guards(reply_queues=(REPLIES,), originalLocation="refuse")
    world.vaults.missing_shares = {"share-r2"}
    world.send(request("r1", replyTo=REPLIES))
    world.send(request("r2", replyTo=REPLIES))
    world.send(request("r3", replyTo=REPLIES, target=elsewhere(), dryRun=True))
    assert replied(world) == {REPLIES: ["Refused", "Failed", "Planned"]}
    assert len(world.queue.sent) == 3


def test_what_ends_before_it_is_looked_at_goes_to_the_default_queue(world: World) -> None:
    """Nobody has said yet that the queue may be used."""
    world.guards = guards(reply_queues=(REPLIES,))
    world.settings = with_settings(paused=True)
    world.start()
    world.send(request("r1", replyTo=REPLIES))
    world.send(cancel("r1"))
    world.send(cancel("r2"))
    world.pass_time(60)
    world.send(request("r2", replyTo=REPLIES))
    world.send(request("r3", replyTo=REPLIES, startDeadline="PT1M"))
    world.sweep_until_quiet()
    ends = [world.end_of("r1")["reason"], world.end_of("r3")["reason"]]
    assert ends == ["CancelledByRequest", "StartDeadlineExceeded"]
    assert world.events("r2")[-1]["data"]["reason"] == "CancelledBeforeArrival"
    assert world.queue.replies == {}


def test_guards_that_cannot_be_read_let_no_event_go_elsewhere(world: World) -> None:
    world.guards = not_plans({})
    world.send(request("r1", replyTo=REPLIES))
    assert world.record("r1").waiting_for == "GuardsInvalid"
    world.send(cancel("r1"))
    assert world.end_of("r1")["phase"] == "Cancelled"
    assert world.queue.replies == {}


def test_a_queue_that_was_allowed_stays_so_for_that_request(world: World) -> None:
    world.guards = guards(reply_queues=(REPLIES,))
    world.vaults.job_seconds = 600
    world.send(request("r1", replyTo=REPLIES))
    world.guards = guards()
    world.send(request("r2", replyTo=REPLIES))
    world.sweep_until_quiet()
    assert replied(world) == {REPLIES: ["Completed"]}
    assert world.end_of("r2")["rule"] == "replyQueues"


def test_an_event_is_sent_again_to_the_same_queue_byte_for_byte(
    world: World,
) -> None:
    world.guards = guards(reply_queues=(REPLIES,))
    world.send(request(replyTo=REPLIES))
    world.sweep_until_quiet()
    world.guards = guards()
    for _ in range(3):
        world.pass_time(60)
        world.send(request(replyTo=REPLIES))
    assert replied(world) == {REPLIES: ["Completed"] * 4}
    assert len(set(world.queue.replies[REPLIES])) == 1
    assert world.queue.sent == world.queue.replies[REPLIES]


def test_a_queue_is_part_of_what_a_request_says(world: World) -> None:
    world.send(request(replyTo=REPLIES))
    world.send(request(replyTo="another"))
    assert reasons(world) == {"RequestIdReused": 1}
    world.sweep_until_quiet()
    assert replied(world) == {REPLIES: ["Completed"]}
    assert world.record("r1").phase is Phase.COMPLETED


@pytest.mark.parametrize("queue", ["UPPER", "a", "a--b", "-a-b", "x" * 64, "a/b", "a_b", 7, ""])
def test_what_cannot_be_a_queue_is_a_problem(world: World, queue: object) -> None:
    world.send(request(replyTo=queue))
    (answer,) = answers(world)
    assert [one["path"] for one in answer["problems"]] == ["replyTo"]
    assert world.queue.replies == {}
