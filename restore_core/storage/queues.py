"""Sends texts to the queues of the storage account."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, ResourceNotFoundError

from restore_core.errors import StoreUnavailable
from restore_core.settings import Storage

if TYPE_CHECKING:
    from azure.storage.queue import QueueClient, QueueServiceClient

_FOREVER = -1
_SECONDS = 20


class QueueMissing(StoreUnavailable):
    """There is no queue of that name."""


class Queues:
    """Sends to queues. Safe to share between threads."""

    def __init__(self, make_service: Callable[[], QueueServiceClient]) -> None:
        """Take a function that makes the client, its retries off, since a later step sends again.

        It is called at the first send, so that a cold start does not load a library that only the
        end of a request needs.
        """
        self._make_service = make_service
        self._lock = threading.Lock()
        self._service: QueueServiceClient | None = None
        self._clients: dict[str, QueueClient] = {}

    @classmethod
    def open(cls, storage: Storage, credential: TokenCredential | None) -> Self:
        """Remember how to make the client; `credential` is for storage that is given by URI."""
        return cls(lambda: _service(storage, credential))

    def send(self, name: str, text: str) -> None:
        """Put a text on a queue, where it stays until it is read.

        Raises:
            QueueMissing: there is no such queue; nothing was sent.
            StoreUnavailable: the text may or may not be on the queue.
        """
        client = self._client(name)
        try:
            client.send_message(text, time_to_live=_FOREVER)
        except ResourceNotFoundError as error:
            raise QueueMissing(f"there is no queue {name}") from error
        except AzureError as error:
            raise StoreUnavailable(f"the queue {name}: {type(error).__name__}") from error

    def _client(self, name: str) -> QueueClient:
        with self._lock:
            if self._service is None:
                self._service = self._make_service()
            client = self._clients.get(name)
            if client is None:
                client = self._clients[name] = self._service.get_queue_client(name)
            return client


def _service(storage: Storage, credential: TokenCredential | None) -> QueueServiceClient:
    from azure.storage.queue import QueueServiceClient  # noqa: PLC0415  (see above)

    limits: dict[str, Any] = {
        "retry_total": 0,
        "connection_timeout": _SECONDS,
        "read_timeout": _SECONDS,
    }
    if storage.connection_string:
        return QueueServiceClient.from_connection_string(storage.connection_string, **limits)
    return QueueServiceClient(storage.queue_uri, credential=credential, **limits)


class RequestQueue:
    """Sends to the queue that requests come from. Safe to share between threads."""

    def __init__(self, queues: Queues, name: str) -> None:
        """Take the queues of the account, and the request queue's name."""
        self._queues = queues
        self._name = name

    def send(self, text: str) -> None:
        """Put a message on the queue.

        Raises:
            StoreUnavailable: the message may or may not be on the queue; sent twice, it is still
                one request.
        """
        self._queues.send(self._name, text)
