"""The judge of a campaign is worth something only if it sees each law broken."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from local.vault.shares import Layout
from tests.chaos.laws import Facts, Law, Sent, breaches
from tests.chaos.script import Ask, Body, Kind, Letter, crowded_for, shares_for, write
from tests.stack.estate import Estate, Share, build
from tests.stack.outside import REJECTED, Json
from tests.stack.town import request

TRY = "0d0f2e2e-0000-4000-8000-000000000001"
OTHER_TRY = "0d0f2e2e-0000-4000-8000-000000000002"
COUNTED: dict[str, list[Json]] = {"starts:1": [{"key": "r1"}]}


@pytest.fixture
def estate(tmp_path: Path) -> Estate:
    return build(tmp_path, shares=1, vaults=1, targets=[])


@pytest.fixture
def facts(estate: Estate) -> Facts:
    """One request that was restored, with its one job, and one message that was rejected."""
    share = estate.shares[0]
    body = Body(share=share, message=request(share, "r1"))
    ask = Ask(request_id="r1", bodies={"a": body})
    text = _event("r1", "Completed", "JobCompleted")
    written = estate.written(share, share.newer, body.message)
    for path, content in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    letter = Letter(text="{}", kind=Kind.REQUEST, request_id="r1", body="a")
    return Facts(
        asks=[ask],
        sent=[
            Sent(letter=letter, message_id="m1"),
            Sent(letter=Letter(text="{", kind=Kind.JUNK), message_id="m2"),
        ],
        texts=[text, text, _rejected("m2", "Unreadable")],
        records={"r1": _record("Completed", text)},
        jobs=[_job(share.name)],
        open_rows=[],
        claims=COUNTED,
        waiting_messages=0,
        poisoned=[],
        written=lambda _ask, _name, _part: written,
    )


def test_a_campaign_in_which_all_went_well_breaks_no_law(facts: Facts) -> None:
    assert breaches(facts) == []


def test_a_request_without_an_end_is_lost(facts: Facts) -> None:
    assert laws(replace(facts, texts=facts.texts[2:])) >= {Law.LOST}
    assert laws(replace(facts, records={})) == {Law.LOST}
    stuck = {"r1": _record("Triggering", None)}
    assert laws(replace(facts, texts=facts.texts[2:], records=stuck)) == {Law.LOST}


def test_a_second_job_is_a_double(facts: Facts) -> None:
    share = facts.asks[0].bodies["a"].share.name
    assert Law.DOUBLE in laws(replace(facts, jobs=[*facts.jobs, _job(share, id="2")]))


def test_a_job_that_the_record_does_not_know_is_a_double(facts: Facts) -> None:
    share = facts.asks[0].bodies["a"].share.name
    assert laws(replace(facts, jobs=[_job(share, activity_id="another")])) == {Law.DOUBLE}


def test_a_job_that_nobody_asked_for_is_a_double(facts: Facts) -> None:
    assert laws(replace(facts, jobs=[*facts.jobs, _job("no-such-share")])) == {Law.DOUBLE}


def test_a_dry_run_that_restores_is_a_double(facts: Facts) -> None:
    dry = replace(facts.asks[0], dry=True, real=False)
    assert Law.DOUBLE in laws(replace(facts, asks=[dry]))


def test_a_message_without_an_answer_is_unanswered(facts: Facts) -> None:
    assert laws(replace(facts, texts=facts.texts[:2])) == {Law.UNANSWERED}
    assert laws(replace(facts, poisoned=["{}"])) == {Law.UNANSWERED}


def test_a_good_message_that_is_rejected_is_unanswered(facts: Facts) -> None:
    texts = [*facts.texts, _rejected("m1", "Invalid")]
    assert laws(replace(facts, texts=texts)) == {Law.UNANSWERED}


def test_another_body_under_a_used_id_must_be_rejected(facts: Facts) -> None:
    other = Letter(text="{}", kind=Kind.REQUEST, request_id="r1", body="b")
    sent = [*facts.sent, Sent(letter=other, message_id="m3")]
    assert laws(replace(facts, sent=sent)) == {Law.UNANSWERED}
    texts = [*facts.texts, _rejected("m3", "RequestIdReused")]
    assert laws(replace(facts, sent=sent, texts=texts)) == set()


def test_the_answer_to_a_poison_copy_counts_once_for_its_message(
    facts: Facts,
) -> None:
    texts = [*facts.texts[:2], _rejected("a copy has an id of its own", "Unreadable")]
    assert laws(replace(facts, texts=texts)) == set()
    texts = [*facts.texts, _rejected("a copy has an id of its own", "Unreadable")]
    assert laws(replace(facts, texts=texts)) == {Law.UNANSWERED}


def test_copies_that_differ_are_unequal(facts: Facts) -> None:
    other = facts.texts[0].replace("}", " }")
    assert Law.UNEQUAL in laws(replace(facts, texts=[*facts.texts, other]))


def test_two_ends_of_one_request_are_unequal(facts: Facts) -> None:
    texts = [*facts.texts, _event("r1", "Failed", "JobFailed")]
    assert Law.UNEQUAL in laws(replace(facts, texts=texts))


def test_what_stands_for_ever_is_left_over(facts: Facts) -> None:
    held = {**COUNTED, "target:1": [{"key": "r1"}]}
    for more in ({"open_rows": ["r1"]}, {"claims": held}, {"waiting_messages": 1}):
        left: dict[str, Any] = more
        assert laws(replace(facts, **left)) == {Law.LEFT}


def test_a_restore_that_is_not_counted_is_left_out_of_the_allowance(facts: Facts) -> None:
    assert laws(replace(facts, claims={})) == {Law.LEFT}


def test_a_request_that_started_nothing_must_not_stay_counted(facts: Facts) -> None:
    end = json.loads(facts.texts[0])
    end["data"]["restoreStarted"] = "no"
    text = json.dumps(end)
    seen = replace(facts, jobs=[], texts=[text, text, facts.texts[2]])
    assert Law.LEFT in laws(replace(seen, records={"r1": _record("Completed", text)}))


def test_an_end_that_is_not_that_of_the_job_is_untrue(facts: Facts) -> None:
    share = facts.asks[0].bodies["a"].share.name
    assert laws(replace(facts, jobs=[_job(share, status="CompletedWithWarnings")])) == {Law.UNTRUE}
    assert Law.UNTRUE in laws(replace(facts, jobs=[]))


def test_a_completed_restore_whose_files_differ_is_untrue(facts: Facts) -> None:
    next(iter(facts.written(facts.asks[0], "a", 0))).write_bytes(b"")
    assert laws(facts) == {Law.UNTRUE}


def test_a_seed_writes_the_same_script_every_time(tmp_path: Path) -> None:
    total = shares_for(40)
    shares = [
        Share(number=number, vaults=2, made_at=0, crowded=number >= total - crowded_for(40))
        for number in range(total)
    ]
    estate = Estate(layout=Layout(root=tmp_path), shares=shares)
    one, same = (write(estate, seed=7, requests=40) for _ in range(2))
    other = write(estate, seed=8, requests=40)

    assert one == same
    assert one.letters != other.letters
    assert {letter.kind for letter in one.letters} == set(Kind)
    assert len(one.asks) == 40
    assert sum(len(body.parts) == 2 for ask in one.asks for body in ask.bodies.values()) == 1


@pytest.fixture
def two_parts(tmp_path: Path) -> Facts:
    """One request of two parts, both of which were restored."""
    estate = build(tmp_path, shares=1, vaults=1, targets=[], crowded=1)
    (share,) = estate.shares
    items = [{"path": path, "type": "File"} for path in share.many[:100]]
    body = Body(share=share, message=request(share, "r1", items=items))
    for path, content in estate.written(share, share.newer, body.message).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    text = _event("r1", "Completed", "JobCompleted", jobIds=["1", "2"])
    tries = [[{"client_request_id": one, "state": "taken"}] for one in (TRY, OTHER_TRY)]
    parts = [{"tries": each} for each in tries]
    letter = Letter(text="{}", kind=Kind.REQUEST, request_id="r1", body="a")
    return Facts(
        asks=[Ask(request_id="r1", bodies={"a": body})],
        sent=[Sent(letter=letter, message_id="m1")],
        texts=[text],
        records={"r1": {"phase": "Completed", "record": {"event": text, "parts": parts}}},
        jobs=[_part_job(share, 1), _part_job(share, 2)],
        open_rows=[],
        claims={"starts:1": [{"key": "r1"}, {"key": "r1~2"}]},
        waiting_messages=0,
        poisoned=[],
        written=lambda ask, name, part: estate.written(
            share, share.newer, ask.bodies[name].parts[part]
        ),
    )


def test_one_job_for_each_part_breaks_no_law(two_parts: Facts) -> None:
    assert breaches(two_parts) == []


def test_a_second_job_of_one_part_is_a_double(two_parts: Facts) -> None:
    share = two_parts.asks[0].bodies["a"].share
    again = [*two_parts.jobs, _part_job(share, 2, id="3")]
    assert Law.DOUBLE in laws(replace(two_parts, jobs=again))


def test_a_part_that_is_not_counted_is_left_out_of_the_allowance(two_parts: Facts) -> None:
    assert laws(replace(two_parts, claims=COUNTED)) == {Law.LEFT}


@pytest.mark.parametrize(
    "jobs",
    [
        ["Completed", "Failed"],
        ["Completed", "CompletedWithWarnings"],
        ["Failed", "Failed"],
        ["Completed", "Cancelled"],
        ["Completed"],
    ],
)
def test_completed_is_untrue_where_one_part_did_not(two_parts: Facts, jobs: list[str]) -> None:
    share = two_parts.asks[0].bodies["a"].share
    each = [_part_job(share, number, status=status) for number, status in enumerate(jobs, 1)]
    assert Law.UNTRUE in laws(replace(two_parts, jobs=each))


def test_a_file_of_the_second_part_that_differs_makes_completed_untrue(two_parts: Facts) -> None:
    next(iter(two_parts.written(two_parts.asks[0], "a", 1))).write_bytes(b"")
    assert laws(two_parts) == {Law.UNTRUE}


def laws(facts: Facts) -> set[Law]:
    return {breach.law for breach in breaches(facts)}


def _event(request_id: str, phase: str, reason: str, **more: object) -> str:
    data = {
        "phase": phase,
        "reason": reason,
        "message": "",
        "labels": {"body": "a"},
        "jobIds": ["1"],
        **more,
    }
    return json.dumps(
        {
            "id": f"{request_id}/{phase}",
            "type": f"azurefilesrestore.{phase}.v1",
            "subject": request_id,
            "data": data,
        }
    )


def _rejected(message_id: str, reason: str) -> str:
    return json.dumps(
        {
            "id": f"-/MessageRejected/{message_id}",
            "type": REJECTED,
            "subject": message_id,
            "data": {"reason": reason},
        }
    )


def _record(phase: str, event: str | None) -> Json:
    tries = [{"client_request_id": TRY, "state": "taken"}]
    return {"phase": phase, "record": {"event": event, "parts": [{"tries": tries}]}}


def _part_job(share: Share, part: int, **changes: object) -> Json:
    return _job(
        share.name,
        **{
            "id": str(part),
            "specs": [{"path": share.many[99 * (part - 1)]}],
            "activity_id": (TRY, OTHER_TRY)[part - 1],
            **changes,
        },
    )


def _job(share: str, **changes: object) -> Json:
    return {
        "id": "1",
        "source_share": share,
        "specs": None,
        "activity_id": TRY,
        "status": "Completed",
        **changes,
    }
