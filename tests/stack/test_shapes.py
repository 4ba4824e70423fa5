"""Each shape of request on the whole stack: every file is compared with its recovery point."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.stack.estate import GARBAGE, KEPT, PATHS, Share
from tests.stack.outside import Json, Outside, encoded
from tests.stack.town import Town, elsewhere, request

ITEMS = [
    {"path": "a.txt", "type": "File"},
    {"path": "docs", "type": "Directory"},
    {"path": "資料/c.bin", "type": "File"},
]
SHAPES: Mapping[str, Json] = {
    "a full share to its original place": {},
    "a full share to a folder elsewhere": {
        "target": elsewhere("target-0", "back/on Monday"),
        "copyOptions": None,
    },
    "files and a folder to their original place": {"items": ITEMS},
    "files and a folder to a folder elsewhere": {
        "items": ITEMS,
        "target": elsewhere("target-1", "für Grüße"),
        "copyOptions": None,
    },
}

Asked = dict[tuple[str, bool], tuple[Share, Json]]


def assert_files(wanted: Mapping[Path, bytes]) -> None:
    assert wanted
    for path, content in wanted.items():
        assert path.read_bytes() == content, path


@pytest.fixture(scope="module")
def asked(town: Town) -> Asked:
    """Each shape, plain and in base64, asked for at once; the tests look at one each."""
    found: Asked = {}
    for shape, fields in SHAPES.items():
        for in_base64 in (False, True):
            share = town.share()
            wanted = request(share, f"shape-{share.number}", **fields)
            if "folder" in wanted["target"]:
                folder = f"{wanted['target']['folder']} {share.number}"
                wanted["target"] = {**wanted["target"], "folder": folder}
            town.outside.send(encoded(wanted) if in_base64 else wanted)
            found[shape, in_base64] = (share, wanted)
    return found


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("in_base64", [False, True], ids=["plain", "base64"])
def test_every_file_is_as_in_its_recovery_point_after(
    town: Town, outside: Outside, asked: Asked, shape: str, in_base64: bool
) -> None:
    share, wanted = asked[shape, in_base64]
    request_id = wanted["requestId"]

    end = outside.end_of(request_id)

    assert (end["phase"], end["reason"]) == ("Completed", "JobCompleted")
    files = town.estate.written(share, share.newer, wanted)
    assert_files(files)
    assert (town.estate.live(share) / KEPT).read_bytes() == GARBAGE
    assert end["counts"]["files"] == {"restored": len(files), "skipped": 0, "failed": 0}
    assert end["recoveryPoint"]["id"] == share.newer.id
    (job,) = outside.jobs(share.name)
    assert end["jobIds"] == [job["id"]]
    assert end["attempts"] == 1
    (attempt,) = outside.records()[request_id]["record"]["parts"][0]["tries"]
    assert job["activity_id"] == attempt["client_request_id"]


@pytest.mark.parametrize("how", ["by its id", "as the newest before a time"])
def test_an_older_recovery_point_is_restored_when_it_is_asked_for(
    town: Town, share: Share, outside: Outside, how: str
) -> None:
    point = {
        "by its id": {"id": share.older.id},
        "as the newest before a time": {"select": "latestBefore", "time": share.between()},
    }[how]
    wanted = request(share, f"older-{share.number}", recoveryPoint=point)
    outside.send(wanted)

    assert outside.end_of(f"older-{share.number}")["recoveryPoint"]["id"] == share.older.id
    assert_files(town.estate.written(share, share.older, wanted))


def test_a_source_may_be_named_by_its_protected_item(
    town: Town, share: Share, outside: Outside
) -> None:
    source = {"protectedItemId": share.item_id}
    wanted = request(share, "by-item", source=source, vaultId=None)
    outside.send(wanted)

    assert outside.end_of("by-item")["phase"] == "Completed"
    assert_files(town.estate.written(share, share.newer, wanted))


def test_files_that_exist_are_kept_when_the_request_says_skip(
    town: Town, share: Share, outside: Outside
) -> None:
    outside.send(request(share, "skip", copyOptions="Skip"))

    counts = outside.end_of("skip")["counts"]["files"]

    assert counts == {"restored": len(PATHS) - 1, "skipped": 1, "failed": 0}
    assert (town.estate.live(share) / "a.txt").read_bytes() == GARBAGE


def test_files_that_are_locked_make_it_complete_with_warnings_and_never_a_success(
    town: Town, share: Share, outside: Outside
) -> None:
    outside.fault("restore", "outcome", locked=["docs/*"])
    wanted = request(share, "locked")
    outside.send(wanted)

    end = outside.end_of("locked")

    assert (end["phase"], end["reason"]) == (
        "CompletedWithWarnings",
        "JobCompletedWithWarnings",
    )
    assert end["counts"]["files"] == {"restored": 2, "skipped": 0, "failed": 2}
    assert end["error"]["class"] == "Partial"
    assert end["recommendation"]
    files = town.estate.written(share, share.newer, wanted)
    assert {path.exists() for path in files if "docs" in path.parts} == {False}
    assert_files({path: held for path, held in files.items() if "docs" not in path.parts})


def test_a_job_that_fails_is_not_triggered_again(share: Share, outside: Outside) -> None:
    outside.fault("restore", "outcome", status="Failed")
    outside.send(request(share, "fails"))

    end = outside.end_of("fails")

    assert (end["phase"], end["reason"]) == ("Failed", "JobFailed")
    assert end["error"]["class"] == "Retryable"
    assert len(outside.jobs(share.name)) == 1


def test_two_requests_for_one_target_run_one_after_the_other(town: Town, outside: Outside) -> None:
    shares = [town.share(), town.share()]
    target = "target-2"
    each = [
        request(one, f"turn-{n}", target=elsewhere(target, f"turn {n}"), copyOptions=None)
        for n, one in enumerate(shares)
    ]
    for sent in each:
        outside.send(sent)

    for n, (one, wanted) in enumerate(zip(shares, each, strict=True)):
        assert outside.end_of(f"turn-{n}")["phase"] == "Completed"
        assert_files(town.estate.written(one, one.newer, wanted))

    jobs = [outside.jobs(one.name) for one in shares]
    assert [len(found) for found in jobs] == [1, 1]
    first, second = sorted((found[0] for found in jobs), key=lambda job: int(job["start"]))
    assert first["end"] <= second["start"]
    refused = [call for call in outside.calls() if call["status"] == 409]
    assert refused == [], "whoever waits does not ask Azure in vain"
    outside.await_quiet()
    assert outside.held_targets() == []


def test_a_dry_run_tells_the_plan_and_sends_nothing(
    town: Town, share: Share, outside: Outside
) -> None:
    outside.send(request(share, "plan", dryRun=True))

    end = outside.end_of("plan")

    assert (end["phase"], end["reason"]) == ("Planned", "Planned")
    assert end["restoreStarted"] == "no"
    assert end["plan"]["url"].startswith(town.stack.arm + share.vault_id)
    assert share.newer.id in end["plan"]["url"]
    assert outside.jobs(share.name) == []
    assert (town.estate.live(share) / "a.txt").read_bytes() == GARBAGE


def test_a_request_may_run_for_real_after_its_dry_run_under_the_same_id(
    town: Town, share: Share, outside: Outside
) -> None:
    wanted = request(share, "plan-first")
    outside.send({**wanted, "dryRun": True})
    planned = outside.end_of("plan-first")
    outside.send(wanted)

    each = outside.await_events("plan-first", count=2)

    assert [event["data"]["phase"] for event in each] == ["Planned", "Completed"]
    (job,) = outside.jobs(share.name)
    sent = next(call for call in outside.calls() if call["client_request_id"] == job["activity_id"])
    assert planned["plan"]["url"].partition("?")[0].endswith(sent["path"])
    assert_files(town.estate.written(share, share.newer, wanted))


def test_a_share_that_the_vault_does_not_protect_is_named_and_nothing_is_sent(
    share: Share, outside: Outside
) -> None:
    source: Any = {**share.source, "fileShare": "nobody-backs-this-up"}
    outside.send(request(share, "unknown-share", source=source))

    end = outside.end_of("unknown-share")

    assert (end["phase"], end["reason"]) == ("Failed", "SourceNotFound")
    assert end["restoreStarted"] == "no"
    assert "nobody-backs-this-up" in end["message"]
