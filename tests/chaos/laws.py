"""The laws, checked from what a campaign left behind.

Knows what was sent and what anybody can see afterwards: the vault's jobs, the tables, the queues
and the files. It takes the app's word for nothing that the vault can tell.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.chaos.script import Ask, Kind, Letter
from tests.stack.outside import REJECTED, Json

ENDS = {"Completed", "CompletedWithWarnings", "Failed", "Cancelled", "Indeterminate"}
_OF_JOB = {
    "Completed": ("Completed", "JobCompleted"),
    "CompletedWithWarnings": ("CompletedWithWarnings", "JobCompletedWithWarnings"),
    "Failed": ("Failed", "JobFailed"),
    "Cancelled": ("Cancelled", "JobCancelled"),
}
_WITHOUT_JOB = {"TriggerRefused", "OperationFailed", "TriggerOutcomeUnknown"}
"""Ends that the weather alone can bring, where the vault has no job."""


class Law(StrEnum):
    """What must hold; the value is what a breach is called."""

    LOST = "lost"
    """A request did not reach one announced final phase."""
    DOUBLE = "double"
    """More than one restore ran for a request, or one that its record does not know."""
    UNANSWERED = "unanswered"
    """A message got no answer, or a wrong one."""
    UNEQUAL = "unequal"
    """Copies of an event differ, or a request has two ends."""
    LEFT = "left over"
    """A row, a claim or a message stands for ever."""
    UNTRUE = "untrue"
    """An end is not what the vault and the files say."""


@dataclass(frozen=True, kw_only=True)
class Breach:
    """A law that does not hold, of what."""

    law: Law
    subject: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A letter and the id that the queue gave it."""

    letter: Letter
    message_id: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What was sent, and all that can be seen in the end."""

    asks: Sequence[Ask]
    sent: Sequence[Sent]
    texts: Sequence[str]
    records: Mapping[str, Json]
    jobs: Sequence[Json]
    open_rows: Sequence[str]
    claims: Mapping[str, Sequence[Json]]
    waiting_messages: int
    poisoned: Sequence[str]
    written: Callable[[Ask, str, int], Mapping[Path, bytes]]
    """The files that a part of a body of a request must write."""


def breaches(facts: Facts) -> list[Breach]:
    """Check every law."""
    return list(_Court(facts).judge())


class _Court:
    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._texts: dict[str, set[str]] = defaultdict(set)
        self._ends: dict[str, list[Json]] = defaultdict(list)
        self._plans: dict[str, list[Json]] = defaultdict(list)
        self._rejections: dict[str, list[Json]] = defaultdict(list)
        for text in dict.fromkeys(facts.texts):
            event = json.loads(text)
            self._texts[event["id"]].add(text)
            kinds = {REJECTED: self._rejections, "azurefilesrestore.Planned.v1": self._plans}
            kinds.get(event["type"], self._ends)[event["subject"]].append(event)
        ours = {sent.message_id for sent in facts.sent}
        self._of_copies = [
            event["data"]["reason"]
            for message_id in self._rejections.keys() - ours
            for event in self._rejections[message_id]
        ]
        """Answers to the host's poison copies, which have ids of their own."""
        self._jobs: dict[tuple[str, str], list[Json]] = defaultdict(list)
        for job in facts.jobs:
            first = job["specs"][0]["path"] if job["specs"] else ""
            self._jobs[job["source_share"], first].append(job)

    def judge(self) -> Iterator[Breach]:
        for event_id, texts in self._texts.items():
            if len(texts) > 1:
                yield _breach(Law.UNEQUAL, event_id, f"{len(texts)} different copies")
            if any(not text.isascii() for text in texts):
                yield _breach(Law.UNEQUAL, event_id, "not ASCII")
        for ask in self._facts.asks:
            yield from self._ask(ask)
        yield from self._strangers()
        for sent in self._facts.sent:
            yield from self._answer(sent)
        for reason in self._of_copies:
            yield _breach(Law.UNANSWERED, "an unknown message", f"was rejected: {reason}")
        for key in self._facts.open_rows:
            yield _breach(Law.LEFT, key, "on the work list")
        yield from self._claims()
        if self._facts.waiting_messages:
            yield _breach(Law.LEFT, "queue", f"{self._facts.waiting_messages} messages")
        for text in self._facts.poisoned:
            yield _breach(Law.UNANSWERED, "poison", text[:300])

    def _claims(self) -> Iterator[Breach]:
        """Nothing is held in the end, and those who started something, and no others, are counted
        for the day's allowance.
        """
        counted = set()
        for thing, holders in self._facts.claims.items():
            if thing.startswith("starts:"):
                counted |= {holder["key"] for holder in holders}
            elif thing.startswith("target:"):
                yield _breach(Law.LEFT, thing, f"held by {holders}")
        for ask in self._facts.asks:
            started = {end["data"].get("restoreStarted") for end in self._ends[ask.request_id]}
            for body in ask.bodies.values():
                for number, mark in enumerate(body.marks, 1):
                    # Each part is a start of its own.
                    key = ask.request_id if number == 1 else f"{ask.request_id}~{number}"
                    if self._jobs[mark] and key not in counted:
                        yield _breach(Law.LEFT, key, "ran, and is not counted")
                    if started == {"no"} and key in counted:
                        yield _breach(Law.LEFT, key, "is counted, and started nothing")

    def _ask(self, ask: Ask) -> Iterator[Breach]:
        name = ask.request_id
        if ask.dry:
            yield from self._one_end(name, f"plan~{name}", self._plans[name])
        by_part = [self._jobs[mark] for body in ask.bodies.values() for mark in body.marks]
        jobs = [job for each in by_part for job in each]
        ran = [body for body in ask.bodies.values() if any(self._jobs[one] for one in body.marks)]
        if not ask.real:
            if jobs:
                yield _breach(Law.DOUBLE, name, "a dry run restored")
            if self._ends[name]:
                yield _breach(Law.UNEQUAL, name, "a dry run has another end than its plan")
            return
        yield from self._one_end(name, name, self._ends[name])
        double = len(ran) > 1 or any(len(each) > 1 for each in by_part)
        if double:
            yield _breach(Law.DOUBLE, name, f"{len(jobs)} jobs: {[job['id'] for job in jobs]}")
        record = self._facts.records.get(name)
        if record is None or len(self._ends[name]) != 1:
            return
        tries = {one["client_request_id"] for one in _tries(record)}
        for job in jobs:
            if job["activity_id"] not in tries:
                yield _breach(Law.DOUBLE, name, f"its record knows nothing of job {job['id']}")
        if not double:
            yield from self._truth(ask, self._ends[name][0]["data"], record)

    def _one_end(self, name: str, key: str, ends: Sequence[Json]) -> Iterator[Breach]:
        record = self._facts.records.get(key)
        if record is None:
            yield _breach(Law.LOST, key, "there is no record")
        elif record["phase"] not in ENDS | {"Planned"}:
            yield _breach(Law.LOST, key, f"stays in {record['phase']}")
        if not ends:
            yield _breach(Law.LOST, key, "no end was announced")
        elif len(ends) > 1:
            yield _breach(Law.UNEQUAL, key, f"ends: {[end['id'] for end in ends]}")
        elif record is not None:
            if ends[0]["id"] != f"{name}/{record['phase']}":
                yield _breach(Law.UNEQUAL, key, f"{ends[0]['id']} but {record['phase']}")
            if record["record"].get("event") not in self._texts[ends[0]["id"]]:
                yield _breach(Law.UNEQUAL, key, "what was sent is not what is stored")

    def _truth(self, ask: Ask, end: Json, record: Json) -> Iterator[Breach]:
        name, said = ask.request_id, (end["phase"], end["reason"])
        body = ask.bodies[end["labels"]["body"]]
        by_part = [next(iter(self._jobs[mark]), None) for mark in body.marks]
        jobs = [job for job in by_part if job is not None]
        if len(by_part) > 1 and jobs:
            yield from _truth_of_parts(ask, end, by_part)
        if jobs:
            if len(by_part) == 1 and said != _OF_JOB.get(jobs[0]["status"]):
                yield _breach(Law.UNTRUE, name, f"{said}, but the job is {jobs[0]['status']}")
            if end.get("jobIds") != [job["id"] for job in jobs]:
                yield _breach(Law.UNTRUE, name, f"jobIds {end.get('jobIds')}, not {jobs[0]['id']}")
        else:
            allowed = {*_WITHOUT_JOB}
            if ask.cancelled:
                allowed |= {"CancelledByRequest", "CancelledBeforeArrival"}
            if ask.deadline:
                allowed.add("StartDeadlineExceeded")
            if body.impossible:
                allowed = {body.impossible} | (allowed - _WITHOUT_JOB)
            if end["reason"] not in allowed:
                yield _breach(Law.UNTRUE, name, f"{said} without a job: {end['message']}")
        if end["phase"] == "Indeterminate":
            # The part that is lost is the last that was tried.
            lost = [part["tries"] for part in record["record"]["parts"] if part["tries"]][-1]
            if not all(one["client_request_id"] in end["message"] for one in lost):
                yield _breach(Law.UNTRUE, name, f"does not say where to look: {end['message']}")
        if body.impossible:
            return
        for number, job in enumerate(by_part):
            files = self._facts.written(ask, end["labels"]["body"], number)
            same = [path for path, held in files.items() if _is(path, held)]
            completed = end["phase"] == "Completed" or (job and job["status"] == "Completed")
            if completed and len(same) < len(files):
                left = len(files) - len(same)
                yield _breach(Law.UNTRUE, name, f"completed, but {left} files differ")
            if not job and same:
                yield _breach(Law.UNTRUE, name, f"restored without a job: {same[0]}")

    def _strangers(self) -> Iterator[Breach]:
        known = {
            mark for ask in self._facts.asks for body in ask.bodies.values() for mark in body.marks
        }
        for mark in self._jobs.keys() - known:
            if self._jobs[mark]:
                yield _breach(Law.DOUBLE, str(mark), "a job that nobody asked for")

    def _answer(self, sent: Sent) -> Iterator[Breach]:
        letter = sent.letter
        said = [one["data"]["reason"] for one in self._rejections[sent.message_id]]
        wanted = self._wanted(letter)
        if not said and "" not in wanted:
            copied = next((reason for reason in self._of_copies if reason in wanted), None)
            if copied is not None:
                self._of_copies.remove(copied)
                return
        if len(said) > 1 or (said or [""])[0] not in wanted:
            text = f"{sent.message_id}: {said or 'nothing'}, not {' or '.join(sorted(wanted))!r}"
            subject = f"{letter.kind} {letter.request_id}"
            yield _breach(Law.UNANSWERED, subject, f"{text}: {letter.text[:200]}")

    def _wanted(self, letter: Letter) -> set[str]:
        """The reasons with which a message may be rejected; "" where it need not be."""
        if letter.kind is Kind.JUNK:
            return {"Invalid", "Unreadable"}
        ends = self._ends[letter.request_id]
        if letter.kind is Kind.CANCEL:
            return {"UnknownRequest", "AlreadyFinal"} | ({""} if ends else set())
        if letter.dry:
            return {""}
        winner = ends[0]["data"]["labels"]["body"] if ends else letter.body
        return {""} if letter.body == winner else {"RequestIdReused"}


def _truth_of_parts(ask: Ask, end: Json, by_part: Sequence[Json | None]) -> Iterator[Breach]:
    """Hold the end of a request of several parts against the jobs of all of them."""
    each = [job["status"] if job else None for job in by_part]
    phase, name = end["phase"], ask.request_id
    if phase == "Indeterminate":
        return
    restored = {"Completed", "CompletedWithWarnings"} & {*each}
    if "Cancelled" in each:
        wanted = {"Cancelled"}
    elif {*each} == {"Completed"}:
        wanted = {"Completed"}
    elif restored:
        wanted = {"CompletedWithWarnings"}
    else:
        # A job that failed may have brought some files back.
        wanted = {"Failed", "CompletedWithWarnings"}
    if ask.cancelled and None in each:
        wanted.add("Cancelled")
    if phase not in wanted:
        text = f"{phase}, not {' or '.join(sorted(wanted))}, but the jobs are {each}"
        yield _breach(Law.UNTRUE, name, text)
    if phase == "CompletedWithWarnings" and "Part 1 of" not in end["message"]:
        yield _breach(Law.UNTRUE, name, f"does not tell of its parts: {end['message']}")


def _tries(record: Json) -> Iterator[Json]:
    for part in record["record"]["parts"]:
        yield from part["tries"]


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _breach(law: Law, subject: str, text: str) -> Breach:
    return Breach(law=law, subject=subject, text=text)
