"""A gate in front of Azurite: open, it passes everything on; shut, it refuses every connection.

Azurite itself cannot be the one to refuse: ended, it would lose what it holds in memory, and
frozen, it still takes connections, which hosts survive.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Coroutine
from functools import partial
from types import TracebackType
from typing import Any, Self

_CHUNK = 65536
_SECONDS = 30.0


class Gate:
    """Stands in front of all endpoints of a connection string; use it as a context manager."""

    def __init__(self, connection_string: str) -> None:
        self._ports: dict[int, int] = {}
        self.connection_string = re.sub(
            r"http://127\.0\.0\.1:(\d+)", self._beside, connection_string
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gate", daemon=True)
        self._servers: list[asyncio.Server] = []
        self._passing: set[asyncio.StreamWriter] = set()
        self._reserved: dict[int, socket.socket] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()
        for reserved in self._reserved.values():
            reserved.close()

    def open(self) -> None:
        """Let everything through."""
        self._call(self._open())

    def shut(self) -> None:
        """Break every connection, and refuse new ones until it is opened."""
        self._call(self._shut())

    def _beside(self, found: re.Match[str]) -> str:
        behind = int(found[1])
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", 0))
            before = int(free.getsockname()[1])
        self._ports[before] = behind
        return f"http://127.0.0.1:{before}"

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _open(self) -> None:
        for before, behind in self._ports.items():
            if reserved := self._reserved.pop(before, None):
                reserved.close()
            self._servers.append(
                await asyncio.start_server(
                    partial(self._serve, port=behind),
                    "127.0.0.1",
                    before,
                )
            )

    async def _shut(self) -> None:
        for server in self._servers:
            server.close()
        self._servers = []
        for writer in list(self._passing):
            writer.transport.abort()
        for before in self._ports:
            # A port that is bound and does not listen refuses, and nobody else can take it.
            reserved = socket.socket()
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", before))
            self._reserved[before] = reserved

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int
    ) -> None:
        try:
            behind, onward = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.transport.abort()
            return
        self._passing |= {writer, onward}
        try:
            await asyncio.gather(_pass(reader, onward), _pass(behind, writer))
        finally:
            self._passing -= {writer, onward}
            for each in (writer, onward):
                each.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
