"""The ARM client over real sockets: what a server, a proxy or a network may do to a call."""

from __future__ import annotations

import gzip
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3.util.connection
from hypothesis import given
from hypothesis import strategies as st

from restore_core import __version__
from restore_core.azure_backup import client as arm_module
from restore_core.azure_backup.client import Answer, ArmClient, error_of, retry_after
from restore_core.azure_backup.failures import SendOutcome, send_outcome
from restore_core.errors import ArmAnswer, ArmError, NoAnswer, NotSent
from tests.restore_core.given import VAULT, json_values, sample
from tests.simulators.arm_server import (
    DATE,
    ArmServer,
    Call,
    Reply,
    by_path,
    in_turn,
    serving,
)

SECRET = "token-that-goes-nowhere-else"
OK = Reply(body={"status": "fine"})
PATIENT = 60
BRIEF = 0.2
CLIENT_ID = "0a1b2c3d-0000-4000-8000-00000000000a"


class Tokens:
    """Tokens that are numbered, so that a test sees which one went out."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[bool] = []
        self.error = error

    def token(self, *, refresh: bool = False) -> str:
        self.asked.append(refresh)
        if self.error is not None:
            raise self.error
        return f"{SECRET}-{sum(self.asked)}"


def client(
    endpoint: ArmServer | str,
    tokens: Tokens | None = None,
    *,
    connect: float = PATIENT,
    answer: float = PATIENT,
) -> ArmClient:
    """A client that gives up only where a test wants it to, however busy the machine is."""
    return ArmClient(
        endpoint=endpoint if isinstance(endpoint, str) else endpoint.origin,
        api_version="2026-07-01",
        tokens=tokens,
        connect_limit=timedelta(seconds=connect),
        answer_limit=timedelta(seconds=answer),
    )


def get(arm: ArmClient, path: str = "/x") -> Answer:
    return arm.get(arm.url(path))


def post(arm: ArmClient, body: str = '{"a":1}') -> Answer:
    return arm.prepare_post(arm.url("/x"), body, CLIENT_ID).send()


BOTH = pytest.mark.parametrize("call", [get, post])


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no certificates of the machine that the tests run on."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.delenv("NETRC", raising=False)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture
def trusted(
    authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """A TLS server's context that the client trusts."""
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    return certified(authority, "127.0.0.1")


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


# --- good calls


def test_a_get_asks_for_json_with_an_id_of_its_own() -> None:
    with serving(OK) as server:
        arm = client(server)
        answer = arm.get(arm.url("/vaults/a b;c", odata_filter="x eq 'y'"))
        assert (answer.status, answer.body) == (200, {"status": "fine"})
        assert answer.date == datetime(2026, 11, 22, 8, tzinfo=UTC)
        get(arm)
        first, second = server.calls
    assert first.method == "GET"
    assert first.target == ("/vaults/a%20b%3Bc?api-version=2026-07-01&$filter=x%20eq%20%27y%27")
    assert first.headers["Accept"] == "application/json"
    assert first.headers["User-Agent"] == f"azure-files-restore/{__version__}"
    assert first.headers["Content-Type"] is None
    assert first.headers["Authorization"] is None
    ids = [call.headers["x-ms-client-request-id"] for call in (first, second)]
    assert all(len(one) == 36 for one in ids)
    assert ids[0] != ids[1]


def test_a_post_sends_just_the_body_and_the_id_that_it_was_given() -> None:
    with serving(Reply(status=202)) as server:
        post(client(server), body='{"ü":1}')
        (call,) = server.calls
    assert (call.method, call.body) == ("POST", '{"ü":1}'.encode())
    assert call.headers["x-ms-client-request-id"] == CLIENT_ID
    assert call.headers["Content-Type"] == "application/json"


def test_a_post_without_a_body_says_so() -> None:
    with serving(Reply(status=202)) as server:
        arm = client(server)
        arm.prepare_post(arm.url("/cancel")).send()
        (call,) = server.calls
    assert (call.headers["Content-Length"], call.body) == ("0", b"")
    assert len(call.headers["x-ms-client-request-id"]) == 36


def test_gets_share_a_connection_and_a_post_never_does() -> None:
    with serving(OK) as server:
        arm = client(server)
        for call in (get, get, post, get, post, get):
            call(arm)
        assert [call.connection for call in server.calls] == [0, 0, 1, 0, 2, 0]


def test_a_connection_is_shared_after_an_error_and_an_empty_answer_too() -> None:
    replies = in_turn(Reply(status=404, body={}), Reply(status=204), Reply(body=b""), OK)
    with serving(replies) as server:
        arm = client(server)
        with pytest.raises(ArmAnswer):
            get(arm)
        for _ in range(3):
            get(arm)
        assert [call.connection for call in server.calls] == [0, 0, 0, 0]


def test_threads_share_a_client() -> None:
    with serving(OK) as server:
        arm = client(server)
        threads = [threading.Thread(target=get, args=(arm,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.calls) == 8


@pytest.mark.parametrize(
    ("reply", "status", "body"),
    [
        (Reply(body={"a": 1}), 200, {"a": 1}),
        (Reply(body=b"\xef\xbb\xbf" + b'{"a": 1}'), 200, {"a": 1}),
        (Reply(body=b""), 200, {}),
        (Reply(status=204), 204, {}),
        (Reply(status=202), 202, {}),
        (Reply(status=202, body=b"<html>"), 202, {}),
        (Reply(body=b'{"a": "half \\ud800"}'), 200, {"a": "half \ufffd"}),
        (
            Reply(body=gzip.compress(b'{"a": 1}'), headers=(("Content-Encoding", "gzip"),)),
            200,
            {"a": 1},
        ),
    ],
)
def test_answers_that_are_usable(reply: Reply, status: int, body: object) -> None:
    with serving(reply) as server:
        answer = get(client(server))
    assert (answer.status, answer.body) == (status, body)


def test_a_chunked_answer_is_read_to_its_end() -> None:
    raw = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
    with serving(Reply(raw=raw)) as server:
        assert get(client(server)).body == {"a": 1}


def test_an_old_server_says_the_end_by_closing() -> None:
    for body in (b"", b'{"a": 1}'):
        with serving(Reply(raw=b"HTTP/1.0 200 OK\r\n\r\n" + body, end="close")) as server:
            assert get(client(server)).body == ({"a": 1} if body else {})


def test_doubled_headers_are_read_without_case() -> None:
    headers = (
        ("X-MS-Client-Request-Id", CLIENT_ID),
        ("x-ms-client-request-id", CLIENT_ID),
        ("x-ms-request-id", f"{CLIENT_ID}; {CLIENT_ID}"),
        ("Server", "one"),
        ("Server", "two"),
    )
    with serving(Reply(body={"a": 1}, headers=headers)) as server:
        answer = get(client(server))
    assert answer.headers.get("x-ms-CLIENT-request-id") == CLIENT_ID
    assert answer.headers.get("x-ms-request-id") == CLIENT_ID
    assert answer.headers.get("server") == "one, two"
    assert answer.headers.get("absent") == ""


def test_signed_links_of_four_kilobytes_come_through_whole() -> None:
    accepted = sample("2024_accepted")
    headers = tuple(
        (name, value) for name, value in accepted["headers"].items() if name != "Content-Length"
    )
    with serving(Reply(status=202, headers=headers)) as server:
        answer = post(client(server))
    for name in ("Location", "Azure-AsyncOperation"):
        assert len(accepted["headers"][name]) > 3000
        assert answer.headers.get(name) == accepted["headers"][name]


# --- answers that are errors


@pytest.mark.parametrize(
    ("reply", "code", "message"),
    [
        (Reply(status=500, body=sample("2021_error")), "RestApiInternalError", "Something inside"),
        (Reply(status=404, body={}), "", ""),
        (Reply(status=404, body=b""), "", ""),
        (Reply(status=400, body={"code": "Top", "message": "level"}), "Top", "level"),
        (Reply(status=400, body={"Error": {"Code": "Pascal", "Message": "m"}}), "Pascal", "m"),
        (Reply(status=400, body={"error": {"error": {"code": "Twice"}}}), "Twice", ""),
        (Reply(status=400, body=b'{"error":' * 500 + b'{"code":1}' + b"}" * 500), "1", ""),
        (Reply(status=400, body={"error": {"code": 400, "message": {"value": "x"}}}), "400", ""),
        (Reply(status=400, body={"error": "invalid_grant"}), "", ""),
        (Reply(status=400, body={"error": {"code": [[1]], "message": None}}), "", ""),
        (Reply(status=400, body=b'{"message": "half \\udc00"}'), "", "half \ufffd"),
        (Reply(status=502, body=b"<html>Bad gateway of ACME</html>"), "", "<html>Bad gateway of"),
        (Reply(status=502, body=b"\xff\xfe<html>"), "", "\ufffd\ufffd<html>"),
        (Reply(status=429, body=[1, 2]), "", "[1, 2]"),
        (Reply(status=418, body=b"nul\x00l"), "", "nul"),
    ],
)
@BOTH
def test_an_error_keeps_the_services_code_and_words(
    call: Any, reply: Reply, code: str, message: str
) -> None:
    with serving(reply) as server:
        with pytest.raises(ArmAnswer) as raised:
            call(client(server))
        assert len(server.calls) == 1
    assert (raised.value.status, raised.value.code) == (reply.status, code)
    assert raised.value.message.startswith(message)
    assert bool(raised.value.message) is bool(message)


def test_a_page_that_quotes_our_request_gives_no_secret_and_no_line_away() -> None:
    page = (
        b"<pre>GET /x?api-version=1&t=1&c=CERT&s=SIGNED&h=HASH\r\n"
        b"Authorization: Bearer eyJ0.eyJh.sig\r\nINFO all is well</pre>"
    )
    with serving(Reply(status=407, body=page)) as server, pytest.raises(ArmAnswer) as raised:
        get(client(server))
    text = str(raised.value)
    assert not any(secret in text for secret in ("eyJ0", "CERT", "SIGNED", "HASH"))
    assert text.isprintable()
    assert "Authorization: Bearer (removed) INFO" in text


def test_an_error_keeps_what_support_asks_for_and_who_answered() -> None:
    headers = (
        ("x-ms-failure-cause", "Gateway"),
        ("x-ms-correlation-request-id", f"{CLIENT_ID}, {CLIENT_ID}"),
        ("Retry-After", "17"),
    )
    with (
        serving(Reply(status=404, body={"code": "c"}, headers=headers)) as server,
        pytest.raises(ArmAnswer) as raised,
    ):
        get(client(server))
    error = raised.value
    assert (error.gateway, error.request_id) == (True, CLIENT_ID)
    assert error.retry_after == timedelta(seconds=17)


def test_long_words_of_an_error_are_bounded() -> None:
    body = {"code": "c" * 9000, "message": "m" * 9000}
    with serving(Reply(status=400, body=body)) as server, pytest.raises(ArmAnswer) as raised:
        get(client(server))
    assert (len(raised.value.code), len(raised.value.message)) == (200, 2000)


@pytest.mark.parametrize(
    "status", [201, 203, 206, 301, 302, 303, 307, 308, 400, 403, 404, 408, 409]
)
@BOTH
def test_any_other_status_is_an_answer_and_comes_once(call: Any, status: int) -> None:
    headers = (("Retry-After", "0"),)
    with serving(Reply(status=status, body={}, headers=headers)) as server:
        with pytest.raises(ArmAnswer) as raised:
            call(client(server))
        assert raised.value.status == status
        assert len(server.calls) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@BOTH
def test_nothing_is_tried_again_whatever_retry_after_says(call: Any, status: int) -> None:
    with serving(in_turn(Reply(status=status, headers=(("Retry-After", "0"),)), OK)) as server:
        with pytest.raises(ArmAnswer):
            call(client(server))
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    "location", ["/y", "{origin}/y", "http://[bad", "\xff\xfe", "", "http://u@h"]
)
@BOTH
def test_a_redirect_is_not_followed_wherever_it_leads(call: Any, location: str) -> None:
    with serving(OK) as elsewhere:
        to = location.format(origin=elsewhere.origin)
        reply = Reply(status=307, body=b"moved", headers=(("Location", to),))
        with serving(reply) as server:
            with pytest.raises(ArmAnswer) as raised:
                call(client(server))
            assert raised.value.status == 307
            assert send_outcome(raised.value) is SendOutcome.REFUSED
            assert len(server.calls) == 1
        assert elsewhere.calls == []


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("60", timedelta(seconds=60)),
        ("0", timedelta(0)),
        (" 5 ", timedelta(seconds=5)),
        ("999999", timedelta(days=1)),
        ("Sun, 22 Nov 2026 08:01:40 GMT", timedelta(seconds=100)),
        ("Sunday, 22-Nov-26 08:01:40 GMT", timedelta(seconds=100)),
        ("Sun Nov 22 08:01:40 2026", timedelta(seconds=100)),
        ("Sun, 22 Nov 2026 07:59:00 GMT", timedelta(0)),
        ("Mon, 22 Nov 2027 08:00:00 GMT", timedelta(days=1)),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("9999999", None),
        ("", None),
        ("Sun, 99 Nov 2026 08:00:00 GMT", None),
    ],
)
def test_retry_after_in_seconds_as_a_date_and_as_nonsense(
    header: str, wait: timedelta | None
) -> None:
    with (
        serving(Reply(status=429, headers=(("Retry-After", header),))) as server,
        pytest.raises(ArmAnswer) as raised,
    ):
        get(client(server))
    assert raised.value.retry_after == wait


def test_a_date_is_measured_from_the_services_clock_and_from_no_other() -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 08:01:40 GMT"}
    without = Answer(status=429, headers=arm_module._Headers(headers), body={})
    assert retry_after(without) is None
    dated = Answer(status=429, headers=arm_module._Headers(headers | {"date": DATE}), body={})
    assert retry_after(dated) == timedelta(seconds=100)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"], ids=["at Greenwich", "far from Greenwich"])
def test_a_date_without_a_zone_is_greenwich_time(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        answer = Answer(
            status=200,
            headers=arm_module._Headers({"Date": "Sun Nov 22 08:00:00 2026"}),
            body={},
        )
        assert answer.date == datetime(2026, 11, 22, 8, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_any_date_and_any_retry_after_is_read_without_a_crash(text: str) -> None:
    headers = arm_module._Headers({"Date": text, "Retry-After": text})
    answer = Answer(status=429, headers=headers, body={})
    assert answer.date is None or answer.date.tzinfo is UTC
    wait = retry_after(answer)
    assert wait is None or timedelta(0) <= wait <= timedelta(days=1)


@given(st.dictionaries(st.sampled_from(["error", "Error", "code", "message", "x"]), json_values))
def test_any_error_body_has_a_code_and_a_message_that_are_texts(body: dict[str, Any]) -> None:
    for one in (body, {"error": body}):
        code, message = error_of(one)
        assert isinstance(code, str)
        assert isinstance(message, str)


# --- no usable answer


UNUSABLE: dict[str, Reply] = {
    "reset before the answer": Reply(raw=b"", end="reset"),
    "closed before the answer": Reply(raw=b"", end="close"),
    "no answer": Reply(raw=b"", end="hang"),
    "half a status line": Reply(raw=b"HTTP/1.1 20", end="close"),
    "no HTTP": Reply(raw=b"SSH-2.0-x\r\n\r\n", end="close"),
    "headers without an end": Reply(raw=b"HTTP/1.1 200 OK\r\nDate: x\r\nConte", end="reset"),
    "silence in the headers": Reply(raw=b"HTTP/1.1 200 OK\r\nDate: x\r\n", end="hang"),
    "a very long header": Reply(raw=b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000 + b"\r\n\r\n"),
    "very many headers": Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 300 + b"\r\n"),
    "reset in the body": Reply(
        raw=b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"a": 1', end="reset"
    ),
    "closed in the body": Reply(
        raw=b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"a": 1}', end="close"
    ),
    "an end in the headers": Reply(raw=b"HTTP/1.1 200 OK\r\nDate: x\r\nConte", end="close"),
    "half a body of no length": Reply(raw=b'HTTP/1.1 200 OK\r\n\r\n{"a": 1', end="close"),
    "a broken chunk": Reply(
        raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", end="close"
    ),
    "silence in the body": Reply(
        raw=b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"a": 1', end="hang"
    ),
    "no gzip": Reply(body=b"\x1f\x8bnonsense", headers=(("Content-Encoding", "gzip"),)),
    "a list": Reply(body=[1]),
    "a word": Reply(body=b"true"),
    "an empty object": Reply(body={}),
    "not a number": Reply(body=b"12.5"),
    "a page": Reply(body=b"<html>please log in</html>"),
    "half an object": Reply(body=b'{"a": '),
    "depth": Reply(body=b'{"a":' * 50000),
    "digits": Reply(body=b'{"a":' + b"9" * 9000 + b"}"),
    "another encoding": Reply(body=b'{"a": "\xff"}'),
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
@BOTH
def test_what_is_no_answer_leaves_open_what_happened(call: Any, reply: Reply) -> None:
    with serving(reply) as server:
        with pytest.raises(NoAnswer) as raised:
            call(client(server, answer=BRIEF if reply.end == "hang" else PATIENT))
        assert send_outcome(raised.value) is SendOutcome.UNKNOWN
        if reply.end == "hang":
            assert server.silent.wait(PATIENT)  # the client may be the first to be done
        assert len(server.calls) == 1


class Deadlines:
    """The clock of a client's deadlines: one passes when a test says so, and not before."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._cuts: list[Callable[[], None]] = []

    def timer(self, seconds: float, cut: Callable[[], None]) -> Deadlines:
        """Stand where the client makes a timer."""
        self.seconds.append(seconds)
        self._cuts.append(cut)
        return self

    def start(self) -> None:
        """Nothing: time stands still."""

    def cancel(self) -> None:
        """Nothing: no deadline is ahead."""

    def pass_last(self) -> None:
        """Let the newest deadline pass."""
        self._cuts[-1]()

    def pass_when_silent(self, server: ArmServer) -> threading.Thread:
        """Let it pass once the server has begun an answer and says no more."""

        def wait() -> None:
            if server.silent.wait(PATIENT):
                self.pass_last()

        thread = threading.Thread(target=wait)
        thread.start()
        return thread


@pytest.fixture
def deadlines(monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    deadlines = Deadlines()
    monkeypatch.setattr("restore_core.azure_backup.client.threading.Timer", deadlines.timer)
    return deadlines


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body={"a": "x" * 100}, stall=120),
        Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9, stall=7),
        Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9, stall=35),
        Reply(raw=b'HTTP/1.1 200 OK\r\n\r\n{"a": 1}' + b" " * 50, stall=40),
        Reply(
            raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 9,
            stall=57,
        ),
        Reply(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 9, stall=60),
    ],
    ids=["a long answer", "status", "headers", "a body of no length", "chunks", "continue"],
)
@BOTH
def test_an_answer_is_cut_off_wherever_its_deadline_finds_it(
    call: Any, reply: Reply, deadlines: Deadlines
) -> None:
    with serving(reply) as server:
        passing = deadlines.pass_when_silent(server)
        with pytest.raises(NoAnswer, match="too slow"):
            call(client(server, connect=70, answer=80))
        passing.join()
    assert deadlines.seconds == [150], "one deadline for all of it"


def test_a_drip_does_not_put_the_deadline_off() -> None:
    """Every byte comes well within a socket's timeout, and the last one after many minutes."""
    with (
        serving(Reply(body={"a": "x" * 20_000}, drip=0.05)) as server,
        # On a busy machine the deadline may be there before the request is sent.
        pytest.raises((NoAnswer, NotSent)),
    ):
        get(client(server, connect=0.2, answer=0.4))


def test_the_next_get_after_one_that_was_cut_off_works(deadlines: Deadlines) -> None:
    with serving(in_turn(OK, Reply(raw=b"", end="hang"), OK)) as server:
        arm = client(server)
        get(arm)
        passing = deadlines.pass_when_silent(server)
        with pytest.raises(NoAnswer):
            get(arm)
        passing.join()
        assert get(arm).body == {"status": "fine"}
        assert [call.connection for call in server.calls] == [0, 0, 1]


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    with serving(in_turn(Reply(body={"a": 1}, end="close"), OK)) as server:
        arm = client(server)
        get(arm)
        assert server.closed.wait(PATIENT)
        assert get(arm).body == {"status": "fine"}
        assert [call.connection for call in server.calls] == [0, 1]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@BOTH
def test_an_answer_that_is_too_large_is_given_up(
    call: Any, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arm_module, "MAX_BODY_BYTES", 200_000)
    body = b'{"a": "' + b"x" * 300_000 + b'"}'
    reply = Reply(body=body)
    if packed:
        reply = Reply(body=gzip.compress(body), headers=(("Content-Encoding", "gzip"),))
    with serving(reply) as server, pytest.raises(NoAnswer, match="too large"):
        call(client(server))


def test_the_body_of_a_redirect_and_of_an_error_has_a_limit_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arm_module, "MAX_BODY_BYTES", 200_000)
    for status in (302, 500):
        reply = Reply(status=status, body=b"x" * 300_000, headers=(("Location", "/y"),))
        with serving(reply) as server, pytest.raises(NoAnswer, match="too large"):
            get(client(server))


# --- certainly not sent


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine where nobody listens, and nobody else can."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


@BOTH
def test_a_refused_connection_is_not_sent(call: Any, closed_port: int) -> None:
    with pytest.raises(NotSent):
        call(client(f"http://127.0.0.1:{closed_port}"))


@BOTH
def test_a_host_without_an_address_is_not_sent(call: Any) -> None:
    with pytest.raises(NotSent):
        call(client("https://nobody.invalid"))


@BOTH
def test_a_host_that_is_no_name_is_not_sent(call: Any) -> None:
    with pytest.raises(NotSent):
        call(client("https://" + "a" * 70 + ".example"))


@BOTH
def test_an_untrusted_certificate_is_not_sent(call: Any, authority: trustme.CA) -> None:
    tokens = Tokens()
    with serving(OK, tls=certified(authority, "127.0.0.1")) as server:
        with pytest.raises(NotSent):
            call(client(server, tokens))
        assert server.calls == []


@BOTH
def test_a_certificate_of_another_host_is_not_sent(
    call: Any, authority: trustme.CA, trusted: ssl.SSLContext
) -> None:
    with serving(OK, tls=certified(authority, "other.example")) as server:
        with pytest.raises(NotSent):
            call(client(server, Tokens()))
        assert server.calls == []


@BOTH
def test_a_server_that_speaks_no_tls_is_not_sent(call: Any) -> None:
    with serving(OK) as server, pytest.raises(NotSent):
        # The server may wait for the end of a line that no handshake has.
        call(client(server.origin.replace("http:", "https:"), Tokens(), connect=BRIEF))


@BOTH
def test_a_handshake_that_never_ends_is_not_sent(call: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(NotSent):
            call(client(f"https://127.0.0.1:{port}", Tokens(), connect=BRIEF, answer=BRIEF))


@BOTH
def test_a_connection_that_came_too_late_is_not_used(
    call: Any, deadlines: Deadlines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several addresses that do not answer take longer than the deadline for everything."""
    connect = urllib3.util.connection.create_connection

    def slow(*arguments: Any, **options: Any) -> socket.socket:
        deadlines.pass_last()
        return connect(*arguments, **options)

    monkeypatch.setattr("urllib3.util.connection.create_connection", slow)
    with serving(OK) as server:
        with pytest.raises(NotSent, match="too slow"):
            call(client(server))
        assert server.calls == []


@BOTH
def test_no_token_is_not_sent(call: Any, trusted: ssl.SSLContext) -> None:
    with serving(OK, tls=trusted) as server:
        with pytest.raises(NotSent, match="no token today"):
            call(client(server, Tokens(NotSent("no token today"))))
        assert server.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        *("http://elsewhere.example/x", "https://127.0.0.1:{port}/x", "http://127.0.0.1/x"),
        *("http://localhost:{port}/x", "http://127.0.0.1:{port}@elsewhere.example/x"),
        *("http://u:p@127.0.0.1:{port}/x", "//127.0.0.1:{port}/x", "/x", "", "file:///etc/passwd"),
        *("http://127.0.0.1:{port}\\@elsewhere.example/x", "http://127.0.0.1:0/x"),
        *("http://127.0.0.1:{port}.elsewhere.example/x", "http://[::1/x", "http://127.0.0.1:p/x"),
    ],
)
def test_an_address_of_another_origin_is_not_called(url: str) -> None:
    with serving(OK) as server:
        arm = client(server)
        address = url.format(port=server.port)
        with pytest.raises(NotSent):
            arm.get(address)
        with pytest.raises(NotSent):
            arm.prepare_post(address).send()
        assert server.connections == 0


# --- the token


@BOTH
def test_a_token_goes_to_the_configured_origin(call: Any, trusted: ssl.SSLContext) -> None:
    with serving(OK, tls=trusted) as server:
        call(client(server, Tokens()))
        assert server.tokens == [f"Bearer {SECRET}-0"]


@BOTH
def test_a_token_is_neither_asked_for_nor_sent_in_clear(call: Any) -> None:
    tokens = Tokens()
    with serving(OK) as server:
        call(client(server, tokens))
        assert server.tokens == [None]
    assert tokens.asked == []


def test_a_get_that_was_refused_is_tried_once_with_a_new_token(trusted: ssl.SSLContext) -> None:
    tokens = Tokens()
    with serving(in_turn(Reply(status=401, body={}), OK), tls=trusted) as server:
        assert get(client(server, tokens)).body == {"status": "fine"}
        assert server.tokens == [f"Bearer {SECRET}-0", f"Bearer {SECRET}-1"]
    assert tokens.asked == [False, True]


def test_a_get_that_is_refused_twice_is_refused(trusted: ssl.SSLContext) -> None:
    with serving(Reply(status=401, body={}), tls=trusted) as server:
        with pytest.raises(ArmAnswer) as raised:
            get(client(server, Tokens()))
        assert raised.value.status == 401
        assert len(server.calls) == 2


def test_without_tokens_a_401_is_final() -> None:
    with serving(Reply(status=401, body={})) as server:
        with pytest.raises(ArmAnswer):
            get(client(server))
        assert len(server.calls) == 1


def test_a_post_is_sent_again_only_when_it_is_told_to(trusted: ssl.SSLContext) -> None:
    tokens = Tokens()
    with serving(in_turn(Reply(status=401, body={}), Reply(status=202)), tls=trusted) as server:
        arm = client(server, tokens)
        prepared = arm.prepare_post(arm.url("/x"), "{}", CLIENT_ID)
        assert tokens.asked == [False]
        assert server.connections == 0
        with pytest.raises(ArmAnswer):
            prepared.send()
        assert len(server.calls) == 1
        prepared.renew_token()
        assert prepared.send().status == 202
        assert server.tokens == [f"Bearer {SECRET}-0", f"Bearer {SECRET}-1"]
        assert {call.headers["x-ms-client-request-id"] for call in server.calls} == {CLIENT_ID}


@BOTH
def test_netrc_does_not_replace_the_token(
    call: Any, trusted: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password mine\ndefault login me password mine\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(OK, tls=trusted) as server:
        call(client(server, Tokens()))
        assert server.tokens == [f"Bearer {SECRET}-0"]
    with serving(OK) as server:
        call(client(server))
        assert server.tokens == [None]


@BOTH
def test_a_redirect_does_not_take_the_token_along(call: Any, trusted: ssl.SSLContext) -> None:
    with serving(OK) as elsewhere:
        moved = Reply(status=302, headers=(("Location", elsewhere.origin),))
        with serving(moved, tls=trusted) as server, pytest.raises(ArmAnswer):
            call(client(server, Tokens()))
        assert elsewhere.connections == 0


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"])
@BOTH
def test_no_proxy_stands_between_this_machine_and_itself(
    call: Any, name: str, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(OK) as proxy:
        monkeypatch.setenv(name, proxy.origin)
        for tls in (None, trusted):
            with serving(OK, tls=tls) as server:
                call(client(server, Tokens()))
                assert len(server.calls) == 1
        assert proxy.connections == 0


# --- a proxy on the way to a real host


class _Proxy(socketserver.ThreadingTCPServer):
    """A proxy that notes what it is told and connects every tunnel to one port."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, to: int, refuse: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.to = to
        self.refuse = refuse
        self.told: list[bytes] = []


class _Tunnel(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        self.server.told.append(head)
        if self.server.refuse:
            self.request.sendall(self.server.refuse)
            return
        with socket.create_connection(("127.0.0.1", self.server.to)) as onward:
            self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, self.request))
            back.start()
            _pump(self.request, onward)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def proxying(to: int, refuse: bytes = b"") -> Iterator[_Proxy]:
    with _Proxy(to, refuse) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()


@BOTH
def test_a_proxy_sees_a_tunnel_and_no_token(
    call: Any,
    authority: trustme.CA,
    trusted: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        serving(OK, tls=certified(authority, "arm.example")) as server,
        proxying(server.port) as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        arm = client("https://arm.example", Tokens())
        call(arm)
        assert server.tokens == [f"Bearer {SECRET}-0"]
        assert len(proxy.told) == 1
        assert proxy.told[0].startswith(b"CONNECT arm.example:443 ")
        assert SECRET.encode() not in proxy.told[0]
        arm.close()


@pytest.mark.parametrize(
    "refusal", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"HTTP/1.1 502 Bad\r\n\r\n", b"nonsense\r\n\r\n"]
)
@BOTH
def test_a_tunnel_that_is_refused_is_not_sent(
    call: Any, refusal: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxying(0, refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_address[1]}")
        with pytest.raises(NotSent):
            call(client("https://arm.example", Tokens()))
        assert len(proxy.told) == 1


@BOTH
def test_a_proxy_that_is_not_there_is_not_sent(
    call: Any, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(NotSent):
        call(client("https://arm.example", Tokens()))


# --- secrets


@pytest.mark.parametrize(
    "reply", [Reply(status=403, body={}), Reply(raw=b"", end="reset"), Reply(body=b"<html>")]
)
def test_no_error_shows_the_token(trusted: ssl.SSLContext, reply: Reply) -> None:
    with serving(reply, tls=trusted) as server, pytest.raises(ArmError) as raised:
        get(client(server, Tokens()))
    chain: BaseException | None = raised.value
    while chain is not None:
        assert SECRET not in str(chain)
        chain = chain.__cause__


def test_urls_are_quoted_as_the_service_takes_them() -> None:
    arm = client("https://arm.example/")
    item = f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;storage;a(b)_ü;c"
    assert arm.url(item) == (
        f"https://arm.example{VAULT}/backupFabrics/Azure/protectionContainers/"
        "StorageContainer%3Bstorage%3Ba(b)_%C3%BC%3Bc?api-version=2026-07-01"
    )


def test_a_scripted_server_answers_by_path() -> None:
    replies = by_path({"/a": OK, "/b": Reply(status=409, body={"code": "x"})})
    with serving(replies) as server:
        arm = client(server)
        assert get(arm, "/a").body == {"status": "fine"}
        for path in ("/b", "/c"):
            with pytest.raises(ArmAnswer):
                get(arm, path)
        calls: list[Call] = server.calls
        assert [call.path for call in calls] == ["/a", "/b", "/c"]
