"""Messages on the whole stack: every one is answered, and no id runs twice."""

from __future__ import annotations

import json
import time

import pytest

from tests.stack.estate import Share
from tests.stack.outside import Json, Outside, encoded
from tests.stack.town import Town, elsewhere, request

SLOW = 600.0
"""A job that runs so many service seconds is long enough to be met while it runs."""


def slow(outside: Outside, share: Share) -> None:
    """The share's next restore takes its time."""
    outside.fault("restore", "outcome", path=share.name, duration=SLOW)


@pytest.mark.parametrize("in_base64", [False, True], ids=["plain", "base64"])
def test_a_message_that_is_no_request_is_rejected_with_every_problem(
    outside: Outside, in_base64: bool
) -> None:
    hello = {"hello": 1}

    data = outside.rejection_of(outside.send(encoded(hello) if in_base64 else hello))

    assert data["reason"] == "Invalid"
    paths = [problem["path"] for problem in data["problems"]]
    assert sorted(paths) == sorted(
        ["schemaVersion", "requestId", "vaultId", "source", "recoveryPoint", "target", "hello"]
    )
    outside.await_quiet()
    assert outside.poisoned() == []


@pytest.mark.parametrize(
    "text", ["please restore everything :-(", "{", "[]", "1", "aGVsbG8=", "{}"]
)
def test_a_message_that_nobody_can_read_is_answered_too(outside: Outside, text: str) -> None:
    message_id = outside.send(text)

    data = outside.rejection_of(message_id)

    assert data["messageId"] == message_id
    assert data["reason"] in {"Unreadable", "Invalid"}
    assert data["problems"]


def test_a_rejected_event_is_known_by_its_text_and_not_by_its_own_id(outside: Outside) -> None:
    event = {"specversion": "1.0", "type": "x", "source": "/s", "id": "mine", "data": {"a": 1}}
    known_by = {outside.send(event) for _ in range(2)}
    (message_id,) = known_by
    assert message_id.startswith("body-")

    data = outside.rejection_of(message_id)
    outside.await_quiet()

    assert data["messageId"] == message_id
    copies = [text for text in outside.texts if json.loads(text)["subject"] == message_id]
    assert len(copies) == 2
    assert len(set(copies)) == 1, "every copy has the same bytes"
    assert "time" not in json.loads(copies[0])


def test_completions_are_cloud_events_in_ascii(share: Share, outside: Outside) -> None:
    text = "Grüße 😀 資料"
    sent = request(
        share,
        "ascii",
        target=elsewhere("target-0", "Übersicht/資料"),
        copyOptions=None,
        requestedBy=text,
        labels={"größe": text},
    )
    outside.send(sent)

    (event,) = outside.await_events("ascii")

    (raw,) = [one for one in outside.texts if json.loads(one)["subject"] == "ascii"]
    assert raw.isascii()
    assert len(raw) <= 48 * 1024
    assert set(event) == {
        *("specversion", "type", "source", "id", "subject", "time", "datacontenttype", "data"),
    }
    assert event["specversion"] == "1.0"
    assert event["type"] == "azurefilesrestore.Completed.v1"
    assert event["id"] == "ascii/Completed"
    assert event["source"] == "/azure-files-restore"
    assert event["time"] == event["data"]["finishedAt"]
    assert event["data"]["requestedBy"] == text
    assert event["data"]["labels"] == {"größe": text}
    assert event["data"]["target"]["folder"] == "Übersicht/資料"


def test_the_same_message_sent_many_times_is_one_restore(share: Share, outside: Outside) -> None:
    sent = request(share, "many-times")
    for n in range(6):
        outside.send(encoded(sent) if n % 2 else sent)

    outside.end_of("many-times")
    outside.await_quiet()

    assert len(outside.jobs(share.name)) == 1
    assert {json.loads(text)["id"] for text in outside.texts if "many-times" in text} == {
        "many-times/Completed"
    }


def test_a_resend_after_the_end_brings_the_same_bytes_again(share: Share, outside: Outside) -> None:
    sent = request(share, "again")
    outside.send(sent)
    outside.end_of("again")
    time.sleep(1.1)  # the queue tells a message's time in whole seconds
    outside.send(sent)
    outside.await_quiet()

    copies = [text for text in outside.texts if json.loads(text)["subject"] == "again"]

    assert len(copies) == 2
    assert len(set(copies)) == 1
    assert len(outside.jobs(share.name)) == 1


def test_an_id_that_was_used_for_another_restore_is_refused(town: Town, outside: Outside) -> None:
    first, second = town.share(), town.share()
    outside.send(request(first, "reused"))
    outside.end_of("reused")

    data = outside.rejection_of(outside.send(request(second, "reused")))

    assert (data["reason"], data["requestId"]) == ("RequestIdReused", "reused")
    assert len(outside.jobs(first.name)) == 1
    assert outside.jobs(second.name) == []


def test_a_cancel_stops_a_running_restore(share: Share, outside: Outside) -> None:
    slow(outside, share)
    outside.send(request(share, "stop"))
    outside.await_phase("stop", "JobInProgress")
    outside.send(cancel("stop"))

    end = outside.end_of("stop")

    assert (end["phase"], end["reason"]) == ("Cancelled", "JobCancelled")
    assert "stay" in end["message"]
    (job,) = outside.jobs(share.name)
    assert job["status"] == "Cancelled"


def test_a_cancel_of_a_waiting_request_keeps_it_from_being_sent(
    town: Town, outside: Outside
) -> None:
    first, second = town.share(), town.share()
    slow(outside, first)
    target = {"target": elsewhere("target-3", "x"), "copyOptions": None}
    outside.send(request(first, "in-the-way", **target))
    outside.await_phase("in-the-way", "JobInProgress")
    outside.send(request(second, "waits", **target))
    outside.await_phase("waits", "Accepted")
    outside.send(cancel("waits"))

    end = outside.end_of("waits")

    assert (end["phase"], end["reason"]) == ("Cancelled", "CancelledByRequest")
    assert end["restoreStarted"] == "no"
    assert outside.jobs(second.name) == []
    outside.send(cancel("in-the-way"))
    assert outside.end_of("in-the-way")["phase"] == "Cancelled"
    outside.await_quiet()
    assert outside.held_targets() == []


def test_a_cancel_that_comes_before_its_request_keeps_it_from_being_sent(
    share: Share, outside: Outside
) -> None:
    early = outside.rejection_of(outside.send(cancel("too-early")))
    outside.send(request(share, "too-early"))

    end = outside.end_of("too-early")

    assert early["reason"] == "UnknownRequest"
    assert (end["phase"], end["reason"]) == ("Cancelled", "CancelledBeforeArrival")
    assert outside.jobs(share.name) == []


def test_a_cancel_of_what_has_ended_is_answered(share: Share, outside: Outside) -> None:
    outside.send(request(share, "over"))
    outside.end_of("over")

    data = outside.rejection_of(outside.send(cancel("over")))

    assert (data["reason"], data["requestId"]) == ("AlreadyFinal", "over")


def cancel(request_id: str) -> Json:
    """A cancel message."""
    return {"schemaVersion": "1.0", "action": "cancel", "requestId": request_id}
