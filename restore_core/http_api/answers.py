"""HTTP requests and answers as values: JSON, and problem details (RFC 9457) for a refusal."""

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
    """An answer. The only text of a sender in its headers is a request id that was checked."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Refused(RestoreError):  # noqa: N818  (an answer, not our fault)
    """An HTTP request is refused; the exception carries the answer."""

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
        "type": "about:blank",  # the status says all
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
    """Answer an unexpected error; its details go to the log and not to the sender."""
    return problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "This could not be handled; the log of the app says why."
    )


def _in_words(one: Problem) -> dict[str, str]:
    words = {"path": one.path, "message": one.message}
    return words if one.did_you_mean is None else {**words, "didYouMean": one.did_you_mean}
