"""A loopback server that answers just as the test says, down to single bytes.

It knows HTTP/1.1 and no Azure at all: the vault emulator behaves, this one misbehaves.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.client import parse_headers
from typing import Any, Literal, cast

DATE = "Sun, 22 Nov 2026 08:00:00 GMT"


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request as it came."""

    method: str
    target: str
    """Path and query, as sent."""
    headers: Message
    body: bytes
    connection: int
    """The number of its connection, from 0."""

    @property
    def path(self) -> str:
        """The path alone."""
        return self.target.partition("?")[0]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. `raw` replaces all of it; `end` says what becomes of the connection.

    `drip` sends it byte by byte with that many seconds between; `stall` sends so many bytes and
    then nothing for ever.
    """

    status: int = 200
    body: object = None
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None
    drip: float = 0
    stall: int | None = None
    end: Literal["keep", "close", "reset", "hang"] = "keep"

    def bytes(self) -> bytes:
        """Write it down."""
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else b""
        if self.body is not None and not isinstance(self.body, bytes):
            body = json.dumps(self.body).encode()
        given = {name.casefold() for name, _ in self.headers}
        lines = [f"HTTP/1.1 {self.status} Scripted"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if "date" not in given:
            lines.append(f"Date: {DATE}")
        if "content-length" not in given and self.status != 204:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


Answering = Callable[[Call], Reply]


def in_turn(*replies: Reply) -> Answering:
    """Give these answers one after the other, the last one for ever."""
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def by_path(replies: Mapping[str, Reply]) -> Answering:
    """Give the answer of the first entry that the path and query end with, or hold after `?`."""

    def answer(call: Call) -> Reply:
        for ending, reply in replies.items():
            if ending in call.target:
                return reply
        return Reply(status=404, body={})

    return answer


@dataclass
class ArmServer:
    """A running server; `calls` grows as it is called."""

    port: int
    answer: Answering
    tls: bool = False
    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    stopping: threading.Event = field(default_factory=threading.Event)
    silent: threading.Event = field(default_factory=threading.Event)
    """Set when an answer has begun that nothing more will come of."""
    closed: threading.Event = field(default_factory=threading.Event)
    """Set when a connection was closed."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def origin(self) -> str:
        """Its endpoint."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def tokens(self) -> list[str | None]:
        """The `Authorization` of each call."""
        return [call.headers["Authorization"] for call in self.calls]


@contextlib.contextmanager
def serving(answer: Answering | Reply, *, tls: ssl.SSLContext | None = None) -> Iterator[ArmServer]:
    """Serve on a free port of this machine."""
    answering = answer if not isinstance(answer, Reply) else in_turn(answer)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.tls = tls
        server.arm = ArmServer(port=server.server_address[1], answer=answering, tls=tls is not None)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.arm
        finally:
            server.arm.stopping.set()
            server.shutdown()
            server.cut()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = True
    allow_reuse_address = True
    # The default, 5, is fewer than the threads that connect at once in a test. What does not fit
    # is dropped by the kernel and comes again after a second, later than most limits here.
    request_queue_size = 128
    arm: ArmServer
    tls: ssl.SSLContext | None = None

    def __init__(self, *arguments: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)
        self.arm.closed.set()

    def cut(self) -> None:
        """End what clients keep open."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or dislikes the certificate, is no news."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        connection = cast("socket.socket", self.request)
        if self.server.tls is not None:
            with self.server.tls.wrap_socket(connection, server_side=True) as wrapped:
                self._serve(wrapped)
        else:
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        arm = self.server.arm
        with arm.lock:
            number = arm.connections
            arm.connections += 1
        with connection.makefile("rb") as reading:
            while line := reading.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers = parse_headers(reading)
                body = reading.read(int(headers["Content-Length"] or 0))
                call = Call(
                    method=method, target=target, headers=headers, body=body, connection=number
                )
                arm.calls.append(call)
                if not self._reply(connection, arm.answer(call)):
                    return

    def _reply(self, connection: socket.socket, reply: Reply) -> bool:
        """Send an answer; false when the connection is at its end."""
        arm = self.server.arm
        content = reply.bytes()
        pieces = [content[at : at + 1] for at in range(len(content))] if reply.drip else []
        for piece in pieces or [content[: reply.stall]]:
            connection.sendall(piece)
            if reply.drip and arm.stopping.wait(reply.drip):
                return False
        if reply.end == "hang" or reply.stall is not None:
            arm.silent.set()
            arm.stopping.wait()
        elif reply.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        return reply.end == "keep" and reply.stall is None
