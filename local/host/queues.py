"""Queue triggers: how the host takes, renews, deletes and puts aside messages around a function.

A message is taken with a lease, which is renewed at half its length for as long as the function
runs. `visibilityTimeout` of host.json is only the wait after a failure. Message texts are read and
copied unchanged and decoded here, so that a text that cannot be decoded can still be put aside.
"""

import base64
import contextlib
import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.queue import QueueClient, QueueMessage

from local.host.accounts import HOST_CONNECTION, Account
from local.host.app import Function, Outcome
from local.host.binding_data import trigger_metadata
from local.host.patience import OnLoss, is_the_services_own, patiently
from local.host.protos import TypedData
from local.host.settings import QueueOptions, expand

logger = logging.getLogger("host.queues")

MINIMUM_POLLING_INTERVAL = 0.1
POISON_SUFFIX = "-poison"
POISON_SECONDS = 7 * 86400
"""How long a copy on a poison queue lives: seven days."""
LONGEST_QUEUE_NAME = 63
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")

Invoke = Callable[[TypedData, Mapping[str, TypedData]], "Future[Outcome]"]


class NotBase64Error(ValueError):
    """The text is not encoded as host.json says."""


@dataclass(frozen=True, kw_only=True)
class QueueAddress:
    """Where a queue is: the account, and the queue's name."""

    name: str
    account: Account

    @classmethod
    def of(cls, function: Function, environment: Mapping[str, str]) -> "QueueAddress":
        """Resolve the `queue_name` and `connection` of a trigger through the settings."""
        name = expand(str(function.trigger["queueName"]), environment)
        setting = str(function.trigger.get("connection") or HOST_CONNECTION)
        account = Account.of(setting, "queue", environment, user=function.name)
        return cls(name=name, account=account)

    def client(self, *, threads: int) -> QueueClient:
        """A client of the queue, for so many threads."""
        return self.account.queue(self.name, threads=threads)

    def poison(self) -> "QueueAddress | None":
        """Where messages go that nobody can process; a poison queue has none of its own."""
        name = self.name + POISON_SUFFIX
        if self.name.endswith(POISON_SUFFIX) or len(name) > LONGEST_QUEUE_NAME:
            return None
        return QueueAddress(name=name, account=self.account)


def polling_delay(empty_polls: int, *, maximum: float, jitter: float) -> float:
    """The wait after that many polls in a row without a message; `jitter` is 0.8 to 1.2."""
    if empty_polls <= 1:
        return min(MINIMUM_POLLING_INTERVAL, maximum)
    growth = jitter * 2.0 ** min(empty_polls - 2, 30)
    return min(MINIMUM_POLLING_INTERVAL * (1 + growth), maximum)


def decode(text: str, *, is_base64: bool) -> str:
    """The text that the function gets. White space in base64 is skipped.

    Raises:
        NotBase64Error: it is not encoded as host.json says.
        UnicodeDecodeError: it is encoded, but what is in it is no text.
    """
    if not is_base64:
        return text
    packed = _WHITE_SPACE.sub("", text)
    if len(packed) % 4:
        raise NotBase64Error
    try:
        content = base64.b64decode(packed, validate=True)
    except ValueError as error:  # letters beyond ASCII raise another one than the rest
        raise NotBase64Error from error
    return content.decode("utf-8")


class QueueListener:
    """Feeds one function from one queue until it is stopped."""

    def __init__(
        self,
        *,
        address: QueueAddress,
        options: QueueOptions,
        lease: int,
        invoke: Invoke,
        lost: OnLoss,
    ) -> None:
        self._address = address
        self._options = options
        self._lease = lease
        self._invoke = invoke
        self._lost = lost
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
            batch: list[QueueMessage] = []
            try:
                batch = patiently(self._take, pause=stop.wait)
                complaint = ""
            except ResourceNotFoundError:
                complaint = self._complain(complaint, "there is no such queue")
            except AzureError as error:
                if not is_the_services_own(error):
                    self._lost(error)
                    return
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
        except HttpResponseError as error:
            # Somebody else has it, or it is gone. If not, its lease runs out and it comes again.
            logger.info("message %s: %s: %s", message.id, type(error).__name__, error)
        except AzureError as error:
            self._lost(error)
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
        try:
            text = decode(message.content, is_base64=self._options.base64)
        except NotBase64Error:
            logger.error("message %s is not base64: not run", message.id)  # noqa: TRY400
            if self._poison is not None:
                self._bury(self._poison, message, receipt)
            return
        except UnicodeDecodeError as error:
            # The host cannot bind what the function takes, and counts that as a failed run.
            logger.error("message %s is base64 of no text: %s", message.id, error)  # noqa: TRY400
            self._fail(message, receipt)
            return
        succeeded, receipt = self._run(message, text, receipt)
        if succeeded:
            self._delete(message, receipt)
        else:
            self._fail(message, receipt)

    def _fail(self, message: QueueMessage, receipt: str) -> None:
        """Give a message back after a failure, or put it aside after the last one."""
        count = message.dequeue_count or 0
        if self._poison is None:
            # Left under its lease: with nowhere to put it, a release would spin.
            return
        if count >= self._options.max_dequeue_count:
            logger.error("message %s failed %d times", message.id, count)
            self._bury(self._poison, message, receipt)
            return
        self._hide(message, receipt, round(self._options.visibility_timeout))

    def _run(self, message: QueueMessage, text: str, receipt: str) -> tuple[bool, str]:
        """Run the function under the lease; each renewal changes the pop receipt."""
        future = self._invoke(TypedData(string=text), trigger_metadata(message, text))
        while True:
            try:
                return future.result(self._lease / 2).succeeded, receipt
            except TimeoutError:
                renewed = self._renew(message, receipt)
            if renewed is None:
                return future.result().succeeded, receipt
            receipt = renewed

    def _renew(self, message: QueueMessage, receipt: str) -> str | None:
        """The new pop receipt, or None when somebody else has the message."""
        try:
            return self._hide(message, receipt, self._lease)
        except HttpResponseError as error:
            logger.info("lease of %s: %s: %s", message.id, type(error).__name__, error)
            return None

    def _hide(self, message: QueueMessage, receipt: str, seconds: int) -> str:
        """Hide a message for so long; its new pop receipt."""
        updated = patiently(
            lambda: self._queue.update_message(
                message.id, pop_receipt=receipt, visibility_timeout=seconds
            )
        )
        return str(updated.pop_receipt)

    def _delete(self, message: QueueMessage, receipt: str) -> None:
        with contextlib.suppress(ResourceNotFoundError):  # a try before this one did it
            patiently(lambda: self._queue.delete_message(message.id, pop_receipt=receipt))

    def _bury(self, poison: QueueClient, message: QueueMessage, receipt: str) -> None:
        """Copy to the poison queue, then delete: a crash between the two doubles, never loses."""

        def copy() -> None:
            poison.send_message(message.content, time_to_live=POISON_SECONDS)

        try:
            patiently(copy)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another listener was faster
                patiently(poison.create_queue)
            patiently(copy)
        self._delete(message, receipt)
        logger.warning("message %s moved to %s", message.id, poison.queue_name)
