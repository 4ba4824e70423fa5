import base64
import random
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.host.app import Function
from local.host.queues import NotBase64Error, QueueAddress, decode, polling_delay
from local.host.settings import SettingsError
from tests.local.host.running import Hosts, count, eventually
from tests.patience import PATIENCE

LISTENER = """
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="")
def work(message: func.QueueMessage) -> None:
"""

# The first message ends at once; the others stay in work until as many were in work together as
# the test waits for, and a little longer, so that one more would be seen.
TOGETHER = """
def most_at_once():
    running = most = 0
    with open(os.environ["RECORD"]) as file:
        for line in file:
            running += 1 if '"start"' in line else -1
            most = max(most, running)
    return most


@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="")
def work(message: func.QueueMessage) -> None:
    text = message.get_body().decode()
    record(event="start", text=text)
    while text != "0" and most_at_once() < int(os.environ["TOGETHER"]):
        time.sleep(0.01)
    time.sleep(0.1)
    record(event="end")
"""


def most_at_once(hosts: Hosts) -> int:
    running = most = 0
    for entry in hosts.recorded():
        running += 1 if entry["event"] == "start" else -1
        most = max(most, running)
    return most


def test_no_more_than_a_batch_and_the_threshold_are_in_work(hosts: Hosts) -> None:
    hosts.write(TOGETHER, batchSize=2, newBatchThreshold=1)
    queue = hosts.queue()
    for number in range(8):
        queue.send_message(str(number))
    hosts.start(QUEUE=queue.queue_name, TOGETHER="3", PYTHON_THREADPOOL_THREAD_COUNT="10")

    eventually(lambda: count(queue) == 0)

    assert most_at_once(hosts) == 3
    texts = [entry["text"] for entry in hosts.recorded() if entry["event"] == "start"]
    assert sorted(texts) == [str(number) for number in range(8)]


def test_synchronous_functions_share_the_threads_of_the_worker(hosts: Hosts) -> None:
    hosts.write(TOGETHER, batchSize=4)
    queue = hosts.queue()
    for number in range(4):
        queue.send_message(str(number))
    hosts.start(QUEUE=queue.queue_name, TOGETHER="1", PYTHON_THREADPOOL_THREAD_COUNT="1")

    eventually(lambda: count(queue) == 0)

    assert most_at_once(hosts) == 1


def test_a_lease_is_renewed_for_as_long_as_the_function_runs(hosts: Hosts) -> None:
    hosts.write(
        LISTENER
        + """
    record(count=message.dequeue_count)
    time.sleep(5)
    record(done=True)
"""
    )
    queue = hosts.queue()
    queue.send_message("long")
    host = hosts.start("--lease", "4", QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    first, second = hosts.recorded()
    assert first["count"] == 1
    assert second["done"]
    assert not host.logged("host.queues")


def test_a_failure_is_released_after_the_visibility_timeout_and_ends_as_poison(
    hosts: Hosts,
) -> None:
    hosts.write(
        LISTENER + "    record(count=message.dequeue_count)\n    raise ValueError('no\\nway')\n",
        maxDequeueCount=2,
        visibilityTimeout="00:00:01",
    )
    queue = hosts.queue()
    sent = queue.send_message("bad")
    host = hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    first, second = hosts.recorded()
    assert (first["count"], second["count"]) == (1, 2)
    assert second["at"] - first["at"] >= 1.0
    (copy,) = hosts.poison(queue).receive_messages()
    assert copy.content == "bad"
    assert copy.id != sent.id
    # One line for each failure, traceback and all, with the function and its invocation.
    failures = host.logged(r"ERROR work [0-9a-f-]{36} host: failed .*no\\nway")
    assert len(failures) == 2


def test_a_message_that_was_taken_too_often_goes_to_poison_without_a_run(hosts: Hosts) -> None:
    hosts.write(LISTENER + "    record(ran=True)\n", maxDequeueCount=1)
    queue = hosts.queue()
    queue.send_message("crashes every host")
    assert queue.receive_message(visibility_timeout=1) is not None
    hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    assert count(hosts.poison(queue)) == 1
    assert hosts.recorded() == []


def test_another_host_gets_the_message_of_a_killed_one(hosts: Hosts) -> None:
    hosts.write(
        LISTENER
        + """
    record(count=message.dequeue_count)
    if message.dequeue_count == 1:
        time.sleep(60)
"""
    )
    queue = hosts.queue()
    queue.send_message("precious")
    first = hosts.start("--lease", "2", QUEUE=queue.queue_name)
    eventually(hosts.recorded)
    first.child.kill()
    first.child.wait()

    hosts.start("--lease", "2", QUEUE=queue.queue_name)
    eventually(lambda: count(queue) == 0)

    assert [entry["count"] for entry in hosts.recorded()] == [1, 2]


def test_a_host_that_is_told_to_end_finishes_what_runs_and_takes_no_more(hosts: Hosts) -> None:
    hosts.write(
        LISTENER
        + """
    record(event="start")
    while not os.path.exists(os.environ["RELEASED"]):
        time.sleep(0.01)
    time.sleep(0.3)
    record(event="end")
""",
        batchSize=1,
        newBatchThreshold=0,
    )
    queue = hosts.queue()
    queue.send_message("one")
    queue.send_message("two")
    released = hosts.app / "released"
    host = hosts.start(QUEUE=queue.queue_name, RELEASED=str(released))
    eventually(hosts.recorded)

    host.child.terminate()
    eventually(lambda: host.logged("stopping"))
    released.touch()
    assert host.child.wait(PATIENCE) == 0

    assert [entry["event"] for entry in hosts.recorded()] == ["start", "end"]
    assert count(queue) == 1


def test_a_host_does_not_wait_for_ever_for_a_function_that_hangs(hosts: Hosts) -> None:
    hosts.write(LISTENER + "    record(event='start')\n    time.sleep(600)\n")
    queue = hosts.queue()
    queue.send_message("hangs")
    host = hosts.start("--grace", "0.3", QUEUE=queue.queue_name)
    eventually(hosts.recorded)

    assert host.terminate() == 0

    assert host.logged("stopped with work unfinished")


def test_with_base64_only_texts_that_decode_reach_the_function(hosts: Hosts) -> None:
    hosts.write(
        LISTENER + "    record(text=message.get_body().decode())\n", messageEncoding="base64"
    )
    queue = hosts.queue()
    queue.send_message("{plain}")
    queue.send_message('{"\u00e9": 1}')
    queue.send_message(base64.b64encode("gr\u00fcezi".encode()).decode())
    hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    assert [entry["text"] for entry in hosts.recorded()] == ["gr\u00fcezi"]
    poison = {message.content for message in hosts.poison(queue).receive_messages()}
    assert poison == {"{plain}", '{"\u00e9": 1}'}


def test_base64_of_no_text_fails_like_a_run_and_ends_as_poison(hosts: Hosts) -> None:
    hosts.write(
        LISTENER + "    record(ran=True)\n",
        messageEncoding="base64",
        maxDequeueCount=2,
        visibilityTimeout="00:00:01",
    )
    queue = hosts.queue()
    queue.send_message("//5B")
    host = hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    assert [message.content for message in hosts.poison(queue).receive_messages()] == ["//5B"]
    assert hosts.recorded() == []
    assert len(host.logged("is base64 of no text")) == 2


def test_a_poison_copy_lives_seven_days(hosts: Hosts) -> None:
    hosts.write(LISTENER + "    raise ValueError\n", maxDequeueCount=1)
    queue = hosts.queue()
    queue.send_message("bad", time_to_live=-1)
    hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    (copy,) = hosts.poison(queue).receive_messages()
    assert copy.expires_on is not None
    assert copy.inserted_on is not None
    assert copy.expires_on - copy.inserted_on == timedelta(days=7)


def test_a_lease_that_somebody_took_is_renewed_no_more(hosts: Hosts) -> None:
    hosts.write(
        LISTENER
        + """
    record(count=message.dequeue_count, id=message.id, receipt=message.pop_receipt)
    if message.dequeue_count == 1:
        time.sleep(4)
        record(done=True)
"""
    )
    queue = hosts.queue()
    queue.send_message("taken")
    host = hosts.start("--lease", "2", QUEUE=queue.queue_name)
    eventually(hosts.recorded)
    entry = hosts.recorded()[0]
    queue.update_message(entry["id"], pop_receipt=entry["receipt"], visibility_timeout=2)

    eventually(lambda: len(hosts.recorded()) == 3)

    # The first run goes on, and its end no longer counts.
    assert [entry.get("count") for entry in hosts.recorded()] == [1, 2, None]
    assert len(host.logged("lease of")) == 1
    eventually(lambda: count(queue) == 0)


def test_a_missing_queue_is_waited_for_with_one_warning_and_never_made(hosts: Hosts) -> None:
    hosts.write(LISTENER + "    record(ran=True)\n")
    queue = hosts.queue(create=False)
    host = hosts.start(QUEUE=queue.queue_name)
    eventually(lambda: host.logged("there is no such queue"))

    queue.create_queue()  # refuses if the host had made it
    queue.send_message("late")
    eventually(hosts.recorded)

    assert len(host.logged("there is no such queue")) == 1


def test_functions_get_what_the_host_knows_of_a_message_each_from_its_own_queue(
    hosts: Hosts,
) -> None:
    hosts.write(
        """
@app.queue_trigger(arg_name="message", queue_name="%QUEUE%", connection="Elsewhere")
def full(message: func.QueueMessage, context: func.Context) -> None:
    record(
        id=message.id, body=message.get_body().decode(), count=message.dequeue_count,
        inserted=message.insertion_time, expires=message.expiration_time,
        visible=message.time_next_visible, receipt=message.pop_receipt,
        name=context.function_name, kind=type(message).__name__,
    )


@app.queue_trigger(arg_name="text", queue_name="%OTHER%", connection="AzureWebJobsStorage")
async def bare(text: str) -> None:
    logging.info("async")
    record(name="bare", text=text)
"""
    )
    queue, other = hosts.queue(), hosts.queue()
    sent = queue.send_message("hello", time_to_live=-1)
    other.send_message("text")
    host = hosts.start(
        QUEUE=queue.queue_name, OTHER=other.queue_name, AzureWebJobsElsewhere=hosts.connection
    )

    eventually(lambda: len(hosts.recorded()) == 2)

    bare, full = sorted(hosts.recorded(), key=lambda entry: str(entry["name"]))
    assert bare["text"] == "text"
    assert full["id"] == sent.id
    assert full["body"] == "hello"
    assert full["count"] == 1
    assert full["inserted"] == str(sent.inserted_on)
    assert full["expires"] == "9999-12-31 23:59:59+00:00"
    assert full["visible"] > full["inserted"]
    assert full["receipt"] not in ("", sent.pop_receipt)
    assert full["name"] == "full"
    assert host.logged(r"INFO bare [0-9a-f-]{36} root: async")


def test_a_failure_on_a_poison_queue_stays_under_its_lease(hosts: Hosts) -> None:
    hosts.write(
        LISTENER + "    record(count=message.dequeue_count)\n    raise ValueError\n",
        maxDequeueCount=1,
    )
    poison = hosts.poison(hosts.queue())
    poison.create_queue()
    poison.send_message("worse")
    hosts.start("--lease", "1", QUEUE=poison.queue_name)

    eventually(lambda: len(hosts.recorded()) >= 2)

    first, second = hosts.recorded()[:2]
    assert (first["count"], second["count"]) == (1, 2)
    assert second["at"] - first["at"] >= 0.9


def test_a_queue_without_a_connection_is_refused(hosts: Hosts) -> None:
    hosts.write(LISTENER.replace('connection=""', 'connection="Nowhere"') + "    pass\n")

    said = hosts.refusal(QUEUE="queue")

    assert "work: no connection: set Nowhere or Nowhere__queueServiceUri" in said


def test_a_queue_name_whose_setting_is_missing_is_refused(hosts: Hosts) -> None:
    hosts.write(LISTENER + "    pass\n")

    assert "%QUEUE%: there is no such setting" in hosts.refusal()


def test_a_function_in_error_does_not_keep_the_others_from_running(hosts: Hosts) -> None:
    hosts.write(
        LISTENER
        + """    record(ran=True)


@app.queue_trigger(arg_name="message", queue_name="%ABSENT%", connection="")
def never(message: func.QueueMessage) -> None:
    record(ran=False)
"""
    )
    queue = hosts.queue()
    queue.send_message("one")
    host = hosts.start(QUEUE=queue.queue_name)

    eventually(lambda: count(queue) == 0)

    assert [entry["ran"] for entry in hosts.recorded()] == [True]
    assert host.logged("never is in error and does not run: %ABSENT%: there is no such setting")


def address(**environment: str) -> QueueAddress:
    trigger = {"name": "message", "queueName": "%Q%", "connection": "Store"}
    function = Function(id="1", name="work", trigger=trigger)
    return QueueAddress.of(function, {"Q": "queue", **environment})


def test_development_storage_is_the_emulator_on_its_usual_ports() -> None:
    connection = address(Store="UseDevelopmentStorage=true").account.connection

    assert connection is not None
    assert "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;" in connection


def test_a_service_uri_is_reached_by_identity() -> None:
    found = address(
        Store="", Store__queueServiceUri="https://a.queue.core.windows.net", Store__clientId="me"
    )

    assert found.account.service_uri == "https://a.queue.core.windows.net"
    assert found.account.client_id == "me"
    with found.client(threads=1) as client:
        assert client.url == "https://a.queue.core.windows.net/queue"


def test_a_poison_queue_has_the_suffix_and_none_of_its_own() -> None:
    poison = address(Store="connection").poison()

    assert poison is not None
    assert poison.name == "queue-poison"
    assert poison.poison() is None


def test_a_name_too_long_for_the_suffix_has_no_poison_queue() -> None:
    assert address(Store="connection", Q="q" * 57).poison() is None


@given(
    empty_polls=st.integers(1, 10_000),
    maximum=st.floats(0.1, 600),
    jitter=st.floats(0.8, 1.2),
)
def test_polling_slows_down_between_100_ms_and_the_maximum(
    empty_polls: int, maximum: float, jitter: float
) -> None:
    delay = polling_delay(empty_polls, maximum=maximum, jitter=jitter)
    later = polling_delay(empty_polls + 1, maximum=maximum, jitter=jitter)

    assert 0.1 <= delay <= later <= maximum


def test_polling_doubles_at_random() -> None:
    spread = random.Random(1)
    delays = [polling_delay(n, maximum=60, jitter=spread.uniform(0.8, 1.2)) for n in range(1, 14)]

    assert delays[0] == 0.1
    assert delays[-1] == 60
    assert 0.1 + 0.08 * 2**5 <= delays[6] <= 0.1 + 0.12 * 2**5


@pytest.mark.parametrize(
    "text",
    [
        *("{}", "abc", "abcde", "not base64!", "_-8=", "YQ=", "YWE==", "="),
        # Four and eight letters without the white space, so that their number says nothing.
        *("\u00e9\u00e9\u00e9\u00e9", '  <a> & "\u00e9\U0001f600"\r\n\t'),
    ],
)
def test_what_is_not_base64_does_not_decode(text: str) -> None:
    with pytest.raises(NotBase64Error):
        decode(text, is_base64=True)
    assert decode(text, is_base64=False) == text


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", ""),
        ("YQ==\n", "a"),
        (" Y Q\t=\r\n=", "a"),
        ("YQBi", "a\0b"),
        ("77u/Ym9t", "\ufeffbom"),
    ],
)
def test_white_space_in_base64_is_skipped_and_all_else_kept(text: str, content: str) -> None:
    assert decode(text, is_base64=True) == content


def test_base64_of_what_is_no_text_is_another_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode("//5B", is_base64=True)


def test_settings_errors_name_their_problems() -> None:
    with pytest.raises(SettingsError, match="no connection") as caught:
        address()

    assert len(caught.value.problems) == 1
