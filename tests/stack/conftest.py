"""One stack for each module: Azurite, the vault emulator and the host, each a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack.estate import Share
from tests.stack.outside import Outside
from tests.stack.town import Town, running_town


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A running stack with small shares, and a target share for each."""
    with running_town() as town:
        yield town


@pytest.fixture
def outside(town: Town) -> Iterator[Outside]:
    """The app from outside; a test's faults end with it."""
    yield town.outside
    town.outside.no_faults()


@pytest.fixture
def share(town: Town) -> Share:
    """A protected share that no other test uses."""
    return town.share()
