"""The triggers. They call `restore_core`, and no other module uses the Functions library."""

import functools
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime

import azure.functions as func

from restore_core.domain.ports import Message
from restore_core.engine.reconciler import Reconciler
from restore_core.http_api.answers import HttpAnswer, HttpRequest, broken
from restore_core.http_api.routes import Intake
from restore_core.wiring import build, build_intake

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_log = logging.getLogger("restore_core.http")

_QUEUES_OWN = frozenset(
    {
        "id",
        "popreceipt",
        "dequeuecount",
        "insertiontime",
        "expirationtime",
        "nextvisibletime",
        "queuetrigger",
    }
)
"""The names of the values that the host passes beside a message's text, in small letters."""
_MAY_NAME_ONE = re.compile(rf"\b({'|'.join(sorted(_QUEUES_OWN))})\b|\\u", re.IGNORECASE)


@functools.cache
def engine() -> Reconciler:
    """Build the engine at first use, so that an app with wrong settings still loads and says so."""
    return build(os.environ)


@functools.cache
def intake() -> Intake:
    """Build the HTTP intake at first use, apart from the engine: it needs no access to ARM."""
    return build_intake(os.environ)


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_QUEUE%", connection="RestoreStorage"
)
def accept_request(message: func.QueueMessage) -> None:
    """Handle a message of the request queue. After an exception the host delivers it again."""
    now = datetime.now(UTC)
    engine().handle(translated(message, now), now)


@app.queue_trigger(
    arg_name="message", queue_name="%RESTORE_REQUEST_POISON_QUEUE%", connection="RestoreStorage"
)
def accept_poisoned_request(message: func.QueueMessage) -> None:
    """Handle the copy of a message that failed too often, so that it gets an answer, too."""
    now = datetime.now(UTC)
    engine().handle_poisoned(translated(message, now), now)


def translated(message: func.QueueMessage, now: datetime) -> Message:
    """Convert the host's message to ours.

    In a plain JSON text, top-level fields replace the queue's own values: a sender's `id` arrives
    as the message's id. A sender must not be able to set these values, so such a message gets an
    id derived from its text, and our own time.
    """
    body = message.get_body()
    if may_bind_over(body):
        digest = hashlib.sha256(body).hexdigest()
        return Message(id=f"body-{digest[:32]}", body=body, inserted_at=now, is_dated=False)
    inserted_at = message.insertion_time or now
    return Message(
        id=message.id or "-",
        body=body,
        inserted_at=inserted_at if inserted_at.tzinfo else inserted_at.replace(tzinfo=UTC),
    )


def may_bind_over(body: bytes) -> bool:
    """Tell whether fields of the text may have replaced the queue's own values."""
    text = body.decode("utf-8", "replace").strip()
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        # The host's reader accepts more than ours, such as names in single quotes or without any.
        return _MAY_NAME_ONE.search(text) is not None
    return any(
        name.casefold() in _QUEUES_OWN and value is not None and not isinstance(value, list)
        for name, value in fields.items()
    )


@app.timer_trigger(arg_name="timer", schedule="%RESTORE_POLL_SCHEDULE%")
def sweep_open_requests(timer: func.TimerRequest) -> None:  # noqa: ARG001  (the host passes it)
    """Advance every open request that is due."""
    engine().sweep(datetime.now(UTC))


@app.route(route="restores", methods=["POST", "OPTIONS"])
def post_restore(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a request by HTTP."""
    return answered(req, Intake.post_restore)


@app.route(route="restores/{id}/cancel", methods=["POST"])
def post_cancel(req: func.HttpRequest) -> func.HttpResponse:
    """Accept a cancel by HTTP."""
    return answered(req, Intake.post_cancel)


@app.route(route="alerts", methods=["POST", "OPTIONS"])
def post_alert(req: func.HttpRequest) -> func.HttpResponse:
    """Accept an alert by HTTP; this function's own key opens no other function."""
    return answered(req, Intake.post_alert)


@app.route(route="restores/{id}", methods=["GET"])
def get_restore(req: func.HttpRequest) -> func.HttpResponse:
    """Return the state of a request."""
    return answered(req, Intake.get_restore)


def answered(
    req: func.HttpRequest, route: Callable[[Intake, HttpRequest], HttpAnswer]
) -> func.HttpResponse:
    """Convert the host's request to ours, run a route, and convert its answer to the host's."""
    request = HttpRequest(
        method=req.method,
        path=dict(req.route_params),
        headers={name.lower(): value for name, value in req.headers.items()},
        query=dict(req.params),
        body=req.get_body(),
    )
    try:
        answer = route(intake(), request)
    except Exception:  # noqa: BLE001  (after any error the sender gets an answer)
        _log.exception("%s: cannot be handled", req.method)
        answer = broken()
    return func.HttpResponse(
        body=answer.body, status_code=answer.status, headers=dict(answer.headers)
    )
