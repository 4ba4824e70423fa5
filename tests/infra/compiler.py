"""The Bicep compiler, where there is one: what it says about `infra/`, and what it would deploy.

People have it from az (`~/.azure/bin/bicep`), from azd, or alone. It is found on the PATH, or is
named by `BICEP`. Nothing here installs it, and nothing goes over the network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent.parent

MISSING = (
    "there is no Bicep compiler: put `bicep` on the PATH, or name one in BICEP "
    "(`az bicep install` puts one into ~/.azure/bin)"
)
OLDEST = (0, 49)
"""Older ones know fewer rules and types, or no snapshots."""

WHERE = {
    "--subscription-id": "ef4ab5a7-c2c0-4304-af80-af49f48af3d1",
    "--tenant-id": "99999999-9999-4999-8999-999999999999",
    "--location": "westeurope",
}
"""Where the snapshots would be deployed."""


class NoCompilerError(Exception):
    """`BICEP` names something that is no program, or the program is too old."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one run of the compiler gave. It warns with exit code 0, so that both are looked at."""

    code: int
    output: str
    complaints: str

    @property
    def silent(self) -> bool:
        """Whether there was nothing to complain about."""
        return self.code == 0 and not self.complaints.strip()


@dataclass(frozen=True, kw_only=True)
class Compiler:
    """The program `bicep`."""

    program: str

    @classmethod
    def find(cls) -> Self | None:
        """Find the program; `None` where there is none.

        Raises:
            NoCompilerError: where `BICEP` promises one that is not there, or it is too old.
        """
        named = os.environ.get("BICEP", "")
        program = shutil.which(named or "bicep")
        if named and program is None:
            raise NoCompilerError(f"BICEP is {named!r}, and that is no program that can be run")
        if program is None:
            return None
        found = cls(program=program)
        said = found.run("--version").output
        version = re.search(r"\b(\d+)\.(\d+)\.\d+", said)
        if version is None or (int(version[1]), int(version[2])) < OLDEST:
            least = ".".join(map(str, OLDEST))
            raise NoCompilerError(
                f"{program} says {said.strip()!r}, and {least} or newer is needed: az bicep upgrade"
            )
        return found

    def run(
        self, *arguments: str, folder: Path = ROOT, environment: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run the program in a folder; the environment is added to the machine's."""
        done = subprocess.run(
            [self.program, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            # Without this it does not start on a machine without libicu.
            env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", **(environment or {})},
        )
        return Outcome(code=done.returncode, output=done.stdout, complaints=done.stderr)

    def snapshot(self, source: Path, mode: str = "overwrite") -> Outcome:
        """Expand a deployment into a file beside its own, or compare it with that (`validate`)."""
        place = [text for pair in WHERE.items() for text in pair]
        return self.run("snapshot", str(source), "--mode", mode, *place)


def in_order(snapshot: Any) -> str:
    """Write a snapshot so that equal ones are equal texts: the compiler shuffles the outputs."""
    ordered = dict(snapshot) | {"outputs": dict(sorted(snapshot["outputs"].items()))}
    return json.dumps(ordered, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The Bicep of a project: its templates, its modules, and the sample environments."""

    root: Path

    @property
    def templates(self) -> list[Path]:
        """What is deployed by itself; the other files are compiled with these."""
        infra = self.root / "infra"
        return [*sorted(infra.glob("[!t]*.bicep")), infra / "modules/alert.bicep"]

    @property
    def environments(self) -> list[Path]:
        """The sample environments."""
        return sorted((self.root / "tests/infra/environments").glob("*.bicepparam"))

    @property
    def written(self) -> list[Path]:
        """Every file that has a standard layout, then every snapshot, below the root."""
        infra = self.root / "infra"
        found = [*infra.rglob("*.bicep"), *infra.rglob("*.bicepparam"), *self.environments]
        snapshots = [one.with_suffix(".snapshot.json") for one in self.environments]
        return [one.relative_to(self.root) for one in [*sorted(found), *snapshots]]

    def copy(self, folder: Path) -> Tree:
        """Copy it, to be written anew and compared."""
        for part in ("infra", "tests/infra/environments"):
            shutil.copytree(self.root / part, folder / part)
        return Tree(root=folder)

    def renew(self, compiler: Compiler) -> list[str]:
        """Write layout and snapshots anew; returns what went wrong."""
        wrong = []
        # Not the whole project: what is installed in it may have Bicep files, too.
        for part in ("infra", "tests/infra/environments"):
            done = compiler.run("format", "--pattern", "**/*.bicep*", folder=self.root / part)
            wrong += [] if done.silent else [done.complaints]
        for source in self.environments:
            done = compiler.snapshot(source)
            if done.code:
                wrong.append(f"{source}: {done.output}{done.complaints}")
                continue
            target = source.with_suffix(".snapshot.json")
            target.write_text(in_order(json.loads(target.read_text("utf-8"))), encoding="utf-8")
        return wrong
