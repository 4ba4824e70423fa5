"""The version is written in one place; whatever repeats it says the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from restore_core import __version__

ROOT = Path(__file__).resolve().parent.parent


def test_the_project_file_repeats_the_version_of_the_app() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_the_version_has_the_three_numbers_of_semantic_versioning() -> None:
    assert re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", __version__)


def test_the_newest_version_of_the_changelog_is_that_of_the_app() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[0] == "[Unreleased]", "what comes next needs a place"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d{{2}}-\d{{2}}", headings[1])
