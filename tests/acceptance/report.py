"""The result of a run: one JSON file, and a page for people.

`passed` is true only where every check passed, save those that say themselves that what they need
is not there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.acceptance.estate import Kept

Json = dict[str, Any]
Status = Literal["passed", "failed", "not run"]
MAY_BE_MISSING = frozenset({"vault-only"})
"""A point that is kept in the vault alone comes to be after a day at the earliest."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a check ended."""

    check: str
    status: Status
    why: str = ""
    facts: Json = field(default_factory=dict)
    attempt: int = 1
    seconds: float = 0.0
    finished_at: str = ""
    recording: str = ""

    @classmethod
    def of(cls, kept: Json) -> Outcome:
        """Read it back from the journal."""
        return cls(**kept)

    def kept(self) -> Json:
        """What the journal keeps."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Result:
    """A whole run."""

    run: str
    kind: str
    region: str
    commit: str
    begun_at: str
    finished_at: str
    outcomes: Sequence[Outcome]
    problem: str = ""
    """What ended the run before its end."""
    kept: Sequence[Kept] = ()
    torn_down: bool = False

    @property
    def passed(self) -> bool:
        """Whether the product did what it promises."""
        excused = [
            one.status == "passed" or (one.status == "not run" and one.check in MAY_BE_MISSING)
            for one in self.outcomes
        ]
        return bool(excused) and all(excused) and not self.problem

    def document(self) -> Json:
        """The result file."""
        return {
            "schemaVersion": "1.0",
            "run": self.run,
            "answeredBy": self.kind,
            "region": self.region,
            "commit": self.commit,
            "begunAt": self.begun_at,
            "finishedAt": self.finished_at,
            "passed": self.passed,
            "problem": self.problem,
            "checks": [
                {
                    "name": one.check,
                    "status": one.status,
                    "why": one.why,
                    "facts": one.facts,
                    "attempt": one.attempt,
                    "seconds": round(one.seconds, 1),
                    "finishedAt": one.finished_at,
                    "recording": one.recording,
                }
                for one in self.outcomes
            ],
            "tornDown": self.torn_down,
            "kept": [asdict(one) for one in self.kept],
        }

    def write(self, folder: Path) -> Path:
        """Write the result file."""
        path = folder / "result.json"
        text = json.dumps(self.document(), indent=2, ensure_ascii=False)
        path.write_text(f"{text}\n", "utf-8")
        return path

    def page(self) -> str:
        """The result for people."""
        who = "Azure" if self.kind == "azure" else "the emulator"
        lines = [f"Acceptance run {self.run}, answered by {who}", ""]
        lines += [
            f"  {one.status:8}{one.check:18}{one.seconds:7.1f} s  {one.why}".rstrip()
            for one in self.outcomes
        ]
        if self.problem:
            lines += ["", f"  The run ended early: {self.problem}"]
        lines += ["", f"  {'passed' if self.passed else 'NOT passed'}"]
        if self.torn_down:
            lines.append("  everything that the run made has been taken away" + _but(self.kept))
        elif self.kept:
            lines.append("  not everything could be taken away:")
        lines += [f"    {one.what}: {one.why}" for one in self.kept]
        return "\n".join(lines)


def _but(kept: Sequence[Kept]) -> str:
    return "; Azure keeps for a while:" if kept else ""
