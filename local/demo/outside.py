"""The app from outside: its queues and tables, read and written without the app's own code."""

from __future__ import annotations

import json
from typing import Any

from local.closing import Closing
from local.storage import queues_of, tables_of

REQUESTS, COMPLETIONS = "restore-requests", "restore-completions"
RECORDS, WORK_LIST = "restores", "openrestores"


class Outside(Closing):
    """Sends requests, looks at their records and takes completions; use it as a context manager."""

    def __init__(self, connection_string: str) -> None:
        """Make the clients; nothing is asked yet."""
        self._queues = queues_of(connection_string)
        self._tables = tables_of(connection_string)
        self._requests = self._queues.get_queue_client(REQUESTS)
        self._completions = self._queues.get_queue_client(COMPLETIONS)

    def close(self) -> None:
        """Close the clients."""
        self._queues.close()
        self._tables.close()

    def send(self, text: str) -> str:
        """Put a message on the request queue and return its id."""
        return str(self._requests.send_message(text, time_to_live=-1).id)

    def phases(self) -> dict[str, tuple[str, str]]:
        """The phase of each request, and what it waits for (mostly nothing)."""
        records = self._tables.get_table_client(RECORDS).list_entities(
            select=["requestId", "phase", "waitingFor"]
        )
        return {
            record["requestId"]: (record["phase"], record.get("waitingFor") or "")
            for record in records
        }

    def events(self) -> list[dict[str, Any]]:
        """Take the completions that have come."""
        taken = []
        for message in self._completions.receive_messages():
            taken.append(json.loads(message.content))
            self._completions.delete_message(message)
        return taken

    def left(self) -> tuple[int, int]:
        """How many messages are on the request queue, and how many rows on the work list."""
        messages = self._requests.get_queue_properties().approximate_message_count
        rows = self._tables.get_table_client(WORK_LIST).list_entities(select=["RowKey"])
        return messages or 0, len(list(rows))
