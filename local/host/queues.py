"""Queue triggers: what the host does with a queue around the calls of a function.

A message is taken with a lease, which is renewed at half its length for as long as the function
runs. `visibilityTimeout` of host.json is something else: the wait after a failure. Message texts
are read and copied as they stand; decoding is done here, so that a text that does not decode can
still be put aside unchanged.
"""

import base64
import binascii
import contextlib
import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.queue import QueueClient, QueueMessage
from requests.adapters import HTTPAdapter

from local.host.app import Function, Outcome
from local.host.protos import TypedData
from local.host.settings import QueueOptions, SettingsError, expand
from local.storage import connection_string

logger = logging.getLogger("host.queues")

MINIMUM_POLLING_INTERVAL = 0.1
POISON_SUFFIX = "-poison"
LONGEST_QUEUE_NAME = 63
_DELETE_PAUSES = (0.2, 1.0)
_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)

Invoke = Callable[[TypedData, Mapping[str, TypedData]], "Future[Outcome]"]


@dataclass(frozen=True, kw_only=True)
class QueueAddress:
    """Where a queue is: the account's connection string, or its endpoint and an identity."""

    name: str
    connection: str | None = None
    service_uri: str | None = None
    client_id: str | None = None

    @classmethod
    def of(cls, function: Function, environment: Mapping[str, str]) -> "QueueAddress":
        """Resolve the `queue_name` and `connection` of a trigger through the settings."""
        name = expand(str(function.trigger["queueName"]), environment)
        setting = str(function.trigger.get("connection") or "AzureWebJobsStorage")
        for key in (f"AzureWebJobs{setting}", setting):
            connection = environment.get(key, "").strip()
            if connection.rstrip(";") == "UseDevelopmentStorage=true":
                connection = connection_string(
                    blob="http://127.0.0.1:10000",
                    queue="http://127.0.0.1:10001",
                    table="http://127.0.0.1:10002",
                )
            if connection:
                return cls(name=name, connection=connection)
            uri = environment.get(f"{key}__queueServiceUri", "").strip()
            if uri:
                client_id = environment.get(f"{key}__clientId", "").strip() or None
                return cls(name=name, service_uri=uri, client_id=client_id)
        raise SettingsError(
            function.name, [f"no connection: set {setting} or {setting}__queueServiceUri"]
        )

    def client(self, *, threads: int) -> QueueClient:
        """A client for `threads` threads that never retries by itself: polling does."""
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(pool_maxsize=threads))
        options: dict[str, Any] = {
            "retry_total": 0,
            "transport": RequestsTransport(session=session, session_owner=False),
        }
        if self.connection is not None:
            return QueueClient.from_connection_string(self.connection, self.name, **options)
        credential = DefaultAzureCredential(managed_identity_client_id=self.client_id)
        return QueueClient(str(self.service_uri), self.name, credential=credential, **options)

    def poison(self) -> "QueueAddress | None":
        """Where messages go that nobody can process; a poison queue has none of its own."""
        name = self.name + POISON_SUFFIX
        if self.name.endswith(POISON_SUFFIX) or len(name) > LONGEST_QUEUE_NAME:
            return None
        return QueueAddress(
            name=name,
            connection=self.connection,
            service_uri=self.service_uri,
            client_id=self.client_id,
        )


def polling_delay(empty_polls: int, *, maximum: float, jitter: float) -> float:
    """The wait after that many polls in a row without a message; `jitter` is 0.8 to 1.2."""
    if empty_polls <= 1:
        return min(MINIMUM_POLLING_INTERVAL, maximum)
    growth = jitter * 2.0 ** min(empty_polls - 2, 30)
    return min(MINIMUM_POLLING_INTERVAL * (1 + growth), maximum)


def decode(text: str, *, is_base64: bool) -> str | None:
    """The text that the function gets, or None when it is not encoded as host.json says."""
    if not is_base64:
        return text
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def trigger_metadata(message: QueueMessage, text: str) -> Mapping[str, TypedData]:
    """What the host tells beside the text. Texts are sent as such, all else as JSON."""

    def moment(value: datetime | None) -> TypedData:
        return TypedData(json=json.dumps((value or _NEVER).isoformat()))

    return {
        "QueueTrigger": TypedData(string=text),
        "Id": TypedData(string=message.id),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count)),
        "InsertionTime": moment(message.inserted_on),
        "ExpirationTime": moment(message.expires_on),
        "NextVisibleTime": moment(message.next_visible_on),
    }


class QueueListener:
    """Feeds one function from one queue until it is stopped."""

    def __init__(
        self,
        *,
        address: QueueAddress,
        options: QueueOptions,
        lease: int,
        invoke: Invoke,
    ) -> None:
        self._address = address
        self._options = options
        self._lease = lease
        self._invoke = invoke
        # A thread for each message that may be in work: it waits, renews and settles.
        threads = options.batch_size + options.new_batch_threshold
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=address.name)
        self._queue = address.client(threads=threads + 1)
        poison = address.poison()
        self._poison = poison.client(threads=threads) if poison else None
        self._changed = threading.Condition()
        self._running = 0

    def listen(self, stop: threading.Event) -> None:
        """Take and run messages until `stop`; those in work go on."""
        empty_polls = 0
        complaint = ""
        while not stop.is_set():
            try:
                batch = self._take()
                complaint = ""
            except ResourceNotFoundError:
                batch = []
                complaint = self._complain(complaint, "there is no such queue")
            except AzureError as error:
                batch = []
                complaint = self._complain(complaint, f"{type(error).__name__}: {error}")
            if not batch:
                empty_polls += 1
                maximum = self._options.max_polling_interval
                jitter = random.uniform(0.8, 1.2)  # noqa: S311 (spreads polls, guards nothing)
                stop.wait(polling_delay(empty_polls, maximum=maximum, jitter=jitter))
                continue
            empty_polls = 0
            with self._changed:
                self._running += len(batch)
            for message in batch:
                self._threads.submit(self._work, message)
            self._await_room(stop)

    def finish(self, seconds: float) -> bool:
        """Wait for the messages in work; whether all were settled in time."""
        self._threads.shutdown(wait=False)
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    def _take(self) -> list[QueueMessage]:
        size = self._options.batch_size
        pages = self._queue.receive_messages(
            messages_per_page=size, max_messages=size, visibility_timeout=self._lease
        ).by_page()
        return list(next(pages, []))

    def _complain(self, before: str, now: str) -> str:
        if now != before:  # a long outage is one line, not one per poll
            logger.warning("queue %s: %s", self._address.name, now)
        return now

    def _await_room(self, stop: threading.Event) -> None:
        """A new batch is taken when no more than `newBatchThreshold` messages are in work."""
        threshold = self._options.new_batch_threshold
        with self._changed:
            while self._running > threshold and not stop.is_set():
                self._changed.wait(0.2)

    def _work(self, message: QueueMessage) -> None:
        try:
            self._process(message)
        except AzureError as error:
            # Nothing is lost: the lease runs out and the message comes again.
            logger.warning("message %s: %s: %s", message.id, type(error).__name__, error)
        except Exception:
            logger.exception("message %s", message.id)
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    def _process(self, message: QueueMessage) -> None:
        limit = self._options.max_dequeue_count
        count = message.dequeue_count or 0
        receipt = str(message.pop_receipt)
        if count > limit and self._poison is not None:
            logger.error("message %s was taken %d times: not run", message.id, count)
            self._bury(self._poison, message, receipt)
            return
        text = decode(message.content, is_base64=self._options.base64)
        if text is None:
            logger.error("message %s is not base64 of UTF-8: not run", message.id)
            if self._poison is not None:
                self._bury(self._poison, message, receipt)
            return
        outcome, receipt = self._run(message, text, receipt)
        if outcome.succeeded:
            self._delete(message, receipt)
            return
        if self._poison is None:
            # Left under its lease: with nowhere to put it, a release would spin.
            return
        if count >= limit:
            logger.error("message %s failed %d times", message.id, count)
            self._bury(self._poison, message, receipt)
            return
        pause = round(self._options.visibility_timeout)
        self._queue.update_message(message.id, pop_receipt=receipt, visibility_timeout=pause)

    def _run(self, message: QueueMessage, text: str, receipt: str) -> tuple[Outcome, str]:
        """Run the function under the lease; each renewal changes the pop receipt."""
        future = self._invoke(TypedData(string=text), trigger_metadata(message, text))
        wait = self._lease / 2
        while True:
            try:
                return future.result(wait), receipt
            except TimeoutError:
                renewed = self._renew(message, receipt)
            # A renewal that failed is tried again while the lease still holds: the function
            # cannot be recalled.
            wait = self._lease / (2 if renewed else 8)
            receipt = renewed or receipt

    def _renew(self, message: QueueMessage, receipt: str) -> str | None:
        """The new pop receipt, or None when the lease could not be renewed."""
        try:
            renewed = self._queue.update_message(
                message.id, pop_receipt=receipt, visibility_timeout=self._lease
            )
        except AzureError as error:
            logger.warning("lease of %s: %s: %s", message.id, type(error).__name__, error)
            return None
        return str(renewed.pop_receipt)

    def _delete(self, message: QueueMessage, receipt: str) -> None:
        """Delete a message, again when a connection breaks, as the client of the real host does."""
        for pause in _DELETE_PAUSES:
            with contextlib.suppress(ServiceRequestError, ServiceResponseError):
                self._queue.delete_message(message.id, pop_receipt=receipt)
                return
            time.sleep(pause)
        self._queue.delete_message(message.id, pop_receipt=receipt)

    def _bury(self, poison: QueueClient, message: QueueMessage, receipt: str) -> None:
        """Copy to the poison queue, then delete: a crash between the two doubles, never loses."""
        try:
            poison.send_message(message.content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another listener was faster
                poison.create_queue()
            poison.send_message(message.content)
        self._delete(message, receipt)
        logger.warning("message %s moved to %s", message.id, poison.queue_name)
