"""The types of the fields in messages and files: how each is read, checked and written.

A check returns the value in the one spelling in which it is kept.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from restore_core.arm_ids import (
    IdentityId,
    ProtectedItemId,
    StorageAccountId,
    VaultId,
    check_file_share,
    check_recovery_point,
)
from restore_core.setting_kinds import QUEUE, form
from restore_core.times import format_duration, format_time, parse_duration, parse_time

MAX_PATH_BYTES = 2048
MAX_SEGMENT_CHARACTERS = 255

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_ENTRY_NAME = r"[A-Za-z0-9._-]{1,64}"
_TRACEPARENT = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
_NOT_IN_A_NAME = re.compile('["\\\\:|<>*?\x00-\x1f\x7f-\x9f\ufffe\uffff]')
_ENCODED = re.compile(r"%(2f|5c|2e)", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def _path(text: str) -> str:
    """Check a path of a file share by segment, after Azure Files' naming rules.

    `#` and `%` are legal in names and harmless in a JSON body. An encoded separator or dot is
    refused, since it means that the sender encoded the path.
    """
    if text.startswith("/"):
        raise ValueError("must be relative to the share's root: leave out the leading slash")
    if len(text.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"is longer than {MAX_PATH_BYTES} bytes of UTF-8")
    if _ENCODED.search(text):
        raise ValueError("holds %2f, %5c or %2e: write the path unencoded")
    if "\\" in text:
        raise ValueError("holds a backslash: separate folders with /")
    for segment in text.split("/"):
        if not segment.strip(". "):
            raise ValueError("has a segment that is empty, '.' or '..'")
        if len(segment) > MAX_SEGMENT_CHARACTERS:
            raise ValueError(f"has a name of more than {MAX_SEGMENT_CHARACTERS} characters")
        if bad := _NOT_IN_A_NAME.search(segment):
            raise ValueError(f"holds {bad.group()!a}, which no file or folder name may")
    return text


def _time(value: object) -> object:
    return parse_time(value) if isinstance(value, str) else _no_text(value, datetime)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else _no_text(value, timedelta)


def _deadline(value: object) -> object:
    if isinstance(value, str) and not value[:1].isdigit():
        return parse_duration(value)
    return value if isinstance(value, timedelta) else _time(value)


def _no_text(value: object, kind: type) -> object:
    if isinstance(value, kind):
        return value
    raise ValueError("must be a text")


def event_text(value: object, *, most: int) -> str:
    """Check a text that identifies an event or its origin; raises `ValueError`.

    Such texts are joined by newlines and hashed, so control characters are refused.
    """
    if not isinstance(value, str):
        raise ValueError("must be a text")  # noqa: TRY004  (a problem of the message, like others)
    if not value:
        raise ValueError("must not be empty")
    if len(value) > most:
        raise ValueError(f"is longer than {most} characters")
    if _CONTROL.search(value):
        raise ValueError("holds a control character")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("is not valid Unicode text")
    return value


def as_tuple(value: object) -> object:
    """Turn a JSON list into a tuple, which a frozen model can hold."""
    return tuple(value) if isinstance(value, list) else value


AsWord = Field(strict=False)
"""A text is taken as a member of an enumeration, which strict models do not by themselves."""


def _write(value: datetime | timedelta) -> str:
    return format_time(value) if isinstance(value, datetime) else format_duration(value)


def _arm_id(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": 1024, "examples": [example]})


_AsText = PlainSerializer(_write, return_type=str, when_used="json")
RequestId = Annotated[
    str,
    AfterValidator(form(REQUEST_ID.pattern, "1 to 128 of A-Z a-z 0-9 . _ -").read),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    _AsText,
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    _AsText,
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["P1DT12H"]}),
]
Deadline = Annotated[
    datetime | timedelta,
    BeforeValidator(_deadline),
    _AsText,
    WithJsonSchema({"type": "string", "examples": ["2026-02-05T07:43:47Z", "PT4H"]}),
]
VaultIdText = Annotated[
    str,
    AfterValidator(lambda text: str(VaultId.parse(text))),
    _arm_id("/subscriptions/…/resourceGroups/…/providers/Microsoft.RecoveryServices/vaults/…"),
]
AccountIdText = Annotated[
    str,
    AfterValidator(lambda text: str(StorageAccountId.parse(text))),
    _arm_id("/subscriptions/…/resourceGroups/…/providers/Microsoft.Storage/storageAccounts/…"),
]
ItemIdText = Annotated[
    str,
    AfterValidator(lambda text: str(ProtectedItemId.parse(text))),
    _arm_id(
        "/subscriptions/…/protectionContainers/StorageContainer;…/protectedItems/AzureFileShare;…"
    ),
]
IdentityIdText = Annotated[
    str,
    AfterValidator(lambda text: str(IdentityId.parse(text))),
    _arm_id("/subscriptions/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/…"),
]
ShareName = Annotated[
    str,
    AfterValidator(check_file_share),
    WithJsonSchema({"type": "string", "minLength": 3, "maxLength": 63}),
]
PointId = Annotated[
    str,
    AfterValidator(check_recovery_point),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19}$"}),
]
PathText = Annotated[
    str,
    AfterValidator(_path),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PATH_BYTES}),
]
EntryName = Annotated[
    str,
    AfterValidator(form(_ENTRY_NAME, "1 to 64 of A-Z a-z 0-9 . _ -").read),
    WithJsonSchema({"type": "string", "pattern": f"^{_ENTRY_NAME}$"}),
]
"""The name of a rule or a plan in its file."""
QueueName = Annotated[
    str,
    AfterValidator(QUEUE.read),
    WithJsonSchema({"type": "string", "minLength": 3, "maxLength": 63}),
]
FreeText = Annotated[str, Field(max_length=256)]
Traceparent = Annotated[
    str,
    AfterValidator(form(_TRACEPARENT, "a W3C trace context, 00-<32 hex>-<16 hex>-<2 hex>").read),
    WithJsonSchema({"type": "string", "maxLength": 55}),
]
