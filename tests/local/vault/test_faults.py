"""Faults, as calls see them, and the routes that put them in force."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from local.vault import Fault, FaultError
from local.vault.faults import KINDS, FaultBook
from tests.local.vault.arm import CLIENT_ID, Arm, body
from tests.local.vault.conftest import Serve
from tests.patience import PATIENCE, eventually


def _inject(arm: Arm, on: str, times: int | None = 1, **action: object) -> None:
    arm.emulator.inject({"on": on, "times": times, "action": action})


def _admin(arm: Arm, method: str, path: str, json: object = None) -> requests.Response:
    return arm.session.request(
        method, f"{arm.emulator.url}/_emulator/{path}", json=json, timeout=PATIENCE
    )


def test_a_status_fault_answers_in_the_services_place_as_often_as_told(arm: Arm) -> None:
    _inject(arm, "list_items", 2, kind="status", status=503, code="ServerBusy")
    answers = [arm.get("backupProtectedItems") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json()["error"]["code"] == "ServerBusy"
    assert arm.get("backupJobs").status_code == 200


def test_throttling_asks_to_wait_in_seconds_by_date_or_not_at_all(arm: Arm) -> None:
    _inject(arm, "job", kind="status", status=429, retry_after=17)
    _inject(arm, "job", kind="status", status=429, retry_after_date=100)
    _inject(arm, "job", kind="status", status=429)
    seconds, date, none = (arm.get("backupJobs/x").headers.get("Retry-After") for _ in range(3))
    assert seconds == "17"
    assert date is not None
    told = parsedate_to_datetime(date).timestamp() - time.time()
    assert 90 < told < 110
    assert none is None


def test_a_404_can_be_an_empty_object_and_an_answer_plain_text(arm: Arm) -> None:
    _inject(arm, "job", kind="status", status=404, body={})
    _inject(arm, "job", kind="status", status=502, body="bad gateway")
    assert arm.get("backupJobs/x").text == "{}"
    assert arm.get("backupJobs/x").text == "bad gateway"


def test_a_restore_may_have_begun_although_the_answer_is_an_error(arm: Arm) -> None:
    _inject(arm, "restore", kind="status", status=500, processed=True)
    answer = arm.restore(body())
    assert answer.status_code == 500
    assert "Location" not in answer.headers
    assert [job.activity_id for job in arm.emulator.jobs()] == [CLIENT_ID]


@pytest.mark.parametrize("processed", [False, True])
def test_a_reset_loses_the_call_or_its_answer(arm: Arm, processed: bool) -> None:
    _inject(arm, "restore", kind="reset", processed=processed)
    with pytest.raises(requests.ConnectionError):
        arm.restore(body())
    assert len(arm.emulator.jobs()) == processed
    assert arm.emulator.log[-1].status is None


def test_a_202_cut_after_its_first_line_leaves_a_job_and_no_headers(arm: Arm) -> None:
    # http.client takes the end of the connection for the end of the headers.
    _inject(arm, "restore", kind="truncate", keep=22)
    answer = arm.restore(body())
    assert (answer.status_code, dict(answer.headers)) == (202, {})
    assert len(arm.emulator.jobs()) == 1


def test_a_202_cut_in_the_middle_has_half_a_url(arm: Arm) -> None:
    _inject(arm, "restore", kind="truncate")
    answer = arm.restore(body())
    assert "&h=" not in answer.headers["Location"]
    assert "Azure-AsyncOperation" not in answer.headers
    assert len(arm.emulator.jobs()) == 1


def test_half_a_body_is_no_answer(arm: Arm) -> None:
    arm.emulator.add_jobs(50)
    _inject(arm, "list_jobs", kind="truncate")
    with pytest.raises(requests.RequestException):
        arm.get("backupJobs")


def test_a_hanging_call_is_silent_until_the_client_gives_up(arm: Arm) -> None:
    _inject(arm, "restore", kind="hang", processed=True)
    url = f"{arm.emulator.url}{arm.item_id}/recoveryPoints/9223372036854775807/restore"
    with pytest.raises(requests.ReadTimeout):
        arm.session.post(url, params={"api-version": "1"}, json=body(), timeout=0.2)
    eventually(arm.emulator.jobs)  # the client may have been the first to be done
    assert len(arm.emulator.jobs()) == 1


def test_a_hang_of_some_seconds_ends_in_a_reset(arm: Arm) -> None:
    _inject(arm, "restore", kind="hang", seconds=0.05)
    with pytest.raises(requests.ConnectionError):
        arm.restore(body())
    assert arm.emulator.jobs() == []


def test_a_slow_answer_drips(arm: Arm) -> None:
    _inject(arm, "list_items", kind="drip", seconds=0.3)
    started = time.monotonic()
    assert arm.get("backupProtectedItems").json()["value"]
    assert time.monotonic() - started > 0.25


def test_a_call_can_be_delayed_before_it_is_processed(arm: Arm) -> None:
    _inject(arm, "list_items", kind="delay", seconds=0.2)
    started = time.monotonic()
    assert arm.get("backupProtectedItems").status_code == 200
    assert time.monotonic() - started > 0.15


def test_bodies_can_be_empty_no_json_or_huge(arm: Arm) -> None:
    _inject(arm, "list_jobs", kind="empty")
    _inject(arm, "list_jobs", kind="not_json")
    _inject(arm, "list_jobs", kind="huge", megabytes=3)
    empty, page, huge = (arm.get("backupJobs") for _ in range(3))
    assert (empty.status_code, empty.content) == (200, b"")
    assert page.text.startswith("<html>")
    assert len(huge.content) > 3 * 2**20


def test_a_redirect_leads_elsewhere(arm: Arm) -> None:
    _inject(arm, "list_jobs", kind="redirect", location="https://elsewhere.example/x")
    answer = arm.get("backupJobs")
    assert answer.status_code == 307
    assert answer.headers["Location"] == "https://elsewhere.example/x"


def test_links_can_name_a_foreign_host(arm: Arm) -> None:
    _inject(arm, "restore", kind="foreign", origin="https://elsewhere.example")
    _inject(arm, "list_jobs", kind="foreign", origin="https://elsewhere.example")
    answer = arm.restore(body())
    for name in ("Location", "Azure-AsyncOperation"):
        assert answer.headers[name].startswith("https://elsewhere.example/subscriptions/")
    link = arm.get("backupJobs").json()["nextLink"]
    assert link.startswith("https://elsewhere.example/")


def test_a_body_can_be_patched_and_headers_set_or_removed(arm: Arm) -> None:
    patch = {"properties": {"protectionState": "Strange", "vaultId": None}}
    headers = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "x-ms-request-id": None}
    _inject(arm, "get_item", kind="merge", patch=patch, headers=headers)
    answer = arm.get(arm.item_id)
    properties = answer.json()["properties"]
    assert properties["protectionState"] == "Strange"
    assert properties["friendlyName"] == "data"
    assert "vaultId" not in properties
    assert answer.headers["Date"] == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert "x-ms-request-id" not in answer.headers


def test_one_job_can_come_late_into_lists(arm: Arm) -> None:
    _inject(arm, "restore", kind="late_job", seconds=10.0**7)
    arm.ended(body())
    assert list(arm.listed()) == []
    _inject(arm, "restore", kind="late_job", seconds=100)
    job = arm.ended(body())
    eventually(lambda: list(arm.listed()))
    assert [each["name"] for each in arm.listed()] == [job.id]


def test_one_post_can_start_two_jobs(arm: Arm) -> None:
    _inject(arm, "restore", kind="duplicate_job")
    arm.started(body())
    assert [each["properties"]["activityId"] for each in arm.listed()] == [CLIENT_ID] * 2


def test_an_outcome_can_be_ordered(arm: Arm) -> None:
    error = {"code": 570035, "text": "The account is not accessible."}
    _inject(arm, "restore", kind="outcome", status="Failed", error=error, duration=1)
    shown = arm.shown(arm.ended(body()))
    assert shown["status"] == "Failed"
    assert shown["errorDetails"] == [
        {"errorCode": 570035, "errorString": error["text"], "recommendations": []}
    ]
    _inject(arm, "restore", kind="outcome", status="CompletedWithWarnings")
    assert arm.ended(body()).status == "CompletedWithWarnings"


def test_a_job_can_run_for_ever_and_still_be_cancelled(arm: Arm) -> None:
    _inject(arm, "restore", kind="outcome", never_ends=True)
    job = arm.started(body())
    assert job.ends is None
    time.sleep(0.3)
    assert arm.shown(job)["status"] == "InProgress"
    arm.post(f"backupJobs/{job.id}/cancel")
    assert arm.wait(job).status == "Cancelled"


def test_unknown_words_can_stand_for_a_status(arm: Arm) -> None:
    _inject(arm, "restore", kind="outcome", shown_status="Paused")
    job = arm.started(body())
    assert arm.shown(job)["status"] == "Paused"
    assert [each["properties"]["status"] for each in arm.listed()] == ["Paused"]
    _inject(arm, "job", kind="job_status", status="Waiting")
    _inject(arm, "operation", kind="operation_status", status="Resting")
    assert arm.shown(job)["status"] == "Waiting"
    assert arm.get(f"backupOperations/{job.operation_id}").json()["status"] == "Resting"


def test_a_fault_can_skip_match_a_path_and_strike_by_chance(arm: Arm) -> None:
    job = arm.started(body())
    arm.emulator.inject(
        {"on": "job", "skip": 1, "path": job.id, "action": {"kind": "status", "status": 500}}
    )
    assert arm.get("backupJobs/other").status_code == 404
    assert [arm.get(f"backupJobs/{job.id}").status_code for _ in range(3)] == [200, 500, 200]

    def pattern() -> list[int]:
        book = FaultBook()
        action = {"kind": "status", "status": 500}
        book.add(Fault(on=("*",), action=action, times=None, probability=0.5, seed=7))
        return [len(book.take("job", "/x")) for _ in range(50)]

    assert pattern() == pattern()
    assert 10 < sum(pattern()) < 40


def test_faults_that_shape_and_faults_that_answer_add_up(arm: Arm) -> None:
    _inject(arm, "restore", kind="late_job", seconds=100_000)
    _inject(arm, "restore", kind="reset", processed=True)
    _inject(arm, "restore", kind="status", status=500)
    with pytest.raises(requests.ConnectionError):
        arm.restore(body())
    assert list(arm.listed()) == []
    assert arm.restore(body()).status_code == 500
    assert [entry.faults for entry in arm.emulator.log if entry.operation == "restore"] == [
        ("late_job", "reset"),
        ("status",),
    ]


@pytest.mark.parametrize(
    "fault",
    [
        7,
        {},
        {"on": "job"},
        {"on": "jobs", "action": {"kind": "reset"}},
        {"on": "job", "action": {"kind": "explode"}},
        {"on": "job", "action": {"kind": "status"}},
        {"on": "job", "action": {"kind": "reset", "status": 500}},
        {"on": "job", "path": "(", "action": {"kind": "reset"}},
        {"on": "job", "times": "often", "action": {"kind": "reset"}},
        {"on": "job", "when": "now", "action": {"kind": "reset"}},
        {"on": "restore", "action": {"kind": "outcome", "status": "Canceled"}},
        {"on": "restore", "action": {"kind": "outcome", "error": {"text": "x"}}},
    ],
)
def test_a_fault_that_cannot_be_is_refused(arm: Arm, fault: object) -> None:
    with pytest.raises(FaultError):
        Fault.from_json(fault)
    answer = _admin(arm, "POST", "faults", fault)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_faults_are_put_in_force_listed_and_ended_over_http(arm: Arm) -> None:
    fault: dict[str, Any] = {
        "on": "list_jobs",
        "times": None,
        "action": {"kind": "status", "status": 500},
    }
    (first, second) = _admin(arm, "POST", "faults", [fault, fault]).json()["ids"]
    assert arm.get("backupJobs").status_code == 500
    listed = _admin(arm, "GET", "faults").json()
    assert [(each["id"], each["used"]) for each in listed] == [(first, 1), (second, 0)]
    _admin(arm, "DELETE", f"faults/{first}")
    assert arm.get("backupJobs").status_code == 500
    _admin(arm, "DELETE", "faults")
    assert arm.get("backupJobs").status_code == 200


def test_a_fault_keeps_its_meaning_through_json() -> None:
    fault = Fault.from_json({"on": ["job", "restore"], "path": "x", "action": {"kind": "reset"}})
    assert Fault.from_json(fault.to_json()) == fault
    assert set(KINDS) >= {"status", "reset", "outcome"}


def test_the_log_tells_of_every_call_but_its_own(arm: Arm) -> None:
    arm.restore(body())
    arm.get("backupJobs")
    entries = _admin(arm, "GET", "log").json()
    assert [(entry["operation"], entry["method"], entry["status"]) for entry in entries] == [
        ("restore", "POST", 202),
        ("list_jobs", "GET", 200),
    ]
    assert entries[0]["client_request_id"] == CLIENT_ID
    assert entries[0]["path"].endswith("/restore")
    assert entries[0]["query"].startswith("api-version=")
    later = _admin(arm, "GET", f"log?since={entries[0]['number']}").json()
    assert later == entries[1:]
    _admin(arm, "DELETE", "log")
    assert _admin(arm, "GET", "log").json() == []


def test_jobs_can_be_seen_and_made_over_http(serve: Serve) -> None:
    arm = serve()
    arm.started(body())
    order = {"count": 3, "seconds": 1, "activityIds": ["x"]}
    ids = _admin(arm, "POST", "jobs", order).json()["ids"]
    jobs = {job["id"]: job for job in _admin(arm, "GET", "jobs").json()}
    assert len(jobs) == 4
    assert jobs[ids[0]]["activity_id"] == "x"
    made = arm.emulator.store.get(ids[2])
    assert made is not None
    assert arm.wait(made).status == "Completed"


def test_vaults_json_is_read_again_when_asked(arm: Arm) -> None:
    path = arm.emulator.layout.vaults_file
    path.write_text(path.read_text().replace('"Vault1"', '"Vault2"'))
    assert _admin(arm, "POST", "reload").status_code == 200
    assert arm.get("backupJobs").status_code == 404
    path.write_text("{}")
    assert _admin(arm, "POST", "reload").status_code == 400
    assert _admin(arm, "GET", "nothing").status_code == 404
