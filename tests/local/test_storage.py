from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueClient

from local import storage
from local.process import ChildFailedError


def test_queues_and_tables_answer_as_soon_as_it_is_started(azurite: storage.Azurite) -> None:
    with QueueClient.from_connection_string(azurite.connection_string, "started") as queue:
        queue.create_queue()
        queue.send_message("hello")
        assert [message.content for message in queue.receive_messages()] == ["hello"]
    with TableServiceClient.from_connection_string(azurite.connection_string) as tables:
        tables.create_table("started").upsert_entity({"PartitionKey": "p", "RowKey": "r"})


def test_a_location_keeps_what_was_acknowledged_though_clients_are_connected(
    tmp_path: Path,
) -> None:
    with storage.running(location=tmp_path) as azurite:
        before = QueueClient.from_connection_string(azurite.connection_string, "kept")
        before.create_queue()
        for number in range(20):
            before.send_message(str(number))
    assert azurite.child.poll() is not None

    with storage.running(location=tmp_path) as azurite:
        after = QueueClient.from_connection_string(azurite.connection_string, "kept")
        assert after.get_queue_properties().approximate_message_count == 20


def test_two_run_side_by_side_on_ports_of_their_own(azurite: storage.Azurite) -> None:
    with storage.running() as other:
        assert other.connection_string != azurite.connection_string
        with QueueClient.from_connection_string(other.connection_string, "started") as queue:
            queue.create_queue()


def test_why_it_did_not_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "azurite/node_modules/azurite/dist/src/azurite.js"
    program.parent.mkdir(parents=True)
    program.write_text("throw new Error('out of order')")
    monkeypatch.setattr("sys.prefix", str(tmp_path))

    with pytest.raises(ChildFailedError, match="out of order"):
        storage.start(logs=tmp_path)


def test_a_machine_without_azurite_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))

    with pytest.raises(FileNotFoundError, match="make setup"):
        storage.start(logs=tmp_path)
