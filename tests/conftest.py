"""What every test may use: one Azurite for the whole run, and one way to run properties."""

from collections.abc import Iterator

import pytest

from local import storage
from tests import properties

properties.load()


@pytest.fixture(scope="session")
def azurite() -> Iterator[storage.Azurite]:
    """A real Azurite, in memory, with `.connection_string`; name queues and tables uniquely."""
    with storage.running() as azurite:
        yield azurite
