"""Vaults with many small shares: each request of a test can have a source of its own.

The files of every share and recovery point are known here, so that what a restore must write is
told without reading what it read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from local.vault.catalogue import Catalogue, Item, Point, Vault
from local.vault.sample import write_files
from local.vault.shares import Layout
from local.vault.ticks import TICKS_PER_SECOND, now_ticks, rfc3339
from tests.patience import PATIENCE

SUBSCRIPTION = "ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
_PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/estate/providers"
TARGET_ACCOUNT = "targets"
PATHS = ("a.txt", "docs/b.txt", "docs/deep er/Größe.txt", "資料/c.bin")
GARBAGE = b"all your files are encrypted\n"
KEPT = "written after the backup.txt"
MANY = 120
"""The files beside the others in a crowded share: more than one restore takes by their names."""
_DAY = 86_400 * TICKS_PER_SECOND


def account_id(name: str) -> str:
    """The ARM id of a storage account."""
    return f"{_PROVIDERS}/Microsoft.Storage/storageAccounts/{name}"


@dataclass(frozen=True, kw_only=True)
class Share:
    """A protected share with an older and a newer recovery point."""

    number: int
    vaults: int
    made_at: int
    crowded: bool = False
    """Whether it has `MANY` files more."""

    @property
    def many(self) -> tuple[str, ...]:
        """The paths of the files that only a crowded share has."""
        return tuple(f"many/{number:03}.txt" for number in range(MANY if self.crowded else 0))

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all files in its recovery points."""
        return (*PATHS, *self.many)

    @property
    def name(self) -> str:
        """The share's name."""
        return f"share-{self.number:05d}"

    @property
    def vault_name(self) -> str:
        """The vault that protects it."""
        return f"vault-{self.number % self.vaults}"

    @property
    def vault_id(self) -> str:
        """The ARM id of its vault."""
        return f"{_PROVIDERS}/Microsoft.RecoveryServices/vaults/{self.vault_name}"

    @property
    def account(self) -> str:
        """The storage account that it is in."""
        return f"source{self.number % self.vaults}"

    @property
    def older(self) -> Point:
        """The recovery point of two days ago. The ids tell nothing about the order."""
        return Point(id=str(9_000_000_000_000_000_007 - self.number), time=self.made_at - 2 * _DAY)

    @property
    def newer(self) -> Point:
        """The recovery point of yesterday."""
        return Point(id=str(1_000_000_000_000_003 + self.number), time=self.made_at - _DAY)

    @property
    def source(self) -> dict[str, str]:
        """The share as a message's `source`."""
        return {"storageAccountId": account_id(self.account), "fileShare": self.name}

    @property
    def item_id(self) -> str:
        """The ARM id of its protected item."""
        return (
            f"{self.vault_id}/backupFabrics/Azure/protectionContainers/"
            f"StorageContainer;storage;estate;{self.account}/protectedItems/"
            f"AzureFileShare;{self.name}"
        )

    def content(self, point: Point, path: str) -> bytes:
        """The bytes of a file in a recovery point."""
        line = f"{self.name} {point.id} {path}\n".encode()
        return line * (200 if path.endswith(".bin") else 1)

    def between(self) -> str:
        """A time after the older point and before the newer one, as a message has it."""
        return rfc3339(self.made_at - 3 * _DAY // 2)


@dataclass(frozen=True, kw_only=True)
class Estate:
    """The shares, and the folder of the vault emulator in which they lie."""

    layout: Layout
    shares: Sequence[Share]

    def live(self, share: Share) -> Path:
        """The live files of a protected share."""
        return self.layout.share(share.account, share.name)

    def target(self, name: str) -> Path:
        """The live files of a target share."""
        return self.layout.share(TARGET_ACCOUNT, name)

    def written(self, share: Share, point: Point, message: Mapping[str, Any]) -> dict[Path, bytes]:
        """What a restore request on this share must write: the files and their bytes."""
        target = message["target"]
        elsewhere = target["location"] == "alternate"
        root = self.target(target["fileShare"]) if elsewhere else self.live(share)
        root = root / target.get("folder", "")
        items = message.get("items")
        if items is None:
            return {root / path: share.content(point, path) for path in share.paths}
        found: dict[Path, bytes] = {}
        for item in items:
            # Into another location the emulator puts an item without the path that leads to it.
            keep = item["path"]
            if "folder" in target:
                keep = keep.rpartition("/")[2]
            for path in share.paths:
                if path == item["path"] or path.startswith(item["path"] + "/"):
                    rest = path.removeprefix(item["path"])
                    found[root / f"{keep}{rest}"] = share.content(point, path)
        return found


def build(
    root: Path, *, shares: int, vaults: int, targets: Sequence[str], crowded: int = 0
) -> Estate:
    """Write vaults, shares, their recovery points and empty target shares below a folder.

    The last shares are crowded ones.
    """
    layout = Layout(root=root)
    made_at = now_ticks() // TICKS_PER_SECOND * TICKS_PER_SECOND
    each = [
        Share(number=n, vaults=vaults, made_at=made_at, crowded=n >= shares - crowded)
        for n in range(shares)
    ]
    for share in each:
        for point in (share.older, share.newer):
            files = {path: share.content(point, path) for path in share.paths}
            write_files(layout.snapshot(share.account, share.name, point.id), files)
        write_files(layout.share(share.account, share.name), {"a.txt": GARBAGE, KEPT: GARBAGE})
    for name in targets:
        write_files(layout.share(TARGET_ACCOUNT, name), {})
    kept = [
        _vault(number, [s for s in each if s.number % vaults == number], each[0].vaults)
        for number in range(vaults)
    ]
    Catalogue(vaults=tuple(kept)).save(layout.vaults_file)
    return Estate(layout=layout, shares=each)


def reload(arm: str) -> None:
    """Let a running emulator read what was built."""
    requests.post(f"{arm}/_emulator/reload", timeout=PATIENCE).raise_for_status()


def _vault(number: int, shares: Sequence[Share], vaults: int) -> Vault:
    items = tuple(
        Item(
            account=share.account,
            share=share.name,
            account_subscription=SUBSCRIPTION,
            account_resource_group="estate",
            item_name=f"AzureFileShare;{share.name}",
            points=(share.newer, share.older),
        )
        for share in shares
    )
    name = f"vault-{number % vaults}"
    return Vault(subscription=SUBSCRIPTION, resource_group="estate", name=name, items=items)
