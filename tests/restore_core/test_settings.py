from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.endpoints import CLOUDS
from restore_core.errors import SettingsError
from restore_core.settings import NO_GUARDS, SETTINGS, Settings

STORAGE = {"RestoreStorage": "UseDevelopmentStorage=true"}
LOCAL = STORAGE | {"RESTORE_ARM_ENDPOINT": "http://127.0.0.1:8084"}


def problems(**given_values: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        Settings.read(STORAGE | given_values)
    return list(raised.value.problems)


def test_storage_is_all_that_must_be_given() -> None:
    settings = Settings.read(STORAGE)
    assert settings == Settings(storage=settings.storage)
    assert settings.arm_endpoint == "https://management.azure.com"
    assert settings.arm_api_version == "2026-07-01"
    assert settings.request_queue == "restore-requests"
    assert settings.completion_queue == "restore-completions"
    assert settings.adoption_grace == timedelta(minutes=15)
    assert settings.tracking_limit == timedelta(days=8)
    assert settings.retention == timedelta(days=400)
    assert settings.paused is False


def test_nothing_given_is_one_problem_about_storage() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.read({})
    assert len(raised.value.problems) == 1
    assert "RestoreStorage" in raised.value.problems[0]


@pytest.mark.parametrize(
    ("given_values", "good"),
    [
        ({"RestoreStorage": "x"}, True),
        (
            {
                "RestoreStorage__queueServiceUri": "https://a.queue.core.windows.net",
                "RestoreStorage__tableServiceUri": "https://a.table.core.windows.net",
            },
            True,
        ),
        (
            {
                "RestoreStorage__queueServiceUri": "http://127.0.0.1:10001/devstoreaccount1",
                "RestoreStorage__tableServiceUri": "http://127.0.0.1:10002/devstoreaccount1",
            },
            True,
        ),
        ({"RestoreStorage__queueServiceUri": "https://a.queue.core.windows.net"}, False),
        ({"RestoreStorage__tableServiceUri": "https://a.table.core.windows.net"}, False),
        (
            {
                "RestoreStorage__queueServiceUri": "http://a.queue.core.windows.net",
                "RestoreStorage__tableServiceUri": "https://a.table.core.windows.net",
            },
            False,
        ),
        ({"RestoreStorage": "x", "RestoreStorage__queueServiceUri": "nonsense"}, False),
        ({"RestoreStorage": "  "}, False),
    ],
)
def test_storage_is_a_connection_string_or_two_safe_uris(
    given_values: dict[str, str], good: bool
) -> None:
    if good:
        storage = Settings.read(given_values).storage
        assert storage.connection_string or storage.queue_uri
    else:
        with pytest.raises(SettingsError):
            Settings.read(given_values)


@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_brings_endpoint_scope_and_authority(cloud: str) -> None:
    settings = Settings.read(STORAGE | {"AZURE_CLOUD": cloud})
    known = CLOUDS[cloud]
    assert settings.arm_endpoint == known.arm_endpoint
    assert settings.cloud.token_scope == known.token_scope
    assert settings.cloud.authority == known.authority


def test_an_endpoint_of_ones_own_keeps_the_clouds_scope() -> None:
    settings = Settings.read(
        STORAGE
        | {"AZURE_CLOUD": "AzureUSGovernment", "RESTORE_ARM_ENDPOINT": "https://arm.example/"}
    )
    assert settings.arm_endpoint == "https://arm.example"
    assert settings.cloud.token_scope == "https://management.core.usgovcloudapi.net/.default"


NUMBERS = [
    # name, field, unit in seconds, least, most
    ("RESTORE_ARM_CONNECT_SECONDS", "arm_connect", 1, "0.1", "60"),
    ("RESTORE_ARM_ANSWER_SECONDS", "arm_answer", 1, "0.1", "230"),
    ("RESTORE_OPERATION_POLL_SECONDS", "operation_poll", 1, "0.05", "300"),
    ("RESTORE_JOB_POLL_SECONDS", "job_poll", 1, "0.05", "300"),
    ("RESTORE_RETRY_BASE_SECONDS", "retry_base", 1, "0.01", "300"),
    ("RESTORE_RETRY_MAX_SECONDS", "retry_max", 1, "0.01", "300"),
    ("RESTORE_NAME_CACHE_SECONDS", "name_cache", 1, "0", "86400"),
    ("RESTORE_SWEEP_BUDGET_SECONDS", "sweep_budget", 1, "0.1", "1500"),
    ("RESTORE_ADOPTION_GRACE_SECONDS", "adoption_grace", 1, "0", "86400"),
    ("RESTORE_START_LIMIT_HOURS", "start_limit", 3600, "0.0001", "720"),
    ("RESTORE_TRACKING_LIMIT_HOURS", "tracking_limit", 3600, "0.0001", "720"),
    ("RESTORE_RETENTION_DAYS", "retention", 86400, "30", "36500"),
]


@pytest.mark.parametrize(("name", "field", "unit", "least", "most"), NUMBERS)
def test_a_number_may_be_anything_within_its_bounds(
    name: str, field: str, unit: int, least: str, most: str
) -> None:
    for text in (least, most, f" {most} "):
        read = getattr(Settings.read(LOCAL | {name: text}), field)
        assert read == timedelta(seconds=float(text) * unit)
    beyond = [str(float(most) + 0.01), "-1", "1e1", "nan", "inf", "1,5", "0x10", "\u0661\u0662"]
    if float(least) > 0:
        beyond += ["0", f"{float(least) / 2:f}"]
    for text in beyond:
        with pytest.raises(SettingsError) as raised:
            Settings.read(LOCAL | {name: text})
        assert raised.value.problems == (
            f"{name} must be a number from {float(least):g} to {float(most):g}",
        )


@pytest.mark.parametrize(("text", "good"), [("1", True), ("64", True), ("0", False), ("65", False)])
def test_threads_are_counted_in_whole_numbers(text: str, good: bool) -> None:
    if good:
        threads = Settings.read(STORAGE | {"RESTORE_SWEEP_THREADS": text}).sweep_threads
        assert (threads, type(threads)) == (int(text), int)
    else:
        assert problems(RESTORE_SWEEP_THREADS=text) == [
            "RESTORE_SWEEP_THREADS must be a whole number from 1 to 64"
        ]


def test_half_a_thread_is_a_problem() -> None:
    assert len(problems(RESTORE_SWEEP_THREADS="1.5")) == 1


@pytest.mark.parametrize("name", ["RESTORE_PAUSED", "RESTORE_UNPROVEN_COPY_OPTIONS"])
def test_a_switch_is_true_or_false_and_a_misspelt_one_is_not_off(name: str) -> None:
    field = name.removeprefix("RESTORE_").lower()
    for text, value in (("true", True), ("True", True), ("FALSE", False), ("", False)):
        assert getattr(Settings.read(STORAGE | {name: text}), field) is value
    for text in ("1", "yes", "ture", "on"):
        assert problems(**{name: text}) == [f"{name} must be true or false"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("RESTORE_REQUEST_QUEUE", ["abc", "a-1", "q" * 56], ["ab", "Abc", "a--b", "q" * 64, "a_b"]),
        ("RESTORE_COMPLETION_QUEUE", ["abc"], ["-abc", "abc-", "a.b"]),
        ("RESTORE_COMPLETION_ENCODING", ["none", "base64"], ["Base64", "utf-8"]),
        ("RESTORE_EVENT_SOURCE", ["/x", "https://e.example/x", "u" * 256], ["a b", "ü", "u" * 257]),
        (
            "RESTORE_ARM_API_VERSION",
            ["2026-07-01", "2019-05-13-preview"],
            ["latest", "2026-07-01x"],
        ),
        ("AZURE_CLOUD", ["AzureChinaCloud"], ["azurecloud", "AzureGermanCloud"]),
    ],
)
def test_texts_have_a_form(name: str, good: list[str], bad: list[str]) -> None:
    for text in good:
        assert text in repr(Settings.read(STORAGE | {name: text})) or name == "AZURE_CLOUD"
    for text in bad:
        (problem,) = problems(**{name: text})
        assert problem.startswith(f"{name} must be ")


@pytest.mark.parametrize(
    "queues",
    [
        {"RESTORE_COMPLETION_QUEUE": "restore-requests"},
        {"RESTORE_REQUEST_QUEUE": "restore-completions"},
        {"RESTORE_COMPLETION_QUEUE": "restore-requests-poison"},
    ],
)
def test_events_do_not_come_back_as_requests(queues: dict[str, str]) -> None:
    assert problems(**queues) == [
        "RESTORE_COMPLETION_QUEUE must be another queue than that of the requests"
    ]


@pytest.mark.parametrize("queue", ["restore-requests", "asked", "q" * 56])
def test_the_poison_queue_is_named_after_that_of_the_requests(queue: str) -> None:
    asked = STORAGE | {"RESTORE_REQUEST_QUEUE": queue}
    given = asked | {"RESTORE_REQUEST_POISON_QUEUE": f"{queue}-poison"}
    assert Settings.read(asked) == Settings.read(given)
    assert Settings.read(asked).request_poison_queue == f"{queue}-poison"


@pytest.mark.parametrize("poison", ["restore-requests", "asked", "asked-Poison", "a_b"])
def test_a_poison_queue_of_another_name_is_a_problem_that_names_both(poison: str) -> None:
    (problem,) = problems(RESTORE_REQUEST_QUEUE="asked", RESTORE_REQUEST_POISON_QUEUE=poison)
    assert problem.startswith("RESTORE_REQUEST_POISON_QUEUE must be ")
    assert "RESTORE_REQUEST_QUEUE" in problem


@pytest.mark.parametrize("queue", ["q" * 57, "q" * 63, "asked-poison"])
def test_a_queue_that_the_host_gives_no_poison_queue_takes_no_requests(queue: str) -> None:
    (problem,) = problems(RESTORE_REQUEST_QUEUE=queue)
    assert problem == (
        "RESTORE_REQUEST_QUEUE must have at most 56 characters and must not end in -poison"
    )


@pytest.mark.parametrize(
    "endpoint",
    [
        *("https://arm.example", "https://arm.example:8443", "https://arm.example/"),
        *("http://127.0.0.1:8084", "http://localhost", "http://[::1]:1", "https://localhost:1/"),
    ],
)
def test_endpoints_that_may_be_given(endpoint: str) -> None:
    settings = Settings.read(STORAGE | {"RESTORE_ARM_ENDPOINT": endpoint})
    assert settings.arm_endpoint == endpoint.rstrip("/")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://arm.example", "http://10.0.0.1", "http://127.0.0.1.example", "http://0.0.0.0"),
        *("http://localhost.example", "http://127.1", "ftp://arm.example", "arm.example", "//x"),
        *(
            "https://",
            "https://user@arm.example",
            "https://u:p@arm.example",
            "https://@arm.example",
        ),
        *("https://arm.example/path", "https://arm.example?x=1", "https://arm.example?"),
        *("https://arm.example#x", "https://arm.example/#", "https://arm.example:99999"),
        *("https://arm.example:x", "https://ar m.example", "https://arm\t.example"),
        *("https://arm.example\\@evil.example", "https://[::1", "https://ärm.example"),
    ],
)
def test_endpoints_that_may_not(endpoint: str) -> None:
    assert problems(RESTORE_ARM_ENDPOINT=endpoint) == [
        "RESTORE_ARM_ENDPOINT must be https://host[:port] (http for this machine only)"
    ]


@pytest.mark.parametrize(
    ("given_values", "least"),
    [
        ({}, "280"),
        ({"RESTORE_ARM_CONNECT_SECONDS": "60", "RESTORE_ARM_ANSWER_SECONDS": "230"}, "500"),
        ({"RESTORE_ARM_ANSWER_SECONDS": "0.5"}, "220.5"),
    ],
)
def test_the_grace_is_longer_than_a_post_can_be_on_its_way(
    given_values: dict[str, str], least: str
) -> None:
    name = "RESTORE_ADOPTION_GRACE_SECONDS"
    read = Settings.read(STORAGE | given_values | {name: least})
    assert read.adoption_grace == timedelta(seconds=float(least))
    below = str(float(least) - 0.01)
    (problem,) = problems(**given_values, **{name: below})
    assert problem.startswith(f"{name} must be at least {least}: ")
    for text in (below, "0"):
        read = Settings.read(LOCAL | given_values | {name: text})
        assert read.adoption_grace == timedelta(seconds=float(text))


def test_the_default_grace_is_enough_for_every_answer_limit() -> None:
    settings = Settings.read(
        STORAGE | {"RESTORE_ARM_CONNECT_SECONDS": "60", "RESTORE_ARM_ANSWER_SECONDS": "230"}
    )
    assert settings.adoption_grace == timedelta(seconds=900)


SECRET = "s3cret-Value-that-nobody-may-see"


def test_all_problems_come_at_once_and_none_shows_a_value() -> None:
    names = sorted(set(SETTINGS) - {"RESTORE_POLL_SCHEDULE", "RESTORE_ARM_CLIENT_ID"})
    with pytest.raises(SettingsError) as raised:
        Settings.read(dict.fromkeys(names, SECRET + " \t☃"))
    told = raised.value.problems
    unchecked = {"RestoreStorage", "RestoreStorage__clientId"}
    assert {one.partition(" ")[0] for one in told} == set(names) - unchecked
    assert SECRET not in str(raised.value)


def test_secrets_have_no_repr() -> None:
    settings = Settings.read(
        {
            "RestoreStorage": f"AccountKey={SECRET}",
            "RestoreStorage__queueServiceUri": f"https://a.queue.core.windows.net/?sig={SECRET}",
            "RestoreStorage__tableServiceUri": f"https://a.table.core.windows.net/?sig={SECRET}",
        }
    )
    assert settings.storage.connection_string.endswith(SECRET)
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.storage)


def test_the_sample_file_has_every_name_and_loads() -> None:
    root = Path(__file__).parent.parent.parent
    values = json.loads((root / "local.settings.sample.json").read_text())["Values"]
    assert set(values) == set(SETTINGS) | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    assert all(isinstance(value, str) for value in values.values())
    assert Settings.read(values).arm_endpoint.startswith("http://127.0.0.1")


@given(st.dictionaries(st.sampled_from(sorted(SETTINGS)), st.text(max_size=30)))
def test_any_environment_is_settings_or_problems(environment: dict[str, str]) -> None:
    try:
        settings = Settings.read(environment)
    except SettingsError:
        return
    assert settings.request_queue != settings.completion_queue


def test_guards_are_a_file_unless_they_are_none_or_the_endpoint_is_this_machine() -> None:
    assert Settings.read(STORAGE).guards == "restore-guards.json"
    assert Settings.read(STORAGE | {"RESTORE_GUARDS": "none"}).guards == NO_GUARDS
    assert Settings.read(LOCAL).guards == NO_GUARDS
    assert Settings.read(LOCAL | {"RESTORE_GUARDS": "mine.json"}).guards == "mine.json"


def test_the_allowance_is_whole_numbers_of_at_most_what_an_entity_holds() -> None:
    for name in (
        "RESTORE_DAILY_LIMIT_PER_SHARE",
        "RESTORE_DAILY_LIMIT_PER_VAULT",
        "RESTORE_EMERGENCY_RESERVE",
    ):
        for wrong in ("1001", "-1", "1.5", "many"):
            (problem,) = problems(**{name: wrong})
            assert problem.startswith(name)
            assert wrong not in problem.removeprefix(name).replace("1000", "")
    settings = Settings.read(
        STORAGE | {"RESTORE_DAILY_LIMIT_PER_SHARE": "0", "RESTORE_DAILY_LIMIT_PER_VAULT": "1000"}
    )
    assert (settings.daily_limit_per_share, settings.daily_limit_per_vault) == (0, 1000)
