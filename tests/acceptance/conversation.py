"""Talking to the deployed app as a sender and a reader do: by its two queues.

A message that is sent again with the same request id starts nothing: the app sends its event once
more. So a run that is started again sends what it sent before, and misses nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient, QueueServiceClient

from tests.acceptance.journal import Journal
from tests.acceptance.pace import Pace

Json = dict[str, Any]
REQUESTS, COMPLETIONS = "restore-requests", "restore-completions"
_ROLE_SECONDS = 15 * 60.0
_FORBIDDEN = 403


def _allowed(do: Callable[[], object]) -> bool:
    """Do something; False after a refusal (403), since the role may be on its way. Whoever waits
    for it gives up in the end.
    """
    try:
        do()
    except HttpResponseError as error:
        if error.status_code != _FORBIDDEN:
            raise
        return False
    return True


class Conversation:
    """The queues of one app; use `close` when it is over."""

    def __init__(
        self,
        queues: QueueServiceClient,
        *,
        journal: Journal,
        pace: Pace,
        names: tuple[str, str] = (REQUESTS, COMPLETIONS),
    ) -> None:
        """`names` are the queues of requests and of events."""
        self._queues = queues
        self._journal = journal
        self._pace = pace
        self._requests: QueueClient = queues.get_queue_client(names[0])
        self._completions: QueueClient = queues.get_queue_client(names[1])

    def close(self) -> None:
        """Close the connections."""
        self._queues.close()

    def send(self, message: Mapping[str, Any]) -> None:
        """Put a message on the request queue, for as long as it takes to be read.

        A role that has just been given is not known everywhere at once: 403 is waited for.
        """
        text = json.dumps(message)

        def look() -> bool | None:
            sent = _allowed(lambda: self._requests.send_message(text, time_to_live=-1))
            return True if sent else None

        self._pace.wait_for(
            look, what="the right to send messages", seconds=_ROLE_SECONDS, every=15
        )

    def end_of(self, request_id: str, *, seconds: float) -> Json:
        """Wait for the end of a request; its data."""

        def look() -> Json | None:
            _allowed(self._take)
            found = self._journal.events(request_id)
            return found[-1]["data"] if found else None

        return self._pace.wait_for(
            look, what=f"the end of request {request_id}", seconds=seconds, every=5
        )

    def _take(self) -> None:
        """Take what has come. Each event is kept in the journal before it leaves the queue."""
        for message in self._completions.receive_messages(messages_per_page=32):
            event = json.loads(message.content)
            if isinstance(event, dict) and "subject" in event:
                self._journal.keep_event(event)
            self._completions.delete_message(message)
