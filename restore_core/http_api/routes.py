"""Requests, cancels and alerts that come by HTTP: checked, and put on the request queue.

Knows the routes, the sizes, and that what is answered with 202 is a message that the queue's reader
takes: it is read by the same code, as the very text that goes to the queue. Refuses to write a
table, to start anything, and to know the Functions host.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from pydantic import ValidationError

from restore_core import __version__
from restore_core.completions.events import event_id
from restore_core.domain.ports import MAX_MESSAGE_BYTES, Requests, Store
from restore_core.domain.record import RestoreRecord
from restore_core.errors import MessageInvalid, Problem, StoreError
from restore_core.http_api.answers import HttpAnswer, HttpRequest, Refused, in_json, problem
from restore_core.http_api.handshakes import answer_handshake
from restore_core.messages.alerts import reduce_alert
from restore_core.messages.decoding import read_object, read_plain_object
from restore_core.messages.envelopes import Envelope, read_envelope, read_wrapped
from restore_core.messages.fields import REQUEST_ID, FreeText
from restore_core.messages.request import SCHEMA_VERSION, RestoreRequest
from restore_core.messages.validation import Model, bounded, moved, problems_of, summary
from restore_core.settings import Settings
from restore_core.times import format_time
from restore_core.vocabulary import Rejection

_log = logging.getLogger(__name__)

MAX_BODY_BYTES = 1024 * 1024
"""More than Azure Monitor and Event Grid send."""
_STRUCTURED = "application/cloudevents"
_ATTRIBUTES = ("specversion", "type", "source", "id", "time", "subject")


class CancelDetails(Model):
    """What the body of a cancel may say; the path says the rest."""

    reason: FreeText | None = None
    requested_by: FreeText | None = None


class Intake:
    """Everything that the HTTP triggers call. Safe to share between threads."""

    def __init__(self, *, requests: Requests, store: Store, settings: Settings) -> None:
        """Take the ports; of the store, only records are read."""
        self._requests = requests
        self._store = store
        self._settings = settings

    def post_restore(self, request: HttpRequest) -> HttpAnswer:
        """Take a request or a cancel, as it is or in an event; answer a handshake."""
        return _answered("POST restores", self._post_restore, request)

    def post_cancel(self, request: HttpRequest) -> HttpAnswer:
        """Take a cancel of the request that the path names."""
        return _answered("POST cancel", self._post_cancel, request)

    def post_alert(self, request: HttpRequest) -> HttpAnswer:
        """Take an alert, as it is or in an event; answer a handshake."""
        return _answered("POST alerts", self._post_alert, request)

    def get_restore(self, request: HttpRequest) -> HttpAnswer:
        """Tell how far the request is that the path names."""
        return _answered("GET restores", self._get_restore, request)

    def _post_restore(self, request: HttpRequest) -> HttpAnswer:
        if shaken := self._handshake(request):
            return shaken
        value, found = _sent(request)
        text = _message(value)
        with _beside(found):
            envelope = read_envelope(text.encode())
            if envelope.alert is not None:
                raise Refused(HTTPStatus.BAD_REQUEST, "This is an alert: post it to /api/alerts.")
            if _lacks_id(envelope):
                value = {"requestId": f"http-{uuid4()}", **value}
                text = _message(value)
                envelope = read_envelope(text.encode())
            read = read_wrapped(
                envelope, unproven_copy_options=self._settings.unproven_copy_options
            )
        dry_run = isinstance(read, RestoreRequest) and read.dry_run
        return self._put(text, read.request_id, query="?dryRun=true" if dry_run else "")

    def _post_cancel(self, request: HttpRequest) -> HttpAnswer:
        request_id = _request_id(request)
        _check_size(request)
        value, found = read_plain_object(request.body) if request.body.strip() else ({}, [])
        _message(value)
        with _beside(found):
            try:
                details = CancelDetails.model_validate(value)
            except ValidationError as error:
                raise MessageInvalid(
                    problems_of(error, CancelDetails), reason=Rejection.INVALID
                ) from None
        cancel = {"schemaVersion": SCHEMA_VERSION, "action": "cancel", "requestId": request_id}
        given = details.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return self._put(_message(cancel | given), request_id)

    def _post_alert(self, request: HttpRequest) -> HttpAnswer:
        if shaken := self._handshake(request):
            return shaken
        value, found = _sent(request)
        text = _written(value)
        with _beside(found):
            if len(text) > MAX_MESSAGE_BYTES:
                text = _written(_reduced(value))
            envelope = read_envelope(text.encode())
        if envelope.alert is None or envelope.derived_id is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "This is no alert: post it to /api/restores.")
        return self._put(text, envelope.derived_id)

    def _get_restore(self, request: HttpRequest) -> HttpAnswer:
        request_id = _request_id(request)
        wanted = request.query.get("dryRun", "false").casefold()
        if wanted not in {"true", "false"}:
            _refuse_parameter("dryRun", "must be true or false")
        key = f"plan~{request_id}" if wanted == "true" else request_id
        stored = self._store.load(request_id, key)
        if stored is None:
            raise Refused(
                HTTPStatus.NOT_FOUND,
                "No message with this request id has been read yet, or none was accepted.",
            )
        return in_json(HTTPStatus.OK, _state(stored.record))

    def _put(self, text: str, request_id: str, *, query: str = "") -> HttpAnswer:
        """Send a message; say where its state will be, as a path: proxies change the host."""
        self._requests.send(text)
        _log.info("%s: put on the queue", request_id)
        # As part of a path these two mean the folder and the one above.
        nameless = request_id in {".", ".."}
        location = f"/api/restores/{request_id}{query}"
        return in_json(
            HTTPStatus.ACCEPTED,
            {"requestId": request_id},
            headers={} if nameless else {"Location": location},
        )

    def _handshake(self, request: HttpRequest) -> HttpAnswer | None:
        _check_size(request)
        return answer_handshake(request, self._settings.event_origins)


def _answered(
    name: str, route: Callable[[HttpRequest], HttpAnswer], request: HttpRequest
) -> HttpAnswer:
    """Turn what is refused on purpose into an answer."""
    try:
        return route(request)
    except Refused as refused:
        answer = problem(refused.status, refused.detail, problems=refused.problems or None)
    except MessageInvalid as error:
        answer = problem(HTTPStatus.BAD_REQUEST, summary(error.problems), problems=error.problems)
    except StoreError as error:
        _log.warning("%s: %s", name, error)
        answer = problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "Storage does not answer: send it once more, later."
        )
    _log.info("%s: answered %s", name, answer.status)
    return answer


def _sent(request: HttpRequest) -> tuple[dict[str, Any], list[Problem]]:
    """Read the body as an object, the headers of a CloudEvent in binary mode around it."""
    _check_size(request)
    headers = request.headers
    structured = headers.get("content-type", "").strip().casefold().startswith(_STRUCTURED)
    if "ce-specversion" not in headers or structured:
        return read_object(request.body)
    try:
        data, found = read_plain_object(request.body)
    except MessageInvalid as error:
        problems = [moved(one, "data") for one in error.problems]
        raise MessageInvalid(problems, reason=error.reason) from None
    given = {name: headers[f"ce-{name}"] for name in _ATTRIBUTES if f"ce-{name}" in headers}
    event = {name: unquote(text) for name, text in given.items()}
    return {**event, "data": data}, [moved(one, "data") for one in found]


def _check_size(request: HttpRequest) -> None:
    if len(request.body) > MAX_BODY_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {MAX_BODY_BYTES} bytes."
        )


def _message(value: Mapping[str, Any]) -> str:
    text = _written(value)
    if len(text) > MAX_MESSAGE_BYTES:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"As compact JSON in ASCII this has {len(text)} bytes; a message of the queue holds "
            f"{MAX_MESSAGE_BYTES}. Larger alerts go to /api/alerts.",
        )
    return text


def _written(value: Mapping[str, Any]) -> str:
    """Write a message as compact ASCII: not every character can stand on a queue."""
    return json.dumps(value, separators=(",", ":"))


@contextmanager
def _beside(found: Sequence[Problem]) -> Iterator[None]:
    """Raise the problems of what is done inside together with those that were found before."""
    problems = list(found)
    try:
        yield
    except MessageInvalid as error:
        problems += error.problems
    if problems:
        raise MessageInvalid(bounded(problems), reason=Rejection.INVALID)


def _lacks_id(envelope: Envelope) -> bool:
    """Tell whether it is a restore that nothing wraps and that has no id: a cancel needs one."""
    body = envelope.body
    return not envelope.path_prefix and "requestId" not in body and body.get("action") != "cancel"


def _reduced(value: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce an alert that no message holds, without the event around it: its id is its own.

    What is no alert is refused before anything else is looked for in it; at this size, naming each
    problem of a request would take minutes.
    """
    inside = "data" if not {"specversion", "eventType"}.isdisjoint(value) else ""
    alert = value.get("data") if inside else value
    if not isinstance(alert, Mapping):
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"Of an event that is larger than {MAX_MESSAGE_BYTES} bytes, data must be the alert "
            "itself, as an object.",
        )
    try:
        return reduce_alert(alert)
    except MessageInvalid as error:
        problems = [moved(one, inside) for one in error.problems]
        raise MessageInvalid(problems, reason=error.reason) from None


def _request_id(request: HttpRequest) -> str:
    request_id = request.path.get("id", "")
    if not REQUEST_ID.fullmatch(request_id):
        _refuse_parameter("id", "must be 1 to 128 of A-Z a-z 0-9 . _ -")
    return request_id


def _refuse_parameter(name: str, message: str) -> None:
    raise Refused(
        HTTPStatus.BAD_REQUEST,
        f"{name}: {message}",
        problems=[Problem(path=name, message=message)],
    )


def _state(record: RestoreRecord) -> dict[str, Any]:
    """Tell what is known of a request."""
    times = {
        "requestedAt": record.requested_at,
        "acceptedAt": record.accepted_at,
        "triggeredAt": record.triggered_at,
        "finishedAt": record.finished_at,
    }
    decision = record.decision
    point: dict[str, str] = {}
    if decision is not None:
        point["id"] = decision.point_id
        if decision.point_time is not None:
            point["time"] = format_time(decision.point_time)
    state = {
        "requestId": record.request.request_id,
        "phase": record.phase.value,
        "waitingFor": record.waiting_for.value if record.waiting_for else None,
        "waitingMessage": record.waiting_message or None if record.waiting_for else None,
        **{name: format_time(time) for name, time in times.items() if time is not None},
        "reason": record.end.reason.value if record.end else None,
        "jobIds": [job.id for job in record.jobs] or None,
        "recoveryPoint": point or None,
        "event": event_id(record) if record.is_final else None,
        "appVersion": __version__,
    }
    return {name: held for name, held in state.items() if held is not None}
