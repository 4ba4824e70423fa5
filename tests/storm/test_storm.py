"""A small storm on the whole stack, and a judge that sees what is wrong after one.

`python -m tests.storm` sends a large one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.stack.estate import Share
from tests.stack.outside import REJECTED
from tests.storm import letters
from tests.storm.__main__ import page
from tests.storm.letters import PIPELINE, Letter
from tests.storm.storm import run
from tests.storm.verdict import Facts, faults

SHARE = Share(number=0, vaults=1, made_at=0)


def test_a_storm_of_alerts_is_one_restore_and_a_pipeline_is_still_served() -> None:
    result = run(seed=1, alerts=200, patience=PATIENCE)

    assert result.faults == [], page(result)
    assert (result.alerts, result.copies) == (200, 100)
    assert result.folded == 200 - result.starting
    assert result.accepted > 0
    assert "one restore, and everybody is answered" in page(result)


def test_half_of_a_storm_are_copies_of_one_alert_and_the_others_all_differ() -> None:
    sent = [letter.request_id for letter in letters.alerts(SHARE, 1000, seed=7)]

    counts = sorted(sent.count(one) for one in set(sent))

    assert counts == [1] * 500 + [500]
    assert len(set(sent[:20])) > 2


def end(request_id: str, phase: str = "Completed") -> str:
    data = {"requestId": request_id, "phase": phase, "reason": f"Job{phase}"}
    event = {"type": f"azurefilesrestore.{phase}.v1", "subject": request_id, "data": data}
    return json.dumps(event)


def folded(message_id: str, into: str = "evt-1", reason: str = "Folded") -> str:
    data = {"reason": reason, "message": f"The plan answers it with the request {into}, which …"}
    return json.dumps({"type": REJECTED, "subject": message_id, "data": data})


def facts(**changed: Any) -> Facts:
    """Three alerts after a storm: one that started the restore, its copy, and one more."""
    alerts = {
        "m1": Letter(request_id="evt-1", text=""),
        "m2": Letter(request_id="evt-1", text=""),
        "m3": Letter(request_id="evt-2", text=""),
    }
    good = Facts(
        alerts=alerts,
        texts=[end("evt-1"), end("evt-1"), end(PIPELINE), folded("m3")],
        records=["evt-1", PIPELINE],
        jobs=["a", "b"],
        plan_source="a",
        pipeline_source="b",
        cooldowns={"evt-1": 1},
        came_again=0,
        open_rows=0,
        waiting=0,
        poisoned=0,
        wrong_files=0,
    )
    return replace(good, **changed)


def test_a_storm_that_went_well_has_no_faults() -> None:
    assert faults(facts()) == []
    assert faults(facts(cooldowns={"evt-1": 2}, came_again=1)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"jobs": ["a", "a", "b"]}, "2 restores ran for the plan"),
        ({"jobs": ["a"]}, "0 restores ran for the pipeline"),
        ({"jobs": ["a", "b", "c"]}, "the vault ran 3 jobs"),
        ({"wrong_files": 1}, "1 files are not those"),
        ({"records": ["evt-1", PIPELINE, "evt-2"]}, "3 records for 2 requests"),
        ({"cooldowns": {}}, "0 cooldowns"),
        ({"cooldowns": {"evt-1": 2}}, "counts 2, and 1 were folded"),
        ({"cooldowns": {"evt-1": 0}}, "counts 0, and 1 were folded"),
        ({"open_rows": 1}, "1 rows of the work list"),
        ({"waiting": 1}, "1 messages are left"),
        ({"poisoned": 1}, "1 messages were given up"),
    ],
)
def test_a_fact_that_must_not_be_is_told(changed: Mapping[str, Any], said: str) -> None:
    found = faults(facts(**changed))

    assert any(said in one for one in found), found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda texts: [*texts[:3]], "1 messages not answered: m3"),
        (lambda texts: [*texts, folded("m3", "evt-3")], "1 messages answered with ['Folded', "),
        (lambda texts: [*texts[:3], folded("m3", "evt-3")], "folded into another request: m3"),
        (lambda texts: [*texts[:3], folded("m3", reason="NoPlan")], "answered with ['NoPlan']"),
        (lambda texts: [*texts, folded("m2")], "of the alert that started it: ['Folded']: m2"),
        (lambda texts: [*texts, folded("m4")], "answered, and no alert: m4"),
        (lambda texts: [*texts, end("evt-1", "Failed")], "evt-1 ended more than once"),
        (lambda texts: [end("evt-1", "Failed"), *texts[2:]], "evt-1 ended Failed, JobFailed"),
        (lambda texts: [*texts[:2], texts[3]], "the pipeline's request has not ended"),
        (lambda texts: [*texts, end("evt-2")], "2 alerts started a request, not one"),
        (lambda texts: texts[2:], "0 alerts started a request, not one"),
    ],
)
def test_an_answer_that_must_not_be_is_told(
    change: Callable[[list[str]], list[str]], said: str
) -> None:
    found = faults(facts(texts=change(list(facts().texts))))

    assert any(said in one for one in found), found
