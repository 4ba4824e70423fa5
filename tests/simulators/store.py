"""Table Storage in memory, as strict as Azure: keys, property sizes, entity sizes, ETags.

Fast, so that thousands of crash points can be run. Held to the same contract tests as the real
store on Azurite (tests/restore_core/storage/test_tables.py).
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import UpdateMode

from restore_core.storage.tables import RestoreStore

MAX_STRING_UNITS = 32_767
MAX_ENTITY_BYTES = 1024 * 1024
MAX_PROPERTIES = 252
FIRST_TIME = datetime(1601, 1, 1, tzinfo=UTC)
_SCALARS = (str, int, float, bytes, datetime)
"""What a property may be, without the tuples that the SDK has for other number types: none of it
can be changed in place, so that a copy of an entity need not copy its values.
"""


class _Entity(dict[str, Any]):
    def __init__(self, values: Mapping[str, Any], etag: str) -> None:
        super().__init__(values)
        self.metadata = {"etag": etag}

    def copied(self) -> _Entity:
        """Give out an entity that whoever gets it may change."""
        return _Entity(self, self.metadata["etag"])


class MemoryTable:
    """The part of the SDK's TableClient that the store uses, over a dictionary."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entities: dict[tuple[str, str], _Entity] = {}
        self._numbers = itertools.count(1)

    def create_entity(self, entity: Mapping[str, Any]) -> dict[str, str]:
        with self._changing(entity) as key:
            if key in self._entities:
                raise ResourceExistsError("EntityAlreadyExists")
            return self._put(key, entity)

    def update_entity(
        self,
        entity: Mapping[str, Any],
        *,
        mode: UpdateMode,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> dict[str, str]:
        with self._changing(entity) as key:
            stored = self._entities.get(key)
            if stored is None:
                raise ResourceNotFoundError("ResourceNotFound")
            if match_condition is MatchConditions.IfNotModified and stored.metadata["etag"] != etag:
                raise ResourceModifiedError("UpdateConditionNotSatisfied")
            merged = {**stored, **entity} if mode is UpdateMode.MERGE else entity
            return self._put(key, merged)

    def upsert_entity(self, entity: Mapping[str, Any], *, mode: UpdateMode) -> dict[str, str]:
        with self._changing(entity) as key:
            stored: Mapping[str, Any] = self._entities.get(key, {})
            return self._put(key, {**stored, **entity} if mode is UpdateMode.MERGE else entity)

    def delete_entity(self, entity: Mapping[str, Any]) -> None:
        with self._changing(entity) as key:
            if self._entities.pop(key, None) is None:
                raise ResourceNotFoundError("ResourceNotFound")

    def get_entity(self, partition: str, row: str) -> _Entity:
        with self._lock:
            try:
                return self._entities[partition, row].copied()
            except KeyError:
                raise ResourceNotFoundError("ResourceNotFound") from None

    def list_entities(self) -> list[_Entity]:
        with self._lock:
            return [self._entities[key].copied() for key in sorted(self._entities)]

    def query_entities(self, query: str, *, parameters: Mapping[str, Any]) -> list[_Entity]:
        """Understand `a eq @x and b lt @y or …`, which is all that the store says."""

        def holds(entity: Mapping[str, Any], term: str) -> bool:
            name, operator, parameter = term.split()
            value, wanted = entity.get(name), parameters[parameter.removeprefix("@")]
            if operator in {"lt", "ge"}:
                return value is not None and bool((value < wanted) is (operator == "lt"))
            assert operator == "eq"
            return bool(value == wanted)

        clauses = [clause.split(" and ") for clause in query.split(" or ")]
        with self._lock:
            return [
                entity.copied()
                for _, entity in sorted(self._entities.items())
                if any(all(holds(entity, term) for term in terms) for terms in clauses)
            ]

    @contextmanager
    def _changing(self, entity: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        key = entity["PartitionKey"], entity["RowKey"]
        with self._lock:
            yield key

    def _put(self, key: tuple[str, str], entity: Mapping[str, Any]) -> dict[str, str]:
        _check_limits(entity)
        stored = _Entity(entity, f'W/"{next(self._numbers)}"')
        self._entities[key] = stored
        return dict(stored.metadata)


def _check_limits(entity: Mapping[str, Any]) -> None:
    size = 0
    for key in (entity["PartitionKey"], entity["RowKey"]):
        if len(key.encode("utf-16-le")) > 1024 or any(bad in key for bad in "/\\#?\t\n\r"):
            raise HttpResponseError("KeyOutOfRange")
    if len(entity) > MAX_PROPERTIES:
        raise HttpResponseError("TooManyProperties")
    for name, value in entity.items():
        assert isinstance(value, _SCALARS), f"{name} is a {type(value).__name__}"
        units = _units(value) if isinstance(value, str) else 4
        if units > MAX_STRING_UNITS:
            raise HttpResponseError("PropertyValueTooLarge")
        if isinstance(value, datetime) and value.tzinfo is None:
            raise HttpResponseError("a time without a zone")
        if isinstance(value, datetime) and value < FIRST_TIME:
            raise HttpResponseError("OutOfRangeInput")
        size += 2 * (len(name) + units) + 8
    if size > MAX_ENTITY_BYTES:
        raise HttpResponseError("EntityTooLarge")


def _units(text: str) -> int:
    """Count as Azure does; most texts are ASCII, which needs no second copy of them."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


class MemoryTables:
    """The part of the SDK's TableServiceClient that the store uses."""

    def __init__(self) -> None:
        self.tables: dict[str, MemoryTable] = {}

    def get_table_client(self, name: str) -> MemoryTable:
        return self.tables.setdefault(name, MemoryTable())


def memory_store(tables: MemoryTables) -> RestoreStore:
    """Make a store over tables in memory: the real store's code over an unreal table."""
    return RestoreStore(tables)  # type: ignore[arg-type]


class MemoryQueue:
    """Keeps what was sent, with Azure's limit of a message; every queue that is named exists."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.replies: dict[str, list[str]] = {}
        """What was sent to queues that requests named; it is in `sent`, too."""

    def send(self, event: str, *, reply_queue: str | None = None) -> None:
        assert len(event.encode()) <= 64 * 1024
        self.sent.append(event)
        if reply_queue is not None:
            self.replies.setdefault(reply_queue, []).append(event)


def rows(tables: MemoryTables, name: str) -> Sequence[Mapping[str, Any]]:
    """Return a table's entities."""
    return tables.get_table_client(name).list_entities()
