from __future__ import annotations

from datetime import timedelta

import pytest

from restore_core.azure_backup.failures import (
    CATALOGUE,
    UNKNOWN_FAILURE,
    SendOutcome,
    by_code,
    classify,
    heals_by_waiting,
    hold_until,
    says_missing,
    send_outcome,
    wait_for,
)
from restore_core.errors import (
    ArmAnswer,
    ArmError,
    NoAnswer,
    NotSent,
)
from restore_core.vocabulary import ErrorClass, WaitingFor
from tests.restore_core.given import NOW

NOT_SENT, REFUSED, DELAYED = SendOutcome.NOT_SENT, SendOutcome.REFUSED, SendOutcome.DELAYED
TOKEN, FORBIDDEN, UNKNOWN = SendOutcome.TOKEN_REFUSED, SendOutcome.FORBIDDEN, SendOutcome.UNKNOWN
BUSY, QUOTA, THROTTLED = WaitingFor.TARGET_BUSY, WaitingFor.QUOTA, WaitingFor.THROTTLED
DOWN, ROLE, LOOKUP = (
    WaitingFor.SERVICE_UNAVAILABLE,
    WaitingFor.NOT_AUTHORIZED_YET,
    WaitingFor.LOOKUP,
)


def answer(status: int, code: str = "", message: str = "") -> ArmAnswer:
    return ArmAnswer(status=status, code=code, message=message)


OUTCOMES: list[tuple[ArmError, SendOutcome, WaitingFor]] = [
    (NotSent("refused"), NOT_SENT, DOWN),
    (NoAnswer("timed out"), UNKNOWN, DOWN),
    # another 2xx, and what should never come
    (answer(100), UNKNOWN, LOOKUP),
    (answer(200), UNKNOWN, LOOKUP),
    (answer(201), UNKNOWN, LOOKUP),
    (answer(206), UNKNOWN, LOOKUP),
    # redirects are not followed
    (answer(301), REFUSED, LOOKUP),
    (answer(302), REFUSED, LOOKUP),
    (answer(307), REFUSED, LOOKUP),
    (answer(308), REFUSED, LOOKUP),
    # refused for good
    (answer(400), REFUSED, LOOKUP),
    (answer(400, "BMSUserErrorInvalidInput"), REFUSED, LOOKUP),
    (answer(404), REFUSED, LOOKUP),
    (answer(404, "BMSUserErrorDataSourceObjectNotFound"), REFUSED, LOOKUP),
    (answer(405), REFUSED, LOOKUP),
    (answer(409), REFUSED, LOOKUP),
    (answer(409, "SomethingNew"), REFUSED, LOOKUP),
    (answer(410), REFUSED, LOOKUP),
    (answer(412), REFUSED, LOOKUP),
    (answer(413), REFUSED, LOOKUP),
    (answer(422), REFUSED, LOOKUP),
    # roles, tokens
    (answer(401), TOKEN, ROLE),
    (answer(401, "ExpiredAuthenticationToken"), TOKEN, ROLE),
    (answer(403), FORBIDDEN, ROLE),
    (answer(403, "AuthorizationFailed"), FORBIDDEN, ROLE),
    (answer(403, "LinkedAuthorizationFailed"), FORBIDDEN, ROLE),
    # time heals
    (answer(429), DELAYED, THROTTLED),
    (answer(429, "TooManyRequests"), DELAYED, THROTTLED),
    (answer(409, "UserErrorDTSDestLocked"), DELAYED, BUSY),
    (answer(400, "UserErrorAnotherRestoreInProgressOnSameTarget"), DELAYED, BUSY),
    (answer(409, "BMSUserErrorObjectLocked"), DELAYED, BUSY),
    (answer(400, "BMSUserErrorConflictingProtectionOperation"), DELAYED, BUSY),
    (answer(409, "AzureFileSyncChangeDetectionInProgress"), DELAYED, BUSY),
    (answer(400, "CloudDosAbsoluteLimitReached"), DELAYED, QUOTA),
    (answer(429, "CloudDosTimeboudLimitReached"), DELAYED, QUOTA),
    (answer(400, "", "see UserErrorDTSDestLocked"), DELAYED, BUSY),
    # a proxy gave up, or the service did
    (answer(408), UNKNOWN, DOWN),
    (answer(499), UNKNOWN, DOWN),
    (answer(408, "UserErrorDTSDestLocked"), UNKNOWN, BUSY),
    (answer(500), UNKNOWN, DOWN),
    (answer(500, "RestApiInternalError"), UNKNOWN, DOWN),
    (answer(500, "UserErrorDTSDestLocked"), UNKNOWN, BUSY),
    (answer(502), UNKNOWN, DOWN),
    (answer(503), UNKNOWN, DOWN),
    (answer(504), UNKNOWN, DOWN),
    (answer(599), UNKNOWN, DOWN),
]


@pytest.mark.parametrize(
    ("error", "outcome", "waiting"), OUTCOMES, ids=[str(row[0]) for row in OUTCOMES]
)
def test_what_a_failed_call_means(
    error: ArmError, outcome: SendOutcome, waiting: WaitingFor
) -> None:
    assert send_outcome(error) is outcome
    assert wait_for(error) is waiting


@pytest.mark.parametrize("status", [*range(100, 300), 408, 499, *range(500, 600)])
def test_certainty_that_nothing_happened_is_never_made_up(status: int) -> None:
    for code in ("", *CATALOGUE):
        assert send_outcome(answer(status, code)) is UNKNOWN


@pytest.mark.parametrize("status", sorted({*range(400, 500)} - {401, 408, 429, 499}))
def test_every_other_4xx_is_a_no(status: int) -> None:
    assert send_outcome(answer(status)) is (FORBIDDEN if status == 403 else REFUSED)


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_code_is_known_in_any_case(code: str) -> None:
    assert classify(code) is CATALOGUE[code]
    assert classify(code.upper()) is CATALOGUE[code]
    assert classify(code.lower()) is CATALOGUE[code]


@pytest.mark.parametrize("code", [code for code in CATALOGUE if not code.isdigit()])
def test_a_name_inside_the_text_tells_where_the_code_does_not(code: str) -> None:
    for text in (f"The restore failed ({code}).", f"'{code.lower()}'", code):
        assert classify("400123", text) is CATALOGUE[code]
        assert classify("", text) is CATALOGUE[code]


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("570035", "", ErrorClass.CONFIGURATION),
        ("1073871825", "Microsoft Azure Backup met an error.", ErrorClass.RETRYABLE),
        ("", "", ErrorClass.UNKNOWN),
        ("570036", "", ErrorClass.UNKNOWN),
        ("SomethingNew", "no name in here", ErrorClass.UNKNOWN),
        ("", "a number such as 570035 in the text proves nothing", ErrorClass.UNKNOWN),
        ("UserErrorAFSRecoverySomeFilesNotRestored", "", ErrorClass.PARTIAL),
        ("CloudDosAbsoluteLimitReached", "", ErrorClass.QUOTA),
    ],
)
def test_classes_of_codes(code: str, message: str, kind: ErrorClass) -> None:
    assert classify(code, message).kind is kind


def test_the_code_goes_before_the_text() -> None:
    failure = classify("FileShareNotFound", "UserErrorDTSDestLocked")
    assert failure is CATALOGUE["FileShareNotFound"]


ECHO = "The folder '{}' is not valid."
"""A service that repeats what the sender wrote: any name may stand there."""


@pytest.mark.parametrize("code", ["BMSUserErrorInvalidInput", "SomethingNew", "BadRequest"])
@pytest.mark.parametrize("name", [name for name in CATALOGUE if not name.isdigit()])
def test_where_there_is_a_code_the_text_is_not_read(code: str, name: str) -> None:
    error = answer(400, code, ECHO.format(name))
    assert classify(error.code, error.message) is by_code(code)
    assert (send_outcome(error), wait_for(error)) == (REFUSED, LOOKUP)
    assert hold_until(error, NOW) is None


@pytest.mark.parametrize("code", ["", "400123"])
@pytest.mark.parametrize("name", [name for name, known in CATALOGUE.items() if known.hold])
def test_no_text_says_that_an_allowance_is_used_up(code: str, name: str) -> None:
    error = answer(400, code, ECHO.format(name))
    assert heals_by_waiting(error) is None
    assert (send_outcome(error), wait_for(error)) == (REFUSED, LOOKUP)
    assert hold_until(error, NOW) is None


def test_every_entry_says_what_to_do() -> None:
    for failure in (*CATALOGUE.values(), UNKNOWN_FAILURE):
        assert failure.advice.endswith(".")
        assert failure.hold is None or (failure.heals and failure.hold <= timedelta(hours=6))
    assert UNKNOWN_FAILURE.heals is None


@pytest.mark.parametrize(
    ("error", "missing"),
    [
        (ArmAnswer(status=404, code="ResourceNotFound", gateway=True), True),
        (ArmAnswer(status=404, code="ResourceGroupNotFound", gateway=True), True),
        (ArmAnswer(status=404, code="SubscriptionNotFound", gateway=True), True),
        (ArmAnswer(status=404, code="ResourceNotFound"), False),
        (ArmAnswer(status=404, gateway=True), False),
        (ArmAnswer(status=404), False),
        (ArmAnswer(status=400, code="ResourceNotFound", gateway=True), False),
        (NoAnswer("x"), False),
    ],
)
def test_only_the_gateways_own_word_says_that_something_is_missing(
    error: ArmError, missing: bool
) -> None:
    assert says_missing(error) is missing
