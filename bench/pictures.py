"""Bar charts as SVG, written by hand: a title, horizontal bars, and a line where the goal is."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.figure import Bar, Figure

_WIDTH, _LEFT, _RIGHT = 860, 330, 90
_ROW, _TOP, _BOTTOM = 34, 56, 34
_OURS, _OTHER, _MISSED, _GOAL, _TEXT = "#2563eb", "#94a3b8", "#dc2626", "#16a34a", "#1e293b"


def figure(one: Figure) -> str:
    """Draw a figure beside what it is held against."""
    sign = "at least" if one.at_least else "at most"
    rows = [("this app", one.measured or 0.0, _MISSED if one.met is False else _OURS)]
    rows += [(bar.label, bar.value, _OTHER) for bar in one.beside]
    note = f"goal: {sign} {one.goal:g} {one.unit}"
    return _chart(one.title, rows, goal=one.goal, note=note)


def overview(figures: Sequence[Figure]) -> str:
    """Draw how much of each goal is used up; a bar beyond the line is a goal that was missed."""
    bars = [
        Bar(label=one.name, value=round(100 * one.share_of_goal, 1))
        for one in figures
        if one.share_of_goal is not None
    ]
    rows = [(bar.label, bar.value, _OURS if bar.value <= 100 else _MISSED) for bar in bars]
    return _chart("How much of each goal is used (%)", rows, goal=100.0, note="the goal: 100 %")


def _chart(title: str, rows: Sequence[tuple[str, float, str]], *, goal: float, note: str) -> str:
    # A bar that is far longer than all others is cut, so that these can still be seen.
    longest = max([goal * 1.25, *(min(value, goal * 8) for _, value, _ in rows)])
    room = _WIDTH - _LEFT - _RIGHT
    height = _TOP + _ROW * len(rows) + _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<g font-family="sans-serif" font-size="13" fill="{_TEXT}">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="28" font-size="16" font-weight="bold">{escape(title)}</text>',
    ]
    for number, (label, value, colour) in enumerate(rows):
        y = _TOP + _ROW * number
        length = max(room * min(max(value, 0.0), longest) / longest, 1.0)
        cut = " …" if value > longest else ""
        parts += [
            f'<text x="{_LEFT - 10}" y="{y + 17}" text-anchor="end">{escape(label)}</text>',
            f'<rect x="{_LEFT}" y="{y + 2}" width="{length:.1f}" height="22" fill="{colour}"/>',
            f'<text x="{_LEFT + length + 6:.1f}" y="{y + 17}">{value:g}{cut}</text>',
        ]
    x = _LEFT + room * goal / longest
    foot = _TOP + _ROW * len(rows)
    parts += [
        f'<g stroke="{_GOAL}" stroke-width="2" stroke-dasharray="5 3">',
        f'<line x1="{x:.1f}" y1="{_TOP - 6}" x2="{x:.1f}" y2="{foot}"/></g>',
        f'<g text-anchor="middle" fill="{_GOAL}">',
        f'<text x="{x:.1f}" y="{foot + 18}">{escape(note)}</text></g>',
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"
