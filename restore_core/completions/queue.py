"""Sends events to the completion queue, or to the reply queue that a request named.

An event for a reply queue that does not exist goes to the completion queue, so that it is not lost.
The guards decide which queues a request may name.
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
        """Take the queues of the account, and the completion queue's name."""
        self._queues = queues
        self._name = name
        self._encoding = encoding

    def send(self, event: str, *, reply_queue: str | None = None) -> None:
        """Put an event's text on the reply queue if one is given, else on the completion queue.

        Raises:
            StoreUnavailable: the event may or may not be on the queue; a copy has the same id.
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
