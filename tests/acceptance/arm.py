"""Calls to Azure Resource Manager, with a retry where a second call does no harm.

GET, PUT and DELETE say what shall be, so they are sent again after a lost answer, a 429 or a fault
of the service. A POST is not: whoever sends one looks afterwards what came of it. Asynchronous
operations are followed to their end by the URLs that the service gives, on the same origin only,
since the bearer token goes with them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import requests

from tests.acceptance.pace import OutOfTimeError, Pace
from tests.acceptance.recorder import Recorder

Json = dict[str, Any]
TRIES = 6
LOST = 0
"""The status of a call whose answer did not come."""
_AGAIN = frozenset({LOST, 408, 429, 500, 502, 503, 504})
_OPERATION_SECONDS = 45 * 60.0
_CONFLICT_SECONDS = 15 * 60.0
_TIMEOUT = (10, 120)
_RUNNING = frozenset(
    {"inprogress", "running", "accepted", "creating", "provisioning", "updating", "deleting"}
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer as it came; `body` is `{}` where it is no JSON object."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Json = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The error's code, or nothing."""
        error = self.body.get("error")
        return str(error.get("code", "")) if isinstance(error, dict) else ""

    @property
    def message(self) -> str:
        """The error's text, or nothing."""
        error = self.body.get("error")
        return str(error.get("message", "")) if isinstance(error, dict) else ""


class ArmError(RuntimeError):
    """A call that was refused, or an operation that failed; `answer` has the facts."""

    def __init__(self, what: str, answer: Answer) -> None:
        """Say what was asked and how it was answered."""
        detail = f"{answer.code or 'no code'}: {answer.message[:500] or 'no message'}"
        status = answer.status or "no answer"
        super().__init__(f"{what}: {status}, {detail}")
        self.answer = answer


class _Bearer(requests.auth.AuthBase):
    """Sets the token itself, so that a .netrc file cannot put another in its place."""

    def __init__(self, token: Callable[[], str] | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token()}"
        return request


class Arm:
    """One ARM endpoint. Every call is recorded."""

    def __init__(
        self,
        endpoint: str,
        *,
        token: Callable[[], str] | None,
        pace: Pace,
        recorder: Recorder,
        session: requests.Session | None = None,
    ) -> None:
        """`token` gives a bearer token; None sends none, as for an endpoint on this machine."""
        self.endpoint = endpoint.rstrip("/")
        self.token = token
        self.pace = pace
        self._recorder = recorder
        self._auth = _Bearer(token)
        self._session = session or requests.Session()
        if token is None:
            self._session.trust_env = False  # no proxy is on the way to this machine

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def url(self, path: str, version: str, query: Mapping[str, str] | None = None) -> str:
        """A URL of this endpoint; names in the path are quoted as the SDKs do it."""
        named = urlencode({"api-version": version, **(query or {})}, quote_via=quote)
        return f"{self.endpoint}{quote(path, safe='/()-._~')}?{named}"

    def get(self, path: str, version: str) -> Json:
        """Read a resource."""
        return self._expect("GET", self.url(path, version), (200,)).body

    def find(self, path: str, version: str) -> Json | None:
        """Read a resource that may not be there."""
        answer = self._expect("GET", self.url(path, version), (200, 404))
        return answer.body if answer.status == 200 else None

    def list(self, path: str, version: str, **query: str) -> list[Json]:
        """Read every page of a list; `filter` is sent as `$filter`."""
        named = {f"${name}": text for name, text in query.items()}
        url: str | None = self.url(path, version, named)
        found: list[Json] = []
        while url:
            page = self._expect("GET", self._ours(url), (200,)).body
            found += page.get("value", [])
            url = page.get("nextLink")
        return found

    def put(self, path: str, version: str, body: Json) -> Json:
        """Make a resource what the body says, and wait until it is; the resource, read anew."""
        url = self.url(path, version)
        self._finish(f"PUT {path}", self._patiently("PUT", url, (200, 201, 202), body))
        return self.get(path, version)

    def put_and_wait(self, path: str, version: str, body: Json) -> Answer:
        """The same for what may be listed elsewhere afterwards; the last answer."""
        url = self.url(path, version)
        answer = self._patiently("PUT", url, (200, 201, 202), body)
        return self._finish(f"PUT {path}", answer)

    def delete(self, path: str, version: str, **query: str) -> Answer:
        """Remove a resource and wait until it is gone; one that is not there is no error."""
        url = self.url(path, version, query)
        answer = self._patiently("DELETE", url, (200, 202, 204, 404))
        return answer if answer.status == 404 else self._finish(f"DELETE {path}", answer)

    def post(
        self,
        path: str,
        version: str,
        body: Json | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Answer:
        """Ask for something to be done, once; the last answer of the operation."""
        named = {f"${name}": text for name, text in query.items()}
        url = self.url(path, version, named)
        answer = self._expect("POST", url, (200, 202, 204), body, headers, tries=1)
        return self._finish(f"POST {path}", answer)

    def _patiently(
        self, method: str, url: str, wanted: tuple[int, ...], body: Json | None = None
    ) -> Answer:
        """Send again while another operation holds the resource (409)."""

        def look() -> Answer | None:
            answer = self._expect(method, url, (*wanted, 409), body)
            return None if answer.status == 409 else answer

        try:
            return self.pace.wait_for(
                look,
                what=f"{method} {urlsplit(url).path}",
                seconds=_CONFLICT_SECONDS,
                every=20,
            )
        except OutOfTimeError:
            # The last answer says what is in the way; it is worth more than the time that passed.
            return self._expect(method, url, wanted, body)

    def _expect(
        self,
        method: str,
        url: str,
        wanted: tuple[int, ...],
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        tries: int = TRIES,
    ) -> Answer:
        answer = self._send(method, url, body, headers)
        for number in range(1, tries):
            if answer.status not in _AGAIN:
                break
            self.pace.sleep(_wait(answer, 2.0**number), f"{method} {urlsplit(url).path}")
            answer = self._send(method, url, body, headers)
        if answer.status not in wanted:
            raise ArmError(f"{method} {urlsplit(url).path}", answer)
        return answer

    def _send(
        self, method: str, url: str, body: Json | None, headers: Mapping[str, str] | None
    ) -> Answer:
        sent = {"Accept": "application/json", **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        try:
            response = self._session.request(
                method,
                url,
                data=content,
                headers=sent,
                auth=self._auth,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
            answer = Answer(
                status=response.status_code, headers=response.headers, body=_object(response)
            )
        except requests.RequestException as error:
            text = f"no answer came ({type(error).__name__})"
            answer = Answer(status=LOST, body={"error": {"code": "NoAnswer", "message": text}})
        self._recorder.add(method, url, sent, body, answer.status, answer.headers, answer.body)
        return answer

    def _ours(self, url: str) -> str:
        """The URL, if it leads to this endpoint: the token goes nowhere else."""
        here, there = urlsplit(self.endpoint), urlsplit(url)
        if (here.scheme, here.netloc.lower()) != (there.scheme, there.netloc.lower()):
            raise ArmError(f"GET {there.netloc}", Answer(status=LOST, body=_FOREIGN))
        return url

    def _finish(self, what: str, answer: Answer) -> Answer:
        """Follow an asynchronous operation to its end."""
        status_url = answer.headers.get("Azure-AsyncOperation")
        location = answer.headers.get("Location")
        if status_url and answer.status in (200, 201, 202):
            return self._follow_status(what, self._ours(status_url), answer)
        if location and answer.status == 202:
            return self._follow_location(what, self._ours(location), answer)
        return answer

    def _follow_status(self, what: str, url: str, first: Answer) -> Answer:
        """Poll `Azure-AsyncOperation`: HTTP 200 in every state, and the state in the body."""
        answer = first

        def look() -> Answer | None:
            nonlocal answer
            answer = self._expect("GET", url, (200, 202, 204))
            state = str(answer.body.get("status", "Succeeded"))
            if answer.status == 202 or state.lower() in _RUNNING:
                return None
            if state.lower() != "succeeded":
                raise ArmError(f"{what} ended {state}", answer)
            return answer

        return self.pace.wait_for(
            look, what=what, seconds=_OPERATION_SECONDS, every=_wait(first, 10)
        )

    def _follow_location(self, what: str, url: str, first: Answer) -> Answer:
        """Poll `Location`: 202 while it runs; a 204 has a `Retry-After` too and is the end."""

        def look() -> Answer | None:
            answer = self._expect("GET", url, (200, 201, 202, 204))
            return None if answer.status == 202 else answer

        return self.pace.wait_for(
            look, what=what, seconds=_OPERATION_SECONDS, every=_wait(first, 10)
        )


_FOREIGN = {"error": {"code": "ForeignUrl", "message": "the URL leads to another host"}}


def _wait(answer: Answer, otherwise: float) -> float:
    """The seconds that an answer asks to wait, at most a minute."""
    text = str(answer.headers.get("Retry-After", ""))
    return min(float(text), 60.0) if text.isdecimal() and int(text) > 0 else min(otherwise, 60.0)


def _object(response: requests.Response) -> Json:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
