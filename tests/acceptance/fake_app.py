"""The app and the upload of its package, as the strict Azure of the tests has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.acceptance.fake_parts import (
    GROUP,
    GROUPS,
    SITES,
    WORKSPACES,
    Done,
    Json,
    Route,
    delete_at_once,
    error,
    read,
    route,
    status,
)
from tests.acceptance.fake_world import World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call

_DEPLOYMENT = r"/subscriptions/[^/]+/providers/microsoft\.resources/deployments/[^/]+"

_SITE = rf"(?P<site>{GROUP}/providers/microsoft\.web/sites/[^/]+)"

DEPLOYMENT_HOST = "func-acceptance.scm.azurewebsites.net"

PRINCIPAL = "00000000-0000-4000-8000-00000000aaaa"

_SCM = rf"/scm/{re.escape(DEPLOYMENT_HOST)}/api"


def _deploy(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return error(409, "DeploymentActive")
    given = {name: one["value"] for name, one in call.body["properties"]["parameters"].items()}
    vault = given["vaultIds"][0]
    if vault.lower() not in world.resources:
        return error(400, "VaultNotFound")
    subscription = call.spelled[: call.spelled.index("/providers")]
    group = f"{subscription}/resourceGroups/rg-{given['environmentName']}"
    estate = vault[: vault.index("/providers")]

    def make() -> None:
        tags = {"azd-env-name": given["environmentName"]}
        world.resources[group.lower()] = {"id": group, "tags": tags}
        for kind, name, properties in (
            ("Microsoft.OperationalInsights/workspaces", "log-acceptance", {}),
            ("Microsoft.Web/sites", "func-acceptance", _site()),
        ):
            key = f"{group}/providers/{kind}/{name}"
            world.resources[key.lower()] = {"id": key, "type": kind, "properties": properties}
        for scope in (estate, subscription):
            _role(world, scope, assigned=vault if scope == estate else "")
        outputs = {
            "azurE_RESOURCE_GROUP": f"rg-{given['environmentName']}",
            "restorE_APP_NAME": "func-acceptance",
            "restorE_STORAGE_ACCOUNT": "strestoreacceptance",
            "restorE_REQUEST_QUEUE": "restore-requests",
            "restorE_COMPLETION_QUEUE": "restore-completions",
            "restorE_IDENTITY_PRINCIPAL_ID": PRINCIPAL,
        }
        told = {name: {"type": "String", "value": value} for name, value in outputs.items()}
        world.resources[call.path] = {"id": call.spelled, "properties": {"outputs": told}}

    operation = world.begin(call.path, make)
    return 201, {"id": call.spelled}, status(call, operation)


def _site() -> Json:
    hosts = [
        {"name": "func-acceptance.azurewebsites.net", "hostType": "Standard"},
        {"name": DEPLOYMENT_HOST, "hostType": "Repository"},
    ]
    return {"hostNameSslStates": hosts}


def _role(world: World, scope: str, *, assigned: str) -> None:
    """A custom role; the one of the whole subscription is somebody else's and must stay."""
    name = "aaaa" if assigned else "bbbb"
    definition = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{name}"
    world.resources[definition.lower()] = {
        "id": definition,
        "properties": {"assignableScopes": [scope], "type": "CustomRole"},
    }
    if assigned:
        given = f"{assigned}/providers/Microsoft.Authorization/roleAssignments/cccc"
        world.resources[given.lower()] = {
            "id": given,
            "properties": {"roleDefinitionId": definition, "principalId": PRINCIPAL},
        }


def _functions(world: World, call: Call, names: Mapping[str, str]) -> Done:
    found = [{"name": "func-acceptance/accept_request"}] if world.published else []
    return 200, {"value": found}, {}


def _publish(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if call.query.get("RemoteBuild") != "false":
        return error(400, "RemoteBuild")

    def publish() -> None:
        world.published = call.raw

    world.begin("publish", publish)
    return 202, None, {}


def _latest(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if not world.published:
        return 200, {"status": 1, "status_text": "Building"}, {}
    return 200, {"status": 4, "status_text": ""}, {}


_DEPLOYMENT_BODY = {
    "location": str,
    "properties": {
        "mode": "Incremental",
        "template": dict,
        "parameters": {
            "environmentName": {"value": str},
            "location": {"value": str},
            "vaultIds": {"value": list},
            "senderIds": {"value": list},
            "consumerIds": {"value": list},
            "storageSku": {"value": "Standard_LRS"},
        },
    },
}

ROUTES: tuple[Route, ...] = (
    route("GET", _DEPLOYMENT, GROUPS, read),
    route("PUT", _DEPLOYMENT, GROUPS, _deploy, body=_DEPLOYMENT_BODY),
    route("DELETE", _DEPLOYMENT, GROUPS, delete_at_once),
    route("GET", _SITE, SITES, read),
    route("GET", f"{_SITE}/functions", SITES, _functions),
    route("POST", f"{_SCM}/publish", None, _publish),
    route("GET", f"{_SCM}/deployments/latest", None, _latest),
    route(
        "DELETE",
        rf"{GROUP}/providers/microsoft\.operationalinsights/workspaces/[^/]+",
        WORKSPACES,
        delete_at_once,
    ),
)
