"""What a check uses: the place, the files, the vault, the app, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.acceptance.conversation import Conversation
from tests.acceptance.journal import Journal
from tests.acceptance.place import FILES, GARBAGE, LOST, NEW, Files, Place, Share
from tests.acceptance.recorder import Recorder
from tests.acceptance.vault import Point, Vault

Json = dict[str, Any]


class CheckFailed(Exception):  # noqa: N818  (an outcome)
    """What was found is not what must be."""


class NotRun(Exception):  # noqa: N818  (an outcome)
    """The check could not be run; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that a check uses."""

    run: str
    place: Place
    files: Files
    vault: Vault
    app: Conversation
    journal: Journal
    recorder: Recorder
    make_share: Callable[[Share], None]

    def request_id(self, check: str) -> str:
        """The id of a check's present try: the same when the run is started again."""
        return f"{self.run}-{check}-{self.journal.attempt(check)}"

    def folder(self, check: str) -> str:
        """A folder that no other try has used."""
        return f"try-{self.journal.attempt(check)}"

    def request(self, check: str, **fields: object) -> Json:
        """A request: the full share, its newest point, to where it came from."""
        source = self.place.source
        return {
            "schemaVersion": "1.0",
            "requestId": self.request_id(check),
            "vaultId": self.place.vault_id,
            "source": {"storageAccountId": source.account_id, "fileShare": source.name},
            "recoveryPoint": {"id": self.point().name},
            "target": {"location": "original"},
            "copyOptions": "Overwrite",
            "reason": "acceptance run",
            **fields,
        }

    def elsewhere(self, name: str, folder: str | None) -> Json:
        """A share of the target account as a target."""
        target = {
            "location": "alternate",
            "storageAccountId": self.place.target_account_id,
            "fileShare": name,
        }
        return target if folder is None else {**target, "folder": folder}

    def points(self) -> list[Point]:
        """The recovery points of the source share, newest first."""
        item = self.vault.item()
        expect(item is not None, "the vault does not list the source share")
        assert item is not None
        return self.vault.points(item)

    def point(self) -> Point:
        """The newest recovery point that has a snapshot."""
        usable = [point for point in self.points() if not point.vault_only]
        expect(bool(usable), "the share has no recovery point with a snapshot")
        return usable[0]

    def damage(self) -> None:
        """Do to the source share what a restore must mend, and what it must leave alone."""
        source = self.place.source
        for path in FILES:
            if path != LOST:
                self.files.write(source, path, GARBAGE)
        self.files.remove(source, LOST)
        self.files.write(source, NEW, GARBAGE)


def expect(truth: object, otherwise: str) -> None:
    """Fail the check unless something is so."""
    if not truth:
        raise CheckFailed(otherwise)
