"""Every ARM call against every fault. `TABLE` says what each must lead to; it is the documentation.

Whatever the cell says, each case must show that at most one job of its request exists, that one
event was sent, that no row is left, and that no call went to another host.

The columns are calls. `lists` are the protected items and the recovery points, which are read
before the restore POST; `restore` is that POST; `jobs` is the job list after a 202, `settling` the
job list after a POST whose answer was lost; `looks` are the operation, which is read where the list
does not show the job, and the job; `cancel` is the cancel POST. `carried out` after a fault means
that the service did what it was asked before the fault struck. The words:

    goes on      the answer is as good as any (after a 401: with a new token, at once)
    again        nothing is learnt, nothing changes, and the call is made again later
    operation    the operation is asked in place of the list
    adopted      nobody knows whether the POST arrived; its job is found, and followed to its end
    sent again   nobody knows whether the POST arrived; it goes out again after the grace
    refused      the end: Failed, TriggerRefused; nothing was restored
    warning      the cancel is given up; the job goes on, and its end carries a warning
    unguarded    the restore goes out as if there were no Resource Guard; its end carries a warning
    unavailable, no role yet, throttled, quota, busy, lookup
                 back to, or still in, Accepted: what the request waits for before it goes on

One more call, `guards`, is made after the lists: what must the restore carry for a Resource Guard?
Its column is that of `lists` but for the faults of `UNGUARDED`. Most vaults have no guard, and to
one that has, the restore POST itself says no: a refusal of this question must not stop a restore.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import get_args

import pytest

from local.vault.faults import ANSWERS
from restore_core.domain.ports import Vaults
from tests.restore_core.struck import COLUMNS, Bad, Case, Range, Seen, Strike, firing_range, strikes

TABLE = """
fault                      | lists       | restore     | jobs      | settling | looks   | cancel
---------------------------+-------------+-------------+-----------+----------+---------+--------
connection refused         | unavailable | unavailable | again     | again    | again   | again
no such host               | unavailable | unavailable | again     | again    | again   | again
certificate not trusted    | unavailable | unavailable | again     | again    | again   | again
reset                      | unavailable | sent again  | again     | again    | again   | again
reset, carried out         | unavailable | adopted     | again     | again    | again   | again
silence                    | unavailable | sent again  | again     | again    | again   | again
silence, carried out       | unavailable | adopted     | again     | again    | again   | again
slow drip, carried out     | unavailable | adopted     | again     | again    | again   | again
cut in the status line     | unavailable | adopted     | again     | again    | again   | again
cut in the headers         | unavailable | adopted     | again     | again    | again   | again
cut in the body            | unavailable | adopted     | again     | again    | again   | again
301 to another host        | lookup      | refused     | again     | again    | again   | warning
307 to another host        | lookup      | refused     | again     | again    | again   | warning
400                        | lookup      | refused     | again     | again    | again   | warning
400, PascalCase            | lookup      | refused     | again     | again    | again   | warning
400, quota, Retry-After    | quota       | quota       | again     | again    | again   | again
401                        | goes on     | goes on     | goes on   | goes on  | goes on | goes on
401, the new token too     | no role yet | no role yet | again     | again    | again   | warning
403                        | no role yet | no role yet | again     | again    | again   | warning
404 with {}                | lookup      | refused     | operation | again    | again   | warning
408                        | unavailable | sent again  | again     | again    | again   | again
408, carried out           | unavailable | adopted     | again     | again    | again   | again
409                        | lookup      | refused     | again     | again    | again   | warning
409, the target is busy    | busy        | busy        | again     | again    | again   | again
412                        | lookup      | refused     | again     | again    | again   | warning
429                        | throttled   | throttled   | again     | again    | again   | again
429, Retry-After: 1        | throttled   | throttled   | again     | again    | again   | again
429, Retry-After: a date   | throttled   | throttled   | again     | again    | again   | again
499                        | unavailable | sent again  | again     | again    | again   | again
499, carried out           | unavailable | adopted     | again     | again    | again   | again
500                        | unavailable | sent again  | again     | again    | again   | again
500, carried out           | unavailable | adopted     | again     | again    | again   | again
502                        | unavailable | sent again  | again     | again    | again   | again
502, carried out           | unavailable | adopted     | again     | again    | again   | again
503                        | unavailable | sent again  | again     | again    | again   | again
503, carried out           | unavailable | adopted     | again     | again    | again   | again
504                        | unavailable | sent again  | again     | again    | again   | again
504, carried out           | unavailable | adopted     | again     | again    | again   | again
200, empty                 | unavailable | adopted     | again     | again    | again   | again
200, cut JSON              | unavailable | adopted     | again     | again    | again   | again
200, a page of HTML        | unavailable | adopted     | again     | again    | again   | again
HTML under its own status  | unavailable | goes on     | again     | again    | again   | goes on
no body, its own status    | unavailable | goes on     | again     | again    | again   | goes on
links to another host      | unavailable | goes on     | again     | again    | goes on | goes on
seventeen megabytes        | unavailable | adopted     | again     | again    | again   | again
"""
UNGUARDED = (*("400", "400, PascalCase", "403", "404 with {}", "409", "412"),)
"""The answers to `guards` that mean no: every 4xx but 401, 408, 429, 499, and codes that heal."""
CALLS: Mapping[str, Sequence[str]] = {
    "lists": ("items", "points", "guards"),
    "restore": ("restore",),
    "jobs": ("jobs",),
    "settling": ("settling",),
    "looks": ("operation", "job"),
    "cancel": ("cancel",),
}
"""The calls that each column of the table stands for."""

NOT_A_CALL = {"restore_url"}
THREADS = 8
# As in test_crash_points.py: the same lines for each fault.
pytestmark = pytest.mark.no_cover


def read_table() -> dict[str, dict[str, str]]:
    """The word for each fault and call."""
    head, _, *lines = TABLE.strip().splitlines()
    names = [name.strip() for name in head.split("|")][1:]
    table: dict[str, dict[str, str]] = {}
    for line in lines:
        fault, *words = (cell.strip() for cell in line.split("|"))
        assert fault not in table, fault
        table[fault] = {
            call: word for name, word in zip(names, words, strict=True) for call in CALLS[name]
        }
    for fault in UNGUARDED:
        table[fault]["guards"] = "unguarded"
    return table


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    """One emulator, with a vault for each case."""
    cases = len(COLUMNS) * len(read_table())
    with firing_range(tmp_path_factory.mktemp("matrix"), vaults=cases) as place:
        yield place


@pytest.mark.parametrize("call", COLUMNS)
def test_every_fault_leads_to_what_the_table_says(place: Range, call: str) -> None:
    table, faults = read_table(), strikes(place.lure.origin)

    def complaint(fault: str) -> str | None:
        try:
            seen = Case(place, COLUMNS[call], faults[fault]).run()
            check(seen, table[fault][call], faults[fault])
        except AssertionError as error:
            return f"{fault}: {error}"
        return None

    with ThreadPoolExecutor(THREADS) as pool:
        complaints = [one for one in pool.map(complaint, table) if one is not None]
    assert complaints == []
    assert place.lure.calls == [], "another host was called (h)"


def check(seen: Seen, word: str, strike: Strike) -> None:
    """Hold a case against its word, and against the laws."""
    assert seen.word == word
    assert seen.jobs <= 1, "restored twice (a)"
    assert seen.events == 1, "not one event (d)"
    assert seen.open_rows == 0, "left due for ever (e)"
    # The two clocks, of the time of day and of what went by, may differ a little.
    waited = seen.gap >= strike.hold * 0.95
    assert waited or word == "unguarded", "Retry-After was not waited for"
    end = (seen.end["phase"], seen.end["reason"], seen.end["restoreStarted"], seen.jobs)
    ends = {"refused": ("Failed", "TriggerRefused", "no", 0)}
    if seen.cancels and word != "warning":
        ends[word] = ("Cancelled", "JobCancelled", "yes", 1)
    assert end == ends.get(word, ("Completed", "JobCompleted", "yes", 1))
    assert bool(seen.end.get("warnings")) is (word in {"warning", "unguarded"})
    attempts = {"refused": 0, "sent again": 2}.get(word, 1)
    assert seen.end["attempts"] == attempts
    # A POST goes out once under each id; only after a 401 may the same one go again.
    ids = [post.client_request_id for post in seen.posts]
    kept = [one.client_request_id for one in seen.record.tries]
    assert set(kept) <= set(ids)
    repeated = len(ids) - len(set(ids))
    assert repeated == sum(post.status == 401 for post in seen.posts[:repeated])
    assert "https://127" not in seen.record.to_json(), "a signed URL was kept"


def test_the_table_has_every_call_that_reaches_arm() -> None:
    declared = {
        name for name, _ in inspect.getmembers(Vaults, inspect.isfunction) if name[0] != "_"
    }
    assert {column.method for column in COLUMNS.values()} == declared - NOT_A_CALL
    assert {call for calls in CALLS.values() for call in calls} == set(COLUMNS)
    assert all(set(words) == set(COLUMNS) for words in read_table().values())


def test_the_table_has_every_fault() -> None:
    faults = strikes("https://127.0.0.1:1")
    assert list(read_table()) == list(faults)
    actions = [action for strike in faults.values() for action in strike.actions]
    assert {action["kind"] for action in actions} >= ANSWERS | {"foreign"}
    assert {strike.line for strike in faults.values()} == {None, *get_args(Bad)}
    statuses = {action.get("status") for action in actions}
    refusals = {301, 307, 400, 401, 403, 404, 408, 409, 412, 429}
    assert statuses >= refusals | {200, 499, 500, 502, 503, 504}
