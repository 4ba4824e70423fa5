"""From a message to a durable record, or to an answer.

Knows the write order that makes a message count once: the record, its open row, and only then the
acknowledgement. Refuses to start anything. Whatever is answered instead depends on the message and
on what does not change, so that a redelivery brings the same bytes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from restore_core.alerting.response import Declined, Responder
from restore_core.completions.events import render_rejection
from restore_core.domain.ports import Cancel, Message, Store, StoredRequest
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.ledger import Ledger
from restore_core.errors import Conflict, MessageInvalid, Problem, StoreUnavailable
from restore_core.messages.envelopes import Envelope, read_envelope, read_wrapped
from restore_core.messages.request import CancelRequest
from restore_core.messages.validation import summary
from restore_core.settings import Settings
from restore_core.vocabulary import Reason, Rejection

_log = logging.getLogger(__name__)
_MEMORY = 1000
"""Of how many requests an instance remembers which copies it has seen to."""
_FIRST_TIME = datetime(1601, 1, 1, tzinfo=UTC)
"""No table takes an earlier one."""


class Accepter:
    """Takes messages in. Safe to share between threads."""

    def __init__(
        self, *, ledger: Ledger, store: Store, settings: Settings, responder: Responder
    ) -> None:
        """Take the ports."""
        self._responder = responder
        self._ledger = ledger
        self._store = store
        self._settings = settings
        self._lock = threading.Lock()
        self._settled: dict[str, datetime] = {}

    def receive(self, message: Message, now: datetime) -> StoredRequest | None:
        """Make a request durable, or answer the message.

        Returns the request to advance, or `None` when the message is answered.

        Raises:
            StoreError: the message must not be acknowledged.
        """
        plan = None
        try:
            envelope = read_envelope(message.body)
            if envelope.alert is None:
                request = read_wrapped(
                    envelope, unproven_copy_options=self._settings.unproven_copy_options
                )
            elif envelope.alert.is_fired and self._is_settled(_id_of(envelope), message):
                return None
            else:
                answer = self._responder.respond(
                    envelope.alert, request_id=_id_of(envelope), now=now
                )
                if isinstance(answer, Declined):
                    self._decline(message, _id_of(envelope), answer, now)
                    return None
                request, plan = answer.request, answer.plan
        except MessageInvalid as error:
            text = summary(error.problems)
            self.reject(message, error.request_id, error.reason, text, problems=error.problems)
            return None
        if isinstance(request, CancelRequest):
            return self._accept_cancel(message, request, now)
        record = RestoreRecord.accept(
            request,
            message_id=message.id,
            requested_at=_requested_at(envelope.event_time, message.inserted_at),
            now=now,
            source_event_id=envelope.event_id,
            plan=plan,
        )
        return self._accept_restore(message, record, now)

    def _accept_restore(
        self, message: Message, record: RestoreRecord, now: datetime
    ) -> StoredRequest | None:
        try:
            self._store.insert(record)
        except Conflict:
            return self._accept_copy(message, record, now)
        _log.info("%s: new -> %s", record.key, record.phase.value)
        # Due soon and not at once: whoever accepted it is about to take it further.
        self._store.put_open(OpenRow.of(record, now + self._settings.retry_base))
        return self._store.load(record.request.request_id, record.key)

    def _decline(self, message: Message, request_id: str, answer: Declined, now: datetime) -> None:
        """Answer an alert that starts nothing. One that started something before is a copy of it,
        whatever the plans say by now.
        """
        made = None
        if answer.reason is Rejection.NO_PLAN:
            made = self._made_of_alert(request_id)
        if made is not None:
            self._accept_again(message, made, now)
            return
        self.reject(message, request_id, answer.reason, answer.message)

    def _made_of_alert(self, request_id: str) -> StoredRequest | None:
        for key in (request_id, f"plan~{request_id}"):
            stored = self._store.load(request_id, key)
            if stored is not None and stored.record.plan is not None:
                return stored
        return None

    def _accept_copy(
        self, message: Message, copy: RestoreRecord, now: datetime
    ) -> StoredRequest | None:
        """Answer a message whose request id is known: the same request, or another under its id."""
        stored = self._store.load(copy.request.request_id, copy.key)
        if stored is None:
            raise StoreUnavailable("the record that stood in the way is gone")
        record = stored.record
        # What came of one alert is one request, though the plan was changed between two copies.
        of_one_alert = record.plan is not None and copy.plan is not None
        if record.payload_hash != copy.payload_hash and not of_one_alert:
            # Nothing that changes, such as the phase: a redelivery must bring the same bytes.
            text = (
                f"The request id {copy.request.request_id} was used before, for another restore "
                f"(accepted {record.accepted_at:%Y-%m-%d %H:%M:%S} UTC). "
                "Send this one with an id of its own."
            )
            self.reject(message, copy.request.request_id, Rejection.REQUEST_ID_REUSED, text)
            return None
        self._accept_again(message, stored, now)
        return None

    def _is_settled(self, request_id: str, message: Message) -> bool:
        """Tell whether a copy of an alert needs nothing: a later one was seen to, and an event goes
        out after that. A storm is made of such copies.
        """
        with self._lock:
            seen_to = self._settled.get(request_id)
        return seen_to is not None and message.inserted_at <= seen_to

    def _note_settled(self, request_id: str, message: Message) -> None:
        with self._lock:
            if len(self._settled) >= _MEMORY:
                self._settled.clear()
            before = self._settled.get(request_id, message.inserted_at)
            self._settled[request_id] = max(before, message.inserted_at)

    def _accept_again(self, message: Message, stored: StoredRequest, now: datetime) -> None:
        """Take a copy of a request: it goes on as it is, and its end is announced again."""
        record = stored.record
        if record.announced_at is None:
            self._store.put_open(OpenRow.of(record, now))
        elif message.inserted_at > record.announced_at:
            _log.info("%s: asked again after its end; the event is sent again", record.key)
            self._ledger.send_again(record)
            # On a conflict another copy has noted that it was sent: one note will do.
            with suppress(Conflict):
                self._ledger.save_record(stored, replace(record, announced_at=now))
        if record.plan is not None:
            self._note_settled(record.request.request_id, message)

    def _accept_cancel(
        self, message: Message, request: CancelRequest, now: datetime
    ) -> StoredRequest | None:
        cancel = Cancel(
            received_at=now,
            message_id=message.id,
            reason=request.reason,
            requested_by=request.requested_by,
        )
        try:
            self._store.insert_cancel(request.request_id, cancel)
        except Conflict:
            _log.info("%s: cancelled more than once", request.request_id)
        stored = self._store.load(request.request_id, request.request_id)
        if stored is None or _came_before(message, stored.record):
            hours = self._settings.start_limit / timedelta(hours=1)
            text = (
                f"No request {request.request_id} is known. The cancel is kept: if the "
                f"request comes within {hours:g} hours, it ends before it starts."
            )
            self.reject(message, request.request_id, Rejection.UNKNOWN_REQUEST, text)
            return None
        record = stored.record
        if record.is_final:
            cancel = stored.cancel or cancel
            finished = record.finished_at or now
            if cancel.message_id != message.id or cancel.received_at >= finished:
                text = (
                    f"The request {request.request_id} ended before as {record.phase.value}; "
                    "there is nothing left to cancel."
                )
                self.reject(message, request.request_id, Rejection.ALREADY_FINAL, text)
            return None
        self._store.put_open(replace(OpenRow.of(record, now), needs_attention=True))
        return stored

    def reject(
        self,
        message: Message,
        request_id: str | None,
        reason: Rejection,
        text: str,
        *,
        problems: Sequence[Problem] = (),
    ) -> None:
        """Answer a message that is no request."""
        _log.info("message %s rejected: %s", message.id, reason.value)
        event = render_rejection(
            message_id=message.id,
            # A time of arrival would make each copy of the answer another.
            inserted_at=message.inserted_at if message.is_dated else None,
            request_id=request_id,
            reason=reason,
            message=text,
            problems=problems,
            source=self._settings.event_source,
        )
        self._ledger.send_text(event)


def _requested_at(event_time: datetime | None, inserted_at: datetime) -> datetime:
    """Return the time from which a request counts: the event's, as far as it can be one.

    Nothing is requested after it has arrived, whatever an event's clock says. A time that no table
    takes is none: some senders write the year 1 where they have no time.
    """
    if event_time is None or event_time < _FIRST_TIME:
        return inserted_at
    return min(event_time, inserted_at)


def _came_before(cancel: Message, record: RestoreRecord) -> bool:
    """Tell whether a cancel is delivered again after its request has come and ended by it.

    It is answered as it was the first time, to the byte.
    """
    early = record.end is not None and record.end.reason is Reason.CANCELLED_BEFORE_ARRIVAL
    return early and cancel.inserted_at < record.accepted_at


def _id_of(envelope: Envelope) -> str:
    """The id of the request that an alert may lead to; an alert that can be read has one."""
    if envelope.derived_id is None:
        raise LookupError("an alert has a source and an id")
    return envelope.derived_id
