"""Guards: what this installation may restore, whoever asks.

Knows the file of rules that a team reviews and deploys with the app, and how a decided restore is
judged by it. Refuses to know who really sent a message: what a sender says of itself is a claim. A
restore that no rule allows is not allowed; there is no rule that forbids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, ValidationError

from restore_core.arm_ids import account_name, share_id
from restore_core.domain.record import Decision, RestoreRecord, writes_to_its_source
from restore_core.errors import FileInvalid, MessageInvalid, Problem
from restore_core.messages.decoding import ROOT, read_object
from restore_core.messages.fields import Duration, EntryName, QueueName, as_tuple, one_of
from restore_core.messages.request import AlternateTarget, CopyOptions, RestoreRequest
from restore_core.messages.validation import Model, bounded, problems_of
from restore_core.policy.patterns import (
    SharePattern,
    TargetPattern,
    VaultPattern,
    id_matches,
    matches,
    share_matches,
)
from restore_core.times import format_duration, format_time

MAX_RULES = 200
MAX_PATTERNS = 200
MAX_STARTS = 1000
"""The most that a limit can be: every start of a day is kept in one entity of the claims table."""
_BOM = b"\xef\xbb\xbf"


class OriginalLocation(StrEnum):
    """What a rule lets a restore do to the share that the data came from."""

    REFUSE = "refuse"
    SKIP_EXISTING = "skipExisting"
    OVERWRITE = "overwrite"


def _some(value: object) -> object:
    """Refuse an empty list. Not the model's business: it counts only those entries that are valid,
    and would call a list of wrong ones empty.
    """
    if value == []:
        raise ValueError("must not be empty")
    return as_tuple(value)


_SOME: dict[str, JsonValue] = {"minItems": 1}
_Limit = Annotated[int, Field(ge=1, le=MAX_STARTS)]


class Rule(Model):
    """One thing that is allowed. A request needs one rule that allows all of it."""

    name: EntryName
    vaults: Annotated[
        tuple[VaultPattern, ...],
        Field(max_length=MAX_PATTERNS, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ]
    sources: Annotated[
        tuple[SharePattern, ...],
        Field(max_length=MAX_PATTERNS, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ] = Field(description="The shares that may be restored, as ARM ids of file shares.")
    targets: Annotated[
        tuple[TargetPattern, ...], Field(max_length=MAX_PATTERNS), BeforeValidator(as_tuple)
    ] = Field(
        default=(),
        description="The shares that data may go to, the original one apart. Judged by the names "
        "of account and share alone; the account's may have a `*` only where subscription and "
        "resource group are `*`.",
    )
    original_location: Annotated[OriginalLocation, one_of(OriginalLocation)] = Field(
        default=OriginalLocation.REFUSE,
        description="Whether data may go back to where it came from, and what happens to files "
        "that exist there.",
    )
    emergency_by: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=256)], ...],
        Field(max_length=MAX_PATTERNS),
        BeforeValidator(as_tuple),
    ] = Field(
        default=(),
        description="Patterns of `requestedBy`: who may say `emergency`. A claim of the sender's.",
    )
    max_per_hour: _Limit | None = Field(
        default=None, description="The most restores of one source share in an hour."
    )
    max_per_day: _Limit | None = Field(
        default=None, description="The most restores of one source share in 24 hours."
    )
    not_older_than: Duration | None = Field(
        default=None,
        description="How old the recovery point may be when the app takes the request in.",
    )
    healthy_recovery_point: bool = Field(
        default=False,
        description="Whether the recovery point's threat status must be `Healthy`.",
    )


class Guards(Model):
    """The file."""

    schema_hint: str | None = Field(
        default=None, alias="$schema", description="For editors; nothing is read from there."
    )
    schema_version: Literal["1.0"]
    rules: Annotated[
        tuple[Rule, ...],
        Field(max_length=MAX_RULES, json_schema_extra=_SOME),
        BeforeValidator(_some),
    ]
    reply_queues: Annotated[
        tuple[QueueName, ...], Field(max_length=MAX_PATTERNS), BeforeValidator(as_tuple)
    ] = Field(
        default=(), description="The queues that requests may name in `replyTo`, made in advance."
    )


def read_guards(text: bytes) -> Guards:
    """Read the file.

    Raises:
        FileInvalid: with every problem.
    """
    if not text.removeprefix(_BOM).lstrip().startswith(b"{"):
        # Messages may come as base64. Nobody can review a file that does.
        raise FileInvalid([Problem(path=ROOT, message="must be a JSON object, in plain UTF-8")])
    try:
        value, problems = read_object(text)
    except MessageInvalid as error:
        raise FileInvalid(error.problems) from None
    guards: Guards | None = None
    try:
        guards = Guards.model_validate(value)
    except ValidationError as error:
        problems += problems_of(error, Guards, what="file")
    problems += _named_twice(value.get("rules"))
    if problems or guards is None:
        raise FileInvalid(bounded(problems))
    return guards


@dataclass(frozen=True, kw_only=True)
class Allowed:
    """The first rule that allows all of a restore; its limits are the ones that count."""

    rule: Rule


@dataclass(frozen=True, kw_only=True)
class NotAllowed:
    """No rule allows it. `rule` names the field that refused, of the rule that came nearest."""

    rule: str
    message: str


def judge(guards: Guards, record: RestoreRecord, decision: Decision) -> Allowed | NotAllowed:
    """Judge a decided restore by the resolved ids, rule by rule, in the order of the file."""
    nearest: tuple[int, NotAllowed] | None = None
    for rule in guards.rules:
        refusals = [
            (depth, NotAllowed(rule=f"{rule.name}/{field}", message=f"The rule {rule.name}: {why}"))
            for depth, (field, why) in enumerate(_refusals(rule, record, decision))
            if why is not None
        ]
        if not refusals:
            return Allowed(rule=rule)
        if nearest is None or refusals[0][0] > nearest[0]:
            nearest = refusals[0]
    assert nearest is not None  # noqa: S101  (a file has a rule)
    depth, refusal = nearest
    if depth < _COVERED:
        message = (
            f"No rule covers the share {_source(decision)} in the vault {decision.item.vault}."
        )
        return NotAllowed(rule=refusal.rule if len(guards.rules) == 1 else "rules", message=message)
    return refusal


_COVERED = 2
"""The first fields, vaults and sources, say whether a rule is about a share at all."""


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
    account = _as_ascii(account_name(decision.target_account_id))
    share = _as_ascii(decision.target_share)
    return any(share_matches(pattern, account, share) for pattern in rule.targets)


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
    if not record.is_emergency:
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


def _named_twice(rules: Any) -> list[Problem]:  # noqa: ANN401  (JSON)
    found, seen = [], set[str]()
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        name = rule.get("name") if isinstance(rule, dict) else None
        if not isinstance(name, str):
            continue
        if name.casefold() in seen:
            found.append(Problem(path=f"rules[{index}].name", message="is given more than once"))
        seen.add(name.casefold())
    return found
