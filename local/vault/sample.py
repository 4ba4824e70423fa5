"""The sample: the names of the published how-to, with files that differ from point to point.

The live share has been damaged since its last recovery point (files lost, files overwritten, one
new file), so that a restore has something to show. Content depends on path and version alone.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from pathlib import Path

from local.vault.catalogue import Catalogue, Item, Point, Vault
from local.vault.shares import Layout
from local.vault.ticks import TICKS_PER_SECOND, now_ticks

SUBSCRIPTION = "ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
RESOURCE_GROUP = SHARE = "azurefiles"
VAULT = "azurefilesvault"
ACCOUNT = "afsaccount"
TARGET_ACCOUNT, TARGET_SHARE = "afaccount1", "azurefiles1"
ITEM_NAME = f"AzureFileShare;{hashlib.sha256(b'afsaccount/azurefiles').hexdigest()}"
"""Since 2021 the service names items by a hash; of what, is not known."""

POINTS = ("932890167574511261", "932878582606969225", "932881138555802864")
"""Oldest first, as the how-to numbers them: not in the order of the numbers, and above 2^53."""

SECOND_SHARE = "projects"
SECOND_POINTS = ("4611686018427387905", "17893962788866")

_FOLDERS = (
    "",
    "Restore",
    "finance/2025",
    "finance/2026/Q1",
    "finance/2026/Q2",
    "Übersicht",
    "project plans/draft versions",
    "photos/été 2026",
    "資料",
    "logs/app/a/b/c/d",
)
_FILES = 300
_LARGE = {17: 1_300_000, 42: 700_000, 99: 300_000}
_DAY = 86_400 * TICKS_PER_SECOND
_FILLING = ".filling"


def is_unfilled(layout: Layout) -> bool:
    """Whether the root is absent, empty, or was left half filled."""
    if not layout.root.exists() or not any(layout.root.iterdir()):
        return True
    return (layout.root / _FILLING).exists()


def sample_content(path: str, version: int) -> bytes:
    """The bytes of a sample file: a readable first line, then noise."""
    noise = random.Random(f"{path}#{version}")  # noqa: S311  (repeatable, not secret)
    number = _number(path)
    size = _LARGE.get(number, noise.randrange(20, 4000)) if number is not None else 120
    return f"{path} version {version}\n".encode() + noise.randbytes(size)


def sample_files(state: int) -> dict[str, int]:
    """The sample share's files and their versions at recovery point 0, 1 or 2, oldest first."""
    files = {"RestoreTest.txt": state, "Restore/RestoreTest.txt": state}
    for number in range(_FILES - len(files)):
        appears = {0: 1, 10: 2}.get(number % 20, 0)
        if state >= appears:
            folder = _FOLDERS[number % len(_FOLDERS)]
            name = f"report {number:03d}.txt" if number % 3 else f"file-{number:03d}.bin"
            version = sum(1 for each in range(1, state + 1) if (number + each) % 5 == 0)
            files[f"{folder}/{name}".lstrip("/")] = version
    return files


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder, which is made even for none. A name ending in `/` is a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def sample_vault(now: int) -> Vault:
    """The sample's vault; its points are 3, 2 and 1 days older than `now` (ticks)."""
    midnight = now // _DAY * _DAY
    times = [
        midnight - days * _DAY + (8 * 3600 + offset) * TICKS_PER_SECOND
        for days, offset in ((3, 230), (2, 330), (1, 95))
    ]
    return Vault(
        subscription=SUBSCRIPTION,
        resource_group=RESOURCE_GROUP,
        name=VAULT,
        items=(
            Item(
                account=ACCOUNT,
                share=SHARE,
                account_subscription=SUBSCRIPTION,
                account_resource_group=RESOURCE_GROUP,
                item_name=ITEM_NAME,
                points=tuple(
                    Point(id=point, time=time)
                    for point, time in reversed(list(zip(POINTS, times, strict=True)))
                ),
            ),
            Item(
                account=ACCOUNT,
                share=SECOND_SHARE,
                account_subscription=SUBSCRIPTION,
                account_resource_group=RESOURCE_GROUP,
                item_name=f"AzureFileShare;{SECOND_SHARE}",
                points=tuple(
                    Point(id=point, time=time)
                    for point, time in zip(SECOND_POINTS, (times[2], times[1]), strict=True)
                ),
            ),
        ),
    )


def fill_sample(layout: Layout) -> None:
    """Fill a root with the sample: shares, recovery points and vaults.json."""
    layout.root.mkdir(parents=True, exist_ok=True)
    marker = layout.root / _FILLING
    marker.touch()
    for state, point in enumerate(POINTS):
        files = {path: sample_content(path, v) for path, v in sample_files(state).items()}
        files["empty folder/"] = b""
        write_files(layout.snapshot(ACCOUNT, SHARE, point), files)
    write_files(layout.share(ACCOUNT, SHARE), _damaged())
    write_files(layout.share(TARGET_ACCOUNT, TARGET_SHARE), {})
    for point in SECOND_POINTS:
        plan = {"plan.txt": f"plan of {point}\n".encode(), "drafts/one.txt": b"draft\n"}
        write_files(layout.snapshot(ACCOUNT, SECOND_SHARE, point), plan)
    write_files(layout.share(ACCOUNT, SECOND_SHARE), {"plan.txt": b"plan of today\n"})
    Catalogue(vaults=(sample_vault(now_ticks()),)).save(layout.vaults_file)
    marker.unlink()


def _damaged() -> dict[str, bytes]:
    """The live share: the last point with every 25th file lost and another 25th overwritten."""
    files = {"empty folder/": b""}
    for index, (path, version) in enumerate(sorted(sample_files(2).items())):
        if index % 25 == 7:
            files[path] = b"all your files are encrypted\n"
        elif index % 25 != 3:
            files[path] = sample_content(path, version)
    files["new since the backup.txt"] = b"written after the last recovery point\n"
    return files


def _number(path: str) -> int | None:
    digits = path.rsplit(".", 1)[0][-3:]
    return int(digits) if digits.isdecimal() else None
