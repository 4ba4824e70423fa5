"""The sockets: reads calls, writes answers, and breaks both as the faults demand."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from local.vault.replies import Call, Reply
from local.vault.striking import Delivery

_KNOWN_QUERY = {"$filter": "$filter", "$skiptoken": "$skipToken", "api-version": "api-version"}
_MAX_BODY = 4 * 2**20  # ARM's own limit of a request
_DRIP_PIECES = 40


class Server(ThreadingHTTPServer):
    """A loopback server that hands each call to `answer` and ends its connections with itself."""

    daemon_threads = True
    request_queue_size = 1024

    def __init__(
        self,
        port: int,
        answer: Callable[[Call], Delivery],
        tls: ssl.SSLContext | None,
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.answer = answer
        self.scheme = "http" if tls is None else "https"
        self.stopping = threading.Event()
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; a TLS handshake is left to the connection's own thread."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            connection = self._tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        with self._changed:
            self._open.add(connection)
        return connection, address

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401
        """Close a connection and forget it."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(request)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that went away is no news; any other error is a mistake of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def end(self) -> None:
        """Stop serving, cut every connection and wait (two seconds) for their threads."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._changed:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # closed by its thread meanwhile
            self._changed.wait_for(lambda: not self._open, timeout=2)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_args: object) -> None:
        """Say nothing: the emulator keeps a log of its own."""

    def _handle(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or "Transfer-Encoding" in self.headers:
            self._send(Reply(status=411, close=True))
            return
        if int(length) > _MAX_BODY:
            self._send(Reply(status=413, close=True))
            return
        body = self.rfile.read(int(length))
        path, _, query = self.path.partition("?")
        host = self.headers.get("Host") or "{}:{}".format(*self.server.server_address[:2])
        call = Call(
            method=self.command,
            path=path,
            raw_query=query,
            query={
                _KNOWN_QUERY.get(name.lower(), name): value
                for name, value in parse_qsl(query, keep_blank_values=True)
            },
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            origin=f"{self.server.scheme}://{host}",
        )
        self._deliver(self.server.answer(call))

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = _handle  # noqa: N815

    def _deliver(self, delivery: Delivery) -> None:
        if delivery.hang_seconds is not None:
            self.server.stopping.wait(delivery.hang_seconds)
        if delivery.reply is None:
            self._cut()
        elif delivery.cut is not None:
            content = self._render(delivery.reply)
            keep = len(content) // 2 if delivery.cut < 0 else delivery.cut
            self.wfile.write(content[:keep])
            self.close_connection = True
        elif delivery.drip_seconds:
            self._drip(self._render(delivery.reply), delivery.drip_seconds)
        else:
            self._send(delivery.reply)

    def _send(self, reply: Reply) -> None:
        self.wfile.write(self._render(reply))

    def _drip(self, content: bytes, seconds: float) -> None:
        size = max(1, len(content) // _DRIP_PIECES)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        for piece in pieces:
            self.wfile.write(piece)
            if self.server.stopping.wait(seconds / len(pieces)):
                break
        self.close_connection = True

    def _render(self, reply: Reply) -> bytes:
        try:
            phrase = HTTPStatus(reply.status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {reply.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        if reply.header("Date") is None:
            lines.append(f"Date: {formatdate(usegmt=True)}")
        if reply.status != HTTPStatus.NO_CONTENT and reply.header("Content-Length") is None:
            lines.append(f"Content-Length: {len(reply.body)}")
        if reply.close:
            lines.append("Connection: close")
            self.close_connection = True
        body = b"" if self.command == "HEAD" or reply.status == 204 else reply.body
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    def _cut(self) -> None:
        """Send a reset: the client cannot take it for an orderly end."""
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        os.close(self.connection.detach())
