"""What every test may use: one Azurite for the whole run."""

from collections.abc import Iterator

import pytest

from local import storage


@pytest.fixture(scope="session")
def azurite() -> Iterator[storage.Azurite]:
    """A real Azurite, in memory, with `.connection_string`; name queues and tables uniquely."""
    with storage.running() as azurite:
        yield azurite
