"""The project's own installer, uv: the one file that the machine's pip fetches.

Old versions of pip resolve a package with extras apart from its pinned line, and fail on the day on
which a newer version is published. So pip gets one package without dependencies, and uv does the
rest. The wheel is kept, because pip asks the index anew each time, even for what is in its cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local.setup.running import Command, SetupError, failure, run
from local.setup.sources import Sources


def pip_command(venv: Path) -> Command:
    """The machine's pip, else the one that Python brings along for new environments."""
    machine: Command = [sys.executable, "-m", "pip"]
    if run([*machine, "--version"], environment=os.environ).returncode == 0:
        return machine
    python = venv / "bin/python"
    bring: Command = [python, "-m", "ensurepip", "--default-pip"]
    if run(bring, environment=os.environ).returncode == 0:
        return [python, "-m", "pip"]
    raise SetupError(
        f"{sys.executable} has neither pip nor ensurepip: install one of them (on Debian and"
        " Ubuntu, `apt install python3-venv`)."
    )


def fetch(pip: Command, sources: Sources, *, wanted: Path, into: Path) -> Path:
    """Install what `wanted` pins into a folder of its own, and return the program.

    pip compares the hash each time, whether the wheel was kept or has just been fetched.
    """
    kept = _kept(sources.pip)
    if (
        kept is not None
        and any(kept.iterdir())
        and _install(pip, sources, wanted, kept, into).returncode == 0
    ):
        return into / "bin/uv"
    with tempfile.TemporaryDirectory(dir=kept, prefix="fetching-") as folder:
        _download(pip, sources, wanted, Path(folder))
        ended = _install(pip, sources, wanted, Path(folder), into)
        if ended.returncode:
            raise failure(
                "uv was fetched but could not be installed",
                ended,
                otherwise="mend pip, or name another Python by PYTHON",
            )
        if kept is not None:
            for wheel in Path(folder).glob("*.whl"):
                wheel.replace(kept / wheel.name)
    return into / "bin/uv"


def _download(pip: Command, sources: Sources, wanted: Path, folder: Path) -> None:
    command: Command = [*pip, "download", "-q", *pinned(wanted), "--dest", folder]
    ended = run(command, environment=sources.pip)
    if ended.returncode:
        raise failure(
            f"pip could not fetch uv from {sources.index}",
            ended,
            otherwise="check the network, or name a mirror by PIP_INDEX_URL, a proxy by"
            " HTTPS_PROXY, certificates by SSL_CERT_FILE",
        )


def _install(
    pip: Command, sources: Sources, wanted: Path, wheels: Path, into: Path
) -> subprocess.CompletedProcess[str]:
    command: Command = [*pip, "install", "-q", *pinned(wanted), "--no-index", "--no-compile"]
    places: Command = ["--find-links", wheels, "--target", into]
    return run([*command, *places], environment=sources.pip)


def pinned(wanted: Path) -> Command:
    """The options by which pip takes what the lock pins, and nothing beside it."""
    return ["--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", wanted]


def _kept(environ: Mapping[str, str]) -> Path | None:
    """Where wheels of the installer are kept; nowhere, if that folder cannot be written."""
    caches = environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(caches).expanduser() / "azure-files-restore/installer"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # there may be no home at all
        return None
    return folder if os.access(folder, os.W_OK) else None
