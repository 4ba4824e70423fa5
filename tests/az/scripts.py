"""Running the scripts of `docs/examples`, and looking at the calls that they make."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.az import stand_in

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs/examples"
SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.sh"))
ENVIRONMENT = {
    "AZURE_LOCATION": "westeurope",
    "AZURE_RESOURCE_GROUP": "rg-restore-test",
    "GET_RESTORE_KEY": "key-that-looks",
    "POST_RESTORE_KEY": "key-that-posts",
    "RESTORE_APP_NAME": "func-restore-1",
    "RESTORE_STORAGE_ACCOUNT": "strestore1",
    "RESTORE_URL": "https://func-restore-1.example",
    "TOPIC_GROUP": "rg-topics",
    "TOPIC_NAME": "restores",
    "WATCHED_ACCOUNT_ID": json.loads((EXAMPLES / "request.json").read_text(encoding="utf-8"))[
        "source"
    ]["storageAccountId"],
    "WEBHOOK_IDENTIFIER_URI": "api://restore",
    "WEBHOOK_OBJECT_ID": "11112222-3333-4444-8555-666677778888",
}
"""What a person sets before running them."""


class Call:
    """One call of a program."""

    def __init__(self, words: list[str]) -> None:
        self.words = words
        text = " ".join(words)
        named = [one for one in [*stand_in.commands(), "curl"] if text.startswith(f"{one} ")]
        self.command = max(named, key=len)

    @property
    def options(self) -> set[str]:
        """The options' names."""
        return {word for word in self.words if word.startswith("--")}

    def values(self, option: str) -> list[str]:
        """Give what follows an option, up to the next."""
        after = self.words[self.words.index(option) + 1 :]
        ends = [index for index, word in enumerate(after) if word.startswith("--")]
        return after[: ends[0]] if ends else after

    def value(self, option: str) -> str:
        """The one value of an option."""
        (held,) = self.values(option)
        return held


def with_stand_ins(folder: Path) -> dict[str, str]:
    """Make `az` and `curl` below a folder; the variables of a script that finds them."""
    programs = folder / "bin"
    programs.mkdir()
    for program in ("az", "curl"):
        path = programs / program
        path.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{stand_in.__file__}" {program} "$@"\n'
        )
        path.chmod(0o755)
    return {
        **ENVIRONMENT,
        "CALLS": str(folder / "calls"),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(
    name: str, folder: Path, variables: dict[str, str]
) -> tuple[subprocess.CompletedProcess[str], list[Call]]:
    """Run a script beside copies of the examples' files; how it ended, and what it called."""
    for path in EXAMPLES.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    done = subprocess.run(
        ["bash", name],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done, calls_in(folder)


def calls_in(folder: Path) -> list[Call]:
    """What has been called so far."""
    held = folder / "calls"
    lines = held.read_text(encoding="utf-8").splitlines() if held.exists() else []
    return [Call(json.loads(line)) for line in lines]


def variables_of(name: str) -> list[str]:
    """The variables that a script takes from its environment."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return sorted(set(re.findall(r"\$\{?([A-Z][A-Z_]+)", text)))


def queries_of(name: str) -> list[str]:
    """The queries of a script, in their order."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    return re.findall(r"--query (\S+)", text)
