"""Calls to Azure Resource Manager: one request, one answer or one exact error.

The client never retries, since the sweep alone decides when to try again; only a read whose token
was refused is repeated once with a new one. A token goes to the configured origin only.

Two things are stricter than in an HTTP library. The connection notes when the first byte of a
request is handed to the socket, so that «sent» is a fact and not guessed from an exception. One
deadline covers the whole answer, since a socket's timeout starts anew with every byte.
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
from requests.structures import CaseInsensitiveDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from restore_core import __version__
from restore_core.endpoints import Origin
from restore_core.errors import ArmAnswer, NoAnswer, NotSent
from restore_core.messages.decoding import with_valid_text

MAX_BODY_BYTES = 16 * 1024 * 1024
"""Far above any page of a list; a larger answer counts as unusable."""
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
    """Stops calls that Azure would refuse, or whose quota other tools need."""

    def admit(self, url: str, *, writes: bool) -> None:
        """Let a call pass; raises `ArmAnswer` with 429 when it must wait."""
        ...

    def note(self, url: str, headers: Mapping[str, str], *, writes: bool) -> None:
        """Read from an answer's headers how much is left."""
        ...

    def note_refusal(self, url: str, error: ArmAnswer, *, writes: bool) -> None:
        """Keep the pause that a refusal asks for."""
        ...


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A successful answer."""

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    """The JSON object; empty when the body was no JSON object."""

    @property
    def date(self) -> datetime | None:
        """The service's own time, aware UTC."""
        return _http_date(self.headers.get("Date", ""))


class _Exchange:
    """The state of one request: whether it was sent, and whether its deadline has passed."""

    def __init__(self) -> None:
        self.sent = False
        self.sock: socket.socket | None = None
        self.late = False

    def cut(self) -> None:
        """Shut the socket down, so that the reading thread sees the end of the stream."""
        self.late = True
        if self.sock is not None:
            with suppress(OSError):
                # SSLSocket.shutdown would drop the TLS object while the other thread reads.
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class _Current(threading.local):
    """The exchange of this thread."""

    exchange = _Exchange()


_current = _Current()


class _Noting(HTTPConnection):
    """A connection that notes when a request's first byte is sent; a proxy's CONNECT does not
    count.
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
                # Connecting, perhaps to several addresses, took longer than the whole deadline.
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
    """Connection pools of noting connections, without retries."""

    _POOLS = {"http": _Pool, "https": _TlsPool}

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_maxsize=32)
        self.poolmanager.pool_classes_by_scheme = self._POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401  (as in requests)
        made = super().proxy_manager_for(proxy, **options)
        made.pool_classes_by_scheme = self._POOLS
        return made


class _TooLargeError(ValueError):
    """The answer is larger than `MAX_BODY_BYTES`."""


class _Session(requests.Session):
    """A session that returns a redirect like any other answer."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return none, since requests would prepare the next call and fail on odd addresses."""


class _Bearer(AuthBase):
    """Sets the token, for the configured origin only.

    It is passed even without a token, since an auth object keeps requests from reading `.netrc`.
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

        It is no part of `send`, since getting a token takes time and the caller's deadline for the
        POST may pass meanwhile.
        """
        self._token = self._client.bearer_token(refresh=True)

    def send(self) -> Answer:
        """Send the POST on a new connection.

        Raises:
            NotSent, NoAnswer, ArmAnswer: `failures.send_outcome` says what each means.
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
        """Set the only origin that is called. `tokens` is `None` for a loopback endpoint; over
        plain http no token is ever sent.
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
            NotSent, NoAnswer, ArmAnswer: there was no usable 200 or 204.
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
        """Prepare a POST, token included.

        Raises:
            NotSent: there is no token.
            ArmAnswer: the throttle stops it.
        """
        if self._throttle is not None:
            self._throttle.admit(url, writes=True)
        return PreparedPost(self, url, body, client_request_id or str(uuid.uuid4()))

    def new_session(self) -> requests.Session:
        """Make a session without open connections."""
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
                    # A proxy from the environment must not be used for this machine itself.
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
            # http.client takes the cut in the headers for their end: the answer is not whole.
            raise NoAnswer("no usable answer came: too slow")
        return self._noted(url, response, content, writes=method != "GET")

    def _noted(
        self, url: str, response: requests.Response, content: bytes, *, writes: bool
    ) -> Answer:
        """Return a good answer or raise `ArmAnswer`; report either to the throttle."""
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
    """Cut the exchange off when it takes longer as a whole."""
    timer = threading.Timer(seconds, exchange.cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _content(response: requests.Response) -> bytes:
    """Read the body up to the limit; the socket's exceptions pass through."""
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

    An HTTP/1.0 server may leave the length out and mark the end by closing the connection.
    """
    if response.raw.version < 11:
        return
    told = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    if not content and not told and response.status_code != 204:
        raise ValueError("the answer does not say how long it is")


def _checked(response: requests.Response, content: bytes) -> Answer:
    """Return a whole answer as an `Answer`; raises `ArmAnswer` for an error status."""
    headers = CaseInsensitiveDict(
        (name, _first(name, value)) for name, value in response.headers.items()
    )
    body = _object(content)
    answer = Answer(status=response.status_code, headers=headers, body=body or {})
    if response.status_code in {200, 202, 204}:
        if response.status_code == 200 and content and not body:
            raise NoAnswer("the answer is not a JSON object")
        return answer
    code, message = error_of(answer.body)
    if body is None:
        # A proxy's page: its beginning tells which proxy answered.
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
    """Make an answer's text fit for logs and events: one line, without tokens or signatures.

    A proxy's error page may quote the request that it refused, with its token.
    """
    text = _LINE_BREAKING.sub(" ", text)
    text = _TOKEN.sub("Bearer (removed)", text)
    return _SIGNATURE.sub(r"\1(removed)", text)


def _first(name: str, value: str) -> str:
    """Take the first of a doubled header: until 2021 ids came twice, joined with `,` or `;`."""
    if name.casefold().endswith("request-id"):
        return re.split(r"[,;]\s*", value)[0]
    return value


def error_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read code and message of an error body, nested or not, in any casing; empty when absent."""
    folded = {str(name).casefold(): value for name, value in body.items()}
    while isinstance(inner := folded.get("error"), dict):
        folded = {str(name).casefold(): value for name, value in inner.items()}
    code, message = folded.get("code"), folded.get("message")
    return (
        str(code) if isinstance(code, int | str) else "",
        message if isinstance(message, str) else "",
    )


def retry_after(answer: Answer) -> timedelta | None:
    """Read `Retry-After` in seconds, or as a date, measured from the answer's own `Date`."""
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
        # An HTTP date without a zone is GMT, not the zone of this machine.
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
    """Quote a path; `;` becomes `%3B`, as the SDKs send it."""
    return quote(path, safe="/()-._~")
