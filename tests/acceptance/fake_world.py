"""What a strict Azure of the tests holds: resources, operations that take a while, jobs.

An independent reading of the documentation and of recorded traffic; it shares no code with what it
tests. Time is counted in calls: an operation ends some calls after it began, whether or not anybody
asks for it, so that a client which died finds it ended when it comes back.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
CALLS_OF_AN_OPERATION = 3
CALLS_OF_A_JOB = 5


@dataclass
class Operation:
    """An asynchronous operation; what it does happens at its end."""

    id: str
    ends: int
    effect: Callable[[], None]
    job_id: str | None = None
    done: bool = False


@dataclass
class World:
    """Everything by its ARM id, in small letters."""

    soft_delete: bool = False
    keeps_container: bool = False
    """Whether unregistering is refused while backup data is soft-deleted."""
    unregistered: set[str] = field(default_factory=set)
    """Resource providers that the subscription does not have."""
    failing_job: str = ""
    """The kind of job that fails."""
    unknown_principals: int = 0
    """How many role assignments are refused, since the principal is not known everywhere yet."""
    calls: int = 0
    resources: dict[str, Json] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    """A resource that an operation holds, and which."""
    jobs: dict[str, Json] = field(default_factory=dict)
    points: list[Json] = field(default_factory=list)
    discovered: bool = False
    inquired: bool = False
    published: bytes = b""
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def tick(self) -> None:
        """One call more: what is due ends."""
        self.calls += 1
        for operation in self.operations.values():
            if not operation.done and operation.ends <= self.calls:
                operation.done = True
                operation.effect()
        self.busy = {path: key for path, key in self.busy.items() if not self.operations[key].done}
        for job in self.jobs.values():
            if job["status"] == "InProgress" and job["ends"] <= self.calls:
                job["status"] = "Failed" if job["operation"] == self.failing_job else "Completed"
                if job["status"] == "Completed":
                    job["effect"]()

    def begin(
        self, path: str, effect: Callable[[], None], *, job_id: str | None = None
    ) -> Operation:
        """Begin an operation on a resource."""
        operation = Operation(
            id=str(uuid.UUID(int=next(self._numbers))),
            ends=self.calls + CALLS_OF_AN_OPERATION,
            effect=effect,
            job_id=job_id,
        )
        self.operations[operation.id] = operation
        self.busy[path] = operation.id
        return operation

    def begin_job(self, kind: str, effect: Callable[[], None]) -> str:
        """Begin a job."""
        job_id = str(uuid.UUID(int=next(self._numbers) + (1 << 64)))
        self.jobs[job_id] = {
            "operation": kind,
            "status": "InProgress",
            "ends": self.calls + CALLS_OF_A_JOB,
            "effect": effect,
        }
        return job_id

    def below(self, path: str) -> list[str]:
        """The resources below a path, and the one at it."""
        return [key for key in self.resources if key == path or key.startswith(f"{path}/")]

    def remove(self, path: str) -> None:
        """Remove a resource with all below it, except role definitions, which outlive a group."""
        for key in self.below(path):
            if "/roledefinitions/" not in key:
                del self.resources[key]

    def item(self) -> tuple[str, Json] | None:
        """The protected item."""
        found = [(key, held) for key, held in self.resources.items() if "/protecteditems/" in key]
        return found[0] if found else None

    def container(self) -> str | None:
        """The registered account."""
        for key in self.resources:
            if "/protectioncontainers/" in key and "/protecteditems/" not in key:
                return key
        return None
