"""The content of the vaults: protected items and recovery points, from `DIR/vaults.json`.

The file is meant to be read and written by people and tests::

    {"vaults": [{
        "subscription": "ef4ab5a7-…", "resourceGroup": "azurefiles", "name": "azurefilesvault",
        "location": "westeurope",                     (optional)
        "resourceGuard": "<ARM id of a guard>",       (optional: restores need its consent)
        "items": [{
            "account": "afsaccount", "share": "azurefiles",
            "accountSubscription": …, "accountResourceGroup": …,   (default: the vault's)
            "accountKind": "Storage",                 (or "ClassicStorage")
            "itemName": "AzureFileShare;398f…",       (default: the old form, the share's name)
            "protectionState": "Protected",
            "softDeleted": false,
            "properties": {…},                        (laid over the item's properties)
            "recoveryPoints": [{
                "id": "932881138555802864", "time": "2026-02-04T08:01:35Z",
                "tiers": ["InstantRP"],               (HardenedRP alone: kept in the vault only)
                "sizeInGB": 1,
                "softDeleted": false, "threatStatus": "Healthy",   (both optional)
                "properties": {…}                     (laid over the point's properties)
            }]
        }]
    }]}

Files of a point lie in `DIR/snapshots/<account>/<share>/<point id>/`. Names are checked against
Azure's rules when the file is read, since they become folder names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.vault.ticks import parse_rfc3339, rfc3339

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SHARE = re.compile(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*")
_POINT = re.compile(r"[0-9]{1,19}")


class CatalogueError(ValueError):
    """vaults.json, or a name in a request, breaks a rule; the text says which."""


def account_name(text: str) -> str:
    """A storage account's name, lower-cased; raises CatalogueError."""
    if not _ACCOUNT.fullmatch(text.lower()):
        raise CatalogueError(f"{text!r} is no storage account name")
    return text.lower()


def share_name(text: str) -> str:
    """A file share's name, lower-cased; raises CatalogueError."""
    if not _SHARE.fullmatch(text.lower()):
        raise CatalogueError(f"{text!r} is no file share name")
    return text.lower()


@dataclass(frozen=True, kw_only=True)
class Point:
    """A recovery point. `time` is in ticks, whole seconds on the wire."""

    id: str
    time: int
    tiers: tuple[str, ...] = ("InstantRP",)
    size_in_gb: int = 1
    soft_deleted: bool = False
    threat_status: str | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def vault_only(self) -> bool:
        """Kept in the vault and no longer as a snapshot of the share."""
        return "HardenedRP" in self.tiers and "InstantRP" not in self.tiers


@dataclass(frozen=True, kw_only=True)
class Item:
    """A protected file share."""

    account: str
    share: str
    account_subscription: str
    account_resource_group: str
    account_kind: str = "Storage"
    item_name: str
    protection_state: str = "Protected"
    soft_deleted: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)
    points: tuple[Point, ...] = ()

    @property
    def container_name(self) -> str:
        """As protected items, points and operations spell it: a small `storage`."""
        kind = "storage" if self.account_kind == "Storage" else self.account_kind
        return f"StorageContainer;{kind};{self.account_resource_group};{self.account}"

    @property
    def listed_container_name(self) -> str:
        """As the list of containers spells it: a capital `Storage`."""
        return f"StorageContainer;{self.account_kind};{self.account_resource_group};{self.account}"

    @property
    def account_id(self) -> str:
        """ARM id of the storage account, with the small `storage` of the wire."""
        provider = "storage" if self.account_kind == "Storage" else "ClassicStorage"
        return (
            f"/subscriptions/{self.account_subscription}/resourceGroups/"
            f"{self.account_resource_group}/providers/Microsoft.{provider}/storageAccounts/"
            f"{self.account}"
        )

    def point(self, point_id: str) -> Point | None:
        """The recovery point of that id."""
        return next((point for point in self.points if point.id == point_id), None)


@dataclass(frozen=True, kw_only=True)
class Vault:
    """A Recovery Services vault."""

    subscription: str
    resource_group: str
    name: str
    location: str = "westeurope"
    resource_guard: str | None = None
    items: tuple[Item, ...] = ()

    @property
    def id(self) -> str:
        """The vault's ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.name}"
        )

    def item(self, container: str, name: str) -> Item | None:
        """The item of those names, in any casing."""
        wanted = (container.lower(), name.lower())
        return next(
            (
                item
                for item in self.items
                if (item.container_name.lower(), item.item_name.lower()) == wanted
            ),
            None,
        )


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All vaults of this endpoint."""

    vaults: tuple[Vault, ...] = ()

    def vault(self, subscription: str, resource_group: str, name: str) -> Vault | None:
        """The vault of those names, in any casing."""
        wanted = (subscription.lower(), resource_group.lower(), name.lower())
        return next(
            (
                vault
                for vault in self.vaults
                if (vault.subscription.lower(), vault.resource_group.lower(), vault.name.lower())
                == wanted
            ),
            None,
        )

    def with_vault(self, vault: Vault) -> Catalogue:
        """A catalogue with one vault more."""
        return Catalogue(vaults=(*self.vaults, vault))

    def save(self, path: Path) -> None:
        """Write vaults.json."""
        document = {"vaults": [_vault_json(vault) for vault in self.vaults]}
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> Catalogue:
        """Read vaults.json; raises CatalogueError."""
        try:
            document = json.loads(path.read_text("utf-8"))
            return cls(vaults=tuple(_vault(entry) for entry in document["vaults"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise CatalogueError(f"{path.name}: missing or misplaced {error}") from error
        except ValueError as error:
            raise CatalogueError(f"{path.name}: {error}") from error


def _vault(entry: Mapping[str, Any]) -> Vault:
    vault = Vault(
        subscription=entry["subscription"],
        resource_group=entry["resourceGroup"],
        name=entry["name"],
        location=entry.get("location", "westeurope"),
        resource_guard=entry.get("resourceGuard"),
    )
    items = tuple(_item(vault, item) for item in entry.get("items", ()))
    return Vault(
        subscription=vault.subscription,
        resource_group=vault.resource_group,
        name=vault.name,
        location=vault.location,
        resource_guard=vault.resource_guard,
        items=items,
    )


def _item(vault: Vault, entry: Mapping[str, Any]) -> Item:
    share = share_name(entry["share"])
    return Item(
        account=account_name(entry["account"]),
        share=share,
        account_subscription=entry.get("accountSubscription") or vault.subscription,
        account_resource_group=entry.get("accountResourceGroup") or vault.resource_group,
        account_kind=entry.get("accountKind", "Storage"),
        item_name=entry.get("itemName") or f"AzureFileShare;{share}",
        protection_state=entry.get("protectionState", "Protected"),
        soft_deleted=entry.get("softDeleted", False),
        properties=entry.get("properties", {}),
        points=tuple(_point(point) for point in entry.get("recoveryPoints", ())),
    )


def _point(entry: Mapping[str, Any]) -> Point:
    if not isinstance(entry["id"], str) or not _POINT.fullmatch(entry["id"]):
        raise CatalogueError(f"{entry['id']!r} is no recovery point id: a string of 1-19 digits")
    return Point(
        id=entry["id"],
        time=parse_rfc3339(entry["time"]),
        tiers=tuple(entry.get("tiers", ("InstantRP",))),
        size_in_gb=entry.get("sizeInGB", 1),
        soft_deleted=entry.get("softDeleted", False),
        threat_status=entry.get("threatStatus"),
        properties=entry.get("properties", {}),
    )


def _vault_json(vault: Vault) -> dict[str, Any]:
    document: dict[str, Any] = {
        "subscription": vault.subscription,
        "resourceGroup": vault.resource_group,
        "name": vault.name,
        "location": vault.location,
    }
    if vault.resource_guard:
        document["resourceGuard"] = vault.resource_guard
    document["items"] = [_item_json(item) for item in vault.items]
    return document


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "account": item.account,
        "share": item.share,
        "accountSubscription": item.account_subscription,
        "accountResourceGroup": item.account_resource_group,
        "accountKind": item.account_kind,
        "itemName": item.item_name,
        "protectionState": item.protection_state,
        "softDeleted": item.soft_deleted,
        "properties": dict(item.properties),
        "recoveryPoints": [_point_json(point) for point in item.points],
    }


def _point_json(point: Point) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": point.id,
        "time": rfc3339(point.time),
        "tiers": list(point.tiers),
        "sizeInGB": point.size_in_gb,
        "softDeleted": point.soft_deleted,
    }
    if point.threat_status:
        document["threatStatus"] = point.threat_status
    document["properties"] = dict(point.properties)
    return document
