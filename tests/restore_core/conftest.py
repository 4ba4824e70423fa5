"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from local.storage import Azurite, make_tables
from restore_core.domain.ports import Store
from restore_core.settings import Storage
from restore_core.storage.tables import RestoreStore
from tests.simulators.store import MemoryTables, memory_store


@pytest.fixture(params=["azurite", "memory"])
def instances(request: pytest.FixtureRequest) -> Iterator[Callable[[], Store]]:
    """Make stores on the same tables, one for each instance of the app."""
    if request.param == "memory":
        tables = MemoryTables()
        yield lambda: memory_store(tables)
        return
    azurite: Azurite = request.getfixturevalue("azurite")
    make_tables(azurite.connection_string)
    storage = Storage(connection_string=azurite.connection_string)
    yield lambda: RestoreStore.open(storage, None)
