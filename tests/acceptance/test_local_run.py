"""The acceptance run against the emulator: the same program that runs in Azure, and all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from local.stack import Stack
from tests.acceptance.checks import CHECKS
from tests.acceptance.place import FILES, SOURCE_SHARE
from tests.acceptance.program import LOCAL_SETTINGS, main
from tests.acceptance.run import ALL_CHECKS

TIME_SCALE = 20.0
BEFORE_THE_CANCEL = list(CHECKS)[2 : list(CHECKS).index("cancel")]
"""The checks that restore something, up to the one that cancels."""
pytestmark = pytest.mark.timeout(400)
"""A run takes about 30 s alone; beside other work it may take a good deal longer."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A running stack, and where runs are kept."""

    stack: Stack
    folder: Path

    def run(self, name: str, *more: str) -> int:
        """Start a run; the exit code."""
        return main(
            [
                *("--arm-endpoint", self.stack.arm, "--storage", self.stack.storage),
                *("--emulator-root", str(self.stack.vault_root)),
                *("--guards", str(self.folder / "guards.json")),
                *("--runs", str(self.folder), "--run", name, *more),
            ]
        )

    def result(self, name: str) -> dict[str, Any]:
        """A run's result file."""
        found: dict[str, Any] = json.loads((self.folder / name / "result.json").read_text("utf-8"))
        return found

    def statuses(self, name: str) -> dict[str, str]:
        """How each check of a run ended."""
        return {one["name"]: one["status"] for one in self.result(name)["checks"]}

    def fault(self, fault: dict[str, Any] | None) -> None:
        """Put a fault in force, or end all."""
        method = "POST" if fault else "DELETE"
        url = f"{self.stack.arm}/_emulator/faults"
        requests.request(method, url, json=fault, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A stack whose app reads its rules from a file that a run writes."""
    folder = tmp_path_factory.mktemp("acceptance")
    settings = {**LOCAL_SETTINGS, "RESTORE_GUARDS": str(folder / "guards.json")}
    with Stack(time_scale=TIME_SCALE, settings=settings) as stack:
        yield Stage(stack=stack, folder=folder)


def test_every_check_passes_against_the_emulator(stage: Stage) -> None:
    # The restore that is to be cancelled runs for long, so that no verdict depends on speed.
    slow = {"kind": "outcome", "duration": 20_000}
    skip = len(BEFORE_THE_CANCEL)
    stage.fault({"on": "restore", "action": slow, "skip": skip, "times": 1})
    try:
        assert stage.run("acc-all") == 0
    finally:
        stage.fault(None)

    result = stage.result("acc-all")
    assert stage.statuses("acc-all") == dict.fromkeys(ALL_CHECKS, "passed")
    assert (result["passed"], result["tornDown"], result["kept"]) == (True, True, [])
    assert result["answeredBy"] == "emulator"
    recordings = stage.folder / "acc-all" / "recordings"
    assert {f"{name}.json" for name in ALL_CHECKS} <= {one.name for one in recordings.iterdir()}
    cut = json.loads((recordings / "cut-connection.json").read_text("utf-8"))["flow"]
    assert cut["activityId"] == cut["client_request_id"]
    assert "acc-all" not in (stage.stack.vault_root / "vaults.json").read_text("utf-8")


def test_a_check_that_failed_is_tried_anew_by_the_next_start(stage: Stage) -> None:
    one = ("--check", "full-elsewhere")
    stage.fault({"on": "restore", "action": {"kind": "outcome", "status": "Failed"}, "times": 1})
    try:
        assert stage.run("acc-again", *one, "--keep") == 1
    finally:
        stage.fault(None)
    failed = next(c for c in stage.result("acc-again")["checks"] if c["name"] == "full-elsewhere")
    assert (failed["status"], failed["attempt"]) == ("failed", 1)
    assert "JobFailed" in failed["why"]

    stage.run("acc-again", *one, "--keep")
    passed = next(c for c in stage.result("acc-again")["checks"] if c["name"] == "full-elsewhere")
    assert (passed["status"], passed["attempt"]) == ("passed", 2)

    assert stage.run("acc-again", "--teardown") == 0
    assert stage.result("acc-again")["tornDown"] is True


def test_a_restore_that_brings_back_other_bytes_fails_its_check(stage: Stage) -> None:
    one = ("--check", "full-elsewhere")
    assert stage.run("acc-bytes", "--check", "dry-run", "--keep") == 1, "not every check was run"
    (snapshot,) = stage.stack.vault_root.glob(f"snapshots/afrsource*/{SOURCE_SHARE}/8*")
    (snapshot / "a.txt").write_bytes(FILES["a.txt"].upper())

    assert stage.run("acc-bytes", *one) == 1

    checks = {one["name"]: one for one in stage.result("acc-bytes")["checks"]}
    assert checks["full-elsewhere"]["status"] == "failed"
    assert "with other bytes ['a.txt']" in checks["full-elsewhere"]["why"]
    assert stage.result("acc-bytes")["tornDown"] is True


def test_a_run_that_is_over_is_not_begun_again(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stage.run("acc-over", "--teardown") == 0
    assert stage.run("acc-over") == 2
    assert "choose another name" in capsys.readouterr().err
