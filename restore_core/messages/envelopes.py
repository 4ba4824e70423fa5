"""Recognises a message: a plain request, an event that carries a request, or an alert.

Content alone decides, so that the same message means the same on every way in. An event is either
CloudEvents 1.0 in structured form or in the Event Grid schema; an alert is Azure Monitor's. A
request without an id of its own gets one derived from the event around it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_never

from restore_core.errors import MessageInvalid, Problem
from restore_core.messages.alerts import Alert, read_alert, readable_identity
from restore_core.messages.decoding import read_object, read_plain_object, without_none
from restore_core.messages.fields import event_text
from restore_core.messages.parsing import read_request, readable_id
from restore_core.messages.request import CancelRequest, RestoreRequest
from restore_core.messages.validation import bounded, moved
from restore_core.times import parse_time
from restore_core.vocabulary import Rejection

MAX_EVENT_ID = 256
MAX_EVENT_SOURCE = 2048
_INSIDE = "data"


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A message's content, and the event around it.

    `body` is the request or the alert as received. For an alert, id, source and time are the
    alert's own, so that copies of it count as one message on every way in.
    """

    body: Mapping[str, Any]
    alert: Alert | None = None
    event_id: str | None = None
    event_source: str | None = None
    event_time: datetime | None = None
    path_prefix: str = ""

    @property
    def derived_id(self) -> str | None:
        """The id for a request that gives none; `None` where no event wraps it."""
        if self.event_source is None or self.event_id is None:
            return None
        return derived_id(self.event_source, self.event_id)


class _Kind(StrEnum):
    REQUEST = "request"
    CLOUD_EVENT = "CloudEvents"
    EVENT_GRID = "Event Grid"
    ALERT = "alert"


def derived_id(source: str, event_id: str) -> str:
    """Derive the id of a request from the source and the id of the event that carries it."""
    return "evt-" + hashlib.sha256(f"{source}\n{event_id}".encode()).hexdigest()[:32]


def read_envelope(body: bytes) -> Envelope:
    """Read a message, plain JSON or base64 of it, and unwrap it.

    Raises:
        MessageInvalid: with every problem.
    """
    value, problems = read_object(body)
    return unwrap(value, problems=problems)


def read_wrapped(
    envelope: Envelope, *, unproven_copy_options: bool = False
) -> RestoreRequest | CancelRequest:
    """Read the request of an envelope without an alert; paths of problems begin at the message.

    Raises:
        MessageInvalid: with every problem.
    """
    return read_request(
        envelope.body,
        unproven_copy_options=unproven_copy_options,
        default_id=envelope.derived_id,
        inside=envelope.path_prefix.rstrip("."),
    )


def unwrap(value: Mapping[str, Any], *, problems: Sequence[Problem] = ()) -> Envelope:
    """Find the request or the alert in a message; `problems` are those found before.

    Raises:
        MessageInvalid: with every problem, those of a request inside as well.
    """
    found = list(problems)
    kind = _kind_of(value)
    match kind:
        case _Kind.REQUEST:
            envelope = Envelope(body=value)
        case _Kind.ALERT:
            envelope = _alert(value, found)
        case _Kind.CLOUD_EVENT:
            envelope = _cloud_event(value, found)
        case _Kind.EVENT_GRID:
            envelope = _event_grid_event(value, found)
        case _:
            assert_never(kind)
    if found:
        raise _refusal(envelope, found)
    return envelope


def _kind_of(value: Mapping[str, Any]) -> _Kind:
    """Recognise an object by its fields. A request has none of the fields that mark the others."""
    if "specversion" in value:
        return _Kind.CLOUD_EVENT
    if "schemaVersion" in value:
        return _Kind.REQUEST
    if "eventType" in value:
        return _Kind.EVENT_GRID
    data = value.get("data")
    if "schemaId" in value or (isinstance(data, Mapping) and "essentials" in data):
        return _Kind.ALERT
    if "status" in value and "context" in value:
        return _Kind.ALERT  # an alert of the first generation, without a schemaId
    if "type" in value and not {"data", "data_base64"}.isdisjoint(value):
        return _Kind.CLOUD_EVENT  # its specversion is missing or misspelt
    return _Kind.REQUEST


def _alert(value: Mapping[str, Any], found: list[Problem], inside: str = "") -> Envelope:
    prefix = f"{inside}." if inside else ""
    try:
        alert = read_alert(value, inside=inside)
    except MessageInvalid as error:
        found += error.problems
        source, alert_id = readable_identity(value) or (None, None)
        return Envelope(body=value, event_id=alert_id, event_source=source, path_prefix=prefix)
    return Envelope(
        body=value,
        alert=alert,
        event_id=alert.id,
        event_source=alert.source,
        event_time=alert.fired_at,
        path_prefix=prefix,
    )


def _cloud_event(value: Mapping[str, Any], found: list[Problem]) -> Envelope:
    # In the JSON format of CloudEvents an absent attribute may be null.
    event = without_none(value)
    if event.get("specversion") != "1.0":
        message = "must be '1.0'" if "specversion" in event else "is missing"
        found.append(Problem(path="specversion", message=message))
    _attribute(event, "type", found, most=MAX_EVENT_SOURCE)
    return _event(
        found,
        body=_held(event, found),
        source=_attribute(event, "source", found, most=MAX_EVENT_SOURCE),
        event_id=_attribute(event, "id", found, most=MAX_EVENT_ID),
        time=_time(event, "time", found),
    )


def _event_grid_event(value: Mapping[str, Any], found: list[Problem]) -> Envelope:
    event = without_none(value)
    body = _held(event | {"data_base64": None}, found)
    topic = None
    # Event Grid always writes the topic; an event in its schema from elsewhere may lack it. It is
    # needed only to derive an id, so it is demanded only where the request gives none.
    if "topic" in event or not (body is None or "requestId" in body or _is_alert(body)):
        topic = _attribute(event, "topic", found, most=MAX_EVENT_SOURCE)
    _attribute(event, "eventType", found, most=MAX_EVENT_SOURCE)
    return _event(
        found,
        body=body,
        source=topic,
        event_id=_attribute(event, "id", found, most=MAX_EVENT_ID),
        time=_time(event, "eventTime", found, lenient=True),
    )


def _event(
    found: list[Problem],
    *,
    body: Mapping[str, Any] | None,
    source: str | None,
    event_id: str | None,
    time: datetime | None,
) -> Envelope:
    if body is not None:
        kind = _kind_of(body)
        match kind:
            case _Kind.ALERT:
                return _alert(body, found, _INSIDE)
            case _Kind.CLOUD_EVENT | _Kind.EVENT_GRID:
                message = "is an event in an event: send the inner one"
                found.append(Problem(path=_INSIDE, message=message))
            case _Kind.REQUEST:
                pass
            case _:
                assert_never(kind)
    return Envelope(
        body={} if body is None else body,
        event_id=event_id,
        event_source=source,
        event_time=time,
        path_prefix=f"{_INSIDE}.",
    )


def _is_alert(body: Mapping[str, Any]) -> bool:
    return _kind_of(body) is _Kind.ALERT


def _attribute(
    event: Mapping[str, Any], name: str, found: list[Problem], *, most: int
) -> str | None:
    if name not in event:
        found.append(Problem(path=name, message="is missing"))
        return None
    try:
        return event_text(event[name], most=most)
    except ValueError as error:
        found.append(Problem(path=name, message=str(error)))
        return None


def _time(
    event: Mapping[str, Any], name: str, found: list[Problem], *, lenient: bool = False
) -> datetime | None:
    if name not in event:
        return None
    held = event[name]
    try:
        if not isinstance(held, str):
            raise ValueError("must be a text")  # noqa: TRY004
        return parse_time(held.strip() if lenient else held)
    except ValueError as error:
        found.append(Problem(path=name, message=str(error)))
        return None


def _held(event: Mapping[str, Any], found: list[Problem]) -> Mapping[str, Any] | None:
    """Return the data of an event: an object, or one written as JSON in a text or in base64."""
    packed = event.get("data_base64")
    data = event.get("data")
    if data is not None:
        if packed is not None:
            message = "is given beside data: only one of them can be"
            found.append(Problem(path="data_base64", message=message))
        if isinstance(data, Mapping):
            return data
        if isinstance(data, str):
            return _read(data.encode("utf-8", "surrogatepass"), "data", found)
        found.append(Problem(path="data", message="must be an object"))
    elif packed is None:
        found.append(Problem(path="data", message="is missing"))
    elif isinstance(packed, str):
        try:
            return _read(base64.b64decode(packed, validate=True), "data_base64", found)
        except (binascii.Error, ValueError):
            found.append(Problem(path="data_base64", message="is not base64"))
    else:
        found.append(Problem(path="data_base64", message="must be a text"))
    return None


def _read(text: bytes, inside: str, found: list[Problem]) -> Mapping[str, Any] | None:
    try:
        value, problems = read_plain_object(text)
    except MessageInvalid as error:
        value, problems = None, list(error.problems)
    found += [moved(problem, inside) for problem in problems]
    return value


def _refusal(envelope: Envelope, found: Sequence[Problem]) -> MessageInvalid:
    """Refuse with the problems of the envelope and of the request inside, if one was found."""
    body, derived = envelope.body, envelope.derived_id
    if body and _kind_of(body) is _Kind.REQUEST:
        try:
            # Unproven copy options are judged elsewhere, by a setting; an id that cannot be
            # derived is already a problem of the envelope.
            read_request(
                body,
                unproven_copy_options=True,
                default_id=(derived or "evt-") if envelope.path_prefix else None,
                inside=envelope.path_prefix.rstrip("."),
            )
        except MessageInvalid as error:
            found = [*found, *error.problems]
    readable = readable_id(body)
    derived = derived if "requestId" not in body and body.get("action") != "cancel" else None
    return MessageInvalid(bounded(found), reason=Rejection.INVALID, request_id=readable or derived)
