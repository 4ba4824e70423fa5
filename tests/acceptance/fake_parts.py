"""What the calls of the strict Azure of the tests have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.acceptance.fake_world import Operation, World

if TYPE_CHECKING:
    from tests.acceptance.fake_azure import Call

Json = dict[str, Any]

Done = tuple[int, Json | None, dict[str, str]]

Doing = Callable[[World, "Call", Mapping[str, str]], Done]

GROUP = r"(?P<group>/subscriptions/[^/]+/resourcegroups/[^/]+)"

ACCOUNT = rf"(?P<account>{GROUP}/providers/microsoft\.storage/storageaccounts/[a-z0-9]{{3,24}})"

VAULT = rf"(?P<vault>{GROUP}/providers/microsoft\.recoveryservices/vaults/[^/]+)"

FABRIC = rf"{VAULT}/backupfabrics/azure"

CONTAINER = rf"(?P<container>{FABRIC}/protectioncontainers/[^/]+)"

ITEM = rf"(?P<item>{CONTAINER}/protecteditems/[^/]+)"

TAGS = {"purpose": "azure-files-restore-acceptance", "run": str}

STORAGE_FILTER = "backupManagementType eq 'AzureStorage'"

AUTHORIZATION = "/providers/microsoft.authorization"

GROUPS, STORAGE, VAULTS, BACKUP = "2024-03-01", "2024-01-01", "2026-07-01", "2026-07-01"

ROLES, LOCKS, SITES, WORKSPACES = "2022-04-01", "2020-05-01", "2024-04-01", "2023-09-01"


@dataclass(frozen=True, kw_only=True)
class Route:
    """A call that is taken."""

    method: str
    pattern: str
    version: str | None
    do: Doing
    body: Any = None
    filter: str = ""


def route(method: str, pattern: str, version: str | None, do: Doing, **more: Any) -> Route:
    return Route(method=method, pattern=pattern, version=version, do=do, **more)


def read(world: World, call: Call, _: Mapping[str, str]) -> Done:
    held = world.resources.get(call.path)
    if held is None:
        return 404, {"error": {"code": "ResourceNotFound", "message": "It was not found."}}, {}
    return 200, held, {}


def error(status: int, code: str) -> Done:
    return status, {"error": {"code": code, "message": f"Refused: {code}."}}, {}


def stored(world: World, call: Call, **more: object) -> Callable[[], None]:
    def store() -> None:
        world.resources[call.path] = {"id": call.spelled, **(call.body or {}), **more}

    return store


def status(call: Call, operation: Operation) -> dict[str, str]:
    url = f"{call.origin}/operations/{operation.id}?api-version=2026-07-01&t=1&s=signed"
    return {"Azure-AsyncOperation": url, "Retry-After": "60"}


def location(call: Call, operation: Operation) -> dict[str, str]:
    url = f"{call.origin}/results/{operation.id}?api-version=2026-07-01&t=1&s=signed"
    return {"Location": url, "Retry-After": "60"}


def delete_at_once(world: World, call: Call, _: Mapping[str, str]) -> Done:
    if call.path not in world.resources:
        return 204, None, {}
    world.remove(call.path)
    return 200, None, {}


def put_below(parent: str) -> Doing:
    def put(world: World, call: Call, names: Mapping[str, str]) -> Done:
        if names[parent] not in world.resources:
            return error(404, "ParentResourceNotFound")
        stored(world, call)()
        return 201, world.resources[call.path], {}

    return put
