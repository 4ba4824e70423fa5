"""What must never be in the infrastructure, and that roles are as narrow as the documents say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, Declared, Expression, read

EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
ROLES = {
    "storageBlobDataOwner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "storageQueueDataContributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "storageTableDataContributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "monitoringMetricsPublisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "storageQueueDataMessageSender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "storageQueueDataMessageProcessor": "8a0f0c08-91a1-4084-bc3d-661d67233fed",
}
"""The built-in roles that may be given: neither Owner nor any Contributor of resources."""
_ASKS_FOR_KEYS = r"\blist(Keys|AccountSas|ServiceSas|Secrets|\w*Credentials)\b"
SECRET_NAME = r"key$|secret|password|connection"
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def made(kind: str) -> list[Declared]:
    """Every resource of a type that the files make."""
    found = [one for path in FILES for one in read(path).resources if one.kind == kind]
    return [one for one in found if not one.existing]


def module(name: str) -> Path:
    return INFRA / "modules" / f"{name}.bicep"


def assignments(name: str) -> dict[str, dict[str, Any]]:
    found = [one for one in read(module(name)).resources if one.kind.endswith("/roleAssignments")]
    return {one.symbol: one.body for one in found}


def places(held: Any, name: str) -> Iterator[Any]:
    """Every value that a property has, wherever it is."""
    if isinstance(held, dict):
        yield from (one for key, one in held.items() if key == name)
        held = list(held.values())
    if isinstance(held, list):
        for one in held:
            yield from places(one, name)


def test_storage_has_no_shared_keys_no_public_blobs_and_no_plain_http() -> None:
    (account,) = made("Microsoft.Storage/storageAccounts")
    properties = account.body["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["minimumTlsVersion"] == "TLS1_2"
    (container,) = made("Microsoft.Storage/storageAccounts/blobServices/containers")
    assert container.body["properties"]["publicAccess"] == "None"


def test_the_app_takes_https_only_and_no_passwords() -> None:
    (site,) = made("Microsoft.Web/sites")
    properties = site.body["properties"]
    assert properties["httpsOnly"] is True
    assert properties["siteConfig"] == {"minTlsVersion": "1.2", "ftpsState": "Disabled"}
    assert site.body["identity"]["type"] == "UserAssigned"
    deployment = properties["functionAppConfig"]["deployment"]["storage"]["authentication"]
    assert deployment["type"] == "UserAssignedIdentity"
    (policies,) = made("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert policies.body["properties"] == {"allow": False}


def test_logs_are_written_with_a_token_only() -> None:
    (component,) = made("Microsoft.Insights/components")
    assert component.body["properties"]["DisableLocalAuth"] is True
    settings = read(module("app")).variables["hostSettings"]
    assert "Authorization=AAD" in settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


@EVERY_FILE
def test_no_url_is_plain_http(path: Path) -> None:
    assert "http:" not in path.read_text(encoding="utf-8").casefold()


@EVERY_FILE
def test_no_key_is_asked_for_and_no_output_tells_a_secret(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(_ASKS_FOR_KEYS, text, re.IGNORECASE)
    assert not re.search(r"AccountKey=|SharedAccessSignature", text, re.IGNORECASE)
    for name, told in read(path).outputs.items():
        secret = r"connection_?string|secret|password|token\b|key\b|sas\b"
        assert not re.search(secret, f"{name} {told}", re.IGNORECASE), name


@EVERY_FILE
def test_no_action_is_a_wildcard(path: Path) -> None:
    assert [text for text in read(path).strings() if "*" in text and "/" in text] == [
        text for text in read(path).strings() if text.startswith("*/15 ")
    ]


def test_only_the_named_builtin_roles_are_given() -> None:
    named = {
        name: held
        for path in FILES
        for name, held in read(path).variables.items()
        if isinstance(held, str) and GUID.fullmatch(held)
    }
    assert named == ROLES
    everywhere = [
        one for path in FILES for text in read(path).strings() for one in GUID.findall(text)
    ]
    assert sorted(everywhere) == sorted(ROLES.values()), "an id without a name"


def test_every_assignment_has_the_same_name_when_it_is_deployed_again() -> None:
    found = made("Microsoft.Authorization/roleAssignments")
    assert len(found) == 5
    for one in found:
        scope = one.body["scope"]
        who = one.body["properties"]["principalId"]
        assert re.fullmatch(rf"guid\({scope}\.id, {who}, [\w.]+\)", one.body["name"]), one.symbol


def test_senders_only_send_requests_and_consumers_only_take_events() -> None:
    found = assignments("queue-access")
    assert set(found) == {"senders", "consumers"}
    queues = {one.symbol: one.body for one in read(module("queue-access")).resources}
    for symbol, queue, name, role in (
        ("senders", "requests", "requestQueueName", "storageQueueDataMessageSender"),
        ("consumers", "completions", "completionQueueName", "storageQueueDataMessageProcessor"),
    ):
        assert found[symbol]["scope"] == queue
        assert queues[queue]["name"] == Expression(name)
        assert role in found[symbol]["properties"]["roleDefinitionId"]


def test_whoever_may_send_may_send_to_the_request_queue_alone() -> None:
    role = "storageQueueDataMessageSender"
    given = [
        (path, one)
        for path in FILES
        for one in read(path).resources
        if one.kind.endswith("/roleAssignments")
        and role in str(one.body["properties"]["roleDefinitionId"])
    ]
    for path, one in given:
        (scope,) = [held for held in read(path).resources if held.symbol == one.body["scope"]]
        assert scope.kind == "Microsoft.Storage/storageAccounts/queueServices/queues"
        assert scope.body["name"] == Expression("requestQueueName")
    assert [(path.stem, one.symbol) for path, one in given] == [("queue-access", "senders")]


def test_a_topic_gets_what_a_sender_gets_and_delivers_with_its_own_identity() -> None:
    file = read(module("event-subscription"))
    assert [one.kind for one in file.resources if not one.existing] == [
        "Microsoft.EventGrid/topics/eventSubscriptions"
    ]
    (sender,) = file.modules
    assert sender.kind == "queue-access.bicep"
    assert sender.body["params"]["senderIds"] == ["topic.identity.principalId"]
    assert sender.body["params"]["consumerIds"] == []
    (subscription,) = made("Microsoft.EventGrid/topics/eventSubscriptions")
    assert subscription.body["dependsOn"] == ["sender"]
    properties = subscription.body["properties"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    # Shared keys are off, so that any other way would be refused.
    assert "destination" not in properties
    delivery = properties["deliveryWithResourceIdentity"]
    assert delivery["identity"] == {"type": "SystemAssigned"}
    assert delivery["destination"]["endpointType"] == "StorageQueue"
    assert delivery["destination"]["properties"]["queueName"] == Expression("requestQueueName")


def test_alerts_reach_the_app_by_https_and_in_the_common_schema_alone() -> None:
    (group,) = made("Microsoft.Insights/actionGroups")
    kinds = {name: held for name, held in group.body["properties"].items() if "Receivers" in name}
    assert set(kinds) == {"webhookReceivers"}, "no mail, no text message, nothing else"
    (receiver,) = kinds["webhookReceivers"]
    assert receiver["serviceUri"].startswith("'https://${app.properties.defaultHostName}/api/")
    assert receiver["useCommonAlertSchema"] is True
    assert receiver["useAadAuth"] == Expression("!empty(webhookObjectId)")
    assert {"objectId", "identifierUri", "tenantId"} <= set(receiver)


def test_the_sample_alert_is_severe_and_off_until_it_is_switched_on() -> None:
    (alert,) = made("Microsoft.Insights/metricAlerts")
    properties = alert.body["properties"]
    assert properties["severity"] == 1
    assert properties["enabled"] == Expression("sampleEnabled")
    assert list(places(properties["criteria"], "values")) == [["DeleteFile"]]
    (action,) = properties["actions"]
    assert action["actionGroupId"] == Expression("actionGroup.id")
    assert "restorePlan: samplePlan" in action["webHookProperties"]


def test_events_and_alerts_are_let_in_by_parameters_that_are_off() -> None:
    main = read(INFRA / "main.bicep")
    off = {
        "eventTopicIds": [],
        "alertFunctionKey": "",
        "alertWebhookObjectId": "",
        "alertWebhookIdentifierUri": "",
        "sampleAlertAccountId": "",
        "sampleAlertPlan": "",
        "sampleAlertEnabled": False,
    }
    assert {name: main.params[name] for name in off} == off
    text = (INFRA / "main.bicep").read_text(encoding="utf-8")
    assert "'modules/event-subscription.bicep' = [for topicId in eventTopicIds: {" in text
    assert "'modules/alert.bicep' = if (!empty(alertFunctionKey)) {" in text


@EVERY_FILE
def test_a_key_is_a_secure_parameter_and_goes_nowhere_but_into_the_webhook(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    keys = [name for name in read(path).params if re.search(SECRET_NAME, name, re.IGNORECASE)]
    for name in keys:
        assert re.search(rf"@secure\(\)\nparam {name} string\b", text), name
        uses = [line for line in text.splitlines() if re.search(rf"\b{name}\b", line)]
        uses = [line.strip() for line in uses if not line.startswith("param ")]
        assert all(
            line.startswith(("serviceUri: 'https://", "functionKey: ", "module alert "))
            for line in uses
        ), name
    assert (path.stem in {"main", "alert"}) is bool(keys)


def test_the_app_has_its_roles_on_its_own_storage_and_logs() -> None:
    found = assignments("app-access")
    scopes = {symbol: body["scope"] for symbol, body in found.items()}
    assert scopes == {"onStorage": "account", "onLogs": "applicationInsights"}
    assert read(module("app-access")).variables["storageRoles"] == [
        "storageBlobDataOwner",
        "storageQueueDataContributor",
        "storageTableDataContributor",
    ]


def test_the_role_in_a_vault_is_given_for_that_vault_alone() -> None:
    (assignment,) = assignments("vault-access").values()
    assert assignment["scope"] == "vault"
    assert "role.name" in assignment["properties"]["roleDefinitionId"]
    (role,) = made("Microsoft.Authorization/roleDefinitions")
    group = read(module("vault-access")).variables["vaultGroupId"]
    assert group == Expression("resourceGroup().id")
    assert list(places(role.body, "assignableScopes")) == [["vaultGroupId"]]
