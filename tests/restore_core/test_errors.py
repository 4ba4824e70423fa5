from __future__ import annotations

from restore_core.errors import ArmAnswer, MessageInvalid, Problem, SettingsError
from restore_core.vocabulary import Rejection


def test_an_answer_shows_its_facts_and_nothing_else() -> None:
    assert str(ArmAnswer(status=404)) == "HTTP 404"
    shown = str(ArmAnswer(status=409, code="Busy", message="Wait.", request_id="r1"))
    assert shown == "HTTP 409 Busy: Wait. (x-ms-correlation-request-id r1)"


def test_problems_of_an_input_are_kept_and_shown() -> None:
    invalid = MessageInvalid([Problem(path="a", message="is b")], reason=Rejection.INVALID)
    assert (str(invalid), invalid.request_id) == ("a: is b", None)
    broken = SettingsError(["A is b", "C is d"])
    assert broken.problems == ("A is b", "C is d")
    assert str(broken) == "the settings cannot be used: A is b; C is d"
