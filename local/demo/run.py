"""The demo from beginning to end.

Knows the order of things: start, damage, ask, watch, check, sum up. Everything that was started is
ended, however it comes out.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import AzureError
from rich.console import Console

from local.demo import checks, scenario
from local.demo.board import Board, Row
from local.demo.checks import Check
from local.demo.outside import COMPLETIONS, REQUESTS, Outside
from local.demo.scenario import Damage, Order
from local.process import CancelledError, ChildFailedError
from local.stack import Stack

SETTINGS = {
    "RESTORE_REQUEST_QUEUE": REQUESTS,
    "RESTORE_COMPLETION_QUEUE": COMPLETIONS,
    "RESTORE_POLL_SCHEDULE": "*/1 * * * * *",
    "RESTORE_OPERATION_POLL_SECONDS": "1",
    "RESTORE_JOB_POLL_SECONDS": "1",
    "RESTORE_RETRY_BASE_SECONDS": "1",
    "RESTORE_RETRY_MAX_SECONDS": "2",
}
TIME_SCALE = 6.0
WATCH_SECONDS = 90.0
SETTLE_SECONDS = 10.0
LOOK_SECONDS = 0.25


class DemoFailedError(RuntimeError):
    """The demo could not come to its checks; the text says why."""


def run(
    console: Console,
    *,
    ended: threading.Event,
    time_scale: float = TIME_SCALE,
    before_checks: Callable[[Path], None] | None = None,
) -> bool:
    """Run the demo; whether everything held.

    `before_checks` gets the vault emulator's root folder when all requests have ended: a test
    shows with it that the checks look at the files and not at what the events say.

    Raises:
        CancelledError: `ended` was set.
        DemoFailedError: it did not come to its checks.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="restore-demo-") as folder, Board(console) as board:
        log = Path(folder) / "log"
        board.head("Storage, a backup vault and the app start on this machine")
        try:
            with contextlib.ExitStack() as running:
                with _errors_in(log):
                    stack = running.enter_context(
                        Stack(time_scale=time_scale, settings=SETTINGS, cancelled=ended)
                    )
                board.say(f"ready after {time.monotonic() - began:.1f} s; no Azure is involved")
                outside = running.enter_context(Outside(stack.storage))
                demo = _Demo(board=board, stack=stack, outside=outside, ended=ended)
                try:
                    return demo.run(before_checks, began=began)
                except (AzureError, requests.RequestException) as error:
                    ended.wait(LOOK_SECONDS)  # a connection breaks before its process is gone
                    demo.check_alive()
                    raise DemoFailedError(f"{type(error).__name__}: {error}") from error
        except (ChildFailedError, DemoFailedError) as error:
            raise DemoFailedError(f"{error}\n{_last_words(log)}".rstrip()) from error


class _Demo:
    """One demo on a running stack."""

    def __init__(
        self, *, board: Board, stack: Stack, outside: Outside, ended: threading.Event
    ) -> None:
        self._board = board
        self._stack = stack
        self._outside = outside
        self._ended = ended
        self._events: list[Mapping[str, Any]] = []
        self._rejected = ""

    def run(self, before_checks: Callable[[Path], None] | None, *, began: float) -> bool:
        root = self._stack.vault_root
        damage = scenario.damage(root)
        self._tell_damage(damage)
        orders = scenario.orders(root)
        before = checks.picture(root)
        asked = time.monotonic()
        rows = self._ask_and_watch(orders)
        took = time.monotonic() - asked
        messages, left = self._what_is_left()
        if before_checks is not None:
            before_checks(root)
        found = [
            *(checks.files_are_back(order, orders) for order in orders),
            checks.nothing_else_changed(before, checks.picture(root), orders),
            *(checks.event_is_right(order, self._events) for order in orders),
            *(
                checks.one_waited(row.order, self._events, waited_for=row.waited_for)
                for row in rows
                if row.order.after
            ),
            checks.one_restore_each(orders, self._events, self._jobs()),
            checks.message_was_rejected(self._rejected, self._events),
            checks.nothing_is_left(messages=messages, rows=left),
        ]
        self._tell_checks(found)
        self._sum_up(found, damage, orders, took=took, whole=time.monotonic() - began)
        return all(check.held for check in found)

    def _tell_damage(self, damage: Damage) -> None:
        self._board.head(f"The share {scenario.DAMAGED} is damaged")
        self._board.say(
            f"of the {damage.files} files in its latest recovery point {damage.lost} are gone "
            f"(the folder {scenario.DELETED_FOLDER} with all it held), {damage.garbled} hold "
            f"garbage and {damage.intact} are as they were"
        )

    def _ask_and_watch(self, orders: Sequence[Order]) -> list[Row]:
        """Send everything, and watch until every message is answered."""
        self._board.head(f"Messages go onto the queue {REQUESTS}")
        wanted = {order.id: checks.lasting(order, orders) for order in orders}
        rows = [Row(order=order, files=len(wanted[order.id])) for order in orders]
        for row in rows:
            if row.order.after is None:
                self._send(row)
        self._rejected = self._outside.send(scenario.NO_REQUEST)
        self._board.say(f"{scenario.NO_REQUEST!r}, which is no request")
        give_up = time.monotonic() + WATCH_SECONDS
        while True:
            # In this order: a request that is answered has its last phase.
            answered = {str(event["subject"]) for event in self._take_events()}
            phases = self._outside.phases()
            for row in rows:
                _update(row, phases, wanted[row.order.id], answered=row.order.id in answered)
                if row.sent_at is None and _is_at_azure(row.order.after, phases):
                    self._send(row)
            self._board.show(rows)
            if all(row.answered for row in rows) and self._rejected in answered:
                self._board.freeze()
                return rows
            if time.monotonic() > give_up:
                open_rows = ", ".join(row.order.id for row in rows if not row.answered)
                raise DemoFailedError(
                    f"after {WATCH_SECONDS:.0f} s there is no answer to: "
                    f"{open_rows or scenario.NO_REQUEST}"
                )
            self._pause()

    def _send(self, row: Row) -> None:
        order = row.order
        for _ in range(order.copies):
            self._outside.send(order.message)
        row.sent_at = time.monotonic()
        how = ", in base64" if order.in_base64 else ""
        how += f", sent {order.copies} times" if order.copies > 1 else ""
        how += f"; same target as {order.after}" if order.after else ""
        self._board.say(f"{order.id}: {order.shape}{how}")

    def _take_events(self) -> Sequence[Mapping[str, Any]]:
        """Take what has come, show it, and return all that has come so far."""
        for event in self._outside.events():
            self._events.append(event)
            self._board.tell(event)
        return self._events

    def _what_is_left(self) -> tuple[int, int]:
        """What still stands on the request queue and the work list, after a moment's patience."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while any(left := self._outside.left()) and time.monotonic() < give_up:
            self._pause()
        self._take_events()
        return left

    def check_alive(self) -> None:
        """Raise `DemoFailedError` when a part has ended that should serve."""
        for name, child in self._stack.children.items():
            if child.poll() is not None:
                raise DemoFailedError(f"the {name} ended by itself, with {child.returncode}")

    def _pause(self) -> None:
        self.check_alive()
        if self._ended.wait(LOOK_SECONDS):
            raise CancelledError("the demo")

    def _jobs(self) -> Sequence[Mapping[str, Any]]:
        """The jobs that the vault ran, by its own account."""
        answer = requests.get(f"{self._stack.arm}/_emulator/jobs", timeout=10)
        answer.raise_for_status()
        jobs: list[Mapping[str, Any]] = answer.json()
        return jobs

    def _tell_checks(self, found: Sequence[Check]) -> None:
        self._board.head("Was it true? The files, the events and the vault are checked")
        for check in found:
            self._board.check(check.words, held=check.held)

    def _sum_up(
        self,
        found: Sequence[Check],
        damage: Damage,
        orders: Sequence[Order],
        *,
        took: float,
        whole: float,
    ) -> None:
        board, failed = self._board, [check for check in found if not check.held]
        if failed:
            board.head(f"The demo FAILED: {len(failed)} of {len(found)} checks did not hold")
            for check in failed:
                board.check(check.words, held=False)
            return
        board.head(f"The demo succeeded: all {len(found)} checks held")
        first, *others = orders
        kept = len(checks.lasting(first, orders))
        compared = kept + sum(len(checks.lasting(order, orders)) for order in others)
        board.say(f"Lost: {damage.lost} files deleted, {damage.garbled} overwritten.")
        board.say(
            f"Restored: all of them. {kept} files of the share are as in the latest recovery "
            f"point, {len(first.writes) - kept} in the older version that a later request wanted."
        )
        board.say(f"Compared: {compared} files byte for byte, copies elsewhere among them.")
        board.say(
            f"Time: {took:.1f} s from the first request to the last event, {whole:.1f} s with "
            "set-up. A backup job takes a few seconds here, half a minute and more at Azure."
        )
        board.say("Next: `make up` keeps all this running; README.md says how to send a request.")


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
    """Whether a request has been triggered."""
    return phases.get(request_id or "", ("Accepted", ""))[0] != "Accepted"


@contextlib.contextmanager
def _errors_in(log: Path) -> Iterator[None]:
    """Standard error goes to a file: children that are started meanwhile keep it there.

    Their logs would tear the table apart.
    """
    kept = os.dup(2)
    try:
        with log.open("ab") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _last_words(log: Path) -> str:
    """The end of what the processes wrote."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return "\n".join(lines[-20:])
