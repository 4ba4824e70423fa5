"""The service's JSON, read into the values of `domain/vault.py`.

Every spelling that the service has used since 2019 is read: fields may be absent or null, numbers
come as text, times have zero to seven fractional digits, and property bags fill up late. A value
that cannot be read is `None`, and an unknown status means «still running», never «done».
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from restore_core.arm_ids import ArmIdError, ProtectedItemId, StorageAccountId, VaultId
from restore_core.domain.vault import (
    Job,
    JobEnd,
    Operation,
    OperationStatus,
    ProtectedItem,
    RecoveryPoint,
    ServiceError,
    Tally,
    Tier,
)

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d{1,12})?)\s*(Z|z|[+-]\d{2}:?\d{2})?"
)
_SAFE_SEGMENT = re.compile(r"(?!\.+\Z)[A-Za-z0-9._-]{1,128}")
_GUARD_REQUEST = re.compile(r"/[ -~]{0,1023}")
_RESTORE_ACTION = (
    "microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems"
    "/recoverypoints/restore/action"
)


def read_time(value: object) -> datetime | None:
    """Read a time as aware UTC; `None` for any other value and for the placeholder year 0001.

    A time without a zone counts as UTC: the service omits the zone on the placeholder only.
    """
    if not isinstance(value, str) or not (match := _TIME.fullmatch(value.strip())):
        return None
    local, zone = match.groups()
    try:
        time = datetime.fromisoformat(local + (zone or "Z").upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if time.year == 1 else time


def read_number(value: object) -> float | None:
    """Read a count or an amount: `"4"`, `4`, `"1,234"`, `"141.5"`; `None` for any other value."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        number = value
    elif isinstance(value, str) and re.fullmatch(
        r"\s*\d{1,3}(,\d{3})+(\.\d+)?\s*|\s*\d{1,18}(\.\d{1,9})?\s*", value
    ):
        number = float(value.replace(",", ""))
    else:
        return None
    return float(number) if 0 <= number < 1e18 else None


def read_item(body: Mapping[str, Any], vault: VaultId) -> ProtectedItem | None:
    """Read a row of the item list; `None` when it is no Azure Files item of that vault.

    The vault's id in the item's id is replaced by the request's, so that one spelling is used.
    """
    properties = _mapping(body.get("properties"))
    kind = _text(properties.get("protectedItemType"))
    if kind and kind.casefold() != "azurefileshareprotecteditem":
        return None
    try:
        item_id = ProtectedItemId.parse(_text(body.get("id")))
    except ArmIdError:
        return None
    if item_id.vault.key != vault.key:
        return None
    item_id = ProtectedItemId(vault=vault, container=item_id.container, item=item_id.item)
    try:
        account = StorageAccountId.parse(_text(properties.get("sourceResourceId")))
    except ArmIdError:
        account = None
    return ProtectedItem(
        id=item_id,
        share=_text(properties.get("friendlyName")) or item_id.item.partition(";")[2],
        account=account,
        account_name=item_id.container.rpartition(";")[2],
        protection_state=_text(properties.get("protectionState")),
        soft_deleted=properties.get("isScheduledForDeferredDelete") is True,
    )


def read_point(body: Mapping[str, Any]) -> RecoveryPoint | None:
    """Read a row of the recovery point list; `None` when it has no usable name."""
    properties = _mapping(body.get("properties"))
    name = _text(body.get("name"))
    if not _SAFE_SEGMENT.fullmatch(name):
        return None
    tiers = _sequence(properties.get("recoveryPointTierDetails"))
    return RecoveryPoint(
        id=name,
        time=read_time(properties.get("recoveryPointTime")),
        tiers=tuple(
            Tier(kind=_text(tier.get("type")), status=_text(tier.get("status")))
            for tier in map(_mapping, tiers)
        ),
        soft_deleted=_mapping(properties.get("recoveryPointProperties")).get("isSoftDeleted")
        is True,
        threat_status=_text(properties.get("threatStatus")),
    )


def read_guard_requests(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Read a row of the list of Resource Guard proxies: the ids for a restore's body, once each.

    A proxy lists every operation that its guard protects; the restore need not be among them. The
    ids go into the body and no URL; a text that is not printable ASCII is left out. azure-cli reads
    the same two fields.
    """
    details = _sequence(_mapping(body.get("properties")).get("resourceGuardOperationDetails"))
    requests = [
        _text(detail.get("defaultResourceRequest"))
        for detail in map(_mapping, details)
        if _text(detail.get("vaultCriticalOperation")).casefold() == _RESTORE_ACTION
    ]
    return tuple(dict.fromkeys(one for one in requests if _GUARD_REQUEST.fullmatch(one)))


def read_operation(body: Mapping[str, Any]) -> Operation:
    """Read an operation, or the job that some answers of 2020 gave in its place."""
    properties = _mapping(body.get("properties"))
    if "/backupjobs/" in _text(body.get("id")).casefold() or "jobType" in properties:
        return Operation(status=OperationStatus.SUCCEEDED, job_ids=_names(body)[:1])
    word = _text(body.get("status")).casefold()
    status = next((one for one in OperationStatus if one.value.casefold() == word), None)
    several = properties.get("jobIds")
    failed = _mapping(properties.get("failedJobsError"))
    job_ids = [properties.get("jobId"), *_sequence(several), *failed]
    error = _mapping(body.get("error"))
    return Operation(
        status=status,
        job_ids=_safe(job_ids),
        error=_error(error.get("code"), error.get("message")) if error else None,
    )


def read_job(body: Mapping[str, Any]) -> Job | None:
    """Read a job from a list, which has no `extendedInfo`, or from its own page; `None` when its
    name cannot be used.
    """
    properties = _mapping(body.get("properties"))
    names = _names(body)
    if not names:
        return None
    status = _text(properties.get("status"))
    extended = _mapping(properties.get("extendedInfo"))
    bag = {
        " ".join(str(key).casefold().split()): value
        for key, value in _mapping(extended.get("propertyBag")).items()
    }
    return Job(
        id=names[0],
        status=status,
        end=next((end for end in JobEnd if end.value.casefold() == status.casefold()), None),
        activity_id=_text(properties.get("activityId")).strip().casefold(),
        operation=_text(properties.get("operation")),
        start_time=read_time(properties.get("startTime")),
        end_time=read_time(properties.get("endTime")),
        errors=tuple(
            _error(
                detail.get("errorCode"), detail.get("errorString"), detail.get("recommendations")
            )
            for detail in map(_mapping, _sequence(properties.get("errorDetails")))
            if detail
        ),
        files=_tally(bag, "files"),
        directories=_tally(bag, "directories"),
        transferred_mb=read_number(bag.get("data transferred (in mb)")),
    )


def _tally(bag: Mapping[str, object], what: str) -> Tally:
    def count(verb: str) -> int | None:
        number = read_number(bag.get(f"number of {verb} {what}"))
        return None if number is None else int(number)

    return Tally(restored=count("restored"), skipped=count("skipped"), failed=count("failed"))


def _error(code: object, message: object, recommendations: object = None) -> ServiceError:
    return ServiceError(
        code=str(code)[:200] if isinstance(code, int | str) else "",
        message=_text(message),
        recommendations=tuple(_text(one) for one in _sequence(recommendations) if _text(one)),
    )


def _names(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a job's usable names: its `name`, and the last segment of its id."""
    return _safe([body.get("name"), _text(body.get("id")).rpartition("/")[2]])


def _safe(names: Iterable[object]) -> tuple[str, ...]:
    """Keep the names that are safe in a URL, once each."""
    kept = [name for name in names if isinstance(name, str) and _SAFE_SEGMENT.fullmatch(name)]
    return tuple(dict.fromkeys(kept))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
