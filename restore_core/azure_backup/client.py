"""Calls to Azure Resource Manager: one request, one answer or one exact error.

Knows tokens, timeouts, error bodies, `Retry-After` and the one origin that a token may go to.
Refuses to know backups, and never tries anything twice: the sweep is the only retry authority.

Two things are stricter than an HTTP library is by itself. Whether a request was *sent* is not
guessed from the kind of exception: the connection notes when the first byte is handed to its
socket. And the time for an answer is one deadline for all of it, since a socket's timeout starts
anew with every byte.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from restore_core import __version__
from restore_core.errors import ArmAnswer, NoAnswer, NotSent
from restore_core.messages.decoding import with_valid_text
from restore_core.settings import Origin

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A page of a list is far below this; an answer above it is no answer."""
MAX_TEXT = 2000
_LINE_BREAKING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TOKEN = re.compile(r"""\bbearer\s+[^\s"'<>]+""", re.IGNORECASE)
_SIGNATURE = re.compile(r"""([?&](?:t|c|s|h|sig|code)=)[^&\s"'<>]+""", re.IGNORECASE)
_LONGEST_WAIT = timedelta(days=1)
_USER_AGENT = f"azure-files-restore/{__version__}"
_CLIENT_REQUEST_ID = "x-ms-client-request-id"


class TokenSource(Protocol):
    """Gives bearer tokens for ARM."""

    def token(self, *, refresh: bool = False) -> str:
        """Return a token; a new one when the last was refused. Raises `NotSent` without one."""
        ...


class Throttle(Protocol):
    """What holds calls back that Azure would refuse, or that others need room for."""

    def admit(self, url: str, *, writes: bool) -> None:
        """Let a call pass; raises `ArmAnswer`, 429, where it must wait."""
        ...

    def note(self, url: str, headers: Mapping[str, str], *, writes: bool) -> None:
        """Learn from an answer."""
        ...

    def note_refusal(self, url: str, error: ArmAnswer, *, writes: bool) -> None:
        """Learn from a refusal."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    """The JSON object, empty when the body was empty or something else."""

    @property
    def date(self) -> datetime | None:
        """The service's own time, aware UTC."""
        return _http_date(self.headers.get("Date", ""))


class _Exchange:
    """What has become of one request so far; cut off when it takes too long."""

    def __init__(self) -> None:
        self.sent = False
        self.sock: socket.socket | None = None
        self.late = False

    def cut(self) -> None:
        """Wake the reader, in whichever thread, with the end of the stream."""
        self.late = True
        if self.sock is not None:
            with suppress(OSError):
                # Not SSLSocket.shutdown, which takes the TLS object from under the reader.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Current(threading.local):
    """The exchange of this thread."""

    exchange = _Exchange()


_current = _Current()


class _Noting(HTTPConnection):
    """A connection that notes when a request's first byte goes out; a proxy's tunnel is no
    request.
    """

    _connecting = False

    def connect(self) -> None:
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def send(self, data: Any) -> None:  # noqa: ANN401  (the library's signature)
        if not self._connecting:
            if self.sock is None:
                self.connect()
            exchange = _current.exchange
            exchange.sock = self.sock
            if exchange.late:
                # Connecting took all the time, several addresses perhaps: the deadline is behind.
                raise TimeoutError("too late to be sent")
            exchange.sent = True
        super().send(data)


class _NotingTls(_Noting, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Noting


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _NotingTls


class _Adapter(HTTPAdapter):
    """Plain pools of noting connections, without any retry."""

    _POOLS = {"http": _Pool, "https": _TlsPool}

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_maxsize=32)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  (as in requests)
        made = super().proxy_manager_for(proxy, **options)
        made.pool_classes_by_scheme = self._POOLS
        return made


class _TooLargeError(ValueError):
    """The answer goes beyond the limit."""


class _Session(requests.Session):
    """A session for which a redirect is an answer like any other."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Name none: unasked, requests would prepare the next call, and trip over odd addresses."""


class _Bearer(AuthBase):
    """Sets the token, for the configured origin only.

    An auth object keeps requests from looking into `.netrc`, so one is passed even where no token
    is.
    """

    def __init__(self, origin: Origin, token: str | None) -> None:
        self._origin = origin
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None and Origin.of(request.url or "") == self._origin:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class PreparedPost:
    """A POST that is ready to be sent, once: token, body and a connection of its own."""

    def __init__(self, client: ArmClient, url: str, body: str, client_request_id: str) -> None:
        """Get the token; raises `NotSent` when there is none."""
        self._client = client
        self._url = url
        self._body = body
        self._client_request_id = client_request_id
        self._token = client.bearer_token()

    def renew_token(self) -> None:
        """Replace the token that was refused; raises `NotSent` when there is none.

        Not a part of `send`: asking for a token takes its time, and a caller may have to send soon
        or not at all.
        """
        self._token = self._client.bearer_token(refresh=True)

    def send(self) -> Answer:
        """Send it on a connection that nobody used before.

        Raises:
            NotSent, NoAnswer, ArmAnswer: which `failures.send_outcome` tells apart.
        """
        with self._client.new_session() as session:
            return self._client.exchange(
                session,
                "POST",
                self._url,
                token=self._token,
                body=self._body,
                client_request_id=self._client_request_id,
            )


class ArmClient:
    """Talks to one ARM endpoint. Safe to share between threads."""

    def __init__(
        self,
        *,
        endpoint: str,
        api_version: str,
        tokens: TokenSource | None,
        connect_limit: timedelta,
        answer_limit: timedelta,
        throttle: Throttle | None = None,
    ) -> None:
        """Take the endpoint's origin as the only one; `tokens` is `None` for a loopback endpoint,
        and plain http is never given one.
        """
        self._endpoint = endpoint.rstrip("/")
        self._origin = Origin.of(endpoint)
        self._api_version = api_version
        self._tokens = tokens if self._origin.scheme == "https" else None
        self._connect = connect_limit.total_seconds()
        self._answer = answer_limit.total_seconds()
        self._throttle = throttle
        self._session = self.new_session()

    def url(self, path: str, *, odata_filter: str = "") -> str:
        """Build the URL of a path on the endpoint, with the api-version and an OData filter."""
        url = f"{self._endpoint}{_quoted_path(path)}?api-version={self._api_version}"
        return f"{url}&$filter={quote(odata_filter, safe='-._~')}" if odata_filter else url

    def get(self, url: str) -> Answer:
        """Read a URL of the endpoint, such as `url()` or a `nextLink`.

        Raises:
            NotSent, NoAnswer, ArmAnswer: the answer was not a usable 200 or 204.
        """
        if self._throttle is not None:
            self._throttle.admit(url, writes=False)
        token = self.bearer_token()
        try:
            return self.exchange(self._session, "GET", url, token=token)
        except ArmAnswer as error:
            if error.status != 401 or self._tokens is None:
                raise
        return self.exchange(self._session, "GET", url, token=self.bearer_token(refresh=True))

    def prepare_post(self, url: str, body: str = "", client_request_id: str = "") -> PreparedPost:
        """Make everything ready for a POST.

        Raises:
            NotSent: there is no token.
            ArmAnswer: it would be refused now; see `Throttle`.
        """
        if self._throttle is not None:
            self._throttle.admit(url, writes=True)
        return PreparedPost(self, url, body, client_request_id or str(uuid.uuid4()))

    def new_session(self) -> requests.Session:
        """Make a session with no connection in it."""
        session = _Session()
        session.mount("http://", _Adapter())
        session.mount("https://", _Adapter())
        return session

    def close(self) -> None:
        """Close the connections that reads keep open."""
        self._session.close()

    def bearer_token(self, *, refresh: bool = False) -> str | None:
        """Return a token, `None` for a loopback endpoint; raises `NotSent` when there is none."""
        return None if self._tokens is None else self._tokens.token(refresh=refresh)

    def exchange(
        self,
        session: requests.Session,
        method: str,
        url: str,
        *,
        token: str | None,
        body: str = "",
        client_request_id: str = "",
    ) -> Answer:
        """Send one request and read its whole answer; raises as `get` does."""
        self._check_origin(url)
        headers = {
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            _CLIENT_REQUEST_ID: client_request_id or str(uuid.uuid4()),
        }
        if body:
            headers["Content-Type"] = "application/json"
        _current.exchange = exchange = _Exchange()
        try:
            with _deadline(exchange, self._connect + self._answer):
                response = session.request(
                    method,
                    url,
                    data=body.encode(),
                    headers=headers,
                    auth=_Bearer(self._origin, token),
                    timeout=(self._connect, self._answer),
                    allow_redirects=False,
                    stream=True,
                    # A proxy for this machine itself would be a mistake of the environment.
                    proxies={"no_proxy": self._origin.host} if self._origin.is_loopback else None,
                )
                with response:
                    content = _content(response)
                    _check_length(response, content)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            what = "too slow" if exchange.late else _named(error)
            if not exchange.sent:
                raise NotSent(f"the request was not sent: {what}") from error
            raise NoAnswer(f"no usable answer came: {what}") from error
        if exchange.late:
            # Cut off, headers look as if they had ended: what came is no answer.
            raise NoAnswer("no usable answer came: too slow")
        return self._noted(url, response, content, writes=method != "GET")

    def _noted(
        self, url: str, response: requests.Response, content: bytes, *, writes: bool
    ) -> Answer:
        """Return a good answer, or raise `ArmAnswer`; the throttle learns from both."""
        try:
            answer = _checked(response, content)
        except ArmAnswer as error:
            if self._throttle is not None:
                self._throttle.note_refusal(url, error, writes=writes)
            raise
        if self._throttle is not None:
            self._throttle.note(url, answer.headers, writes=writes)
        return answer

    def _check_origin(self, url: str) -> None:
        try:
            origin = Origin.of(url)
        except ValueError:
            raise NotSent("the service named an address that is no URL of this endpoint") from None
        if origin != self._origin:
            raise NotSent(f"the service named another host ({origin.host[:100]}): not followed")


@contextmanager
def _deadline(exchange: _Exchange, seconds: float) -> Iterator[None]:
    """Cut the exchange when all of it takes longer."""
    timer = threading.Timer(seconds, exchange.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _content(response: requests.Response) -> bytes:
    """Read the body up to the limit; raises what the socket raises."""
    content = bytearray()
    for chunk in response.iter_content(65536):
        content += chunk
        if len(content) > MAX_BODY_BYTES:
            raise _TooLargeError
    return bytes(content)


def _named(error: Exception) -> str:
    return "too large" if isinstance(error, _TooLargeError) else type(error).__name__


def _check_length(response: requests.Response, content: bytes) -> None:
    """Raise when the answer was cut off in its headers, which `http.client` takes for their end.

    An HTTP/1.0 server may leave the length out: it says the end by closing.
    """
    if response.raw.version < 11:
        return
    told = {"content-length", "transfer-encoding"} & {name.casefold() for name in response.headers}
    if not content and not told and response.status_code != 204:
        raise ValueError("the answer does not say how long it is")


def _checked(response: requests.Response, content: bytes) -> Answer:
    """Turn a whole answer into an `Answer`, or into the error that it is."""
    headers = {name: _first(name, value) for name, value in response.headers.items()}
    body = _object(content)
    answer = Answer(status=response.status_code, headers=_Headers(headers), body=body or {})
    if response.status_code in {200, 202, 204}:
        if response.status_code == 200 and content and not body:
            raise NoAnswer("the answer is not a JSON object")
        return answer
    code, message = error_of(answer.body)
    if body is None:
        # A proxy's page: enough of it to recognise whose it is.
        message = content[:300].decode("ascii", "replace")
    raise ArmAnswer(
        status=response.status_code,
        code=_quotable(code)[:200],
        message=_quotable(message)[:MAX_TEXT],
        retry_after=retry_after(answer),
        gateway=answer.headers.get("x-ms-failure-cause", "").casefold() == "gateway",
        request_id=answer.headers.get("x-ms-correlation-request-id", "")[:100],
    )


def _quotable(text: str) -> str:
    """Make an answer's words fit for a log and an event: one line, and no secret of ours in it.

    A proxy's error page may quote the request that it did not like, token and all.
    """
    text = _LINE_BREAKING.sub(" ", text)
    text = _TOKEN.sub("Bearer (removed)", text)
    return _SIGNATURE.sub(r"\1(removed)", text)


class _Headers(dict[str, str]):
    """Headers by name without case."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        super().__init__({name.casefold(): value for name, value in headers.items()})

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
        return super().get(name.casefold(), default)


def _first(name: str, value: str) -> str:
    """Take the first of a doubled header: until 2021 ids came twice, joined with `,` or `;`."""
    if name.casefold().endswith("request-id"):
        return re.split(r"[,;]\s*", value)[0]
    return value


def error_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read code and message of an error body, nested or not, in either casing; empty when
    absent.
    """
    folded = {str(name).casefold(): value for name, value in body.items()}
    while isinstance(inner := folded.get("error"), dict):
        folded = {str(name).casefold(): value for name, value in inner.items()}
    code, message = folded.get("code"), folded.get("message")
    return (
        str(code) if isinstance(code, int | str) else "",
        message if isinstance(message, str) else "",
    )


def retry_after(answer: Answer) -> timedelta | None:
    """Read `Retry-After`, seconds or an HTTP date; a date is measured from the answer's own."""
    text = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,6}", text):
        return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
    until, date = _http_date(text), answer.date
    if until is None or date is None:
        return None
    return min(max(until - date, timedelta(0)), _LONGEST_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
        # Without a zone it is GMT, as every HTTP date, and not the zone of this machine.
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _object(content: bytes) -> Mapping[str, Any] | None:
    try:
        value = json.loads(content.removeprefix(b"\xef\xbb\xbf"))
        if b"\\u" in content:
            value = with_valid_text(value)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _quoted_path(path: str) -> str:
    """Quote a path; `;` goes as `%3B`, as the SDKs send it."""
    return quote(path, safe="/()-._~")
