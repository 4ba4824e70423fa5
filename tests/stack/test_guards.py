"""Guards on the whole stack: a file that is there, that is taken away, and that comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.stack.estate import SUBSCRIPTION, Share, account_id
from tests.stack.outside import Json, Outside, awaited
from tests.stack.town import TIME_SCALE, Town, elsewhere, request, running_town

VAULTS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/estate/providers"
    "/Microsoft.RecoveryServices/vaults/vault-*"
)
GUARDS: Json = {
    "schemaVersion": "1.0",
    "rules": [
        {
            "name": "to-where-it-came-from",
            "vaults": [VAULTS],
            "sources": [f"{account_id('source*')}/fileServices/default/shares/share-*"],
            "originalLocation": "overwrite",
        }
    ],
}


@pytest.fixture(scope="module")
def guards_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reviewed") / "guards.json"


@pytest.fixture(scope="module")
def town(guards_file: Path) -> Iterator[Town]:
    """A running stack that may do what the file says."""
    with running_town({"RESTORE_GUARDS": str(guards_file)}) as town:
        yield town


@pytest.fixture(autouse=True)
def in_place(guards_file: Path) -> None:
    """Every test begins with the file, whatever another left."""
    guards_file.write_text(json.dumps(GUARDS), "utf-8")


def posts(outside: Outside, share: Share) -> int:
    """How many restore POSTs came in for a share."""
    calls = (call for call in outside.calls() if call["operation"] == "restore")
    return sum(share.name in call["path"] for call in calls)


def await_waiting(outside: Outside, request_id: str, why: str) -> Json:
    """Wait until a request's record says what it waits for."""

    def look() -> Json | None:
        record = outside.records().get(request_id)
        return record if record and record.get("waitingFor") == why else None

    return awaited(look, seconds=PATIENCE, what=f"{request_id} waiting for {why}")


def test_the_file_allows_one_restore_and_a_rule_refuses_the_other(
    town: Town, outside: Outside
) -> None:
    allowed, forbidden = town.share(), town.share()
    target = elsewhere("target-0", "back")
    outside.send(request(allowed, "allowed"))
    outside.send(request(forbidden, "forbidden", target=target, copyOptions=None))

    end = outside.end_of("forbidden")

    assert (end["phase"], end["reason"]) == ("Refused", "NotAllowed")
    assert end["rule"] == "to-where-it-came-from/targets"
    assert "target-0" in end["message"]
    assert posts(outside, forbidden) == 0
    assert outside.end_of("allowed")["phase"] == "Completed"
    assert posts(outside, allowed) == 1


def test_without_the_file_nothing_starts_and_what_runs_is_brought_to_its_end(
    town: Town, outside: Outside, guards_file: Path
) -> None:
    running, waiting, cancelled, later = (town.share() for _ in range(4))
    outside.fault("restore", "outcome", path=running.name, duration=6 * TIME_SCALE)
    outside.send(request(running, "running"))
    outside.await_phase("running", "JobInProgress")

    guards_file.unlink()
    outside.send(request(waiting, "waiting"))
    outside.send(request(cancelled, "cancelled"))

    for name in ("waiting", "cancelled"):
        record = await_waiting(outside, name, "GuardsInvalid")
        assert record["phase"] == "Accepted"
        assert "guards.json" in record["waitingMessage"]
        assert "cannot be read" in record["waitingMessage"]
    outside.send({"schemaVersion": "1.0", "action": "cancel", "requestId": "cancelled"})
    end = outside.end_of("cancelled")
    assert (end["phase"], end["reason"]) == ("Cancelled", "CancelledByRequest")
    assert outside.end_of("running")["phase"] == "Completed"
    (job,) = outside.jobs(running.name)
    assert outside.events("running")[0]["data"]["jobIds"] == [job["id"]]
    # It has been looked at all the while, at every sweep.
    assert await_waiting(outside, "waiting", "GuardsInvalid")["record"]["failures"] > 1
    for share in (waiting, cancelled):
        assert posts(outside, share) == 0
        asked = [call["path"] for call in outside.calls() if share.name in call["path"]]
        assert asked == [], "not even its recovery points were asked for"

    guards_file.write_text(json.dumps(GUARDS), "utf-8")
    outside.send(request(later, "later"))

    assert outside.end_of("later")["phase"] == "Completed"
    assert outside.end_of("waiting")["phase"] == "Completed"
    assert [posts(outside, share) for share in (running, waiting, cancelled, later)] == [1, 1, 0, 1]
    outside.await_quiet()


@pytest.mark.parametrize("text", ["", "{", '{"schemaVersion": "1.0", "rules": []}'])
def test_a_file_that_is_wrong_is_like_none(
    share: Share, outside: Outside, guards_file: Path, text: str
) -> None:
    guards_file.write_text(text, "utf-8")
    request_id = f"wrong-{share.number}"
    outside.send(request(share, request_id))

    record = await_waiting(outside, request_id, "GuardsInvalid")

    assert "guards.json" in record["waitingMessage"]
    assert posts(outside, share) == 0
    guards_file.write_text(json.dumps(GUARDS), "utf-8")
    assert outside.end_of(request_id)["phase"] == "Completed"
