"""The results of a run, written anew after each figure.

Knows the form of `results.json`, and that it always says which figures are not there. A run that is
ended half way, however it ends, leaves what it had measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import pictures
from bench.figure import Figure
from bench.scale import JOB_SECONDS, PAGE_SIZE, TICK_SECONDS, Scale

SCHEMA = 1
NAME = "results.json"


@dataclass(kw_only=True)
class Results:
    """What a run has measured so far."""

    scale: Scale
    machine: Mapping[str, Any]
    wanted: Sequence[str]
    """The names of the figures that the run is to measure."""
    figures: list[Figure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each part took that came to its end."""

    @property
    def missing(self) -> list[str]:
        """The figures that are wanted and not there."""
        there = {one.name for one in self.figures}
        return [name for name in self.wanted if name not in there]

    def to_json(self) -> dict[str, Any]:
        """The content of `results.json`; docs/performance.md explains it."""
        return {
            "schema": SCHEMA,
            "scale": self.scale.name,
            "madeAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "machine": self.machine,
            "emulator": {
                "pageSize": PAGE_SIZE,
                "timeScale": self.scale.time_scale,
                "tickSeconds": TICK_SECONDS,
                "jobSeconds": JOB_SECONDS,
            },
            "seconds": {**self.seconds, "all": round(sum(self.seconds.values()), 1)},
            "figures": [one.to_json() for one in self.figures],
            "missing": self.missing,
        }

    def write(self, folder: Path) -> None:
        """Write them, and a picture for each figure; pictures of no figure here are removed."""
        folder.mkdir(parents=True, exist_ok=True)
        for picture in folder.glob("*.svg"):
            picture.unlink()
        for one in self.figures:
            (folder / f"{one.name}.svg").write_text(pictures.figure(one), encoding="utf-8")
        if self.figures:
            text = pictures.overview(self.figures)
            (folder / "overview.svg").write_text(text, encoding="utf-8")
        text = json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n"
        # In one step, so that whoever ends this process leaves the old file or the new one.
        new = folder / f"{NAME}.new"
        new.write_text(text, encoding="utf-8")
        new.replace(folder / NAME)
