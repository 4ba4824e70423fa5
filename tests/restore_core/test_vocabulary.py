"""The words are a contract: whoever reads events switches on them."""

from __future__ import annotations

from restore_core.vocabulary import Reason, Rejection


def test_the_reasons_of_ends_are_those_of_the_contract() -> None:
    assert {reason.value for reason in Reason} == {
        *("JobCompleted", "JobCompletedWithWarnings", "JobFailed", "JobCancelled"),
        *("TriggerRefused", "OperationFailed", "OperationCanceled", "SourceNotFound"),
        *("SourceAmbiguous", "RecoveryPointNotFound", "RecoveryPointTooOld", "PreflightFailed"),
        *("NotAllowed", "NotAuthorized", "StartDeadlineExceeded", "CancelledByRequest"),
        *("CancelledBeforeArrival", "Planned", "TriggerOutcomeUnknown", "DuplicateJobs"),
        "TrackingLimitReached",
    }


def test_the_reasons_of_rejections_are_those_of_the_contract() -> None:
    assert {one.value for one in Rejection} == {
        *("Unreadable", "Invalid", "RequestIdReused", "AlreadyFinal", "UnknownRequest"),
        *("Folded", "NotFired", "NoPlan"),
    }
