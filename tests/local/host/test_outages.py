"""Storage that cannot be reached: what the host outlives, and what ends it."""

import time
from collections.abc import Iterator
from itertools import count as numbers

import pytest
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from local.host.patience import EXIT_CODE, PAUSES, patiently
from local.storage import Azurite
from tests.local.gate import Gate
from tests.local.host.running import Hosts, count, eventually
from tests.local.host.test_queues import LISTENER

WORKING = (
    LISTENER
    + """
    record(count=message.dequeue_count)
    time.sleep(float(message.get_body()))


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def tick(timer: func.TimerRequest) -> None:
    pass
"""
)


@pytest.fixture
def gate(azurite: Azurite) -> Iterator[Gate]:
    with Gate(azurite.connection_string) as gate:
        yield gate


def refused(status: int) -> HttpResponseError:
    error = HttpResponseError("refused")
    error.status_code = status
    return error


def tried(*errors: AzureError) -> tuple[int, list[float], AzureError | None]:
    """How often a call was tried that fails with these in turn, the pauses, and what came out."""
    tries, pauses = numbers(), list[float]()

    def call() -> None:
        number = next(tries)
        if number < len(errors):
            raise errors[number]

    try:
        patiently(call, pause=pauses.append)
    except AzureError as error:
        return next(tries), pauses, error
    return next(tries), pauses, None


def test_a_call_that_nobody_answers_is_tried_six_times_in_25_seconds() -> None:
    lost = [ServiceRequestError(str(number)) for number in range(6)]

    tries, pauses, error = tried(*lost)

    assert tries == 6
    assert error is lost[-1]
    assert len(pauses) == len(PAUSES)
    for pause, wanted in zip(pauses, PAUSES, strict=True):
        assert wanted * 0.95 <= pause <= wanted * 1.05
    assert sum(PAUSES) == pytest.approx(24.8)


@pytest.mark.parametrize(
    "error",
    [ServiceRequestError("refused"), ServiceResponseError("reset"), refused(503), refused(429)],
)
def test_what_passes_is_waited_for(error: AzureError) -> None:
    assert tried(error, error)[::2] == (3, None)


@pytest.mark.parametrize("error", [ResourceNotFoundError("gone"), refused(403), refused(409)])
def test_a_refusal_that_no_wait_would_change_comes_at_once(error: AzureError) -> None:
    assert tried(error) == (1, [], error)


def test_a_short_outage_is_outlived_and_nothing_runs_twice(hosts: Hosts, gate: Gate) -> None:
    hosts.write(WORKING)
    queue = hosts.queue()
    host = hosts.start(QUEUE=queue.queue_name, AzureWebJobsStorage=gate.connection_string)
    for text in ("1", "2", "3"):
        queue.send_message(text)
    eventually(lambda: len(hosts.recorded()) == 3)

    gate.shut()
    time.sleep(5)
    gate.open()

    # The runs ended meanwhile; their deletes are still tried, so that none runs again.
    eventually(lambda: count(queue) == 0, 30)
    queue.send_message("0")
    eventually(lambda: len(hosts.recorded()) == 4, 30)
    assert [entry["count"] for entry in hosts.recorded()] == [1] * 4
    assert host.terminate() == 0


def test_a_longer_outage_ends_the_process_and_what_was_in_work_comes_again(
    hosts: Hosts, gate: Gate
) -> None:
    hosts.write(WORKING)
    queue = hosts.queue()
    settings = {"QUEUE": queue.queue_name, "AzureWebJobsStorage": gate.connection_string}
    host = hosts.start("--lease", "5", **settings)
    queue.send_message("1")
    eventually(hosts.recorded)

    gate.shut()
    began = time.monotonic()
    assert host.child.wait(60) == EXIT_CODE
    assert time.monotonic() - began > 20
    assert host.logged("CRITICAL .*An unhandled exception has occurred. Host is shutting down")

    gate.open()
    hosts.start("--lease", "5", **settings)
    eventually(lambda: count(queue) == 0, 30)
    assert [entry["count"] for entry in hosts.recorded()] == [1, 2]
