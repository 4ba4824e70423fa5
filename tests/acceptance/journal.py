"""What a run remembers: one JSON file, written whole each time, so that a crash loses nothing.

It holds what cannot be asked for again: when the run began, how often a check was tried, how each
ended, and the events that came. Everything that Azure knows is asked of Azure.
"""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class JournalError(RuntimeError):
    """The folder belongs to another run, or its file cannot be used."""


class Journal:
    """The memory of one run, in a folder of its own."""

    def __init__(self, folder: Path, *, kind: str, subscription: str, region: str) -> None:
        """Open the journal of a run, or begin one."""
        self.folder = folder
        self._path = folder / "state.json"
        given = {"kind": kind, "subscription": subscription, "region": region}
        self._held: Json = {**given, "salt": secrets.token_hex(16)}
        self._held |= {"attempts": {}, "checks": {}, "events": {}, "facts": {}, "over": False}
        if self._path.exists():
            self._held = self._read()
            for name, value in given.items():
                if value and self._held[name] != value:
                    raise JournalError(
                        f"{self._path} is of a run with {name} {self._held[name]!r}, not "
                        f"{value!r}: choose another run name"
                    )
        self._save()

    def _read(self) -> Json:
        try:
            held: Json = json.loads(self._path.read_text("utf-8"))
        except ValueError as error:
            raise JournalError(f"{self._path} is not JSON ({error}); remove it") from error
        return held

    def _save(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        with part.open("w", encoding="utf-8") as file:
            json.dump(self._held, file, indent=2, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path)

    @property
    def salt(self) -> str:
        """What makes the neutral ids of this run unlike those of another."""
        return str(self._held["salt"])

    @property
    def over(self) -> bool:
        """Whether everything has been taken away."""
        return bool(self._held["over"])

    def finish(self) -> None:
        """Everything has been taken away."""
        self._held["over"] = True
        self._save()

    def attempt(self, check: str) -> int:
        """The number of a check's present try, from 1."""
        return int(self._held["attempts"].get(check, 1))

    def next_attempt(self, check: str) -> None:
        """The check will be tried anew: under another request id, in another folder."""
        self._held["attempts"][check] = self.attempt(check) + 1
        self._held["checks"].pop(check, None)
        self._save()

    def outcome(self, check: str) -> Json | None:
        """How a check ended, if it did."""
        found: Json | None = self._held["checks"].get(check)
        return found

    def ended(self, check: str, outcome: Json) -> None:
        """Keep how a check ended."""
        self._held["checks"][check] = outcome
        self._save()

    def events(self, request_id: str) -> list[Json]:
        """The events about a request that have come, copies left out."""
        return list(self._held["events"].get(request_id, {}).values())

    def keep_event(self, event: Json) -> None:
        """Keep an event, before it is deleted from its queue."""
        self._held["events"].setdefault(event["subject"], {})[event["id"]] = event
        self._save()

    def fact(self, name: str) -> Any:
        """Something that was noted, or None."""
        return self._held["facts"].get(name)

    def note(self, name: str, value: object) -> None:
        """Note something that cannot be asked for again."""
        self._held["facts"][name] = value
        self._save()

    @classmethod
    def unfinished(cls, root: Path, *, kind: str, subscription: str) -> list[str]:
        """The names of the runs below a folder that have not been taken away yet."""
        found = []
        for path in sorted(root.glob("*/state.json")):
            held = json.loads(path.read_text("utf-8"))
            if (held["kind"], held["subscription"]) == (kind, subscription) and not held["over"]:
                found.append(path.parent.name)
        return found
