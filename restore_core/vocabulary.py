"""The closed lists of words in events, records and answers.

Consumers compare these words, so a word is never changed, and only this module spells it.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a request ended in its phase."""

    JOB_COMPLETED = "JobCompleted"
    JOB_COMPLETED_WITH_WARNINGS = "JobCompletedWithWarnings"
    JOB_FAILED = "JobFailed"
    JOB_CANCELLED = "JobCancelled"
    TRIGGER_REFUSED = "TriggerRefused"
    OPERATION_FAILED = "OperationFailed"
    OPERATION_CANCELED = "OperationCanceled"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_AMBIGUOUS = "SourceAmbiguous"
    RECOVERY_POINT_NOT_FOUND = "RecoveryPointNotFound"
    RECOVERY_POINT_TOO_OLD = "RecoveryPointTooOld"
    PREFLIGHT_FAILED = "PreflightFailed"
    NOT_ALLOWED = "NotAllowed"
    NOT_AUTHORIZED = "NotAuthorized"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    CANCELLED_BY_REQUEST = "CancelledByRequest"
    CANCELLED_BEFORE_ARRIVAL = "CancelledBeforeArrival"
    PLANNED = "Planned"
    TRIGGER_OUTCOME_UNKNOWN = "TriggerOutcomeUnknown"
    DUPLICATE_JOBS = "DuplicateJobs"
    TRACKING_LIMIT_REACHED = "TrackingLimitReached"


class Rejection(StrEnum):
    """Why a message was answered and not accepted."""

    UNREADABLE = "Unreadable"
    INVALID = "Invalid"
    REQUEST_ID_REUSED = "RequestIdReused"
    ALREADY_FINAL = "AlreadyFinal"
    UNKNOWN_REQUEST = "UnknownRequest"
    FOLDED = "Folded"
    NOT_FIRED = "NotFired"
    NO_PLAN = "NoPlan"


class WaitingFor(StrEnum):
    """Why an accepted request has not been triggered yet."""

    LOOKUP = "Lookup"
    TARGET_BUSY = "TargetBusy"
    QUOTA = "Quota"
    THROTTLED = "Throttled"
    NOT_AUTHORIZED_YET = "NotAuthorizedYet"
    SERVICE_UNAVAILABLE = "ServiceUnavailable"
    PAUSED = "Paused"
    GUARDS_INVALID = "GuardsInvalid"


class ErrorClass(StrEnum):
    """The kind of an error, by which the reader of a completion decides what to do."""

    RETRYABLE = "Retryable"
    QUOTA = "Quota"
    CONFIGURATION = "Configuration"
    REQUEST = "Request"
    PARTIAL = "Partial"
    UNKNOWN = "Unknown"
