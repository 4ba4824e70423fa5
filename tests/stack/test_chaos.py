"""A small campaign of chaos on the whole stack; `python -m tests.chaos` runs a large one."""

from __future__ import annotations

from tests.chaos.__main__ import page
from tests.chaos.campaign import run


def test_every_law_holds_after_faults_outages_of_storage_and_killed_hosts() -> None:
    result = run(seed=4, requests=40, kills=3, outages=1, patience=60)

    assert result.survived, page(result)
    assert result.done["kills"] >= 3
    assert result.done["ends by an outage"] >= 1, "a host was started again in its place"
    assert result.faults.total() > 0
    assert result.requests == 40
