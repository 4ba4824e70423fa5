"""Calls that only read the catalogue: items, recovery points, containers, resource guards."""

from __future__ import annotations

from collections.abc import Mapping

from local.vault.catalogue import Item
from local.vault.odata import parse_filter, parse_time
from local.vault.paging import page_reply
from local.vault.replies import Refusal, Reply, json_reply
from local.vault.visit import Visit
from local.vault.wire import POLICY, container_body, guard_body, item_body, point_body

_ITEM_KEYS = (
    "healthState",
    "backupManagementType",
    "itemType",
    "policyName",
    "containerName",
    "backupEngineName",
    "friendlyName",
    "fabricName",
    "backupSetName",
)
_POINT_KEYS = (
    "startDate",
    "endDate",
    "restorePointQueryType",
    "extendedInfo",
    "moveReadyRPOnly",
    "includeSoftDeletedRP",
)
_CONTAINER_KEYS = (
    "backupManagementType",
    "containerType",
    "fabricName",
    "friendlyName",
    "status",
)


def list_items(visit: Visit) -> Reply:
    """Protected items, without their extendedInfo."""
    wanted = parse_filter(visit.call.query.get("$filter"), _ITEM_KEYS)
    era, origin = visit.options.era, visit.call.origin
    return page_reply(
        visit,
        [
            item_body(visit.vault, item, era, origin)
            for item in visit.vault.items
            if _matches(item, wanted)
        ],
    )


def get_item(visit: Visit) -> Reply:
    """One protected item, with its extendedInfo."""
    body = item_body(visit.vault, visit.item(), visit.options.era, visit.call.origin, detail=True)
    return json_reply(visit.call, visit.options, body, quota=149)


def list_points(visit: Visit) -> Reply:
    """Recovery points, in the order of vaults.json: clients must sort by time themselves."""
    item = visit.item()
    wanted = parse_filter(visit.call.query.get("$filter"), _POINT_KEYS)
    since = parse_time(wanted["startDate"]) if "startDate" in wanted else None
    until = parse_time(wanted["endDate"]) if "endDate" in wanted else None
    deleted_too = wanted.get("includeSoftDeletedRP", "").lower() == "true"
    return page_reply(
        visit,
        [
            point_body(visit.vault, item, point, visit.options.era)
            for point in item.points
            if (since is None or point.time >= since)
            and (until is None or point.time <= until)
            and (deleted_too or not point.soft_deleted)
        ],
    )


def get_point(visit: Visit) -> Reply:
    """One recovery point."""
    item = visit.item()
    body = point_body(visit.vault, item, visit.point(item), visit.options.era)
    return json_reply(visit.call, visit.options, body, quota=149)


def list_containers(visit: Visit) -> Reply:
    """Registered storage accounts."""
    wanted = parse_filter(visit.call.query.get("$filter"), _CONTAINER_KEYS)
    storage = wanted.get("backupManagementType", "AzureStorage").lower() == "azurestorage"
    registered = wanted.get("status", "Registered").lower() == "registered"
    by_name = {
        item.listed_container_name: container_body(visit.vault, item, visit.options.era)
        for item in visit.vault.items
        if storage
        and registered
        and wanted.get("friendlyName", item.account).lower() == item.account
    }
    return page_reply(visit, list(by_name.values()))


def get_container(visit: Visit) -> Reply:
    """One registered storage account (refusal: status and code not established)."""
    wanted = visit.route.names["container"].lower()
    for item in visit.vault.items:
        if item.listed_container_name.lower() == wanted:
            body = container_body(visit.vault, item, visit.options.era)
            return json_reply(visit.call, visit.options, body, quota=149)
    raise Refusal(404, "BMSUserErrorContainerNotFound", "The container was not found.")


def list_guards(visit: Visit) -> Reply:
    """The vault's resource guard proxies: none, or the one called VaultProxy."""
    guard = visit.vault.resource_guard
    guards = [guard_body(visit.vault, guard)] if guard else []
    return json_reply(visit.call, visit.options, {"value": guards})


def get_guard(visit: Visit) -> Reply:
    """The proxy called VaultProxy; a 404 of this provider may be no more than `{}`."""
    guard = visit.vault.resource_guard
    if not guard or visit.route.names["proxy"].lower() != "vaultproxy":
        raise Refusal(404, "ResourceNotFound", "The proxy was not found.", body=b"{}")
    return json_reply(visit.call, visit.options, guard_body(visit.vault, guard))


def _matches(item: Item, wanted: Mapping[str, str]) -> bool:
    known = {
        "backupManagementType": "AzureStorage",
        "itemType": "AzureFileShare",
        "healthState": "Passed",
        "policyName": POLICY,
        "containerName": item.container_name,
        "friendlyName": item.share,
        "fabricName": "Azure",
    }
    return all(known.get(key, "").lower() == value.lower() for key, value in wanted.items())
