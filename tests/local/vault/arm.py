"""A small ARM client over a real socket, and a small root to call about."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import requests

from local.vault import Catalogue, Item, Job, Point, Vault, VaultEmulator, write_files
from local.vault.shares import Layout
from local.vault.ticks import parse_rfc3339
from tests.patience import PATIENCE

SUBSCRIPTION = "ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
VERSION = "2026-07-01"
CLIENT_ID = "1c4d5d80-fdb6-11ee-b0f3-60a5e243551b"
POINT, OLDER_POINT = "9223372036854775807", "17893962788866"
ACCOUNT_IDS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/stores/providers/"
    "Microsoft.Storage/storageAccounts/"
)
Json = dict[str, Any]

FILES = {
    "a.txt": b"a of the point\n",
    "docs/b.txt": b"b of the point\n",
    "docs/deep er/Größe.txt": b"c of the point\n",
    "docs/empty/": b"",
    "big.bin": bytes(range(256)) * 8192,
}


def small_vault() -> Vault:
    """One vault, one item, two points."""
    points = (
        Point(id=POINT, time=parse_rfc3339("2026-11-20T08:01:35Z")),
        Point(id=OLDER_POINT, time=parse_rfc3339("2026-11-19T08:05:30Z")),
    )
    item = Item(
        account="srcaccount",
        share="data",
        account_subscription=SUBSCRIPTION,
        account_resource_group="stores",
        item_name="AzureFileShare;" + "0123456789abcdef" * 4,
        points=points,
    )
    return Vault(subscription=SUBSCRIPTION, resource_group="Vaults", name="Vault1", items=(item,))


def small_root(root: Path, vault: Vault | None = None, files: int = 0) -> Layout:
    """Write a small root; `files` adds so many small ones to the newer point."""
    layout = Layout(root=root)
    many = {f"many/{number:03d}.txt": b"%d\n" % number for number in range(files)}
    write_files(layout.snapshot("srcaccount", "data", POINT), {**FILES, **many})
    write_files(layout.snapshot("srcaccount", "data", OLDER_POINT), {"a.txt": b"older\n"})
    write_files(layout.share("srcaccount", "data"), {"a.txt": b"damaged\n", "new.txt": b"new\n"})
    write_files(layout.share("dstaccount", "target"), {})
    Catalogue(vaults=(vault or small_vault(),)).save(layout.vaults_file)
    return layout


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every file's bytes and every directory (None) below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


def body(
    *,
    specs: Sequence[Json] | None = None,
    alternate: bool = False,
    kind: str | None = None,
    copy: str = "Overwrite",
    share: str = "target",
    source: str = "srcaccount",
) -> Json:
    """A restore's body, as clients send it."""
    items = any("path" in spec for spec in specs or ())
    properties: Json = {
        "objectType": "AzureFileShareRestoreRequest",
        "recoveryType": "AlternateLocation" if alternate else "OriginalLocation",
        "sourceResourceId": ACCOUNT_IDS + source,
        "copyOptions": copy,
        "restoreRequestType": kind or ("ItemLevelRestore" if items else "FullShareRestore"),
    }
    if specs is not None:
        properties["restoreFileSpecs"] = list(specs)
    if alternate:
        target = {"name": share, "targetResourceId": ACCOUNT_IDS + "dstaccount"}
        properties["targetDetails"] = target
    return {"properties": properties}


class Arm:
    """Calls of one vault of an emulator."""

    def __init__(self, emulator: VaultEmulator, vault: Vault | None = None) -> None:
        self.emulator = emulator
        self.vault = vault or emulator.catalogue.vaults[0]
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def item_id(self) -> str:
        """The first item's id, with `;` as the SDKs send it."""
        item = self.vault.items[0]
        names = f"{item.container_name}/protectedItems/{item.item_name}".replace(";", "%3B")
        return f"{self.vault.id}/backupFabrics/Azure/protectionContainers/{names}"

    def get(self, path: str, query: str = f"api-version={VERSION}") -> requests.Response:
        """GET below the vault, or of an absolute path or URL (whose query stands)."""
        if path.startswith("http"):
            return self.session.get(path, allow_redirects=False, timeout=PATIENCE)
        path = path if path.startswith("/subscriptions") else f"{self.vault.id}/{path}"
        return self.session.get(
            f"{self.emulator.url}{path}?{query}", allow_redirects=False, timeout=PATIENCE
        )

    def post(self, path: str, json: object = None, **headers: str) -> requests.Response:
        """POST below the vault, or to an absolute path."""
        path = path if path.startswith("/subscriptions") else f"{self.vault.id}/{path}"
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.post(
            f"{self.emulator.url}{path}?api-version={VERSION}",
            json=json,
            headers=names,
            allow_redirects=False,
            timeout=PATIENCE,
        )

    def restore(
        self, document: Json, point: str = POINT, client_id: str = CLIENT_ID
    ) -> requests.Response:
        """The restore POST."""
        return self.post(
            f"{self.item_id}/recoveryPoints/{point}/restore",
            document,
            x_ms_client_request_id=client_id,
        )

    def started(self, document: Json, **options: str) -> Job:
        """The job of a restore that must be accepted."""
        answer = self.restore(document, **options)
        assert answer.status_code == 202, answer.text
        return self.emulator.jobs()[0]

    def held(self, document: Json, **options: str) -> Job:
        """The job of a restore that must be accepted, and runs until it is cancelled."""
        action = {"kind": "outcome", "never_ends": True}
        self.emulator.inject({"on": "restore", "action": action})
        return self.started(document, **options)

    def wait(self, job: Job, *, seconds: float = PATIENCE) -> Job:
        """The job once it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            now = self.emulator.store.get(job.id)
            assert now is not None
            if not now.running:
                return now
            time.sleep(0.005)
        raise AssertionError(f"{job.id} runs for more than {seconds} s")

    def ended(self, document: Json, **options: str) -> Job:
        """The ended job of a restore that must be accepted."""
        return self.wait(self.started(document, **options))

    def shown(self, job: Job) -> Json:
        """The properties of a job, as GET shows them."""
        answer = self.get(f"backupJobs/{job.id}")
        assert answer.status_code == 200, answer.text
        properties: Json = answer.json()["properties"]
        return properties

    def listed(self, query: str = "") -> Iterator[Json]:
        """Every job of the list, page after page."""
        answer = self.get("backupJobs", f"api-version={VERSION}{query}")
        while True:
            assert answer.status_code == 200, answer.text
            document = answer.json()
            yield from document["value"]
            if "nextLink" not in document:
                return
            answer = self.get(document["nextLink"])

    def close(self) -> None:
        """End the client's connections."""
        self.session.close()
