"""The figures as a table for a terminal, in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from bench.figure import Figure

_WORDS = {True: "met", False: "MISSED", None: "not measured"}


def written(figures: Sequence[Figure]) -> str:
    """One line for each figure, and what it is held against below it."""
    width = max(len(one.title) for one in figures)
    lines = [f"{'figure':{width}}  {'measured':>10}  {'goal':>10}  result"]
    lines.append("-" * (width + 34))
    for one in figures:
        sign = ">=" if one.at_least else "<="
        goal = f"{sign} {one.goal:g}"
        measured = "-" if one.measured is None else f"{one.measured:g}"
        lines.append(
            f"{one.title:{width}}  {measured:>10}  {goal:>10}  {_WORDS[one.met]} ({one.unit})"
        )
        lines += [f"{'  ' + bar.label:{width}}  {bar.value:>10g}" for bar in one.beside]
    return "\n".join(lines)
