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
