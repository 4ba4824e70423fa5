"""Faults: which calls go wrong, how often, and how.

A fault as JSON, on the command line or the admin route::

    {"on": "restore", "path": "<regex>", "skip": 0, "times": 1, "probability": 1.0, "seed": 0,
     "action": {"kind": "status", "status": 503, "processed": true}}

`on` is a call's name (see routes), a list of them or `*`; `path` is searched in the path as sent;
the first `skip` matches pass; `times` null is for ever. Actions, with their fields and defaults:

* `status`: `status`, `code`, `message`, `body` (JSON, or text sent as it is), `headers` {},
  `retry_after` (seconds) or `retry_after_date` (the same as an HTTP date), `processed`.
* `redirect`: `location`, `status` 307, `processed`.
* `reset`: the connection is cut. `hang`: nothing is said for `seconds` 3600, then it is cut. Both
  take `processed`: false is before the service saw the call, true when it has been carried out.
* `truncate`: the answer to a processed call stops after `keep` bytes (null: half of them).
* `drip`: the answer takes `seconds` 5. `delay`: the call waits `seconds` before it is processed.
* `empty`, `not_json`, `huge` (`megabytes` 20): another body under the true status.
* `foreign`: `origin`; the hosts of Location, Azure-AsyncOperation and nextLink become that one, and
  a list without a nextLink gets one.
* `merge`: `patch` (RFC 7396) laid over the JSON body, `headers` set, or removed where null.
* for `restore`, the job it starts: `late_job` (`seconds` until lists show it), `duplicate_job`,
  `outcome` (`status`, `error` {`code`, `text`, `recommendations`}, `locked` [patterns],
  `duration`, `never_ends`, `shown_status`), `operation_error` (`status`, `code`, `message`): the
  operation ends so and there is no job.
* for looks: `job_status` and `operation_status` (`status`): what is said instead of the truth.

A fault is used up by the call that it strikes, even where the service refuses that call. A call
takes every matching fault in order, up to and including the first that makes the answer by
itself (`status`, `redirect`, `reset`, `hang`, `truncate`, `drip`, `empty`, `not_json`, `huge`).
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.vault.jobs import OperationError, outcome_from_json
from local.vault.routes import ROUTE_NAMES

_COMMON = frozenset({"kind", "processed"})
KINDS: Mapping[str, frozenset[str]] = {
    "status": frozenset(
        {"status", "code", "message", "body", "headers", "retry_after", "retry_after_date"}
    ),
    "redirect": frozenset({"location", "status"}),
    "reset": frozenset(),
    "hang": frozenset({"seconds"}),
    "truncate": frozenset({"keep"}),
    "drip": frozenset({"seconds"}),
    "delay": frozenset({"seconds"}),
    "empty": frozenset(),
    "not_json": frozenset(),
    "huge": frozenset({"megabytes"}),
    "foreign": frozenset({"origin"}),
    "merge": frozenset({"patch", "headers"}),
    "late_job": frozenset({"seconds"}),
    "duplicate_job": frozenset(),
    "outcome": frozenset({"status", "error", "locked", "duration", "never_ends", "shown_status"}),
    "operation_error": frozenset({"status", "code", "message"}),
    "job_status": frozenset({"status"}),
    "operation_status": frozenset({"status"}),
}
ANSWERS = frozenset(
    {"status", "redirect", "reset", "hang", "truncate", "drip", "empty", "not_json", "huge"}
)
_NEEDS = {"status": "status", "redirect": "location", "foreign": "origin", "late_job": "seconds"}


class FaultError(ValueError):
    """A fault that cannot be: the text names the field."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault; `action` is as in the module's text."""

    on: tuple[str, ...]
    action: Mapping[str, Any]
    path: str | None = None
    skip: int = 0
    times: int | None = 1
    probability: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.on:
            if name != "*" and name not in ROUTE_NAMES:
                raise FaultError(f"on: {name!r} is no call; calls are {', '.join(ROUTE_NAMES)}, *")
        kind = self.action.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError(f"action.kind: {kind!r} is none of {', '.join(KINDS)}")
        extra = self.action.keys() - KINDS[kind] - _COMMON
        if extra:
            raise FaultError(f"action: {kind} takes no {', '.join(sorted(extra))}")
        needed = _NEEDS.get(kind)
        if needed is not None and needed not in self.action:
            raise FaultError(f"action: {kind} needs {needed}")
        if self.times is not None and not isinstance(self.times, int):
            raise FaultError("times is a number or null")
        try:
            re.compile(self.path or "")
            if kind == "outcome":
                outcome_from_json(self.details)
            elif kind == "operation_error":
                OperationError(**self.details)
        except (re.error, TypeError, KeyError, ValueError) as error:
            raise FaultError(f"{kind}: {error!r}") from error

    @property
    def kind(self) -> str:
        """The action's kind."""
        return str(self.action["kind"])

    @property
    def details(self) -> dict[str, Any]:
        """The action's fields beside `kind` and `processed`."""
        return {key: value for key, value in self.action.items() if key not in _COMMON}

    @property
    def processed(self) -> bool:
        """Whether the service carries the call out before the fault strikes."""
        default = self.kind not in ("status", "redirect", "reset", "hang", "delay")
        return bool(self.action.get("processed", default))

    @classmethod
    def from_json(cls, entry: object) -> Fault:
        """A fault from its JSON form; raises FaultError."""
        if not isinstance(entry, Mapping):
            raise FaultError("a fault is an object")
        known = {"on", "action", "path", "skip", "times", "probability", "seed"}
        if extra := entry.keys() - known:
            raise FaultError(f"a fault has no {', '.join(sorted(extra))}")
        if not isinstance(entry.get("action"), Mapping):
            raise FaultError("action is missing")
        on = entry.get("on", "*")
        names = (on,) if isinstance(on, str) else on
        if not isinstance(names, Sequence):
            raise FaultError("on is a name or a list of names")
        rest = {key: value for key, value in entry.items() if key not in ("on", "action")}
        return cls(on=tuple(names), action=dict(entry["action"]), **rest)

    def to_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "on": list(self.on),
            "path": self.path,
            "skip": self.skip,
            "times": self.times,
            "probability": self.probability,
            "seed": self.seed,
            "action": dict(self.action),
        }


@dataclass(kw_only=True)
class _Entry:
    fault: Fault
    chance: random.Random
    seen: int = 0
    used: int = 0


@dataclass(kw_only=True)
class FaultBook:
    """The faults in force; thread-safe."""

    _entries: dict[int, _Entry] = field(default_factory=dict)
    _next: int = 1
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> int:
        """Put a fault in force; its number."""
        with self._lock:
            number, self._next = self._next, self._next + 1
            chance = random.Random(fault.seed)  # noqa: S311  (repeatable, not secret)
            self._entries[number] = _Entry(fault=fault, chance=chance)
            return number

    def remove(self, number: int | None = None) -> None:
        """End one fault, or all."""
        with self._lock:
            if number is None:
                self._entries.clear()
            else:
                self._entries.pop(number, None)

    def to_json(self) -> list[dict[str, Any]]:
        """All faults in force, with how often each was seen and used."""
        with self._lock:
            return [
                {"id": number, **entry.fault.to_json(), "seen": entry.seen, "used": entry.used}
                for number, entry in self._entries.items()
            ]

    def take(self, call: str, path: str) -> list[Fault]:
        """The faults that strike this call; each is used up by one."""
        taken: list[Fault] = []
        with self._lock:
            for entry in self._entries.values():
                if not _strikes(entry, call, path):
                    continue
                entry.used += 1
                taken.append(entry.fault)
                if entry.fault.kind in ANSWERS:
                    break
        return taken


def _strikes(entry: _Entry, call: str, path: str) -> bool:
    fault = entry.fault
    if call not in fault.on and "*" not in fault.on:
        return False
    if fault.path is not None and not re.search(fault.path, path):
        return False
    if fault.times is not None and entry.used >= fault.times:
        return False
    entry.seen += 1
    if entry.seen <= fault.skip:
        return False
    return entry.chance.random() < fault.probability
