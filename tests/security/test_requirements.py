"""What is installed: pinned, hashed, and what the `.in` files ask for."""

from __future__ import annotations

import functools
import importlib.metadata
import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.setup import installer, steps

ROOT = Path(__file__).resolve().parents[2]
LOCKED = {
    "requirements-installer.in": "requirements-installer.txt",
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
    extras: frozenset[str]
    marker: Marker | None
    hashes: tuple[str, ...]

    def holds(self, python: str, system: str = "linux") -> bool:
        """Whether it is installed there."""
        return self.marker is None or self.marker.evaluate(environment(python, system))


def environment(python: str, system: str) -> dict[str, str]:
    """What markers are compared with."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "os_name": SYSTEMS[system],
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
    }


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
                    extras=frozenset(requirement.extras),
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


@functools.cache
def asked(name: str, version: str) -> list[Requirement]:
    """What a package asks for by its own metadata.

    Only of what is installed here, in this version: that is all but what other systems need.
    """
    try:
        distribution = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return []
    wanted = distribution.requires or () if distribution.version == version else ()
    return [Requirement(one) for one in wanted]


def demands(pin: Pin, python: str, system: str) -> list[Requirement]:
    """What a package asks for there, for the extras of its line."""
    places = [environment(python, system) | {"extra": extra} for extra in ("", *pin.extras)]
    return [
        one
        for one in asked(pin.name, pin.version)
        if one.marker is None or any(one.marker.evaluate(place) for place in places)
    ]


def missing(pinned: list[Pin], locked: list[Pin]) -> list[str]:
    """What pinned packages ask for and the lock does not hold, with the extras they ask for."""
    found = []
    for python, system in itertools.product(PYTHONS, SYSTEMS):
        held = {pin.name: pin for pin in locked if pin.holds(python, system)}
        for pin in pinned:
            for one in demands(pin, python, system) if pin.holds(python, system) else ():
                holder = held.get(canonicalize_name(one.name))
                if holder is None or not one.extras <= holder.extras or not holder.hashes:
                    found.append(f"{pin.name} asks for {one} on {system}, Python {python}")
                elif not one.specifier.contains(holder.version, prereleases=True):
                    found.append(f"{pin.name} asks for {one}, which is not {holder.version}")
    return found


@pytest.mark.parametrize("locked", LOCKED.values())
def test_every_lock_holds_all_that_its_packages_ask_for(locked: str) -> None:
    # An installer would look up for itself what is missing, and so would an older pip an extra.
    held = pins(locked)
    if locked == "local/requirements-worker.txt":  # is installed without dependencies, beside these
        held = held + pins("requirements.txt")

    assert missing(pins(locked), held) == []


def test_a_lock_without_an_extra_is_seen_to_lack_it() -> None:
    held = pins("requirements-dev.txt")
    stripped = [replace(pin, extras=frozenset()) for pin in held]
    shortened = [pin for pin in held if pin.name != "cryptography"]

    assert any("coverage[toml]" in one for one in missing(held, stripped))
    assert any("cryptography" in one for one in missing(held, shortened))


@pytest.mark.parametrize("path", [*LOCKED, *LOCKED.values()])
def test_no_file_says_where_packages_come_from(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    assert not re.search(r"://|--index|--extra-index|--find-links|--trusted-host|@ ", text)


def test_azure_functions_has_the_version_of_each_python() -> None:
    versions = [installed("requirements.txt", python)["azure-functions"] for python in PYTHONS]
    assert [one.partition(".")[0] for one in versions] == ["1", "1", "2"]


def test_the_installer_has_one_pin() -> None:
    (pin,) = pins("requirements-installer.txt")
    assert pin.name == "uv"
    assert pin in pins("requirements-dev.txt")


def test_the_machine_is_set_up_with_hashes_and_ready_made_packages() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert not re.search(r"pip (install|download|sync)", makefile)
    venv = Path("/nowhere")
    for command in (steps.sync(venv, venv, venv), steps.worker(venv, venv, venv)):
        assert {"--require-hashes", "--no-build", "--no-config"} <= set(command)
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(installer.pinned(venv))
