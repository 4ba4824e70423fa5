"""The state of a timer that outlives a process: a blob, as on Azure."""

import contextlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from local.host.patience import patiently

logger = logging.getLogger("host.timers")

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Status:
    """What is remembered of a schedule. `last` is None before its first run."""

    last: datetime | None
    next: datetime
    updated: datetime

    def as_json(self) -> dict[str, str]:
        """The status as a timer function gets it, and as it is stored."""
        return {
            "Last": (self.last or _NEVER).isoformat(),
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }


class Monitor(Protocol):
    """Keeps the status of one timer."""

    def read(self) -> Status | None: ...

    def write(self, status: Status) -> None: ...


class StatusBlob:
    """Keeps the status of one timer in a blob, so that whichever host runs it next knows it."""

    def __init__(self, container: ContainerClient, name: str) -> None:
        self._container = container
        self._blob = container.get_blob_client(name)

    def read(self) -> Status | None:
        """What was written last; a blob that cannot be understood counts as none."""
        try:
            text = patiently(lambda: self._blob.download_blob().readall())
        except ResourceNotFoundError:
            return None
        try:
            stored = json.loads(text)
            last, following, updated = (
                datetime.fromisoformat(stored[name]) for name in ("Last", "Next", "LastUpdated")
            )
            for moment in (following, updated):
                moment.astimezone(UTC)
        except (ValueError, KeyError, TypeError, OverflowError):
            logger.warning("%s cannot be read: starting afresh", self._blob.blob_name)
            return None
        return Status(last=None if last.year == 1 else last, next=following, updated=updated)

    def write(self, status: Status) -> None:
        """Write a status over what was there."""
        text = json.dumps(status.as_json())
        try:
            patiently(lambda: self._blob.upload_blob(text, overwrite=True))
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):  # another host was faster
                self._container.create_container()
            patiently(lambda: self._blob.upload_blob(text, overwrite=True))
