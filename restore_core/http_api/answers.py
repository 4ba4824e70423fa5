"""What comes by HTTP and what goes back, as values.

Knows the form of an answer: JSON, and problem details (RFC 9457) for what is refused. Refuses to
know the Functions host, which route was asked, and whether anything was done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from restore_core.errors import Problem, RestoreError

RETRY_AFTER_SECONDS = 10
_NO_STORE = {"Cache-Control": "no-store"}


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A request. Names of headers are in lower case; `path` has the parameters of the route."""

    method: str
    path: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class HttpAnswer:
    """An answer. No header holds what a sender wrote, other than a request id that was checked."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Refused(RestoreError):  # noqa: N818  (an answer, not our fault)
    """A request that is not taken, and the answer to it."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, problems: Sequence[Problem] = ()
    ) -> None:
        """Keep the facts."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.problems = tuple(problems)


def in_json(
    status: HTTPStatus,
    value: Mapping[str, Any],
    *,
    kind: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Answer with JSON in ASCII."""
    return HttpAnswer(
        status=status.value,
        headers={"Content-Type": kind, **_NO_STORE, **(headers or {})},
        body=json.dumps(value).encode("ascii"),
    )


def problem(
    status: HTTPStatus, detail: str, *, problems: Sequence[Problem] | None = None
) -> HttpAnswer:
    """Answer with problem details; `problems` are those of a message, as its event has them."""
    value: dict[str, Any] = {
        "type": "about:blank",  # nothing more is said than by the status
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
    }
    if problems is not None:
        value["problems"] = [_in_words(one) for one in problems]
    again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return in_json(
        status,
        value,
        kind="application/problem+json",
        headers=again if status is HTTPStatus.SERVICE_UNAVAILABLE else {},
    )


def broken() -> HttpAnswer:
    """Answer where nobody expected what happened; the log has it, and the sender does not."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "This could not be handled; the log of the app says why."
    )


def _in_words(one: Problem) -> dict[str, str]:
    words = {"path": one.path, "message": one.message}
    return words if one.did_you_mean is None else {**words, "didYouMean": one.did_you_mean}
