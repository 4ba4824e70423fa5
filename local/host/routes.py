"""Converts HTTP requests and responses to the worker's form and back, and finds the route."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from local.host.app import Function
from local.host.protos import RpcHttp, RpcHttpCookie, TypedData
from local.host.settings import SettingsError

_CONSTRAINTS = {
    "": r"[^/]+",
    "int": r"-?\d+",
    "alpha": r"[A-Za-z]+",
    "guid": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
}
_PARAMETER = re.compile(r"\{(?P<rest>\*?)(?P<name>\w+)(?::(?P<constraint>\w+))?(?P<optional>\??)\}")
# Said by the server that writes the answer, whatever the function says.
_FRAMING = {"content-length", "transfer-encoding", "connection"}


@dataclass(frozen=True, kw_only=True)
class Route:
    """A function's path and methods; no methods are all methods."""

    function: Function
    pattern: re.Pattern[str]
    methods: frozenset[str]
    parameters: int

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """The route of an HTTP trigger: its template, or its name without one."""
        template = function.trigger.get("route")
        template = str(function.name if template is None else template).strip("/")
        pattern = ""
        for segment in [part for part in f"{prefix}/{template}".split("/") if part]:
            pattern += _segment(segment, function.name)
        methods = function.trigger.get("methods") or ()
        return cls(
            function=function,
            pattern=re.compile(pattern + "/?", re.IGNORECASE),
            methods=frozenset(str(method).upper() for method in methods),
            parameters=template.count("{"),
        )

    def match(self, method: str, path: str) -> Mapping[str, str] | None:
        """The route parameters, or None when this route is not meant."""
        found = self.pattern.fullmatch(path)
        if found is None or (self.methods and method not in self.methods):
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value}


def _segment(segment: str, function: str) -> str:
    pattern, end = "", 0
    optional = False
    for found in _PARAMETER.finditer(segment):
        constraint = found["constraint"] or ""
        if constraint not in _CONSTRAINTS:
            raise SettingsError(function, [f"route constraint {constraint!r} is not known"])
        inner = ".*" if found["rest"] else _CONSTRAINTS[constraint]
        optional = optional or bool(found["optional"] or found["rest"])
        pattern += re.escape(segment[end : found.start()]) + f"(?P<{found['name']}>{inner})"
        end = found.end()
    pattern += re.escape(segment[end:])
    if re.search(r"[{}]", segment[end:]):
        raise SettingsError(function, [f"route segment {segment!r} is not understood"])
    return f"(?:/{pattern})?" if optional else f"/{pattern}"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What goes back to the client."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""


def request_of(
    *, method: str, url: str, headers: Mapping[str, str], params: Mapping[str, str], body: bytes
) -> TypedData:
    """A request as the host hands it over: names of headers in lower case, empty values left out,
    repeated query parameters joined by commas, the body as bytes."""
    query: dict[str, str] = {}
    for name, value in parse_qsl(urlsplit(url).query):
        query[name] = f"{query[name]},{value}" if name in query else value
    return TypedData(
        http=RpcHttp(
            method=method,
            url=url,
            headers={name: value for name, value in headers.items() if value},
            query=query,
            params=params,
            body=TypedData(bytes=body) if body else TypedData(),
        )
    )


def reply_of(returned: TypedData | None) -> Reply:
    """The answer in what a function returned: a response, or a bare text."""
    if returned is None:
        return Reply(status=204)
    if returned.http is None:
        text = [("Content-Type", "text/plain; charset=utf-8")]
        return Reply(status=200, headers=text, body=_bytes(returned))
    response = returned.http
    headers = [(n, v) for n, v in response.headers.items() if n.lower() not in _FRAMING]
    headers.extend(("Set-Cookie", _cookie(cookie)) for cookie in response.cookies or ())
    return Reply(status=int(response.status_code), headers=headers, body=_bytes(response.body))


def _bytes(data: TypedData | None) -> bytes:
    if data is None:
        return b""
    if data.bytes is not None:
        return bytes(data.bytes)
    return (data.string or data.json or "").encode()


def _cookie(cookie: RpcHttpCookie) -> str:
    parts = [f"{cookie.name}={cookie.value}"]
    if cookie.domain and cookie.domain.value:
        parts.append(f"Domain={cookie.domain.value}")
    if cookie.path and cookie.path.value:
        parts.append(f"Path={cookie.path.value}")
    if cookie.expires:
        expires = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"Expires={format_datetime(expires, usegmt=True)}")
    if cookie.max_age:
        parts.append(f"Max-Age={cookie.max_age.value:.0f}")
    if cookie.secure and cookie.secure.value:
        parts.append("Secure")
    if cookie.http_only and cookie.http_only.value:
        parts.append("HttpOnly")
    if cookie.same_site:
        parts.append(f"SameSite={cookie.same_site}")
    return "; ".join(parts)
