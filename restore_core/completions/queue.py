"""Where events go: the completion queue, or the one that a request named and may use.

Knows the encoding, and that an event goes to the completion queue rather than nowhere. Refuses to
know what events say, and which queues a request may name.
"""

from __future__ import annotations

import base64
import logging
from typing import Literal

from restore_core.storage.queues import QueueMissing, Queues

_log = logging.getLogger(__name__)


class CompletionQueue:
    """Sends events. Safe to share between threads."""

    def __init__(self, queues: Queues, name: str, *, encoding: Literal["none", "base64"]) -> None:
        """Take the queues of the account, and the name of the one for events."""
        self._queues = queues
        self._name = name
        self._encoding = encoding

    def send(self, event: str, *, reply_queue: str | None = None) -> None:
        """Put an event's text on the completion queue, or on the one that the request named.

        An event for a queue that does not exist goes to the completion queue.

        Raises:
            StoreUnavailable: it may or may not stand there; consumers know copies by their id.
        """
        text = event
        if self._encoding == "base64":
            text = base64.b64encode(event.encode()).decode("ascii")
        if reply_queue is not None:
            try:
                self._queues.send(reply_queue, text)
            except QueueMissing as error:
                _log.error("%s: the event goes to %s", error, self._name)
            else:
                return
        self._queues.send(self._name, text)
