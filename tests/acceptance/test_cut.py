"""The POST whose connection is cut: the whole of it arrives, and nobody waits for an answer."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.acceptance.cut import post_and_cut

BODY = {"properties": {"filler": "x" * 200_000}}


@dataclass
class Listener:
    """Takes one connection and reads until it ends."""

    server: socket.socket
    received: bytes = b""
    ended_by: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.getsockname()[1]}/restore?api-version=1"

    def serve(self) -> None:
        """Take the connection."""
        connection, _ = self.server.accept()
        with connection:
            connection.settimeout(10)
            self.ended_by = "end"
            try:
                while piece := connection.recv(65536):
                    self.received += piece
            except ConnectionResetError:
                self.ended_by = "reset"
        self.done.set()


@pytest.fixture
def listener() -> Iterator[Listener]:
    """A server that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server=server)
        thread = threading.Thread(target=listener.serve)
        thread.start()
        yield listener
        thread.join(10)


def test_the_whole_request_arrives_and_the_connection_is_reset(listener: Listener) -> None:
    post_and_cut(listener.url, BODY, client_request_id="an-id", token=lambda: "a-token")
    assert listener.done.wait(10)
    head, _, body = listener.received.partition(b"\r\n\r\n")
    assert json.loads(body) == BODY
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /restore?api-version=1 HTTP/1.1"
    assert "x-ms-client-request-id: an-id" in lines
    assert "Authorization: Bearer a-token" in lines
    assert f"Content-Length: {len(body)}" in lines
    assert listener.ended_by == "reset"


def test_an_endpoint_that_is_not_there_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OSError, match="refused"):
        post_and_cut(f"http://127.0.0.1:{port}/", {}, client_request_id="x", token=None)
