"""Whether a recovery point can serve a request, by where its copies are.

Knows what Microsoft's documents say of the two tiers: a snapshot serves every restore, a copy that
is in the vault alone serves full shares that go elsewhere. Refuses to choose a point, and to say
what is told to a sender.
"""

from __future__ import annotations

from collections.abc import Iterable

from restore_core.domain.vault import RecoveryPoint, Tier
from restore_core.messages.request import AlternateTarget, CopyOptions, RestoreRequest

_SNAPSHOT = {"instantrp", "iasnapshotrp"}
_VAULT = {"hardenedrp"}


def usable_kinds(tiers: Iterable[Tier]) -> set[str]:
    """Return the kinds of the copies that can be used, in small letters."""
    return {one.kind.casefold() for one in tiers if one.status.casefold() == "valid"}


def has_snapshot(tiers: Iterable[Tier]) -> bool:
    """Tell whether a copy is a snapshot that can be used."""
    return bool(usable_kinds(tiers) & _SNAPSHOT)


def has_vault_copy(tiers: Iterable[Tier]) -> bool:
    """Tell whether a copy is in the vault and can be used."""
    return bool(usable_kinds(tiers) & _VAULT)


def needs_snapshot(request: RestoreRequest) -> list[str]:
    """Say what of a request a copy in the vault cannot do; empty where it serves as well."""
    return [
        what
        for what, is_so in (
            ("not to the original location", not isinstance(request.target, AlternateTarget)),
            ("no single items", bool(request.items)),
            ("Overwrite only", request.effective_copy_options is not CopyOptions.OVERWRITE),
        )
        if is_so
    ]


def shown(tiers: Iterable[Tier]) -> str:
    """Write the copies of a point for people."""
    return ", ".join(f"{one.kind} {one.status}".strip() for one in tiers)


def why_unusable(point: RecoveryPoint, request: RestoreRequest) -> str | None:
    """Say why a request would surely be refused with this point, `None` where it would not be.

    A point that tells nothing of its copies, or has one of a kind that is not known here, may
    serve.
    """
    if point.soft_deleted:
        return "it is soft-deleted"
    if not point.tiers:
        return None
    kinds = usable_kinds(point.tiers)
    if not kinds:
        return f"no copy of it can be used ({shown(point.tiers)})"
    if kinds & _VAULT and not kinds & _SNAPSHOT and needs_snapshot(request):
        return f"it is kept in the vault alone ({shown(point.tiers)}), and a snapshot is needed"
    return None
