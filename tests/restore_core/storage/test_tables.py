"""One contract, two stores: tables on Azurite and tables in memory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.data.tables import TableServiceClient, UpdateMode

from local.storage import Azurite
from restore_core.domain.lifecycle import Event, Phase
from restore_core.domain.ports import Cancel, Claim, Holder, StoredRequest
from restore_core.domain.record import MAX_WAITING_CHARACTERS, End, OpenRow, RestoreRecord
from restore_core.errors import Conflict, StoreUnavailable
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from restore_core.settings import Storage
from restore_core.storage.tables import (
    CLAIMS_TABLE,
    OPEN_TABLE,
    PARTITIONS,
    RECORDS_TABLE,
    RestoreStore,
)
from restore_core.vocabulary import Reason, WaitingFor
from tests.simulators.store import MemoryTables, memory_store
from tests.simulators.world import VAULT, request

NOW = datetime(2026, 2, 5, 7, 43, 47, 123456, tzinfo=UTC)
AN_END = End(event=Event.REFUSED_BY_AZURE, reason=Reason.TRIGGER_REFUSED, message="no")


@pytest.fixture(params=["azurite", "memory"])
def store(request: pytest.FixtureRequest) -> Iterator[RestoreStore]:
    """A store with tables of its own."""
    if request.param == "memory":
        yield memory_store(MemoryTables())
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    service = TableServiceClient.from_connection_string(azurite.connection_string)
    with service:
        for name in (RECORDS_TABLE, OPEN_TABLE, CLAIMS_TABLE):
            service.create_table_if_not_exists(name)
        yield RestoreStore.open(Storage(connection_string=azurite.connection_string), None)


@pytest.fixture
def request_id() -> str:
    """An id that no other test uses: Azurite is shared."""
    return f"store-{uuid.uuid4()}"


def a_record(request_id: str, **fields: object) -> RestoreRecord:
    made = read_request(request(request_id, share="share1", **fields))
    assert isinstance(made, RestoreRequest)
    return RestoreRecord.accept(made, message_id="m1", requested_at=NOW, now=NOW)


def loaded(store: RestoreStore, request_id: str, key: str = "") -> StoredRequest:
    found = store.load(request_id, key or request_id)
    assert found is not None
    return found


def test_a_record_comes_back_as_it_was_put_in(store: RestoreStore, request_id: str) -> None:
    record = a_record(request_id, labels={"té": "☃ 🎉"}, reason="\x00\x01\ufffe")
    etag = store.insert(record)
    found = loaded(store, request_id)
    assert found.record == record
    assert found.etag == etag
    assert found.cancel is None


def test_a_key_that_is_not_there_loads_as_nothing(store: RestoreStore, request_id: str) -> None:
    assert store.load(request_id, request_id) is None


def test_a_second_insert_of_a_key_is_a_conflict(store: RestoreStore, request_id: str) -> None:
    store.insert(a_record(request_id))
    with pytest.raises(Conflict):
        store.insert(a_record(request_id))


def test_ids_that_differ_in_case_are_two_requests(store: RestoreStore, request_id: str) -> None:
    store.insert(a_record(request_id))
    store.insert(a_record(request_id.upper()))
    assert loaded(store, request_id).record == a_record(request_id)


def test_a_replace_under_an_old_etag_is_a_conflict_and_changes_nothing(
    store: RestoreStore, request_id: str
) -> None:
    record = a_record(request_id)
    first = store.insert(record)
    second = store.replace(replace(record, failures=1), first)
    assert second != first
    with pytest.raises(Conflict):
        store.replace(replace(record, failures=2), first)
    assert loaded(store, request_id).record.failures == 1


def test_a_replace_of_what_is_gone_is_a_conflict(store: RestoreStore, request_id: str) -> None:
    etag = store.insert(a_record(request_id))
    with pytest.raises(Conflict):
        store.replace(a_record(f"{request_id}-other"), etag)


def test_a_record_of_the_largest_message_fits(store: RestoreStore, request_id: str) -> None:
    items = [{"path": f"{at:02}/" + "字" * 180, "type": "File"} for at in range(99)]
    record = replace(a_record(request_id, items=items), event="e" * 48 * 1024)
    store.insert(record)
    assert loaded(store, request_id).record == record


def test_a_cancel_stands_beside_the_record_and_does_not_touch_its_etag(
    store: RestoreStore, request_id: str
) -> None:
    etag = store.insert(a_record(request_id))
    cancel = Cancel(received_at=NOW, message_id="m2", reason="wrong share ☃", requested_by=None)
    store.insert_cancel(request_id, cancel)
    found = loaded(store, request_id)
    assert found.cancel == cancel
    assert found.etag == etag


def test_a_cancel_may_come_first_and_comes_once(store: RestoreStore, request_id: str) -> None:
    store.insert_cancel(request_id, Cancel(received_at=NOW, message_id="m1"))
    with pytest.raises(Conflict):
        store.insert_cancel(request_id, Cancel(received_at=NOW, message_id="m2"))
    assert store.load(request_id, request_id) is None, "a cancel alone is no request"
    store.insert(a_record(request_id))
    assert loaded(store, request_id).cancel == Cancel(received_at=NOW, message_id="m1")


def test_a_plan_and_a_request_of_one_id_are_two_records(
    store: RestoreStore, request_id: str
) -> None:
    plan, real = a_record(request_id, dryRun=True), a_record(request_id)
    store.insert(plan)
    store.insert(real)
    assert loaded(store, request_id, f"plan~{request_id}").record == plan
    assert loaded(store, request_id).record == real


def test_a_purge_takes_what_was_announced_before_a_time_and_nothing_else(
    store: RestoreStore, request_id: str
) -> None:
    old, young, unfinished = f"{request_id}-a", f"{request_id}-b", f"{request_id}-c"
    store.insert(replace(a_record(old), announced_at=NOW - timedelta(days=401)))
    store.insert_cancel(old, Cancel(received_at=NOW - timedelta(days=401), message_id="m1"))
    store.insert(replace(a_record(young), announced_at=NOW - timedelta(days=399)))
    store.insert(a_record(unfinished))
    gone = [
        store.purge(partition=partition, before=NOW - timedelta(days=400))
        for partition in range(PARTITIONS)
    ]
    assert sum(gone) == 2
    assert store.load(old, old) is None
    assert store.load(young, young) is not None
    assert store.load(unfinished, unfinished) is not None


def mine(rows: list[OpenRow], request_id: str) -> list[OpenRow]:
    return [row for row in rows if row.request_id == request_id]


def test_a_row_comes_back_as_it_was_put_in_and_goes(store: RestoreStore, request_id: str) -> None:
    row = OpenRow.of(a_record(request_id).waiting(WaitingFor.TARGET_BUSY), NOW)
    store.put_open(row)
    store.put_open(row)
    assert mine(store.open_rows(), request_id) == [row]
    store.delete_open(row)
    store.delete_open(row)
    assert mine(store.open_rows(), request_id) == []


def test_a_row_is_pulled_forward_only_while_it_stands(store: RestoreStore, request_id: str) -> None:
    row = OpenRow.of(a_record(request_id), NOW + timedelta(minutes=5))
    store.pull_forward(row, NOW)
    assert mine(store.open_rows(), request_id) == []
    store.put_open(row)
    store.pull_forward(row, NOW)
    assert mine(store.open_rows(), request_id) == [replace(row, next_check_at=NOW)]
    store.delete_open(row)


def test_rows_are_found_by_their_target(store: RestoreStore, request_id: str) -> None:
    row = replace(OpenRow.of(a_record(request_id), NOW), target_key=request_id)
    store.put_open(row)
    assert store.rows_for_target(request_id) == [row]
    assert row.phase is Phase.ACCEPTED
    store.delete_open(row)


def test_rows_that_wait_are_found_by_their_vault_and_by_what_they_wait_for(
    store: RestoreStore, request_id: str
) -> None:
    here, there = f"{VAULT}-{request_id}", f"{VAULT}-{request_id}-too"
    row = OpenRow.of(a_record(request_id), NOW)
    quota, other = WaitingFor.QUOTA, WaitingFor.TARGET_BUSY
    each = [
        replace(row, key=f"{request_id}-{number}", vault_id=vault_id, waiting_for=why)
        for number, (vault_id, why) in enumerate(
            [(here, quota), (here, other), (here, None), (there, quota), (here.upper(), quota)]
        )
    ]
    for one in each:
        store.put_open(one)
    found = store.rows_waiting(here, quota)
    assert sorted(found, key=lambda one: one.key) == [each[0], each[4]]
    assert store.rows_waiting(here, other) == [each[1]]
    assert store.rows_waiting(there, quota) == [each[3]]
    assert store.rows_waiting(there, other) == []
    store.put_open(replace(each[0], waiting_for=None))
    assert store.rows_waiting(here, quota) == [each[4]], "it waits for nothing any more"
    for one in each:
        store.delete_open(one)
    assert store.rows_waiting(here, quota) == []


def test_a_row_keeps_the_key_of_its_source_and_may_have_none(
    store: RestoreStore, request_id: str
) -> None:
    row = OpenRow.of(a_record(request_id), NOW)
    assert row.source_key is not None
    for one in (row, replace(row, source_key=None)):
        store.put_open(one)
        assert mine(store.open_rows(), request_id) == [one]
    store.delete_open(row)


def test_a_row_tells_that_it_needs_attention_until_it_is_put_again(
    store: RestoreStore, request_id: str
) -> None:
    record = a_record(request_id)
    row = OpenRow.of(record, NOW)
    assert not row.needs_attention
    urgent = replace(row, needs_attention=True)
    store.put_open(urgent)
    store.pull_forward(urgent, NOW + timedelta(minutes=1))
    assert mine(store.open_rows(), request_id) == [
        replace(urgent, next_check_at=NOW + timedelta(minutes=1))
    ]
    store.put_open(row)
    assert mine(store.open_rows(), request_id) == [row]
    store.delete_open(row)


@pytest.mark.parametrize(
    "fields", [{"failures": 1}, {"hold_until": NOW}, {"pending_end": AN_END}], ids=str
)
def test_a_row_needs_attention_where_its_record_waits_after_something_went_wrong(
    fields: dict[str, Any],
) -> None:
    assert OpenRow.of(replace(a_record("r1"), **fields), NOW).needs_attention


def test_what_a_request_waits_for_stands_in_columns_of_its_own_while_it_waits(
    store: RestoreStore, request_id: str
) -> None:
    """For people who look into the table: the record itself is JSON."""

    def columns() -> dict[str, object]:
        query = "RowKey eq @key"
        (entity,) = store._records.query_entities(query, parameters={"key": request_id})
        return {name: entity[name] for name in entity if name.startswith("waiting")}

    record = a_record(request_id)
    etag = store.insert(record)
    assert columns() == {}
    waiting = record.waiting(WaitingFor.QUOTA, "☃ 🎉" * MAX_WAITING_CHARACTERS)
    etag = store.replace(waiting, etag)
    assert columns() == {"waitingFor": "Quota", "waitingMessage": waiting.waiting_message}
    assert len(waiting.waiting_message) == MAX_WAITING_CHARACTERS
    assert loaded(store, request_id).record == waiting
    store.replace(record, etag)
    assert columns() == {}


def test_a_claim_is_written_once_and_then_under_its_etag(
    store: RestoreStore, request_id: str
) -> None:
    thing = f"target:{request_id}"
    nobody = store.read_claim(thing)
    assert nobody.holders == ()
    me = Holder(key="r1", request_id="r1", since=NOW)
    store.write_claim(nobody, [me])
    with pytest.raises(Conflict):
        store.write_claim(nobody, [replace(me, key="r2")])
    held = store.read_claim(thing)
    assert held.holders == (me,)
    store.write_claim(held, [])
    with pytest.raises(Conflict):
        store.write_claim(held, [replace(me, key="r2")])
    assert store.read_claim(thing).holders == ()


def test_a_claim_remembers_that_somebody_waits_for_it(store: RestoreStore, request_id: str) -> None:
    thing = f"target:{request_id}"
    assert not store.read_claim(thing).wanted
    me = Holder(key="r1", request_id="r1", since=NOW)
    store.write_claim(store.read_claim(thing), [me])
    held = store.read_claim(thing)
    assert not held.wanted
    store.write_claim(replace(held, wanted=True), held.holders)
    with pytest.raises(Conflict):
        store.write_claim(held, [])
    marked = store.read_claim(thing)
    assert (marked.wanted, marked.holders) == (True, (me,))
    store.write_claim(marked, [])
    assert store.read_claim(thing).wanted, "whoever writes holders keeps the mark"
    store.write_claim(replace(store.read_claim(thing), wanted=False), [])
    assert not store.read_claim(thing).wanted


def test_a_claim_may_be_wanted_before_anybody_held_it(store: RestoreStore, request_id: str) -> None:
    thing = f"starts:{request_id}"
    store.write_claim(replace(store.read_claim(thing), wanted=True), [])
    claim = store.read_claim(thing)
    assert (claim.wanted, claim.holders) == (True, ())


def test_a_claim_is_written_again_under_the_etag_that_its_write_returned(
    store: RestoreStore, request_id: str
) -> None:
    thing = f"target:{request_id}"
    me = Holder(key="r1", request_id="r1", since=NOW)
    first = store.write_claim(store.read_claim(thing), [me])
    assert store.read_claim(thing).etag == first
    second = store.write_claim(Claim(thing=thing, etag=first), [])
    with pytest.raises(Conflict):
        store.write_claim(Claim(thing=thing, etag=first), [me])
    claim = store.read_claim(thing)
    assert (claim.etag, claim.holders) == (second, ())


def test_a_claim_of_thousands_of_holders_fits(store: RestoreStore, request_id: str) -> None:
    thing = f"target:{request_id}"
    many = [Holder(key=f"r{at}", request_id=f"r{at}", since=NOW) for at in range(3000)]
    store.write_claim(store.read_claim(thing), many)
    assert store.read_claim(thing).holders == tuple(many)


def test_a_claim_keeps_the_count_that_it_is_written_with(
    store: RestoreStore, request_id: str
) -> None:
    thing = f"cooldown:{request_id}"
    nobody = store.read_claim(thing)
    assert nobody.folded == 0
    me = Holder(key="r1", request_id="r1", since=NOW)
    store.write_claim(nobody, [me])
    assert store.read_claim(thing).folded == 0
    for count in (1, 10_000, 2**31 - 1):
        store.write_claim(replace(store.read_claim(thing), folded=count), [me])
        claim = store.read_claim(thing)
        assert (claim.holders, claim.folded) == ((me,), count)
    held = store.read_claim(thing)
    store.write_claim(held, [])
    assert store.read_claim(thing).folded == 2**31 - 1, "holders alone change no count"
    with pytest.raises(Conflict):
        store.write_claim(replace(held, folded=5), [me])
    store.write_claim(replace(store.read_claim(thing), folded=0), [me])
    assert store.read_claim(thing).folded == 0


def test_a_claim_from_before_counts_were_kept_has_folded_nothing(
    store: RestoreStore, request_id: str
) -> None:
    thing = f"cooldown:{request_id}"
    me = Holder(key="r1", request_id="r1", since=NOW)
    store.write_claim(store.read_claim(thing), [me])
    query, known = "thing eq @thing", {"thing": thing}
    (entity,) = store._claims.query_entities(query, parameters=known)
    entity.pop("folded", None)
    store._claims.update_entity(entity, mode=UpdateMode.REPLACE)
    claim = store.read_claim(thing)
    assert (claim.holders, claim.folded) == ((me,), 0)
    store.write_claim(replace(claim, folded=1), claim.holders)
    assert store.read_claim(thing).folded == 1


def test_a_missing_table_is_an_outage_and_no_missing_entity(azurite: Azurite) -> None:
    service = TableServiceClient.from_connection_string(azurite.connection_string, retry_total=0)
    with service:
        store = RestoreStore(service)
        store._records = service.get_table_client("nosuchtable")
        store._claims = store._open = store._records
        with pytest.raises(StoreUnavailable):
            store.load("r1", "r1")
        with pytest.raises(StoreUnavailable):
            store.insert(a_record("r1"))
        with pytest.raises(StoreUnavailable):
            store.read_claim("target:x")
        with pytest.raises(StoreUnavailable):
            store.pull_forward(OpenRow.of(a_record("r1"), NOW), NOW)


def test_storage_that_does_not_answer_is_an_outage() -> None:
    nobody = (
        "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
        "TableEndpoint=http://127.0.0.1:1/devstoreaccount1;"
    )
    store = RestoreStore.open(Storage(connection_string=nobody), None)
    with pytest.raises(StoreUnavailable):
        store.load("r1", "r1")
    with pytest.raises(StoreUnavailable):
        store.insert(a_record("r1"))
