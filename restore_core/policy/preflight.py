"""Checks before anything is sent: a restore that would surely fail is refused.

The checks follow Microsoft's documents and recorded traffic. Where these are not certain, a check
only puts a warning into the event. What is allowed is decided in `policy/guards.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from restore_core.domain.record import Decision, End, RestoreRecord, writes_to_its_source
from restore_core.domain.usable_points import (
    has_snapshot,
    has_vault_copy,
    needs_snapshot,
    shown,
    usable_kinds,
)
from restore_core.messages.request import AlternateTarget, RestoreRequest
from restore_core.vocabulary import Reason

IDENTITY_VERSION = "2026-07-01"
"""The first version of the API that accepts `identityInfo` (SDK 11)."""
_POINT_TIER = "recoveryPointTier"
_NO_POINT = {Reason.RECOVERY_POINT_NOT_FOUND, Reason.RECOVERY_POINT_TOO_OLD}
_SUSPECT = {"unhealthy", "warning"}
_AT_REST = {"", "protected", "protectionstopped"}
"""The states in which a restore works: protected, or stopped with the data retained (FAQ)."""


class Outcome(StrEnum):
    """The result of a check."""

    PASSED = "passed"
    WARNING = "warning"
    REFUSED = "refused"
    WAITING = "waiting"
    """The restore is allowed but would have to wait now."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check and its result. `advice` says what to change after a refusal."""

    name: str
    outcome: Outcome
    message: str
    advice: str = ""

    def shown(self) -> dict[str, str]:
        """Return the check as a dry run's plan shows it."""
        shown = {"name": self.name, "result": self.outcome.value, "message": self.message}
        return shown | ({"advice": self.advice} if self.advice else {})


def preflight(record: RestoreRecord, decision: Decision, *, api_version: str) -> list[Check]:
    """Run every check on a decided restore, and return the passed ones, too."""
    request = record.request
    return [
        _protection(decision),
        _tier(request, decision),
        _threat(decision),
        _target(record, decision),
        _subscription(decision),
        _paths(request),
        _identity(request, api_version),
        _resource_guard(decision),
    ]


def lacked_a_point(end: End) -> bool:
    """Tell whether a request ended since its item has no recovery point that can serve it.

    That says nothing about the plan that asked: it must not stop the plan from the day on which
    there is such a point again.
    """
    tier = end.reason is Reason.PREFLIGHT_FAILED and end.rule == _POINT_TIER
    return tier or end.reason in _NO_POINT


def _passed(name: str, message: str) -> Check:
    return Check(name=name, outcome=Outcome.PASSED, message=message)


def _warning(name: str, message: str) -> Check:
    return Check(name=name, outcome=Outcome.WARNING, message=message)


def _refused(name: str, message: str, advice: str) -> Check:
    return Check(name=name, outcome=Outcome.REFUSED, message=message, advice=advice)


def _protection(decision: Decision) -> Check:
    """Refuse a soft-deleted item, which must be undeleted first; stopped protection is fine."""
    name, state = "protectionState", decision.protection_state
    if decision.item_soft_deleted:
        return _refused(
            name,
            f"The protected item of the share {decision.share} is soft-deleted.",
            "Undelete the protected item in the vault, then send a new request.",
        )
    if state.casefold() not in _AT_REST:
        return _warning(name, f"The protection state of the share is {state}.")
    return _passed(name, f"The protection state is {state or 'not told'}.")


def _tier(request: RestoreRequest, decision: Decision) -> Check:
    """Check the limits of a vault-tier point: full shares, to another location, with Overwrite."""
    name = _POINT_TIER
    if not decision.tiers:
        return _passed(name, "The vault does not tell where the recovery point is kept.")
    kinds, told = usable_kinds(decision.tiers), shown(decision.tiers)
    if has_snapshot(decision.tiers):
        return _passed(name, f"The recovery point has a snapshot ({told}).")
    if not kinds:
        return _refused(
            name,
            f"No copy of the recovery point can be used ({told}).",
            "Send a new request for another recovery point.",
        )
    if not has_vault_copy(decision.tiers):
        return _warning(name, f"The recovery point is of a kind that is not known here ({told}).")
    wrong = needs_snapshot(request)
    if wrong:
        return _refused(
            name,
            "The recovery point is kept in the vault alone, which restores full shares to an "
            f"alternate location: {', '.join(wrong)}.",
            "Send a new request for the full share to an alternate location with copyOptions "
            "Overwrite, or for a recovery point that has a snapshot.",
        )
    return _warning(
        name,
        "The recovery point is kept in the vault alone: the target share must be empty, which "
        "cannot be seen from here.",
    )


def _threat(decision: Decision) -> Check:
    status = decision.threat_status
    if status.casefold() in _SUSPECT:
        return _warning("threatStatus", f"The recovery point's threat status is {status}.")
    return _passed("threatStatus", f"The recovery point's threat status is {status or 'not told'}.")


def _target(record: RestoreRecord, decision: Decision) -> Check:
    """Refuse an alternate target that is the source itself: one of the two is a mistake."""
    name, target = "target", record.request.target
    if not isinstance(target, AlternateTarget):
        return _passed(name, "The original location.")
    if writes_to_its_source(record, decision):
        return _refused(
            name,
            "The alternate target is the source share itself.",
            'Send target {"location": "original"} with copyOptions, or name a folder or another '
            "share.",
        )
    if decision.stays_in_its_share:
        return _warning(name, "The target is a folder of the source share.")
    return _passed(name, "Another share than the source.")


def _subscription(decision: Decision) -> Check:
    """Warn about another subscription without a vault-tier copy, which Microsoft's page demands."""
    name = "subscription"
    ours = decision.item.vault.subscription
    theirs = decision.target_account_id.split("/")[2]
    if ours.casefold() == theirs.casefold():
        return _passed(name, "The target is in the vault's subscription.")
    if has_vault_copy(decision.tiers):
        return _passed(name, "The target is in another subscription; the vault has a copy.")
    return _warning(
        name,
        "The target is in another subscription, and the recovery point has no copy in the vault: "
        "Azure Backup may refuse it.",
    )


def _paths(request: RestoreRequest) -> Check:
    """Warn about folders that end in a dot, which can fail, and items inside listed folders."""
    name, target = "itemPaths", request.target
    places = [(one.path, _folders(one.path, one.type)) for one in request.items or ()]
    if isinstance(target, AlternateTarget) and target.folder is not None:
        places.append((target.folder, target.folder.split("/")))
    dotted = [path for path, folders in places if any(one.endswith(".") for one in folders)]
    if dotted:
        return _warning(
            name, f"A folder's name ends in a dot, which can make the restore fail: {dotted[0]!a}"
        )
    if not request.items:
        return _passed(name, "The full share.")
    folders = {one.path.lower() for one in request.items if one.type == "Directory"}
    nested = [one.path for one in request.items if _above(one.path.lower()) & folders]
    if nested:
        return _warning(name, f"An item lies in a folder that is listed, too: {nested[0]!a}")
    return _passed(name, f"{len(request.items)} items.")


def _folders(path: str, kind: str) -> list[str]:
    parts = path.split("/")
    return parts if kind == "Directory" else parts[:-1]


def _above(path: str) -> set[str]:
    return set(accumulate(path.split("/")[:-1], "{}/{}".format))


def _identity(request: RestoreRequest, api_version: str) -> Check:
    name = "identity"
    if request.identity is None:
        return _passed(name, "Azure Backup uses the access that it has.")
    if api_version < IDENTITY_VERSION:
        return _refused(
            name,
            f"The version {api_version} of the API does not support `identity`.",
            f"Set RESTORE_ARM_API_VERSION to {IDENTITY_VERSION} or later, or leave identity out.",
        )
    return _passed(name, f"By the identity given ({request.identity.type}).")


def _resource_guard(decision: Decision) -> Check:
    name, requests = "resourceGuard", decision.guard_requests
    if requests is None:
        return _warning(
            name,
            "Whether a Resource Guard protects restores in this vault could not be read; if one "
            "does, Azure refuses the restore.",
        )
    if requests:
        return _passed(name, "A Resource Guard protects restores; the call carries its request.")
    return _passed(name, "No Resource Guard protects restores in this vault.")
