"""The settings in Azure, in the sample file and in the code are the same, and so are the queues
and tables.
"""

from __future__ import annotations

import json
import re
from dataclasses import fields

import pytest

from restore_core.settings import SETTINGS, Settings
from restore_core.storage import tables as store
from tests.infra.compiler import ROOT
from tests.infra.snapshots import NAMES, read

HOST_NAMES = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "RestoreStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "PYTHON_THREADPOOL_THREAD_COUNT",
}
"""What only the Functions host and its worker read. FUNCTIONS_WORKER_RUNTIME is not among them: a
Flex app has its runtime in `functionAppConfig`.
"""
SAMPLE_ONLY = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
CONNECTION_STRING = "RestoreStorage"
"""For Azurite only: in Azure the identity is the way in."""

FROM_PARAMETERS = {
    "RestoreStorage__queueServiceUri",
    "RestoreStorage__tableServiceUri",
    "RestoreStorage__clientId",
    "RESTORE_REQUEST_QUEUE",
    "RESTORE_REQUEST_POISON_QUEUE",
    "RESTORE_COMPLETION_QUEUE",
    "RESTORE_PAUSED",
    "RESTORE_ARM_CLIENT_ID",
    "AZURE_CLOUD",
}
"""What `settingOverrides` does not take, since it follows from another parameter."""

CLIENT_ID = "11112222-3333-4444-8555-666677778888"
EVERY_ENVIRONMENT = pytest.mark.parametrize("name", NAMES)


def deployed(name: str) -> dict[str, str]:
    """The settings that the app reads, with what only a deployment can work out made up."""
    held = {one: text for one, text in read(name).settings.items() if one not in HOST_NAMES}
    for one, text in held.items():
        if re.fullmatch(r"\[reference\('[^']+', '[\d-]+'\)\.clientId\]", text):
            held[one] = CLIENT_ID
        elif text.startswith("[if(equals(environment().name, 'AzureCloud'), 'AzureCloud', fail("):
            held[one] = "AzureCloud"
        assert not held[one].startswith("["), one
    return held


@EVERY_ENVIRONMENT
def test_the_three_lists_of_settings_are_one(name: str) -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
    assert set(sample) - SAMPLE_ONLY == set(SETTINGS)
    assert set(deployed(name)) == set(SETTINGS) - {CONNECTION_STRING}


@EVERY_ENVIRONMENT
def test_the_host_gets_its_own_settings_and_no_connection_string(name: str) -> None:
    settings = read(name).settings
    assert set(settings) >= HOST_NAMES
    assert not {CONNECTION_STRING, "AzureWebJobsStorage"} & set(settings)


@EVERY_ENVIRONMENT
def test_every_environment_has_settings_that_the_app_takes(name: str) -> None:
    settings = Settings.read(deployed(name))
    account = read(name).one("Microsoft.Storage/storageAccounts")["name"]
    assert settings.storage.queue_uri == f"https://{account}.queue.core.windows.net/"
    assert settings.storage.table_uri == f"https://{account}.table.core.windows.net/"
    assert settings.storage.client_id == settings.arm_client_id == CLIENT_ID


def test_what_is_deployed_is_what_the_code_has_for_defaults() -> None:
    settings = Settings.read(deployed("smallest"))
    defaults = Settings(storage=settings.storage, arm_client_id=settings.arm_client_id)
    for one in fields(Settings):
        assert getattr(settings, one.name) == getattr(defaults, one.name), one.name
    assert deployed("smallest")["RESTORE_POLL_SCHEDULE"] == "*/15 * * * * *"


def test_every_setting_can_be_overridden_that_follows_from_no_parameter() -> None:
    defaults, changed = deployed("smallest"), deployed("everything")
    differing = {name for name, text in changed.items() if text != defaults[name]}
    assert differing - FROM_PARAMETERS == set(SETTINGS) - FROM_PARAMETERS - {CONNECTION_STRING}


def test_a_pause_is_a_parameter_of_its_own() -> None:
    paused = {name: Settings.read(deployed(name)).paused for name in NAMES}
    assert paused == {"smallest": False, "everything": True, "landing-zone": False}


def test_traces_and_the_logs_in_them_are_all_kept() -> None:
    settings = read("smallest").settings
    assert settings["OTEL_TRACES_SAMPLER"] == "microsoft.fixed_percentage"
    assert settings["OTEL_TRACES_SAMPLER_ARG"] == "1.0"


def test_there_is_a_thread_for_each_message_that_the_host_hands_over() -> None:
    queues = json.loads((ROOT / "host.json").read_text("utf-8"))["extensions"]["queues"]
    at_once = queues["batchSize"] + queues["newBatchThreshold"]
    threads = int(read("smallest").settings["PYTHON_THREADPOOL_THREAD_COUNT"])
    assert threads == at_once
    site = read("smallest").one("Microsoft.Web/sites")["properties"]["functionAppConfig"]
    assert site["scaleAndConcurrency"]["triggers"] == {"http": {"perInstanceConcurrency": 16}}
    assert threads > 16


@EVERY_ENVIRONMENT
def test_queues_and_tables_are_made_before_the_app_needs_them(name: str) -> None:
    given = deployed(name)
    settings = Settings.read(given)
    assert given["RESTORE_REQUEST_POISON_QUEUE"] == f"{settings.request_queue}-poison"
    assert read(name).queues() == {
        settings.request_queue,
        given["RESTORE_REQUEST_POISON_QUEUE"],
        settings.completion_queue,
    }
    kind = "Microsoft.Storage/storageAccounts/tableServices/tables"
    assert {one["name"].rpartition("/")[2] for one in read(name).of(kind)} == {
        store.RECORDS_TABLE,
        store.OPEN_TABLE,
        store.CLAIMS_TABLE,
    }
