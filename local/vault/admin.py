"""The emulator's own routes, below `/_emulator/`: no ARM, no faults, no token.

* `faults`: GET lists, POST puts one (or a list) in force and answers its number, DELETE ends all,
  DELETE `faults/<number>` ends one.
* `log`: GET the calls so far (`?since=<number>` those after one), DELETE forgets them.
* `jobs`: GET all jobs as the emulator keeps them; POST `{"count": 5000, "status": "InProgress",
  "seconds": null, "activityIds": []}` adds jobs without files.
* `reload`: POST reads vaults.json again.
* `identity`: GET is a managed identity's endpoint (see `identity`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Protocol

from local.vault.catalogue import CatalogueError
from local.vault.faults import FaultBook, FaultError
from local.vault.identity import token_document
from local.vault.jobs import Job, Status
from local.vault.log import LogEntry
from local.vault.replies import JSON_TYPE, Call, Reply, encode
from local.vault.wire import error_body

ADMIN = "/_emulator/"


class Controls(Protocol):
    """What these routes need of the emulator, which itself calls them."""

    faults: FaultBook

    @property
    def log(self) -> list[LogEntry]:
        """The calls that came in, oldest first."""
        ...

    def clear_log(self) -> None:
        """Forget the calls so far."""
        ...

    def jobs(self) -> list[Job]:
        """All jobs, newest first."""
        ...

    def inject(self, fault: object) -> int:
        """Put a fault in force; its number. Raises FaultError."""
        ...

    def add_jobs(
        self, count: int, *, status: Status, seconds: float | None, activity_ids: Iterable[str]
    ) -> list[Job]:
        """Add jobs without files."""
        ...

    def reload(self) -> None:
        """Read vaults.json again; raises CatalogueError."""
        ...


def admin_answer(emulator: Controls, call: Call) -> Reply:
    """The answer to a call below `/_emulator/`; 400 says what is wrong with its body."""
    name, _, rest = call.path.removeprefix(ADMIN).strip("/").partition("/")
    try:
        body = json.loads(call.body) if call.body else None
        match call.method, name:
            case "GET", "faults":
                return _json(emulator.faults.to_json())
            case "POST", "faults":
                wanted = body if isinstance(body, list) else [body]
                return _json({"ids": [emulator.inject(fault) for fault in wanted]}, 201)
            case "DELETE", "faults":
                emulator.faults.remove(int(rest) if rest else None)
                return _json({})
            case "GET", "log":
                since = int(call.query.get("since", "0"))
                return _json([asdict(entry) for entry in emulator.log if entry.number > since])
            case "DELETE", "log":
                emulator.clear_log()
                return _json({})
            case "GET", "jobs":
                return _json([asdict(job) for job in emulator.jobs()])
            case "POST", "jobs":
                return _json({"ids": _add_jobs(emulator, body or {})}, 201)
            case "GET", "identity":
                return _json(token_document(call))
            case "POST", "reload":
                emulator.reload()
                return _json({})
    except (FaultError, CatalogueError, ValueError, TypeError, AttributeError, KeyError) as error:
        return _json(error_body("Invalid", str(error)), 400)
    return _json(error_body("NotFound", "No such route of the emulator."), 404)


def _add_jobs(emulator: Controls, body: dict[str, Any]) -> list[str]:
    jobs = emulator.add_jobs(
        int(body.get("count", 1)),
        status=body.get("status", "InProgress"),
        seconds=body.get("seconds"),
        activity_ids=body.get("activityIds", ()),
    )
    return [job.id for job in jobs]


def _json(document: object, status: int = 200) -> Reply:
    return Reply(status=status, body=encode(document), headers=(JSON_TYPE,))
