"""Exactly one restore on the whole stack, on real sockets, with processes that really die."""

from __future__ import annotations

import time

import pytest

from tests.patience import PATIENCE
from tests.stack.estate import Share
from tests.stack.outside import Json, Outside, awaited
from tests.stack.town import Town, request

LOST: dict[str, Json] = {
    "the connection was reset": {"kind": "reset", "processed": True},
    "the 202 was cut off": {"kind": "truncate", "keep": 40},
    "the answer was an error of a gateway": {"kind": "status", "status": 502, "processed": True},
    "the answer never came": {"kind": "hang", "seconds": 4, "processed": True},
    "the answer came too slowly": {"kind": "drip", "seconds": 8},
}


@pytest.fixture(scope="module")
def lost(town: Town) -> dict[str, Share]:
    """A request for each way to lose a 202, all sent at once; the tests look at one each."""
    shares = {loss: town.share() for loss in LOST}
    for loss, share in shares.items():
        town.outside.fault("restore", path=share.name, **LOST[loss])
        town.outside.send(request(share, f"lost-{share.number}"))
    for share in shares.values():
        town.outside.end_of(f"lost-{share.number}")
    return shares


@pytest.mark.parametrize("loss", LOST)
def test_the_job_of_a_lost_202_is_adopted_when(
    outside: Outside, lost: dict[str, Share], loss: str
) -> None:
    share = lost[loss]

    end = outside.end_of(f"lost-{share.number}")

    (job,) = outside.jobs(share.name)
    assert (end["phase"], end["attempts"]) == ("Completed", 1)
    assert end["jobIds"] == [job["id"]]
    assert restore_posts(outside, share) == 1


def test_a_job_that_is_listed_late_is_waited_for_and_not_started_again(
    share: Share, outside: Outside
) -> None:
    outside.fault("restore", "late_job", path=share.name, seconds=120)
    outside.fault("restore", "reset", path=share.name, processed=True)
    outside.send(request(share, "late"))

    end = outside.end_of("late")

    assert (end["phase"], end["attempts"]) == ("Completed", 1)
    assert len(outside.jobs(share.name)) == 1


def test_a_post_that_never_arrived_is_sent_again_after_the_grace(
    share: Share, outside: Outside
) -> None:
    outside.fault("restore", "reset", path=share.name)
    begun = time.monotonic()
    outside.send(request(share, "never-arrived"))

    end = outside.end_of("never-arrived")

    assert time.monotonic() - begun >= 4, "the grace was not waited for"
    assert (end["phase"], end["attempts"]) == ("Completed", 2)
    assert len(outside.jobs(share.name)) == 1


def test_a_host_that_is_killed_while_a_restore_runs_follows_it_after_its_start(
    town: Town, share: Share, outside: Outside
) -> None:
    outside.fault("restore", "outcome", path=share.name, duration=400)
    outside.send(request(share, "killed"))
    outside.await_phase("killed", "JobInProgress")
    town.stack.kill_host()
    town.stack.start_host()

    end = outside.end_of("killed")

    (job,) = outside.jobs(share.name)
    assert (end["phase"], end["jobIds"]) == ("Completed", [job["id"]])
    assert len(outside.texts) == len(set(outside.texts)), "nothing was announced twice"
    outside.await_quiet()
    assert outside.held_targets() == []


def test_a_host_killed_before_the_202_adopts_the_job_after_its_start(
    town: Town, share: Share, outside: Outside
) -> None:
    outside.fault("restore", "hang", path=share.name, processed=True, seconds=10)
    message_id = outside.send(request(share, "killed-early"))
    awaited(lambda: outside.jobs(share.name) or None, seconds=PATIENCE, what="the job")
    assert outside.records()["killed-early"]["phase"] == "Triggering"
    town.stack.kill_host()
    town.stack.start_host()

    end = outside.end_of("killed-early")

    (job,) = outside.jobs(share.name)
    assert (end["phase"], end["attempts"], end["jobIds"]) == ("Completed", 1, [job["id"]])
    # The message was never acknowledged: it comes again when its lease has run out.
    outside.await_quiet()
    assert len(outside.jobs(share.name)) == 1
    assert len(outside.events("killed-early")) == 1
    assert outside.events(message_id) == []
    assert outside.poisoned() == []


def restore_posts(outside: Outside, share: Share) -> int:
    """How many restore POSTs came in for a share."""
    calls = (call for call in outside.calls() if call["operation"] == "restore")
    return sum(share.name in call["path"] for call in calls)
