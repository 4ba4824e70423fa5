"""Sends the demo's messages when they are due, and shows them until each is answered.

`checks` judges the answers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import requests

from local.demo import checks
from local.demo.board import Board, Row
from local.demo.outside import Outside
from local.demo.scenario import Order, Stray
from local.process import CancelledError
from local.stack import Stack

WATCH_SECONDS = 90.0
SETTLE_SECONDS = 10.0
LOOK_SECONDS = 0.25


class DemoFailedError(RuntimeError):
    """The demo could not come to its checks; the text says why."""


class Watch:
    """Sends and watches on a running stack."""

    def __init__(
        self, *, board: Board, stack: Stack, outside: Outside, ended: threading.Event
    ) -> None:
        """Take what to show on, whom to ask, and what tells that the viewer has had enough."""
        self._board = board
        self._stack = stack
        self._outside = outside
        self._ended = ended
        self._strays: dict[Stray, str] = {}
        self.events: list[Mapping[str, Any]] = []
        """All that have come so far."""

    def answer_all(self, orders: Sequence[Order], strays: Sequence[Stray]) -> list[Row]:
        """Send everything, each when it is due, and watch until every message is answered."""
        wanted = {order.id: checks.lasting(order, orders) for order in orders}
        rows = [Row(order=order, files=len(wanted[order.id])) for order in orders]
        give_up = time.monotonic() + WATCH_SECONDS
        while True:
            # In this order: a request that is answered has its last phase.
            answered = self._answered()
            phases = self._outside.phases()
            for row in rows:
                _update(row, phases, wanted[row.order.id], answered=row.order.id in answered)
                if row.sent_at is None and _is_at_azure(row.order.after, phases):
                    self._send(row)
            for stray in strays:
                if stray not in self._strays and (stray.after is None or stray.after in phases):
                    self._strays[stray] = self._outside.send(stray.text)
                    self._board.say(stray.words)
            self._board.show(rows)
            missing = [row.order.name for row in rows if not row.answered]
            missing += [one.words for one in strays if self.message_id(one) not in answered]
            if not missing:
                self._board.freeze()
                return rows
            if time.monotonic() > give_up:
                raise DemoFailedError(
                    f"after {WATCH_SECONDS:.0f} s there is no answer to: {', '.join(missing)}"
                )
            self._pause()

    def message_id(self, stray: Stray) -> str | None:
        """The id of a message that was sent."""
        return self._strays.get(stray)

    def what_is_left(self) -> tuple[int, int]:
        """What still stands on the request queue and the work list, after a moment's patience."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while any(left := self._outside.left()) and time.monotonic() < give_up:
            self._pause()
        self._answered()
        return left

    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """The jobs that the vault ran, by its own account."""
        answer = requests.get(f"{self._stack.arm}/_emulator/jobs", timeout=10)
        answer.raise_for_status()
        jobs: list[Mapping[str, Any]] = answer.json()
        return jobs

    def check_alive(self) -> None:
        """Raise `DemoFailedError` when a part has ended that should serve."""
        for name, child in self._stack.children.items():
            if child.poll() is not None:
                raise DemoFailedError(f"the {name} ended by itself, with {child.returncode}")

    def _send(self, row: Row) -> None:
        order = row.order
        for _ in range(order.copies):
            self._outside.send(order.message)
        row.sent_at = time.monotonic()
        how = ", in base64" if order.in_base64 else ""
        how += f", sent {order.copies} times" if order.copies > 1 else ""
        how += f"; same target as {order.after}" if order.after else ""
        how += f"; an alert, which becomes the request {order.id}" if order.alert else ""
        self._board.say(f"{order.name}: {order.shape}{how}")

    def _answered(self) -> set[str]:
        """Take and show the events that have come; return what they all are about."""
        for event in self._outside.events():
            self.events.append(event)
            self._board.tell(event)
        return {str(event["subject"]) for event in self.events}

    def _pause(self) -> None:
        self.check_alive()
        if self._ended.wait(LOOK_SECONDS):
            raise CancelledError("the demo")


def _update(
    row: Row, phases: Mapping[str, tuple[str, str]], wanted: Mapping[Path, Path], *, answered: bool
) -> None:
    """Bring a row up to date; after its answer it stays as it is."""
    if row.sent_at is None or row.answered:
        return
    row.phase, row.waiting_for = phases.get(row.order.id, ("sent", ""))
    if row.waiting_for:
        row.waited_for.add(row.waiting_for)
    row.right = sum(checks.is_same(live, source) for live, source in wanted.items())
    row.seconds = time.monotonic() - row.sent_at
    row.answered = answered


def _is_at_azure(request_id: str | None, phases: Mapping[str, tuple[str, str]]) -> bool:
    """Whether a request has been triggered; where there is none, nothing is to be waited for."""
    if request_id is None:
        return True
    return phases.get(request_id, ("Accepted", ""))[0] != "Accepted"
