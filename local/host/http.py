"""HTTP triggers: a server on the loopback interface.

Function keys are not asked for. A known path with another method is answered 404, as on Azure.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from local.host.app import Function, Outcome
from local.host.protos import TypedData
from local.host.routes import Reply, Route, reply_of, request_of

logger = logging.getLogger("host.http")

LARGEST_BODY = 100 * 1024 * 1024

Invoke = Callable[[Function, TypedData, str], "Future[Outcome]"]


class HttpListener:
    """Serves the HTTP functions of an app."""

    def __init__(self, *, routes: Sequence[Route], port: int, invoke: Invoke) -> None:
        # Literal paths come before paths with parameters.
        self.routes = sorted(routes, key=lambda route: route.parameters)
        self.invoke = invoke
        self._changed = threading.Condition()
        self._running = 0
        self._stopping = False
        self._server = _Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def listen(self) -> None:
        """Serve until `stop`."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        """Take no more requests, on open connections neither."""
        with self._changed:
            self._stopping = True
        self._server.shutdown()

    def finish(self, seconds: float) -> bool:
        """Wait for the requests in work; whether all were answered in time."""
        with self._changed:
            done = self._changed.wait_for(lambda: self._running == 0, seconds)
        self._server.server_close()
        return done

    def enter(self) -> bool:
        """Count a request in, unless the host is stopping."""
        with self._changed:
            self._running += not self._stopping
            return not self._stopping

    def leave(self) -> None:
        """Count a request out, its answer written."""
        with self._changed:
            self._running -= 1
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # An idle connection would hold up the end otherwise; requests in work are counted.
    block_on_close = False
    # The default, 5, drops the connections of clients that come at once; each then waits a second.
    request_queue_size = 1024

    def __init__(self, listener: HttpListener, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.listener = listener


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        listener = self.server.listener
        if not listener.enter():
            self.close_connection = True
            self._send(Reply(status=HTTPStatus.SERVICE_UNAVAILABLE))
            return
        try:
            self._send(self._answer(listener))
        finally:
            listener.leave()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle  # noqa: N815

    def _answer(self, listener: HttpListener) -> Reply:
        body = self._body()
        if isinstance(body, Reply):
            self.close_connection = True
            return body
        path = urlsplit(self.path).path
        for route in listener.routes:
            params = route.match(self.command, path)
            if params is None:
                continue
            request = request_of(
                method=self.command,
                url=f"http://{self.headers.get('Host', 'localhost')}{self.path}",
                headers=self._headers(),
                params=params,
                body=body,
            )
            traceparent = self.headers.get("traceparent", "")
            outcome = listener.invoke(route.function, request, traceparent).result()
            if not outcome.succeeded:
                return Reply(status=HTTPStatus.INTERNAL_SERVER_ERROR)
            return reply_of(outcome.returned)
        return Reply(status=HTTPStatus.NOT_FOUND)

    def _headers(self) -> dict[str, str]:
        names = {name.lower() for name in self.headers}
        return {name: ", ".join(self.headers.get_all(name, [])) for name in names}

    def _body(self) -> bytes | Reply:
        if "Transfer-Encoding" in self.headers:
            return Reply(status=HTTPStatus.LENGTH_REQUIRED)
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            return Reply(status=HTTPStatus.BAD_REQUEST)
        if int(length) > LARGEST_BODY:
            return Reply(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.rfile.read(int(length))

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        if reply.status >= 200 and reply.status not in (204, 304):
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and reply.status not in (204, 304):
            self.wfile.write(reply.body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 (the base's name)
        """Requests that reach a function are logged with it."""
        logger.debug(format, *arguments)
