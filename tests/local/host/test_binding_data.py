"""What a function is told of a message: the queue's values, and the text's own over them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.storage.queue import QueueMessage

from local.host.binding_data import trigger_metadata
from tests.local.host.running import Hosts, count, eventually

TELLING = """
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="")
def work(message: func.QueueMessage) -> None:
    record(id=message.id, count=message.dequeue_count, inserted=message.insertion_time)
"""


def told(text: str) -> dict[str, Any]:
    """What is told of a message with that text, by name: its kind and its value."""
    message = QueueMessage(content=text)
    message.id, message.pop_receipt, message.dequeue_count = "own", "receipt", 1
    message.inserted_on = datetime(2026, 1, 1, tzinfo=UTC)
    found = {}
    for name, value in trigger_metadata(message, text).items():
        kind = value.WhichOneof("data")
        found[name] = (kind, getattr(value, str(kind)))
    return found


OWN = {
    "QueueTrigger",
    "Id",
    "PopReceipt",
    "DequeueCount",
    "InsertionTime",
    "ExpirationTime",
    "NextVisibleTime",
}


def test_the_queue_tells_what_it_knows() -> None:
    found = told("text")

    assert set(found) == OWN
    assert found["QueueTrigger"] == ("string", "text")
    assert found["Id"] == ("string", "own")
    assert found["DequeueCount"] == ("json", "1")
    assert found["InsertionTime"] == ("json", '"2026-01-01T00:00:00+00:00"')
    assert found["ExpirationTime"] == ("json", '"9999-12-31T23:59:59+00:00"')


@pytest.mark.parametrize("name", sorted(OWN))
def test_a_field_of_the_text_takes_the_place_of_the_queues_own(name: str) -> None:
    for written in (name, name.lower(), name.upper()):
        found = told(json.dumps({written: "mine"}))
        assert found[name] == ("string", "mine")
        assert set(found) == OWN


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        ("", ("string", "")),
        (5, ("string", "5")),
        (1.5, ("string", "1.5")),
        (2.0, ("string", "2")),
        (True, ("string", "True")),
        ({"a": [1]}, ("json", '{"a": [1]}')),
        ("2026-01-31T12:00:00Z", ("string", "01/31/2026 12:00:00")),
        ("2026-01-31T12:00:00.25+02:00", ("string", "01/31/2026 10:00:00")),
        ("2026-99-31T12:00:00Z", ("string", "2026-99-31T12:00:00Z")),
        ("2026-01-31", ("string", "2026-01-31")),
        (None, ("string", "own")),
        ([1], ("string", "own")),
    ],
)
def test_values_arrive_as_the_host_writes_them(value: object, bound: tuple[str, str]) -> None:
    assert told(json.dumps({"id": value}))["Id"] == bound
    assert told(f"\r\n {json.dumps({'id': value})}\t")["Id"] == bound


@pytest.mark.parametrize(
    "text", ['[{"id": "x"}]', '"id"', '{"id": "x"', '{"id": }', "eyJpZCI6IDF9"]
)
def test_only_an_object_in_plain_json_binds_anything(text: str) -> None:
    found = told(text)

    assert set(found) == OWN
    assert found["Id"] == ("string", "own")


def test_other_fields_are_told_beside_the_queues_own() -> None:
    found = told('{"action": "cancel"}')

    assert set(found) == OWN | {"action"}
    assert found["action"] == ("string", "cancel")


def test_a_function_gets_the_senders_id_for_the_messages(hosts: Hosts) -> None:
    hosts.write(TELLING)
    queue = hosts.queue()
    queue.send_message('{"ID": "mine", "dequeueCount": 7}')
    hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    (entry,) = hosts.recorded()
    assert (entry["id"], entry["count"]) == ("mine", 7)


@pytest.mark.parametrize("name", ["insertionTime", "expirationTime", "nextVisibleTime"])
def test_a_time_of_the_sender_fails_in_the_worker_before_the_function(
    hosts: Hosts, name: str
) -> None:
    hosts.write(TELLING, maxDequeueCount=1)
    queue = hosts.queue()
    queue.send_message(json.dumps({name: "2026-01-31T12:00:00Z"}))
    host = hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    assert hosts.recorded() == []
    assert count(hosts.poison(queue)) == 1
    assert host.logged("ERROR work .* failed .*01/31/2026 12:00:00")
