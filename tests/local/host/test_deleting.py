"""A message that was handled is deleted, though a connection breaks in between."""

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError

from local.host.accounts import Account
from local.host.app import Outcome
from local.host.protos import TypedData
from local.host.queues import QueueAddress, QueueListener
from local.host.settings import QueueOptions
from local.storage import Azurite
from tests.local.host.running import Hosts, count, eventually


@pytest.mark.parametrize("breaks_after_it_is_done", [False, True])
def test_a_message_is_deleted_once_more_when_the_connection_breaks(
    azurite: Azurite,
    hosts: Hosts,
    monkeypatch: pytest.MonkeyPatch,
    breaks_after_it_is_done: bool,
) -> None:
    queue = hosts.queue()
    queue.send_message("handled")
    runs: list[str] = []
    losses: list[Exception] = []

    def invoke(value: TypedData, _: Mapping[str, TypedData]) -> "Future[Outcome]":
        runs.append(str(value.string))
        done: Future[Outcome] = Future()
        done.set_result(Outcome(succeeded=True))
        return done

    listener = QueueListener(
        address=QueueAddress(
            name=queue.queue_name, account=Account(connection=azurite.connection_string)
        ),
        options=QueueOptions(base64=False, max_polling_interval=0.1),
        lease=600,
        invoke=invoke,
        lost=losses.append,
    )
    delete, tries = listener._queue.delete_message, iter([True])

    def breaking(*given: Any, **named: Any) -> None:
        breaks = next(tries, False)
        if not breaks or breaks_after_it_is_done:
            delete(*given, **named)
        if breaks:
            raise ServiceResponseError("reset by peer")

    monkeypatch.setattr(listener._queue, "delete_message", breaking)
    stop = threading.Event()
    listening = threading.Thread(target=listener.listen, args=(stop,))
    listening.start()
    eventually(lambda: count(queue) == 0 and next(tries, None) is None)
    stop.set()
    listening.join()

    assert listener.finish(5)
    assert runs == ["handled"]
    assert losses == []
