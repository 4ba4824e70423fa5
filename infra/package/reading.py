"""A package as a reader sees it: its manifest, its files, and a digest of what it holds.

The standard library is enough to read one, so that the hooks and `local.host` can.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from infra.package.problems import PackagingError

MANIFEST = "package-manifest.json"
SBOM = "sbom.cdx.json"
SITE_PACKAGES = ".python_packages/lib/site-packages"
"""Where the Python worker of Azure Functions looks for an app's packages."""


class Package:
    """A package file."""

    def __init__(self, path: Path, names: list[str], manifest: Mapping[str, Any]) -> None:
        self.path = path
        self.names = names
        self.manifest = manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a package; a file that is none is refused."""
        try:
            with zipfile.ZipFile(path) as archive:
                manifest = json.loads(archive.read(MANIFEST))
                names = archive.namelist()
            package = cls(path, names, manifest)
            # Both are read later by whoever opens it, who need not know how they can fail.
            _ = package.python, package.functions
        except FileNotFoundError as error:
            raise PackagingError(f"there is no {path}: run make package") from error
        except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
            raise PackagingError(f"{path} is no package that make package has built") from error
        return package

    @property
    def python(self) -> str:
        """The Python that it is for."""
        return str(self.manifest["python"])

    @property
    def functions(self) -> list[str]:
        """The names of the app's functions."""
        return [str(each["name"]) for each in self.manifest["functions"]]

    @property
    def content_digest(self) -> str:
        """SHA-256 over names and contents, and so the same however the file is compressed."""
        digest = hashlib.sha256()
        with zipfile.ZipFile(self.path) as archive:
            for name in sorted(self.names):
                content = hashlib.sha256(archive.read(name)).hexdigest()
                digest.update(f"{content}  {name}\n".encode())
        return digest.hexdigest()

    @property
    def file_digest(self) -> str:
        """SHA-256 of the file itself."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def read(self, name: str) -> bytes:
        """One file of the package."""
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(name)

    def unpack(self, folder: Path) -> None:
        """Write all of it into a folder."""
        with zipfile.ZipFile(self.path) as archive:
            archive.extractall(folder)


def compare(expected: list[str], listed: str) -> tuple[list[str], list[str]]:
    """The functions that Azure does not list, and those that it lists beside them.

    `listed` has one on a line, as `az functionapp function list` names them: `<app>/<function>`.
    """
    found = {line.strip().rpartition("/")[2] for line in listed.splitlines() if line.strip()}
    return sorted(set(expected) - found), sorted(found - set(expected))
