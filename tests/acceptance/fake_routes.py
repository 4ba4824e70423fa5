"""The calls that the strict Azure of the tests takes, one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.acceptance.fake_world import Operation, World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call

Json = dict[str, Any]
Done = tuple[int, Json | None, dict[str, str]]
Doing = Callable[[World, "Call", Mapping[str, str]], Done]

_GROUP = r"(?P<group>/subscriptions/[^/]+/resourcegroups/[^/]+)"
_ACCOUNT = rf"(?P<account>{_GROUP}/providers/microsoft\.storage/storageaccounts/[a-z0-9]{{3,24}})"
_VAULT = rf"(?P<vault>{_GROUP}/providers/microsoft\.recoveryservices/vaults/[^/]+)"
_FABRIC = rf"{_VAULT}/backupfabrics/azure"
_CONTAINER = rf"(?P<container>{_FABRIC}/protectioncontainers/[^/]+)"
_ITEM = rf"(?P<item>{_CONTAINER}/protecteditems/[^/]+)"
_DEPLOYMENT = r"/subscriptions/[^/]+/providers/microsoft\.resources/deployments/[^/]+"
_SITE = rf"(?P<site>{_GROUP}/providers/microsoft\.web/sites/[^/]+)"
_TAGS = {"purpose": "azure-files-restore-acceptance", "run": str}
_STORAGE_FILTER = "backupManagementType eq 'AzureStorage'"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_RETENTION = {
    "retentionPolicyType": "LongTermRetentionPolicy",
    "dailySchedule": {
        "retentionTimes": list,
        "retentionDuration": {"count": int, "durationType": "Days"},
    },
}
GROUPS, STORAGE, VAULTS, BACKUP = "2024-03-01", "2024-01-01", "2026-07-01", "2026-07-01"
ROLES, LOCKS, SITES, WORKSPACES = "2022-04-01", "2020-05-01", "2024-04-01", "2023-09-01"
ITEM_NAME = "AzureFileShare;" + "5f" * 32
DEPLOYMENT_HOST = "func-acceptance.scm.azurewebsites.net"
PRINCIPAL = "00000000-0000-4000-8000-00000000aaaa"


@dataclass(frozen=True, kw_only=True)
class Route:
    """A call that is taken."""

    method: str
    pattern: str
    version: str | None
    do: Doing
    body: Any = None
    filter: str = ""


def _read(world: World, call: Call, _: Mapping[str, str]) -> Done:
    held = world.resources.get(call.path)
    if held is None:
        return 404, {"error": {"code": "ResourceNotFound", "message": "It was not found."}}, {}
    return 200, held, {}


def _error(status: int, code: str) -> Done:
    return status, {"error": {"code": code, "message": f"Refused: {code}."}}, {}


def _stored(world: World, call: Call, **more: object) -> Callable[[], None]:
    def store() -> None:
        world.resources[call.path] = {"id": call.spelled, **(call.body or {}), **more}

    return store


def _status(call: Call, operation: Operation) -> dict[str, str]:
    url = f"{call.origin}/operations/{operation.id}?api-version=2026-07-01&t=1&s=signed"
    return {"Azure-AsyncOperation": url, "Retry-After": "60"}


def _location(call: Call, operation: Operation) -> dict[str, str]:
    url = f"{call.origin}/results/{operation.id}?api-version=2026-07-01&t=1&s=signed"
    return {"Location": url, "Retry-After": "60"}


def _provider(world: World, call: Call, names: Mapping[str, str]) -> Done:
    state = "NotRegistered" if names["name"] in world.unregistered else "Registered"
    return 200, {"namespace": names["name"], "registrationState": state}, {}


def _put_group(world: World, call: Call, _: Mapping[str, str]) -> Done:
    _stored(world, call)()
    return 201, world.resources[call.path], {}


def _delete_group(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return _error(409, "ResourceGroupBeingDeleted")
    if call.path not in world.resources:
        return _error(404, "ResourceGroupNotFound")
    if any("/locks/" in key or "/vaults/" in key for key in world.below(call.path)):
        # A vault that holds something keeps its group; this one is to be deleted by itself.
        return _error(409, "ResourceGroupDeletionBlocked")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, _location(call, operation)


def _put_account(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["group"] not in world.resources:
        return _error(404, "ResourceGroupNotFound")
    if call.path in world.busy:
        return _error(409, "AccountIsBeingCreated")
    operation = world.begin(call.path, _stored(world, call))
    return 202, None, _location(call, operation)


def _delete_at_once(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path not in world.resources:
        return 204, None, {}
    world.remove(call.path)
    return 200, None, {}


def _put_below(parent: str) -> Doing:
    def put(world: World, call: Call, names: Mapping[str, str]) -> Done:
        if names[parent] not in world.resources:
            return _error(404, "ParentResourceNotFound")
        _stored(world, call)()
        return 201, world.resources[call.path], {}

    return put


def _assign(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if world.unknown_principals:
        world.unknown_principals -= 1
        return _error(400, "PrincipalNotFound")
    return _put_below("account")(world, call, names)


def _put_vault(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["group"] not in world.resources:
        return _error(404, "ResourceGroupNotFound")
    if call.path in world.busy:
        return _error(409, "VaultIsBeingCreated")
    operation = world.begin(call.path, _stored(world, call))
    return 201, {"id": call.spelled}, _status(call, operation)


def _delete_vault(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return _error(409, "VaultIsBusy")
    if call.path not in world.resources:
        return 204, None, {}
    if world.container() is not None:
        return _error(400, "ServiceResourceNotEmptyWithContainerDetails")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, _location(call, operation)


def _refresh(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["vault"] not in world.resources:
        return _error(404, "ResourceNotFound")

    def discover() -> None:
        world.discovered = True

    return 202, None, _location(call, world.begin(call.path, discover))


def _accounts(world: World) -> list[Json]:
    return [
        held
        for key, held in world.resources.items()
        if re.fullmatch(_ACCOUNT, key) and "/fileservices/" not in key
    ]


def _container_name(account: Json) -> str:
    parts = str(account["id"]).split("/")
    return f"StorageContainer;Storage;{parts[4]};{parts[-1]}"


def _protectable_containers(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = [
        {
            "name": _container_name(one),
            "properties": {
                "friendlyName": str(one["id"]).rpartition("/")[2],
                "protectableContainerType": "StorageContainer",
                "containerId": one["id"],
            },
        }
        for one in (_accounts(world) if world.discovered else [])
    ]
    return 200, {"value": found}, {}


def _put_container(world: World, call: Call, _: Mapping[str, str]) -> Done:
    name = call.spelled.rpartition("/")[2]
    known = {_container_name(one): one for one in _accounts(world)}
    if not world.discovered or name not in known:
        return _error(400, "BMSUserErrorContainerObjectNotFound")
    if known[name]["id"].lower() != call.body["properties"]["sourceResourceId"].lower():
        return _error(400, "BMSUserErrorInvalidInput")
    if call.path in world.busy:
        return _error(409, "BMSUserErrorObjectLocked")
    operation = world.begin(call.path, _stored(world, call, name=name))
    return 202, None, _location(call, operation)


def _containers(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = [
        {
            "name": held["name"],
            "properties": {
                **held["properties"],
                "friendlyName": held["name"].rpartition(";")[2],
                "registrationStatus": "Registered",
            },
        }
        for key, held in world.resources.items()
        if "/protectioncontainers/" in key and "/protecteditems/" not in key
    ]
    return 200, {"value": found}, {}


def _delete_container(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return _error(409, "BMSUserErrorObjectLocked")
    if call.path not in world.resources:
        return 204, None, {}
    item = world.item()
    if item is not None:
        soft = item[1]["properties"].get("isScheduledForDeferredDelete")
        if not soft or world.keeps_container:
            return _error(400, "BMSUserErrorContainerHasDatasources")
    operation = world.begin(call.path, lambda: world.remove(call.path))
    return 202, None, _location(call, operation)


def _inquire(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["container"] not in world.resources:
        return _error(404, "BMSUserErrorContainerObjectNotFound")

    def find() -> None:
        world.inquired = True

    return 202, None, _location(call, world.begin(call.path, find))


def _protectable_items(world: World, call: Call, names: Mapping[str, str]) -> Done:
    container = world.container()
    found = []
    for key in world.resources if world.inquired and container else ():
        share = re.fullmatch(rf"{_ACCOUNT}/fileservices/default/shares/(?P<share>[^/]+)", key)
        if share and share["account"].rpartition("/")[2] == str(container).rpartition(";")[2]:
            found.append(
                {
                    "id": f"{container}/protectableItems/{ITEM_NAME}",
                    "properties": {
                        "friendlyName": share["share"],
                        "parentContainerFriendlyName": share["account"].rpartition("/")[2],
                        "protectionState": "NotProtected",
                    },
                }
            )
    return 200, {"value": found}, {}


def _put_item(world: World, call: Call, names: Mapping[str, str]) -> Done:
    properties = call.body["properties"]
    if names["container"] not in world.resources or not world.inquired:
        return _error(404, "BMSUserErrorDataSourceObjectNotFound")
    if properties["policyId"].lower() not in world.resources:
        return _error(400, "BMSUserErrorPolicyNotFound")
    if call.path in world.busy:
        return _error(409, "BMSUserErrorObjectLocked")
    job_id = world.begin_job("ConfigureBackup", lambda: None)
    share = "acceptance"
    container = names["container"].rpartition("/")[2]
    more = {
        "name": ITEM_NAME,
        "properties": {**properties, "friendlyName": share, "containerName": container},
    }
    operation = world.begin(call.path, _stored(world, call, **more), job_id=job_id)
    return 202, None, {**_location(call, operation), **_status(call, operation)}


def _items(world: World, call: Call, _: Mapping[str, str]) -> Done:
    item = world.item()
    return 200, {"value": [item[1]] if item else []}, {}


def _delete_item(world: World, call: Call, _: Mapping[str, str]) -> Done:
    item = world.item()
    if item is None:
        return 204, None, {}
    if call.path in world.busy or any(j["status"] == "InProgress" for j in world.jobs.values()):
        return _error(409, "BMSUserErrorConflictingProtectionOperation")

    def go() -> None:
        if world.soft_delete:
            item[1]["properties"]["isScheduledForDeferredDelete"] = True
            item[1]["properties"]["deferredDeleteTimeRemaining"] = "13.23:59:59"
        else:
            world.remove(call.path)

    operation = world.begin(call.path, go)
    return 202, None, _status(call, operation)


def _points(world: World, call: Call, _: Mapping[str, str]) -> Done:
    return 200, {"value": world.points}, {}


def _back_up(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if names["item"] not in world.resources:
        return _error(404, "BMSUserErrorDataSourceObjectNotFound")
    number = str(10**18 + len(world.jobs))

    def make_point() -> None:
        world.points.append(
            {
                "id": f"{world.resources[names['item']]['id']}/recoveryPoints/{number}",
                "name": number,
                "properties": {"recoveryPointTime": "2026-11-25T21:00:00Z"},
            }
        )

    job_id = world.begin_job("Backup", make_point)
    operation = world.begin(call.path, lambda: None, job_id=job_id)
    return 202, None, {**_location(call, operation), **_status(call, operation)}


def _jobs(world: World, call: Call, _: Mapping[str, str]) -> Done:
    found = re.search(r"operation eq '(\w+)'", call.query["$filter"])
    assert found is not None
    jobs = [_job_body(key, one) for key, one in world.jobs.items() if one["operation"] == found[1]]
    return 200, {"value": jobs}, {}


def _job(world: World, call: Call, names: Mapping[str, str]) -> Done:
    return 200, _job_body(names["job"], world.jobs[names["job"]]), {}


def _job_body(job_id: str, job: Json) -> Json:
    properties = {key: job[key] for key in ("operation", "status")}
    if job["status"] == "Failed":
        properties["errorDetails"] = [{"errorCode": 1073871825, "errorString": "it went wrong"}]
    return {"name": job_id, "properties": properties}


def _operation(world: World, call: Call, names: Mapping[str, str]) -> Done:
    operation = world.operations[names["operation"]]
    body: Json = {"id": operation.id, "status": "InProgress"}
    if operation.done:
        body["status"] = "Succeeded"
        if operation.job_id:
            body["properties"] = {"jobId": operation.job_id}
    return 200, body, {}


def _result(world: World, call: Call, names: Mapping[str, str]) -> Done:
    operation = world.operations[names["operation"]]
    # An ended one has a Retry-After too.
    return (204 if operation.done else 202), None, {"Retry-After": "60"}


def _deploy(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path in world.busy:
        return _error(409, "DeploymentActive")
    given = {name: one["value"] for name, one in call.body["properties"]["parameters"].items()}
    vault = given["vaultIds"][0]
    if vault.lower() not in world.resources:
        return _error(400, "VaultNotFound")
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
    return 201, {"id": call.spelled}, _status(call, operation)


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
        return _error(400, "RoleDefinitionHasAssignments")
    del world.resources[call.path]
    return 200, None, {}


def _resources(world: World, call: Call, names: Mapping[str, str]) -> Done:
    found = [held for key, held in world.resources.items() if key.startswith(names["group"] + "/")]
    return 200, {"value": [one for one in found if "type" in one]}, {}


def _functions(world: World, call: Call, names: Mapping[str, str]) -> Done:
    found = [{"name": "func-acceptance/accept_request"}] if world.published else []
    return 200, {"value": found}, {}


def _publish(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if call.query.get("RemoteBuild") != "false":
        return _error(400, "RemoteBuild")

    def publish() -> None:
        world.published = call.raw

    world.begin("publish", publish)
    return 202, None, {}


def _latest(world: World, call: Call, names: Mapping[str, str]) -> Done:
    if not world.published:
        return 200, {"status": 1, "status_text": "Building"}, {}
    return 200, {"status": 4, "status_text": ""}, {}


_ASSIGNMENT = {"properties": {"roleDefinitionId": str, "principalId": str, "principalType": str}}
_ACCOUNT_BODY = {
    "location": str,
    "tags": _TAGS,
    "kind": "StorageV2",
    "sku": {"name": "Standard_LRS"},
    "properties": {
        "allowBlobPublicAccess": False,
        "allowSharedKeyAccess": True,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
    },
}
_VAULT_BODY = {
    "location": str,
    "tags": _TAGS,
    "sku": {"name": "RS0", "tier": "Standard"},
    "properties": {
        "publicNetworkAccess": "Enabled",
        "redundancySettings": {
            "standardTierStorageRedundancy": "LocallyRedundant",
            "crossRegionRestore": "Disabled",
        },
    },
}
_POLICY_BODY = {
    "properties": {
        "backupManagementType": "AzureStorage",
        "workLoadType": "AzureFileShare",
        "timeZone": "UTC",
        "schedulePolicy": {
            "schedulePolicyType": "SimpleSchedulePolicy",
            "scheduleRunFrequency": "Daily",
            "scheduleRunTimes": list,
        },
        "retentionPolicy?": _RETENTION,
        "vaultRetentionPolicy?": {"snapshotRetentionInDays": int, "vaultRetention": _RETENTION},
    }
}
_CONTAINER_BODY = {
    "properties": {
        "containerType": "StorageContainer",
        "backupManagementType": "AzureStorage",
        "sourceResourceId": str,
        "acquireStorageAccountLock": "NotAcquire",
    }
}
_ITEM_BODY = {
    "properties": {
        "protectedItemType": "AzureFileShareProtectedItem",
        "sourceResourceId": str,
        "policyId": str,
    }
}
_BACKUP_BODY = {
    "properties": {
        "objectType": "AzureFileShareBackupRequest",
        "recoveryPointExpiryTimeInUTC": _TIME,
    }
}
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
_AUTHORIZATION = "/providers/microsoft.authorization"
_SCM = rf"/scm/{re.escape(DEPLOYMENT_HOST)}/api"


def _route(method: str, pattern: str, version: str | None, do: Doing, **more: Any) -> Route:
    return Route(method=method, pattern=pattern, version=version, do=do, **more)


ROUTES: tuple[Route, ...] = (
    _route(
        "GET", r"/subscriptions/[^/]+/providers/(?P<name>microsoft\.\w+)", "2021-04-01", _provider
    ),
    _route("GET", _GROUP, GROUPS, _read),
    _route("PUT", _GROUP, GROUPS, _put_group, body={"location": str, "tags": _TAGS}),
    _route("DELETE", _GROUP, GROUPS, _delete_group),
    _route("GET", f"{_GROUP}/resources", GROUPS, _resources),
    _route("GET", _ACCOUNT, STORAGE, _read),
    _route("PUT", _ACCOUNT, STORAGE, _put_account, body=_ACCOUNT_BODY),
    _route("DELETE", _ACCOUNT, STORAGE, _delete_at_once),
    _route("GET", f"{_ACCOUNT}/fileservices/default/shares/[^/]+", STORAGE, _read),
    _route(
        "PUT",
        f"{_ACCOUNT}/fileservices/default/shares/[^/]+",
        STORAGE,
        _put_below("account"),
        body={"properties": {"enabledProtocols": "SMB", "shareQuota": int}},
    ),
    _route("GET", f"{_ACCOUNT}{_AUTHORIZATION}/roleassignments/[^/]+", ROLES, _read),
    _route(
        "PUT",
        f"{_ACCOUNT}{_AUTHORIZATION}/roleassignments/[^/]+",
        ROLES,
        _assign,
        body=_ASSIGNMENT,
    ),
    _route("GET", f"{_ACCOUNT}{_AUTHORIZATION}/locks", LOCKS, _named("locks")),
    _route("DELETE", f"{_ACCOUNT}{_AUTHORIZATION}/locks/[^/]+", LOCKS, _delete_at_once),
    _route("GET", _VAULT, VAULTS, _read),
    _route("PUT", _VAULT, VAULTS, _put_vault, body=_VAULT_BODY),
    _route("DELETE", _VAULT, VAULTS, _delete_vault),
    _route("GET", f"{_VAULT}/backuppolicies/[^/]+", BACKUP, _read),
    _route("PUT", f"{_VAULT}/backuppolicies/[^/]+", BACKUP, _put_below("vault"), body=_POLICY_BODY),
    _route("POST", f"{_FABRIC}/refreshcontainers", BACKUP, _refresh, filter=_STORAGE_FILTER),
    _route(
        "GET",
        f"{_FABRIC}/protectablecontainers",
        BACKUP,
        _protectable_containers,
        filter=_STORAGE_FILTER,
    ),
    _route(
        "GET", f"{_VAULT}/backupprotectioncontainers", BACKUP, _containers, filter=_STORAGE_FILTER
    ),
    _route("PUT", _CONTAINER, BACKUP, _put_container, body=_CONTAINER_BODY),
    _route("DELETE", _CONTAINER, BACKUP, _delete_container),
    _route(
        "POST",
        f"{_CONTAINER}/inquire",
        BACKUP,
        _inquire,
        filter="workloadType eq 'AzureFileShare'",
    ),
    _route(
        "GET",
        f"{_VAULT}/backupprotectableitems",
        BACKUP,
        _protectable_items,
        filter=f"{_STORAGE_FILTER} and workloadType eq 'AzureFileShare'",
    ),
    _route(
        "GET",
        f"{_VAULT}/backupprotecteditems",
        BACKUP,
        _items,
        filter=f"{_STORAGE_FILTER} and itemType eq 'AzureFileShare'",
    ),
    _route("PUT", _ITEM, BACKUP, _put_item, body=_ITEM_BODY),
    _route("DELETE", _ITEM, BACKUP, _delete_item),
    _route("GET", f"{_ITEM}/recoverypoints", BACKUP, _points),
    _route("POST", f"{_ITEM}/backup", BACKUP, _back_up, body=_BACKUP_BODY),
    _route("GET", f"{_VAULT}/backupjobs", BACKUP, _jobs),
    _route("GET", rf"{_VAULT}/backupjobs/(?P<job>[^/]+)", BACKUP, _job),
    _route("GET", r"/operations/(?P<operation>[^/]+)", BACKUP, _operation),
    _route("GET", r"/results/(?P<operation>[^/]+)", BACKUP, _result),
    _route("GET", _DEPLOYMENT, GROUPS, _read),
    _route("PUT", _DEPLOYMENT, GROUPS, _deploy, body=_DEPLOYMENT_BODY),
    _route("DELETE", _DEPLOYMENT, GROUPS, _delete_at_once),
    _route("GET", _SITE, SITES, _read),
    _route("GET", f"{_SITE}/functions", SITES, _functions),
    _route("POST", f"{_SCM}/publish", None, _publish),
    _route("GET", f"{_SCM}/deployments/latest", None, _latest),
    _route(
        "GET",
        f"{_GROUP}{_AUTHORIZATION}/roledefinitions",
        ROLES,
        _named("roledefinitions"),
        filter="type eq 'CustomRole'",
    ),
    _route("DELETE", f"{_GROUP}{_AUTHORIZATION}/roledefinitions/[^/]+", ROLES, _delete_role),
    _route("GET", f"{_GROUP}{_AUTHORIZATION}/roleassignments", ROLES, _named("roleassignments")),
    _route("DELETE", f".*{_AUTHORIZATION}/roleassignments/[^/]+", ROLES, _delete_at_once),
    _route(
        "DELETE",
        rf"{_GROUP}/providers/microsoft\.operationalinsights/workspaces/[^/]+",
        WORKSPACES,
        _delete_at_once,
    ),
)
