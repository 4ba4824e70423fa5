"""The paths of the service: find the call of a request, and the names in its path.

ARM compares paths ignoring case, and `;` and `%3B` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import unquote

RouteName = Literal[
    "list_items",
    "get_item",
    "list_points",
    "get_point",
    "restore",
    "item_operation_result",
    "item_operation",
    "operation",
    "operation_result",
    "list_jobs",
    "job",
    "cancel",
    "cancel_result",
    "cancel_operation",
    "containers",
    "container",
    "policies",
    "policy",
    "resource_guards",
    "resource_guard",
    "vault",
    "metadata",
    "subscriptions",
    "subscription",
    "vaults",
    "classic_account",
    "account",
]
ROUTE_NAMES: tuple[RouteName, ...] = get_args(RouteName)

_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUP = r"/resourceGroups/(?P<group>[^/]+)"
_VAULTS = r"/providers/Microsoft\.RecoveryServices/vaults"
_VAULT = rf"{_SUBSCRIPTION}{_GROUP}{_VAULTS}/(?P<vault>[^/]+)"
# `az` asks for `storageAccounts//name`: it names a parent type and an empty type below it.
_ACCOUNT = r"storageAccounts//?(?P<account>[^/]+)"
_ITEM = (
    r"/backupFabrics/(?P<fabric>[^/]+)/protectionContainers/(?P<container>[^/]+)"
    r"/protectedItems/(?P<item>[^/]+)"
)
_JOB = r"/backupJobs/(?P<job>[^/]+)"
_OPERATION = r"(?P<operation>[^/]+)"
_TABLE: tuple[tuple[RouteName, str, str], ...] = (
    ("list_items", "GET", "/backupProtectedItems"),
    ("get_item", "GET", _ITEM),
    ("list_points", "GET", f"{_ITEM}/recoveryPoints"),
    ("get_point", "GET", f"{_ITEM}/recoveryPoints/(?P<point>[^/]+)"),
    ("restore", "POST", f"{_ITEM}/recoveryPoints/(?P<point>[^/]+)/restore"),
    ("item_operation_result", "GET", f"{_ITEM}/operationResults/{_OPERATION}"),
    ("item_operation", "GET", f"{_ITEM}/operationsStatus/{_OPERATION}"),
    ("operation", "GET", f"/backupOperations/{_OPERATION}"),
    ("operation_result", "GET", f"/backupOperationResults/{_OPERATION}"),
    ("list_jobs", "GET", "/backupJobs"),
    ("job", "GET", _JOB),
    ("cancel", "POST", f"{_JOB}/cancel"),
    ("cancel_result", "GET", f"{_JOB}/operationResults/{_OPERATION}"),
    ("cancel_operation", "GET", f"{_JOB}/operationsStatus/{_OPERATION}"),
    ("containers", "GET", "/backupProtectionContainers"),
    (
        "container",
        "GET",
        r"/backupFabrics/(?P<fabric>[^/]+)/protectionContainers/(?P<container>[^/]+)",
    ),
    ("policies", "GET", "/backupPolicies"),
    ("policy", "GET", "/backupPolicies/(?P<policy>[^/]+)"),
    ("resource_guards", "GET", "/backupResourceGuardProxies"),
    ("resource_guard", "GET", "/backupResourceGuardProxies/(?P<proxy>[^/]+)"),
    ("vault", "GET", ""),
)
_OUTSIDE: tuple[tuple[RouteName, str, str], ...] = (
    ("metadata", "GET", "/metadata/endpoints"),
    ("subscriptions", "GET", "/subscriptions"),
    ("subscription", "GET", _SUBSCRIPTION),
    ("vaults", "GET", f"{_SUBSCRIPTION}(?:{_GROUP})?{_VAULTS}"),
    (
        "classic_account",
        "GET",
        rf"{_SUBSCRIPTION}{_GROUP}/providers/Microsoft\.ClassicStorage/{_ACCOUNT}",
    ),
    ("account", "GET", rf"{_SUBSCRIPTION}{_GROUP}/providers/Microsoft\.Storage/{_ACCOUNT}"),
)
"""Calls of ARM and of other providers: what clients ask for on their way to a vault."""
_COMPILED = tuple(
    (name, method, re.compile(pattern + "/?", re.IGNORECASE))
    for name, method, pattern in (
        *((name, method, _VAULT + pattern) for name, method, pattern in _TABLE),
        *_OUTSIDE,
    )
)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A call of the service and the decoded names in its path."""

    name: RouteName
    names: Mapping[str, str]


def match_route(method: str, path: str) -> Route | None:
    """The call that a request line is, or None. `path` is as sent: names are decoded after the
    path is split, so that `%2F` cannot make a segment.
    """
    for name, wanted, pattern in _COMPILED:
        if wanted == method and (found := pattern.fullmatch(path)):
            given = found.groupdict().items()
            names = {key: unquote(value) for key, value in given if value is not None}
            return Route(name=name, names=names)
    return None
