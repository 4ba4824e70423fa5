"""Records, open rows and claims in Table Storage.

    restores       the truth and the audit trail: one entity for each request and each cancel
    openrestores   the work list: one small entity for each request that is still open
    restoreclaims  one entity for each shared thing, with the requests that hold it

Every change of a record or a claim is conditional on the ETag that was read. The SDK's own retries
are off: after a lost answer a retry could only report a conflict, and the sweep tries again anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.data.tables import TableClient, TableErrorCode, TableServiceClient, UpdateMode

from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Cancel, Claim, Holder, StoredRequest
from restore_core.domain.record import OpenRow, RestoreRecord, hash_key
from restore_core.errors import Conflict, StoreUnavailable
from restore_core.messages.decoding import without_none
from restore_core.settings import Storage
from restore_core.vocabulary import WaitingFor

RECORDS_TABLE = "restores"
OPEN_TABLE = "openrestores"
CLAIMS_TABLE = "restoreclaims"
PARTITIONS = 256
"""The history is cleaned in so many parts, by the first two digits of the partition keys."""
PROPERTY_UNITS = 32_000
"""A string property takes 32,767 UTF-16 units; what is stored is ASCII, one unit a character."""
_CHUNK = "record_"
_SECONDS = 20


class RestoreStore:
    """The three tables. Safe to share between threads."""

    def __init__(self, service: TableServiceClient) -> None:
        """Take a client whose own retries are off; infrastructure makes the tables."""
        self._records: TableClient = service.get_table_client(RECORDS_TABLE)
        self._open: TableClient = service.get_table_client(OPEN_TABLE)
        self._claims: TableClient = service.get_table_client(CLAIMS_TABLE)

    @classmethod
    def open(cls, storage: Storage, credential: TokenCredential | None) -> Self:
        """Make the client; `credential` is for storage that is given by URI."""
        limits: dict[str, Any] = {
            "retry_total": 0,
            "connection_timeout": _SECONDS,
            "read_timeout": _SECONDS,
        }
        if storage.connection_string:
            service = TableServiceClient.from_connection_string(storage.connection_string, **limits)
        else:
            service = TableServiceClient(storage.table_uri, credential=credential, **limits)
        return cls(service)

    def load(self, request_id: str, key: str) -> StoredRequest | None:
        """Read a record and the request's cancel in one query; `None` when there is no record."""
        partition = _record_partition(request_id)
        # No parentheses: the SDK reads a parameter's name up to the next blank.
        query = (
            "PartitionKey eq @partition and RowKey eq @key or "
            "PartitionKey eq @partition and RowKey eq @cancel"
        )
        cancel_key = _cancel_key(request_id)
        with _translated():
            entities = self._records.query_entities(
                query, parameters={"partition": partition, "key": key, "cancel": cancel_key}
            )
            found = {entity["RowKey"]: entity for entity in entities}
        if key not in found:
            return None
        return StoredRequest(
            record=RestoreRecord.from_json(_joined(found[key], _CHUNK)),
            etag=_etag(found[key].metadata),
            cancel=_cancel(found[cancel_key]) if cancel_key in found else None,
        )

    def insert(self, record: RestoreRecord) -> str:
        """Insert a new record and return its ETag; raises `Conflict` where the key exists."""
        with _translated():
            return _etag(self._records.create_entity(_record_entity(record)))

    def replace(self, record: RestoreRecord, etag: str) -> str:
        """Replace a record that was read at `etag` and return the new one; raises `Conflict`."""
        with _translated():
            return _etag(
                self._records.update_entity(
                    _record_entity(record),
                    mode=UpdateMode.REPLACE,
                    etag=etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            )

    def insert_cancel(self, request_id: str, cancel: Cancel) -> None:
        """Insert a request's cancel beside its record; raises `Conflict` where there is one."""
        entity = {
            "PartitionKey": _record_partition(request_id),
            "RowKey": _cancel_key(request_id),
            "receivedAt": cancel.received_at,
            "messageId": cancel.message_id,
            **_split("reason_", json.dumps(cancel.reason)),
            **_split("requestedBy_", json.dumps(cancel.requested_by)),
        }
        with _translated():
            self._records.create_entity(entity)

    def purge(self, *, partition: int, before: datetime) -> int:
        """Delete records announced and cancels received before a time; return their number.

        One call cleans one of the `PARTITIONS`, so that no call reads the whole history.
        """
        gone = 0
        part = partition % PARTITIONS
        first = f"{part:02x}"
        following = f"{part + 1:02x}" if part + 1 < PARTITIONS else "g"
        with _translated():
            for column in ("announcedAt", "receivedAt"):
                old = self._records.query_entities(
                    f"PartitionKey ge @first and PartitionKey lt @next and {column} lt @before",
                    parameters={"first": first, "next": following, "before": before},
                )
                for entity in list(old):
                    self._records.delete_entity(entity)
                    gone += 1
        return gone

    def open_rows(self) -> list[OpenRow]:
        """Read the whole work list."""
        with _translated():
            return [_row(entity) for entity in self._open.list_entities()]

    def rows_for_target(self, target_key: str) -> list[OpenRow]:
        """Read the open requests that go to one target."""
        return self._rows("targetKey eq @target", target=target_key)

    def rows_waiting(self, vault_id: str, why: WaitingFor) -> list[OpenRow]:
        """Read the open requests of one vault that wait for one thing."""
        query = "PartitionKey eq @partition and waitingFor eq @why"
        return self._rows(query, partition=hash_key(vault_id), why=why.value)

    def _rows(self, query: str, **parameters: str) -> list[OpenRow]:
        with _translated():
            return [_row(one) for one in self._open.query_entities(query, parameters=parameters)]

    def put_open(self, row: OpenRow) -> None:
        """Insert or replace a row of the work list."""
        with _translated():
            self._open.upsert_entity(_row_entity(row), mode=UpdateMode.REPLACE)

    def pull_forward(self, row: OpenRow, at: datetime) -> None:
        """Make a row due at a time, if the row still exists."""
        entity = {**_row_keys(row), "nextCheckAt": at}
        with _translated(), _ignoring_absence():
            self._open.update_entity(entity, mode=UpdateMode.MERGE)

    def delete_open(self, row: OpenRow) -> None:
        """Delete a row of the work list, if it still exists."""
        with _translated(), _ignoring_absence():
            self._open.delete_entity(_row_entity(row))

    def read_claim(self, thing: str) -> Claim:
        """Read who holds a thing."""
        with _translated():
            try:
                entity = self._claims.get_entity(*_claim_keys(thing))
            except ResourceNotFoundError as error:
                _reraise_without_table(error)
                return Claim(thing=thing)
            holders = (
                Holder(
                    key=one["key"],
                    request_id=one["requestId"],
                    since=datetime.fromisoformat(one["since"]),
                )
                for one in json.loads(_joined(entity, "holders_"))
            )
            return Claim(
                thing=thing,
                holders=tuple(holders),
                etag=_etag(entity.metadata),
                wanted=entity.get("wanted", False),
                folded=entity.get("folded", 0),
            )

    def write_claim(self, claim: Claim, holders: Sequence[Holder]) -> str:
        """Replace the holders of a thing, as read in `claim`; return the new ETag.

        The claim's other fields are written as `claim` has them.

        Raises:
            Conflict: another instance has changed the claim since.
        """
        partition, row = _claim_keys(claim.thing)
        written = [
            {"key": one.key, "requestId": one.request_id, "since": one.since.isoformat()}
            for one in holders
        ]
        entity = {
            "PartitionKey": partition,
            "RowKey": row,
            "thing": claim.thing[:1000],
            **({"wanted": True} if claim.wanted else {}),
            **({"folded": claim.folded} if claim.folded else {}),
            **_split("holders_", json.dumps(written)),
        }
        with _translated():
            if claim.etag is None:
                return _etag(self._claims.create_entity(entity))
            return _etag(
                self._claims.update_entity(
                    entity,
                    mode=UpdateMode.REPLACE,
                    etag=claim.etag,
                    match_condition=MatchConditions.IfNotModified,
                )
            )


def _record_partition(request_id: str) -> str:
    """Give each request a partition, so that reading it costs the same however long the history."""
    return hashlib.sha256(request_id.encode()).hexdigest()[:16]


def _cancel_key(request_id: str) -> str:
    """Return the row key of a cancel; no request id holds `~`, so no record has this key."""
    return f"{request_id}~cancel"


def _claim_keys(thing: str) -> tuple[str, str]:
    return thing.partition(":")[0], hash_key(thing)


def _row_keys(row: OpenRow) -> dict[str, str]:
    return {"PartitionKey": hash_key(row.vault_id), "RowKey": row.key}


def _record_entity(record: RestoreRecord) -> dict[str, Any]:
    """Write a record: the JSON in pieces, and some columns for people who look into the table."""
    columns: dict[str, Any] = {
        "PartitionKey": _record_partition(record.request.request_id),
        "RowKey": record.key,
        "schema": record.schema,
        "requestId": record.request.request_id,
        "phase": record.phase.value,
        "acceptedAt": record.accepted_at,
    }
    if record.waiting_for:
        columns["waitingFor"] = record.waiting_for.value
        columns["waitingMessage"] = record.waiting_message
    if record.end:
        columns["reason"] = record.end.reason.value
    if record.finished_at:
        columns["finishedAt"] = record.finished_at
    if record.announced_at:
        columns["announcedAt"] = record.announced_at
    return {**columns, **_split(_CHUNK, record.to_json())}


def _cancel(entity: Mapping[str, Any]) -> Cancel:
    return Cancel(
        received_at=_aware(entity["receivedAt"]),
        message_id=entity["messageId"],
        reason=json.loads(_joined(entity, "reason_")),
        requested_by=json.loads(_joined(entity, "requestedBy_")),
    )


def _row_entity(row: OpenRow) -> dict[str, Any]:
    entity: dict[str, Any] = {
        **_row_keys(row),
        "requestId": row.request_id,
        "vaultId": row.vault_id,
        "phase": row.phase.value,
        "nextCheckAt": row.next_check_at,
        "isEmergency": row.is_emergency,
        "requestedAt": row.requested_at,
        "acceptedAt": row.accepted_at,
        "targetKey": row.target_key,
        "sourceKey": row.source_key,
        "waitingFor": row.waiting_for.value if row.waiting_for else None,
        "jobId": row.job_id,
        "needsAttention": row.needs_attention or None,
    }
    return without_none(entity)


def _row(entity: Mapping[str, Any]) -> OpenRow:
    waiting_for = entity.get("waitingFor")
    return OpenRow(
        key=entity["RowKey"],
        request_id=entity["requestId"],
        vault_id=entity["vaultId"],
        phase=Phase(entity["phase"]),
        next_check_at=_aware(entity["nextCheckAt"]),
        is_emergency=entity["isEmergency"],
        requested_at=_aware(entity["requestedAt"]),
        accepted_at=_aware(entity["acceptedAt"]),
        target_key=entity.get("targetKey"),
        source_key=entity.get("sourceKey"),
        waiting_for=WaitingFor(waiting_for) if waiting_for else None,
        job_id=entity.get("jobId"),
        needs_attention=entity.get("needsAttention", False),
    )


def _aware(value: datetime) -> datetime:
    """Make a plain datetime of the SDK's own class, which adds a field and pickles badly."""
    return datetime.fromtimestamp(value.timestamp(), tz=value.tzinfo)


def _split(prefix: str, text: str) -> dict[str, str]:
    """Spread ASCII text over numbered properties."""
    pieces = range(0, max(len(text), 1), PROPERTY_UNITS)
    return {f"{prefix}{at // PROPERTY_UNITS}": text[at : at + PROPERTY_UNITS] for at in pieces}


def _joined(entity: Mapping[str, Any], prefix: str) -> str:
    pieces: list[str] = []
    while (name := f"{prefix}{len(pieces)}") in entity:
        pieces.append(entity[name])
    return "".join(pieces)


def _etag(metadata: Mapping[str, Any]) -> str:
    return str(metadata["etag"])


@contextmanager
def _translated() -> Iterator[None]:
    """Convert the SDK's exceptions to ours; any error but a plain conflict counts as an outage."""
    try:
        yield
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise Conflict("another instance changed the entity first") from error
    except ResourceNotFoundError as error:
        _reraise_without_table(error)
        raise Conflict("the entity is gone") from error
    except AzureError as error:
        raise StoreUnavailable(f"Table Storage: {type(error).__name__}") from error


@contextmanager
def _ignoring_absence() -> Iterator[None]:
    try:
        yield
    except ResourceNotFoundError as error:
        _reraise_without_table(error)


def _reraise_without_table(error: ResourceNotFoundError) -> None:
    """Raise `StoreUnavailable` when the whole table is missing: the deployment is unfinished."""
    code = getattr(error, "error_code", None)
    # The answer to a create lacks the code, but its text names it.
    if code is TableErrorCode.TABLE_NOT_FOUND or "TableNotFound" in str(error):
        raise StoreUnavailable("Table Storage: the table does not exist") from error
