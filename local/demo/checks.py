"""The checks at the end of the demo: each is a sentence, and whether it is true.

The files, events and jobs that they judge were collected before; nothing is waited for here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from local.demo.scenario import Order

Event = Mapping[str, Any]
Picture = Mapping[Path, str]
REJECTED = "azurefilesrestore.MessageRejected.v1"


@dataclass(frozen=True, kw_only=True)
class Check:
    """Something that was checked, and how it came out in words."""

    held: bool
    words: str


def picture(root: Path) -> dict[Path, str]:
    """A digest of every file below all live shares and all recovery points."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for top in ("accounts", "snapshots")
        for path in (root / top).rglob("*")
        if path.is_file()
    }


def is_same(live: Path, source: Path) -> bool:
    """Whether two files exist and hold the same bytes."""
    try:
        return live.read_bytes() == source.read_bytes()
    except FileNotFoundError:
        return False


def lasting(order: Order, orders: Sequence[Order]) -> dict[Path, Path]:
    """What an order wrote and no later order to the same target wrote again."""
    later = {path for one in orders if one.after == order.id for path in one.writes}
    return {live: source for live, source in order.writes.items() if live not in later}


def files_are_back(order: Order, orders: Sequence[Order]) -> Check:
    """Every file of an order is byte for byte the one of its recovery point."""
    wanted = lasting(order, orders)
    wrong = [live for live, source in wanted.items() if not is_same(live, source)]
    again = len(order.writes) - len(wanted)
    if wrong:
        return Check(
            held=False,
            words=f"{order.name}: {len(wrong)} of {len(wanted)} files are not those of recovery "
            f"point {order.point}: {_named(wrong)}",
        )
    words = f"{order.name}: {len(wanted)} files compared, all byte for byte as in {order.point}"
    if again:
        words += f" ({again} more were then replaced by a later request)"
    return Check(held=True, words=words)


def nothing_else_changed(
    before: Picture, after: Picture, orders: Iterable[Order], *, meanwhile: str = ""
) -> Check:
    """No file was changed, added or removed but those that were asked for."""
    asked = {path for order in orders for path in order.writes}
    others = (before.keys() | after.keys()) - asked
    changed = [path for path in others if before.get(path) != after.get(path)]
    if changed:
        words = f"{meanwhile}files that nobody asked for changed: {_named(changed)}"
        return Check(held=False, words=words)
    return Check(
        held=True,
        words=f"{meanwhile}nothing else was touched: {len(others)} other files, those of all "
        "recovery points among them, are what they were",
    )


def event_is_right(order: Order, events: Sequence[Event]) -> Check:
    """One completion came, and it tells what happened."""
    found = [event["data"] for event in events if event["subject"] == order.id]
    if len(found) != 1:
        return Check(held=False, words=f"{order.name}: {len(found)} completions came, not one")
    (data,) = found
    files = data.get("counts", {}).get("files", {})
    told = (data["phase"], data.get("recoveryPoint", {}).get("id"), files.get("restored"))
    wanted = ("Completed", order.point, len(order.writes))
    if told != wanted:
        return Check(held=False, words=f"{order.name}: the event says {told}, expected {wanted}")
    return Check(
        held=True,
        words=f"{order.name}: one event, Completed, with the right recovery point and count",
    )


def one_waited(order: Order, events: Sequence[Event], *, waited_for: Container[str]) -> Check:
    """An order was sent to Azure only after the end of the one that had its target."""
    data = {event["subject"]: event["data"] for event in events}
    mine, theirs = data.get(order.id, {}), data.get(str(order.after), {})
    began, ended = mine.get("triggeredAt"), theirs.get("finishedAt")
    if began is None or ended is None:
        return Check(
            held=False, words=f"{order.name}: the events do not tell when it was triggered"
        )
    if datetime.fromisoformat(began) < datetime.fromisoformat(ended):
        return Check(
            held=False,
            words=f"{order.name}: triggered at {began}, before {order.after} ended at {ended}",
        )
    if "TargetBusy" not in waited_for:
        return Check(held=False, words=f"{order.name}: was never seen to wait for TargetBusy")
    return Check(held=True, words=f"{order.name}: waited until {order.after} had left their target")


def one_restore_each(
    orders: Sequence[Order], events: Sequence[Event], jobs: Sequence[Mapping[str, Any]]
) -> Check:
    """The vault ran one job for each request, however often its message was sent."""
    sent = sum(order.copies for order in orders)
    ran = sorted(str(job["id"]) for job in jobs)
    told = sorted(job for event in events for job in event["data"].get("jobIds", ()))
    if len(ran) != len(orders) or ran != told:
        return Check(
            held=False,
            words=f"{sent} messages for {len(orders)} requests: the vault ran {len(ran)} jobs, "
            f"the events name {len(told)}",
        )
    return Check(
        held=True,
        words=f"{sent} messages for {len(orders)} requests started {len(ran)} restores: a message "
        "that comes twice is one restore",
    )


def message_was_rejected(message_id: str | None, events: Sequence[Event]) -> Check:
    """The message that is no request got its answer."""
    reasons = [
        str(event["data"]["reason"])
        for event in events
        if event["type"] == REJECTED and event["subject"] == message_id
    ]
    if reasons != ["Unreadable"]:
        return Check(held=False, words=f"the message that is no request was answered: {reasons}")
    return Check(held=True, words="the message that is no request was answered: Unreadable")


def alert_was_folded(message_id: str | None, order: Order, events: Sequence[Event]) -> Check:
    """The next alert of a storm started nothing, and its answer names the request that runs."""
    answers = [
        (str(event["data"]["reason"]), order.id in event["data"]["message"])
        for event in events
        if event["type"] == REJECTED and event["subject"] == message_id
    ]
    if answers != [("Folded", True)]:
        return Check(held=False, words=f"the second alert was answered: {answers}")
    return Check(
        held=True, words=f"the second alert was answered: Folded, into the request of {order.name}"
    )


def nothing_is_left(*, messages: int, rows: int) -> Check:
    """The request queue and the work list are empty."""
    if messages or rows:
        return Check(
            held=False, words=f"{messages} messages and {rows} rows of the work list are left"
        )
    return Check(held=True, words="the request queue and the work list are empty")


def _named(paths: Sequence[Path]) -> str:
    first, *more = sorted(str(Path(*path.parts[-3:])) for path in paths)
    return f"{first} and {len(more)} more" if more else first
