"""`make test-setup`: the set-up works on any later day, with the oldest and the newest pip.

A copy of the project is set up in an empty home against `newer_index`, whose certificate only one
variable names. It is no part of `make test`, since it fetches every package anew and takes minutes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import trustme
from packaging.utils import canonicalize_name

from local.setup import sources
from tests.security.test_requirements import LOCKED, installed, pins
from tests.setup.newer_index import NEWER, NewerIndex, serving

ROOT = Path(__file__).resolve().parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
# The pip that came with the first release of each Python.
OLDEST_PIPS = {
    "3.11": "pip==22.3 --hash=sha256:"
    "1daab4b8d3b97d1d763caeb01a4640a2250a0ea899e257b1e44b9eded91e15ab",
    "3.12": "pip==23.2.1 --hash=sha256:"
    "7ccf472345f20d35bdc9d1841ff5f313260c2c33fe417f48c30ac46cccabf5be",
    "3.13": "pip==24.2 --hash=sha256:"
    "2cd581cf58ab7fcfca4ce8efa6dcacd0de5bf8d0a3eb9ec927e07405f4d9e2a2",
}
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine that has never seen the project: a Python with a certain pip, an empty home."""

    folder: Path
    pip: str
    index: NewerIndex

    @property
    def python(self) -> Path:
        return self.folder / "machine/bin/python"

    @property
    def project(self) -> Path:
        return self.folder / "project"

    def run(self, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the project; of our own environment it gets the PATH alone."""
        environment = {
            "HOME": str(self.folder / "home"),
            "PATH": os.environ["PATH"],
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": self.index.simple,
            "REQUESTS_CA_BUNDLE": str(self.index.roots),
            "npm_config_registry": self.index.npm,
            **more,
        }
        return subprocess.run(
            [str(part) for part in command],
            cwd=self.project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def set_up(self, **more: str) -> subprocess.CompletedProcess[str]:
        return self.run("make", "setup", f"PYTHON={self.python}", **more)

    def versions(self) -> dict[str, str]:
        """What is in the copy's environment."""
        listed = self.run(".venv/bin/python", "-m", "pip", "list", "--format=json")
        return {canonicalize_name(one["name"]): one["version"] for one in json.loads(listed.stdout)}


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewerIndex]:
    """The index of a later day, in front of the one that this machine uses."""
    known = sources.read([sys.executable, "-m", "pip"], os.environ)
    versions: dict[str, set[str]] = {}
    for path in LOCKED.values():
        for pin in pins(path):
            versions.setdefault(pin.name, set()).add(pin.version)
    with requests.Session() as session:
        session.verify = known.pip.get("PIP_CERT", True)
        made = NewerIndex(
            versions=versions,
            upstream=known.pip.get("PIP_INDEX_URL", "https://pypi.org/simple"),
            registry=known.npm.get("npm_config_registry", "https://registry.npmjs.org/"),
            session=session,
            folder=tmp_path_factory.mktemp("files"),
        )
        authority = trustme.CA()
        authority.cert_pem.write_to_path(made.roots)
        with serving(made, authority.issue_cert("127.0.0.1")):
            yield made


@pytest.fixture(scope="session", params=["oldest", "newest"])
def machine(
    request: pytest.FixtureRequest, index: NewerIndex, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """A machine with the oldest pip of this Python, then one with the newest there is."""
    wanted = OLDEST_PIPS[PYTHON] if request.param == "oldest" else "pip"
    folder = tmp_path_factory.mktemp(request.param)
    yield made_machine(folder, index, pip=wanted)
    shutil.rmtree(folder)


@pytest.fixture
def machine_of_the_fault(index: NewerIndex, tmp_path: Path) -> Iterator[Machine]:
    """A machine with the pip on which the set-up had failed, whatever the Python."""
    yield made_machine(tmp_path, index, pip=OLDEST_PIPS["3.12"])
    shutil.rmtree(tmp_path)


def made_machine(folder: Path, index: NewerIndex, *, pip: str) -> Machine:
    """Make a Python with that pip, an empty home, and a copy of the project."""
    python = folder / "machine/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", python.parents[1]], check=True)
    (folder / "pip.txt").write_text(pip)
    known = sources.read([sys.executable, "-m", "pip"], os.environ)
    uv = Path(sys.prefix) / "bin/uv"
    subprocess.run(
        [uv, "--no-config", "pip", "install", "-q", "--python", python, "-r", folder / "pip.txt"],
        env=dict(known.uv),
        check=True,
    )
    said = subprocess.check_output([python, "-m", "pip", "--version"], text=True)
    copy_project(folder / "project")
    (folder / "home").mkdir()
    return Machine(folder=folder, pip=said.split()[1], index=index)


def copy_project(target: Path) -> None:
    """The project as it would be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.check_output(command, cwd=ROOT, text=True).split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)


def wanted_versions(*locks: str) -> dict[str, str]:
    return {name: version for lock in locks for name, version in installed(lock, PYTHON).items()}


def test_the_set_up_installs_what_is_locked_and_pip_fetches_one_file(machine: Machine) -> None:
    began = len(machine.index.fetched)

    ended = machine.set_up()

    assert ended.returncode == 0, ended.stderr
    wanted = wanted_versions("requirements-dev.txt", "local/requirements-worker.txt")
    assert machine.versions() == wanted
    by_pip = [
        file for asker, file in machine.index.fetched[began:] if asker == f"pip/{machine.pip}"
    ]
    assert [file.partition("-")[0] for file in by_pip] == ["uv"]
    assert not any(NEWER in file for _, file in machine.index.fetched[began:])
    again = machine.run("make", "setup")
    assert "Nothing to be done" in again.stdout


def test_a_broken_set_up_is_repaired_without_a_network(machine: Machine) -> None:
    environment = machine.project / ".venv"
    (environment / ".ready").unlink()
    shutil.rmtree(environment / "azurite/node_modules/azurite")
    (environment / "bin/pytest").unlink()
    nowhere = "http://127.0.0.1:9"

    ended = machine.set_up(http_proxy=nowhere, https_proxy=nowhere)

    assert ended.returncode == 0, ended.stderr
    assert (environment / "bin/pytest").is_file()
    assert (environment / "azurite/node_modules/azurite/dist/src/azurite.js").is_file()


def test_what_is_deployed_installs_with_pip_alone(machine: Machine, tmp_path: Path) -> None:
    ended = install(machine, "requirements.txt", tmp_path)

    assert ended.returncode == 0, ended.stderr
    folders = tmp_path.glob("*.dist-info")
    found = dict(re.split(r"-(?=\d)", folder.stem, maxsplit=1) for folder in folders)
    assert {canonicalize_name(name): version for name, version in found.items()} == (
        wanted_versions("requirements.txt")
    )


def test_a_lock_without_its_extras_fails_with_an_old_pip(machine_of_the_fault: Machine) -> None:
    # This is what keeps the proof honest: the index finds the fault that it was made for.
    machine = machine_of_the_fault
    text = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    stripped = re.sub(r"^([\w.-]+)\[[\w,]+\]==", r"\1==", text, flags=re.MULTILINE)
    (machine.project / "stripped.txt").write_text(stripped)
    command: list[str | Path] = [machine.python, "-m", "pip", "install", "--dry-run"]

    whole = machine.run(*command, "--require-hashes", "-r", "requirements-dev.txt")
    ended = machine.run(*command, "--require-hashes", "-r", "stripped.txt")

    assert whole.returncode == 0, whole.stderr
    assert ended.returncode != 0
    assert NEWER in ended.stderr


def install(machine: Machine, lock: str, target: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [machine.python, "-m", "pip", "install", "--require-hashes"]
    return machine.run(*command, "--no-compile", "-r", lock, "--target", target)
