"""Where the checks take place: the vault, the protected share, the shares that restores go to.

Knows also what lies in the protected share, byte for byte, so that what a restore must write is
told without reading what it read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tests.acceptance.naming import Names

SOURCE_SHARE = "acceptance"
POLICY = "acceptance"
ALLOWED_TARGETS = ("full", "items", "cancel", "cut")
VAULT_ONLY_TARGETS = "vaultonly"
"""Each try gets a share of its own, `vaultonly-1` and so on: that share must be empty."""
REFUSED_TARGET = "refused"
"""No rule allows it."""


def _noise(seed: str, size: int) -> bytes:
    block = hashlib.sha256(seed.encode()).digest()
    return (block * (size // len(block) + 1))[:size]


FILES: Mapping[str, bytes] = {
    "a.txt": b"the first file, as it was backed up\n",
    "empty.txt": b"",
    "docs/b.txt": b"the second file, as it was backed up\n",
    "docs/deep er/Gr\u00f6\u00dfe.txt": "umlauts in the name: \u00e4\u00f6\u00fc\n".encode(),
    "\u8cc7\u6599/c.bin": _noise("c.bin", 300_000),
}
"""What the recovery point holds."""
ITEMS: tuple[Mapping[str, str], ...] = (
    {"path": "a.txt", "type": "File"},
    {"path": "docs", "type": "Directory"},
    {"path": "\u8cc7\u6599/c.bin", "type": "File"},
)
GARBAGE = b"all your files are encrypted\n"
LOST = "docs/b.txt"
NEW = "written after the backup.txt"


@dataclass(frozen=True, kw_only=True)
class Share:
    """A file share by the id of its account and its name."""

    account_id: str
    name: str

    @property
    def account(self) -> str:
        """The account's name."""
        return self.account_id.rpartition("/")[2]

    @property
    def pattern(self) -> str:
        """The share as guards name it."""
        return f"{self.account_id}/fileServices/default/shares/{self.name}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The estate as the checks see it."""

    vault_id: str
    source: Share
    target_account_id: str

    def target(self, name: str) -> Share:
        """A share of the target account."""
        return Share(account_id=self.target_account_id, name=name)

    def guards(self) -> dict[str, Any]:
        """The rules that the app gets: this vault, this share, the targets of the checks."""
        targets = [
            self.target(name).pattern for name in (*ALLOWED_TARGETS, f"{VAULT_ONLY_TARGETS}-*")
        ]
        rule = {
            "name": "acceptance",
            "vaults": [self.vault_id],
            "sources": [self.source.pattern],
            "targets": targets,
            "originalLocation": "overwrite",
        }
        return {"schemaVersion": "1.0", "rules": [rule]}


def place_of(names: Names) -> Place:
    """The place of a run, which follows from its names."""
    return Place(
        vault_id=names.vault_id,
        source=Share(account_id=names.account_id(names.source_account), name=SOURCE_SHARE),
        target_account_id=names.account_id(names.target_account),
    )


class Files(Protocol):
    """The files of shares."""

    def write(self, share: Share, path: str, content: bytes) -> None:
        """Write a file, with the folders that lead to it."""

    def remove(self, share: Share, path: str) -> None:
        """Remove a file; one that is not there is no error."""

    def read_all(self, share: Share) -> dict[str, bytes]:
        """Every file of a share by its path."""
