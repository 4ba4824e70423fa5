"""What newcomers are told is true: files and commands that are named exist, indexes are whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
CHANGES = re.findall(
    r"^\| (.*\*\*.+\*\*.*) \| (.+) \|$",
    CONTRIBUTING.partition("## Ten changes")[2].partition("\n## ")[0],
    re.MULTILINE,
)
PATH = re.compile(r"`((?:\.?[\w-]+/)*\.?[\w-]+(?:\.(?:py|md|toml|json|bicep|bicepparam|yml))?)`")


def paths(text: str) -> list[str]:
    """What is named in a text and can only be a path: it has a slash, or the end of a file."""
    return [one for one in PATH.findall(text) if "/" in one or "." in one.strip(".")]


def test_the_ten_changes_are_there() -> None:
    topics = ["field", "error code", "alerts", "guard", "target", "channel", "store"]
    topics += ["how often", "API version", "command"]
    assert len(CHANGES) == len(topics)
    for (change, _), topic in zip(CHANGES, topics, strict=True):
        assert topic in change


@pytest.mark.parametrize(("change", "files"), CHANGES, ids=[change for change, _ in CHANGES])
def test_every_file_to_open_for_a_change_exists(change: str, files: str) -> None:
    named = paths(files)
    assert named, change
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/release.md"])
def test_every_file_that_a_page_for_newcomers_names_exists(page: str) -> None:
    made_later = {"dist/main.json"}
    named = set(paths((ROOT / page).read_text(encoding="utf-8"))) - made_later
    assert sorted(name for name in named if not (ROOT / name).exists()) == []


def test_every_command_for_contributors_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = re.findall(r"`make ([\w-]+)", CONTRIBUTING)
    assert len(set(commands)) > 8
    for command in commands:
        assert re.search(rf"^{command}:", makefile, re.MULTILINE), command


def test_every_word_of_the_glossary_stands_there_once() -> None:
    words = [
        word.strip()
        for first in re.findall(r"^\| ([^|]+) \|", GLOSSARY, re.MULTILINE)
        if first not in {"word", "---"}
        for word in first.split(",")
    ]
    assert len(words) > 40
    assert sorted(set(words)) == sorted(words)


def test_every_page_is_in_the_index_of_the_pages() -> None:
    folder = ROOT / "docs"
    index = (folder / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", index))
    pages = {path.name for path in folder.glob("*.md")} - {"README.md"}
    assert sorted(pages - linked) == [], "link each in docs/README.md"


def test_every_decision_is_in_the_index_of_the_decisions_with_its_title() -> None:
    folder = ROOT / "docs/adr"
    index = (folder / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\((\S+)\) \| (\w+).* \|$", index, re.MULTILINE)
    assert [name for _, _, name, _ in rows] == sorted(
        path.name for path in folder.glob("*.md") if path.name != "README.md"
    )
    for number, title, name, status in rows:
        text = (folder / name).read_text(encoding="utf-8")
        assert text.startswith(f"# {number}. {title}\n\nStatus: {status}")
        assert name.startswith(f"{int(number):04d}-")
