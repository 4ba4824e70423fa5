"""The handshakes: answered in the response, for the origins that are set, and never by a call."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest

from restore_core.errors import SettingsError
from restore_core.http_api.answers import HttpAnswer, HttpRequest
from restore_core.http_api.routes import Intake
from restore_core.settings import Settings
from tests.restore_core.given import Json
from tests.simulators.world import with_settings

EVENT_GRID = "eventgrid.azure.net"
ELSEWHERE = "https://attacker.example/confirm?id=1"
CODE = "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to reach the network; a test that makes one fails."""
    made: list[Any] = []

    def note(*args: Any, **_kwargs: Any) -> None:
        made.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", note)
    monkeypatch.setattr(socket, "getaddrinfo", note)
    return made


class Nothing:
    """A queue and a store that nobody may touch."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a handshake does not {name}")


def intake_of(*origins: str) -> Intake:
    nothing: Any = Nothing()
    settings = with_settings(event_origins=origins)
    return Intake(requests=nothing, store=nothing, settings=settings)


def both(request: HttpRequest, *origins: str) -> HttpAnswer:
    """Send a handshake to both routes, which answer it alike."""
    intake = intake_of(*origins)
    answer = intake.post_restore(request)
    assert intake.post_alert(request) == answer
    return answer


def options(**headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpRequest(method="OPTIONS", headers=named)


def validation(body: object = ..., kind: str = "SubscriptionValidation") -> HttpRequest:
    """Event Grid's own handshake."""
    event: Json = {
        "id": "2d1781af-3a4c-4d7c-bd0c-e34b19da4e66",
        "topic": "/subscriptions/11112222-3333-4444-8555-666677778888",
        "subject": "",
        "data": {"validationCode": CODE, "validationUrl": ELSEWHERE},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-05-04T07:30:00.0000000Z",
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    raw = json.dumps([event] if body is ... else body).encode()
    return HttpRequest(method="POST", headers={"aeg-event-type": kind}, body=raw)


def refused(answer: HttpAnswer, status: int = 403) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert json.loads(answer.body)["status"] == status
    assert not any(name.lower().startswith("webhook") for name in answer.headers)
    assert CODE.encode() not in answer.body


# --- CloudEvents


@pytest.mark.parametrize("named", [EVENT_GRID, "EventGrid.Azure.Net", f" {EVENT_GRID} "])
def test_an_origin_that_is_set_may_send(named: str, calls: list[Any]) -> None:
    asked = options(webhook_request_origin=named, webhook_request_rate="120")

    answer = both(asked, "other.example.com", EVENT_GRID)

    assert answer.status == 200
    assert answer.headers["WebHook-Allowed-Origin"] == EVENT_GRID
    assert answer.headers["WebHook-Allowed-Rate"] == "*"
    assert answer.headers["Allow"] == "POST"
    assert calls == []


@pytest.mark.parametrize(
    "named",
    [
        "",
        "*",
        "attacker.example",
        f"{EVENT_GRID}.attacker.example",
        f"x.{EVENT_GRID}",
        f"{EVENT_GRID}, attacker.example",
        f"https://{EVENT_GRID}",
        f"{EVENT_GRID}\r\nSet-Cookie: a=b",
        f"{EVENT_GRID}:443",
        EVENT_GRID.replace("i", "\u0131"),
    ],
)
def test_any_other_origin_may_not(named: str) -> None:
    refused(both(options(webhook_request_origin=named), EVENT_GRID))


def test_a_letter_that_becomes_another_in_lower_case_is_not_that_letter() -> None:
    refused(both(options(webhook_request_origin="\u212aite.example"), "kite.example"))


def test_no_handshake_is_answered_unless_an_origin_is_set() -> None:
    refused(both(options(webhook_request_origin=EVENT_GRID)))
    refused(both(options(webhook_request_origin="")))
    refused(both(options()))
    refused(both(validation()))


def test_the_callback_of_a_handshake_is_never_called(calls: list[Any]) -> None:
    for origins in ((), (EVENT_GRID,)):
        both(
            options(webhook_request_origin=EVENT_GRID, webhook_request_callback=ELSEWHERE), *origins
        )
    assert calls == []


# --- Event Grid's own schema


@pytest.mark.parametrize("kind", ["SubscriptionValidation", "subscriptionvalidation"])
def test_event_grid_gets_its_code_back_in_the_response(kind: str, calls: list[Any]) -> None:
    answer = both(validation(kind=kind), EVENT_GRID)

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert json.loads(answer.body) == {"validationResponse": CODE}
    assert calls == []


def test_event_grid_is_an_origin_like_others() -> None:
    refused(both(validation(), "other.example.com"))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ([], "$"),
        ([{}, {}], "$"),
        ([{"eventType": "Other", "data": {"validationCode": CODE}}], "eventType"),
        ([{"eventType": "Microsoft.EventGrid.SubscriptionValidationEvent"}], "data.validationCode"),
    ],
)
def test_a_handshake_that_is_none_is_refused_with_its_problems(body: object, path: str) -> None:
    answer = both(validation(body), EVENT_GRID)
    refused(answer, 400)
    assert [one["path"] for one in json.loads(answer.body)["problems"]] == [path]


@pytest.mark.parametrize("code", [None, 1, "", "a\r\nb", "ü", "x" * 257, {"a": 1}])
def test_a_code_is_a_short_text(code: object) -> None:
    event = {
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": {"validationCode": code, "validationUrl": ELSEWHERE},
    }
    refused(both(validation([event]), EVENT_GRID), 400)


def test_a_validation_event_without_its_header_is_no_handshake() -> None:
    intake = intake_of(EVENT_GRID)
    refused(intake.post_restore(validation(kind="Notification")), 400)
    refused(intake.post_alert(validation(kind="Notification")), 400)


# --- the setting


def origins_of(text: str) -> tuple[str, ...]:
    environment = {"RestoreStorage": "UseDevelopmentStorage=true", "RESTORE_EVENT_ORIGINS": text}
    return Settings.read(environment).event_origins


def test_origins_are_host_names_between_commas() -> None:
    assert origins_of("") == ()
    assert origins_of(f" {EVENT_GRID} , Events.Contoso.com,{EVENT_GRID}") == (
        EVENT_GRID,
        "events.contoso.com",
    )


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "*.azure.net",
        "https://eventgrid.azure.net",
        "eventgrid.azure.net:443",
        "eventgrid.azure.net/x",
        "a,,b",
        "a b",
        "-a.example",
        "a..example",
        "é.example",
        "\u212aite.example",
        "a" * 254,
    ],
)
def test_what_is_no_host_name_is_no_origin_and_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError, match="RESTORE_EVENT_ORIGINS must be host names") as raised:
        origins_of(text)
    assert text == "a" * 254 or text not in str(raised.value).removeprefix("the settings")
