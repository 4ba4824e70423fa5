"""Runs the app of a package that `make package` has built, unpacked into a temporary folder.

When the host reads its command line, it has already imported some of the app's packages from this
project's environment. So it starts itself again in the same process, with the package's folder
first on the path, and then runs exactly the modules of the package.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from infra.package.problems import PackagingError
from infra.package.reading import SITE_PACKAGES, Package
from local.host.app import AppError
from local.host.host import HOST_ID, host_id

_UNPACKED = "LOCAL_HOST_UNPACKED"


def run(arguments: argparse.Namespace) -> None:
    """Start the host again on what is in the package, unless this is that host.

    Settings stay where they would be without a package, and so does what the timers remember: the
    host has the id that it would have in the app's folder.
    """
    if arguments.package is None or _UNPACKED in os.environ:
        return
    package = _opened(arguments.package)
    folder = Path(tempfile.mkdtemp(prefix="azure-files-restore-unpacked-"))
    package.unpack(folder)
    settings = arguments.settings or arguments.app / "local.settings.json"
    # Of an option that is given twice, the last one counts.
    changed = ["--app", str(folder)]
    changed += ["--settings", str(settings)] if settings.is_file() else []
    path = [str(folder / SITE_PACKAGES), os.environ.get("PYTHONPATH", "")]
    os.execve(  # noqa: S606  (this very program)
        sys.executable,
        [sys.executable, "-m", "local.host", *sys.argv[1:], *changed],
        {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            HOST_ID: host_id(arguments.app, os.environ),
            _UNPACKED: str(folder),
        },
    )


def _opened(file: Path) -> Package:
    try:
        package = Package.open(file)
    except PackagingError as error:
        raise AppError(str(error)) from error
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if package.python != running:
        raise AppError(
            f"{file} is for Python {package.python} and this is {running}: build one with"
            f" make package PYTHON_VERSION={running}"
        )
    return package


def clean_up() -> None:
    """Remove what was unpacked for this host, if it runs a package."""
    if folder := os.environ.get(_UNPACKED):
        shutil.rmtree(folder, ignore_errors=True)
