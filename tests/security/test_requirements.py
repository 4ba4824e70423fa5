"""What is installed: pinned, hashed, and what the `.in` files ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKED = {
    "requirements.in": "requirements.txt",
    "requirements-dev.in": "requirements-dev.txt",
    "local/requirements-worker.in": "local/requirements-worker.txt",
}
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {"linux": "posix", "darwin": "posix", "win32": "nt"}


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A line of a requirements file."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def holds(self, python: str, system: str = "linux") -> bool:
        """Whether it is installed there."""
        environment = {
            "python_version": python,
            "python_full_version": f"{python}.0",
            "sys_platform": system,
            "os_name": SYSTEMS[system],
        }
        return self.marker is None or self.marker.evaluate(environment)


def pins(path: str) -> list[Pin]:
    """Read a requirements file; a file that it includes is read, too."""
    text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")
    found: list[Pin] = []
    for line in text.splitlines():
        if line.startswith("-r "):
            found += pins(line.removeprefix("-r "))
        elif line.strip() and not line.lstrip().startswith("#"):
            wanted, *hashes = line.split("--hash=")
            requirement = Requirement(wanted)
            (pin,) = requirement.specifier
            assert pin.operator == "==", f"{path}: {line} is not pinned"
            found.append(
                Pin(
                    name=canonicalize_name(requirement.name),
                    version=pin.version,
                    marker=requirement.marker,
                    hashes=tuple(one.strip() for one in hashes),
                )
            )
    return found


def installed(path: str, python: str, system: str = "linux") -> dict[str, str]:
    """What a file installs on one Python and one system."""
    chosen = [pin for pin in pins(path) if pin.holds(python, system)]
    versions = {pin.name: pin.version for pin in chosen}
    assert len(versions) == len(chosen), f"{path}: two versions of one package on {python}"
    return versions


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("asked", "locked"), LOCKED.items())
def test_what_is_asked_for_is_what_is_locked(
    asked: str, locked: str, python: str, system: str
) -> None:
    wanted, got = installed(asked, python, system), installed(locked, python, system)
    assert wanted.items() <= got.items(), "run make lock"


@pytest.mark.parametrize("locked", LOCKED.values())
def test_every_locked_package_has_hashes(locked: str) -> None:
    for pin in pins(locked):
        assert pin.hashes, pin.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in pin.hashes), pin.name


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_tested_is_what_is_deployed(python: str, system: str) -> None:
    deployed = installed("requirements.txt", python, system)
    assert deployed.items() <= installed("requirements-dev.txt", python, system).items()


def test_the_worker_library_needs_nothing_that_is_not_locked() -> None:
    assert len(pins("local/requirements-worker.txt")) == len(pins("local/requirements-worker.in"))


@pytest.mark.parametrize("path", [*LOCKED, *LOCKED.values()])
def test_no_file_says_where_packages_come_from(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host|@ ", text)


def test_azure_functions_has_the_version_of_each_python() -> None:
    versions = [installed("requirements.txt", python)["azure-functions"] for python in PYTHONS]
    assert [one.partition(".")[0] for one in versions] == ["1", "1", "2"]


def test_the_machine_is_set_up_with_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = re.findall(r"^.*pip install.*$", makefile, re.MULTILINE)
    assert installs
    assert all("--require-hashes" in line for line in installs)
