"""Vaults with small shares, for the emulator, and the requests that ask for them.

Each request has a share of its own, so that no restore waits for another's target.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from local.vault.catalogue import Catalogue, Item, Point, Vault
from local.vault.sample import write_files
from local.vault.shares import Layout
from local.vault.ticks import TICKS_PER_SECOND, now_ticks

SUBSCRIPTION = "ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
GROUP = "estate"
_PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
_DAY = 86_400 * TICKS_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class Share:
    """A protected share; shares go round the vaults."""

    number: int
    vaults: int = 1

    @property
    def name(self) -> str:
        """The share's name."""
        return f"share-{self.number:05d}"

    @property
    def vault(self) -> str:
        """The name of its vault."""
        return f"vault-{self.number % self.vaults:03d}"

    @property
    def vault_id(self) -> str:
        """The ARM id of its vault."""
        return f"{_PROVIDERS}/Microsoft.RecoveryServices/vaults/{self.vault}"

    @property
    def account(self) -> str:
        """Its storage account."""
        return f"source{self.number % self.vaults:03d}"

    @property
    def account_id(self) -> str:
        """The ARM id of its storage account."""
        return f"{_PROVIDERS}/Microsoft.Storage/storageAccounts/{self.account}"

    @property
    def item(self) -> str:
        """The ARM id of its protected item."""
        return (
            f"{self.vault_id}/backupFabrics/Azure/protectionContainers/StorageContainer;storage;"
            f"{GROUP};{self.account}/protectedItems/AzureFileShare;{self.name}"
        )

    @property
    def point(self) -> str:
        """The id of its recovery point."""
        return str(1_000_000_000_000_003 + self.number)

    def request(self, request_id: str) -> str:
        """A restore request on it: everything, the latest point, to where it came from."""
        return json.dumps(
            {
                "schemaVersion": "1.0",
                "requestId": request_id,
                "vaultId": self.vault_id,
                "source": {"storageAccountId": self.account_id, "fileShare": self.name},
                "recoveryPoint": {"select": "latest"},
                "target": {"location": "original"},
                "copyOptions": "Overwrite",
            }
        )

    def body(self) -> str:
        """The restore call's body that comes of that."""
        properties = {
            "objectType": "AzureFileShareRestoreRequest",
            "recoveryType": "OriginalLocation",
            "sourceResourceId": self.account_id,
            "copyOptions": "Overwrite",
            "restoreRequestType": "FullShareRestore",
        }
        return json.dumps({"properties": properties})


def build(root: Path, *, shares: int, vaults: int = 1, files: bool = True) -> list[Share]:
    """Write vaults and their shares below a folder; without files, nothing can be restored."""
    layout = Layout(root=root)
    made_at = now_ticks() // TICKS_PER_SECOND * TICKS_PER_SECOND
    each = [Share(number=number, vaults=vaults) for number in range(shares)]
    items: dict[str, list[Item]] = {}
    for share in each:
        if files:
            content = {"a.txt": b"as it was\n", "docs/b.txt": b"as it was\n"}
            write_files(layout.snapshot(share.account, share.name, share.point), content)
            write_files(layout.share(share.account, share.name), {"a.txt": b"damaged\n"})
        items.setdefault(share.vault, []).append(_item(share, made_at))
    root.mkdir(parents=True, exist_ok=True)
    Catalogue(
        vaults=tuple(
            Vault(subscription=SUBSCRIPTION, resource_group=GROUP, name=name, items=tuple(its))
            for name, its in items.items()
        )
    ).save(layout.vaults_file)
    return each


def _item(share: Share, made_at: int) -> Item:
    return Item(
        account=share.account,
        share=share.name,
        account_subscription=SUBSCRIPTION,
        account_resource_group=GROUP,
        item_name=f"AzureFileShare;{share.name}",
        points=(Point(id=share.point, time=made_at - _DAY),),
    )
