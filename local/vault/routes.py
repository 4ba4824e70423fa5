"""Paths of the service: which call a request is, and the names in it.

ARM compares paths without case and takes `;` and `%3B` alike.
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
    "resource_guards",
    "resource_guard",
]
ROUTE_NAMES: tuple[RouteName, ...] = get_args(RouteName)

_VAULT = (
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.RecoveryServices/vaults/(?P<vault>[^/]+)"
)
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
    ("resource_guards", "GET", "/backupResourceGuardProxies"),
    ("resource_guard", "GET", "/backupResourceGuardProxies/(?P<proxy>[^/]+)"),
)
_COMPILED = tuple(
    (name, method, re.compile(_VAULT + pattern + "/?", re.IGNORECASE))
    for name, method, pattern in _TABLE
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
            names = {key: unquote(value) for key, value in found.groupdict().items()}
            return Route(name=name, names=names)
    return None
