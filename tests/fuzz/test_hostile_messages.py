"""Hostile messages: each is answered, each answer can be sent, and none reaches a URL as text."""

from __future__ import annotations

import base64
import functools
import json
import uuid

import pytest
from azure.storage.queue import QueueClient

from local.storage import Azurite
from restore_core.completions.queue import CompletionQueue
from restore_core.settings import Storage
from restore_core.storage.queues import Queues
from tests.fuzz import campaign
from tests.fuzz.answered import Tally, check_event, check_message, check_url
from tests.fuzz.campaign import Campaign
from tests.fuzz.envelopes import STORM, alert, cloud_event, grid_event
from tests.fuzz.plain_reading import Reading, read
from tests.fuzz.strategies import ITEM, TO_REJECT
from tests.simulators.world import VAULT, request

EXAMPLES = 400
SEED = 4
READ = 32
"""As many messages as a queue gives at once."""
POINTS = f"https://arm.test{ITEM}/recoveryPoints"


@functools.cache
def small_campaign() -> Campaign:
    """The large one is `python -m tests.fuzz`.

    It is run in the first test that wants it, and not in a fixture: only there it goes unmeasured.
    """
    return campaign.run(EXAMPLES, SEED)


@pytest.mark.no_cover
def test_every_message_leads_to_one_rejection_or_to_one_record_that_ends() -> None:
    sent = small_campaign()
    assert sent.bugs == {}
    assert sent.sent >= EXAMPLES
    assert sent.tally.outcomes.total() == sent.sent


@pytest.mark.no_cover
def test_the_messages_come_to_every_kind_of_answer() -> None:
    sent = small_campaign()
    wanted = {
        *("rejected, Unreadable", "rejected, Invalid", "rejected, UnknownRequest"),
        *("rejected, NoPlan", "rejected, NotFired", "rejected, Folded"),
        *("Completed, JobCompleted", "Planned, Planned"),
        *("Completed, JobCompleted, by a plan", "Planned, Planned, by a plan"),
    }
    assert wanted <= set(sent.tally.outcomes)
    assert len(sent.tally.problems) > 30
    assert sent.tally.urls > 100
    assert any("(cut)" in text for text in sent.tally.events), "no event was too long"


@pytest.mark.parametrize("body", TO_REJECT)
def test_what_a_careless_reader_would_let_pass_is_rejected(body: bytes) -> None:
    tally = Tally()
    check_message(body, tally)
    assert set(tally.outcomes) == {"rejected, Invalid"}


@pytest.mark.parametrize("body", TO_REJECT)
def test_so_it_is_where_an_event_brings_it(body: bytes) -> None:
    tally = Tally()
    for event in (cloud_event({}), grid_event({})):
        check_message(json.dumps(event).encode().replace(b"{}", body), tally)
    assert tally.outcomes == {"rejected, Invalid": 2}


@pytest.mark.parametrize(("body", "before"), STORM)
def test_an_alert_of_a_storm_is_folded_and_would_start_a_restore_alone(
    body: bytes, before: bytes
) -> None:
    tally = Tally()
    check_message(body, tally, before=before)
    assert set(tally.outcomes) == {"rejected, Folded"}
    alone = Tally()
    check_message(body, alone)
    assert {outcome.rpartition(", ")[2] for outcome in alone.outcomes} == {"by a plan"}


@pytest.mark.parametrize(
    ("message", "reading"),
    [
        (request("r1"), Reading(request_id="r1")),
        (cloud_event(request("r1")), Reading(request_id="r1", event_id="event-1")),
        (
            cloud_event(request("x", requestId=None), source="größe", id="🎉"),
            Reading(request_id="evt-c5f11e317bb00b1ec30c2d6e8ab4172c", event_id="🎉"),
        ),
        (alert(alertId=5), Reading(is_alert=True)),
        (request("r1", hello=1), Reading("has the unknown field 'hello'", "r1")),
        (
            cloud_event(grid_event({})),
            Reading("is an event in an event", event_id="event-1"),
        ),
        ([request("r1")] * 2, Reading("is a list of several, or of none")),
        ("r1", Reading("is no object")),
    ],
)
def test_a_plain_reading_of_a_message_sees_what_it_is_there_for(
    message: object, reading: Reading
) -> None:
    found = read(json.dumps(message).encode())
    if reading.reason_to_reject:
        assert found.reason_to_reject == reading.reason_to_reject
    else:
        assert found == reading


@pytest.mark.no_cover
@pytest.mark.parametrize("encoding", ["none", "base64"])
def test_a_queue_takes_the_events_and_gives_them_back_unchanged(
    azurite: Azurite, encoding: str
) -> None:
    name, given = f"fuzz-{uuid.uuid4()}", sorted(small_campaign().tally.events, key=len)[-READ:]
    assert len(given) == READ
    connection = azurite.connection_string
    with QueueClient.from_connection_string(connection, name) as queue:
        queue.create_queue()
        completions = CompletionQueue(
            Queues.open(Storage(connection_string=connection), None),
            name,
            encoding="base64" if encoding == "base64" else "none",
        )
        for text in given:
            completions.send(text)
        messages = [one.content for one in queue.receive_messages(max_messages=READ)]
        queue.delete_queue()
    assert sorted(_plain(one, encoding) for one in messages) == sorted(given)


@pytest.mark.parametrize(
    "url",
    [
        f"{POINTS}/1/restore?api-version=2026-07-01#x",
        f"{POINTS}/1/restore?api-version=2026-07-01&x=1",
        f"{POINTS}/1%2F..%2F2/restore?api-version=2026-07-01",
        f"{POINTS}/../restore?api-version=2026-07-01",
        f"https://elsewhere{VAULT}/backupJobs?api-version=2026-07-01",
        f"https://arm.test{VAULT}/backupJobs?api-version=2026-07-01&$filter=x' or 1 eq 1",
        f"https://arm.test{VAULT}/backupConfig/vaultconfig?api-version=2026-07-01",
        f"https://arm.test{VAULT.lower()}/backupJobs?api-version=2026-07-01",
    ],
)
def test_the_check_of_urls_sees_what_it_is_there_for(url: str) -> None:
    check_url(f"https://arm.test{VAULT}/backupJobs?api-version=2026-07-01")
    with pytest.raises(AssertionError):
        check_url(url)


@pytest.mark.parametrize("text", ['{"a":"é"}', '{"a":1}', '{"a":"' + "x" * 50_000 + '"}'])
def test_the_check_of_events_sees_what_it_is_there_for(text: str) -> None:
    with pytest.raises(AssertionError):
        check_event(text)


def _plain(content: str, encoding: str) -> str:
    return base64.b64decode(content).decode() if encoding == "base64" else content
