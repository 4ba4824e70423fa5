"""What must never be in the infrastructure, and what closes it to the internet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.compiler import ROOT
from tests.infra.snapshots import NAMES, read, texts

EVERY_ENVIRONMENT = pytest.mark.parametrize("name", NAMES)
EVERY_FILE = pytest.mark.parametrize(
    "path", sorted((ROOT / "infra").rglob("*.bicep*")), ids=lambda path: path.name
)
STORAGE = "Microsoft.Storage/storageAccounts"
_ASKS_FOR_KEYS = r"\blist(Keys|AccountSas|ServiceSas|Secrets|\w*Credentials)\b"


@EVERY_ENVIRONMENT
def test_storage_has_no_shared_keys_no_public_blobs_and_no_plain_http(name: str) -> None:
    properties = read(name).one(STORAGE)["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["minimumTlsVersion"] == "TLS1_2"
    for container in read(name).of(f"{STORAGE}/blobServices/containers"):
        assert container["properties"]["publicAccess"] == "None"


@EVERY_ENVIRONMENT
def test_the_app_takes_https_only_and_no_passwords(name: str) -> None:
    site = read(name).one("Microsoft.Web/sites")
    assert site["properties"]["httpsOnly"] is True
    assert site["properties"]["siteConfig"]["minTlsVersion"] == "1.2"
    assert site["identity"]["type"] == "UserAssigned"
    storage = site["properties"]["functionAppConfig"]["deployment"]["storage"]
    assert storage["authentication"]["type"] == "UserAssignedIdentity"
    policies = read(name).of("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    held = {one["name"].rpartition("/")[2]: one["properties"] for one in policies}
    assert held == {"ftp": {"allow": False}, "scm": {"allow": False}}


@EVERY_ENVIRONMENT
def test_logs_are_written_with_a_token_only(name: str) -> None:
    component = read(name).one("Microsoft.Insights/components")
    assert component["properties"]["DisableLocalAuth"] is True
    assert "Authorization=AAD" in read(name).settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]


@EVERY_FILE
def test_no_url_is_plain_http_and_no_key_is_asked_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "http://" not in text.casefold()
    assert not re.search(_ASKS_FOR_KEYS, text, re.IGNORECASE)
    assert not re.search(r"AccountKey=|SharedAccessSignature", text, re.IGNORECASE)


@EVERY_ENVIRONMENT
def test_no_output_tells_a_secret(name: str) -> None:
    secret = r"connection_?string|secret|password|token\b|key\b|sas\b"
    assert [one for one in texts(read(name).outputs) if re.search(secret, one, re.IGNORECASE)] == []


@EVERY_ENVIRONMENT
def test_no_action_is_a_wildcard(name: str) -> None:
    definitions = read(name).of("Microsoft.Authorization/roleDefinitions")
    assert [one for one in texts(definitions) if "*" in one] == []


@EVERY_FILE
def test_a_key_is_a_secure_parameter_and_goes_nowhere_but_into_the_webhook(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"^param (\w*(?:[kK]ey|[sS]ecret|[pP]assword)) (\w+)", text, re.MULTILINE)
    for name, kind in named:
        assert kind == "string"
        assert re.search(rf"@secure\(\)\nparam {name} string\b", text), name
        uses = [line.strip() for line in text.splitlines() if re.search(rf"\b{name}\b", line)]
        uses = [line for line in uses if not line.startswith("param ")]
        allowed = ("serviceUri: 'https://", "functionKey: ", "module alert ")
        assert all(line.startswith(allowed) for line in uses), name
    assert (path.name in {"main.bicep", "alert.bicep"}) is bool(named)


# --- open, and closed


def test_without_the_private_profile_there_is_no_network_and_nothing_to_pay_for() -> None:
    kinds = {one["type"].partition("/")[0] for one in read("smallest").resources}
    assert kinds == {
        "Microsoft.Authorization",
        "Microsoft.Insights",
        "Microsoft.ManagedIdentity",
        "Microsoft.OperationalInsights",
        "Microsoft.Resources",
        "Microsoft.Storage",
        "Microsoft.Web",
    }
    assert read("smallest").one(STORAGE)["properties"]["networkAcls"]["defaultAction"] == "Allow"
    assert read("smallest").one("Microsoft.Web/sites")["properties"]["publicNetworkAccess"] == (
        "Enabled"
    )
    for kind in ("Microsoft.Authorization/locks", "Microsoft.Insights/diagnosticSettings"):
        assert read("smallest").of(kind) == []
    workspace = read("smallest").one("Microsoft.OperationalInsights/workspaces")
    assert workspace["properties"]["workspaceCapping"] is None
    blobs = read("smallest").one(f"{STORAGE}/blobServices")["properties"]
    assert blobs["deleteRetentionPolicy"] == {"enabled": False}


@pytest.mark.parametrize("name", ["everything", "landing-zone"])
def test_the_private_profile_closes_storage_and_app(name: str) -> None:
    account = read(name).one(STORAGE)["properties"]
    assert account["publicNetworkAccess"] == "Disabled"
    # Event Grid delivers as a trusted service: it has no other way in.
    assert account["networkAcls"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
    site = read(name).one("Microsoft.Web/sites")["properties"]
    assert site["publicNetworkAccess"] == "Disabled"
    endpoints = read(name).of("Microsoft.Network/privateEndpoints")
    targets = {
        (*one["properties"]["privateLinkServiceConnections"][0]["properties"]["groupIds"],)
        for one in endpoints
    }
    assert targets == {("blob",), ("queue",), ("table",), ("sites",)}


def test_a_new_network_has_a_subnet_that_flex_consumption_takes() -> None:
    snapshot = read("everything")
    network = snapshot.one("Microsoft.Network/virtualNetworks")
    subnets = {one["name"]: one["properties"] for one in network["properties"]["subnets"]}
    (delegation,) = subnets["app"]["delegations"]
    assert delegation["properties"] == {"serviceName": "Microsoft.App/environments"}
    site = snapshot.one("Microsoft.Web/sites")["properties"]
    assert site["virtualNetworkSubnetId"] == f"{network['id']}/subnets/app"
    assert subnets["app"]["addressPrefix"] != subnets["endpoints"]["addressPrefix"]
    for endpoint in snapshot.of("Microsoft.Network/privateEndpoints"):
        assert endpoint["properties"]["subnet"]["id"] == f"{network['id']}/subnets/endpoints"


def test_zones_are_made_when_they_are_asked_for_and_endpoints_entered_in_them() -> None:
    kind = "Microsoft.Network/privateDnsZones"
    made = {one["name"] for one in read("everything").of(kind)}
    assert made == {
        "privatelink.blob.core.windows.net",
        "privatelink.queue.core.windows.net",
        "privatelink.table.core.windows.net",
        "privatelink.azurewebsites.net",
    }
    groups = read("everything").of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    entered = {
        one["properties"]["privateDnsZoneConfigs"][0]["properties"]["privateDnsZoneId"]
        for one in groups
    }
    assert {one.rpartition("/")[2] for one in entered} == made
    assert len(read("everything").of(f"{kind}/virtualNetworkLinks")) == len(made)


def test_what_exists_already_is_used_and_not_made() -> None:
    snapshot = read("landing-zone")
    for kind in (
        "Microsoft.Resources/resourceGroups",
        "Microsoft.ManagedIdentity/userAssignedIdentities",
        "Microsoft.OperationalInsights/workspaces",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/privateDnsZones",
    ):
        assert snapshot.of(kind) == [], kind
    site = snapshot.one("Microsoft.Web/sites")
    (identity,) = site["identity"]["userAssignedIdentities"]
    assert identity.endswith("/userAssignedIdentities/restore")
    assert site["properties"]["virtualNetworkSubnetId"].endswith("/spoke/subnets/functions")
    logs = snapshot.one("Microsoft.Insights/components")["properties"]["WorkspaceResourceId"]
    assert logs.endswith("/workspaces/central")
    for one in snapshot.of("Microsoft.Insights/diagnosticSettings"):
        assert one["properties"]["workspaceId"] == logs
    (zone,) = snapshot.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    assert "-blob/" in zone["id"]


def test_tags_are_on_everything_that_can_have_some() -> None:
    bare = {
        "Microsoft.Authorization",
        "Microsoft.EventGrid",
    }
    for one in read("everything").resources:
        part_of_another = one["type"].count("/") > 1
        if part_of_another or one["type"].partition("/")[0] in bare:
            continue
        if one["type"] == "Microsoft.Insights/diagnosticSettings":
            continue
        assert one["tags"].items() >= {"costCenter": "4711", "owner": "storage team"}.items()
        assert one["tags"]["azd-env-name"] == "everything", one["id"]


def test_writes_are_logged_where_diagnostics_are_on() -> None:
    found = read("everything").of("Microsoft.Insights/diagnosticSettings")
    assert {one["id"].split("/")[9] for one in found} == {
        "blobServices",
        "queueServices",
        "tableServices",
    }
    for one in found:
        logs = {log["category"] for log in one["properties"]["logs"] if log["enabled"]}
        assert logs == {"StorageWrite", "StorageDelete"}


def test_a_lock_a_soft_delete_and_a_cap_are_there_when_asked_for() -> None:
    snapshot = read("everything")
    lock = snapshot.one("Microsoft.Authorization/locks")
    assert lock["properties"]["level"] == "CanNotDelete"
    assert lock["id"].startswith(snapshot.one(STORAGE)["id"])
    blobs = snapshot.one(f"{STORAGE}/blobServices")["properties"]
    assert blobs["deleteRetentionPolicy"] == {"enabled": True, "days": 14}
    assert blobs["containerDeleteRetentionPolicy"] == {"enabled": True, "days": 14}
    workspace = snapshot.one("Microsoft.OperationalInsights/workspaces")
    assert workspace["properties"]["workspaceCapping"] == {"dailyQuotaGb": 5}
