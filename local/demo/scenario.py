"""The damage of the demo, the requests that repair it, and the files that they must restore.

The expected files are computed here from the emulator's recovery points alone, and not by the code
that restores, so that the demo checks that code.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.vault.catalogue import Catalogue, Point
from local.vault.sample import (
    ACCOUNT,
    RESOURCE_GROUP,
    SHARE,
    SUBSCRIPTION,
    TARGET_ACCOUNT,
    TARGET_SHARE,
    VAULT,
)
from local.vault.ticks import TICKS_PER_SECOND, rfc3339

GARBAGE = b"all your files are encrypted\n"
DAMAGED = f"{ACCOUNT}/{SHARE}"
DELETED_FOLDER = "finance"

_PROVIDERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"
VAULT_ID = f"{_PROVIDERS}/Microsoft.RecoveryServices/vaults/{VAULT}"
_HOUR = 3600 * TICKS_PER_SECOND


@dataclass(frozen=True, kw_only=True)
class Order:
    """One request, and what it must bring back."""

    request: Mapping[str, Any]
    shape: str
    """What is asked for, in words."""
    point: str
    """The recovery point that it must choose."""
    writes: Mapping[Path, Path]
    """Each file of a live share that it writes, and the file of the recovery point it must be."""
    after: str | None = None
    """The request that has the same target and came first."""
    copies: int = 1
    """How often the message is put on the queue."""
    in_base64: bool = False
    alert: Mapping[str, Any] | None = None
    """The alert that becomes the request by a plan; then nobody sends the request itself."""
    label: str = ""
    """What the viewer calls it, where that is not its id."""

    @property
    def name(self) -> str:
        """What the viewer calls it."""
        return self.label or self.id

    @property
    def id(self) -> str:
        """The request id."""
        return str(self.request["requestId"])

    @property
    def message(self) -> str:
        """The message as it goes onto the queue."""
        text = json.dumps(self.request if self.alert is None else self.alert)
        return base64.b64encode(text.encode()).decode("ascii") if self.in_base64 else text


@dataclass(frozen=True, kw_only=True)
class Stray:
    """A message that starts nothing, and is answered all the same."""

    text: str
    words: str
    """What it is, for the viewer."""
    after: str | None = None
    """The request that must be known before it is sent."""


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What has become of the files of the latest recovery point."""

    lost: int
    garbled: int
    intact: int

    @property
    def files(self) -> int:
        """All files that the recovery point holds."""
        return self.lost + self.garbled + self.intact


NO_REQUEST = Stray(
    text="please restore everything :-(",
    words="'please restore everything :-(', which is no request",
)


def live_share(root: Path, account: str = ACCOUNT, share: str = SHARE) -> Path:
    """The folder of a live share."""
    return root / "accounts" / account / share


def points(root: Path) -> list[Point]:
    """The recovery points of the sample share, oldest first."""
    (vault,) = Catalogue.load(root / "vaults.json").vaults
    item = next(item for item in vault.items if (item.account, item.share) == (ACCOUNT, SHARE))
    return sorted(item.points, key=lambda point: point.time)


def damage(root: Path) -> Damage:
    """Delete a folder of the live share, overwrite files elsewhere, leave the rest."""
    share, latest = live_share(root), snapshot(root, points(root)[-1])
    shutil.rmtree(share / DELETED_FOLDER, ignore_errors=True)
    lost = garbled = intact = 0
    for index, path in enumerate(sorted(files_of(latest))):
        live = share / path
        if live.is_file() and index % 3 == 0:
            live.write_bytes(GARBAGE)
        if not live.is_file():
            lost += 1
        elif live.read_bytes() != (latest / path).read_bytes():
            garbled += 1
        else:
            intact += 1
    return Damage(lost=lost, garbled=garbled, intact=intact)


def orders(root: Path) -> tuple[Order, ...]:
    """The four shapes of a request, two for each of two targets."""
    oldest, middle, latest = points(root)
    here, there = live_share(root), live_share(root, TARGET_ACCOUNT, TARGET_SHARE)
    # Folders whose files differ between recovery points, so that a wrong one would show.
    some = (("finance/2026/Q1", "Directory"), ("RestoreTest.txt", "File"))
    others = (("資料", "Directory"), ("Restore/RestoreTest.txt", "File"))
    return (
        Order(
            request=_request("demo-1-share", {"select": "latest"}, copyOptions="Overwrite"),
            shape="share, in place",
            point=latest.id,
            writes=whole(snapshot(root, latest), here),
            copies=2,
        ),
        Order(
            request=_request(
                "demo-2-copy",
                {"select": "latestBefore", "time": rfc3339(middle.time + _HOUR)},
                folder="copies/two days ago",
            ),
            shape="share, elsewhere",
            point=middle.id,
            writes=whole(snapshot(root, middle), there / "copies/two days ago"),
            in_base64=True,
        ),
        Order(
            request=_request(
                "demo-3-reports", {"id": oldest.id}, items=_items(some), copyOptions="Overwrite"
            ),
            shape="items, in place",
            point=oldest.id,
            writes=dict(_parts(snapshot(root, oldest), here, some, keep_path=True)),
            after="demo-1-share",
        ),
        Order(
            request=_request(
                "demo-4-papers", {"select": "latest"}, items=_items(others), folder="for the press"
            ),
            shape="items, elsewhere",
            point=latest.id,
            # Into a folder, the emulator puts an item under its own name, without its path.
            writes=dict(
                _parts(snapshot(root, latest), there / "for the press", others, keep_path=False)
            ),
            after="demo-2-copy",
        ),
    )


def _request(
    request_id: str, point: Mapping[str, str], *, folder: str | None = None, **more: object
) -> dict[str, object]:
    target: dict[str, str] = {"location": "original"}
    if folder is not None:
        target = {
            "location": "alternate",
            "storageAccountId": account_id(TARGET_ACCOUNT),
            "fileShare": TARGET_SHARE,
            "folder": folder,
        }
    return {
        "schemaVersion": "1.0",
        "requestId": request_id,
        "vaultId": VAULT_ID,
        "source": {"storageAccountId": account_id(ACCOUNT), "fileShare": SHARE},
        "recoveryPoint": point,
        "target": target,
        **more,
    }


def account_id(name: str) -> str:
    """The ARM id of a storage account."""
    return f"{_PROVIDERS}/Microsoft.Storage/storageAccounts/{name}"


def _items(chosen: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"path": path, "type": kind} for path, kind in chosen]


def snapshot(root: Path, point: Point) -> Path:
    """The files of a recovery point."""
    return root / "snapshots" / ACCOUNT / SHARE / point.id


def files_of(folder: Path) -> list[Path]:
    """The files below a folder, by their paths in it."""
    return [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]


def whole(source: Path, target: Path) -> dict[Path, Path]:
    """What all files of a folder become in another one."""
    return {target / path: source / path for path in files_of(source)}


def _parts(
    snapshot: Path, target: Path, chosen: tuple[tuple[str, str], ...], *, keep_path: bool
) -> Iterator[tuple[Path, Path]]:
    for name, kind in chosen:
        source = snapshot / name
        wanted = target / (name if keep_path else source.name)
        if kind == "File":
            yield wanted, source
        else:
            yield from whole(source, wanted).items()
