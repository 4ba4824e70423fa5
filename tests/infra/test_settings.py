"""The settings in Bicep, in the sample file and in the code are the same, and so are the queues
and tables.
"""

from __future__ import annotations

import json
from dataclasses import fields

from restore_core import store
from restore_core.settings import Settings, all_names
from tests.infra.bicep import INFRA, ROOT, Expression, read

HOST_NAMES = {
    "AzureWebJobsStorage__blobServiceUri",
    "AzureWebJobsStorage__queueServiceUri",
    "AzureWebJobsStorage__tableServiceUri",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "RestoreStorage__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}
"""What only the Functions host reads. FUNCTIONS_WORKER_RUNTIME is not among them: a Flex app has
its runtime in `functionAppConfig`.
"""
SAMPLE_ONLY = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
CONNECTION_STRING = "RestoreStorage"
"""For Azurite only: in Azure the identity is the way in."""

MAIN = read(INFRA / "main.bicep")
APP = read(INFRA / "modules/app.bicep")
STORAGE = read(INFRA / "modules/storage.bicep")
IN_AZURE = {
    "account.properties.primaryEndpoints.queue": "https://made.queue.core.windows.net/",
    "account.properties.primaryEndpoints.table": "https://made.table.core.windows.net/",
    "identity.properties.clientId": "11112222-3333-4444-8555-666677778888",
    "environment().name": "AzureCloud",
    "requestQueueName": MAIN.params["requestQueueName"],
    "completionQueueName": MAIN.params["completionQueueName"],
}
"""What a deployment works out."""


def deployed() -> dict[str, str]:
    """The app's settings as they are in Azure."""
    written = APP.variables["appSettings"]
    return {
        name: IN_AZURE[text] if isinstance(text, Expression) else text
        for name, text in written.items()
    }


def test_the_three_lists_of_settings_are_one() -> None:
    sample = json.loads((ROOT / "local.settings.sample.json").read_text(encoding="utf-8"))["Values"]
    assert set(sample) - SAMPLE_ONLY == all_names()
    assert set(APP.variables["appSettings"]) == all_names() - {CONNECTION_STRING}


def test_the_host_gets_its_own_settings_and_no_connection_string() -> None:
    assert set(APP.variables["hostSettings"]) == HOST_NAMES
    assert not {CONNECTION_STRING, "AzureWebJobsStorage"} & set(deployed())


def test_both_lists_and_the_overrides_reach_the_app() -> None:
    (config,) = [one for one in APP.resources if one.kind == "Microsoft.Web/sites/config"]
    assert config.body["name"] == "appsettings"
    assert config.body["properties"] == "union(hostSettings, appSettings, settingOverrides)"


def test_what_is_deployed_is_what_the_code_has_for_defaults() -> None:
    settings = Settings.read(deployed())
    assert settings.storage.queue_uri == IN_AZURE["account.properties.primaryEndpoints.queue"]
    assert settings.storage.client_id == settings.arm_client_id != ""
    defaults = Settings(storage=settings.storage, arm_client_id=settings.arm_client_id)
    for one in fields(Settings):
        assert getattr(settings, one.name) == getattr(defaults, one.name), one.name
    assert deployed()["RESTORE_POLL_SCHEDULE"] == "*/15 * * * * *"


def test_queues_and_tables_are_made_before_the_app_needs_them() -> None:
    settings = Settings.read(deployed())
    names = {
        "requestQueueName": settings.request_queue,
        "'${requestQueueName}-poison'": f"{settings.request_queue}-poison",
        "completionQueueName": settings.completion_queue,
    }
    assert [str(one) for one in STORAGE.variables["queueNames"]] == list(names)
    # The same names reach the queues, the roles and the settings.
    for module in MAIN.modules:
        for name in {"requestQueueName", "completionQueueName"} & set(module.body["params"]):
            assert module.body["params"][name] == name
    assert set(STORAGE.variables["tableNames"]) == {
        store.RECORDS_TABLE,
        store.OPEN_TABLE,
        store.CLAIMS_TABLE,
    }
