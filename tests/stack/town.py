"""A stack with what is in its vault, and who looks at it from outside."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from local.stack import Stack
from tests.stack.estate import TARGET_ACCOUNT, Estate, Share, account_id, build, reload
from tests.stack.outside import Json, Outside

SETTINGS = {
    "RESTORE_POLL_SCHEDULE": "* * * * * *",
    "RESTORE_OPERATION_POLL_SECONDS": "0.3",
    "RESTORE_JOB_POLL_SECONDS": "0.5",
    "RESTORE_RETRY_BASE_SECONDS": "0.5",
    "RESTORE_RETRY_MAX_SECONDS": "2",
    "RESTORE_ARM_ANSWER_SECONDS": "3",
    "RESTORE_ADOPTION_GRACE_SECONDS": "4",
}
"""Every wait is short; the grace is longer than any answer that a test delays."""
TIME_SCALE = 60.0
LEASE_SECONDS = 3
_SHARES = 40


@dataclass(kw_only=True)
class Town:
    """A running stack and its shares."""

    stack: Stack
    estate: Estate
    outside: Outside
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def share(self) -> Share:
        """A protected share that nobody has asked for before."""
        return self.estate.shares[next(self._numbers)]


@contextmanager
def running_town(settings: Mapping[str, str] | None = None, *, crowded: int = 0) -> Iterator[Town]:
    """Start a stack, fill its vault and end it all afterwards; the last shares are crowded."""
    changed = {**SETTINGS, **(settings or {})}
    with Stack(host=False, lease=LEASE_SECONDS, time_scale=TIME_SCALE, settings=changed) as stack:
        targets = [f"target-{number}" for number in range(_SHARES)]
        estate = build(stack.vault_root, shares=_SHARES, vaults=1, targets=targets, crowded=crowded)
        reload(stack.arm)
        stack.start_host()
        with Outside(stack.storage, stack.arm) as outside:
            yield Town(stack=stack, estate=estate, outside=outside)


def request(share: Share, request_id: str, **fields: object) -> Json:
    """A restore request: the full share, its newest recovery point, to where it came from.

    A field of `None` is left out.
    """
    whole = {
        "schemaVersion": "1.0",
        "requestId": request_id,
        "vaultId": share.vault_id,
        "source": share.source,
        "recoveryPoint": {"select": "latest"},
        "target": {"location": "original"},
        "copyOptions": "Overwrite",
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def elsewhere(name: str, folder: str) -> Json:
    """An alternate target."""
    return {
        "location": "alternate",
        "storageAccountId": account_id(TARGET_ACCOUNT),
        "fileShare": name,
        "folder": folder,
    }
