"""Intake by HTTP on the whole stack: what is posted ends as the same event as on the queue."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from restore_core import __version__
from tests.patience import PATIENCE
from tests.stack.estate import Share
from tests.stack.outside import Json, Outside, awaited, encoded
from tests.stack.town import Town, request, running_town

ORIGIN = "eventgrid.azure.net"
SOURCE = "https://pipelines.example.com/nightly"
SLOW = 36_000.0
MESSAGE_BYTES = 64 * 1024


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A running stack that answers the handshakes of one origin."""
    with running_town({"RESTORE_EVENT_ORIGINS": ORIGIN}) as town:
        yield town


class Api:
    """The routes, as a client sees them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def call(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> requests.Response:
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self._session.request(
            method, f"{self._url}{path}", data=raw, headers=named, timeout=PATIENCE
        )

    def post(self, path: str, body: object = None, **headers: str) -> str:
        """Post what is taken, and return the id of its request."""
        answer = self.call("POST", path, body, **headers)
        assert answer.status_code == 202, answer.text
        assert answer.headers["Content-Type"] == "application/json"
        request_id: str = answer.json()["requestId"]
        assert answer.headers["Location"] == f"/api/restores/{request_id}"
        return request_id

    def refused(self, answer: requests.Response, status: int) -> Json:
        """The problem details of an answer."""
        assert answer.status_code == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        value: Json = answer.json()
        assert value["status"] == status
        return value

    def state(self, request_id: str) -> Json | None:
        """What is known of a request; `None` where nothing is."""
        answer = self.call("GET", f"/api/restores/{request_id}")
        assert answer.headers["Cache-Control"] == "no-store"
        if answer.status_code == 404:
            self.refused(answer, 404)
            return None
        assert answer.status_code == 200, answer.text
        state: Json = answer.json()
        return state

    def await_phase(self, request_id: str, phase: str) -> Json:
        """Wait until a request is in a phase; its state."""

        def look() -> Json | None:
            state = self.state(request_id)
            return state if state and state["phase"] == phase else None

        return awaited(look, seconds=PATIENCE, what=f"{request_id} in {phase}")


@pytest.fixture
def api(town: Town) -> Api:
    assert town.stack.http is not None
    return Api(town.stack.http)


def just_now() -> str:
    """A time as events have it; a request of long ago would be too late to start."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def cloud_event(event_id: str, data: object) -> Json:
    return {
        "specversion": "1.0",
        "type": "com.contoso.restore",
        "source": SOURCE,
        "id": event_id,
        "time": just_now(),
        "data": data,
    }


def grid_event(event_id: str, data: object) -> Json:
    return {
        "topic": SOURCE,
        "subject": "x",
        "id": event_id,
        "eventType": "Contoso.Restore",
        "eventTime": just_now(),
        "data": data,
        "dataVersion": "1.0",
        "metadataVersion": "1",
    }


def in_base64(event_id: str, data: object) -> Json:
    event = cloud_event(event_id, ...)
    packed = base64.b64encode(json.dumps(data).encode()).decode()
    return {**{name: held for name, held in event.items() if name != "data"}, "data_base64": packed}


def alert(alert_id: str, filling: str = "") -> Json:
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {
            "essentials": {
                "alertId": alert_id,
                "alertRule": "files were encrypted",
                "severity": "Sev1",
                "monitorCondition": "Fired",
                "monitoringService": "Log Alerts V2",
                "firedDateTime": just_now(),
                "alertTargetIDs": [],
            },
            "alertContext": {"rows": filling},
            "customProperties": None,
        },
    }


WRAPPED: dict[str, Callable[[str, Json], Any]] = {
    "plain": lambda _event_id, body: body,
    "base64": lambda _event_id, body: encoded(body).encode(),
    "CloudEvents": cloud_event,
    "CloudEvents, base64": in_base64,
    "Event Grid": grid_event,
    "Event Grid, an array": lambda event_id, body: [grid_event(event_id, body)],
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_each_envelope_ends_as_the_right_event(
    share: Share, outside: Outside, api: Api, wrap: Any
) -> None:
    body = request(share, "left out", requestId=None, labels={"größe": "資料 <&>"})

    request_id = api.post("/api/restores", wrap(f"event-{share.name}", body))

    (event,) = outside.await_events(request_id)
    assert event["id"] == f"{request_id}/Completed"
    assert event["data"]["labels"] == {"größe": "資料 <&>"}
    wrapped = request_id.startswith("evt-")
    assert wrapped or request_id.startswith("http-")
    assert event["data"].get("sourceEventId") == (f"event-{share.name}" if wrapped else None)
    assert len(outside.jobs(share.name)) == 1
    state = api.state(request_id)
    assert state is not None
    shown = {
        *("requestId", "phase", "reason", "requestedAt", "acceptedAt", "triggeredAt"),
        *("finishedAt", "jobIds", "recoveryPoint"),
    }
    told = {name: event["data"][name] for name in shown}
    assert state == {**told, "event": event["id"], "appVersion": __version__}


def test_a_cloud_event_in_binary_mode_is_the_structured_one(
    share: Share, outside: Outside, api: Api
) -> None:
    body = request(share, "left out", requestId=None)
    event = cloud_event("binary-1", body)
    headers = {f"ce_{name}": text for name, text in event.items() if name != "data"}

    request_id = api.post("/api/restores", body, **headers)
    assert api.post("/api/restores", event) == request_id

    end = outside.end_of(request_id)
    outside.await_quiet()
    assert (end["phase"], end["sourceEventId"]) == ("Completed", "binary-1")
    assert len(outside.jobs(share.name)) == 1


def test_the_state_is_there_once_the_message_is_read(
    share: Share, outside: Outside, api: Api
) -> None:
    outside.fault("restore", "outcome", path=share.name, duration=SLOW)
    assert api.state("watched") is None

    assert api.post("/api/restores", request(share, "watched")) == "watched"

    state = api.await_phase("watched", "JobInProgress")
    assert set(state) >= {"requestedAt", "acceptedAt", "triggeredAt", "jobIds", "recoveryPoint"}
    assert "event" not in state
    cancel = {"reason": "wrong share", "requestedBy": "ops@contoso.com"}
    assert api.post("/api/restores/watched/cancel", cancel) == "watched"
    end = outside.end_of("watched")
    assert (end["phase"], end["reason"]) == ("Cancelled", "JobCancelled")
    assert api.await_phase("watched", "Cancelled")["event"] == "watched/Cancelled"


def test_a_cancel_without_a_body_may_come_first(share: Share, outside: Outside, api: Api) -> None:
    assert api.post("/api/restores/too-early/cancel") == "too-early"
    outside.await_quiet()
    assert api.state("too-early") is None

    api.post("/api/restores", request(share, "too-early"))

    api.await_phase("too-early", "Cancelled")
    assert outside.jobs(share.name) == []


def test_a_dry_run_has_a_state_of_its_own(share: Share, outside: Outside, api: Api) -> None:
    answer = api.call("POST", "/api/restores", request(share, "dry", dryRun=True))
    assert answer.headers["Location"] == "/api/restores/dry?dryRun=true"
    outside.end_of("dry")
    planned = api.call("GET", answer.headers["Location"]).json()
    assert (planned["phase"], planned["event"]) == ("Planned", "dry/Planned")
    assert api.state("dry") is None


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: cloud_event("e", one)])
@pytest.mark.parametrize("size", [0, 200_000])
def test_an_alert_is_answered_however_large_it_is(
    outside: Outside, api: Api, wrap: Any, size: int
) -> None:
    sent = wrap(alert(f"alert-{size}-{wrap(0) == 0}", "x" * size))

    request_id = api.post("/api/alerts", sent)

    def look() -> Json | None:
        outside.take()
        each = (json.loads(text) for text in outside.texts)
        return next((one for one in each if one["data"].get("requestId") == request_id), None)

    event = awaited(look, seconds=PATIENCE, what=f"an answer to {request_id}")
    assert event["data"]["reason"] == "NoPlan"
    assert request_id.startswith("evt-")
    assert api.state(request_id) is None


def test_what_is_refused_says_why_and_puts_nothing_on_the_queue(
    share: Share, outside: Outside, api: Api
) -> None:
    outside.await_quiet()
    before = len(outside.texts)
    misspelt = copy.deepcopy(request(share, "refused"))
    misspelt["recoverypoint"] = misspelt.pop("recoveryPoint")

    value = api.refused(api.call("POST", "/api/restores", misspelt), 400)
    assert [(one["path"], one["didYouMean"]) for one in value["problems"]] == [
        ("recoverypoint", "recoveryPoint")
    ]
    bodies: list[Any] = [None, b"", b"\xff\xfe\x00", b"[" * 100_000, [{}, {}], alert("a")]
    for body in bodies:
        api.refused(api.call("POST", "/api/restores", body), 400)
    for path in ("/api/restores/a%0D%0AX:y/cancel", "/api/restores/a%20b/cancel"):
        answer = api.call("POST", path)
        api.refused(answer, 400)
        assert "X" not in answer.headers
    api.refused(api.call("GET", "/api/restores/plan~refused"), 400)
    api.refused(api.call("POST", "/api/alerts", request(share, "refused")), 400)
    api.refused(api.call("POST", "/api/alerts", b" " * (1024 * 1024 + 1)), 413)
    too_large = cloud_event("large", request(share, "refused")) | {"x": "x" * MESSAGE_BYTES}
    api.refused(api.call("POST", "/api/restores", too_large), 413)

    outside.await_quiet()
    assert len(outside.texts) == before


def test_the_largest_message_that_is_taken_fits_the_queue(
    share: Share, outside: Outside, api: Api
) -> None:
    event = cloud_event("largest", request(share, "largest")) | {"x": ""}
    room = MESSAGE_BYTES - len(json.dumps(event, separators=(",", ":")))
    event["x"] = "<&>"[: room % 3] + "<&>" * (room // 3)

    assert api.post("/api/restores", event) == "largest"

    assert outside.end_of("largest")["phase"] == "Completed"


@pytest.mark.parametrize("path", ["/api/restores", "/api/alerts"])
def test_handshakes_are_answered_for_the_origin_that_is_set(api: Api, path: str) -> None:
    asked = {"WebHook_Request_Callback": "https://attacker.example/x"}
    answer = api.call("OPTIONS", path, WebHook_Request_Origin=ORIGIN, **asked)
    assert answer.status_code == 200
    assert answer.headers["WebHook-Allowed-Origin"] == ORIGIN
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert answer.headers["Allow"] == "POST"
    other = api.call("OPTIONS", path, WebHook_Request_Origin="attacker.example", **asked)
    api.refused(other, 403)
    assert "WebHook-Allowed-Origin" not in other.headers

    event = {
        **grid_event("handshake", {"validationCode": "code-1", "validationUrl": "https://x.test"}),
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
    }
    answer = api.call("POST", path, [event], aeg_event_type="SubscriptionValidation")
    assert (answer.status_code, answer.json()) == (200, {"validationResponse": "code-1"})
