"""The estate on this machine: what a running `local.up` has, filled with what the checks need.

The emulator offers no calls that make vaults or backups, so this writes what such calls would have
made into its folders: live shares, a recovery point, and the catalogue of the vaults. The app is
deployed by putting the guards where its host was told to look for them.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import requests
from azure.storage.queue import QueueServiceClient

from local.vault.catalogue import Catalogue, Item, Point, Vault
from local.vault.sample import write_files
from local.vault.shares import Layout
from local.vault.ticks import TICKS_PER_SECOND, from_datetime
from tests.acceptance.arm import Arm
from tests.acceptance.conversation import Conversation
from tests.acceptance.estate import Kept, Kind
from tests.acceptance.journal import Journal
from tests.acceptance.naming import Names
from tests.acceptance.place import (
    ALLOWED_TARGETS,
    FILES,
    REFUSED_TARGET,
    SOURCE_SHARE,
    Files,
    Place,
    Share,
    place_of,
)

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
POINT, VAULT_POINT = "8123456789012345678", "17893962788866"
_SETTLING_SECONDS = 30.0


class FolderFiles:
    """The files of shares that are folders."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def folder(self, share: Share) -> Path:
        """Where a share's files lie."""
        return self._layout.share(share.account, share.name)

    def write(self, share: Share, path: str, content: bytes) -> None:
        """Write a file, with the folders that lead to it."""
        write_files(self.folder(share), {path: content})

    def remove(self, share: Share, path: str) -> None:
        """Remove a file; one that is not there is no error."""
        (self.folder(share) / path).unlink(missing_ok=True)

    def read_all(self, share: Share) -> dict[str, bytes]:
        """Every file of a share by its path."""
        root = self.folder(share)
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }


class LocalEstate:
    """What a run uses of a stack that is running."""

    def __init__(
        self, *, names: Names, arm: Arm, journal: Journal, storage: str, root: Path, guards: Path
    ) -> None:
        """`root` is the emulator's folder, `guards` the file that the app reads its rules from."""
        self._names = names
        self._arm = arm
        self._journal = journal
        self._storage = storage
        self._layout = Layout(root=root)
        self._guards = guards
        self._files = FolderFiles(self._layout)

    @property
    def kind(self) -> Kind:
        """The emulator."""
        return "emulator"

    @property
    def arm(self) -> Arm:
        """Where the vault answers."""
        return self._arm

    @property
    def files(self) -> Files:
        """The files of the shares."""
        return self._files

    @property
    def place(self) -> Place:
        """Where the checks take place."""
        return place_of(self._names)

    def prepare(self) -> None:
        """Write the shares, the recovery points and the vault."""
        catalogue = Catalogue.load(self._layout.vaults_file)
        if catalogue.vault(SUBSCRIPTION, self._names.group, self._names.vault) is not None:
            return
        place = self.place
        for name in (*ALLOWED_TARGETS, REFUSED_TARGET):
            self.make_share(place.target(name))
        write_files(self._files.folder(place.source), FILES)
        for point in (POINT, VAULT_POINT):
            snapshot = self._layout.snapshot(place.source.account, place.source.name, point)
            write_files(snapshot, FILES)
        self._save(replace(catalogue, vaults=(*catalogue.vaults, self._vault())))

    def deploy(self) -> Conversation:
        """Give the app its rules."""
        self._guards.write_text(json.dumps(self.place.guards()), "utf-8")
        queues = QueueServiceClient.from_connection_string(self._storage)
        return Conversation(queues, journal=self._journal, pace=self._arm.pace)

    def make_share(self, share: Share) -> None:
        """Make a share of the target account."""
        write_files(self._files.folder(share), {})

    def tear_down(self) -> list[Kept]:
        """Remove the vault from the catalogue, and the folders."""
        catalogue = Catalogue.load(self._layout.vaults_file)
        left = tuple(one for one in catalogue.vaults if one.id != self._names.vault_id)
        self._save(replace(catalogue, vaults=left))
        for account in (self._names.source_account, self._names.target_account):
            for kind in ("accounts", "snapshots"):
                shutil.rmtree(self._layout.root / kind / account, ignore_errors=True)
        self._guards.unlink(missing_ok=True)
        return []

    def _vault(self) -> Vault:
        names = self._names
        made = from_datetime(datetime.now(UTC)) // TICKS_PER_SECOND * TICKS_PER_SECOND
        points = (
            Point(id=POINT, time=made - 60 * TICKS_PER_SECOND),
            Point(id=VAULT_POINT, time=made - 3600 * TICKS_PER_SECOND, tiers=("HardenedRP",)),
        )
        item = Item(
            account=names.source_account,
            share=SOURCE_SHARE,
            account_subscription=names.subscription,
            account_resource_group=names.group,
            item_name=f"AzureFileShare;{SOURCE_SHARE}",
            points=points,
        )
        return Vault(
            subscription=names.subscription,
            resource_group=names.group,
            name=names.vault,
            items=(item,),
        )

    def _save(self, catalogue: Catalogue) -> None:
        catalogue.save(self._layout.vaults_file)
        give_up = time.monotonic() + _SETTLING_SECONDS
        while True:
            answer = requests.post(f"{self._arm.endpoint}/_emulator/reload", timeout=30)
            if answer.ok or time.monotonic() > give_up:
                answer.raise_for_status()
                return
            time.sleep(0.2)
