"""A run from its first step to its last: prepare, deploy, check, take away.

A run that is started again goes on where it was: what is there is found, checks that passed are not
repeated, and the others are tried anew. Whatever ends a run, its result is written and its estate
is taken away, unless it is to be kept.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core.exceptions import AzureError

from tests.acceptance.arm import ArmError
from tests.acceptance.checks import CHECKS
from tests.acceptance.cut_check import NAME as CUT
from tests.acceptance.cut_check import cut_connection
from tests.acceptance.estate import Estate, EstateError, Kept
from tests.acceptance.journal import Journal
from tests.acceptance.pace import OutOfTimeError, Pace
from tests.acceptance.recorder import Recorder
from tests.acceptance.report import Outcome, Result
from tests.acceptance.scene import CheckFailed, NotRun, Scene
from tests.acceptance.vault import Vault

Json = dict[str, Any]
ALL_CHECKS: Mapping[str, Callable[[Scene], Json]] = {**CHECKS, CUT: cut_connection}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One start of a run."""

    name: str
    region: str
    commit: str
    estate: Estate
    journal: Journal
    pace: Pace
    recorder: Recorder
    tell: Callable[[str], None]

    def whole(self, *, keep: bool, chosen: frozenset[str]) -> Result:
        """Do everything; `keep` leaves the estate in place."""
        problem = ""
        try:
            self._work(chosen)
        except KeyboardInterrupt:
            problem = "interrupted"
        except Exception as error:  # noqa: BLE001  (nothing may keep the estate from going)
            problem = self._told(error)
        if problem:
            self.tell(problem)
        if keep:
            return self._result(problem)
        return self.teardown(problem)

    def teardown(self, problem: str = "") -> Result:
        """Take everything away that a run of this name made."""
        self.pace.begin_teardown()
        self.tell("taking everything away")
        try:
            with self.recorder.step("teardown"):
                kept = self.estate.tear_down()
        except KeyboardInterrupt:
            return self._result(_joined(problem, "interrupted while taking it away"))
        except Exception as error:  # noqa: BLE001  (the result says so)
            return self._result(_joined(problem, f"taking it away failed: {self._told(error)}"))
        self.journal.finish()
        return self._result(problem, torn_down=True, kept=kept)

    def _told(self, error: Exception) -> str:
        """What went wrong; of what nobody foresaw, where it came from as well."""
        if isinstance(error, ArmError | EstateError | OutOfTimeError | AzureError):
            return str(error)
        self.tell("".join(traceback.format_exception(error)))
        return f"{type(error).__name__}: {error}"

    def _work(self, chosen: frozenset[str]) -> None:
        self.tell("preparing the estate")
        with self.recorder.step("prepare"):
            self.estate.prepare()
        self.tell("deploying the app")
        with self.recorder.step("deploy"):
            app = self.estate.deploy()
        try:
            scene = Scene(
                run=self.name,
                place=self.estate.place,
                files=self.estate.files,
                vault=Vault(self.estate.arm, self.estate.place),
                app=app,
                journal=self.journal,
                recorder=self.recorder,
                make_share=self.estate.make_share,
            )
            for name in ALL_CHECKS:
                if name in chosen:
                    self._check(scene, name)
        finally:
            app.close()

    def _check(self, scene: Scene, name: str) -> None:
        before = self.journal.outcome(name)
        if before is not None and before["status"] == "passed":
            self.tell(f"{name}: passed before")
            return
        if before is not None:
            self.journal.next_attempt(name)
        begun = self.pace.spent
        # A check that the end of the run cuts short has no outcome: the same try goes on at the
        # next start, and its message, sent again, starts nothing twice.
        outcome = self._tried(scene, name)
        done = Outcome(
            **{
                **outcome.kept(),
                "attempt": self.journal.attempt(name),
                "seconds": self.pace.spent - begun,
                "finished_at": _text(self.pace.clock.now()),
                "recording": f"recordings/{name}.json",
            }
        )
        self.journal.ended(name, done.kept())
        self.tell(f"{name}: {done.status} {done.why}".rstrip())

    def _tried(self, scene: Scene, name: str) -> Outcome:
        try:
            with self.recorder.step(name):
                facts = ALL_CHECKS[name](scene)
        except CheckFailed as error:
            return Outcome(check=name, status="failed", why=str(error))
        except NotRun as error:
            return Outcome(check=name, status="not run", why=str(error))
        except (ArmError, AzureError) as error:
            return Outcome(check=name, status="failed", why=f"a call failed: {error}")
        except OutOfTimeError as error:
            if self.pace.left <= 0:
                raise
            # The run has time left: it was this wait that took longer than it may.
            return Outcome(check=name, status="failed", why=str(error))
        return Outcome(check=name, status="passed", facts=facts)

    def _result(
        self, problem: str, *, torn_down: bool = False, kept: list[Kept] | None = None
    ) -> Result:
        outcomes = []
        for name in ALL_CHECKS:
            held = self.journal.outcome(name)
            outcomes.append(Outcome.of(held) if held else _unfinished(name, 1))
        result = Result(
            run=self.name,
            kind=self.estate.kind,
            region=self.region,
            commit=self.commit,
            begun_at=_text(self.pace.begun),
            finished_at=_text(self.pace.clock.now()),
            outcomes=outcomes,
            problem=problem,
            kept=kept or [],
            torn_down=torn_down,
        )
        result.write(self.journal.folder)
        return result


def _unfinished(name: str, attempt: int) -> Outcome:
    why = "the run ended before this check did"
    return Outcome(check=name, status="not run", why=why, attempt=attempt)


def _joined(first: str, second: str) -> str:
    return f"{first}; {second}" if first else second


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
