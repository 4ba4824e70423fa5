"""The page of the service's codes says what the code does."""

from __future__ import annotations

import re

from docs.make_service_codes import PAGE, page
from restore_core.azure_backup.failures import CATALOGUE
from restore_core.vocabulary import ErrorClass

ROW = re.compile(r"\| `(?P<code>\w+)` \| (?P<kind>\w+) \| (?P<wait>[^|]+) \| (?P<advice>[^|]+) \|")


def test_the_page_is_what_its_script_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m docs.make_service_codes"


def test_the_page_has_every_code_with_its_class_wait_and_advice() -> None:
    rows = {found["code"]: found for found in ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    assert set(rows) == set(CATALOGUE)
    for code, failure in CATALOGUE.items():
        found = rows[code]
        assert (found["kind"], found["advice"]) == (failure.kind.value, failure.advice)
        waits = None if found["wait"] == "-" else found["wait"].split("`")[1]
        assert waits == (failure.heals and failure.heals.value)


def test_every_class_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{kind}` | " in text for kind in ErrorClass)


def test_no_line_of_advice_breaks_the_table() -> None:
    assert not [code for code, failure in CATALOGUE.items() if re.search(r"[|\n]", failure.advice)]
