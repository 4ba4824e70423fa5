"""A strict Azure on loopback, for the tests of the estate: every path, api-version and body that it
takes is written down here, and anything else is a problem that the test sees.

It can fail from any call on, before or after the call has done its work, as when a machine or a
network dies in the middle of a run.
"""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter

from tests.acceptance import fake_routes
from tests.acceptance.fake_world import World

Json = dict[str, Any]
Headers = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer."""

    status: int = 200
    body: Json | None = None
    headers: Headers = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call as it came; `path` is decoded and in small letters, `spelled` as it was written."""

    method: str
    path: str
    spelled: str
    query: Mapping[str, str]
    body: Any
    raw: bytes
    origin: str


@dataclass
class FakeAzure:
    """The service. `fails_at` is the number of the first call that fails; all later ones do."""

    token: str
    world: World = field(default_factory=World)
    fails_at: int | None = None
    after: bool = False
    """Whether the first call that fails has done its work."""
    problems: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    url: str = ""
    by_socket: bool = True
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, call: Call, headers: Mapping[str, str]) -> Reply | None:
        """The answer, or None: the connection is cut."""
        with self._lock:
            number = len(self.methods)
            self.methods.append(call.method)
            down = self.fails_at is not None and number >= self.fails_at
            if down and not (self.after and number == self.fails_at):
                return None
            if headers.get("Authorization") != f"Bearer {self.token}":
                self.problems.append(f"{call.method} {call.path} without the token")
                return Reply(status=401)
            self.world.tick()
            reply = self._routed(call)
            return None if down else reply

    def _routed(self, call: Call) -> Reply:
        for route in fake_routes.ROUTES:
            found = re.fullmatch(route.pattern, call.path)
            if found is None or route.method != call.method:
                continue
            if (version := call.query.get("api-version")) != route.version:
                self.problems.append(f"{call.method} {call.path}: api-version {version}")
            if route.body is not None and (wrong := differs(route.body, call.body)):
                self.problems.append(f"{call.method} {call.path}: {wrong}")
                return _error(400, "BadRequest", wrong)
            if route.filter and call.query.get("$filter") != route.filter:
                given = call.query.get("$filter")
                self.problems.append(f"{call.method} {call.path}: $filter {given}")
            status, body, headers = route.do(self.world, call, found.groupdict())
            return Reply(status=status, body=body, headers=headers)
        self.problems.append(f"no such call: {call.method} {call.path}")
        return _error(404, "InvalidResourceType", "No such call.")


def differs(wanted: Any, given: Any, where: str = "body") -> str:
    """How a body differs from what is taken: a type stands for any value of it, a key that ends in
    `?` may be missing; nothing for a body that is taken.
    """
    if isinstance(wanted, type):
        fits = isinstance(given, wanted)
    elif isinstance(wanted, re.Pattern):
        fits = isinstance(given, str) and wanted.fullmatch(given) is not None
    elif isinstance(wanted, dict) and isinstance(given, dict):
        return _keys_differ(wanted, given, where)
    else:
        fits = wanted == given
    return "" if fits else f"{where} is {given!r}, not {wanted!r}"


def _keys_differ(wanted: Json, given: Json, where: str) -> str:
    known = {key.rstrip("?"): held for key, held in wanted.items()}
    if unknown := given.keys() - known.keys():
        return f"{where} has the unknown {sorted(unknown)}"
    needed = {key for key in wanted if not key.endswith("?")}
    if missing := needed - given.keys():
        return f"{where} lacks {sorted(missing)}"
    told = (differs(known[key], held, f"{where}.{key}") for key, held in given.items())
    return next(filter(None, told), "")


def _error(status: int, code: str, message: str) -> Reply:
    return Reply(status=status, body={"error": {"code": code, "message": message}})


def _call(method: str, target: str, raw: bytes, kind: str, azure: FakeAzure) -> Call:
    parts = urlsplit(target)
    spelled = unquote(parts.path)
    return Call(
        method=method,
        path=spelled.lower(),
        spelled=spelled,
        query={name: values[0] for name, values in parse_qs(parts.query).items()},
        body=json.loads(raw) if raw and "json" in kind else None,
        raw=raw,
        origin=azure.url,
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer leaves in one piece: two small ones wait for one another for 40 ms.
    wbufsize = -1
    disable_nagle_algorithm = True
    azure: ClassVar[FakeAzure]

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        call = _call(self.command, self.path, raw, self.headers.get("Content-Type", ""), self.azure)
        reply = self.azure.answer(call, dict(self.headers))
        if reply is None:
            self.close_connection = True
            return
        content = json.dumps(reply.body).encode() if reply.body is not None else b""
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815


@contextmanager
def serving(azure: FakeAzure) -> Iterator[FakeAzure]:
    """Serve on a free port of loopback."""
    handler = type("Handler", (_Handler,), {"azure": azure})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        azure.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield azure
        finally:
            server.shutdown()
            thread.join()


class _Direct(BaseAdapter):
    """Takes a client's calls without a socket between, for tests that make many thousands."""

    def __init__(self, azure: FakeAzure) -> None:
        super().__init__()
        self._azure = azure

    def send(self, request: requests.PreparedRequest, *_: Any, **_more: Any) -> requests.Response:
        """Answer, or break off."""
        body = request.body or b""
        raw = body.read() if hasattr(body, "read") else body
        assert isinstance(raw, bytes)
        kind = request.headers.get("Content-Type", "")
        call = _call(str(request.method), str(request.url), raw, kind, self._azure)
        reply = self._azure.answer(call, request.headers)
        if reply is None:
            raise requests.ConnectionError("the connection was cut")
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = BytesIO(json.dumps(reply.body).encode() if reply.body is not None else b"")
        return response

    def close(self) -> None:
        """Nothing to close."""


def direct(azure: FakeAzure) -> FakeAzure:
    """Serve without a socket."""
    azure.url = "https://management.azure.example"
    azure.by_socket = False
    return azure


def session_to(azure: FakeAzure) -> requests.Session:
    """A client's session to the service, however it serves."""
    session = requests.Session()
    session.trust_env = False
    if not azure.by_socket:
        session.mount(azure.url, _Direct(azure))
    return session


def zip_names(content: bytes) -> list[str]:
    """The names in a zip file."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return archive.namelist()
