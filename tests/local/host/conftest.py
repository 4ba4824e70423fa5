"""Hosts for the tests of the functions host."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.storage import Azurite
from tests.local.host.running import Hosts


@pytest.fixture
def hosts(azurite: Azurite, tmp_path: Path) -> Iterator[Hosts]:
    """Starts hosts on an app in the test's folder."""
    hosts = Hosts(tmp_path, azurite.connection_string)
    yield hosts
    hosts.close()
