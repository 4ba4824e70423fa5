"""The demo from beginning to end: start, a day with requests, a night with alerts, check, sum up.

Every process that was started is ended, also after an error.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import requests
from azure.core.exceptions import AzureError
from rich.console import Console

from local.demo import checks, night, scenario
from local.demo.board import Board
from local.demo.checks import Check
from local.demo.outside import COMPLETIONS, REQUESTS, Outside
from local.demo.scenario import Damage, Order
from local.demo.watch import LOOK_SECONDS, DemoFailedError, Watch
from local.process import ChildFailedError
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
TIME_SCALE = 10.0


def run(
    console: Console,
    *,
    ended: threading.Event,
    time_scale: float = TIME_SCALE,
    before_checks: Callable[[Path], None] | None = None,
) -> bool:
    """Run the demo; whether everything held.

    `before_checks` gets the vault emulator's root folder when the requests of the day have ended: a
    test shows with it that the checks look at the files and not at what the events say.

    Raises:
        CancelledError: `ended` was set.
        DemoFailedError: it did not come to its checks.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="restore-demo-") as folder, Board(console) as board:
        log, plans = Path(folder) / "log", Path(folder) / "restore-plans.json"
        night.write_plans(plans)
        settings = {**SETTINGS, "RESTORE_PLANS": str(plans)}
        board.head("Storage, a backup vault and the app start on this machine")
        try:
            with contextlib.ExitStack() as running:
                with _errors_in(log):
                    stack = running.enter_context(
                        Stack(time_scale=time_scale, settings=settings, cancelled=ended)
                    )
                board.say(f"ready after {time.monotonic() - began:.1f} s; no Azure is involved")
                outside = running.enter_context(Outside(stack.storage))
                watch = Watch(board=board, stack=stack, outside=outside, ended=ended)
                demo = _Demo(board=board, watch=watch, root=stack.vault_root)
                try:
                    return demo.run(before_checks, began=began)
                except (AzureError, requests.RequestException) as error:
                    ended.wait(LOOK_SECONDS)  # a connection breaks before its process is gone
                    watch.check_alive()
                    raise DemoFailedError(f"{type(error).__name__}: {error}") from error
        except (ChildFailedError, DemoFailedError) as error:
            raise DemoFailedError(f"{error}\n{_last_words(log)}".rstrip()) from error


class _Demo:
    """One demo on a running stack: a day with requests, and a night with an alert."""

    def __init__(self, *, board: Board, watch: Watch, root: Path) -> None:
        self._board = board
        self._watch = watch
        self._root = root

    def run(self, before_checks: Callable[[Path], None] | None, *, began: float) -> bool:
        root, watch = self._root, self._watch
        damage = scenario.damage(root)
        self._tell_damage(damage)
        orders = scenario.orders(root)
        before = checks.picture(root)
        asked = time.monotonic()
        self._board.head(f"Messages go onto the queue {REQUESTS}")
        rows = watch.answer_all(orders, [scenario.NO_REQUEST])
        if before_checks is not None:
            before_checks(root)
        day = [
            *(checks.files_are_back(order, orders) for order in orders),
            checks.nothing_else_changed(before, checks.picture(root), orders),
            *(
                checks.one_waited(row.order, watch.events, waited_for=row.waited_for)
                for row in rows
                if row.order.after
            ),
        ]
        alert, by_night = self._night()
        took = time.monotonic() - asked
        messages, left = watch.what_is_left()
        everything = [*orders, alert]
        found = [
            *day,
            *by_night,
            *(checks.event_is_right(order, watch.events) for order in everything),
            checks.one_restore_each(everything, watch.events, watch.jobs()),
            checks.message_was_rejected(watch.message_id(scenario.NO_REQUEST), watch.events),
            checks.nothing_is_left(messages=messages, rows=left),
        ]
        self._tell_checks(found)
        self._sum_up(found, damage, everything, took=took, whole=time.monotonic() - began)
        return all(check.held for check in found)

    def _tell_damage(self, damage: Damage) -> None:
        self._board.head(f"The share {scenario.DAMAGED} is damaged")
        self._board.say(
            f"of the {damage.files} files in its latest recovery point {damage.lost} are gone "
            f"(the folder {scenario.DELETED_FOLDER} with all it held), {damage.garbled} hold "
            f"garbage and {damage.intact} are as they were"
        )

    def _night(self) -> tuple[Order, list[Check]]:
        """Let an alert start a restore; return what it must bring back, and how that came out."""
        self._board.head("At night files are deleted, and Azure Monitor fires alerts")
        lost = night.delete(self._root)
        self._board.say(
            f"{lost} files of {scenario.DAMAGED} are gone, and nobody is awake; the plan "
            f"{night.PLAN['name']} answers such alerts"
        )
        found = checks.picture(self._root)
        alert = night.order(self._root)
        second = night.second(alert)
        self._watch.answer_all([alert], [second])
        return alert, [
            checks.files_are_back(alert, [alert]),
            checks.nothing_else_changed(
                found, checks.picture(self._root), [alert], meanwhile="by plan: "
            ),
            checks.alert_was_folded(self._watch.message_id(second), alert, self._watch.events),
        ]

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
        board.say(
            f"By day: {damage.lost} files deleted and {damage.garbled} overwritten, all restored; "
            f"{kept} files of the share were then as in the latest recovery point, "
            f"{len(first.writes) - kept} in the older version that a later request wanted."
        )
        board.say(
            "By night: an alert recovered the share by plan, as it was before, into the folder "
            f"{night.FOLDER!r}; the damaged share is as it was found."
        )
        board.say(f"Compared: {compared} files byte for byte, copies elsewhere among them.")
        board.say(
            f"Time: {took:.1f} s from the first request to the last event, {whole:.1f} s with "
            "set-up. A backup job takes a few seconds here, half a minute and more at Azure."
        )
        board.say("Next: `make up` keeps all this running; README.md says how to send a request.")


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
