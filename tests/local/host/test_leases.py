"""Two hosts on one storage share a timer: one runs it, the other waits for its lease."""

import threading
import time
import uuid

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobLeaseClient, ContainerClient

from local.host.leases import TimerLease
from local.storage import CONTAINER, Azurite
from tests.local.host.running import Hosts, eventually

TICKING = """
@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def tick(timer: func.TimerRequest) -> None:
    record(by=os.getpid(), when=time.time())
"""


class Holder:
    """One host's hold on a lease, in a thread."""

    def __init__(self, azurite: Azurite, name: str, *, seconds: int = 15) -> None:
        self.container = ContainerClient.from_connection_string(
            azurite.connection_string, CONTAINER
        )
        self.name = name
        self.lost: list[Exception] = []
        self.holds = threading.Event()
        self.stop = threading.Event()
        self._lease = TimerLease(self.container, name, seconds=seconds, lost=self.lost.append)
        self.thread = threading.Thread(target=self._hold, daemon=True)
        self.thread.start()

    def _hold(self) -> None:
        with self._lease.held(self.stop) as held:
            if held:
                self.holds.set()
                self.stop.wait()

    def end(self) -> None:
        self.stop.set()
        self.thread.join()


def test_one_of_two_holds_a_lease_and_the_other_gets_it_at_the_end(azurite: Azurite) -> None:
    name = uuid.uuid4().hex
    first = Holder(azurite, name)
    assert first.holds.wait(10)
    second = Holder(azurite, name, seconds=1)
    time.sleep(1.5)
    assert not second.holds.is_set()

    first.end()

    assert second.holds.wait(10), "a lease that was given back is free at once"
    second.end()
    assert first.lost == second.lost == []


def test_a_wait_for_a_lease_ends_with_the_host(azurite: Azurite) -> None:
    name = uuid.uuid4().hex
    first = Holder(azurite, name)
    assert first.holds.wait(10)
    second = Holder(azurite, name)
    second.end()
    first.end()

    assert not second.holds.is_set()


def test_a_lease_is_kept_beyond_its_length_and_its_loss_is_told(azurite: Azurite) -> None:
    name = uuid.uuid4().hex
    holder = Holder(azurite, name)
    assert holder.holds.wait(10)
    blob = holder.container.get_blob_client(name)

    time.sleep(16)
    with pytest.raises(HttpResponseError):
        blob.acquire_lease(15)
    assert holder.lost == []

    BlobLeaseClient(blob).break_lease(lease_break_period=0)
    other = blob.acquire_lease(15)
    eventually(lambda: holder.lost, 10)
    assert isinstance(holder.lost[0], AzureError)
    other.release()
    holder.end()


def test_timers_are_leased_one_by_one_under_the_real_hosts_names(
    azurite: Azurite, hosts: Hosts
) -> None:
    own = uuid.uuid4().hex
    hosts.write(TICKING + TICKING.replace("tick", "tock"))
    hosts.start(AzureFunctionsWebHost__hostid=own)
    eventually(hosts.recorded)

    container = ContainerClient.from_connection_string(azurite.connection_string, CONTAINER)
    blobs = {blob.name: blob for blob in container.list_blobs(f"locks/{own}/")}

    assert set(blobs) == {
        f"locks/{own}/Host.Functions.tick.Listener",
        f"locks/{own}/Host.Functions.tock.Listener",
    }
    assert {blob.size for blob in blobs.values()} == {0}


def test_a_host_takes_over_a_timer_once_a_killed_hosts_lease_expires(hosts: Hosts) -> None:
    hosts.write(TICKING)
    first = hosts.start("--lease", "2")
    eventually(hosts.recorded)
    second = hosts.start("--lease", "2")
    time.sleep(2.5)
    assert {entry["by"] for entry in hosts.recorded()} == {first.child.pid}
    assert second.logged("another host has the timer")

    first.child.kill()
    first.child.wait()
    killed = time.time()
    eventually(lambda: hosts.recorded()[-1]["by"] == second.child.pid, 30)

    # The lease was renewed at most 7.5 s before: the rest of its 15 s nobody ran the timer.
    waited = hosts.recorded()[-1]["when"] - killed
    assert waited > 7


def test_a_host_that_ends_in_order_hands_its_timers_over(hosts: Hosts) -> None:
    hosts.write(TICKING)
    first = hosts.start("--lease", "2")
    eventually(hosts.recorded)
    second = hosts.start("--lease", "2")
    eventually(lambda: second.logged("another host has the timer"))

    assert first.terminate() == 0
    ended = time.time()
    eventually(lambda: hosts.recorded()[-1]["by"] == second.child.pid, 30)

    assert hosts.recorded()[-1]["when"] - ended < 10, "sooner than a lease can run out"
