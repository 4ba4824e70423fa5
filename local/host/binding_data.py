"""The values that a queue function gets beside its message's text.

The real host starts with the queue's own values. If the text is a JSON object, each of its
top-level fields then replaces the value of the same name, in any case: a sender's `id` replaces
the queue's. Values arrive as the host's JSON library writes them, which turns a time such as
`2026-01-31T12:00:00Z` into `01/31/2026 12:00:00`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from azure.storage.queue import QueueMessage

from local.host.protos import TypedData

_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)?")


def trigger_metadata(message: QueueMessage, text: str) -> Mapping[str, TypedData]:
    """The queue's own values, as texts or as JSON, under the fields of the text."""

    def moment(value: datetime | None) -> TypedData:
        return TypedData(json=json.dumps((value or _NEVER).isoformat()))

    told = {
        "QueueTrigger": TypedData(string=text),
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "InsertionTime": moment(message.inserted_on),
        "ExpirationTime": moment(message.expires_on),
        "NextVisibleTime": moment(message.next_visible_on),
    }
    names = {name.casefold(): name for name in told}
    for name, value in _fields(text):
        told[names.setdefault(name.casefold(), name)] = value
    return told


def _fields(text: str) -> Iterator[tuple[str, TypedData]]:
    trimmed = text.strip()
    if not (trimmed.startswith("{") and trimmed.endswith("}")):
        return
    try:
        parsed = json.loads(trimmed)
    except (ValueError, RecursionError):
        return
    for name, value in parsed.items():
        if isinstance(value, dict):
            yield name, TypedData(json=json.dumps(value))
        elif value is not None and not isinstance(value, list):
            yield name, TypedData(string=_as_text(value))


def _as_text(value: str | float | bool) -> str:  # noqa: FBT001 (a value out of JSON)
    if isinstance(value, str):
        return _as_time(value) if _TIME.fullmatch(value) else value
    # .NET writes True and False with a capital too, and 1.0 without its point.
    return str(value).removesuffix(".0")


def _as_time(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    # The time zone of a host on Azure is UTC.
    local = moment.astimezone(UTC) if moment.tzinfo else moment
    return local.strftime("%m/%d/%Y %H:%M:%S")
