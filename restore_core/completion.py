"""The completion queue.

Knows how to put an event on the queue, plain or base64. Refuses to know what events say.
"""

from __future__ import annotations

import base64
from typing import Any, Literal, Self

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from restore_core.errors import StoreUnavailable
from restore_core.settings import Storage

_FOREVER = -1
_SECONDS = 20


class CompletionQueue:
    """Sends events. Safe to share between threads."""

    def __init__(self, queue: QueueClient, *, encoding: Literal["none", "base64"]) -> None:
        """Take a client whose own retries are off: whoever sends will come again."""
        self._queue = queue
        self._encoding = encoding

    @classmethod
    def open(
        cls,
        storage: Storage,
        name: str,
        credential: TokenCredential | None,
        *,
        encoding: Literal["none", "base64"],
    ) -> Self:
        """Make the client; `credential` is for storage that is given by URI."""
        limits: dict[str, Any] = {
            "retry_total": 0,
            "connection_timeout": _SECONDS,
            "read_timeout": _SECONDS,
        }
        if storage.connection_string:
            queue = QueueClient.from_connection_string(storage.connection_string, name, **limits)
        else:
            queue = QueueClient(storage.queue_uri, name, credential=credential, **limits)
        return cls(queue, encoding=encoding)

    def send(self, event: str) -> None:
        """Put an event's text on the queue, to stay until it is read.

        Raises:
            StoreUnavailable: it may or may not stand there; consumers know copies by their id.
        """
        text = event
        if self._encoding == "base64":
            text = base64.b64encode(event.encode()).decode("ascii")
        try:
            self._queue.send_message(text, time_to_live=_FOREVER)
        except AzureError as error:
            raise StoreUnavailable(f"the completion queue: {type(error).__name__}") from error
