"""The benchmark measures every figure, and writes what its page says that it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from bench.__main__ import PARTS, main
from bench.figure import Bar, Figure, quantile
from bench.pictures import figure as drawn
from bench.pictures import overview
from bench.records import Patterns
from bench.table import written
from restore_core.domain.lifecycle import Phase

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
FIGURES = [name for part in PARTS.values() for name in part.figures]


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return content


def documented(heading: str) -> list[str]:
    """The first column of the table below a heading of the page."""
    _, _, rest = PAGE.partition(f"\n{heading}\n")
    assert rest, f"{heading} is missing"
    return re.findall(r"^\| `([^`]+)` \|", re.split(r"\n#+ ", rest)[0], re.MULTILINE)


@pytest.mark.timeout(900)
def test_a_quick_run_measures_every_figure_and_writes_it_as_the_page_tells(tmp_path: Path) -> None:
    assert main(["--quick", "--results", str(tmp_path)]) == 0
    content = read(tmp_path)
    assert list(content) == documented("### `results.json`")
    assert content["scale"] == "quick"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", content["madeAt"])
    assert content["machine"]["cores"] >= 1
    assert [one["name"] for one in content["figures"]] == FIGURES
    for one in content["figures"]:
        assert list(one) == documented("### A figure")
        assert list(one["goal"]) in [["atMost"], ["atLeast"]]
        assert isinstance(one["measured"], float | int), one["name"]
        assert one["met"] in {True, False}
    assert content["missing"] == []
    for name in [*FIGURES, "overview"]:
        ET.parse(tmp_path / f"{name}.svg")
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    for place in (str(ROOT), str(tmp_path), "127.0.0.1"):
        assert place not in text


def test_the_page_explains_every_figure() -> None:
    assert sorted(documented("## Figures")) == sorted(FIGURES)


def test_a_goal_is_a_most_or_a_least() -> None:
    most = Figure(name="a", title="A", unit="s", goal=2, measured=2)
    least = Figure(name="b", title="B", unit="s", goal=2, measured=1, at_least=True)
    unknown = Figure(name="c", title="C", unit="s", goal=2, measured=None)
    assert (most.met, least.met, unknown.met) == (True, False, None)
    assert (most.share_of_goal, least.share_of_goal, unknown.share_of_goal) == (1.0, 2.0, None)


def test_a_quantile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert quantile(values, 0.95) == 95
    assert quantile(values, 1.0) == 100
    assert quantile([7.0], 0.95) == 7


def test_the_table_says_which_goal_was_missed() -> None:
    text = written(
        [
            Figure(name="a", title="One", unit="s", goal=2, measured=3, beside=[]),
            Figure(name="b", title="Other", unit="s", goal=2, measured=None),
        ]
    )
    assert re.search(r"^One +3 +<= 2  MISSED", text, re.MULTILINE)
    assert re.search(r"^Other +- +<= 2  not measured", text, re.MULTILINE)


def test_a_picture_escapes_what_it_is_told_and_bears_a_bar_without_length() -> None:
    one = Figure(
        name="a",
        title="less < more & more",
        unit="s",
        goal=1,
        measured=0,
        beside=[Bar(label="far beyond", value=1e6)],
    )
    for text in (drawn(one), overview([one])):
        assert "less < more" not in text
        ET.fromstring(text)


def test_copies_of_a_record_differ_in_their_names_alone() -> None:
    patterns = Patterns.made()
    share = patterns.running.share
    one = patterns.running.copy("copy-1", share, job_id="job-1", activity_id="activity-1")
    assert one.phase is Phase.JOB_IN_PROGRESS
    assert (one.key, one.jobs[0].id) == ("copy-1", "job-1")
    assert one.tries[0].client_request_id == "activity-1"
    ended = patterns.finished.copy("copy-2", share)
    assert ended.announced_at is not None
    assert '"copy-2/Completed"' in (ended.event or "")
