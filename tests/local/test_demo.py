"""The demo tells the truth: it ends well when all is well, and says so when it is not."""

import io
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import process
from local.demo import checks, night, scenario
from local.demo.board import Board, Row
from local.demo.checks import Check
from local.demo.run import run
from local.demo.scenario import Order
from local.stack import ROOT
from local.vault.sample import fill_sample
from local.vault.shares import Layout
from restore_core.alerting.plans import Plan, read_plans
from restore_core.alerting.response import find_plan, make_request
from restore_core.messages.alerts import Alert
from restore_core.messages.envelopes import read_envelope
from restore_core.messages.request import RestoreRequest
from tests.local.host.running import eventually
from tests.patience import PATIENCE


class Demo:
    """`python -m local.demo` in a process of its own; all that it starts carries its mark."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "a folder with spaces"
        self.temporary.mkdir()
        self._mark = str(uuid.uuid4())
        self._output, self._errors = folder / "demo.out", folder / "demo.err"
        self.child: subprocess.Popen[bytes] = process.start(
            [sys.executable, "-m", "local.demo"],
            output=self._output,
            errors=self._errors,
            environment={**os.environ, "TMPDIR": str(self.temporary), "DEMO_MARK": self._mark},
            directory=ROOT,
        )

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def complained(self) -> str:
        return self._errors.read_text(encoding="utf-8")

    def started(self) -> dict[int, str]:
        """What it has started and what still runs, itself included, with the command lines."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark.encode() in (folder / "environ").read_bytes():
                    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(folder.name)] = command.decode(errors="replace")
            except OSError:
                continue  # it has just ended, or is not ours
        return found

    def await_requests(self) -> None:
        """Wait until a request is at Azure: the next one to its target follows it then."""
        eventually(lambda: "demo-3-reports: items, in place" in self.said)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    process.stop(demo.child, grace=20)


def test_the_demo_damages_restores_and_checks_a_share_and_leaves_nothing_behind(
    demo: Demo,
) -> None:
    assert demo.child.wait(PATIENCE) == 0, demo.said + demo.complained

    said = demo.said
    assert "98 are gone (the folder finance with all it held), 73 hold garbage" in said
    assert "demo-3-reports: Accepted, waiting for TargetBusy, files ok: 0/31" in said
    assert "event azurefilesrestore.MessageRejected.v1" in said
    assert said.count("event azurefilesrestore.Completed.v1") == 5
    assert "requestedBy: plan:mass-deletion" in said
    assert "demo-5-alert: Completed, files ok: 300/300" in said
    assert "reason: Folded" in said
    assert "6 messages for 5 requests started 5 restores" in said
    assert "The demo succeeded: all 18 checks held" in said
    assert "FAILED" not in said
    assert "\x1b" not in said
    assert demo.complained == ""
    assert list(demo.temporary.iterdir()) == []
    assert demo.started() == {}


def test_the_demo_fails_and_says_which_file_when_a_restored_file_is_not_right() -> None:
    spoilt: list[Path] = []

    def spoil(root: Path) -> None:
        share = scenario.live_share(root)
        spoilt.append(next(path for path in (share / "finance").rglob("*.txt")))
        spoilt[0].write_bytes(spoilt[0].read_bytes()[:-1] + b"!")
        (share / "nobody asked for this").touch()

    output = io.StringIO()
    held = run(Console(file=output, width=100), ended=threading.Event(), before_checks=spoil)

    said = output.getvalue()
    assert not held
    assert "The demo FAILED: 2 of 18 checks did not hold" in said
    assert "files are not those of recovery point" in said
    assert spoilt[0].name in said
    assert "files that nobody asked for changed: afsaccount/azurefiles/nobody asked for" in said
    assert "succeeded" not in said


def test_ctrl_c_ends_the_demo_and_everything_that_it_started(demo: Demo) -> None:
    demo.await_requests()
    assert len(demo.started()) >= 4

    demo.child.send_signal(signal.SIGINT)

    assert demo.child.wait(PATIENCE) == 130
    assert demo.complained == "local.demo: interrupted; everything is stopped\n"
    assert list(demo.temporary.iterdir()) == []
    assert demo.started() == {}


@pytest.mark.parametrize(
    ("name", "program"),
    [("host", "-m local.host"), ("vault", "-m local.vault"), ("azurite", "azurite.js")],
)
def test_a_part_that_dies_ends_the_demo_with_the_last_words_of_all(
    demo: Demo, name: str, program: str
) -> None:
    demo.await_requests()
    (pid,) = (pid for pid, command in demo.started().items() if program in command)

    os.kill(pid, signal.SIGKILL)

    assert demo.child.wait(PATIENCE) == 1
    assert f"local.demo: the {name} ended by itself, with -9" in demo.complained
    assert "demo-1-share: new -> Accepted" in demo.complained
    assert list(demo.temporary.iterdir()) == []
    assert demo.started() == {}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The emulator's sample, as it was filled."""
    root = tmp_path_factory.mktemp("vault")
    fill_sample(Layout(root=root))
    return root


@pytest.fixture(scope="module")
def orders(sample: Path) -> tuple[Order, ...]:
    return scenario.orders(sample)


def test_the_orders_cover_the_four_shapes_and_every_choice_of_a_sender(
    sample: Path, orders: Sequence[Order]
) -> None:
    shapes = {
        (one.request["target"]["location"], "items" in one.request): one.after for one in orders
    }
    assert set(shapes) == {
        ("original", False),
        ("original", True),
        ("alternate", False),
        ("alternate", True),
    }
    assert [one.in_base64 for one in orders].count(True) == 1
    assert {tuple(one.request["recoveryPoint"]) for one in orders} == {
        ("select",),
        ("select", "time"),
        ("id",),
    }
    assert {one.point for one in orders} == {point.id for point in scenario.points(sample)}


def test_damage_leaves_some_files_lost_some_garbled_and_some_as_they_were(tmp_path: Path) -> None:
    fill_sample(Layout(root=tmp_path))
    damage = scenario.damage(tmp_path)
    assert damage.files == 300
    assert min(damage.lost, damage.garbled, damage.intact) > 50


def end(order: Order, **changed: Any) -> dict[str, Any]:
    """A completion that is right for an order, or changed."""
    data = {
        "phase": "Completed",
        "recoveryPoint": {"id": order.point},
        "counts": {"files": {"restored": len(order.writes)}},
        "jobIds": [f"job of {order.id}"],
        "triggeredAt": "2026-02-05T07:00:00Z" if order.after is None else "2026-02-05T07:00:09Z",
        "finishedAt": "2026-02-05T07:00:09Z",
        **changed,
    }
    return {"type": f"azurefilesrestore.{data['phase']}.v1", "subject": order.id, "data": data}


def test_the_first_alert_becomes_the_request_of_the_plan_and_the_second_another(
    sample: Path, tmp_path: Path
) -> None:
    order = night.order(sample)
    second = night.second(order)
    (first_id, first), (second_id, _) = (
        read_alert_of(text) for text in (order.message, second.text)
    )
    assert first_id == order.id == second.after
    assert second_id != order.id
    plans = tmp_path / "restore-plans.json"
    night.write_plans(plans)
    found = find_plan(read_plans(plans.read_bytes()), first)
    assert isinstance(found, Plan)
    request = make_request(found, first, request_id=first_id, now=datetime.now(UTC))
    assert isinstance(request, RestoreRequest)
    given = request.given()
    assert {name: given[name] for name in order.request} == order.request


def read_alert_of(text: str) -> tuple[str | None, Alert]:
    envelope = read_envelope(text.encode())
    assert envelope.alert is not None
    return envelope.derived_id, envelope.alert


def test_an_alert_of_the_storm_that_is_not_folded_into_its_request_is_found(
    orders: Sequence[Order],
) -> None:
    def answer(reason: str, text: str) -> dict[str, Any]:
        data = {"reason": reason, "message": text}
        return {"type": checks.REJECTED, "subject": "m1", "data": data}

    order = orders[0]
    right = answer("Folded", f"answered with the request {order.id}, which …")
    assert checks.alert_was_folded("m1", order, [right]).held
    assert not checks.alert_was_folded("m2", order, [right]).held
    assert not checks.alert_was_folded("m1", order, [right, right]).held
    assert not checks.alert_was_folded("m1", order, [answer("NoPlan", order.id)]).held
    assert not checks.alert_was_folded("m1", order, [answer("Folded", "another")]).held


def said_no(check: Check) -> str:
    assert not check.held
    return check.words


def test_a_completion_is_right_only_with_phase_point_and_count(orders: Sequence[Order]) -> None:
    order = orders[0]
    assert checks.event_is_right(order, [end(order), end(orders[1])]).held
    assert "0 completions" in said_no(checks.event_is_right(order, []))
    assert "2 completions" in said_no(checks.event_is_right(order, [end(order), end(order)]))
    warned = end(order, phase="CompletedWithWarnings")
    assert "CompletedWithWarnings" in said_no(checks.event_is_right(order, [warned]))
    another = end(order, recoveryPoint={"id": "1"})
    assert "'1'" in said_no(checks.event_is_right(order, [another]))
    assert "None" in said_no(checks.event_is_right(order, [end(order, counts={})]))


def test_one_that_was_triggered_too_early_or_never_seen_to_wait_did_not_wait(
    orders: Sequence[Order],
) -> None:
    first, second = orders[0], orders[2]
    events = [end(first), end(second)]
    assert checks.one_waited(second, events, waited_for={"TargetBusy"}).held
    assert "never seen" in said_no(checks.one_waited(second, events, waited_for=set()))
    early = [end(first), end(second, triggeredAt="2026-02-05T07:00:08.9Z")]
    said = said_no(checks.one_waited(second, early, waited_for={"TargetBusy"}))
    assert "before demo-1-share ended" in said
    said = said_no(checks.one_waited(second, [end(second)], waited_for={"TargetBusy"}))
    assert "do not tell" in said


def test_a_job_too_many_or_one_that_no_event_names_is_found(orders: Sequence[Order]) -> None:
    events = [end(order) for order in orders]
    jobs = [{"id": f"job of {order.id}"} for order in orders]
    assert checks.one_restore_each(orders, events, jobs).held
    assert "ran 5 jobs" in said_no(checks.one_restore_each(orders, events, [*jobs, {"id": "x"}]))
    assert not checks.one_restore_each(orders, events, [*jobs[:-1], {"id": "x"}]).held


def test_a_message_that_is_not_answered_and_work_that_is_left_are_found() -> None:
    answer = {"type": checks.REJECTED, "subject": "m1", "data": {"reason": "Unreadable"}}
    assert checks.message_was_rejected("m1", [answer]).held
    assert not checks.message_was_rejected("m2", [answer]).held
    assert not checks.message_was_rejected("m1", [answer, answer]).held
    assert checks.nothing_is_left(messages=0, rows=0).held
    assert "1 messages" in said_no(checks.nothing_is_left(messages=1, rows=0))
    assert "1 rows" in said_no(checks.nothing_is_left(messages=0, rows=1))


def test_files_that_changed_appeared_or_went_are_found(
    sample: Path, orders: Sequence[Order]
) -> None:
    before = checks.picture(sample)
    asked, other = next(iter(orders[0].writes)), sample / "accounts" / "projects.txt"
    assert checks.nothing_else_changed(before, {**before, asked: "new"}, orders).held
    assert "projects.txt" in said_no(
        checks.nothing_else_changed(before, {**before, other: "new"}, orders)
    )
    snapshot = next(iter(orders[0].writes.values()))
    gone = {path: digest for path, digest in before.items() if path != snapshot}
    assert snapshot.name in said_no(checks.nothing_else_changed(before, gone, orders))


def test_a_terminal_gets_a_table_and_other_outputs_a_line_per_change(
    orders: Sequence[Order],
) -> None:
    row = Row(order=orders[0], files=300)
    shown, printed = io.StringIO(), io.StringIO()
    boards = [
        Board(Console(file=shown, force_terminal=True, width=80, _environ={"TERM": "xterm"})),
        Board(Console(file=printed, width=80, _environ={})),
    ]
    for board in boards:
        with board:
            for row.phase, row.waiting_for, row.seconds in (
                ("", "", 0.0),
                ("Accepted", "TargetBusy", 0.2),
                ("Accepted", "TargetBusy", 0.4),
                ("JobInProgress", "", 0.6),
            ):
                board.show([row])
            board.freeze()
            board.say("the night comes")
            board.show([row])
    assert printed.getvalue().splitlines() == [
        "   0.2 s  demo-1-share: Accepted, waiting for TargetBusy, files ok: 0/300",
        "   0.6 s  demo-1-share: JobInProgress, files ok: 0/300",
        "  the night comes",
    ]
    assert "the night comes" in shown.getvalue()
    assert shown.getvalue().count("demo-1-share") > 4
    assert "\x1b[1A" in shown.getvalue()  # the cursor goes up: in place
    assert "JobInProgress" in shown.getvalue()
