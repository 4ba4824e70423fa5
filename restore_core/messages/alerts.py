"""An alert of Azure Monitor in the common alert schema, as a value.

An alert keeps the fields that identify it and those that plans may compare; one too large for a
queue message is reduced to these. Azure adds fields, and each kind of alert has a context of its
own, so unknown fields are ignored. Every text came from outside and proves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from restore_core.errors import MessageInvalid, Problem
from restore_core.messages.decoding import without_none
from restore_core.messages.fields import event_text
from restore_core.messages.validation import bounded, moved
from restore_core.times import format_time, parse_time
from restore_core.vocabulary import Rejection

COMMON_SCHEMA = "azureMonitorCommonAlertSchema"
MAX_TARGETS = 100
MAX_REDUCED_BYTES = 16 * 1024
"""Far below the limit of a queue message, even in base64 and inside an event."""

# In bytes, so that the identifying fields fit a reduced alert uncut, even when JSON escapes them.
_MAX_ID, _MAX_RULE_ID, _MAX_RULE = 512, 1024, 1024
_MAX_TEXT = 64
_MAX_ARM_ID = 1024
_SEVERITIES = {f"sev{number}": f"Sev{number}" for number in range(5)}
_BACKUP = "azurebackup"
_JOBS = "jobs"
_SECURITY = "security"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """The fields of an alert that identify it or that plans may compare."""

    id: str
    rule: str
    rule_id: str | None
    severity: str
    condition: str
    monitoring_service: str
    signal_type: str
    target_ids: tuple[str, ...]
    fired_at: datetime | None
    custom_properties: Mapping[str, str]
    category: str
    protected_item_id: str | None
    reduced: bool = False

    @property
    def source(self) -> str:
        """The alert rule's id, or its name where the alert gives no id."""
        return self.rule_id or self.rule

    @property
    def plan(self) -> str | None:
        """The plan that the alert rule names."""
        return self.custom_properties.get("restorePlan")

    @property
    def is_fired(self) -> bool:
        """Tell whether the alert was fired; Azure sends it once more when it is resolved."""
        return self.condition.casefold() == "fired"

    @property
    def is_backup_job(self) -> bool:
        """Tell whether Azure Backup reports on its own jobs: a failed restore must not start one.

        Doubt counts as yes. An alert of Azure Backup counts unless its category is Security, also
        without a category; an alert of the category Jobs counts from any service.
        """
        category = self.category.strip().casefold()
        service = "".join(self.monitoring_service.casefold().split())
        return category == _JOBS or (_BACKUP in service and category != _SECURITY)


def read_alert(value: Mapping[str, Any], *, inside: str = "") -> Alert:
    """Read an alert; `inside` is the path of the event's field that holds it.

    A custom property that is no text is left out, but `restorePlan` must be one: an alert that
    names a plan must not start another. Targets beyond the first 100 are left out.

    Raises:
        MessageInvalid: with every problem.
    """
    found: list[Problem] = []
    schema = value.get("schemaId")
    if not isinstance(schema, str) or schema.casefold() != COMMON_SCHEMA.casefold():
        message = f"must be {COMMON_SCHEMA}: switch the action group to the common alert schema"
        found.append(Problem(path="schemaId", message=message))
        raise _refusal(found, inside)
    data = _object(value, "data", found)
    essentials = _object(data, "essentials", found, "data.") if not found else {}
    if found:
        raise _refusal(found, inside)
    context = data.get("alertContext")
    context = context if isinstance(context, Mapping) else {}
    rule_id = essentials.get("alertRuleID")
    alert = Alert(
        id=_identity(essentials, "alertId", _MAX_ID, found),
        rule=_identity(essentials, "alertRule", _MAX_RULE, found),
        rule_id=_identity(essentials, "alertRuleID", _MAX_RULE_ID, found) if rule_id else None,
        severity=_severity(essentials, found),
        condition=_required(essentials, "monitorCondition", found)[:_MAX_TEXT],
        monitoring_service=_text(essentials.get("monitoringService")),
        signal_type=_text(essentials.get("signalType")),
        target_ids=_targets(essentials.get("alertTargetIDs")),
        fired_at=_fired_at(essentials.get("firedDateTime"), found),
        custom_properties=_custom_properties(data, context, found),
        category=_text(context.get("category")),
        protected_item_id=_arm_id(context.get("protectedItemId")),
        reduced=value.get("reduced") is True,
    )
    if found:
        raise _refusal(found, inside)
    return alert


def readable_identity(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the source and the id of an alert if both are valid, even if other fields are not."""
    found: list[Problem] = []
    data = value.get("data")
    essentials = data.get("essentials") if isinstance(data, Mapping) else None
    if not isinstance(essentials, Mapping):
        return None
    source = (
        _identity(essentials, "alertRuleID", _MAX_RULE_ID, found)
        if essentials.get("alertRuleID")
        else _identity(essentials, "alertRule", _MAX_RULE, found)
    )
    alert_id = _identity(essentials, "alertId", _MAX_ID, found)
    return None if found else (source, alert_id)


def reduce_alert(value: Mapping[str, Any]) -> dict[str, Any]:
    """Reduce an alert to the fields that plans use: still a valid alert of the same identity, but
    at most 16 KiB.

    Raises:
        MessageInvalid: it is not an alert; with every problem.
    """
    alert = read_alert(value)
    essentials = {
        "alertId": alert.id,
        "alertRule": alert.rule,
        "alertRuleID": alert.rule_id,
        "severity": alert.severity,
        "signalType": alert.signal_type,
        "monitorCondition": alert.condition,
        "monitoringService": alert.monitoring_service,
        "firedDateTime": format_time(alert.fired_at) if alert.fired_at else None,
    }
    context = {"category": alert.category, "protectedItemId": alert.protected_item_id}
    # Plan names have at most 64 characters: one cut to 65 still names no plan.
    plan = {} if alert.plan is None else {"restorePlan": alert.plan[: _MAX_TEXT + 1]}
    targets: list[str] = []
    reduced: dict[str, Any] = {
        "schemaId": COMMON_SCHEMA,
        "reduced": True,
        "data": {
            "essentials": {**without_none(essentials), "alertTargetIDs": targets},
            "alertContext": without_none(context),
            "customProperties": plan,
        },
    }
    left = MAX_REDUCED_BYTES - len(json.dumps(reduced))
    for target in alert.target_ids:
        left -= len(json.dumps(target)) + 2
        if left < 0:
            break
        targets.append(target)
    return reduced


def _refusal(found: list[Problem], inside: str) -> MessageInvalid:
    return MessageInvalid(bounded([moved(one, inside) for one in found]), reason=Rejection.INVALID)


def _object(
    value: Mapping[str, Any], name: str, found: list[Problem], prefix: str = ""
) -> Mapping[str, Any]:
    held = value.get(name)
    if isinstance(held, Mapping):
        return held
    message = "is missing" if held is None else "must be an object"
    found.append(Problem(path=f"{prefix}{name}", message=message))
    return {}


def _essential(name: str, message: str) -> Problem:
    return Problem(path=f"data.essentials.{name}", message=message)


def _required(essentials: Mapping[str, Any], name: str, found: list[Problem]) -> str:
    held = essentials.get(name)
    if not isinstance(held, str):
        found.append(_essential(name, "is missing" if held is None else "must be a text"))
        return ""
    return held


def _identity(essentials: Mapping[str, Any], name: str, most: int, found: list[Problem]) -> str:
    held = essentials.get(name)
    if held is None:
        found.append(_essential(name, "is missing"))
        return ""
    try:
        text = event_text(held, most=most)
    except ValueError as error:
        found.append(_essential(name, str(error)))
        return ""
    if len(text.encode()) > most:
        found.append(_essential(name, f"is longer than {most} bytes of UTF-8"))
    return text


def _severity(essentials: Mapping[str, Any], found: list[Problem]) -> str:
    held = essentials.get("severity")
    if isinstance(held, str) and held.casefold() in _SEVERITIES:
        return _SEVERITIES[held.casefold()]
    message = "is missing" if held is None else "must be Sev0, Sev1, Sev2, Sev3 or Sev4"
    found.append(_essential("severity", message))
    return ""


def _fired_at(held: object, found: list[Problem]) -> datetime | None:
    """Read the time of the alert; Azure writes the year 1 where there is none."""
    if held is None or held == "":
        return None
    if not isinstance(held, str):
        found.append(_essential("firedDateTime", "must be a text"))
        return None
    try:
        time = parse_time(held.strip())
    except ValueError as error:
        found.append(_essential("firedDateTime", str(error)))
        return None
    return None if time.year == 1 else time


def _custom_properties(
    data: Mapping[str, Any], context: Mapping[str, Any], found: list[Problem]
) -> dict[str, str]:
    """Read the rule's own properties. Alerts of log rules carry them in their context instead."""
    held, path = data.get("customProperties"), "data.customProperties"
    if held is None and isinstance(context.get("properties"), Mapping):
        held, path = context["properties"], "data.alertContext.properties"
    if held is None:
        return {}
    if not isinstance(held, Mapping):
        found.append(Problem(path=path, message="must be an object"))
        return {}
    if not isinstance(held.get("restorePlan"), str | None):
        found.append(Problem(path=f"{path}.restorePlan", message="must be a text"))
    return {name: text for name, text in held.items() if isinstance(text, str)}


def _targets(held: object) -> tuple[str, ...]:
    each = held if isinstance(held, list) else ()
    ids = [known for known in map(_arm_id, each) if known is not None]
    return tuple(ids[:MAX_TARGETS])


def _arm_id(held: object) -> str | None:
    """Return a bounded text that may be an ARM id; it is only compared, so its form is free."""
    try:
        text = event_text(held, most=_MAX_ARM_ID)
    except ValueError:
        return None
    return text if len(text.encode()) <= _MAX_ARM_ID else None


def _text(held: object) -> str:
    return held[:_MAX_TEXT] if isinstance(held, str) else ""
