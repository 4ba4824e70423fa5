"""The running app from outside: its queues, its tables, and the vault that it talks to.

Knows what anybody may see of it. Refuses to know the app's own code, so that a test of the whole
stack does not take the app's word for anything.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Any, TypeVar

import requests
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from local.closing import Closing
from tests.patience import PATIENCE

REQUESTS, POISON, COMPLETIONS = "restore-requests", "restore-requests-poison", "restore-completions"
RECORDS, WORK_LIST, CLAIMS = "restores", "openrestores", "restoreclaims"
REJECTED = "azurefilesrestore.MessageRejected.v1"
_HIDDEN_SECONDS = 3600
Json = dict[str, Any]
Seen = TypeVar("Seen")


def encoded(message: Mapping[str, Any] | str) -> str:
    """A message in base64, as many clients send it."""
    text = message if isinstance(message, str) else json.dumps(message)
    return base64.b64encode(text.encode()).decode("ascii")


class Outside(Closing):
    """Sends messages, takes events, reads tables and the vault; use it as a context manager."""

    def __init__(self, connection_string: str, arm: str) -> None:
        self._arm = arm
        self._session = requests.Session()
        self._session.trust_env = False
        self._queues = QueueServiceClient.from_connection_string(connection_string)
        self._tables = TableServiceClient.from_connection_string(connection_string)
        self._requests = self._queues.get_queue_client(REQUESTS)
        self._completions = self._queues.get_queue_client(COMPLETIONS)
        self.texts: list[str] = []
        """Every event that came, copies too, as it stood on the queue."""

    def close(self) -> None:
        """Close the clients."""
        self._session.close()
        self._queues.close()
        self._tables.close()

    def send(self, message: Mapping[str, Any] | str) -> str:
        """Put a message on the request queue and return the id that the app knows it by."""
        text = message if isinstance(message, str) else json.dumps(message)
        sent = str(self._requests.send_message(text).id)
        return f"body-{sha256(text.encode()).hexdigest()[:32]}" if _hides_its_id(text) else sent

    def take(self) -> list[str]:
        """Take the events that have come since; they are hidden and not deleted, which is quick."""
        taken: list[str] = []
        while True:
            pages = self._completions.receive_messages(
                messages_per_page=32, max_messages=32, visibility_timeout=_HIDDEN_SECONDS
            ).by_page()
            page = [message.content for message in next(pages, iter(()))]
            taken += page
            if len(page) < 32:
                self.texts += taken
                return taken

    def events(self, subject: str) -> list[Json]:
        """The events about a request or a message, copies left out."""
        each: list[Json] = [json.loads(text) for text in dict.fromkeys(self.texts)]
        return [event for event in each if event["subject"] == subject]

    def await_events(
        self, subject: str, *, count: int = 1, seconds: float = PATIENCE
    ) -> list[Json]:
        """Wait for so many different events about a request or a message."""

        def look() -> list[Json] | None:
            self.take()
            found = self.events(subject)
            return found if len(found) >= count else None

        return awaited(look, seconds=seconds, what=f"{count} event(s) about {subject}")

    def end_of(self, request_id: str, *, seconds: float = PATIENCE) -> Json:
        """Wait for the one end of a request and return its data."""
        (event,) = self.await_events(request_id, seconds=seconds)
        data: Json = event["data"]
        return data

    def rejection_of(self, message_id: str, *, seconds: float = PATIENCE) -> Json:
        """Wait for the answer to a message that is no request and return its data."""
        (event,) = self.await_events(message_id, seconds=seconds)
        assert event["type"] == REJECTED
        data: Json = event["data"]
        return data

    def await_phase(self, request_id: str, phase: str, *, seconds: float = PATIENCE) -> Json:
        """Wait until a request's record is in a phase; the record."""

        def look() -> Json | None:
            record = self.records().get(request_id)
            return record if record and record["phase"] == phase else None

        return awaited(look, seconds=seconds, what=f"{request_id} in {phase}")

    def records(self) -> dict[str, Json]:
        """Every record by its key: its columns, and under `record` what it holds."""
        found: dict[str, Json] = {}
        for entity in self._tables.get_table_client(RECORDS).list_entities():
            if not entity["RowKey"].endswith("~cancel"):
                found[entity["RowKey"]] = {**entity, "record": json.loads(_joined(entity))}
        return found

    def open_rows(self) -> list[str]:
        """The keys on the work list."""
        rows = self._tables.get_table_client(WORK_LIST).list_entities(select=["RowKey"])
        return [str(row["RowKey"]) for row in rows]

    def claims(self) -> dict[str, list[Json]]:
        """The things that are held, and by whom."""
        found = {}
        for entity in self._tables.get_table_client(CLAIMS).list_entities():
            if holders := json.loads(entity["holders_0"]):
                found[str(entity["thing"])] = holders
        return found

    def held_targets(self) -> list[str]:
        """The targets that are held; starts stay counted for a day."""
        return [thing for thing in self.claims() if thing.startswith("target:")]

    def waiting_messages(self) -> int:
        """How many messages stand on the request queues, those in work included."""
        return self._count(REQUESTS) + self._count(POISON)

    def poisoned(self) -> list[str]:
        """The texts of the messages that the host gave up on."""
        queue = self._queues.get_queue_client(POISON)
        return [message.content for message in queue.receive_messages(messages_per_page=32)]

    def await_quiet(self, *, seconds: float = PATIENCE) -> None:
        """Wait until nothing is left to do."""

        def look() -> bool | None:
            return None if self.open_rows() or self.waiting_messages() else True

        awaited(look, seconds=seconds, what="an empty work list")
        self.take()

    def jobs(self, share: str | None = None) -> list[Json]:
        """The jobs that the vault has run or runs, by its own account, of one source share."""
        each: list[Json] = self._admin("GET", "jobs")
        return [
            job
            for job in each
            if job["operation_error"] is None and share in {None, job["source_share"]}
        ]

    def fault(self, on: str | list[str], kind: str, **more: Any) -> None:
        """Put a fault in force. `path`, `skip`, `times`, `probability` and `seed` are its own."""
        own = {"path", "skip", "times", "probability", "seed"} & more.keys()
        action = {"kind": kind, **{name: more[name] for name in more.keys() - own}}
        self.faults([{"on": on, "action": action, **{name: more[name] for name in own}}])

    def faults(self, faults: list[Json]) -> None:
        """Put faults in force."""
        self._admin("POST", "faults", faults)

    def no_faults(self) -> None:
        """End all faults."""
        self._admin("DELETE", "faults")

    def calls(self) -> list[Json]:
        """The calls that the vault got."""
        found: list[Json] = self._admin("GET", "log")
        return found

    def _admin(self, method: str, name: str, body: object = None) -> Any:
        answer = self._session.request(
            method, f"{self._arm}/_emulator/{name}", json=body, timeout=PATIENCE
        )
        answer.raise_for_status()
        return answer.json()

    def _count(self, queue: str) -> int:
        properties = self._queues.get_queue_client(queue).get_queue_properties()
        return properties.approximate_message_count or 0


def awaited(look: Callable[[], Seen | None], *, seconds: float, what: str) -> Seen:
    """Wait until `look` sees something and return it."""
    give_up = time.monotonic() + seconds
    while True:
        seen = look()
        if seen is not None:
            return seen
        assert time.monotonic() < give_up, f"not in {seconds:g} s: {what}"
        time.sleep(0.1)


def _hides_its_id(text: str) -> bool:
    """Whether a message in plain JSON has a field that the host takes for the queue's own."""
    try:
        fields = json.loads(text)
    except ValueError:
        return text.startswith("{") and text.endswith("}")
    return isinstance(fields, dict) and any(
        name.lower() in {"id", "insertiontime", "dequeuecount"} for name in fields
    )


def _joined(entity: Mapping[str, Any]) -> str:
    def pieces() -> Iterator[str]:
        number = 0
        while (name := f"record_{number}") in entity:
            yield entity[name]
            number += 1

    return "".join(pieces())
