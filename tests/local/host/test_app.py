import json
from pathlib import Path

from tests.local.host.running import Hosts

TIMER = """
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *", run_on_startup=True)
def once(timer: func.TimerRequest) -> None:
    record(one=os.environ.get("ONE"), two=os.environ.get("TWO"), folder=os.getcwd())
"""


def run_once(hosts: Hosts, *options: str, **settings: str) -> dict[str, object]:
    hosts.write(TIMER)
    host = hosts.start(*options, **settings)
    assert host.terminate() == 0
    (entry,) = hosts.recorded()
    return entry


def test_the_environment_wins_over_local_settings(hosts: Hosts, tmp_path: Path) -> None:
    values = {"IsEncrypted": False, "Values": {"ONE": "file", "TWO": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values))

    entry = run_once(hosts, ONE="environment")

    assert (entry["one"], entry["two"]) == ("environment", "file")
    assert entry["folder"] == str(tmp_path)


def test_settings_can_be_read_from_another_file(hosts: Hosts, tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"Values": {"ONE": "not read"}}')
    (tmp_path / "other.json").write_text('{"Values": {"TWO": "other"}}')

    entry = run_once(hosts, "--settings", str(tmp_path / "other.json"))

    assert (entry["one"], entry["two"]) == (None, "other")


def test_an_app_that_does_not_import_is_refused(hosts: Hosts) -> None:
    hosts.write("import no_such_module\n")

    assert "No module named 'no_such_module'" in hosts.refusal()


def test_a_folder_without_an_app_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    hosts.write("")
    (tmp_path / "function_app.py").unlink()

    assert f"there is no function_app.py in {tmp_path}" in hosts.refusal()


def test_an_app_without_functions_is_refused(hosts: Hosts) -> None:
    hosts.write("")

    assert "function_app.py has no functions" in hosts.refusal()


def test_the_worker_refuses_an_output_annotated_with_a_builtin_list(hosts: Hosts) -> None:
    hosts.write(
        """
@app.queue_trigger(arg_name="message", queue_name="queue", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="other", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage, out: func.Out[list[str]]) -> None:
    pass
"""
    )

    assert "cannot load the work function" in hosts.refusal()


def test_a_binding_that_this_host_does_not_supply_is_refused(hosts: Hosts) -> None:
    hosts.write(
        """
@app.queue_trigger(arg_name="message", queue_name="queue", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="other", connection="AzureWebJobsStorage")
def work(message: func.QueueMessage, out: func.Out[str]) -> None:
    pass
"""
    )

    assert "work: this host does not supply queue bindings" in hosts.refusal()


def test_a_retry_policy_is_refused_rather_than_ignored(hosts: Hosts) -> None:
    hosts.write(
        """
@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
@app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
def work(timer: func.TimerRequest) -> None:
    pass
"""
    )

    assert "work: this host does not apply retry policies" in hosts.refusal()


def test_a_broken_host_json_is_refused(hosts: Hosts, tmp_path: Path) -> None:
    hosts.write(TIMER)
    (tmp_path / "host.json").write_text('{"version": "1.0"')

    assert "not JSON" in hosts.refusal()


def test_a_port_that_is_taken_is_refused(hosts: Hosts) -> None:
    hosts.write(TIMER)
    first = hosts.start()
    port = first.url.rpartition(":")[2]

    assert "Address already in use" in hosts.refusal("--port", port)
