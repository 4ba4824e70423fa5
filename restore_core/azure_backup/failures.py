"""The meaning of the errors of Azure Backup and of Azure Resource Manager.

`send_outcome` decides what a failed restore POST means, `wait_for` what a failed read means, and
`CATALOGUE` what a code of the service means to a person. A code is read from the field for codes:
the words beside it may echo what a sender wrote, such as a folder that is named like a code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from restore_core.domain.record import JobError
from restore_core.errors import ArmAnswer, ArmError, NotSent
from restore_core.vocabulary import ErrorClass, WaitingFor


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The meaning of a code: its class, advice, and, if time heals it, what a request waits for."""

    kind: ErrorClass
    advice: str
    heals: WaitingFor | None = None
    hold: timedelta | None = field(default=None)


def _configuration(advice: str) -> Failure:
    return Failure(kind=ErrorClass.CONFIGURATION, advice=advice)


def _request(advice: str) -> Failure:
    return Failure(kind=ErrorClass.REQUEST, advice=advice)


def _busy(advice: str) -> Failure:
    return Failure(kind=ErrorClass.RETRYABLE, advice=advice, heals=WaitingFor.TARGET_BUSY)


_QUOTA = Failure(
    kind=ErrorClass.QUOTA,
    advice="The vault's allowance of operations is used up; it is given back over the next hours.",
    heals=WaitingFor.QUOTA,
    hold=timedelta(hours=3),
)
_SOURCE_GONE = _request(
    "The item is not in this recovery point: correct the path or choose another point."
)
_UNREACHABLE = _configuration(
    "Let Azure Backup reach the storage account: allow trusted Microsoft services through the "
    "firewall, keep its keys stable, and do not limit its copy scope to private endpoints."
)

CATALOGUE: Mapping[str, Failure] = {
    # Names from Microsoft's troubleshooting page for Azure Files; jobs also carry numbers.
    "FileShareNotFound": _request(
        "The file share no longer exists: check its name, or restore elsewhere."
    ),
    "UserErrorFileShareEndpointUnreachable": _configuration(
        "The storage account is missing or of a kind without Azure Files: check that it exists."
    ),
    "UserErrorStorageAccountNotFound": _request(
        "The storage account no longer exists: restore a vault-tier point to another one."
    ),
    "UserErrorDTSStorageAccountNotFound": _request(
        "Check the storage account's id in the request."
    ),
    "UserErrorResourceGroupNotFound": _request("Check the resource group in the request's ids."),
    "TargetFileShareNotFound": _request("Create the target share, or name another one."),
    "UserErrorStorageAccountIsLocked": _configuration(
        "Remove the read-only lock from the storage account; a delete lock does no harm."
    ),
    "UserErrorStorageAccountInternetRoutingNotSupported": _configuration(
        "Set the storage account's routing preference to Microsoft network routing."
    ),
    "UserErrorStorageKeyBasedAuthenticationNotPermitted": _configuration(
        "Allow shared key access on the storage account, or send `identity` with the request."
    ),
    "UserErrorStorageAccountSasPolicyNotSupported": _configuration(
        "Raise the upper limit of the storage account's SAS policy to 8 hours or more."
    ),
    "UserErrorSourceOrTargetAccountNotAccessible": _UNREACHABLE,
    "570035": _UNREACHABLE,
    "UserErrorTargetFileShareFull": _configuration("The target share is full: raise its quota."),
    "UserErrorTargetFileShareQuotaNotSufficient": _configuration(
        "The target share's quota is too small for the data: raise it."
    ),
    "UserErrorDTSDestLocked": _busy("Another restore to this target runs: wait for its end."),
    "UserErrorAnotherRestoreInProgressOnSameTarget": _busy(
        "Another restore to this target runs: wait for its end, or restore elsewhere."
    ),
    "BMSUserErrorObjectLocked": _busy("Another operation holds the item: wait for its end."),
    "BMSUserErrorConflictingProtectionOperation": _busy(
        "The item's protection is being changed: wait for the end of that."
    ),
    "FileshareRestoreFailedWithAzureRpRequestThrottling": Failure(
        kind=ErrorClass.RETRYABLE,
        advice="Azure Storage throttled the backup service: send a new request later.",
        heals=WaitingFor.THROTTLED,
        hold=timedelta(minutes=10),
    ),
    "PreRestoreFailed": Failure(
        kind=ErrorClass.RETRYABLE,
        advice="Azure File Sync could not prepare the restore: send a new request later.",
    ),
    "AzureFileSyncChangeDetectionInProgress": _busy(
        "Azure File Sync still works through an earlier restore, which can take hours: wait, or "
        "restore elsewhere."
    ),
    "DataTransferServiceCoFLimitReached": Failure(
        kind=ErrorClass.PARTIAL,
        advice="Too many files failed: read the job's list of failed files, restore those again.",
    ),
    "DataTransferServiceAllFilesFailedToRecover": _configuration(
        "Nothing was restored: files may be in use, or a folder has the name of a file."
    ),
    "UserErrorAFSRecoverySomeFilesNotRestored": Failure(
        kind=ErrorClass.PARTIAL,
        advice="Some files were not restored, most often because they were open: read the job's "
        "list of failed files, close them and restore those again.",
    ),
    "UserErrorDTSSourceUriNotValid": _SOURCE_GONE,
    "DataTransferServiceSourceUriNotValid": _SOURCE_GONE,
    "UserErrorAFSSourceSnapshotNotFound": _request(
        "The recovery point's snapshot is gone: choose another recovery point."
    ),
    "UserErrorRestoreAFSInSoftDeleteState": _configuration(
        "The share is soft-deleted: undelete it first, then send a new request."
    ),
    "UserErrorRestoreAFSInDeleteState": _request(
        "The share is deleted for good: restore a vault-tier recovery point elsewhere."
    ),
    "AzureOperationFailed": Failure(
        kind=ErrorClass.UNKNOWN,
        advice="The service names no cause; accounts with smart tiering are one. Look at the job.",
    ),
    "CloudDosAbsoluteLimitReached": _QUOTA,
    "CloudDosAbsoluteLimitReachedWithRetry": _QUOTA,
    "CloudDosTimeboudLimitReached": _QUOTA,  # spelt so by the service
    "CloudDosTimeboundLimitReached": _QUOTA,
    "1073871825": Failure(
        kind=ErrorClass.RETRYABLE,
        advice="Azure Backup met an internal error: send a new request in some minutes, then ask "
        "support.",
    ),
    "RestApiInternalError": Failure(
        kind=ErrorClass.RETRYABLE,
        advice="Azure Backup met an internal error: send a new request in some minutes.",
    ),
    "BMSUserErrorInvalidInput": _request(
        "Azure Backup took the request for malformed: look at its message, and at the item's state."
    ),
    "BMSUserErrorDataSourceObjectNotFound": _request(
        "The protected item is not known to the vault."
    ),
    "AuthorizationFailed": _configuration("Give the app's identity the restore role on the vault."),
    "LinkedAuthorizationFailed": _configuration(
        "Give the app's identity its role on the source and the target storage account."
    ),
    "ResourceNotFound": _request("Check the ids in the request: ARM knows no such resource."),
    "ResourceGroupNotFound": _request("Check the resource group in the request's ids."),
    "SubscriptionNotFound": _request("Check the subscription in the request's ids."),
}

UNKNOWN_FAILURE = Failure(
    kind=ErrorClass.UNKNOWN,
    advice="The code is not known here: read the service's message and look at the job.",
)

_MISSING_RESOURCE = {"ResourceNotFound", "ResourceGroupNotFound", "SubscriptionNotFound"}


_FOLDED = {name.casefold(): failure for name, failure in CATALOGUE.items()}
_NO_NAME = re.compile(r"\d*|HTTP\d{3}")
"""A code that names nothing: none, the number that most jobs give, or our own word for no code."""


def by_code(code: str) -> Failure:
    """Say what a code of the service means, by the code alone.

    What holds more than its own request is decided so: nobody else's words may do that.
    """
    return _FOLDED.get(code.casefold(), UNKNOWN_FAILURE)


def classify(code: str, message: str = "") -> Failure:
    """Say what an error of the service means to the request that met it.

    The message helps only where there is no name for a code. Jobs give numbers, and seldom the
    documented name; the name may stand in the text.
    """
    known = by_code(code)
    if known is not UNKNOWN_FAILURE or not _NO_NAME.fullmatch(code):
        return known
    # The longest match wins, since TargetFileShareNotFound contains another code's name.
    text = message.casefold()
    named = [name for name in _FOLDED if not name.isdigit() and name in text]
    return _FOLDED[max(named, key=len)] if named else UNKNOWN_FAILURE


def heals_by_waiting(error: ArmAnswer) -> WaitingFor | None:
    """Say what a refused request waits for where time heals the refusal.

    Without a code the text may say that another operation is in the way. That an allowance is used
    up, by which others wait as well, is never read off a text.
    """
    failure = classify(error.code, error.message)
    by_text = failure is not by_code(error.code)
    return None if by_text and failure.hold is not None else failure.heals


class SendOutcome(StrEnum):
    """The facts after a restore POST that was not answered with a usable 202."""

    NOT_SENT = "NotSent"
    """The POST did not leave this machine, so its intent may be taken back."""
    REFUSED = "Refused"
    """Azure refused the restore for good."""
    DELAYED = "Delayed"
    """Azure refused the restore for now; it may be sent again later."""
    TOKEN_REFUSED = "TokenRefused"  # noqa: S105  (no password)
    """401: nothing happened; a new token may help once."""
    FORBIDDEN = "Forbidden"
    """403: nothing happened; a new role assignment may take some time to count."""
    UNKNOWN = "Unknown"
    """The POST may have started a restore: only the vault's job list can tell."""


def send_outcome(error: ArmError) -> SendOutcome:
    """Tell «certainly nothing happened» from «unknown» after a restore POST; only this does."""
    match error:
        case NotSent():
            return SendOutcome.NOT_SENT
        case ArmAnswer(status=401):
            return SendOutcome.TOKEN_REFUSED
        case ArmAnswer(status=429):
            return SendOutcome.DELAYED
        case ArmAnswer(status=408 | 499):
            # A proxy gave up waiting, but the service behind it may have started the restore.
            return SendOutcome.UNKNOWN
        case ArmAnswer(status=status) if 300 <= status < 500:
            if heals_by_waiting(error) is not None:
                return SendOutcome.DELAYED
            return SendOutcome.FORBIDDEN if status == 403 else SendOutcome.REFUSED
        case _:
            return SendOutcome.UNKNOWN


def wait_for(error: ArmError) -> WaitingFor:
    """Say what a request waits for after a failed read, or after a trigger refused for now."""
    if not isinstance(error, ArmAnswer):
        return WaitingFor.SERVICE_UNAVAILABLE
    heals = heals_by_waiting(error)
    if heals is not None:
        return heals
    if error.status == 429:
        return WaitingFor.THROTTLED
    if error.status in {401, 403}:
        return WaitingFor.NOT_AUTHORIZED_YET
    if error.status >= 500 or error.status in {408, 499}:
        return WaitingFor.SERVICE_UNAVAILABLE
    return WaitingFor.LOOKUP


def says_missing(error: ArmError) -> bool:
    """Tell whether ARM itself said that a resource of the request does not exist.

    Only an answer of ARM counts (`x-ms-failure-cause: gateway` with its code): the backup service
    answers 404 also for a resource that is new or busy.
    """
    return (
        isinstance(error, ArmAnswer)
        and error.status == 404
        and error.gateway
        and error.code in _MISSING_RESOURCE
    )


def is_unsupported(error: ArmError) -> bool:
    """Tell whether the endpoint has no job list at all, so that jobs are read one by one."""
    return isinstance(error, ArmAnswer) and error.status == 404


def hold_until(error: ArmError, now: datetime) -> datetime | None:
    """Return the time until which `Retry-After`, or the code's known hold, asks to wait."""
    if not isinstance(error, ArmAnswer):
        return None
    hold = error.retry_after or by_code(error.code).hold
    return now + hold if hold else None


def job_error(error: ArmError) -> JobError:
    """Convert an error to the form in which events show it."""
    code, message = code_and_message(error)
    kind = classify(code, message).kind
    if kind is ErrorClass.UNKNOWN and isinstance(error, ArmAnswer):
        by_status = {401: ErrorClass.CONFIGURATION, 403: ErrorClass.CONFIGURATION}
        kind = by_status.get(error.status, ErrorClass.REQUEST)
    return JobError(code=code, message=message, kind=kind)


def code_and_message(error: ArmError) -> tuple[str, str]:
    """Return a code and a message for any error of a call."""
    if isinstance(error, ArmAnswer):
        return error.code or f"HTTP{error.status}", error.message or str(error)
    return type(error).__name__, str(error)
