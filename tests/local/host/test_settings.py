import json
from pathlib import Path

import pytest

from local.host.settings import (
    QueueOptions,
    SettingsError,
    expand,
    read_host_json,
    read_local_settings,
    time_span,
)


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:00:00", 0),
        ("00:00:02.5", 2.5),
        ("01:02:03", 3723),
        ("1.00:00:01", 86401),
        ("24:00:00", None),
        ("00:60:00", None),
        ("30", None),
        (30, None),
    ],
)
def test_time_spans_are_read_as_dotnet_reads_them(text: object, seconds: float | None) -> None:
    assert time_span(text) == seconds


def test_the_host_json_of_this_project_is_read_in_full() -> None:
    options = read_host_json(Path(__file__).parents[3] / "host.json")

    assert options.route_prefix == "api"
    assert options.queues == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        visibility_timeout=30.0,
        max_polling_interval=2.0,
        base64=False,
    )


def test_without_queue_options_the_defaults_of_the_host_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 2)

    options = read_host_json(write(tmp_path / "host.json", {"version": "2.0"})).queues

    assert options.batch_size == 16
    assert options.new_batch_threshold == 16
    assert options.max_dequeue_count == 5
    assert options.visibility_timeout == 0
    assert options.max_polling_interval == 60
    assert options.base64


def test_all_problems_of_host_json_are_told_at_once(tmp_path: Path) -> None:
    queues = {
        "batchSize": 33,
        "newBatchThreshold": -1,
        "maxDequeueCount": True,
        "visibilityTimeout": "30",
        "maxPollingInterval": "00:00:00",
        "messageEncoding": "hex",
        "batchsize": 4,
    }
    content = {
        "version": "1.0",
        "extensions": {"queues": queues, "http": {"routePrefix": 1}},
        "logging": {"logLevel": {"default": "Loud"}},
    }

    with pytest.raises(SettingsError) as caught:
        read_host_json(write(tmp_path / "host.json", content))

    assert len(caught.value.problems) == 10


@pytest.mark.parametrize("content", ["[]", '{"version": "2.0", "extensions": []}', "{"])
def test_a_host_json_of_another_shape_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "host.json").write_text(content)

    with pytest.raises(SettingsError, match=r"host\.json"):
        read_host_json(tmp_path / "host.json")


def test_a_missing_host_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read_host_json(tmp_path / "host.json")


def test_missing_local_settings_are_none(tmp_path: Path) -> None:
    assert read_local_settings(tmp_path / "local.settings.json") == {}


def test_local_settings_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    content = {"IsEncrypted": True, "Values": {"A": 1, "B": "2"}}

    with pytest.raises(SettingsError) as caught:
        read_local_settings(write(tmp_path / "local.settings.json", content))

    assert len(caught.value.problems) == 2


def test_names_in_percent_signs_are_settings() -> None:
    assert expand("a-%NAME%-%NAME%", {"NAME": "b"}) == "a-b-b"
    with pytest.raises(SettingsError, match="%NAME%"):
        expand("%NAME%", {"NAME": ""})
