"""What a plain reading of a message tells of it, apart from the product: why it must be rejected,
and which request it must lead to.

It says nothing of what is no plain JSON, base64 of it included.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FIELDS = {
    *("schemaVersion", "action", "requestId", "vaultId", "source", "recoveryPoint", "target"),
    *("items", "copyOptions", "identity", "dryRun", "priority", "startDeadline", "requestedBy"),
    *("reason", "traceparent", "labels", "replyTo"),
}
"""The fields of version 1.0."""
ATTRIBUTES = {"CloudEvents": ("id", "source", "type"), "Event Grid": ("id", "eventType")}
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Reading:
    """A message as anybody would read it."""

    reason_to_reject: str | None = None
    request_id: str | None = None
    """The id that its request must have, where it has one and says no other."""
    event_id: str | None = None
    """The id of the event or the alert that brings the request."""
    is_alert: bool = False


def read(body: bytes) -> Reading:
    """Read a message as far as plain JSON goes."""
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            found.append("has a key twice")
        texts = [text for pair in pairs for text in pair if isinstance(text, str)]
        if _SURROGATE.search("\n".join(texts)):
            found.append("has half a character")
        return dict(pairs)

    try:
        value = json.loads(body, object_pairs_hook=look, parse_constant=found.append)
    except (ValueError, RecursionError):
        return Reading()
    if isinstance(value, list):
        if len(value) != 1:
            return Reading("is a list of several, or of none")
        value = value[0]
    if not isinstance(value, dict):
        return Reading("is no object")
    reading = _read(value, found)
    reason = found[0] if found else None
    return Reading(reason, reading.request_id, reading.event_id, reading.is_alert)


def _read(value: dict[str, Any], found: list[str]) -> Reading:
    kind = _kind_of(value)
    if kind == "alert":
        return _alert(value, found)
    if kind == "request":
        _judge_request(value, found)
        return Reading(request_id=_text(value, "requestId"))
    found += [f"has no {name}" for name in ATTRIBUTES[kind] if not _text(value, name)]
    data = value.get("data")
    if kind == "CloudEvents":
        if value.get("specversion") != "1.0":
            found.append("is an event of another version")
        if data is not None and value.get("data_base64") is not None:
            found.append("has two kinds of data")
    if not isinstance(data, dict):
        return Reading(event_id=_text(value, "id"))
    inside = _kind_of(data)
    if inside == "alert":
        return _alert(data, found)
    if inside != "request":
        found.append("is an event in an event")
    _judge_request(data, found)
    source = _text(value, "source" if kind == "CloudEvents" else "topic")
    request_id = _text(data, "requestId")
    if "requestId" not in data and data.get("action") != "cancel":
        if not source:
            found.append("has no id, and nothing to make one of")
        request_id = _derived(source, _text(value, "id"))
    return Reading(request_id=request_id, event_id=_text(value, "id"))


def _kind_of(value: dict[str, Any]) -> str:
    for name, kind in (
        ("specversion", "CloudEvents"),
        ("schemaVersion", "request"),
        ("eventType", "Event Grid"),
        ("schemaId", "alert"),
    ):
        if name in value:
            return kind
    data = value.get("data")
    if isinstance(data, dict) and "essentials" in data:
        return "alert"
    return "request"


def _judge_request(value: dict[str, Any], found: list[str]) -> None:
    if any(each is None for each in _each(value)):
        found.append("has a null")
    if unknown := set(value) - FIELDS:
        found.append(f"has the unknown field {min(unknown)!r}")


def _alert(value: dict[str, Any], found: list[str]) -> Reading:
    data = value.get("data")
    essentials = data.get("essentials") if isinstance(data, dict) else None
    if not isinstance(essentials, dict):
        found.append("is an alert without essentials")
        return Reading(is_alert=True)
    wanted = ("alertId", "alertRule", "severity", "monitorCondition")
    found += [f"is an alert without {name}" for name in wanted if name not in essentials]
    rule = _text(essentials, "alertRuleID") or _text(essentials, "alertRule")
    alert_id = _text(essentials, "alertId")
    return Reading(request_id=_derived(rule, alert_id), event_id=alert_id, is_alert=True)


def _derived(source: str | None, event_id: str | None) -> str | None:
    if source is None or event_id is None:
        return None
    text = f"{source}\n{event_id}".encode("utf-8", "surrogatepass")
    return "evt-" + hashlib.sha256(text).hexdigest()[:32]


def _text(value: dict[str, Any], name: str) -> str | None:
    held = value.get(name)
    return held if isinstance(held, str) else None


def _each(value: Any) -> Iterator[Any]:
    """Every value inside, however deep, without recursion."""
    left = [value]
    while left:
        here = left.pop()
        yield here
        if isinstance(here, dict):
            left += here.values()
        elif isinstance(here, list):
            left += here
