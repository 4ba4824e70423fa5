"""What is remembered of a timer, in a blob."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient

from local.host.host import host_id
from local.host.schedule import Schedule
from local.host.status import Status, StatusBlob
from local.storage import CONTAINER, Azurite
from tests.local.host.running import Hosts, eventually

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
ONCE = """
@app.timer_trigger(arg_name="timer", schedule="%WHEN%", run_on_startup=%STARTUP%)
def tick(timer: func.TimerRequest) -> None:
    record(past_due=timer.past_due, status=timer.schedule_status)
    time.sleep(0.7)
"""


def container(azurite: Azurite, name: str = CONTAINER) -> ContainerClient:
    return ContainerClient.from_connection_string(azurite.connection_string, name)


def status_of(azurite: Azurite, hosts: Hosts) -> StatusBlob:
    """The status of the function `tick` of an app."""
    own = host_id(hosts.app.resolve(), {})
    return StatusBlob(container(azurite), f"timers/{own}/Host.Functions.tick/status")


def test_a_status_is_read_as_it_was_written(azurite: Azurite) -> None:
    blob = StatusBlob(container(azurite, f"made-{uuid.uuid4().hex}"), "a/b")
    assert blob.read() is None
    for last in (None, NOON):
        status = Status(last=last, next=NOON + timedelta(minutes=1), updated=NOON)
        blob.write(status)
        assert blob.read() == status


def test_a_status_is_stored_in_the_real_hosts_form(azurite: Azurite) -> None:
    there = container(azurite, f"made-{uuid.uuid4().hex}")
    StatusBlob(there, "a").write(Status(last=None, next=NOON, updated=NOON))

    assert json.loads(there.download_blob("a").readall()) == {
        "Last": "0001-01-01T00:00:00+00:00",
        "Next": "2026-01-01T12:00:00+00:00",
        "LastUpdated": "2026-01-01T12:00:00+00:00",
    }


def test_what_the_real_host_wrote_is_understood(azurite: Azurite) -> None:
    there = container(azurite, f"made-{uuid.uuid4().hex}")
    there.create_container()
    written = {
        "Last": "0001-01-01T00:00:00",
        "Next": "2026-11-25T18:56:00+00:00",
        "LastUpdated": "2026-11-25T18:55:00.0285943+00:00",
    }
    there.upload_blob("a", json.dumps(written))

    status = StatusBlob(there, "a").read()

    assert status is not None
    assert status.last is None
    assert status.next == datetime(2026, 11, 25, 18, 56, tzinfo=UTC)


@pytest.mark.parametrize("text", ["{}", "[]", "no JSON", '{"Last": 1, "Next": 2}'])
def test_a_status_that_cannot_be_understood_counts_as_none(azurite: Azurite, text: str) -> None:
    there = container(azurite, f"made-{uuid.uuid4().hex}")
    there.create_container()
    there.upload_blob("a", text)

    assert StatusBlob(there, "a").read() is None


def test_a_host_makes_up_for_a_tick_that_it_missed(azurite: Azurite, hosts: Hosts) -> None:
    hosts.write(ONCE.replace("%STARTUP%", "False"))
    last = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    missed = Schedule.parse("0 0 * * * *").after(last)
    assert missed is not None
    status_of(azurite, hosts).write(Status(last=last, next=missed, updated=last))

    hosts.start(WHEN="0 0 * * * *")
    eventually(hosts.recorded)

    assert hosts.recorded()[0]["past_due"] is True


def test_a_run_that_the_end_of_the_host_waited_for_is_remembered(
    azurite: Azurite, hosts: Hosts
) -> None:
    hosts.write(ONCE.replace("%STARTUP%", "True"))
    host = hosts.start(WHEN="0 0 0 1 1 *")
    eventually(hosts.recorded)

    assert host.terminate() == 0

    status = status_of(azurite, hosts).read()
    assert status is not None
    assert status.last is not None
    assert status.last == status.updated
