"""What the guards say of one restore: before anything is read for it, and once it is decided.

Knows which rule allows a restore, and which came nearest where none does. Refuses to know the file,
which is `policy/guards.py`, and whether a restore can work. Vault, source and recovery point are
judged as the vault has them; a target, which no vault lists, by the names of account and share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from restore_core.arm_ids import VaultId, account_name, share_id
from restore_core.domain.record import Decision, RestoreRecord, writes_to_its_source
from restore_core.messages.request import AlternateTarget, CopyOptions, RestoreRequest, ShareSource
from restore_core.policy.guards import Guards, OriginalLocation, Rule
from restore_core.policy.patterns import id_matches, matches, share_matches
from restore_core.times import format_duration, format_time


@dataclass(frozen=True, kw_only=True)
class NotAllowed:
    """No rule allows it. `rule` names the field that refused, of the rule that came nearest."""

    rule: str
    message: str


def judge(guards: Guards, record: RestoreRecord, decision: Decision) -> Rule | NotAllowed:
    """Judge a decided restore by the resolved ids, rule by rule, in the order of the file."""
    nearest: tuple[int, NotAllowed] | None = None
    for rule in guards.rules:
        refusals = [
            (depth, NotAllowed(rule=f"{rule.name}/{field}", message=f"The rule {rule.name}: {why}"))
            for depth, (field, why) in enumerate(_refusals(rule, record, decision))
            if why is not None
        ]
        if not refusals:
            return rule
        if nearest is None or refusals[0][0] > nearest[0]:
            nearest = refusals[0]
    assert nearest is not None  # noqa: S101  (a file has a rule)
    depth, refusal = nearest
    if depth < _COVERED:
        return not_covered(guards, decision.item.vault, _source(decision))
    return refusal


_COVERED = 2
"""The first fields, vaults and sources, say whether a rule is about a share at all."""


def covers(guards: Guards, vault: VaultId, share: str) -> bool:
    """Tell whether a rule is about a share, by its ARM id, in a vault.

    Of others nothing that Azure says may be told: neither their names nor their recovery points.
    """
    return any(
        _any_id(rule.vaults, str(vault)) and _any_id(rule.sources, share) for rule in guards.rules
    )


def not_covered(guards: Guards, vault: VaultId, share: str | None = None) -> NotAllowed:
    """Say that no rule is about a share in a vault, or, without a share, about the vault at all."""
    knows_vault = any(_any_id(rule.vaults, str(vault)) for rule in guards.rules)
    field = "sources" if knows_vault else "vaults"
    what = f"the vault {vault}" if share is None else f"the share {share} in the vault {vault}"
    only = guards.rules[0].name if len(guards.rules) == 1 else None
    return NotAllowed(
        rule=f"{only}/{field}" if only else "rules", message=f"No rule covers {what}."
    )


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What no lookup will change: a rule covers the request, as far as the request alone tells.

    `emergency_allowed` is whether one that covers it lets it say `emergency`.
    """

    emergency_allowed: bool


def foresee(guards: Guards, record: RestoreRecord) -> Foreseen | NotAllowed:
    """Judge a request before anything is read for it.

    A no is one that `judge` would come to as well, whatever the lookups bring: the vault is that of
    the request, and an account's name is one account's, whatever resource group it is called in.
    """
    request = record.request
    vault = request.vault
    about = [rule for rule in guards.rules if _any_id(rule.vaults, str(vault))]
    if not about:
        return not_covered(guards, vault)
    source = request.source
    if isinstance(source, ShareSource):
        account, share = account_name(source.storage_account_id), source.file_share
        about = [rule for rule in about if _any_share(rule.sources, account, share)]
        if not about:
            return not_covered(guards, vault, share_id(source.storage_account_id, share))
    return Foreseen(emergency_allowed=any(_emergency(rule, record) is None for rule in about))


def _refusals(
    rule: Rule, record: RestoreRecord, decision: Decision
) -> Sequence[tuple[str, str | None]]:
    """Say for each field of a rule why it refuses, in the order of what is most worth saying."""
    request = record.request
    source, target = _source(decision), share_id(decision.target_account_id, decision.target_share)
    vault = str(decision.item.vault)
    back = writes_to_its_source(record, decision)
    lands_back = back or _may_land_on_its_source(request, decision)
    return [
        ("vaults", None if _any_id(rule.vaults, vault) else f"not the vault {vault}."),
        ("sources", None if _any_id(rule.sources, source) else f"not the share {source}."),
        (
            "targets",
            None if back or _any_target(rule, decision) else f"not to the share {target}.",
        ),
        (
            "originalLocation",
            _original(rule, request.effective_copy_options) if lands_back else None,
        ),
        ("emergencyBy", _emergency(rule, record)),
        ("notOlderThan", _age(rule, record, decision)),
        ("healthyRecoveryPoint", _health(rule, decision)),
    ]


def _may_land_on_its_source(request: RestoreRequest, decision: Decision) -> bool:
    """Tell whether data may land on itself, though the target is called another place.

    An item that is restored to the folder it is in, or a folder to itself, comes back to its place:
    no source tells how much of an item's path is kept below a target folder.
    """
    target = request.target
    if not isinstance(target, AlternateTarget) or not decision.stays_in_its_share:
        return False
    if target.folder is None:
        return True
    folder, paths = _folded(target.folder), [_folded(item.path) for item in request.items or ()]
    return any(folder in {path, path.rpartition("/")[0]} for path in paths)


def _folded(path: str) -> str:
    """Fold a path wider than Azure Files does, which may drop dots at the end of a name."""
    return "/".join(name.rstrip(". ") for name in path.casefold().split("/"))


def _source(decision: Decision) -> str:
    return share_id(decision.account_id, decision.share)


def _any_id(patterns: Sequence[str], arm_id: str) -> bool:
    seen = _as_ascii(arm_id)
    return any(id_matches(pattern, seen) for pattern in patterns)


def _any_target(rule: Rule, decision: Decision) -> bool:
    account = account_name(decision.target_account_id)
    return _any_share(rule.targets, account, decision.target_share)


def _any_share(patterns: Sequence[str], account: str, share: str) -> bool:
    names = _as_ascii(account), _as_ascii(share)
    return any(share_matches(pattern, *names) for pattern in patterns)


def _as_ascii(text: str) -> str:
    """Put `?` for letters that no pattern holds, so that `*` alone stands for them.

    Patterns are ASCII, and some letters that are not become so without case: the Kelvin sign is a k
    then, and a group named with it would pass for another.
    """
    return text.encode("ascii", "replace").decode("ascii")


def _original(rule: Rule, copy_options: CopyOptions) -> str | None:
    match rule.original_location:
        case OriginalLocation.OVERWRITE:
            return None
        case OriginalLocation.SKIP_EXISTING:
            if copy_options is CopyOptions.SKIP:
                return None
            return "to the original location with copyOptions Skip only."
        case OriginalLocation.REFUSE:
            return "not to the original location."


def _emergency(rule: Rule, record: RestoreRecord) -> str | None:
    if not record.says_emergency:
        return None
    said = record.request.requested_by
    if said is not None and any(matches(pattern, said) for pattern in rule.emergency_by):
        return None
    who = "a request without requestedBy" if said is None else ascii(said)
    return f"{who} may not say emergency."


def _age(rule: Rule, record: RestoreRecord, decision: Decision) -> str | None:
    limit: timedelta | None = rule.not_older_than
    if limit is None:
        return None
    if decision.point_time is None:
        return f"the age of the recovery point {decision.point_id} is not known."
    # By our clock: the time of an event, from which the request counts, is its sender's word.
    if record.accepted_at - decision.point_time <= limit:
        return None
    return (
        f"the recovery point {decision.point_id} of {format_time(decision.point_time)} is older "
        f"than {format_duration(limit)}."
    )


def _health(rule: Rule, decision: Decision) -> str | None:
    if not rule.healthy_recovery_point or decision.threat_status.casefold() == "healthy":
        return None
    status = decision.threat_status or "not known"
    return f"the threat status of the recovery point {decision.point_id} is {status}."
