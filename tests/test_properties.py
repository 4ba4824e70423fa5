"""One Hypothesis profile for the whole suite, which no test changes for itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

from tests import properties

ROOT = Path(__file__).resolve().parent.parent
# Hypothesis chooses a patient profile by itself where it sees a CI machine; this one is not.
CONFTEST = """
from hypothesis import settings
from tests import properties

settings.load_profile("default")
properties.load()
"""
SLOW_PROPERTY = """
import time
from hypothesis import given, strategies as st

def drawn(number):
    time.sleep(0.4)
    return number

@given(st.integers(0, 2).map(drawn))
def test_a_number_is_one(number):
    time.sleep(0.3)
    assert number in range(3)
"""


def test_the_profile_is_in_force_and_reads_no_clock() -> None:
    assert settings.get_current_profile_name() == properties.PROFILE
    now = settings()
    assert now.deadline is None
    assert HealthCheck.too_slow in now.suppress_health_check
    assert now.derandomize
    assert now.database is None


def test_no_other_file_sets_what_belongs_to_the_profile() -> None:
    words = re.compile(r"\b(?:register_profile|load_profile|deadline=None|derandomize=)")
    mine = {Path(properties.__file__), Path(__file__)}
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.glob("tests/**/*.py"))
        if path not in mine and words.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_a_slow_first_run_passes(tmp_path: Path) -> None:
    """No `.hypothesis` is there, and drawing takes longer than Hypothesis likes by itself."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_slow.py").write_text(SLOW_PROPERTY)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", "."],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
