"""A real `az`, named by the variable AZ; tests that need one are skipped where it is not set."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

AZ = os.environ.get("AZ", "")
NEEDS_AZ = "needs a real az: `make test-az` runs it"


class RealAz:
    """An `az` with a configuration of its own, signed in at a loopback cloud."""

    def __init__(self, folder: Path, url: str, ca_file: Path, identity: str) -> None:
        self.folder = folder
        self.variables = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "HOME": str(folder),
            "AZURE_CONFIG_DIR": str(folder / "config"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "AZURE_CORE_ONLY_SHOW_ERRORS": "yes",
            "REQUESTS_CA_BUNDLE": str(ca_file),
            "IDENTITY_ENDPOINT": identity,
            "IDENTITY_HEADER": "any",
            "NO_PROXY": "127.0.0.1",
        }
        (folder / "az").symlink_to(Path(AZ).resolve())
        self("cloud", "register", "--name", "loopback", "--endpoint-resource-manager", url)
        self("cloud", "set", "--name", "loopback")
        self("login", "--identity")

    def __call__(self, *words: str) -> Any:
        """What `az` prints, as JSON or as it is; it must succeed."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        try:
            return json.loads(done.stdout) if done.stdout else None
        except ValueError:
            return done.stdout

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [AZ, *words],
            env=self.variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


MakeAz = Callable[[str, Path, str], RealAz]


@pytest.fixture
def make_az(tmp_path: Path) -> MakeAz:
    """Sign a real `az` in: the cloud's URL, its CA and its identity endpoint."""
    if not AZ:
        pytest.skip(NEEDS_AZ)
    folder = tmp_path / "az"
    folder.mkdir()
    return lambda url, ca_file, identity: RealAz(folder, url, ca_file, identity)
