"""Changing a claim: the one loop that reads it, works out what it becomes, and writes that.

Knows that a claim is written only as it was read, so that no instance overwrites another's change.
Refuses to know what claims are for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from restore_core.domain.ports import Claim, Store
from restore_core.errors import Conflict

_ROUNDS = 10
_Answer = TypeVar("_Answer")


def change(
    store: Store, key: str, step: Callable[[Claim], tuple[Claim, _Answer]]
) -> tuple[Claim, _Answer]:
    """Change a claim by `step`, which returns what the claim becomes, and an answer.

    A claim that stays as it was is not written. Where another instance has changed it meanwhile,
    `step` is asked again with the new one, so it must not keep anything from one call to the next.
    Returns the claim as it stands now, and the answer that belongs to it.

    Raises:
        Conflict: others changed it again and again.
        StoreUnavailable: storage did not answer.
    """
    for _ in range(_ROUNDS):
        before = store.read_claim(key)
        after, answer = step(before)
        if after == before:
            return after, answer
        try:
            etag = store.write_claim(after, after.holders)
        except Conflict:
            continue
        return replace(after, etag=etag), answer
    raise Conflict(f"{key}: too many change this claim at once")
