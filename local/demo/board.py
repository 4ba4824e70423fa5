"""Shows the demo: a table that is redrawn in place on a terminal, lines of text anywhere else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from local.closing import Closing
from local.demo.scenario import Order

_STYLES = {"Completed": "green", "Failed": "red", "Accepted": "yellow", "": "dim"}
_SHOWN = (
    "requestedBy",
    "reason",
    "message",
    "problems",
    "recoveryPoint",
    "counts",
    "error",
    "requestedAt",
    "finishedAt",
    "recoveryTimeSeconds",
)


@dataclass(kw_only=True)
class Row:
    """One request as the viewer sees it."""

    order: Order
    files: int
    """How many files are to be as in the recovery point in the end."""
    phase: str = ""
    waiting_for: str = ""
    right: int = 0
    """How many of them are so by now."""
    sent_at: float | None = None
    """When its message was sent, by the monotonic clock."""
    seconds: float = 0.0
    answered: bool = False
    """Whether its completion has come: then nothing changes any more."""
    waited_for: set[str] = field(default_factory=set)
    """Everything that it was seen to wait for."""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's texts."""
        return (
            self.order.name,
            self.order.shape,
            self.phase or "not sent",
            self.waiting_for,
            f"{self.right}/{self.files}",
            f"{self.seconds:.1f}",
        )


class Board(Closing):
    """Shows rows, and lines of text above them; use it as a context manager."""

    def __init__(self, console: Console) -> None:
        """Choose by the console: a table needs a terminal that can go back."""
        self._console = console
        self._in_place = console.is_terminal and not console.is_dumb_terminal
        self._live: Live | None = None
        self._told: dict[str, tuple[str, str]] = {}

    def close(self) -> None:
        """Leave the table as it stands."""
        self.freeze()

    def head(self, text: str) -> None:
        """Begin a part."""
        self._print("")
        self._print(text, style="bold")

    def say(self, text: str) -> None:
        """Print a line of the part."""
        self._print(text, indent=2)

    def check(self, words: str, *, held: bool) -> None:
        """Print how a check came out."""
        mark, style = ("ok", "green") if held else ("FAILED", "red")
        self._print(f"{mark}: {words}", indent=2, style=style)

    def show(self, rows: Sequence[Row]) -> None:
        """Show the rows: all of them in place, or those that changed as a line each."""
        if self._in_place:
            if self._live is None:
                self._live = Live(console=self._console, auto_refresh=False)
                self._live.start()
            self._live.update(_table(rows), refresh=True)
            return
        for row in rows:
            now = (row.phase, row.waiting_for)
            if row.phase and self._told.get(row.order.id) != now:
                self._told[row.order.id] = now
                self._print(line(row))

    def tell(self, event: Mapping[str, Any]) -> None:
        """Print an event, shortened to what differs between events."""
        head, *fields = event_lines(event)
        self._print(f"event {head}", indent=2, style="bold")
        for text in fields:
            self._print(text, indent=6)

    def freeze(self) -> None:
        """Leave the table where it is; what is shown or printed from now on comes below."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _print(self, text: str, *, indent: int = 0, style: str = "") -> None:
        """Print text as it stands, names with brackets too; only a terminal gets lines wrapped."""
        shown = Text(text, style=style)
        if self._console.is_terminal:
            self._console.print(Padding(shown, (0, 0, 0, indent)))
        else:
            self._console.print(Text(" " * indent) + shown, soft_wrap=True)


def line(row: Row) -> str:
    """A row as a line of text."""
    name, _, phase, waiting_for, files, seconds = row.cells
    waits = f", waiting for {waiting_for}" if waiting_for else ""
    return f"{seconds:>6} s  {name}: {phase}{waits}, files ok: {files}"


def event_lines(event: Mapping[str, Any]) -> list[str]:
    """An event in a few lines, with the fields' own names."""
    data = event["data"]
    shown = [f"{name}: {_value(data[name])}" for name in _SHOWN if data.get(name)]
    return [f"{event['type']} {event['id']}", *shown]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[Row]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for title in ("request", "shape", "phase", "waits for"):
        table.add_column(title)
    for title in ("files ok", "seconds"):
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row.cells, style=_STYLES.get(row.phase, "cyan"))
    return table
