"""The floor: the same writes by the plain clients, with nothing decided in between.

Knows how to take and delete a message, and how to make the table writes that a trace of the app
shows: as many, of the same kinds, into the same tables, with bodies of the same size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from azure.data.tables import TableServiceClient, UpdateMode
from azure.storage.queue import QueueClient, QueueMessage

from bench.counting import Transaction
from bench.estate import Share
from bench.stage import REQUESTS
from local.closing import Closing
from restore_core.domain.ports import Message

_KEYS_AND_TYPES = 150
"""About what an entity's body holds beside its text."""


class Inbox(Closing):
    """The request queue as a host sees it; use it as a context manager."""

    def __init__(self, storage: str) -> None:
        """Make the client."""
        self._queue = QueueClient.from_connection_string(storage, REQUESTS)

    def close(self) -> None:
        """Close the clients."""
        self._queue.close()

    def put(self, text: str) -> None:
        """Put a message on the queue."""
        self._queue.send_message(text)

    def take(self) -> tuple[QueueMessage, Message]:
        """Take the next message, as it came and as the app gets it."""
        received = self._queue.receive_message(visibility_timeout=600)
        if received is None:
            raise LookupError("the queue is empty")
        message = Message(
            id=str(received.id),
            body=str(received.content).encode(),
            inserted_at=received.inserted_on or datetime.now(UTC),
        )
        return received, message

    def delete(self, received: QueueMessage) -> None:
        """Acknowledge a message."""
        self._queue.delete_message(received)


class Writer(Closing):
    """Makes the writes of a trace again, under other keys; use it as a context manager."""

    def __init__(self, storage: str, trace: Sequence[Transaction]) -> None:
        """Remember the table writes of the trace."""
        self._tables = TableServiceClient.from_connection_string(storage)
        self._clients: dict[str, Any] = {}
        self._writes = [
            one for one in trace if one.is_write and one.verb in {"insert", "replace", "merge"}
        ]
        for one in self._writes:
            self._clients[one.name] = self._tables.get_table_client(one.name)

    def close(self) -> None:
        """Close the clients."""
        self._tables.close()

    def __len__(self) -> int:
        return len(self._writes)

    def write(self, key: str) -> None:
        """Make them, in their order."""
        partition = hashlib.sha256(key.encode()).hexdigest()[:2]
        rows: dict[str, str] = {}
        for number, one in enumerate(self._writes):
            if one.verb == "insert":
                rows[one.name] = f"{key}-{number}"
            entity = {
                "PartitionKey": f"floor-{partition}",
                "RowKey": rows.get(one.name, key),
                "text": "x" * max(one.sent - _KEYS_AND_TYPES, 0),
            }
            if one.verb == "insert":
                self._clients[one.name].create_entity(entity)
            else:
                self._clients[one.name].upsert_entity(entity, mode=UpdateMode.REPLACE)


def post(session: requests.Session, arm: str, share: Share) -> None:
    """Send the restore call for a share, and nothing else."""
    item = share.item.replace(";", "%3B")
    answer = session.post(
        f"{arm}{item}/recoveryPoints/{share.point}/restore?api-version=2026-07-01",
        data=share.body(),
        headers={"Content-Type": "application/json"},
        timeout=60,
    )
    if answer.status_code != requests.codes.accepted:
        raise LookupError(f"the floor's restore call: {answer.status_code} {answer.text[:200]}")
