"""The wheels of the lock: which ones the target needs, fetched by their hashes, and unpacked.

pip fetches and installs them, the one of the project's own lock, told by its usual settings where
the index is. What pip writes about the installation differs from machine to machine or names
paths, so it is removed.
"""

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from infra.package.problems import NoWheelsError, PackagingError
from infra.package.target import Target

_INSTALLATION_RECORDS = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json")
_LAST_LINES = 3


@dataclass(frozen=True, kw_only=True)
class Wheel:
    """A wheel file, as it was fetched."""

    path: Path
    sha256: str

    @property
    def name(self) -> str:
        return str(parse_wheel_filename(self.path.name)[0])

    @property
    def version(self) -> str:
        return str(parse_wheel_filename(self.path.name)[1])


def selected(lock: str, target: Target) -> list[str]:
    """The lines of the lock that hold for the target, with their hashes and without markers.

    pip would evaluate the markers for the Python that it runs in.
    """
    lines: list[str] = []
    for line in lock.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        wanted, *hashes = line.split("--hash=")
        requirement = Requirement(wanted)
        if not hashes:
            raise PackagingError(f"{requirement.name} has no hash in the lock: run make lock")
        if requirement.marker is None or requirement.marker.evaluate(dict(target.markers)):
            sums = " ".join(f"--hash={one.strip()}" for one in hashes)
            lines.append(f"{requirement.name}{requirement.specifier} {sums}")
    return lines


def fetch(lines: list[str], target: Target, folder: Path) -> list[Wheel]:
    """Fetch one wheel for each line into `folder`; pip compares their hashes."""
    folder.mkdir()
    wanted = _requirements(lines, folder)
    done = _pip("download", *target.pip_options, "-r", str(wanted), "-d", str(folder))
    if done.returncode:
        raise NoWheelsError(
            f"pip could not fetch the wheels of requirements.txt for Python {target.python}:"
            f" {_last_words(done.stderr)}. It asks the index of PIP_INDEX_URL, through"
            " HTTPS_PROXY and with the certificates of PIP_CERT; a folder of wheels does"
            " instead, with PIP_NO_INDEX=1 and PIP_FIND_LINKS=FOLDER"
        )
    wheels = [
        Wheel(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.glob("*.whl"))
    ]
    asked = {str(canonicalize_name(Requirement(line.split(" --hash")[0]).name)) for line in lines}
    if {wheel.name for wheel in wheels} != asked or len(wheels) != len(lines):
        raise PackagingError(f"pip fetched {len(wheels)} wheels for {len(lines)} lines of the lock")
    return wheels


def install(lines: list[str], target: Target, wheels: Path, site_packages: Path) -> None:
    """Unpack the fetched wheels into `site_packages`, as they would be on any machine."""
    wanted = _requirements(lines, wheels)
    done = _pip(
        *("install", "--no-compile", "--no-index", "--find-links", str(wheels)),
        *(*target.pip_options, "-r", str(wanted), "--target", str(site_packages)),
    )
    if done.returncode:
        raise PackagingError(f"pip could not unpack the wheels: {_last_words(done.stderr)}")
    # Commands of the packages: nothing calls them in Azure, and they name this machine's Python.
    shutil.rmtree(site_packages / "bin", ignore_errors=True)
    for record in _INSTALLATION_RECORDS:
        for path in site_packages.glob(f"*.dist-info/{record}"):
            path.unlink()


def _requirements(lines: list[str], folder: Path) -> Path:
    path = folder / "requirements.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _pip(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    fixed = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps")
    return subprocess.run(
        # Isolated: the pip of the lock, and no other that PYTHONPATH leads to.
        [sys.executable, "-I", "-m", "pip", command, *fixed, "--require-hashes", *options],
        capture_output=True,
        text=True,
        check=False,
    )


def _last_words(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    said = [line for line in lines if not line.startswith(("WARNING", "[notice]"))]
    return " / ".join((said or lines)[-_LAST_LINES:]) or "it said nothing"
