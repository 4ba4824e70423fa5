"""The snapshots of the sample environments: what a deployment of each would send.

The compiler wrote them (`make infra UPDATE=--update`), so that modules are expanded, conditions and
loops are worked out, and what only Azure knows is left as an expression: text in square brackets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "environments"
NAMES = ("smallest", "everything", "landing-zone")

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Who gets which role, and where."""

    name: str
    scope: str
    role: str
    """The role's GUID."""
    principal: str


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One deployment."""

    resources: list[dict[str, Any]]
    outputs: dict[str, Any]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Every resource of a type."""
        return [one for one in self.resources if one["type"] == kind]

    def one(self, kind: str) -> dict[str, Any]:
        """The only resource of a type."""
        (found,) = self.of(kind)
        return found

    @property
    def settings(self) -> dict[str, str]:
        """The app's settings."""
        found = self.one("Microsoft.Web/sites/config")["properties"]
        assert isinstance(found, dict)
        return found

    @property
    def assignments(self) -> list[Assignment]:
        """Every assignment of a role."""
        return [
            Assignment(
                name=one["name"].rpartition("/")[2],
                scope=one["id"].partition(f"/providers/{ASSIGNMENT}")[0],
                role=one["properties"]["roleDefinitionId"].rpartition("/")[2],
                principal=one["properties"]["principalId"],
            )
            for one in self.of(ASSIGNMENT)
        ]

    def queues(self) -> set[str]:
        """The names of the queues."""
        kind = "Microsoft.Storage/storageAccounts/queueServices/queues"
        return {one["name"].rpartition("/")[2] for one in self.of(kind)}


@cache
def read(name: str) -> Snapshot:
    """Read the snapshot of an environment."""
    held = json.loads((FOLDER / f"{name}.snapshot.json").read_text(encoding="utf-8"))
    assert held["diagnostics"] == []
    return Snapshot(resources=held["predictedResources"], outputs=held["outputs"])


def texts(held: Any) -> Iterator[str]:
    """Every text in a value, keys among them."""
    if isinstance(held, dict):
        for key, one in held.items():
            yield key
            yield from texts(one)
    elif isinstance(held, list):
        for one in held:
            yield from texts(one)
    elif isinstance(held, str):
        yield held
