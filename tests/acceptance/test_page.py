"""The page about the acceptance run, and what the README says of it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance import bodies
from tests.acceptance.program import LONGEST_HOURS, TEARDOWN_SECONDS
from tests.acceptance.run import ALL_CHECKS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/acceptance.md").read_text("utf-8")
LAST_RUN = re.compile(r"^.*(It last ran against Azure: [^\n]+)$", re.MULTILINE)


def test_the_page_lists_the_checks_in_their_order() -> None:
    section = PAGE.partition("## What it checks")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)
    assert listed == list(ALL_CHECKS)


def test_the_page_lists_the_variables_that_make_takes() -> None:
    section = PAGE.partition("## Run it")[2].partition("\n## ")[0]
    first_cells = "".join(re.findall(r"^\| (`[^|]+`) \|", section, re.MULTILINE))
    recipe = (ROOT / "Makefile").read_text("utf-8").partition("\nacceptance:")[2].partition("\n\n")
    taken = set(re.findall(r"\$\(if \$\((\w+)\)", recipe[0]))
    assert set(re.findall(r"`([A-Z]+)", first_cells)) == taken


def test_the_page_lists_the_resource_providers() -> None:
    for name in bodies.NAMESPACES:
        assert f"`{name}`" in PAGE


def test_the_page_says_how_long_a_run_may_take() -> None:
    assert LONGEST_HOURS == 3
    assert "Three hours at most" in PAGE
    assert f"{TEARDOWN_SECONDS / 60:.0f} minutes of them are kept for the teardown" in PAGE


def test_readme_and_page_say_the_same_of_the_last_run() -> None:
    readme = LAST_RUN.search((ROOT / "README.md").read_text("utf-8"))
    page = LAST_RUN.search(PAGE)
    assert readme is not None
    assert page is not None
    assert readme[1] == page[1]
