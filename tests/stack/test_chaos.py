"""A small campaign of chaos on the whole stack; `python -m tests.chaos` runs a large one."""

from __future__ import annotations

from tests.chaos.__main__ import page
from tests.chaos.campaign import run
from tests.patience import PATIENCE


def test_every_law_holds_after_faults_and_killed_hosts() -> None:
    result = run(seed=4, requests=40, kills=3, patience=PATIENCE)

    assert result.survived, page(result)
    assert result.done["kills"] >= 3
    assert result.faults.total() > 0
    assert result.requests == 40
