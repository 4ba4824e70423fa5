"""More files than one restore takes, on the whole stack: each file is compared, and hosts die."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.patience import PATIENCE
from tests.stack.estate import GARBAGE, KEPT, MANY, Share
from tests.stack.outside import Json, Outside, awaited
from tests.stack.town import Town, elsewhere, request, running_town

_CROWDED = 6
_PART = 99


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    """A stack some of whose shares have many files."""
    with running_town(crowded=_CROWDED) as town:
        yield town


@pytest.fixture(scope="module")
def crowded(town: Town) -> Iterator[Share]:
    """Crowded shares, one for each test."""
    return iter(town.estate.shares[-_CROWDED:])


def large(share: Share, name: str, **fields: object) -> Json:
    """Ask for each of the many files by its name."""
    items = [{"path": path, "type": "File"} for path in share.many]
    assert len(items) == MANY > _PART
    return request(share, name, items=items, **fields)


def assert_restored_in_two_parts(
    town: Town, share: Share, wanted: Json, end: Json, *, attempts: int = 2
) -> None:
    """Assert one job a part, in turn, and every byte."""
    files = town.estate.written(share, share.newer, wanted)
    assert len(files) == MANY
    for path, content in files.items():
        assert path.read_bytes() == content, path
    assert (town.estate.live(share) / KEPT).read_bytes() == GARBAGE
    assert (end["phase"], end["reason"]) == ("Completed", "JobCompleted")
    assert end["counts"]["files"] == {"restored": MANY, "skipped": 0, "failed": 0}
    jobs = sorted(town.outside.jobs(share.name), key=lambda job: int(job["start"]))
    assert end["jobIds"] == [job["id"] for job in jobs]
    assert [[spec["path"] for spec in job["specs"]] for job in jobs] == [
        list(share.many[:_PART]),
        list(share.many[_PART:]),
    ]
    assert int(jobs[0]["end"]) <= int(jobs[1]["start"])
    assert end["attempts"] == attempts
    assert len(town.outside.events(wanted["requestId"])) == 1


def test_every_file_is_as_in_its_recovery_point_after_two_parts(
    town: Town, outside: Outside, crowded: Iterator[Share]
) -> None:
    here, there = next(crowded), next(crowded)
    wanted = [
        large(here, "parts-here"),
        large(there, "parts-there", target=elsewhere("target-0", "back"), copyOptions=None),
    ]
    for one in wanted:
        outside.send(one)

    for share, one in zip((here, there), wanted, strict=True):
        assert_restored_in_two_parts(town, share, one, outside.end_of(one["requestId"]))
    outside.await_quiet()
    assert outside.held_targets() == []
    counted = {holder["key"] for held in outside.claims().values() for holder in held}
    assert counted >= {"parts-here", "parts-here~2", "parts-there", "parts-there~2"}


def test_a_host_killed_between_parts_goes_on_with_the_second(
    town: Town, outside: Outside, crowded: Iterator[Share]
) -> None:
    share = next(crowded)
    outside.fault("restore", "status", path=share.name, skip=1, status=429, retry_after=3)
    wanted = large(share, "parts-killed")
    outside.send(wanted)

    def waits() -> bool | None:
        record = outside.records().get("parts-killed", {})
        return True if record.get("waitingFor") == "Throttled" else None

    awaited(waits, seconds=PATIENCE, what="a second part that waits")
    town.stack.kill_host()
    assert [job["status"] for job in outside.jobs(share.name)] == ["Completed"]
    town.stack.start_host()

    end = outside.end_of("parts-killed")
    assert_restored_in_two_parts(town, share, wanted, end)


def test_a_host_killed_before_the_second_202_adopts_that_job(
    town: Town, outside: Outside, crowded: Iterator[Share]
) -> None:
    share = next(crowded)
    outside.fault("restore", "hang", path=share.name, skip=1, processed=True, seconds=10)
    wanted = large(share, "parts-adopted")
    outside.send(wanted)
    awaited(
        lambda: outside.jobs(share.name) if len(outside.jobs(share.name)) == 2 else None,
        seconds=PATIENCE,
        what="the second job",
    )
    assert outside.records()["parts-adopted"]["phase"] == "Triggering"
    town.stack.kill_host()
    town.stack.start_host()

    end = outside.end_of("parts-adopted")
    assert_restored_in_two_parts(town, share, wanted, end)


def test_a_second_part_that_never_arrived_is_sent_again_and_the_first_is_not(
    town: Town, outside: Outside, crowded: Iterator[Share]
) -> None:
    share = next(crowded)
    outside.fault("restore", "reset", path=share.name, skip=1)
    wanted = large(share, "parts-lost")
    outside.send(wanted)

    end = outside.end_of("parts-lost")
    assert_restored_in_two_parts(town, share, wanted, end, attempts=3)


def test_a_part_that_fails_makes_it_complete_with_warnings_and_the_other_is_there(
    town: Town, outside: Outside, crowded: Iterator[Share]
) -> None:
    share = next(crowded)
    outside.fault("restore", "status", path=share.name, status=400, code="BMSUserErrorInvalidInput")
    wanted = large(share, "parts-refused")
    outside.send(wanted)

    end = outside.end_of("parts-refused")

    assert (end["phase"], end["reason"]) == ("CompletedWithWarnings", "JobCompletedWithWarnings")
    assert "Part 1 of 2" in end["message"]
    assert "BMSUserErrorInvalidInput" in end["message"]
    (job,) = outside.jobs(share.name)
    assert end["jobIds"] == [job["id"]]
    files = town.estate.written(share, share.newer, wanted)
    there = {path.name for path in files if path.exists()}
    assert there == {path.rpartition("/")[2] for path in share.many[_PART:]}
