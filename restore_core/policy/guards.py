"""Guards: what this installation may restore, whoever asks.

Knows the file of rules that a team reviews and deploys with the app. Refuses to know how a restore
is judged by it, which is `policy/judging.py`, and who really sent a message: what a sender says of
itself is a claim. A restore that no rule allows is not allowed; there is no rule that forbids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue

from restore_core.errors import FileInvalid, Problem
from restore_core.messages.decoding import ROOT
from restore_core.messages.fields import AsWord, Duration, EntryName, QueueName, as_tuple
from restore_core.messages.validation import Model, repeated
from restore_core.policy.patterns import (
    SharePattern,
    TargetPattern,
    VaultPattern,
)
from restore_core.policy.reviewed_file import read_model

MAX_RULES = 200
MAX_PATTERNS = 200
MAX_STARTS = 1000
"""The most that a limit can be: every start of a day is kept in one entity of the claims table."""
_BOM = b"\xef\xbb\xbf"


class OriginalLocation(StrEnum):
    """What a rule lets a restore do to the share that the data came from."""

    REFUSE = "refuse"
    SKIP_EXISTING = "skipExisting"
    OVERWRITE = "overwrite"


def _some(value: object) -> object:
    """Refuse an empty list. Not the model's business: it counts only those entries that are valid,
    and would call a list of wrong ones empty.
    """
    if value == []:
        raise ValueError("must not be empty")
    return as_tuple(value)


_SOME: dict[str, JsonValue] = {"minItems": 1}
_Limit = Annotated[int, Field(ge=1, le=MAX_STARTS)]


class Rule(Model):
    """One thing that is allowed. A request needs one rule that allows all of it."""

    name: EntryName
    vaults: Annotated[
        tuple[VaultPattern, ...],
        Field(max_length=MAX_PATTERNS, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ]
    sources: Annotated[
        tuple[SharePattern, ...],
        Field(max_length=MAX_PATTERNS, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ] = Field(description="The shares that may be restored, as ARM ids of file shares.")
    targets: Annotated[
        tuple[TargetPattern, ...], Field(max_length=MAX_PATTERNS), BeforeValidator(as_tuple)
    ] = Field(
        default=(),
        description="The shares that data may go to, the original one apart. Judged by the names "
        "of account and share alone; the account's may have a `*` only where subscription and "
        "resource group are `*`.",
    )
    original_location: Annotated[OriginalLocation, AsWord] = Field(
        default=OriginalLocation.REFUSE,
        description="Whether data may go back to where it came from, and what happens to files "
        "that exist there.",
    )
    emergency_by: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
        Field(max_length=MAX_PATTERNS),
        BeforeValidator(as_tuple),
    ] = Field(
        default=(),
        description="Patterns of `requestedBy`: who may say `emergency`. A claim of the sender's.",
    )
    max_per_hour: _Limit | None = Field(
        default=None, description="The most restores of one source share in an hour."
    )
    max_per_day: _Limit | None = Field(
        default=None, description="The most restores of one source share in 24 hours."
    )
    not_older_than: Duration | None = Field(
        default=None,
        description="How old the recovery point may be when the app takes the request in.",
    )
    healthy_recovery_point: bool = Field(
        default=False,
        description="Whether the recovery point's threat status must be `Healthy`.",
    )


class Guards(Model):
    """The file."""

    schema_hint: str | None = Field(
        default=None, alias="$schema", description="For editors; nothing is read from there."
    )
    schema_version: Literal["1.0"]
    rules: Annotated[
        tuple[Rule, ...],
        Field(max_length=MAX_RULES, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ]
    reply_queues: Annotated[
        tuple[QueueName, ...], Field(max_length=MAX_PATTERNS), BeforeValidator(as_tuple)
    ] = Field(
        default=(), description="The queues that requests may name in `replyTo`, made in advance."
    )


def read_guards(text: bytes) -> Guards:
    """Read the file.

    Raises:
        FileInvalid: with every problem.
    """
    if not text.removeprefix(_BOM).lstrip().startswith(b"{"):
        # Messages may come as base64. Nobody can review a file that does.
        raise FileInvalid([Problem(path=ROOT, message="must be a JSON object, in plain UTF-8")])
    return read_model(text, Guards, _named_twice)


def _named_twice(file: Mapping[str, Any], _found: Sequence[Problem]) -> list[Problem]:
    return [
        Problem(path=f"rules[{index}].name", message="is given more than once")
        for index, _ in repeated(file.get("rules"), "name", str.casefold)
    ]
