"""Makes a root folder for tests with every kind of item and point that a client may meet.

To the sample it adds, in the same vault: a second item called `azurefiles` (of another account), an
item whose protection was stopped, one scheduled for deletion, and one whose points are kept as
snapshots, in the vault, or both, with threat states; and a second vault behind a resource guard.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from local.vault.catalogue import Catalogue, Item, Point
from local.vault.sample import (
    ACCOUNT,
    RESOURCE_GROUP,
    SHARE,
    SUBSCRIPTION,
    fill_sample,
    write_files,
)
from local.vault.shares import Layout

GUARDED_VAULT = "guardedvault"
OTHER_ACCOUNT = "bfsaccount"
OTHER_GROUP = "otherstorage"
GUARD = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/security/providers/"
    "Microsoft.DataProtection/resourceGuards/restoreguard"
)
SNAPSHOT_POINT, BOTH_POINT, VAULT_POINT = "101", "102", "103"
DELETED_POINT, THREAT_POINT = "104", "105"


def _item(account: str, share: str, *points: Point, group: str = RESOURCE_GROUP) -> Item:
    digest = hashlib.sha256(f"{account}/{share}".encode()).hexdigest()
    return Item(
        account=account,
        share=share,
        account_subscription=SUBSCRIPTION,
        account_resource_group=group,
        item_name=f"AzureFileShare;{digest}",
        points=points,
    )


def fill_everything(layout: Layout) -> None:
    """Fill a root with the sample and all the rest."""
    fill_sample(layout)
    home = Catalogue.load(layout.vaults_file).vaults[0]
    time = home.items[0].points[0].time
    plain = Point(id="100", time=time)
    tiers = (
        Point(id=SNAPSHOT_POINT, time=time - 1, tiers=("InstantRP",)),
        Point(id=BOTH_POINT, time=time - 2, tiers=("InstantRP", "HardenedRP")),
        Point(id=VAULT_POINT, time=time - 3, tiers=("HardenedRP",)),
        Point(id=DELETED_POINT, time=time - 4, soft_deleted=True),
        Point(id=THREAT_POINT, time=time, threat_status="UnHealthy"),
    )
    items = (
        _item(OTHER_ACCOUNT, SHARE, plain, group=OTHER_GROUP),
        replace(_item(ACCOUNT, "stopped", plain), protection_state="ProtectionStopped"),
        replace(
            _item(ACCOUNT, "deleted", plain),
            protection_state="ProtectionStopped",
            soft_deleted=True,
        ),
        _item(ACCOUNT, "tiers", *tiers),
    )
    guarded = _item("guardedaccount", "secrets", plain)
    for item in (*items, guarded):
        write_files(layout.share(item.account, item.share), {"file.txt": b"live\n"})
        for point in item.points:
            folder = layout.snapshot(item.account, item.share, point.id)
            write_files(folder, {"file.txt": f"point {point.id}\n".encode()})
    Catalogue(
        vaults=(
            replace(home, items=(*home.items, *items)),
            replace(home, name=GUARDED_VAULT, resource_guard=GUARD, items=(guarded,)),
        )
    ).save(layout.vaults_file)
