"""What a restore will be: item, recovery point and body, decided once, and whether it may be.

Knows the order of the lookups, and how guards and checks are asked about what was decided. Refuses
to wait, to send, and to store: it returns records and ends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from restore_core.arm_ids import ArmIdError, share_id
from restore_core.azure_backup.failures import heals_by_waiting
from restore_core.azure_backup.payload import body_text, restore_body
from restore_core.domain.lifecycle import Event
from restore_core.domain.ports import Vaults
from restore_core.domain.record import Decision, End, Part, RestoreRecord, source_account
from restore_core.domain.vault import ProtectedItem
from restore_core.errors import ArmAnswer, ArmError, LookupFailed
from restore_core.messages.request import PART_ITEMS, AlternateTarget, RestoreRequest
from restore_core.policy.guards import Guards, Rule
from restore_core.policy.judging import (
    Foreseen,
    NotAllowed,
    covers,
    foresee,
    judge,
    not_covered,
)
from restore_core.policy.preflight import Check, Outcome, preflight
from restore_core.settings import Settings
from restore_core.times import format_time
from restore_core.vocabulary import Reason

_log = logging.getLogger(__name__)
_MAY_PASS = {401, 408, 429, 499}
"""Answers that say nothing about the question: ask again."""
_PROBES = 6
"""After so many failures in a row, some five minutes, the restore goes on without an answer."""
_MAX_NAMED = 10
_ASK_OWNER = "Have the rule in the file of RESTORE_GUARDS changed, or send what it allows."


@dataclass(frozen=True, kw_only=True)
class Examined:
    """What guards and checks say of a decided restore."""

    checks: tuple[Check, ...]
    rule: Rule | None
    """The rule that allows it; `None` where there are no guards, or none allows it."""
    refusal: End | None


class Decider:
    """Decides. Safe to share between threads."""

    def __init__(self, *, vaults: Vaults, settings: Settings) -> None:
        """Take the port."""
        self._vaults = vaults
        self._settings = settings

    def foresee(self, record: RestoreRecord, guards: Guards | None) -> RestoreRecord | End:
        """Ask the guards before anything is read; note whether it may say `emergency`."""
        if guards is None:
            return _emergency_allowed(record, allowed=True)
        match foresee(guards, record):
            case Foreseen() as seen:
                return _emergency_allowed(record, allowed=seen.emergency_allowed)
            case NotAllowed() as no:
                return not_allowed(no.rule, no.message)

    def decide(self, record: RestoreRecord, guards: Guards | None) -> RestoreRecord | NotAllowed:
        """Resolve item and recovery point, once: a retry must not choose another «latest».

        Of a share that no guard covers nothing is read that could be told to the sender.

        Raises:
            LookupFailed: the lists hold no single match.
            ArmError: a list could not be read.
        """
        if record.decision is not None:
            return record if record.part.body is not None else _with_body(record)
        request = record.request
        item = self._find(request, guards)
        account_id = _account_of(item)
        if guards and not covers(guards, item.id.vault, share_id(account_id, item.share)):
            return not_covered(guards, item.id.vault, share_id(account_id, item.share))
        chosen = self._vaults.choose_point(item, request, requested_at=record.requested_at)
        guard_requests = self._guard_requests(record)
        target = request.target
        alternate = target if isinstance(target, AlternateTarget) else None
        decision = Decision(
            item_id=str(item.id),
            share=item.share,
            account_id=account_id,
            point_id=chosen.point.id,
            point_time=chosen.point.time,
            why=chosen.why,
            target_account_id=alternate.storage_account_id if alternate else account_id,
            target_share=alternate.file_share if alternate else item.share,
            protection_state=item.protection_state,
            item_soft_deleted=item.soft_deleted,
            tiers=chosen.point.tiers,
            threat_status=chosen.point.threat_status,
            guard_requests=guard_requests,
        )
        count = -(-len(request.items or ()) // PART_ITEMS) or 1
        parts = record.parts + tuple(Part() for _ in range(count - 1))
        decided = _with_body(replace(record, decision=decision, parts=parts, failures=0))
        said = [check.message for check in self._checks(decided, decision) if _warns(check)]
        warnings = dict.fromkeys([*record.warnings, *chosen.passed_over, *said])
        return replace(decided, warnings=tuple(warnings))

    def examine(self, record: RestoreRecord, guards: Guards | None) -> Examined:
        """Ask guards and checks about a decided restore; a guard's no comes before a check's."""
        decision = decided(record)
        rule, refusal = None, None
        match judge(guards, record, decision) if guards else None:
            case None:
                guarded = _guarded(Outcome.PASSED, "There are no guards.")
            case Rule() as yes:
                rule = yes
                guarded = _guarded(Outcome.PASSED, f"Allowed by the rule {rule.name}.")
            case NotAllowed() as no:
                refusal = not_allowed(no.rule, no.message)
                guarded = _guarded(Outcome.REFUSED, no.message)
        checks = self._checks(record, decision)
        failed = [check for check in checks if check.outcome is Outcome.REFUSED]
        if refusal is None and failed:
            refusal = End(
                event=Event.REFUSED_BY_US,
                reason=Reason.PREFLIGHT_FAILED,
                message=" ".join(check.message for check in failed),
                recommendation=" ".join(check.advice for check in failed),
                rule=failed[0].name,
            )
        return Examined(checks=(guarded, *checks), rule=rule, refusal=refusal)

    def plan(self, record: RestoreRecord, checks: tuple[Check, ...]) -> dict[str, object]:
        """Say what the real run would send, to the letter, and what was looked at."""
        decision, body = decided(record), record.part.body
        if body is None:
            raise LookupError("a decided request has a body")
        point = {"id": decision.point_id, "why": decision.why}
        if decision.point_time is not None:
            point["time"] = format_time(decision.point_time)
        plan = {
            "recoveryPoint": point,
            "protectedItemId": decision.item_id,
            "source": share_id(decision.account_id, decision.share),
            "target": share_id(decision.target_account_id, decision.target_share),
            "checks": [check.shown() for check in checks],
            "method": "POST",
            "url": self._vaults.restore_url(decision.item, decision.point_id),
            "body": json.loads(body),
        }
        if len(record.parts) > 1:
            plan["bodies"] = [_body(record, decision, part) for part in range(len(record.parts))]
        return plan

    def _checks(self, record: RestoreRecord, decision: Decision) -> list[Check]:
        return preflight(record, decision, api_version=self._settings.arm_api_version)

    def _find(self, request: RestoreRequest, guards: Guards | None) -> ProtectedItem:
        """Find the protected item; where there is none, name those that a guard covers."""
        try:
            return self._vaults.find_item(request)
        except LookupFailed as failed:
            if failed.listed is None:
                raise
            names, nothing = list(failed.listed), "at all"
            if guards is not None:
                names = [one for one in names if covers(guards, request.vault, failed.listed[one])]
                nothing = "that a rule covers"
            told = _some_of(sorted(names)) or f"no file share {nothing}"
            raise LookupFailed(f"{failed} It protects {told}.", reason=failed.reason) from failed

    def _guard_requests(self, record: RestoreRecord) -> tuple[str, ...] | None:
        """Ask for the vault's Resource Guard; `None` where there is no answer to be had.

        Then the restore goes without: where there is a guard after all, Azure refuses it. Few
        vaults have one, and no restore waits for ever for what it most likely does not need.
        """
        vault = record.request.vault
        try:
            return self._vaults.resource_guard_requests(vault)
        except ArmError as error:
            patient = record.failures < _PROBES or not _says_nothing(error)
            if patient and not _refuses_the_question(error):
                raise
            _log.warning("%s: its Resource Guard cannot be read: %s", vault.name, error)
            return None


def _emergency_allowed(record: RestoreRecord, *, allowed: bool) -> RestoreRecord:
    return replace(record, emergency_allowed=record.says_emergency and allowed)


def _account_of(item: ProtectedItem) -> str:
    try:
        return str(source_account(item.id, item.account))
    except ArmIdError as error:
        raise LookupFailed(
            f"The item {item.id} names no storage account: {error}.",
            reason=Reason.SOURCE_NOT_FOUND,
        ) from error


def _some_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return ", ".join(names[:_MAX_NAMED]) + more


def _with_body(record: RestoreRecord) -> RestoreRecord:
    """Write the body of the part that comes next: the request and the decision say all of it."""
    body = _body(record, decided(record), record.part_index)
    return record.with_part(replace(record.part, body=body_text(body)))


def _body(record: RestoreRecord, decision: Decision, part: int) -> dict[str, Any]:
    return restore_body(
        record.request,
        source_account_id=decision.account_id,
        guard_requests=decision.guard_requests or (),
        part=part,
    )


def _refuses_the_question(error: ArmError) -> bool:
    """Tell whether Azure will not say, however often it is asked."""
    if not isinstance(error, ArmAnswer) or heals_by_waiting(error) is not None:
        return False
    return 400 <= error.status < 500 and error.status not in _MAY_PASS


def _says_nothing(error: ArmError) -> bool:
    """Tell whether the question has no answer, as an endpoint that does not know it may give."""
    return not isinstance(error, ArmAnswer) or error.status >= 500


def not_allowed(rule: str, message: str) -> End:
    """Make the end of what a guard refuses."""
    return End(
        event=Event.REFUSED_BY_US,
        reason=Reason.NOT_ALLOWED,
        message=message,
        recommendation=_ASK_OWNER,
        rule=rule,
    )


def decided(record: RestoreRecord) -> Decision:
    """Return the decision of a record that has one."""
    if record.decision is None:
        raise LookupError("the request is not decided")
    return record.decision


def _guarded(outcome: Outcome, message: str) -> Check:
    return Check(name="guards", outcome=outcome, message=message)


def _warns(check: Check) -> bool:
    return check.outcome is Outcome.WARNING
