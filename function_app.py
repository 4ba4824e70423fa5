"""The triggers. Everything they do is in `restore_core`; nothing else knows the Functions host."""

import functools
import os
from datetime import UTC, datetime

import azure.functions as func

from restore_core.ports import Message
from restore_core.reconciler import Reconciler
from restore_core.wiring import build

app = func.FunctionApp()


@functools.cache
def engine() -> Reconciler:
    """Build the engine at first use: an app whose settings are wrong still loads, and says so."""
    return build(os.environ)


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_QUEUE%", connection="RestoreStorage"
)
def accept_request(message: func.QueueMessage) -> None:
    """Take a message off the request queue. An exception brings the message back."""
    now = datetime.now(UTC)
    engine().handle(translated(message, now), now)


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_QUEUE%-poison", connection="RestoreStorage"
)
def accept_poisoned_request(message: func.QueueMessage) -> None:
    """Take the copy of a message that failed too often: it gets an answer, too."""
    now = datetime.now(UTC)
    engine().handle_poisoned(translated(message, now), now)


def translated(message: func.QueueMessage, now: datetime) -> Message:
    """Put the host's message into the product's words."""
    inserted_at = message.insertion_time or now
    return Message(
        id=message.id or "-",
        body=message.get_body(),
        inserted_at=inserted_at if inserted_at.tzinfo else inserted_at.replace(tzinfo=UTC),
    )


@app.timer_trigger(arg_name="timer", schedule="%RESTORE_POLL_SCHEDULE%")
def sweep_open_requests(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the host passes it)
    """Advance every open request that is due."""
    engine().sweep(datetime.now(UTC))
