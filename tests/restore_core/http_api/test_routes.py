"""Intake by HTTP: what is answered, and what stands on the queue afterwards."""

from __future__ import annotations

import base64
import copy
import json
import re
import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core import __version__
from restore_core.domain.ports import MAX_MESSAGE_BYTES
from restore_core.errors import MessageInvalid, StoreUnavailable
from restore_core.http_api.answers import HttpAnswer, HttpRequest
from restore_core.http_api.routes import MAX_BODY_BYTES, Intake
from restore_core.messages.alerts import MAX_REDUCED_BYTES
from restore_core.messages.envelopes import derived_id, read_envelope, read_wrapped
from restore_core.messages.request import CancelRequest, RestoreRequest
from restore_core.storage.tables import RestoreStore
from tests.restore_core.given import (
    ALERT_ID,
    RULE_ID,
    Json,
    alert_body,
    json_values,
    request_body,
    sample,
)
from tests.restore_core.growth import assert_grows_at_most
from tests.simulators.store import MemoryTables, memory_store
from tests.simulators.world import World, request, with_settings

SOURCE, EVENT_ID = "https://pipelines.example.com/nightly", "run-4711"
EVENT: Json = {"specversion": "1.0", "type": "restore", "source": SOURCE, "id": EVENT_ID}
GRID: Json = {"topic": SOURCE, "id": EVENT_ID, "eventType": "Restore", "subject": "x"}
BARE = request_body(requestId=...)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a message holds, nothing is called because of it."""

    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise AssertionError("somebody calls the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


class Line:
    """The request queue in memory, as strict about sizes as Azure."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.broken = False

    def send(self, text: str) -> None:
        assert len(text.encode()) <= 64 * 1024
        assert text.isascii()
        if self.broken:
            raise StoreUnavailable("the queue restore-requests: ServiceRequestError")
        self.texts.append(text)

    def message(self) -> Json:
        """What was put, which must be one message that the queue's reader takes."""
        (text,) = self.texts
        envelope = read_envelope(text.encode())
        if envelope.alert is None:
            read_wrapped(envelope)
        read: Json = json.loads(text)
        return read


class ReadOnly:
    """A store that can be read and nothing else."""

    def __init__(self, store: RestoreStore) -> None:
        self.load = store.load


def intake_of(line: Line, tables: MemoryTables | None = None, **settings: Any) -> Intake:
    store: Any = ReadOnly(memory_store(tables or MemoryTables()))
    return Intake(requests=line, store=store, settings=with_settings(**settings))


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def intake(line: Line) -> Intake:
    return intake_of(line)


def posted(body: object, **more: Any) -> HttpRequest:
    """A POST; bytes are sent as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpRequest(method="POST", body=raw, **more)


def cancelling(request_id: str, body: bytes = b"") -> HttpRequest:
    return HttpRequest(method="POST", path={"id": request_id}, body=body)


def asked(request_id: str, **query: str) -> HttpRequest:
    return HttpRequest(method="GET", path={"id": request_id}, query=query)


def said(answer: HttpAnswer, status: int = 202) -> Json:
    """The JSON of an answer whose status is as expected."""
    assert answer.status == status, answer.body
    assert answer.body.isascii()
    assert answer.headers["Cache-Control"] == "no-store"
    for name, text in answer.headers.items():
        assert re.fullmatch("[!-~ ]+", f"{name}{text}")
    value: Json = json.loads(answer.body)
    return value


def refusal(answer: HttpAnswer, status: int) -> Json:
    """The problem details of an answer."""
    value = said(answer, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {*value} - {"problems"} == {"type", "title", "status", "detail"}
    assert value["type"] == "about:blank"
    assert value["status"] == status
    assert value["detail"]
    return value


def problems(answer: HttpAnswer) -> list[str]:
    """The problems of a body that is refused, as «path: message»."""
    return [f"{one['path']}: {one['message']}" for one in refusal(answer, 400)["problems"]]


def request_id_of(answer: HttpAnswer) -> str:
    """The id in an answer that takes something; the place of its state has it as well."""
    value = said(answer)
    assert set(value) == {"requestId"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"].partition("?")[0] == f"/api/restores/{value['requestId']}"
    return str(value["requestId"])


def packed(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


# --- requests


def test_a_request_is_put_on_the_queue_as_it_was_sent(intake: Intake, line: Line) -> None:
    body = request_body(reason="Größe 🎉 <&>", labels={"a": "b"})

    answer = intake.post_restore(posted(json.dumps(body, indent=8, ensure_ascii=False).encode()))

    assert request_id_of(answer) == "refresh-1"
    assert line.message() == body
    assert "\n" not in line.texts[0]


def test_a_request_without_an_id_gets_one_of_its_own(intake: Intake, line: Line) -> None:
    first = request_id_of(intake.post_restore(posted(BARE)))
    second = request_id_of(intake.post_restore(posted(BARE)))

    assert first != second
    for made, text in zip((first, second), line.texts, strict=True):
        assert re.fullmatch(r"http-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)
        assert json.loads(text) == {"requestId": made, **BARE}


ENVELOPES: dict[str, Any] = {
    "CloudEvents": {**EVENT, "data": BARE},
    "CloudEvents, JSON in a text": {**EVENT, "data": json.dumps(BARE)},
    "CloudEvents, base64": {**EVENT, "data_base64": packed(BARE)},
    "Event Grid": {**GRID, "data": BARE},
    "Event Grid, an array of one": [{**GRID, "data": BARE}],
}


@pytest.mark.parametrize("body", ENVELOPES.values(), ids=ENVELOPES)
def test_an_event_keeps_its_envelope_and_so_its_id(intake: Intake, line: Line, body: Any) -> None:
    answer = intake.post_restore(posted(body))

    assert request_id_of(answer) == derived_id(SOURCE, EVENT_ID)
    assert line.message() == (body[0] if isinstance(body, list) else body)


def test_an_id_inside_an_event_counts(intake: Intake) -> None:
    answer = intake.post_restore(posted({**EVENT, "data": request_body()}))
    assert request_id_of(answer) == "refresh-1"


def test_base64_and_a_cancel_are_taken_as_on_the_queue(intake: Intake, line: Line) -> None:
    cancel = {"schemaVersion": "1.0", "action": "cancel", "requestId": "refresh-1"}

    answer = intake.post_restore(posted(packed(cancel).encode()))

    assert request_id_of(answer) == "refresh-1"
    assert line.message() == cancel


def test_the_state_of_a_dry_run_is_elsewhere(intake: Intake) -> None:
    answer = intake.post_restore(posted(request_body(dryRun=True)))
    assert answer.headers["Location"] == "/api/restores/refresh-1?dryRun=true"


@pytest.mark.parametrize("request_id", [".", ".."])
def test_an_id_that_is_a_step_in_a_path_has_no_location(intake: Intake, request_id: str) -> None:
    answer = intake.post_restore(posted(request_body(requestId=request_id)))
    assert said(answer) == {"requestId": request_id}
    assert "Location" not in answer.headers


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "application/json; a=b"])
def test_any_content_type_will_do(intake: Intake, kind: str) -> None:
    answer = intake.post_restore(posted(request_body(), headers={"content-type": kind}))
    assert request_id_of(answer) == "refresh-1"


def test_a_cloud_event_in_binary_mode_is_the_same_event(intake: Intake, line: Line) -> None:
    headers = {f"ce-{name}": text for name, text in EVENT.items()}
    headers |= {"ce-time": "2026-05-04T07:30:00Z", "ce-subject": "Gr%C3%B6%C3%9Fe", "ce-x": "1"}

    answer = intake.post_restore(posted(BARE, headers=headers))

    assert request_id_of(answer) == derived_id(SOURCE, EVENT_ID)
    event = {**EVENT, "time": "2026-05-04T07:30:00Z", "subject": "Größe", "data": BARE}
    assert line.message() == event


def test_a_structured_event_counts_before_the_headers_of_binary_mode(
    intake: Intake, line: Line
) -> None:
    headers = {"ce-specversion": "1.0", "content-type": "application/cloudevents+json"}
    intake.post_restore(posted({**EVENT, "data": BARE}, headers=headers))
    assert line.message() == {**EVENT, "data": BARE}


def test_problems_in_binary_mode_lie_in_data(intake: Intake) -> None:
    headers = {f"ce-{name}": text for name, text in EVENT.items() if name != "id"}
    body = b'{"schemaVersion":"1.0","schemaVersion":"1.0"}'

    found = problems(intake.post_restore(posted(body, headers=headers)))

    assert "data.schemaVersion: is given more than once" in found
    assert "id: is missing" in found
    assert "data.source: is missing" in found
    assert problems(intake.post_restore(posted(b"no", headers=headers))) == [
        "data: is not JSON (line 1, column 1)"
    ]


def test_every_problem_comes_back_as_on_the_queue(intake: Intake, line: Line) -> None:
    body = request_body(recoverypoint={"select": "latest"}, recoveryPoint=..., extra=1)

    value = refusal(intake.post_restore(posted(body)), 400)

    assert value["title"] == "Bad Request"
    assert value["detail"] == "The message has 2 problems; see problems."
    message = "is not a field of this message"
    assert value["problems"] == [
        {"path": "recoverypoint", "message": message, "didYouMean": "recoveryPoint"},
        {"path": "extra", "message": message},
    ]
    assert line.texts == []


def test_a_single_problem_is_the_detail(intake: Intake) -> None:
    value = refusal(intake.post_restore(posted(request_body(dryRun="yes"))), 400)
    assert value["detail"] == "dryRun: must be true or false"


def test_what_was_found_in_reading_is_reported_with_the_rest(intake: Intake) -> None:
    text = json.dumps(request_body(requestId=..., dryRun=1)).replace("{", '{"source":1,', 1)
    found = problems(intake.post_restore(posted(text.encode())))
    assert found == ["source: is given more than once", "dryRun: must be true or false"]


def test_a_misspelt_id_is_not_replaced_by_one_of_ours(intake: Intake, line: Line) -> None:
    answer = intake.post_restore(posted(request_body(requestId=..., requestID="x")))
    (only,) = refusal(answer, 400)["problems"]
    assert (only["path"], only["didYouMean"]) == ("requestID", "requestId")
    assert line.texts == []


def test_a_cancel_must_say_what_it_cancels(intake: Intake) -> None:
    answer = intake.post_restore(posted({"schemaVersion": "1.0", "action": "cancel"}))
    assert problems(answer) == ["requestId: is missing"]


def test_an_alert_is_sent_to_its_own_route(intake: Intake, line: Line) -> None:
    for body in (alert_body(), {**EVENT, "data": alert_body()}):
        assert "/api/alerts" in refusal(intake.post_restore(posted(body)), 400)["detail"]
    assert line.texts == []


def test_several_events_at_once_are_refused(intake: Intake, line: Line) -> None:
    headers = {"content-type": "application/cloudevents-batch+json"}
    events = [{**EVENT, "data": BARE}] * 2
    (only,) = problems(intake.post_restore(posted(events, headers=headers)))
    assert only == "$: is a list of 2: send one event a message"
    assert line.texts == []


def test_unproven_copy_options_are_a_matter_of_the_setting(line: Line) -> None:
    body = posted(request_body(copyOptions="CreateCopy"))
    assert intake_of(line).post_restore(body).status == 400
    assert intake_of(line, unproven_copy_options=True).post_restore(body).status == 202


def filled(size: int, *, requested: object = "refresh-1") -> Json:
    """A request that has a size on the queue; the filling is an attribute of an event."""
    event = {**EVENT, "filling": "", "data": request_body(requestId=requested)}
    event["filling"] = "x" * (size - len(json.dumps(event, separators=(",", ":"))))
    return event


def test_what_fits_the_queue_is_taken_and_one_byte_more_is_not(intake: Intake, line: Line) -> None:
    answer = intake.post_restore(posted(filled(MAX_MESSAGE_BYTES + 1)))
    assert str(MAX_MESSAGE_BYTES) in refusal(answer, 413)["detail"]
    assert line.texts == []
    assert intake.post_restore(posted(filled(MAX_MESSAGE_BYTES))).status == 202
    assert len(line.texts[0]) == MAX_MESSAGE_BYTES


def test_white_space_does_not_count_and_escapes_do(intake: Intake) -> None:
    loose = json.dumps(request_body()).encode() + b" " * (MAX_BODY_BYTES - 2000)
    assert intake.post_restore(posted(loose)).status == 202
    wide = json.dumps({**EVENT, "x": "資" * 20_000, "data": BARE}, ensure_ascii=False).encode()
    assert len(wide) < MAX_MESSAGE_BYTES
    refusal(intake.post_restore(posted(wide)), 413)


def test_a_body_of_more_than_a_mebibyte_is_not_even_read(intake: Intake, line: Line) -> None:
    body = b"{" + b" " * MAX_BODY_BYTES
    for answer in (
        intake.post_restore(posted(body)),
        intake.post_alert(posted(body)),
        intake.post_cancel(cancelling("r1", body)),
        intake.post_restore(posted(body, headers={"aeg-event-type": "SubscriptionValidation"})),
    ):
        assert str(MAX_BODY_BYTES) in refusal(answer, 413)["detail"]
    assert line.texts == []


HOSTILE = {
    "empty": b"",
    "nothing": b"   ",
    "no JSON": b"please restore everything",
    "half of JSON": b'{"schemaVersion": "1.0"',
    "binary": bytes(range(256)),
    "gzip": b"\x1f\x8b\x08\x00",
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "a number": b"1",
    "null": b"null",
    "a list": b"[]",
    "a list in a list": b"[[{}]]",
    "deep": b'{"a":' * 100_000,
    "deep lists": b"[" * 500_000,
    "deeper than may be": b'{"specversion":' + b"[" * 31 + b"]" * 31 + b"}",
    "a number without end": b'{"a":' + b"9" * 50_000 + b"}",
    "a number beyond all": json.dumps({**EVENT, "x": 0, "data": BARE}).encode().replace(
        b'"x": 0', b'"x": 1e999'
    ),
    "NaN": b'{"schemaVersion":NaN}',
    "keys twice": b'{' + b'"requestId":"a",' * 5000 + b'"requestId":"a"}',
    "half a character": b'{"schemaVersion":"\\ud800","\\udfff":1}',
    "many fields": json.dumps({f"x{n}": n for n in range(1000)}).encode(),
    "an event in an event": json.dumps({**EVENT, "data": {**EVENT, "data": BARE}}).encode(),
    "line breaks in an id": json.dumps(request_body(requestId="a\r\nSet-Cookie: b=c")).encode(),
    "line breaks in an event's id": json.dumps({**EVENT, "id": "a\r\nb", "data": BARE}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_body_is_refused_in_words(intake: Intake, line: Line, body: bytes) -> None:
    for answer in (intake.post_restore(posted(body)), intake.post_alert(posted(body))):
        found = refusal(answer, 400).get("problems")
        assert found is None or 1 <= len(found) <= 101
        assert "Set-Cookie" not in str(answer.headers)
    assert line.texts == []


def judge(line: Line, answer: HttpAnswer) -> None:
    """What is taken can be read from the queue, and what is refused is refused in words."""
    if answer.status == 202:
        text = line.texts.pop()
        envelope = read_envelope(text.encode())
        if envelope.alert is None:
            assert read_wrapped(envelope).request_id == said(answer)["requestId"]
        else:
            assert envelope.derived_id == said(answer)["requestId"]
    else:
        refusal(answer, answer.status)
        assert answer.status in {400, 413}
    assert line.texts == []


@given(
    body=st.sampled_from(
        [BARE, request_body(), alert_body(), *ENVELOPES.values(), {**EVENT, "data": alert_body()}]
    ),
    changes=st.dictionaries(st.sampled_from([*EVENT, *GRID, *BARE]), json_values, max_size=3),
    headers=st.dictionaries(
        st.sampled_from(["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-time"]),
        st.sampled_from(["1.0", "x", "%FF%00", "\ud800", "2026-05-04T07:30:00Z"]),
    ),
)
def test_whatever_is_taken_can_be_read_from_the_queue(
    body: Any, changes: Json, headers: dict[str, str]
) -> None:
    line = Line()
    intake = intake_of(line)
    changed = copy.deepcopy(body)
    (changed[0] if isinstance(changed, list) else changed).update(changes)
    sent = posted(changed, headers=headers)
    judge(line, intake.post_restore(sent))
    judge(line, intake.post_alert(sent))


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(body: bytes) -> None:
    line = Line()
    intake = intake_of(line)
    judge(line, intake.post_restore(posted(body)))
    judge(line, intake.post_alert(posted(body)))
    assert intake.post_cancel(cancelling("r1", body)).status in {202, 400}


def test_an_outage_of_the_queue_asks_the_sender_to_come_again(intake: Intake, line: Line) -> None:
    line.broken = True
    for answer in (
        intake.post_restore(posted(request_body())),
        intake.post_cancel(cancelling("r1")),
        intake.post_alert(posted(alert_body())),
    ):
        assert "once more" in refusal(answer, 503)["detail"]
        assert int(answer.headers["Retry-After"]) > 0


# --- cancels


@pytest.mark.parametrize("body", [b"", b" \n", b"{}"])
def test_a_cancel_needs_no_body(intake: Intake, line: Line, body: bytes) -> None:
    assert request_id_of(intake.post_cancel(cancelling("ticket-4711", body))) == "ticket-4711"
    assert line.message() == {
        "schemaVersion": "1.0",
        "action": "cancel",
        "requestId": "ticket-4711",
    }


def test_a_cancel_may_say_who_and_why(intake: Intake, line: Line) -> None:
    body = {"reason": "falscher Ordner für 資料", "requestedBy": "ops@contoso.com"}
    intake.post_cancel(cancelling("r1", json.dumps(body).encode()))
    assert body.items() <= line.message().items()
    read = read_wrapped(read_envelope(line.texts[0].encode()))
    assert isinstance(read, CancelRequest)
    assert (read.reason, read.requested_by) == (body["reason"], body["requestedBy"])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"requestId": "other"}, "requestId: is not a field of this message"),
        ({"action": "restore"}, "action: is not a field of this message"),
        ({"schemaVersion": "1.0"}, "schemaVersion: is not a field of this message"),
        ({"requestedby": "x"}, "requestedby: is not a field of this message"),
        ({"reason": "x" * 257}, "reason: has more than 256 characters"),
        ({"reason": None}, "reason: must not be null: leave the field out"),
        ({"reason": 1}, "reason: must be a text"),
        ({"reason": "\ud800"}, "reason: is not valid Unicode text"),
        ([{"reason": "x"}], "$: must be a JSON object"),
        (None, "$: must be a JSON object"),
    ],
)
def test_a_cancel_says_nothing_else(intake: Intake, line: Line, body: object, problem: str) -> None:
    assert problems(intake.post_cancel(cancelling("r1", json.dumps(body).encode()))) == [problem]
    assert line.texts == []


def test_the_body_of_a_cancel_that_is_too_large_is_refused_at_once(intake: Intake) -> None:
    def refuse(size: int) -> None:
        body = json.dumps({f"x{n}": n for n in range(size)}).encode()
        refusal(intake.post_cancel(cancelling("r1", body)), 413)

    assert_grows_at_most(1, refuse, 60_000)


IMPOSSIBLE = ["", "a b", "a/b", "a\r\nSet-Cookie: x=y", "x" * 129, "é", "a\x00", "plan~r1", "r1~cancel"]  # noqa: E501  # fmt: skip


@pytest.mark.parametrize("request_id", IMPOSSIBLE)
def test_an_impossible_id_is_refused_and_not_repeated(
    intake: Intake, line: Line, request_id: str
) -> None:
    for answer in (
        intake.post_cancel(cancelling(request_id)),
        intake.get_restore(asked(request_id)),
    ):
        assert problems(answer) == ["id: must be 1 to 128 of A-Z a-z 0-9 . _ -"]
        assert "Set-Cookie" not in f"{answer.headers}{answer.body!r}"
    assert line.texts == []


# --- alerts


def test_an_alert_is_put_on_the_queue_as_it_was_sent(intake: Intake, line: Line) -> None:
    body = alert_body(context={"anything": [1.5, None, "Größe"]}, custom={"restorePlan": "p"})
    assert request_id_of(intake.post_alert(posted(body))) == derived_id(RULE_ID, ALERT_ID)
    assert line.message() == body


@pytest.mark.parametrize("name", ["backup", "log", "metric", "security"])
def test_the_alerts_of_each_service_are_taken(intake: Intake, line: Line, name: str) -> None:
    body = sample(f"2026_alert_{name}")
    assert intake.post_alert(posted(body)).status == 202
    assert line.message() == body


WRAPPED = {
    "alone": lambda alert: alert,
    "CloudEvents": lambda alert: {**EVENT, "data": alert},
    "Event Grid": lambda alert: [{**GRID, "data": alert}],
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_one_alert_has_one_id_whichever_way_it_comes_and_however_large(
    intake: Intake, line: Line, wrap: Any
) -> None:
    small = alert_body(custom={"restorePlan": "p"})
    large = alert_body(custom={"restorePlan": "p"}, context={"text": "資" * 70_000})
    assert len(json.dumps(large, ensure_ascii=False).encode()) > 200_000

    ids = {request_id_of(intake.post_alert(posted(wrap(one)))) for one in (small, large)}

    assert ids == {derived_id(RULE_ID, ALERT_ID)}
    whole, reduced = line.texts
    assert len(reduced) <= MAX_REDUCED_BYTES
    first, second = (read_envelope(text.encode()).alert for text in (whole, reduced))
    assert first is not None
    assert second is not None
    assert second.reduced
    assert (first.fired_at, first.plan, first.severity, first.target_ids) == (
        second.fired_at,
        second.plan,
        second.severity,
        second.target_ids,
    )


def test_an_alert_that_ends_is_for_the_reader_of_the_queue_to_judge(
    intake: Intake, line: Line
) -> None:
    assert intake.post_alert(posted(alert_body(monitorCondition="Resolved"))).status == 202
    assert line.message()["data"]["essentials"]["monitorCondition"] == "Resolved"


@pytest.mark.parametrize("body", [BARE, request_body(), {**EVENT, "data": BARE}])
def test_a_request_is_sent_to_its_own_route(intake: Intake, line: Line, body: Json) -> None:
    assert "/api/restores" in refusal(intake.post_alert(posted(body)), 400)["detail"]
    assert line.texts == []


def test_every_problem_of_an_alert_comes_back_where_it_lies(intake: Intake) -> None:
    for filling in ("", "x" * 100_000):
        alert = alert_body(severity="high", alertId=..., context={"x": filling})
        expected = {
            "data.essentials.alertId: is missing",
            "data.essentials.severity: must be Sev0, Sev1, Sev2, Sev3 or Sev4",
        }
        assert set(problems(intake.post_alert(posted(alert)))) == expected
        inside = problems(intake.post_alert(posted({**EVENT, "data": alert})))
        assert set(inside) == {f"data.{one}" for one in expected}


def test_an_alert_of_an_older_schema_is_told_to_switch(intake: Intake) -> None:
    body = {"schemaId": "AzureMonitorMetricAlert", "data": {"status": "Activated", "context": {}}}
    (only,) = problems(intake.post_alert(posted(body)))
    assert "switch the action group to the common alert schema" in only


def test_a_large_event_must_hold_its_alert_as_an_object(intake: Intake, line: Line) -> None:
    large = json.dumps(alert_body(context={"x": "x" * 100_000}))
    refusal(intake.post_alert(posted({**EVENT, "data": large})), 413)
    assert line.texts == []


def test_a_large_body_that_is_no_alert_is_refused_at_once(intake: Intake, line: Line) -> None:
    def refuse(size: int) -> None:
        fields = {f"requestI{n:x}": n for n in range(size)}
        nothing: list[Json] = [{}] * (5 * size)
        of_alerts = {"schemaId": 1, "schemaVersion": "1.0", "items": nothing}
        for body in (
            {**fields, "schemaVersion": "1.0"},
            {"schemaVersion": "1.0", "items": nothing},
            {"specversion": "1.0", "data": {"schemaVersion": "1.0", **fields}},
            {"specversion": "1.0", "data": of_alerts},
            {"eventType": "x", "schemaId": "x", "data": fields},
        ):
            refusal(intake.post_alert(posted(body)), 400)
            refusal(intake.post_restore(posted(body)), 413)

    assert_grows_at_most(1, refuse, 20_000)
    assert line.texts == []


# --- the state of a request


@pytest.fixture
def world() -> World:
    return World()


def test_what_nobody_has_read_yet_is_not_there(line: Line, world: World) -> None:
    intake = intake_of(line, world.tables)
    answer = intake.get_restore(asked("r1"))
    assert "read yet" in refusal(answer, 404)["detail"]


def test_the_state_follows_the_request_to_its_end(line: Line, world: World) -> None:
    intake = intake_of(line, world.tables)
    sent = request("r1")
    intake.post_restore(posted(sent))

    world.send(line.texts[0].encode())

    begun = said(intake.get_restore(asked("r1")), 200)
    assert begun["phase"] in {"OperationPending", "JobInProgress"}
    assert set(begun) >= {"requestId", "requestedAt", "acceptedAt", "triggeredAt", "recoveryPoint"}
    assert not {"reason", "event", "finishedAt", "waitingFor", "waitingMessage"} & set(begun)
    world.sweep_until_quiet()
    ended = said(intake.get_restore(asked("r1")), 200)
    (event,) = world.events("r1")
    assert ended["event"] == event["id"] == "r1/Completed"
    for name in (
        *("requestId", "phase", "reason", "requestedAt", "acceptedAt", "triggeredAt"),
        *("finishedAt", "jobIds", "recoveryPoint"),
    ):
        assert ended.pop(name) == event["data"][name], name
    assert begun["appVersion"] == ended["appVersion"] == __version__
    assert set(ended) == {"event", "appVersion"}


def test_the_state_of_a_request_that_waits_says_for_what(line: Line) -> None:
    world = World(with_settings(paused=True))
    world.send(request("r1"))

    state = said(intake_of(line, world.tables).get_restore(asked("r1")), 200)

    assert (state["phase"], state["waitingFor"]) == ("Accepted", "Paused")
    assert state["waitingMessage"]
    assert "triggeredAt" not in state


def test_a_dry_run_has_a_state_of_its_own(line: Line, world: World) -> None:
    intake = intake_of(line, world.tables)
    world.send(request("r1", dryRun=True))
    world.sweep_until_quiet()

    refusal(intake.get_restore(asked("r1")), 404)
    for yes in ("true", "True"):
        state = said(intake.get_restore(asked("r1", dryRun=yes)), 200)
        assert (state["phase"], state["event"]) == ("Planned", "r1/Planned")
    refusal(intake.get_restore(asked("r1", dryRun="false")), 404)
    assert problems(intake.get_restore(asked("r1", dryRun="yes"))) == [
        "dryRun: must be true or false"
    ]


def test_a_cancel_alone_is_no_request(line: Line, world: World) -> None:
    world.send({"schemaVersion": "1.0", "action": "cancel", "requestId": "r1"})
    refusal(intake_of(line, world.tables).get_restore(asked("r1")), 404)


def test_tables_that_do_not_answer_ask_the_reader_to_come_again(line: Line) -> None:
    class Gone:
        def load(self, _request_id: str, _key: str) -> None:
            raise StoreUnavailable("Table Storage: ServiceRequestError")

    store: Any = Gone()
    intake = Intake(requests=line, store=store, settings=with_settings())
    refusal(intake.get_restore(asked("r1")), 503)


def test_nothing_that_was_sent_reaches_the_log(
    intake: Intake, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    planted = "hunter2-planted-by-the-sender"
    with caplog.at_level("DEBUG"):
        intake.post_restore(posted(request_body(reason=planted)))
        intake.post_restore(posted(request_body(**{planted: planted})))
        intake.post_alert(posted(alert_body(severity=planted)))
        intake.post_cancel(cancelling(f"{planted}\r\n"))
        line.broken = True
        intake.post_restore(posted(request_body(reason=planted)))
    assert caplog.records
    assert planted not in caplog.text


def test_a_request_by_http_is_the_same_request_as_on_the_queue(intake: Intake, line: Line) -> None:
    intake.post_restore(posted({**EVENT, "data": BARE}))
    sent = read_wrapped(read_envelope(json.dumps({**EVENT, "data": BARE}).encode()))
    put = read_wrapped(read_envelope(line.texts[0].encode()))
    assert isinstance(sent, RestoreRequest)
    assert put == sent


def test_what_the_queue_would_refuse_is_refused_here(intake: Intake) -> None:
    body = request_body(items=[])
    with pytest.raises(MessageInvalid) as raised:
        read_wrapped(read_envelope(json.dumps(body).encode()))
    expected = [f"{one.path}: {one.message}" for one in raised.value.problems]
    assert problems(intake.post_restore(posted(body))) == expected
