"""Resource groups, storage accounts, roles and locks, as the strict Azure of the tests has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.acceptance.fake_parts import (
    ACCOUNT,
    AUTHORIZATION,
    GROUP,
    GROUPS,
    LOCKS,
    ROLES,
    STORAGE,
    TAGS,
    Doing,
    Done,
    Route,
    delete_at_once,
    error,
    location,
    put_below,
    read,
    route,
    stored,
)
from tests.acceptance.fake_world import World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call


def _provider(world: World, call: Call, names: Mapping[str, str]) -> Done:
    state = "NotRegistered" if names["name"] in world.unregistered else "Registered"
    return 200, {"namespace": names["name"], "registrationState": state}, {}


def _put_group(world: World, call: Call, _: Mapping[str, str]) -> Done:
    stored(world, call)()
    return 201, world.resources[call.path], {}


def _delete_group(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return error(409, "ResourceGroupBeingDeleted")
    if call.path not in world.resources:
        return error(404, "ResourceGroupNotFound")
    if any("/locks/" in key or "/vaults/" in key for key in world.below(call.path)):
        # A vault that holds something keeps its group; this one is to be deleted by itself.
        return error(409, "ResourceGroupDeletionBlocked")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, location(call, operation)


def _resources(world: World, call: Call, names: Mapping[str, str]) -> Done:
    found = [held for key, held in world.resources.items() if key.startswith(names["group"] + "/")]
    return 200, {"value": [one for one in found if "type" in one]}, {}


def _put_account(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["group"] not in world.resources:
        return error(404, "ResourceGroupNotFound")
    if call.path in world.busy:
        return error(409, "AccountIsBeingCreated")
    operation = world.begin(call.path, stored(world, call))
    return 202, None, location(call, operation)


def _assign(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if world.unknown_principals:
        world.unknown_principals -= 1
        return error(400, "PrincipalNotFound")
    return put_below("account")(world, call, names)


def _named(kind: str) -> Doing:
    def listed(world: World, call: Call, names: Mapping[str, str]) -> Done:
        scope = call.path[: call.path.index("/providers/microsoft.authorization")]
        found = [
            held
            for key, held in world.resources.items()
            if f"/{kind}/" in key and (key.startswith(scope) or kind == "roledefinitions")
        ]
        return 200, {"value": found}, {}

    return listed


def _delete_role(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if call.path not in world.resources:
        return 204, None, {}
    if any(
        str(held["properties"].get("roleDefinitionId", "")).lower() == call.path
        for key, held in world.resources.items()
        if "/roleassignments/" in key
    ):
        return error(400, "RoleDefinitionHasAssignments")
    del world.resources[call.path]
    return 200, None, {}


_ASSIGNMENT = {"properties": {"roleDefinitionId": str, "principalId": str, "principalType": str}}

_ACCOUNT_BODY = {
    "location": str,
    "tags": TAGS,
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "properties": {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
}

ROUTES: tuple[Route, ...] = (
    route(
        "GET", r"/subscriptions/[^/]+/providers/(?P<name>microsoft\.\w+)", "2021-04-01", _provider
    ),
    route("GET", GROUP, GROUPS, read),
    route("PUT", GROUP, GROUPS, _put_group, body={"location": str, "tags": TAGS}),
    route("DELETE", GROUP, GROUPS, _delete_group),
    route("GET", f"{GROUP}/resources", GROUPS, _resources),
    route("GET", ACCOUNT, STORAGE, read),
    route("PUT", ACCOUNT, STORAGE, _put_account, body=_ACCOUNT_BODY),
    route("DELETE", ACCOUNT, STORAGE, delete_at_once),
    route("GET", f"{ACCOUNT}/fileservices/default/shares/[^/]+", STORAGE, read),
    route(
        "PUT",
        f"{ACCOUNT}/fileservices/default/shares/[^/]+",
        STORAGE,
        put_below("account"),
        body={"properties": {"enabledProtocols": "SMB", "shareQuota": int}},
    ),
    route("GET", f"{ACCOUNT}{AUTHORIZATION}/roleassignments/[^/]+", ROLES, read),
    route(
        "PUT",
        f"{ACCOUNT}{AUTHORIZATION}/roleassignments/[^/]+",
        ROLES,
        _assign,
        body=_ASSIGNMENT,
    ),
    route("GET", f"{ACCOUNT}{AUTHORIZATION}/locks", LOCKS, _named("locks")),
    route("DELETE", f"{ACCOUNT}{AUTHORIZATION}/locks/[^/]+", LOCKS, delete_at_once),
    route(
        "GET",
        f"{GROUP}{AUTHORIZATION}/roledefinitions",
        ROLES,
        _named("roledefinitions"),
        filter="type eq 'CustomRole'",
    ),
    route("DELETE", f"{GROUP}{AUTHORIZATION}/roledefinitions/[^/]+", ROLES, _delete_role),
    route("GET", f"{GROUP}{AUTHORIZATION}/roleassignments", ROLES, _named("roleassignments")),
    route("DELETE", f".*{AUTHORIZATION}/roleassignments/[^/]+", ROLES, delete_at_once),
)
