"""What becomes of requests, on simulators and a clock that the test turns."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest

from restore_core.domain.lifecycle import Phase
from restore_core.domain.record import TryState
from restore_core.domain.vault import JobEnd
from restore_core.errors import ArmAnswer, ArmError, NoAnswer, NotSent, StoreUnavailable
from tests.simulators.store import rows
from tests.simulators.vaults import Fate
from tests.simulators.world import SHAPES, VAULT, World, cancel, elsewhere, request, with_settings


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_ends_completed_after_one_post(world: World, shape: str) -> None:
    world.send(request(**SHAPES[shape]))
    assert world.record("r1").phase is Phase.OPERATION_PENDING
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Completed", "JobCompleted")
    assert end["counts"] == {"files": {"restored": 7, "skipped": 0, "failed": 0}}
    assert end["restoreStarted"] == "yes"
    assert world.vaults.posts == 1
    world.check_laws()


@pytest.mark.parametrize(
    ("job_end", "phase", "reason"),
    [
        (JobEnd.COMPLETED_WITH_WARNINGS, "CompletedWithWarnings", "JobCompletedWithWarnings"),
        (JobEnd.FAILED, "Failed", "JobFailed"),
        (JobEnd.CANCELLED, "Cancelled", "JobCancelled"),
    ],
)
def test_the_end_of_the_job_is_the_end_of_the_request(
    world: World, job_end: JobEnd, phase: str, reason: str
) -> None:
    world.vaults.next_end = job_end
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == (phase, reason)
    assert world.vaults.posts == 1


def test_a_failed_job_is_not_started_again_and_says_that_it_may_be_retried(world: World) -> None:
    world.vaults.next_end = JobEnd.FAILED
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["error"] == {"code": "1073871825", "message": "internal", "class": "Retryable"}
    assert end["recommendation"]
    assert len(world.vaults.jobs_by_id) == 1


def test_a_message_that_is_no_request_is_answered_and_leaves_nothing(world: World) -> None:
    message = world.send(b'{"hello": 1}')
    (event,) = world.events()
    assert event["type"] == "azurefilesrestore.MessageRejected.v1"
    assert event["subject"] == message.id
    paths = {problem["path"] for problem in event["data"]["problems"]}
    assert paths >= {"schemaVersion", "requestId", "vaultId", "source", "hello"}
    assert world.records() == []
    assert rows(world.tables, "openrestores") == []


def test_a_rejection_delivered_twice_is_the_same_to_the_byte(world: World) -> None:
    message = world.message(b"\xff")
    world.deliver(message)
    world.pass_time(60)
    world.deliver(message)
    assert len(world.queue.sent) == 2
    assert len(set(world.queue.sent)) == 1


def test_the_same_message_twice_is_one_restore(world: World) -> None:
    message = world.message(request())
    world.deliver(message)
    world.deliver(message)
    world.sweep_until_quiet()
    world.deliver(message)
    assert world.vaults.posts == 1
    assert len(world.queue.sent) == 1


def test_a_resend_after_the_end_gets_the_same_event_again(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    world.pass_time(60)
    world.send(request())
    assert len(world.queue.sent) == 2
    assert len(set(world.queue.sent)) == 1
    assert world.vaults.posts == 1


def test_an_id_used_for_something_else_is_rejected_and_the_first_goes_on(world: World) -> None:
    world.send(request())
    world.send(request(copyOptions="Skip"))
    (event,) = world.events()
    assert event["data"]["reason"] == "RequestIdReused"
    world.sweep_until_quiet()
    world.check_laws()


def test_a_lost_answer_is_found_by_its_activity_id(world: World) -> None:
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.send(request())
    assert world.record("r1").phase is Phase.TRIGGERING
    world.sweep(after=10)
    assert world.record("r1").phase is Phase.JOB_IN_PROGRESS
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.vaults.posts == 1
    world.check_laws()


def test_a_job_that_is_listed_late_is_still_found(world: World) -> None:
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay = 800
    world.vaults.job_seconds = 3600
    world.send(request())
    world.sweep_until_quiet()
    assert world.vaults.posts == 1
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_a_lost_request_is_sent_again_only_after_two_lists_a_grace_apart(world: World) -> None:
    world.vaults.fates = [Fate.LOST_REQUEST]
    world.send(request())
    sent_at = world.now
    while world.vaults.posts == 1:
        assert world.record("r1").phase is Phase.TRIGGERING
        world.sweep(after=20)
    assert world.now - sent_at >= world.settings.adoption_grace
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["attempts"]) == ("Completed", 2)
    world.check_laws()


def test_the_third_unknown_outcome_ends_indeterminate_and_says_where_to_look(
    world: World,
) -> None:
    world.vaults.fates = [Fate.LOST_REQUEST] * 3
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Indeterminate", "TriggerOutcomeUnknown")
    assert end["restoreStarted"] == "unknown"
    ids = [one.client_request_id for one in world.record("r1").tries]
    assert len(ids) == 3
    assert all(client_request_id in end["message"] for client_request_id in ids)
    assert world.vaults.posts == 3


def test_a_busy_refusal_of_a_later_post_says_that_the_earlier_one_runs(world: World) -> None:
    # The first POST starts a job which the list hides for longer than the grace.
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay = 1500
    world.vaults.job_seconds = 7200
    world.send(request())
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    assert len(world.vaults.jobs_by_id) == 1
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_a_post_that_was_not_sent_goes_again_and_counts_as_no_attempt(world: World) -> None:
    world.vaults.fates = [Fate.NOT_SENT, Fate.NOT_SENT, Fate.NOT_SENT, Fate.NOT_SENT]
    world.send(request())
    record = world.record("r1")
    assert record.phase is Phase.ACCEPTED
    assert record.waiting_for == "ServiceUnavailable"
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["attempts"]) == ("Completed", 1)
    world.check_laws()


REFUSALS: list[tuple[ArmError, str | None, str | None]] = [
    # the answer; what the request waits for, or the reason of its end
    (ArmAnswer(status=400, code="BMSUserErrorInvalidInput"), None, "TriggerRefused"),
    (ArmAnswer(status=404, code="BMSUserErrorDataSourceObjectNotFound"), None, "TriggerRefused"),
    (ArmAnswer(status=301), None, "TriggerRefused"),
    (ArmAnswer(status=412), None, "TriggerRefused"),
    (ArmAnswer(status=409, code="UserErrorDTSDestLocked"), "TargetBusy", None),
    (ArmAnswer(status=409, code="BMSUserErrorObjectLocked"), "TargetBusy", None),
    (ArmAnswer(status=429), "Throttled", None),
    (ArmAnswer(status=429, retry_after=timedelta(minutes=20)), "Throttled", None),
    (ArmAnswer(status=400, code="CloudDosAbsoluteLimitReached"), "Quota", None),
    (ArmAnswer(status=403, code="AuthorizationFailed"), "NotAuthorizedYet", None),
    (NotSent("no name"), "ServiceUnavailable", None),
]


@pytest.mark.parametrize(("error", "waiting_for", "reason"), REFUSALS)
def test_a_refused_post_waits_when_time_heals_it_and_ends_when_not(
    world: World, error: ArmError, waiting_for: str | None, reason: str | None
) -> None:
    world.vaults.fates = [error]
    world.send(request())
    record = world.record("r1")
    assert record.waiting_for == waiting_for
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["reason"] == (reason or "JobCompleted")
    assert world.vaults.posts == (2 if waiting_for else 1)
    assert end["restoreStarted"] == ("yes" if waiting_for else "no")
    world.check_laws()


@pytest.mark.parametrize("status", [408, 499, 500, 502, 503, 504, 200, 201])
def test_an_answer_that_proves_nothing_keeps_the_try(world: World, status: int) -> None:
    error = NoAnswer("another 2xx") if status < 300 else ArmAnswer(status=status)
    world.vaults.fates = [error]
    world.send(request())
    record = world.record("r1")
    assert record.phase is Phase.TRIGGERING
    assert [one.state for one in record.tries] == [TryState.UNKNOWN]
    world.sweep_until_quiet()
    assert world.end_of("r1")["attempts"] == 2


def test_retry_after_is_honoured(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=429, retry_after=timedelta(minutes=20))]
    world.send(request())
    for _ in range(39):
        world.sweep(after=30)
    assert world.vaults.posts == 1
    world.sweep_until_quiet()
    assert world.vaults.posts == 2


def test_a_refused_token_is_renewed_once_within_the_same_try(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=401)]
    world.send(request())
    assert (world.vaults.posts, world.vaults.tokens) == (2, 1)
    world.sweep_until_quiet()
    assert world.end_of("r1")["attempts"] == 1


def test_a_token_that_is_refused_twice_waits_as_a_role_does(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=401), ArmAnswer(status=401)]
    world.send(request())
    assert world.record("r1").waiting_for == "NotAuthorizedYet"
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_token_that_comes_after_the_send_window_sends_nothing(world: World) -> None:
    def slow(_number: int, name: str) -> None:
        if name == "arm.post.renew_token":
            world.pass_time(31)

    world.calls.during = slow
    world.vaults.fates = [ArmAnswer(status=401)]
    world.send(request())
    assert world.vaults.posts == 1
    assert world.record("r1").phase is Phase.ACCEPTED
    assert world.record("r1").tries == ()
    world.sweep_until_quiet()
    world.check_laws()


def test_a_role_that_takes_long_ends_after_half_an_hour(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=403, code="AuthorizationFailed")] * 100
    world.send(request())
    begun = world.now
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "NotAuthorized")
    assert end["error"]["class"] == "Configuration"
    assert timedelta(minutes=30) <= world.now - begun <= timedelta(minutes=40)


def test_an_operation_that_fails_ends_with_its_error(world: World) -> None:
    world.vaults.fates = [Fate.NO_JOB]
    world.send(request())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "OperationFailed")
    assert end["error"]["code"] == "TargetFileShareNotFound"
    assert end["error"]["class"] == "Request"


def test_without_a_job_list_the_operation_names_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_args: Any, **_kwargs: Any) -> Any:
        raise ArmAnswer(status=404)

    monkeypatch.setattr(world.vaults, "jobs", missing)
    world.send(request())
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


@pytest.mark.parametrize(
    "error",
    [
        NotSent("refused"),
        NoAnswer("reset"),
        ArmAnswer(status=404),
        ArmAnswer(status=401),
        ArmAnswer(status=403),
        ArmAnswer(status=429),
        ArmAnswer(status=500, code="RestApiInternalError"),
        ArmAnswer(status=503),
    ],
)
def test_reads_that_fail_never_fail_a_restore(world: World, error: ArmError) -> None:
    world.vaults.read_errors = [error] * 3
    world.send(request())
    assert world.record("r1").phase is Phase.ACCEPTED
    assert world.record("r1").waiting_for is not None
    for _ in range(30):
        world.vaults.read_errors.append(error)
        world.sweep(after=30)
    world.vaults.read_errors.clear()
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    world.check_laws()


def test_a_vault_that_arm_does_not_know_ends_at_once(world: World) -> None:
    world.vaults.read_errors = [ArmAnswer(status=404, code="ResourceNotFound", gateway=True)]
    world.send(request())
    assert world.end_of("r1")["reason"] == "SourceNotFound"


def test_a_share_that_is_not_protected_ends_at_once(world: World) -> None:
    world.vaults.missing_shares = {"share-r1"}
    world.send(request())
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "SourceNotFound")
    assert end["restoreStarted"] == "no"
    assert world.vaults.posts == 0


def test_a_retry_does_not_choose_another_latest(world: World) -> None:
    world.vaults.fates = [Fate.NOT_SENT]
    world.send(request())
    chosen = world.record("r1").decision
    assert chosen is not None
    world.vaults.points.append(
        type(world.vaults.points[0])(id="999", time=world.now - timedelta(minutes=1))
    )
    world.sweep_until_quiet()
    assert world.end_of("r1")["recoveryPoint"]["id"] == chosen.point_id


def test_a_second_request_to_a_target_waits_for_the_first(world: World) -> None:
    world.send(request("r1", target=elsewhere()))
    world.send(request("r2", target=elsewhere()))
    second = world.record("r2")
    assert (second.phase, second.waiting_for) == (Phase.ACCEPTED, "TargetBusy")
    assert "r1" in second.waiting_message
    world.sweep_until_quiet()
    assert world.vaults.posts == 2
    starts = {job.item.item: job for job in world.vaults.jobs_by_id.values()}
    first, then = starts["AzureFileShare;share-r1"], starts["AzureFileShare;share-r2"]
    assert first.ends <= then.started
    world.check_laws()


def test_waiters_go_by_priority_and_then_by_arrival(world: World) -> None:
    world.send(request("r1", target=elsewhere()))
    for name, priority in (("r2", "normal"), ("r3", "normal"), ("r4", "emergency")):
        world.pass_time(1)
        world.send(request(name, target=elsewhere(), priority=priority))
    world.sweep_until_quiet(step=5)
    started = sorted(world.vaults.jobs_by_id.values(), key=lambda job: job.started)
    assert [job.item.item[-2:] for job in started] == ["r1", "r4", "r2", "r3"]
    world.check_laws()


def test_a_newcomer_does_not_overtake_a_waiter_that_is_woken_and_has_not_begun(
    world: World,
) -> None:
    world.send(request("r1", target=elsewhere()))
    world.pass_time(1)
    world.send(request("r2", target=elsewhere()))
    woken: list[str] = []

    def newcomer(_number: int, name: str) -> None:
        # The first is about to be announced: its target is free, and the second one is due.
        if name == "queue.send" and not woken:
            woken.append(name)
            world.send(request("r3", target=elsewhere()))

    world.calls.during = newcomer
    world.sweep_until_quiet()
    started = sorted(world.vaults.jobs_by_id.values(), key=lambda job: job.started)
    assert [job.item.item[-2:] for job in started] == ["r1", "r2", "r3"]
    assert started[2].started - started[1].ends < timedelta(seconds=60), "it is woken in its turn"
    world.check_laws()


def test_a_waiter_for_a_role_does_not_hold_up_the_others(world: World) -> None:
    world.vaults.fates = [ArmAnswer(status=403)]
    world.send(request("r1", target=elsewhere(), priority="emergency"))
    world.pass_time(1)
    world.send(request("r2", target=elsewhere()))
    assert world.record("r1").waiting_for == "NotAuthorizedYet"
    assert world.record("r2").phase is Phase.OPERATION_PENDING
    world.sweep_until_quiet()
    world.check_laws()


def test_a_paused_app_accepts_and_starts_nothing() -> None:
    world = World(with_settings(paused=True))
    world.send(request())
    assert world.record("r1").waiting_for == "Paused"
    world.sweep(after=600)
    assert world.vaults.posts == 0
    world.settings = with_settings(paused=False)
    world.start()
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_request_that_cannot_start_in_time_says_what_it_waited_for() -> None:
    world = World(with_settings(paused=True))
    world.send(request(startDeadline="PT1H"))
    begun = world.now
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Failed", "StartDeadlineExceeded")
    assert "Paused" in end["message"]
    assert timedelta(hours=1) <= world.now - begun <= timedelta(hours=1, minutes=6)


def test_a_deadline_that_passes_while_the_lists_are_read_is_kept(world: World) -> None:
    def slow(_number: int, name: str) -> None:
        if name == "arm.choose_point":
            world.pass_time(120)

    world.calls.during = slow
    world.send(request(startDeadline="PT1M"))
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "StartDeadlineExceeded"
    assert world.vaults.posts == 0
    assert world.tables.tables["restoreclaims"].list_entities()[0]["holders_0"] == "[]"


def test_the_time_of_the_trigger_is_when_it_was_sent(world: World) -> None:
    def slow(_number: int, name: str) -> None:
        if name == "arm.choose_point":
            world.pass_time(120)

    world.calls.during = slow
    world.send(request())
    (one,) = world.record("r1").tries
    assert one.intended_at == world.now


def test_a_job_that_never_ends_is_given_up_at_the_tracking_limit(world: World) -> None:
    world.vaults.job_seconds = 10**9
    world.send(request())
    world.sweep_until_quiet(step=600)
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Indeterminate", "TrackingLimitReached")
    assert end["jobIds"][0] in end["message"]
    assert end["restoreStarted"] == "yes"


def test_a_dry_run_sends_nothing_and_shows_what_the_real_run_sends(world: World) -> None:
    for number, shape in enumerate(SHAPES.values()):
        name = f"r{number}"
        world.send(request(name, dryRun=True, **shape))
        plan = world.end_of(name)
        assert (plan["phase"], plan["reason"]) == ("Planned", "Planned")
        assert world.vaults.posts == number
        world.queue.sent.clear()
        world.send(request(name, **shape))
        world.sweep_until_quiet()
        (job,) = [job for job in world.vaults.jobs_by_id.values() if job.item.item.endswith(name)]
        assert plan["plan"]["body"] == {"properties": job.body}
        assert world.end_of(name)["phase"] == "Completed"
        world.queue.sent.clear()


def test_a_failed_dry_run_leaves_the_real_runs_event_id_free(world: World) -> None:
    world.vaults.missing_shares = {"share-r1"}
    world.send(request(dryRun=True))
    world.pass_time(60)
    world.send(request())
    ids = [event["id"] for event in world.events("r1")]
    assert ids == ["plan~r1/Failed", "r1/Failed"]
    world.check_laws()


def test_a_cancel_of_a_running_restore_ends_as_the_job_ends(world: World) -> None:
    world.vaults.job_seconds = 3600
    world.send(request())
    world.sweep(after=10)
    assert world.record("r1").phase is Phase.JOB_IN_PROGRESS
    world.send(cancel())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Cancelled", "JobCancelled")
    assert "stay" in end["message"]


def test_a_cancel_of_a_waiting_request_sends_nothing() -> None:
    world = World(with_settings(paused=True))
    world.send(request())
    world.send(cancel(reason="wrong share"))
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Cancelled", "CancelledByRequest")
    assert "wrong share" in end["message"]
    assert world.vaults.posts == 0


def test_a_cancel_of_a_triggering_request_is_settled_first(world: World) -> None:
    world.vaults.fates = [Fate.LOST_ANSWER]
    world.vaults.list_delay = 300
    world.vaults.job_seconds = 3600
    world.send(request())
    world.send(cancel())
    assert world.record("r1").phase is Phase.TRIGGERING
    world.sweep_until_quiet()
    assert world.end_of("r1")["reason"] == "JobCancelled"
    assert world.vaults.posts == 1


def test_a_cancel_before_its_request_is_kept_and_works(world: World) -> None:
    world.send(cancel())
    (answer,) = world.events()
    assert answer["data"]["reason"] == "UnknownRequest"
    world.queue.sent.clear()
    world.pass_time(3600)
    world.send(request())
    assert world.end_of("r1")["reason"] == "CancelledBeforeArrival"
    assert world.vaults.posts == 0


def test_a_second_early_cancel_is_answered_alike_after_its_request_has_ended(
    world: World,
) -> None:
    world.send(cancel())
    second = world.message(cancel())
    world.deliver(second)
    world.pass_time(60)
    world.send(request())
    assert world.record("r1").phase is Phase.CANCELLED
    world.deliver(second)
    ids = [json.loads(text)["id"] for text in set(world.queue.sent)]
    assert len(ids) == len(set(ids)) == 3


def test_a_reused_id_is_answered_alike_whenever_its_message_comes_again(world: World) -> None:
    world.send(request())
    reused = world.message(request(copyOptions="Skip"))
    world.deliver(reused)
    world.sweep_until_quiet()
    world.deliver(reused)
    copies = [text for text in world.queue.sent if "RequestIdReused" in text]
    assert len(copies) == 2
    assert len(set(copies)) == 1


def test_resends_after_the_end_that_cross_one_another_are_all_acknowledged(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    world.pass_time(60)
    crossing = [world.message(request()), world.message(request())]

    def cross(_number: int, name: str) -> None:
        if name == "queue.send" and crossing:
            assert world.deliver(crossing.pop())

    world.calls.during = cross
    assert world.deliver(crossing.pop())
    assert len(set(world.queue.sent)) == 1


@pytest.mark.parametrize("at", ["table.read_claim", "table.write_claim"])
@pytest.mark.parametrize("by_item", [False, True])
def test_a_cancel_that_races_the_claim_leaves_no_claim(
    world: World, at: str, *, by_item: bool
) -> None:
    item = f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
    source: dict[str, Any] = {
        "source": {"protectedItemId": f"{item}/protectedItems/AzureFileShare;abc"}
    }
    other = [cancel()]

    def race(_number: int, name: str) -> None:
        if name == at and other:
            world.send(other.pop())

    world.calls.during = race
    world.send(request(**source) if by_item else request())
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Cancelled"
    held = [row["holders_0"] for row in rows(world.tables, "restoreclaims")]
    assert set(held) <= {"[]"}


def test_a_cancel_from_before_the_start_limit_is_forgotten(world: World) -> None:
    world.send(cancel())
    world.pass_time(25 * 3600)
    world.queue.sent.clear()
    world.send(request())
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_cancel_of_a_final_request_is_rejected(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    world.queue.sent.clear()
    world.send(cancel())
    (answer,) = world.events()
    assert answer["data"]["reason"] == "AlreadyFinal"


def test_a_cancel_that_azure_does_not_take_is_a_warning(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.vaults.job_seconds = 300
    world.send(request())
    world.sweep(after=10)

    def refuse(*_args: Any) -> None:
        raise ArmAnswer(status=400, code="BMSUserErrorJobNotCancellable")

    monkeypatch.setattr(world.vaults, "cancel", refuse)
    world.send(cancel())
    world.sweep_until_quiet()
    end = world.end_of("r1")
    assert end["phase"] == "Completed"
    assert any("BMSUserErrorJobNotCancellable" in warning for warning in end["warnings"])


def test_an_outage_of_storage_brings_the_message_back(world: World) -> None:
    message = world.message(request())
    world.calls.fail = lambda number, name: StoreUnavailable(name)
    assert not world.deliver(message)
    world.calls.fail = lambda number, name: None
    assert world.deliver(message)
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_retry_after_of_a_read_is_honoured_while_following(world: World) -> None:
    world.vaults.job_seconds = 7200
    world.send(request())
    world.sweep(after=10)
    world.vaults.read_errors = [ArmAnswer(status=429, retry_after=timedelta(minutes=20))]
    world.sweep(after=31)
    world.calls.names.clear()
    for _ in range(19):
        world.sweep(after=60)
    assert [name for name in world.calls.names if name.startswith("arm.")] == []
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_poison_copy_of_an_accepted_request_is_a_duplicate(world: World) -> None:
    world.send(request())
    world.app.handle_poisoned(world.message(request()), world.now)
    world.sweep_until_quiet()
    world.check_laws()
    assert len(world.queue.sent) == 1


def test_a_poison_copy_of_a_request_that_never_came_through_is_accepted(world: World) -> None:
    world.app.handle_poisoned(world.message(request()), world.now)
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"


def test_a_message_that_nothing_can_handle_is_answered_at_last(world: World) -> None:
    world.calls.fail = lambda number, name: ValueError(name) if name == "table.insert" else None
    with pytest.raises(ValueError, match="insert"):
        world.send(request())
    message = world.message(request())
    world.app.handle_poisoned(message, world.now)
    (event,) = world.events()
    assert event["data"]["reason"] == "Unreadable"
    assert event["subject"] == message.id


def test_an_outage_does_not_make_a_poison_copy_an_answer(world: World) -> None:
    world.calls.fail = lambda number, name: StoreUnavailable(name)
    with pytest.raises(StoreUnavailable):
        world.app.handle_poisoned(world.message(request()), world.now)
    assert world.queue.sent == []


def test_an_end_that_no_list_can_confirm_is_lost_at_the_tracking_limit(world: World) -> None:
    world.vaults.fates = [Fate.LOST_REQUEST, ArmAnswer(status=400)]

    def unlisted(number: int, name: str) -> ArmError | None:
        return NoAnswer(name) if name == "arm.jobs" and world.vaults.posts == 2 else None

    world.calls.fail = unlisted
    world.send(request())
    world.sweep_until_quiet(step=60)
    end = world.end_of("r1")
    assert (end["phase"], end["reason"]) == ("Indeterminate", "TrackingLimitReached")


def test_one_bad_record_does_not_stop_the_sweep(world: World) -> None:
    world.send(request("r1"))
    table = world.tables.tables["restores"]
    for entity in table._entities.values():
        entity["record_0"] = "{"
    world.send(request("r2"))
    for _ in range(20):
        world.sweep(after=15)
    assert world.end_of("r2")["phase"] == "Completed"
    assert len(rows(world.tables, "openrestores")) == 1


def test_a_row_without_a_record_is_deleted_after_a_day(world: World) -> None:
    world.send(request())
    world.tables.tables["restores"]._entities.clear()
    world.sweep(after=3600)
    assert len(rows(world.tables, "openrestores")) == 1
    world.sweep(after=25 * 3600)
    assert rows(world.tables, "openrestores") == []


def test_a_sweep_stops_when_its_time_is_up_and_goes_on_next_time() -> None:
    world = World(with_settings(sweep_budget=timedelta(seconds=5)))
    for number in range(10):
        world.send(request(f"r{number}"))

    def slow(_number: int, name: str) -> None:
        if name == "table.replace":
            world.pass_time(2)

    world.calls.during = slow
    world.pass_time(30)
    swept = world.app.sweep(world.now)
    assert 0 < swept.left < 10
    world.sweep_until_quiet()
    world.check_laws()


def test_many_jobs_of_a_vault_are_followed_by_one_list(world: World) -> None:
    for number in range(20):
        world.send(request(f"r{number}"))
    world.sweep(after=10)
    world.calls.names.clear()
    world.sweep(after=1)
    world.vaults.job_seconds = 3600
    world.sweep(after=60)
    assert world.calls.names.count("arm.jobs") <= 1


def test_the_vault_of_the_item_serves_where_none_is_given(world: World) -> None:
    item = (
        f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
        "/protectedItems/AzureFileShare;abc"
    )
    world.send(request(vaultId=None, source={"protectedItemId": item}))
    world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    assert world.end_of("r1")["vaultId"] == VAULT


def test_a_message_in_base64_is_a_request_too(world: World) -> None:
    world.send(base64.b64encode(json.dumps(request()).encode()))
    assert world.record("r1").phase is Phase.OPERATION_PENDING


def test_records_are_deleted_after_the_retention_and_not_before(world: World) -> None:
    world.send(request())
    world.sweep_until_quiet()
    for _ in range(256):
        world.sweep(after=3600)
    assert len(world.records()) == 1
    world.pass_time(400 * 24 * 3600)
    for _ in range(256):
        world.sweep(after=3600)
    assert world.records() == []
