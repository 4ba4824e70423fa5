"""The security page names tests that exist and limits that hold."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from pathlib import Path

import pytest

from restore_core.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
LIMITS = re.findall(
    r"^\| [^|]+ \| ([0-9,]+) ?([^|]*) \| `([\w.]+)` \|$",
    PAGE.partition("## Limits of every input")[2],
    re.MULTILINE,
)
UNITS = {"KiB": 1024, "MiB": 1024 * 1024, "h": 3600, "days": 86400}


def value(place: str) -> float:
    """What a constant of the code, or the default of a setting, really is."""
    module, _, name = place.rpartition(".")
    if module:
        return float(getattr(importlib.import_module(f"restore_core.{module}"), name))
    setting = SETTINGS[name]
    default = setting.kind.read(setting.default)
    if isinstance(default, timedelta):
        return default.total_seconds()
    assert isinstance(default, int)
    return default


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    there: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        there |= set(re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE))
    assert len(named) > 30
    assert named - there == set()


def test_every_threat_has_a_test() -> None:
    table = PAGE.partition("## Threats")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!threat|-)(.+) \| (.+) \| (.+) \|$", table, re.MULTILINE)
    assert len(rows) >= 10
    assert [threat for threat, _, proof in rows if "`test_" not in proof] == []


@pytest.mark.parametrize(
    ("number", "unit", "place"), [pytest.param(*one, id=one[2]) for one in LIMITS]
)
def test_every_limit_of_the_page_is_that_of_the_code(number: str, unit: str, place: str) -> None:
    scale = UNITS.get(re.split(r"[ ,]", unit)[0], 1)
    assert int(number.replace(",", "")) * scale == value(place)


def test_the_page_has_the_limits() -> None:
    assert len(LIMITS) >= 18
