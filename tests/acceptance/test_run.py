"""What ends a run, and that its estate goes whatever that is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.arm import Arm
from tests.acceptance.azure_stage import NAMES, JumpingClock, MemoryFiles
from tests.acceptance.conversation import Conversation
from tests.acceptance.estate import EstateError, Kept, Kind
from tests.acceptance.journal import Journal, JournalError
from tests.acceptance.neutral import Neutral
from tests.acceptance.pace import OutOfTimeError, Pace
from tests.acceptance.place import Files, Place, Share
from tests.acceptance.program import main
from tests.acceptance.recorder import Recorder
from tests.acceptance.report import MAY_BE_MISSING, Outcome, Result
from tests.acceptance.run import ALL_CHECKS, Run

WORK, TOTAL = 7200.0, 10800.0


class Ending:
    """An estate whose preparation, or teardown, ends as the test says."""

    kind: Kind = "azure"
    files: Files = MemoryFiles()
    place = Place(
        vault_id=NAMES.vault_id,
        source=Share(account_id=NAMES.account_id("a"), name="s"),
        target_account_id=NAMES.account_id("b"),
    )
    arm: Arm

    def __init__(
        self, prepare: Callable[[], None], tear_down: Callable[[], list[Kept]] = list
    ) -> None:
        self.prepare = prepare
        self.tear_down = tear_down

    def deploy(self) -> Conversation:
        raise AssertionError("not reached")

    def make_share(self, share: Share) -> None:
        raise AssertionError("not reached")


def run_of(folder: Path, estate: Ending, pace: Pace | None = None) -> Run:
    """A run on an estate."""
    journal = Journal(folder, kind="azure", subscription="s", region="r")
    neutral = Neutral(salt="x", subscription="s", names={}, endpoint="https://arm")
    return Run(
        name="acc-test",
        region="r",
        commit="c",
        estate=estate,
        journal=journal,
        pace=pace or pace_of(),
        recorder=Recorder(folder / "recordings", neutral, kind="azure"),
        tell=lambda _: None,
    )


def pace_of() -> Pace:
    """Three hours, one of which is kept for the teardown."""
    return Pace(clock=JumpingClock(), work=WORK, total=TOTAL)


def raising(error: BaseException) -> Callable[[], Any]:
    """Something that fails."""

    def fail() -> Any:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (EstateError("what a person must change"), "what a person must change"),
        (ValueError("nobody foresaw this"), "ValueError: nobody foresaw this"),
    ],
)
def test_whatever_ends_a_run_its_estate_goes_and_its_result_is_written(
    tmp_path: Path, error: BaseException, told: str
) -> None:
    run = run_of(tmp_path, Ending(raising(error)))
    result = run.whole(keep=False, chosen=frozenset(ALL_CHECKS))
    assert (result.torn_down, result.passed, result.problem) == (True, False, told)
    written = json.loads((tmp_path / "result.json").read_text("utf-8"))
    assert {one["status"] for one in written["checks"]} == {"not run"}
    assert run.journal.over


@pytest.mark.parametrize("error", [KeyboardInterrupt(), EstateError("a lock"), KeyError("x")])
def test_a_teardown_that_fails_is_told_and_can_be_begun_again(
    tmp_path: Path, error: BaseException
) -> None:
    run = run_of(tmp_path, Ending(lambda: None, raising(error)))
    assert run.teardown().torn_down is False
    assert not run.journal.over
    assert run_of(tmp_path, Ending(lambda: None)).teardown().torn_down is True


def test_work_ends_early_enough_for_the_teardown(tmp_path: Path) -> None:
    pace = pace_of()
    spent = []

    def never() -> None:
        pace.wait_for(lambda: None, what="what never comes", seconds=10**6, every=60)

    def tear_down() -> list[Kept]:
        spent.append(pace.spent)
        pace.sleep(60, "the teardown")
        return []

    result = run_of(tmp_path, Ending(never, tear_down), pace).whole(
        keep=False, chosen=frozenset(ALL_CHECKS)
    )
    assert "time is used up" in result.problem
    assert WORK <= spent[0] < WORK + 61
    assert result.torn_down


def test_no_wait_outlasts_the_whole_run() -> None:
    pace = pace_of()
    pace.begin_teardown()
    with pytest.raises(OutOfTimeError):
        pace.wait_for(lambda: None, what="what never comes", seconds=10**6, every=600)
    assert pace.spent <= TOTAL


@pytest.mark.parametrize("missing", [*MAY_BE_MISSING, "cancel"])
def test_only_a_vault_only_point_may_be_missing_from_a_run_that_passed(missing: str) -> None:
    outcomes = [
        Outcome(check=name, status="not run" if name == missing else "passed")
        for name in ALL_CHECKS
    ]
    result = Result(
        run="r", kind="azure", region="", commit="", begun_at="", finished_at="", outcomes=outcomes
    )
    assert result.passed is (missing in MAY_BE_MISSING)


def test_a_folder_of_another_run_is_not_taken_over(tmp_path: Path) -> None:
    Journal(tmp_path, kind="azure", subscription="one", region="westeurope")
    with pytest.raises(JournalError, match="choose another run name"):
        Journal(tmp_path, kind="azure", subscription="two", region="westeurope")


def test_what_a_run_remembers_outlives_its_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path, kind="azure", subscription="one", region="westeurope")
    event = {"id": "r/Completed", "subject": "r", "data": {"phase": "Completed"}}
    journal.keep_event(event)
    journal.keep_event(event)
    journal.next_attempt("cancel")
    again = Journal(tmp_path, kind="azure", subscription="one", region="westeurope")
    assert again.events("r") == [event]
    assert again.attempt("cancel") == 2
    assert again.salt == journal.salt


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a subscription and a region"),
        (["--subscription", "x"], "name a subscription and a region"),
        (["--arm-endpoint", "http://127.0.0.1:1"], "needs --storage"),
        (["--local", "--hours", "4"], "--hours must be"),
        (["--local", "--hours", "0.5"], "--hours must be"),
        (
            [
                *("--arm-endpoint", "https://management.azure.com", "--storage", "s"),
                *("--emulator-root", "r", "--guards", "g"),
            ],
            "Azure needs none",
        ),
    ],
)
def test_wrong_use_is_told_with_what_to_change(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


def test_a_subscription_that_is_no_id_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--subscription", "my subscription", "--region", "r", "--runs", str(tmp_path)]
    assert main(arguments) == 2
    assert "must be its id" in capsys.readouterr().err
