"""The right to run a timer: a lease on a blob, one for each timer function.

Of several hosts on one storage, one runs a timer and renews its lease at half its length; the
others ask for it again and again. A host that ends in order releases the lease. After a host was
killed, its lease must run out first, so another host takes over after up to twice the length: two
minutes, unless `--lease` shortens it.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobLeaseClient, ContainerClient

from local.host.patience import OnLoss, patiently

logger = logging.getLogger("host.leases")

LONGEST_SECONDS = 60
SHORTEST_SECONDS = 15
"""Storage gives no shorter lease."""


class TimerLease:
    """One timer's lease; a host holds it, or waits for it."""

    def __init__(
        self, container: ContainerClient, name: str, *, seconds: int, lost: OnLoss
    ) -> None:
        """Take the blob, and for how long a lease is wanted, and asked for again after.

        `lost` is called when the lease cannot be kept: whoever runs without it may run beside
        another.
        """
        self._container = container
        self._blob = container.get_blob_client(name)
        self._length = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        self._pause = min(seconds, LONGEST_SECONDS)
        self._lost = lost

    @contextlib.contextmanager
    def held(self, stop: threading.Event) -> Iterator[bool]:
        """Wait for the lease and keep it; False when `stop` came first."""
        lease = self._await(stop)
        if lease is None:
            yield False
            return
        released = threading.Event()
        keeper = threading.Thread(
            target=self._keep, args=(lease, released), name="lease", daemon=True
        )
        keeper.start()
        try:
            yield True
        finally:
            released.set()
            with contextlib.suppress(AzureError):  # it runs out by itself
                lease.release()

    def _await(self, stop: threading.Event) -> BlobLeaseClient | None:
        told = False
        while not stop.is_set():
            try:
                return patiently(self._acquire, pause=stop.wait)
            except ResourceExistsError:
                if not told:
                    logger.info("%s: another host has the timer", self._blob.blob_name)
                told = True
            except AzureError as error:
                self._lost(error)
                return None
            stop.wait(self._pause)
        return None

    def _acquire(self) -> BlobLeaseClient:
        try:
            return self._blob.acquire_lease(self._length)
        except ResourceNotFoundError:
            _unless_there(self._container.create_container)
            _unless_there(lambda: self._blob.upload_blob(b""))
            return self._blob.acquire_lease(self._length)

    def _keep(self, lease: BlobLeaseClient, released: threading.Event) -> None:
        while not released.wait(self._length / 2):
            try:
                patiently(lease.renew, pause=released.wait)
            except AzureError as error:
                if not released.is_set():
                    self._lost(error)
                return


def _unless_there(make: Callable[[], object]) -> None:
    with contextlib.suppress(ResourceExistsError, ResourceModifiedError):  # another host was faster
        make()
