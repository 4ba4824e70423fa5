"""An estate on the strict Azure of the tests: a clock that only jumps, and files in memory."""

from __future__ import annotations

import base64
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken

from tests.acceptance.arm import Arm
from tests.acceptance.azure_app import AzureApp
from tests.acceptance.azure_estate import AzureEstate
from tests.acceptance.fake_azure import FakeAzure, session_to
from tests.acceptance.journal import Journal
from tests.acceptance.naming import Names
from tests.acceptance.neutral import Neutral
from tests.acceptance.pace import Pace
from tests.acceptance.person import Person
from tests.acceptance.place import Share
from tests.acceptance.program import neutral_names
from tests.acceptance.recorder import Recorder

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
OBJECT_ID = "3c1ad8c8-7d2c-4b13-9a5c-0c5d6c1d2e3f"
NAMES = Names(subscription=SUBSCRIPTION, run="acc-test")


def token() -> str:
    """A token as Entra ID makes them, signed by nobody."""
    parts = ({"alg": "none"}, {"oid": OBJECT_ID, "idtyp": "user"})
    encoded = [base64.urlsafe_b64encode(json.dumps(p).encode()).decode() for p in parts]
    return ".".join([*(one.rstrip("=") for one in encoded), "c2lnbmVk"])


class Credential:
    """Gives that token."""

    def get_token(self, *scopes: str, **_more: Any) -> AccessToken:
        """The token."""
        return AccessToken(token(), int(time.time()) + 3600)

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class JumpingClock:
    """Time passes by waiting for it, at once."""

    time: datetime = datetime(2026, 11, 25, 21, 0, tzinfo=UTC)

    def now(self) -> datetime:
        """The time, in UTC."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Jump."""
        self.time += timedelta(seconds=seconds)


@dataclass
class MemoryFiles:
    """Files of shares, in memory; they outlive the client that wrote them."""

    held: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def write(self, share: Share, path: str, content: bytes) -> None:
        """Write a file."""
        self.held[share.pattern, path] = content

    def remove(self, share: Share, path: str) -> None:
        """Remove a file."""
        self.held.pop((share.pattern, path), None)

    def read_all(self, share: Share) -> dict[str, bytes]:
        """Every file of a share."""
        return {path: held for (key, path), held in self.held.items() if key == share.pattern}


def package(folder: Path) -> Path:
    """Something like what `make package` builds."""
    path = folder / "built.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("function_app.py", "# the app\n")
    return path


@contextmanager
def estate_on(
    azure: FakeAzure, folder: Path, files: MemoryFiles, *, vaulted: bool = False
) -> Iterator[AzureEstate]:
    """A client's view of the service, as one start of a run has it."""
    pace = Pace(clock=JumpingClock(), work=2 * 3600, total=3 * 3600)
    journal = Journal(folder, kind="azure", subscription=SUBSCRIPTION, region="westeurope")
    neutral = Neutral(
        salt=journal.salt,
        subscription=SUBSCRIPTION,
        names=neutral_names(NAMES),
        endpoint=azure.url,
    )
    recorder = Recorder(folder / "recordings", neutral, kind="azure")
    person = Person(credential=Credential())
    arm = Arm(
        azure.url, token=person.token, pace=pace, recorder=recorder, session=session_to(azure)
    )
    app = AzureApp(
        names=NAMES,
        region="westeurope",
        arm=arm,
        person=person,
        journal=journal,
        template=lambda: {"$schema": "a template"},
        package=lambda: package(folder),
        origin=lambda host: f"{azure.url}/scm/{host}",
        session=lambda: session_to(azure),
    )
    try:
        with recorder.step("estate"):
            yield AzureEstate(
                names=NAMES,
                region="westeurope",
                arm=arm,
                person=person,
                files=files,
                app=app,
                vaulted=vaulted,
            )
    finally:
        arm.close()
