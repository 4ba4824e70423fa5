"""The handshakes by which senders of events ask whether they may send.

Event Grid's own schema has one, and CloudEvents another (HTTP 1.1 Web Hooks for Event Delivery,
section 4). Both are answered in the response alone, and only for origins that the settings name. No
address in a message or header is ever called: any sender could make the app call it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from http import HTTPStatus

from restore_core.errors import MessageInvalid, Problem
from restore_core.http_api.answers import HttpAnswer, HttpRequest, Refused, in_json
from restore_core.messages.decoding import read_object
from restore_core.vocabulary import Rejection

EVENT_GRID = "eventgrid.azure.net"
"""The origin that a handshake in Event Grid's own schema counts for: it names none itself."""

_VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
_CODE = re.compile("[!-~]{1,256}")


def answer_handshake(request: HttpRequest, origins: Collection[str]) -> HttpAnswer | None:
    """Answer a handshake; `None` for any other request. `origins` are in lower case.

    Raises:
        Refused: the origin is not one of `origins`.
        MessageInvalid: the handshake cannot be read.
    """
    if request.method == "OPTIONS":
        return _of_cloud_events(request, origins)
    if request.headers.get("aeg-event-type", "").casefold() == "subscriptionvalidation":
        return _of_event_grid(request, origins)
    return None


def _of_cloud_events(request: HttpRequest, origins: Collection[str]) -> HttpAnswer:
    named = request.headers.get("webhook-request-origin", "").strip()
    # Only a value of the settings is sent back. Only ASCII is compared, since lower() turns «K»,
    # the sign of the kelvin, into k.
    origin = named.lower() if named.isascii() else ""
    _check(origin, origins)
    return HttpAnswer(
        status=HTTPStatus.OK.value,
        headers={
            "Allow": "POST",
            "WebHook-Allowed-Origin": origin,
            "WebHook-Allowed-Rate": "*",
            "Cache-Control": "no-store",
        },
    )


def _of_event_grid(request: HttpRequest, origins: Collection[str]) -> HttpAnswer:
    _check(EVENT_GRID, origins)
    event, found = read_object(request.body)
    if event.get("eventType") != _VALIDATION:
        found.append(Problem(path="eventType", message=f"must be {_VALIDATION}"))
    data = event.get("data")
    code = data.get("validationCode") if isinstance(data, Mapping) else None
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        message = "must be a text of 1 to 256 printable ASCII characters"
        found.append(Problem(path="data.validationCode", message=message))
    if found:
        raise MessageInvalid(found, reason=Rejection.INVALID)
    return in_json(HTTPStatus.OK, {"validationResponse": code})


def _check(origin: str, origins: Collection[str]) -> None:
    if origin not in origins:
        raise Refused(
            HTTPStatus.FORBIDDEN,
            "This origin may not send events. Add it to RESTORE_EVENT_ORIGINS to answer its "
            "handshake.",
        )
