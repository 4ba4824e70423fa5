"""What can go wrong, and the one place that says what it means.

    RestoreError
    ├── SettingsError            the app cannot start; every problem is listed
    ├── FileInvalid              a reviewed file cannot be used; every problem is listed
    ├── MessageInvalid           a message is no request; every problem is listed
    ├── LookupFailed             the vault was read, and what was asked for is not there
    ├── StoreError
    │   ├── Conflict             somebody else changed the entity first
    │   └── StoreUnavailable     tables or queues did not answer
    └── ArmError                 a call to ARM did not give a usable answer
        ├── NotSent              it certainly never left this machine
        ├── NoAnswer             it may have arrived; nothing usable came back
        └── ArmAnswer            an HTTP answer other than the one wanted

Exceptions carry facts. `send_outcome` decides what a failed restore POST means, `wait_for` what a
failed read means, and `CATALOGUE` what a code of Azure Backup means to a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from restore_core.vocabulary import ErrorClass, Reason, Rejection, WaitingFor


class RestoreError(Exception):
    """The root of everything that this package raises on purpose."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input: where, what, and what was probably meant."""

    path: str
    message: str
    did_you_mean: str | None = None


class SettingsError(RestoreError):
    """The settings cannot be used. `problems` names each setting, never its value."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems."""
        super().__init__("the settings cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class MessageInvalid(RestoreError):  # noqa: N818  (a fact about the message)
    """A message cannot be taken as a request.

    `request_id` is what could be read of it.
    """

    def __init__(
        self, problems: Sequence[Problem], *, reason: Rejection, request_id: str | None = None
    ) -> None:
        """Keep the problems."""
        super().__init__("; ".join(f"{one.path}: {one.message}" for one in problems))
        self.problems = tuple(problems)
        self.reason = reason
        self.request_id = request_id


class FileInvalid(RestoreError):  # noqa: N818  (a fact about the file)
    """A file that people review and deploy cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems."""
        super().__init__("; ".join(f"{one.path}: {one.message}" for one in problems))
        self.problems = tuple(problems)


class LookupFailed(RestoreError):  # noqa: N818  (an answer of the vault, not our fault)
    """The lists were read to the end and hold no single match."""

    def __init__(self, message: str, *, reason: Reason) -> None:
        """Keep the reason."""
        super().__init__(message)
        self.reason = reason


class StoreError(RestoreError):
    """Tables or queues did not do as they were told."""


class Conflict(StoreError):  # noqa: N818
    """The entity was changed, or made, by somebody else first."""


class StoreUnavailable(StoreError):  # noqa: N818
    """Storage did not answer, or answered that it cannot; whether it acted is unknown."""


class ArmError(RestoreError):
    """A call to ARM did not give the answer that was wanted."""


class NotSent(ArmError):  # noqa: N818
    """The request certainly did not reach ARM: refused, no name, no TLS, no token, out of time."""


class NoAnswer(ArmError):  # noqa: N818
    """The request may have reached ARM; no usable answer came back."""


class ArmAnswer(ArmError):  # noqa: N818
    """ARM answered with something else than was wanted.

    `code` and `message` are the service's own, empty when the body had none; `retry_after` is what
    the header said; `gateway` is true when ARM itself answered and not the backup service;
    `request_id` is the correlation id that support asks for.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        message: str = "",
        retry_after: timedelta | None = None,
        gateway: bool = False,
        request_id: str = "",
    ) -> None:
        """Keep the facts."""
        shown = f"HTTP {status}"
        if code:
            shown += f" {code}"
        if message:
            shown += f": {message}"
        if request_id:
            shown += f" (x-ms-correlation-request-id {request_id})"
        super().__init__(shown)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.gateway = gateway
        self.request_id = request_id


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What a code means: its class, what to do, and what a trigger that it refused waits for."""

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
    # The names are those of Microsoft's troubleshooting page for Azure Files; jobs also carry
    # numbers.
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


def classify(code: str, message: str = "") -> Failure:
    """Say what a code of the service means; the message helps where a job carries only a number.

    Jobs give numeric codes, and seldom the documented name; the name may stand in the text.
    """
    known = CATALOGUE.get(code)
    if known is not None:
        return known
    folded = {name.casefold(): failure for name, failure in CATALOGUE.items()}
    known = folded.get(code.casefold())
    if known is not None:
        return known
    # The longest name: TargetFileShareNotFound has another code's name inside.
    text = message.casefold()
    named = [name for name in folded if not name.isdigit() and name in text]
    return folded[max(named, key=len)] if named else UNKNOWN_FAILURE


class SendOutcome(StrEnum):
    """What is known after a restore POST that was not answered with a plain 202."""

    NOT_SENT = "NotSent"
    """It never left: the intent may be taken back."""
    REFUSED = "Refused"
    """Azure said no for good."""
    DELAYED = "Delayed"
    """Azure said no, and time heals it."""
    TOKEN_REFUSED = "TokenRefused"  # noqa: S105  (no password)
    """401: nothing happened; a new token may help once."""
    FORBIDDEN = "Forbidden"
    """403: nothing happened; a role may still be on its way."""
    UNKNOWN = "Unknown"
    """It may have started a restore: only the vault's job list can tell."""


def send_outcome(error: ArmError) -> SendOutcome:
    """Tell «certainly nothing happened» from «unknown» after a restore POST. The one place that
    does.
    """
    match error:
        case NotSent():
            return SendOutcome.NOT_SENT
        case ArmAnswer(status=401):
            return SendOutcome.TOKEN_REFUSED
        case ArmAnswer(status=429):
            return SendOutcome.DELAYED
        case ArmAnswer(status=408 | 499):
            # A proxy gave up waiting; the service behind it may well have gone on.
            return SendOutcome.UNKNOWN
        case ArmAnswer(status=status) if 300 <= status < 500:
            if classify(error.code, error.message).heals is not None:
                return SendOutcome.DELAYED
            return SendOutcome.FORBIDDEN if status == 403 else SendOutcome.REFUSED
        case _:
            return SendOutcome.UNKNOWN


def wait_for(error: ArmError) -> WaitingFor:
    """Say what a request waits for after a read, or a refused trigger, that time heals."""
    if not isinstance(error, ArmAnswer):
        return WaitingFor.SERVICE_UNAVAILABLE
    heals = classify(error.code, error.message).heals
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

    Only ARM's own word counts (`x-ms-failure-cause: gateway` with its code): a bare 404 from the
    backup service is also what a young or a busy resource looks like.
    """
    return (
        isinstance(error, ArmAnswer)
        and error.status == 404
        and error.gateway
        and error.code in _MISSING_RESOURCE
    )
