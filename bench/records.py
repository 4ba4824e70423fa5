"""Records in great number: open restores that a job runs for, and requests that have ended.

Knows how to get one record of each kind from the engine itself, how to make copies of it under
other names, and how to put thousands into the tables in batches. The entities are those that
`RestoreStore` makes: it is given a client that keeps them instead of sending them.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Self, cast

from azure.data.tables import TableServiceClient, UpdateMode

from bench import estate
from bench.estate import Share
from bench.stage import Emulated, emulated, stored
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Message
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.settings import Settings
from restore_core.storage.tables import RestoreStore
from restore_core.wiring import build

_REQUEST = "the-pattern-of-all"
_BATCH = 100
"""The most that one entity group transaction takes."""
_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A record as the engine stored it, as JSON, and the names in it."""

    text: str
    share: Share
    job_id: str
    activity_id: str

    def copy(
        self, request_id: str, share: Share, *, job_id: str = "", activity_id: str = ""
    ) -> RestoreRecord:
        """Return the same record under other names."""
        text = self.text
        for old, new in (
            (_REQUEST, request_id),
            (self.share.name, share.name),
            (self.share.vault, share.vault),
            (self.share.account, share.account),
            (self.job_id, job_id or self.job_id),
            (self.activity_id, activity_id or self.activity_id),
        ):
            text = text.replace(old, new)
        return RestoreRecord.from_json(text)


@dataclass(frozen=True, kw_only=True)
class Patterns:
    """One request as it stood while its job ran, and when all was over."""

    running: Pattern
    finished: Pattern

    @classmethod
    def made(cls) -> Self:
        """Take one request through the engine and keep what it stores."""
        quick = {"RESTORE_OPERATION_POLL_SECONDS": "0.05", "RESTORE_JOB_POLL_SECONDS": "0.3"}
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            root = Path(folder) / "vault"
            (share,) = estate.build(root, shares=1)
            with emulated(root, time_scale=20) as arm, stored(arm, quick) as stack:
                return cls._followed(share, arm, stack.settings)

    @classmethod
    def _followed(cls, share: Share, arm: Emulated, settings: dict[str, str]) -> Self:
        store = RestoreStore.open(Settings.read(settings).storage, None)
        engine = build(settings)
        now = datetime.now(UTC)
        body = share.request(_REQUEST).encode()
        engine.handle(Message(id="message", body=body, inserted_at=now), now)
        running = ""
        give_up = time.monotonic() + _SECONDS
        while time.monotonic() < give_up:
            engine.sweep(datetime.now(UTC))
            stored = store.load(_REQUEST, _REQUEST)
            if stored is None:
                raise LookupError("the request was not accepted")
            record = stored.record
            if record.phase is Phase.JOB_IN_PROGRESS:
                running = record.to_json()
            if record.announced_at is not None and running:
                (job,) = arm.jobs()
                texts = (running, record.to_json())
                ids = (job["id"], job["activity_id"])
                one, other = (
                    Pattern(text=text, share=share, job_id=ids[0], activity_id=ids[1])
                    for text in texts
                )
                return cls(running=one, finished=other)
            time.sleep(0.05)
        raise TimeoutError("the request did not end")


class _Kept:
    """Stands where a client of the tables stands, and keeps the entities."""

    def __init__(self, entities: list[tuple[str, dict[str, Any]]], table: str = "") -> None:
        self._entities = entities
        self._table = table

    def get_table_client(self, table: str) -> _Kept:
        return _Kept(self._entities, table)

    def create_entity(self, entity: dict[str, Any], **_: object) -> dict[str, str]:
        self._entities.append((self._table, entity))
        return {"etag": "none"}

    def upsert_entity(self, entity: dict[str, Any], **_: object) -> dict[str, str]:
        return self.create_entity(entity)


def write_open(storage: str, patterns: Patterns, arm: Emulated, *, vaults: int) -> int:
    """Store an open request, due at once, for each job that runs in the emulator."""
    now = datetime.now(UTC)
    numbers: dict[str, int] = {}

    def share_of(job: dict[str, Any]) -> Share:
        vault = str(job["vault_id"]).rpartition("/")[2]
        nth = numbers[vault] = numbers.get(vault, -1) + 1
        return Share(number=nth * vaults + int(vault.rpartition("-")[2]), vaults=vaults)

    records = [
        patterns.running.copy(
            f"open-{number:06d}",
            share_of(job),
            job_id=job["id"],
            activity_id=job["activity_id"],
        )
        for number, job in enumerate(arm.jobs())
    ]
    _write(storage, records, due_at=now)
    return len(records)


def write_finished(storage: str, patterns: Patterns, count: int) -> None:
    """Store so many requests that have ended."""
    share = patterns.finished.share
    _write(
        storage,
        (patterns.finished.copy(f"finished-{number:06d}", share) for number in range(count)),
        due_at=None,
    )


def _write(storage: str, records: Iterable[RestoreRecord], *, due_at: datetime | None) -> None:
    with (
        TableServiceClient.from_connection_string(storage) as tables,
        ThreadPoolExecutor(2, "write") as pool,
    ):

        def submit(batch: tuple[str, list[dict[str, Any]]]) -> None:
            table, entities = batch
            # Azurite closes connections now and then, and the client tries a POST again only where
            # it is told to. Whether the first try arrived is not known then: the entities are
            # put, so that a second try may find them there.
            operations = [("upsert", entity, {"mode": UpdateMode.REPLACE}) for entity in entities]
            client = tables.get_table_client(table)
            client.submit_transaction(operations, retry_on_methods=["POST"])

        # In slices: the records of a whole history at once would fill this process's memory.
        each = iter(records)
        while part := list(islice(each, 25_600)):
            for _ in pool.map(submit, list(_batches(_entities(part, due_at)))):
                pass


def _entities(
    records: Sequence[RestoreRecord], due_at: datetime | None
) -> list[tuple[str, dict[str, Any]]]:
    entities: list[tuple[str, dict[str, Any]]] = []
    store = RestoreStore(cast("TableServiceClient", _Kept(entities)))
    for record in records:
        store.insert(record)
        if due_at is not None:
            store.put_open(OpenRow.of(record, due_at))
        else:
            # Nobody asks for these by their ids; partitions in common let a batch have many.
            entities[-1][1]["PartitionKey"] = entities[-1][1]["PartitionKey"][:2] + "0" * 14
    return entities


def _batches(
    entities: Iterable[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Put together what one transaction takes: one table, one partition."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for table, entity in entities:
        groups.setdefault((table, str(entity["PartitionKey"])), []).append(entity)
    for (table, _), group in groups.items():
        for first in range(0, len(group), _BATCH):
            yield table, group[first : first + _BATCH]
