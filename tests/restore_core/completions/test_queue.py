from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from azure.core.credentials import AccessToken
from azure.storage.queue import QueueClient

from local.storage import Azurite
from restore_core.completions.events import MAX_EVENT_BYTES
from restore_core.completions.queue import CompletionQueue
from restore_core.errors import StoreUnavailable
from restore_core.settings import Storage
from restore_core.storage.queues import Queues


@pytest.fixture
def queue(azurite: Azurite) -> Iterator[QueueClient]:
    """A queue of its own, as a consumer sees it."""
    name = f"completions-{uuid.uuid4()}"
    with QueueClient.from_connection_string(azurite.connection_string, name) as client:
        client.create_queue()
        yield client


def opened(azurite: Azurite, name: str, encoding: str = "none") -> CompletionQueue:
    storage = Storage(connection_string=azurite.connection_string)
    return CompletionQueue(
        Queues.open(storage, None), name, encoding="base64" if encoding == "base64" else "none"
    )


def test_an_event_arrives_as_it_is_and_stays(azurite: Azurite, queue: QueueClient) -> None:
    event = json.dumps({"message": "<a> & ☃ \x00 \x7f", "b": '"'})
    opened(azurite, queue.queue_name).send(event)
    message = queue.receive_message()
    assert message is not None
    assert message.content == event
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


def test_base64_is_what_a_functions_consumer_expects(azurite: Azurite, queue: QueueClient) -> None:
    opened(azurite, queue.queue_name, "base64").send('{"a": 1}')
    message = queue.receive_message()
    assert message is not None
    assert base64.b64decode(message.content) == b'{"a": 1}'


@pytest.mark.parametrize("encoding", ["none", "base64"])
def test_the_largest_event_fits_the_queue(
    azurite: Azurite, queue: QueueClient, encoding: str
) -> None:
    opened(azurite, queue.queue_name, encoding).send("x" * MAX_EVENT_BYTES)
    assert queue.get_queue_properties().approximate_message_count == 1


def test_a_queue_that_is_not_there_is_unavailable(azurite: Azurite) -> None:
    with pytest.raises(StoreUnavailable, match="there is no queue no-such-queue"):
        opened(azurite, "no-such-queue").send("{}")


class Tokens:
    """A credential for storage that is given by URI."""

    def get_token(self, *scopes: str, **_: object) -> AccessToken:
        assert scopes == ("https://storage.azure.com/.default",)
        return AccessToken("token-for-storage", 2**40)


def test_storage_that_is_given_by_uri_is_asked_with_a_token() -> None:
    storage = Storage(queue_uri="https://127.0.0.1:1", table_uri="https://127.0.0.1:1")
    queue = CompletionQueue(Queues.open(storage, Tokens()), "completions", encoding="none")
    with pytest.raises(StoreUnavailable) as raised:
        queue.send("{}")
    assert "token-for-storage" not in str(raised.value)


def test_a_service_that_is_not_there_is_unavailable_at_once() -> None:
    key = base64.b64encode(b"key").decode()
    nobody = (
        f"DefaultEndpointsProtocol=http;AccountName=a;AccountKey={key};"
        "QueueEndpoint=http://127.0.0.1:1/a"
    )
    queue = CompletionQueue(
        Queues.open(Storage(connection_string=nobody), None), "completions", encoding="none"
    )
    with pytest.raises(StoreUnavailable) as raised:
        queue.send("{}")
    assert key not in str(raised.value)


def test_an_event_goes_to_the_queue_that_its_request_may_name(
    azurite: Azurite, queue: QueueClient
) -> None:
    opened(azurite, "no-such-queue").send("{}", reply_queue=queue.queue_name)
    assert queue.get_queue_properties().approximate_message_count == 1


def test_an_event_for_a_queue_that_is_not_there_goes_to_the_completion_queue(
    azurite: Azurite, queue: QueueClient
) -> None:
    opened(azurite, queue.queue_name).send("{}", reply_queue="no-such-queue")
    assert queue.get_queue_properties().approximate_message_count == 1
