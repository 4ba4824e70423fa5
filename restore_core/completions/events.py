"""The events on the completion queue: CloudEvents 1.0, rendered once.

Knows the form, the names and the size limit. Refuses to know queues, and invents nothing: what is
not known is absent. The text of an end is stored with the record, so that every copy of it is the
same to the byte; the text of a rejection depends on nothing but the message that it answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from restore_core.domain.lifecycle import Phase
from restore_core.domain.record import End, FollowedJob, RestoreRecord, restore_started
from restore_core.domain.vault import Tally
from restore_core.errors import Problem
from restore_core.messages.request import SCHEMA_VERSION, LatestPointBefore
from restore_core.times import format_time
from restore_core.vocabulary import Rejection

MAX_EVENT_BYTES = 48 * 1024
"""Base64 of it still fits a queue message of 64 KiB."""
CUT_MARK = "… (cut)"
_NEVER_CUT = frozenset(
    {
        *("schemaVersion", "requestId", "messageId", "phase", "reason", "restoreStarted"),
        *("id", "vaultId", "storageAccountId", "fileShare", "protectedItemId", "jobIds", "class"),
        *("time", "requestedAt", "acceptedAt", "triggeredAt", "jobStartedAt", "finishedAt"),
        "traceparent",
    }
)
"""Names, ids and times: all of them bounded, and worth nothing in part."""


def render_end(record: RestoreRecord, end: End, *, source: str, finished_at: datetime) -> str:
    """Write the completion of a record that has taken its last transition."""
    event = {
        "specversion": "1.0",
        "type": f"azurefilesrestore.{record.phase.value}.v1",
        "source": source,
        "id": event_id(record),
        "subject": record.request.request_id,
        "time": format_time(finished_at),
        "datacontenttype": "application/json",
        "data": _known(_end_data(record, end, finished_at)),
    }
    return _fitted(event)


def _end_data(record: RestoreRecord, end: End, finished_at: datetime) -> dict[str, object]:
    request, decision = record.request, record.decision
    jobs = record.jobs
    point_time = decision.point_time if decision else None
    wanted = request.recovery_point
    aimed_at = wanted.time if isinstance(wanted, LatestPointBefore) else record.requested_at
    started = min((job.start_time for job in jobs if job.start_time), default=None)
    return {
        "schemaVersion": SCHEMA_VERSION,
        "requestId": request.request_id,
        "phase": record.phase.value,
        "reason": end.reason.value,
        "message": end.message,
        "recommendation": end.recommendation or None,
        "restoreStarted": restore_started(record),
        "vaultId": str(request.vault),
        "source": {
            **_resolved(record),
            **request.source.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
        "target": request.target.model_dump(mode="json", by_alias=True, exclude_none=True),
        "itemCount": len(request.items) if request.items else None,
        "recoveryPoint": (
            _known({"id": decision.point_id, "time": _time(point_time)}) if decision else None
        ),
        "jobIds": [job.id for job in jobs] or None,
        "counts": _counts(jobs),
        "dataTransferredMB": _megabytes(jobs),
        "requestedAt": format_time(record.requested_at),
        "acceptedAt": format_time(record.accepted_at),
        "triggeredAt": _time(record.triggered_at),
        "jobStartedAt": _time(started),
        "finishedAt": format_time(finished_at),
        "recoveryTimeSeconds": _seconds(record.requested_at, finished_at),
        "recoveryPointAgeSeconds": _seconds(point_time, aimed_at) if point_time else None,
        "attempts": len(record.tries),
        "warnings": list(record.warnings) or None,
        "error": _error(end),
        "rule": end.rule,
        "plan": end.plan,
        "sourceEventId": record.source_event_id,
        "requestedBy": request.requested_by,
        "labels": request.labels,
        "traceparent": request.traceparent,
    }


def _error(end: End) -> dict[str, object] | None:
    if end.error is None:
        return None
    return {"code": end.error.code, "message": end.error.message, "class": end.error.kind.value}


def event_id(record: RestoreRecord) -> str:
    """Return the id of a request's end, the same on every copy.

    A dry run that ends otherwise than planned has an id of its own: the real run under the same
    request id may end in the same phase, and one id must never name two events.
    """
    planned = record.phase is Phase.PLANNED
    name = record.request.request_id if planned else record.key
    return f"{name}/{record.phase.value}"


def render_rejection(
    *,
    message_id: str,
    inserted_at: datetime | None,
    request_id: str | None,
    reason: Rejection,
    message: str,
    problems: Sequence[Problem] = (),
    source: str,
) -> str:
    """Write the answer to a message that is no request."""
    event = {
        "specversion": "1.0",
        "type": "azurefilesrestore.MessageRejected.v1",
        "source": source,
        "id": f"{request_id or '-'}/MessageRejected/{message_id}",
        "subject": message_id,
        "time": _time(inserted_at),
        "datacontenttype": "application/json",
        "data": _known(
            {
                "schemaVersion": SCHEMA_VERSION,
                "messageId": message_id,
                "requestId": request_id,
                "reason": reason.value,
                "message": message,
                "problems": [
                    _known(
                        {"path": one.path, "message": one.message, "didYouMean": one.did_you_mean}
                    )
                    for one in problems
                ],
            }
        ),
    }
    if inserted_at is None:
        del event["time"]
    return _fitted(event)


def _resolved(record: RestoreRecord) -> dict[str, str]:
    """Name the item that was resolved, for a source that was given by its share, and the
    reverse.
    """
    decision = record.decision
    if decision is None:
        return {}
    return {
        "storageAccountId": decision.account_id,
        "fileShare": decision.share,
        "protectedItemId": decision.item_id,
    }


def _counts(jobs: Sequence[FollowedJob]) -> dict[str, Any] | None:
    def tally(pick: Callable[[FollowedJob], Tally]) -> dict[str, int] | None:
        return _known(
            {
                verb: _total(getattr(pick(job), verb) for job in jobs)
                for verb in ("restored", "skipped", "failed")
            }
        )

    return _known(
        {"files": tally(lambda job: job.files), "directories": tally(lambda job: job.directories)}
    )


def _total(numbers: Any) -> int | None:  # noqa: ANN401  (a generator of optional numbers)
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _megabytes(jobs: Sequence[FollowedJob]) -> float | int | None:
    known = [job.transferred_mb for job in jobs if job.transferred_mb is not None]
    total = sum(known)
    return (int(total) if total == int(total) else total) if known else None


def _seconds(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds(), 3)


def _time(time: datetime | None) -> str | None:
    return format_time(time) if time else None


def _known(fields: dict[str, Any]) -> dict[str, Any] | None:
    """Leave out what is not known; nothing at all is not known either."""
    kept = {name: value for name, value in fields.items() if value is not None}
    return kept or None


def _fitted(event: dict[str, Any]) -> str:
    """Write an event as ASCII JSON; cut long texts, the longest first, until it fits."""
    limit = 4000
    text = _written(event, limit)
    while len(text) > MAX_EVENT_BYTES and limit > 8:
        limit //= 2
        text = _written(event, limit)
    return text


def _written(event: dict[str, Any], limit: int) -> str:
    return json.dumps(event | {"data": _cut(event["data"], limit)}, separators=(",", ":"))


def _cut(value: Any, limit: int, never: frozenset[str] = _NEVER_CUT) -> Any:  # noqa: ANN401  (JSON)
    if isinstance(value, str):
        return value if len(value) <= limit + len(CUT_MARK) else value[:limit] + CUT_MARK
    if isinstance(value, list):
        kept = [_cut(one, limit) for one in value[: max(limit, 16)]]
        if len(kept) == len(value):
            return kept
        # A list of objects stays one, for whoever reads it with types.
        return [*kept, {"message": CUT_MARK} if isinstance(value[0], dict) else CUT_MARK]
    if isinstance(value, dict):
        return {
            name: inner if name in never else _cut(inner, limit, _of_senders(name))
            for name, inner in value.items()
        }
    return value


def _of_senders(name: str) -> frozenset[str]:
    """The keys of `labels` are the sender's own and keep nothing from being cut."""
    return frozenset() if name == "labels" else _NEVER_CUT
