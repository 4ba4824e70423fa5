"""A measured figure and its goal.

Knows what a figure is, when its goal is met, and its form in `results.json`. Refuses to know how
anything is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A number to hold a figure against: a peer, a floor, or another cut of the same run."""

    label: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table. `measured` is `None` where this machine cannot tell."""

    name: str
    title: str
    unit: str
    goal: float
    measured: float | None
    at_least: bool = False
    """Whether the goal is a least; else it is a most."""
    beside: Sequence[Bar] = ()
    """In the figure's own unit."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else the same run told, for the page that explains the figure."""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached."""
        if self.measured is None:
            return None
        return self.measured >= self.goal if self.at_least else self.measured <= self.goal

    @property
    def share_of_goal(self) -> float | None:
        """How much of what the goal allows is used: 1.0 is the goal, above it is a miss."""
        if self.measured is None:
            return None
        if self.at_least:
            return self.goal / self.measured if self.measured else float("inf")
        return max(self.measured, 0.0) / self.goal

    def to_json(self) -> dict[str, Any]:
        """The form in `results.json`."""
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "goal": {"atLeast" if self.at_least else "atMost": self.goal},
            "measured": self.measured,
            "met": self.met,
            "beside": [{"label": bar.label, "value": bar.value} for bar in self.beside],
            "facts": dict(self.facts),
        }


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -int(-part * len(ordered) // 1) - 1))]
