# ruff: noqa: INP001  (docs/ is no package)
"""The events as models, for their JSON Schema alone.

The program writes events and never reads one: `restore_core/completions/events.py` renders them
out of records, field by field. What a reader may rely on is said here once more, with the program's
own vocabularies and types; tests compare the names with that file, and the schema with rendered
events.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, WithJsonSchema

from restore_core.completions.events import MAX_EVENT_BYTES
from restore_core.domain.lifecycle import FINAL, Phase
from restore_core.messages.fields import FreeText, RequestId, Traceparent, VaultIdText
from restore_core.messages.request import AlternateTarget, Labels, OriginalTarget
from restore_core.messages.validation import Model
from restore_core.policy.preflight import Outcome
from restore_core.vocabulary import ErrorClass, Reason, Rejection

_FINAL = [phase.value for phase in Phase if phase in FINAL]
_LIST: dict[str, JsonValue] = {"maxItems": MAX_EVENT_BYTES // 2}
"""No list has a limit of its own; an event has, and each entry takes two bytes or more."""


def _one_of(values: list[str]) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "enum": values})


Text = str
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
FinalPhase = Annotated[str, _one_of(_FINAL)]
EndType = Annotated[str, _one_of([f"azurefilesrestore.{name}.v1" for name in _FINAL])]


class Source(Model):
    """The share, as requested, with the protected item that was found; or the reverse."""

    storage_account_id: Text | None = None
    file_share: Text | None = None
    protected_item_id: Text | None = None


class ChosenPoint(Model):
    """The recovery point that was chosen."""

    id: Text
    time: Time | None = None


class PlannedPoint(Model):
    """The recovery point that the real run would choose, and why."""

    id: Text
    time: Time | None = None
    why: Text


class Tally(Model):
    """What became of files, or of directories."""

    restored: int | None = None
    skipped: int | None = None
    failed: int | None = None


class Counts(Model):
    """What the jobs counted."""

    files: Tally | None = None
    directories: Tally | None = None


class Error(Model):
    """What Azure answered, and what that means."""

    code: Text
    message: Text
    class_: ErrorClass = Field(alias="class")


class CheckResult(Model):
    """One thing that was looked at before a restore."""

    name: Text
    result: Outcome
    message: Text
    advice: Text | None = None


class PlannedCall(Model):
    """What the real run would send."""

    recovery_point: PlannedPoint
    protected_item_id: Text
    source: Text
    target: Text
    checks: list[CheckResult] = Field(json_schema_extra=_LIST)
    method: Literal["POST"]
    url: Text
    body: dict[str, Any] = Field(description="The body of the call to Azure.")


class End(Model):
    """How a request ended. What is not known is absent."""

    schema_version: Literal["1.0"]
    request_id: RequestId
    phase: FinalPhase
    reason: Reason
    message: Text = Field(description="For people.")
    recommendation: Text | None = None
    restore_started: Literal["yes", "no", "unknown"]
    vault_id: VaultIdText
    source: Source
    target: OriginalTarget | AlternateTarget
    item_count: int | None = Field(default=None, description="Absent: the full share.")
    recovery_point: ChosenPoint | None = None
    job_ids: list[Text] | None = Field(default=None, json_schema_extra=_LIST)
    counts: Counts | None = None
    data_transferred_mb: float | None = Field(default=None, alias="dataTransferredMB")
    requested_at: Time
    accepted_at: Time
    triggered_at: Time | None = None
    job_started_at: Time | None = None
    finished_at: Time
    recovery_time_seconds: float
    recovery_point_age_seconds: float | None = None
    attempts: int
    warnings: list[Text] | None = Field(default=None, json_schema_extra=_LIST)
    error: Error | None = None
    rule: Text | None = None
    plan: PlannedCall | None = Field(default=None, description="Of a dry run.")
    source_event_id: Text | None = None
    requested_by: FreeText | None = None
    labels: Labels | None = None
    traceparent: Traceparent | None = None


class Problem(Model):
    """One thing that is wrong with a message. A list that was cut ends in a message alone."""

    path: Text | None = None
    message: Text
    did_you_mean: Text | None = None


class RejectedMessage(Model):
    """Why a message is no request."""

    schema_version: Literal["1.0"]
    message_id: Text = Field(
        description="The id that the queue gave the message; or `body-` and 32 hex digits, where "
        "the message has fields that hide it."
    )
    request_id: RequestId | None = Field(default=None, description="Where it could be read.")
    reason: Rejection
    message: Text = Field(description="For people.")
    problems: list[Problem] = Field(json_schema_extra=_LIST)


class CloudEvent(Model):
    """What all events have in common: CloudEvents 1.0, structured."""

    specversion: Literal["1.0"]
    source: Text = Field(description="The setting RESTORE_EVENT_SOURCE.")
    id: Text = Field(description="The same on every copy of the event.")
    time: Time
    datacontenttype: Literal["application/json"]


class EndEvent(CloudEvent):
    """The end of a request."""

    type: EndType
    subject: RequestId
    data: End


class RejectionEvent(CloudEvent):
    """The answer to a message that is no request."""

    type: Literal["azurefilesrestore.MessageRejected.v1"]
    subject: Text = Field(description="The message's id, as in `data`.")
    time: Time | None = Field(  # type: ignore[assignment]
        default=None, description="When the message was put on the queue, where that is known."
    )
    data: RejectedMessage
