"""Envelopes: the same request and the same alert, whichever way they come."""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.errors import MessageInvalid
from restore_core.messages.alerts import read_alert, reduce_alert
from restore_core.messages.envelopes import (
    Envelope,
    derived_id,
    read_envelope,
    read_wrapped,
    unwrap,
)
from restore_core.messages.request import CancelRequest, RestoreRequest
from tests.restore_core.given import (
    ALERT_ID,
    RULE_ID,
    SUBSCRIPTION,
    Json,
    alert_body,
    json_values,
    request_body,
    request_of,
    sample,
)

SOURCE = "/pipelines/refresh"
EVENT_ID = "b85d631a-101e-005a-02f2-cee7aa06f148"
TOPIC = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/r/providers/Microsoft.EventGrid/topics/requests"
)
TIME = datetime(2026, 5, 4, 7, 30, tzinfo=UTC)
CANCEL = {"schemaVersion": "1.0", "action": "cancel", "requestId": "refresh-1"}
BARE = request_body(requestId=...)
TIMES = "must be an RFC 3339 time with a zone, such as 2026-02-05T07:43:47Z"


def without(body: Json) -> Json:
    return copy.deepcopy({name: held for name, held in body.items() if held is not ...})


def cloud_event(data: object = ..., **changes: object) -> Json:
    return without(
        {
            "specversion": "1.0",
            "type": "com.contoso.restore",
            "source": SOURCE,
            "id": EVENT_ID,
            "time": "2026-05-04T07:30:00Z",
            "datacontenttype": "application/json",
            "data": data,
        }
        | changes
    )


def grid_event(data: object = ..., **changes: object) -> Json:
    return without(
        {
            "topic": TOPIC,
            "subject": "shares/ledgers",
            "id": EVENT_ID,
            "eventType": "Contoso.Restore",
            "eventTime": "2026-05-04T07:30:00.0000000Z",
            "data": data,
            "dataVersion": "1.0",
            "metadataVersion": "1",
        }
        | changes
    )


def packed(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def refusal_of(value: Json) -> MessageInvalid:
    with pytest.raises(MessageInvalid) as raised:
        unwrap(value)
    assert raised.value.reason == "Invalid"
    return raised.value


def problems_of(value: Json) -> list[str]:
    return [f"{problem.path}: {problem.message}" for problem in refusal_of(value).problems]


# --- what a message is


@pytest.mark.parametrize("body", [request_body(), CANCEL, {}, {"hello": 1}, {"data": 1}])
def test_what_nothing_wraps_is_a_request_or_tries_to_be(body: Json) -> None:
    envelope = unwrap(body)
    assert envelope == Envelope(body=body)
    assert envelope.derived_id is None


@pytest.mark.parametrize(
    ("event", "source"),
    [
        (cloud_event(BARE), SOURCE),
        (cloud_event(data_base64=packed(BARE)), SOURCE),
        (cloud_event(json.dumps(BARE)), SOURCE),
        (cloud_event(BARE, data_base64=None, subject=None, datacontenttype=None), SOURCE),
        (cloud_event(BARE, comexampleextension=5, subject="x", dataschema="y"), SOURCE),
        (cloud_event(BARE, time="2026-05-04T09:30:00.000000000+02:00"), SOURCE),
        (grid_event(BARE), TOPIC),
        (grid_event(json.dumps(BARE, indent=1)), TOPIC),
        (grid_event(BARE, eventTime=" 2026-05-04T09:30:00+02:00 "), TOPIC),
        (grid_event(BARE, subject=..., dataVersion=..., metadataVersion=...), TOPIC),
    ],
)
def test_a_request_in_an_event_takes_its_id_and_time(event: Json, source: str) -> None:
    for body in (json.dumps(event), json.dumps([event]), packed(event), packed([event])):
        envelope = read_envelope(body.encode())
        assert envelope == Envelope(
            body=BARE,
            event_id=EVENT_ID,
            event_source=source,
            event_time=TIME,
            path_prefix="data.",
        )
        assert read_wrapped(envelope) == request_of(requestId=derived_id(source, EVENT_ID))


def test_the_derived_id_is_that_of_the_contract() -> None:
    wanted = hashlib.sha256(f"{SOURCE}\n{EVENT_ID}".encode()).hexdigest()[:32]
    assert derived_id(SOURCE, EVENT_ID) == f"evt-{wanted}"
    assert derived_id("größe", "🎉") == "evt-c5f11e317bb00b1ec30c2d6e8ab4172c"
    assert derived_id("a", "b") != derived_id("b", "a")


@pytest.mark.parametrize("wrap", [cloud_event, grid_event])
def test_a_request_with_an_id_of_its_own_keeps_it(wrap: Any) -> None:
    assert read_wrapped(unwrap(wrap(request_body()))) == request_of()
    cancel = read_wrapped(unwrap(wrap(CANCEL)))
    assert isinstance(cancel, CancelRequest)
    assert cancel.request_id == "refresh-1"


def test_an_event_that_says_no_time_has_none() -> None:
    assert unwrap(cloud_event(BARE, time=...)).event_time is None
    assert unwrap(cloud_event(BARE, time=None)).event_time is None
    assert unwrap(grid_event(BARE, eventTime=...)).event_time is None


def test_an_event_without_a_topic_serves_where_nothing_is_made_of_it() -> None:
    envelope = unwrap(grid_event(request_body(), topic=...))
    assert (envelope.event_source, envelope.derived_id) == (None, None)
    assert read_wrapped(envelope) == request_of()
    assert unwrap(grid_event(alert_body(), topic=...)).alert is not None
    assert problems_of(grid_event(BARE, topic=...)) == ["topic: is missing"]


# --- alerts


ALERTS = [
    alert_body(),
    cloud_event(alert_body()),
    cloud_event(data_base64=packed(alert_body())),
    grid_event(alert_body()),
    grid_event(json.dumps(alert_body())),
    grid_event(alert_body(), id="another", topic="/elsewhere", eventTime="2027-01-01T00:00:00Z"),
    reduce_alert(alert_body()),
    cloud_event(reduce_alert(alert_body())),
]


@pytest.mark.parametrize("message", ALERTS)
def test_one_alert_is_one_message_whichever_way_it_comes(message: Json) -> None:
    envelope = unwrap(message)
    assert envelope.alert is not None
    assert envelope.alert == read_alert(envelope.body)
    assert (envelope.event_source, envelope.event_id) == (RULE_ID, ALERT_ID)
    assert envelope.event_time == envelope.alert.fired_at
    assert envelope.derived_id == derived_id(RULE_ID, ALERT_ID)


@pytest.mark.parametrize(
    "name", ["2026_alert_metric", "2026_alert_log", "2026_alert_backup", "2026_alert_security"]
)
def test_the_alerts_of_each_service_are_alerts(name: str) -> None:
    envelope = unwrap(sample(name))
    assert envelope.alert is not None
    assert envelope.derived_id == derived_id(envelope.alert.source, envelope.alert.id)


OLDER = [
    {"schemaId": "AzureMonitorMetricAlert", "data": {"status": "Activated", "context": {}}},
    {"schemaId": "Microsoft.Insights/LogAlert", "data": {"AlertRuleName": "x"}},
    {"status": "Activated", "context": {"name": "x"}, "properties": None},
    {"data": {"essentials": {"alertId": "x"}}},
]


@pytest.mark.parametrize("body", OLDER)
def test_an_older_alert_is_told_to_switch(body: Json) -> None:
    for message, path in (
        *((body, "schemaId"), (cloud_event(body), "data.schemaId")),
        (grid_event(body), "data.schemaId"),
    ):
        (problem,) = refusal_of(message).problems
        assert problem.path == path
        assert problem.message.endswith("switch the action group to the common alert schema")


def test_an_alert_that_cannot_be_read_is_named_where_it_can_be() -> None:
    error = refusal_of(cloud_event(alert_body(severity="High", firedDateTime="now"), id=5))
    assert {problem.path for problem in error.problems} == {
        *("id", "data.data.essentials.severity", "data.data.essentials.firedDateTime"),
    }
    assert error.request_id == derived_id(RULE_ID, ALERT_ID)
    assert refusal_of(alert_body(alertId=...)).request_id is None


# --- what is wrong with an envelope


@pytest.mark.parametrize(
    ("event", "problems"),
    [
        (cloud_event(BARE, specversion="0.3"), ["specversion: must be '1.0'"]),
        (cloud_event(BARE, specversion=1.0), ["specversion: must be '1.0'"]),
        (cloud_event(BARE, specversion=None), ["specversion: is missing"]),
        (cloud_event(BARE, specversion=...), ["specversion: is missing"]),
        (cloud_event(BARE, specversion=..., SpecVersion="1.0"), ["specversion: is missing"]),
        (cloud_event(BARE, type=...), ["type: is missing"]),
        (cloud_event(BARE, source=None), ["source: is missing"]),
        (cloud_event(BARE, source=["x"]), ["source: must be a text"]),
        (cloud_event(BARE, source="a\nb"), ["source: holds a control character"]),
        (cloud_event(BARE, source="s" * 2049), ["source: is longer than 2048 characters"]),
        (cloud_event(BARE, source="\udfff"), ["source: is not valid Unicode text"]),
        (cloud_event(BARE, id=...), ["id: is missing"]),
        (cloud_event(BARE, id=""), ["id: must not be empty"]),
        (cloud_event(BARE, id=7), ["id: must be a text"]),
        (cloud_event(BARE, id="i" * 257), ["id: is longer than 256 characters"]),
        (cloud_event(BARE, time="2026-05-04T07:30:00"), [f"time: {TIMES}"]),
        (cloud_event(BARE, time=" 2026-05-04T07:30:00Z"), [f"time: {TIMES}"]),
        (cloud_event(BARE, time=1777881301), ["time: must be a text"]),
        (cloud_event(BARE, time="2026-02-30T07:30:00Z"), ["time: is not a time that exists"]),
        (cloud_event(), ["data: is missing"]),
        (cloud_event(None), ["data: is missing"]),
        (cloud_event(5), ["data: must be an object"]),
        (cloud_event([BARE]), ["data: must be an object"]),
        (cloud_event("hello"), ["data: is not JSON (line 1, column 1)"]),
        (cloud_event(""), ["data: is empty"]),
        (cloud_event(packed(BARE)), ["data: is not JSON (line 1, column 1)"]),
        (cloud_event("[{}]"), ["data: must be a JSON object"]),
        (cloud_event("\ud800"), ["data: is not UTF-8 (byte 0)"]),
        (
            cloud_event('{"a":' * 33 + "1" + "}" * 33),
            ["data: is nested 33 deep; at most 32 is allowed"],
        ),
        (
            cloud_event(BARE, data_base64=packed(BARE)),
            ["data_base64: is given beside data: only one of them can be"],
        ),
        (cloud_event(data_base64="{}"), ["data_base64: is not base64"]),
        (cloud_event(data_base64="ä"), ["data_base64: is not base64"]),
        (cloud_event(data_base64=5), ["data_base64: must be a text"]),
        (cloud_event(data_base64=""), ["data_base64: is empty"]),
        (cloud_event(data_base64=packed("x")), ["data_base64: must be a JSON object"]),
        (
            cloud_event(data_base64=base64.b64encode(b"\xff\xfe").decode()),
            ["data_base64: is not UTF-8 (byte 0)"],
        ),
        (grid_event(BARE, id=...), ["id: is missing"]),
        (grid_event(BARE, topic=5), ["topic: must be a text"]),
        (grid_event(BARE, eventType={}), ["eventType: must be a text"]),
        (grid_event(BARE, eventTime="2026-05-04T07:30:00"), [f"eventTime: {TIMES}"]),
        (grid_event(BARE, eventTime=5), ["eventTime: must be a text"]),
        (grid_event(), ["data: is missing"]),
        (grid_event([]), ["data: must be an object"]),
        (grid_event(data_base64=packed(BARE)), ["data: is missing"]),
        (grid_event(cloud_event(BARE)), ["data: is an event in an event: send the inner one"]),
        (cloud_event(grid_event(BARE)), ["data: is an event in an event: send the inner one"]),
        (
            cloud_event(json.dumps(cloud_event(alert_body()))),
            ["data: is an event in an event: send the inner one"],
        ),
    ],
)
def test_a_wrong_envelope_is_its_problems_and_no_others(event: Json, problems: list[str]) -> None:
    assert problems_of(event) == problems


def test_all_problems_are_reported_at_once_with_those_of_the_request_inside() -> None:
    request = BARE | {"items": [{"path": "/a", "type": "File"}], "copyOptions": "CreateCopy"}
    error = refusal_of(cloud_event(request, specversion="2", id=..., time="now"))
    assert [problem.path for problem in error.problems] == [
        *("specversion", "id", "time", "data.items[0].path"),
    ]


def test_what_was_found_before_is_not_lost() -> None:
    request = json.dumps(cloud_event(BARE))
    twice = request.replace('"source": {', '"source": 1, "source": {')
    with pytest.raises(MessageInvalid, match="more than once") as raised:
        read_envelope(twice.encode())
    assert [problem.path for problem in raised.value.problems] == ["data.source"]
    for wrapped in (cloud_event('{"a": 1, "a": 2}'), cloud_event('{"b": ["\\ud800", NaN]}')):
        paths = [problem.path for problem in refusal_of(wrapped).problems]
        assert {"data.a", "data.vaultId"} <= set(paths) or {"data.b[0]", "data"} <= set(paths)
    with pytest.raises(MessageInvalid) as raised:
        read_envelope(json.dumps(request_body()).encode()[:-1] + b', "items": 1, "items": 2}')
    assert [problem.path for problem in raised.value.problems] == ["items", "items"]


@pytest.mark.parametrize(
    ("event", "paths"),
    [
        (cloud_event(BARE | {"hello": 1}), ["data.hello"]),
        (grid_event(BARE | {"items": [{"path": "/", "type": "File"}]}), ["data.items[0].path"]),
        (
            cloud_event({}),
            [
                f"data.{n}"
                for n in ("schemaVersion", "source", "recoveryPoint", "target", "vaultId")
            ],
        ),
        (cloud_event({"schemaVersion": "1.0", "action": "cancel"}), ["data.requestId"]),
        (BARE | {"items": 5}, ["requestId", "items"]),
    ],
)
def test_problems_of_a_request_lie_where_the_sender_put_them(event: Json, paths: list[str]) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_wrapped(unwrap(event))
    assert [problem.path for problem in raised.value.problems] == paths


@pytest.mark.parametrize(
    ("event", "request_id"),
    [
        (request_body(items=5), "refresh-1"),
        (request_body(requestId=..., items=5), None),
        (cloud_event(request_body(items=5)), "refresh-1"),
        (cloud_event(request_body(items=5), time="now"), "refresh-1"),
        (cloud_event(request_body(items=5), id=5), "refresh-1"),
        (cloud_event(BARE | {"items": 5}), derived_id(SOURCE, EVENT_ID)),
        (cloud_event(BARE, time="now"), derived_id(SOURCE, EVENT_ID)),
        (cloud_event(BARE | {"items": 5}, id=5), None),
        (cloud_event(BARE | {"requestId": "a/b"}), None),
        (cloud_event(BARE | {"requestId": "a/b"}, time="now"), None),
        (cloud_event({"action": "cancel"}), None),
        (cloud_event({"action": "cancel"}, time="now"), None),
        (cloud_event(), derived_id(SOURCE, EVENT_ID)),
        (grid_event(grid_event(BARE)), derived_id(TOPIC, EVENT_ID)),
    ],
)
def test_a_refusal_names_the_request_as_far_as_it_can_be_known(
    event: Json, request_id: str | None
) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_wrapped(unwrap(event))
    assert raised.value.request_id == request_id


def test_unproven_copy_options_are_a_matter_of_a_setting_in_an_event_too() -> None:
    envelope = unwrap(cloud_event(BARE | {"copyOptions": "CreateCopy"}))
    assert isinstance(read_wrapped(envelope, unproven_copy_options=True), RestoreRequest)
    with pytest.raises(MessageInvalid, match=r"data\.copyOptions: must be Overwrite or Skip"):
        read_wrapped(envelope)


# --- hostile messages


def judge(body: bytes) -> None:
    """Read what anybody may have sent: a request, an alert, or bounded problems."""
    try:
        envelope = read_envelope(body)
        if envelope.alert is None:
            read_wrapped(envelope)
    except MessageInvalid as error:
        refused = error
    else:
        return
    assert 1 <= len(refused.problems) <= 102
    for problem in refused.problems:
        assert problem.path.isascii()
        problem.message.encode()


NAMES = [*cloud_event(), *grid_event(), *request_body(), "data", "data_base64", "schemaId"]


@given(
    body=st.sampled_from([cloud_event(BARE), grid_event(BARE), alert_body(), BARE]),
    changes=st.dictionaries(st.sampled_from(NAMES), json_values, max_size=4),
)
def test_a_good_message_with_any_json_in_any_field_is_read_or_refused(
    body: Json, changes: Json
) -> None:
    judge(json.dumps(body | changes).encode())
    judge(json.dumps([body | changes]).encode())
    with contextlib.suppress(MessageInvalid):
        unwrap(body | changes)


@given(json_values)
def test_any_json_in_any_envelope_is_read_or_refused(value: object) -> None:
    for wrap in (cloud_event, grid_event):
        for data in (value, json.dumps(value), {"schemaId": value}, {"data": value, "type": value}):
            judge(json.dumps(wrap(data)).encode())
    judge(json.dumps(cloud_event(data_base64=packed(value))).encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":' * 10000,
        b'[{"data":' * 10000,
        b"[" + b",".join([b'{"specversion":"1.0"}'] * 2000) + b"]",
        json.dumps(cloud_event('{"data":' * 20000)).encode(),
        json.dumps(cloud_event("[" * 60000)).encode(),
        json.dumps(cloud_event(BARE, **{f"x{n}": n for n in range(4000)}, time="x")).encode(),
        json.dumps(cloud_event({f"x{n}": n for n in range(4000)}, time="x")).encode(),
        json.dumps(cloud_event(BARE, id="🎉" * 10000, source="s" * 20000)).encode(),
        json.dumps(alert_body(alertId="a" * 60000, severity="b" * 60000)).encode(),
        json.dumps(cloud_event(data_base64="A" * 60000)).encode(),
    ],
)
def test_a_hostile_envelope_is_read_or_refused(body: bytes) -> None:
    judge(body)
