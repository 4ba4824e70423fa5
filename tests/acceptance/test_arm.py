"""The client of ARM: what is sent again, what is not, and where the token goes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.arm import TRIES, Arm, ArmError
from tests.acceptance.azure_stage import JumpingClock
from tests.acceptance.neutral import Neutral
from tests.acceptance.pace import Pace
from tests.acceptance.recorder import Recorder
from tests.simulators.arm_server import ArmServer, Reply, in_turn, serving

PATH, VERSION = "/subscriptions/s/resourceGroups/g", "2024-03-01"
BUSY = Reply(status=409, body={"error": {"code": "Busy", "message": "wait"}})


@pytest.fixture
def server() -> Iterator[ArmServer]:
    """A server that answers as the test says."""
    with serving(Reply()) as server:
        yield server


@pytest.fixture
def arm(server: ArmServer, tmp_path: Path) -> Iterator[Arm]:
    """A client of it, whose waits take no time."""
    neutral = Neutral(salt="x", subscription="s-1", names={}, endpoint=server.origin)
    arm = Arm(
        server.origin,
        token=lambda: "the-token",
        pace=Pace(clock=JumpingClock(), work=7200, total=7200),
        recorder=Recorder(tmp_path, neutral, kind="azure"),
    )
    yield arm
    arm.close()


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_read_is_tried_again_after_a_fault_of_the_service(
    arm: Arm, server: ArmServer, status: int
) -> None:
    server.answer = in_turn(Reply(status=status), Reply(body={"id": "x"}))
    assert arm.get(PATH, VERSION) == {"id": "x"}
    assert len(server.calls) == 2


def test_a_call_that_never_gets_through_is_an_error_with_the_facts(
    arm: Arm, server: ArmServer
) -> None:
    server.answer = in_turn(Reply(status=503, body={"error": {"code": "Down", "message": "m"}}))
    with pytest.raises(ArmError, match="503, Down: m"):
        arm.get(PATH, VERSION)
    assert len(server.calls) == TRIES


@pytest.mark.parametrize("reply", [Reply(status=503), Reply(end="reset", raw=b"")])
def test_a_post_is_sent_once_whatever_becomes_of_it(
    arm: Arm, server: ArmServer, reply: Reply
) -> None:
    server.answer = in_turn(reply)
    with pytest.raises(ArmError):
        arm.post(PATH, VERSION)
    assert len(server.calls) == 1


def test_a_put_waits_until_nothing_holds_the_resource(arm: Arm, server: ArmServer) -> None:
    server.answer = in_turn(BUSY, BUSY, Reply(body={"id": "x"}))
    assert arm.put(PATH, VERSION, {}) == {"id": "x"}
    assert arm.pace.spent >= 40


def test_what_is_in_the_way_of_a_put_for_ever_is_told(arm: Arm, server: ArmServer) -> None:
    server.answer = in_turn(BUSY)
    with pytest.raises(ArmError, match="409, Busy"):
        arm.put(PATH, VERSION, {})


def test_a_204_ends_an_operation_though_it_asks_to_be_polled(arm: Arm, server: ArmServer) -> None:
    url = f"{server.origin}/result?api-version=1"
    again = (("Retry-After", "60"), ("Location", url))
    server.answer = in_turn(
        Reply(status=202, headers=again),
        Reply(status=202, headers=again),
        Reply(status=204, headers=again),
    )
    arm.delete(PATH, VERSION)
    assert [call.method for call in server.calls] == ["DELETE", "GET", "GET"]


def test_an_operation_that_fails_is_an_error_with_its_reason(arm: Arm, server: ArmServer) -> None:
    status = f"{server.origin}/status?api-version=1"
    failed = {"status": "Failed", "error": {"code": "Quota", "message": "none is left"}}
    server.answer = in_turn(
        Reply(status=202, headers=(("Azure-AsyncOperation", status),)),
        Reply(body={"status": "InProgress"}),
        Reply(body=failed),
    )
    with pytest.raises(ArmError, match=r"ended Failed.*Quota: none is left"):
        arm.post(PATH, VERSION)


def test_every_page_of_a_list_is_read(arm: Arm, server: ArmServer) -> None:
    more = f"{server.origin}{PATH}/next?api-version=1"
    server.answer = in_turn(
        Reply(body={"value": [{"n": 1}], "nextLink": more}), Reply(body={"value": [{"n": 2}]})
    )
    assert arm.list(PATH, VERSION) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("how", ["nextLink", "Azure-AsyncOperation", "Location"])
def test_the_token_goes_to_no_other_host(arm: Arm, server: ArmServer, how: str) -> None:
    elsewhere = "https://management.azure.com.example/x"
    body = {"value": [], "nextLink": elsewhere} if how == "nextLink" else None
    status = 200 if how == "nextLink" else 202
    headers = () if how == "nextLink" else ((how, elsewhere),)
    server.answer = in_turn(Reply(status=status, body=body, headers=headers))
    ask = arm.list if how == "nextLink" else arm.post
    with pytest.raises(ArmError, match="ForeignUrl"):
        ask(PATH, VERSION)
    assert len(server.calls) == 1


def test_names_in_a_path_are_quoted_as_the_sdks_do_it(arm: Arm) -> None:
    url = arm.url("/a/StorageContainer;Storage;g;a", "1", {"$filter": "a eq 'b'"})
    assert url.endswith(
        "/a/StorageContainer%3BStorage%3Bg%3Ba?api-version=1&%24filter=a%20eq%20%27b%27"
    )
