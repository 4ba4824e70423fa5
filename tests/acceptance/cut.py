"""A POST whose connection is cut after the whole of it was sent, and whose answer nobody reads.

That is what a crash, a dropped connection or a time-out looks like to the service. The design of
the app rests on what the service does then: the restore may run, and its job's `activityId` is the
client request id of that POST, by which it is found.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_SECONDS = 30.0
_DRAINED_SECONDS = 1.0


def post_and_cut(
    url: str,
    body: Mapping[str, Any],
    *,
    client_request_id: str,
    token: Callable[[], str] | None,
) -> None:
    """Send a POST, make sure that it has left this machine, and reset the connection.

    Raises OSError when it could not be sent; the service may have got it nevertheless.
    """
    parts = urlsplit(url)
    headers = {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "x-ms-client-request-id": client_request_id,
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token()}"
    connection = _connection(parts.scheme, parts.netloc)
    try:
        connection.request("POST", f"{parts.path}?{parts.query}", json.dumps(body), headers)
        assert connection.sock is not None
        _drain(connection.sock)
        # A reset rather than an orderly end: nothing that came may look as if it had been read.
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    finally:
        connection.close()


def _connection(scheme: str, netloc: str) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    proxy = "" if proxy_bypass(netloc) else getproxies().get(scheme, "")
    if not proxy or scheme != "https":
        return kind(netloc, timeout=_SECONDS)
    through = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    connection = kind(through.netloc.rpartition("@")[2], timeout=_SECONDS)
    connection.set_tunnel(netloc)
    return connection


def _drain(connection: socket.socket) -> None:
    """Wait until the other side's machine has acknowledged every byte.

    A reset throws away what has not left yet, and the service would see half a request. Where the
    system does not tell, the longest wait is taken.
    """
    give_up = time.monotonic() + _DRAINED_SECONDS
    while time.monotonic() < give_up:
        if _unsent(connection) == 0:
            return
        time.sleep(0.01)


def _unsent(connection: socket.socket) -> int | None:
    """The bytes that have not been acknowledged (Linux), or None where that cannot be asked."""
    try:
        import fcntl  # noqa: PLC0415  (not on every system)
        import termios  # noqa: PLC0415

        answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    except (ImportError, OSError, AttributeError):
        return None
    (waiting,) = struct.unpack("i", answer)
    return int(waiting)
