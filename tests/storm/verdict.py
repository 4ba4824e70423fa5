"""What must be true after a storm, and what it comes to.

Knows the facts as anybody finds them outside: messages, events, tables, the vault's jobs. Refuses
to wait, and to take the app's word for what it did.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.stack.outside import REJECTED, Json
from tests.storm.letters import PIPELINE, Letter

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was found when all was quiet."""

    alerts: Mapping[str, Letter]
    """Each alert by the id of its message."""
    texts: Sequence[str]
    """Every event, copies too."""
    records: Sequence[str]
    """The request ids of all records."""
    jobs: Sequence[str]
    """The source share of each job that the vault ran."""
    plan_source: str
    pipeline_source: str
    cooldowns: Mapping[str, int]
    """The request id that holds a cooldown, and how many alerts it is said to have folded."""
    came_again: int
    """How often the host has not come to the end of a message, by its log."""
    open_rows: int
    waiting: int
    poisoned: int
    wrong_files: int


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The events of a storm, sorted out; copies of one event count once."""

    ends: Mapping[str, Json]
    """The data of each request's end."""
    twice: Sequence[str]
    """Requests that ended more than once."""
    rejected: Mapping[str, Sequence[tuple[str, str]]]
    """Reason and text of each rejection, by the id of its message."""
    copies: int

    @classmethod
    def of(cls, texts: Sequence[str]) -> Answers:
        """Sort out what stood on the completion queue."""
        events = [json.loads(text) for text in dict.fromkeys(texts)]
        ends = [event for event in events if event["type"] != REJECTED]
        rejected: dict[str, list[tuple[str, str]]] = {}
        for event in events:
            if event["type"] == REJECTED:
                told = (event["data"]["reason"], event["data"]["message"])
                rejected.setdefault(event["subject"], []).append(told)
        counted = Counter(str(event["subject"]) for event in ends)
        return cls(
            ends={str(event["subject"]): event["data"] for event in ends},
            twice=[subject for subject, count in counted.items() if count > 1],
            rejected=rejected,
            copies=len(texts) - len(events),
        )

    def starters(self) -> list[str]:
        """Return the requests that alerts have started."""
        return [request_id for request_id in self.ends if request_id != PIPELINE]


def faults(facts: Facts) -> list[str]:
    """Return everything that is not as it must be, in words."""
    answers = Answers.of(facts.texts)
    return [*_restores(facts, answers), *_answers(facts, answers), *_rest(facts)]


def _restores(facts: Facts, answers: Answers) -> Iterator[str]:
    for share, whose in ((facts.plan_source, "the plan"), (facts.pipeline_source, "the pipeline")):
        count = facts.jobs.count(share)
        if count != 1:
            yield f"{count} restores ran for {whose}, not one"
    if len(facts.jobs) > 2:
        yield f"the vault ran {len(facts.jobs)} jobs"
    if facts.wrong_files:
        yield f"{facts.wrong_files} files are not those of the recovery point"
    yield from (f"{request_id} ended more than once" for request_id in answers.twice)
    for request_id, data in answers.ends.items():
        if data["phase"] != "Completed":
            yield f"{request_id} ended {data['phase']}, {data['reason']}"
    if PIPELINE not in answers.ends:
        yield "the pipeline's request has not ended"
    if len(answers.starters()) != 1:
        yield f"{len(answers.starters())} alerts started a request, not one"
    if sorted(facts.records) != sorted(answers.ends):
        yield f"{len(facts.records)} records for {len(answers.ends)} requests"


def _answers(facts: Facts, answers: Answers) -> Iterator[str]:
    """A copy of the alert that started the request is that request; each other one is folded."""
    starter = next(iter(answers.starters()), "-")
    wrong: dict[str, list[str]] = {}
    for message_id, letter in facts.alerts.items():
        told = answers.rejected.get(message_id, ())
        reasons = [reason for reason, _ in told]
        if letter.request_id == starter:
            if told:
                wrong.setdefault(f"of the alert that started it: {reasons}", []).append(message_id)
        elif reasons != ["Folded"]:
            what = f"answered with {reasons}" if told else "not answered"
            wrong.setdefault(what, []).append(message_id)
        elif starter not in told[0][1]:
            wrong.setdefault("folded into another request", []).append(message_id)
    strangers = answers.rejected.keys() - facts.alerts.keys()
    if strangers:
        wrong["answered, and no alert"] = sorted(strangers)
    for what, ids in wrong.items():
        yield f"{len(ids)} messages {what}: {', '.join(ids[:_SHOWN])}"


def _rest(facts: Facts) -> Iterator[str]:
    folded = folded_messages(facts)
    if len(facts.cooldowns) != 1:
        yield f"{len(facts.cooldowns)} cooldowns are held, not one"
    for request_id, count in facts.cooldowns.items():
        # What an instance has not written when it dies is missing; what comes again counts again.
        if not (folded > 0) <= count <= folded + facts.came_again:
            yield f"the claim of {request_id} counts {count}, and {folded} were folded"
    for count, what in (
        (facts.open_rows, "rows of the work list are left"),
        (facts.waiting, "messages are left on the request queues"),
        (facts.poisoned, "messages were given up by the host"),
    ):
        if count:
            yield f"{count} {what}"


def folded_messages(facts: Facts) -> int:
    """How many alerts were answered with `Folded`."""
    told = Answers.of(facts.texts).rejected
    return sum(told[message][0][0] == "Folded" for message in facts.alerts if message in told)
