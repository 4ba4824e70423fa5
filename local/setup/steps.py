"""The set-up, step by step: an empty environment, the installer, the packages, Azurite.

A set-up is all or nothing. The mark of a finished one is deleted first and written last, and a run
that finds no mark, or the mark of other inputs, starts from an empty environment. Files that were
fetched before come from the caches, without a request to the network.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from local.setup import sources
from local.setup.installer import fetch, pip_command
from local.setup.running import Command, SetupError, failure, run

INPUTS = (
    "requirements-installer.txt",
    "requirements.txt",
    "requirements-dev.txt",
    "local/requirements-worker.txt",
    "local/azurite/package.json",
    "local/azurite/package-lock.json",
    "local/azurite/.npmrc",
)
_REGISTRY = (
    "check the network, or name a mirror by npm_config_registry, a proxy by HTTPS_PROXY,"
    " certificates by SSL_CERT_FILE"
)
_INDEX = (
    "check the network, or name a mirror by PIP_INDEX_URL, a proxy by HTTPS_PROXY,"
    " certificates by SSL_CERT_FILE"
)


def set_up(root: Path, *, tell: Callable[[str], None]) -> None:
    """Make `.venv` what the lock files say; at once done where it is that already."""
    venv = root / ".venv"
    mark = venv / ".ready"
    with _alone(root, tell=tell):
        wanted = fingerprint(root)
        if (venv / "bin/python").exists() and mark.is_file() and mark.read_text() == wanted:
            mark.touch()  # make compares times
            return
        begun = time.monotonic()
        tell(f"Python {sys.version.split()[0]}: an environment of its own in .venv")
        _clear(venv)
        _create(venv)
        pip = pip_command(venv)
        known = sources.read(pip, os.environ)
        tell("the installer, uv")
        uv = fetch(pip, known, wanted=root / INPUTS[0], into=venv / "installer")
        tell("Python packages")
        _install(sync(uv, root, venv), known)
        _install(worker(uv, root, venv), known)
        tell("Azurite, the storage emulator")
        _azurite(known, root=root, venv=venv)
        shutil.rmtree(venv / "installer")
        _write_last(mark, wanted)
        tell(f"ready after {time.monotonic() - begun:.0f} s")


def fingerprint(root: Path) -> str:
    """What a finished set-up was made from; another Python or another folder needs a new one."""
    digest = hashlib.sha256(f"{sys.version}\n{sys.base_prefix}\n{root.resolve()}\n".encode())
    for name in INPUTS:
        digest.update(name.encode() + b"\n" + (root / name).read_bytes())
    for module in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(module.read_bytes())
    return digest.hexdigest() + "\n"


@contextlib.contextmanager
def _alone(root: Path, *, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the folder, so that two commands started together do not set up at the same time."""
    folder = os.open(root, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tell("waiting for another set-up of this folder")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _clear(venv: Path) -> None:
    """Take away what is there; of a link only the link, since what it names is not ours."""
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        (venv / ".ready").unlink(missing_ok=True)
        shutil.rmtree(venv)


def _create(venv: Path) -> None:
    """Make the empty environment; pip comes with the packages."""
    if importlib.util.find_spec("venv") is None:
        raise SetupError(
            f"{sys.executable} has no module venv: install it (on Debian and Ubuntu,"
            " `apt install python3-venv`)."
        )
    command: Command = [sys.executable, "-m", "venv", "--without-pip", venv]
    ended = run(command, environment=os.environ)
    if ended.returncode:
        raise failure(
            f"{sys.executable} could not make a virtual environment",
            ended,
            otherwise="mend that Python, or name another one by PYTHON",
        )


def sync(uv: Path, root: Path, venv: Path) -> Command:
    """How uv makes the environment what requirements-dev.txt lists, and nothing else."""
    return [*_uv(uv, "sync", venv), root / "requirements-dev.txt"]


def worker(uv: Path, root: Path, venv: Path) -> Command:
    """How uv adds the worker library.

    It declares Python 3.13 and later, but runs unchanged on 3.11 and 3.12. What it needs is in
    requirements.txt already, so that the declaration is all that these options overrule.
    """
    options = ["--no-deps", "--python-version", "3.13"]
    return [*_uv(uv, "install", venv), *options, "-r", root / "local/requirements-worker.txt"]


def _uv(uv: Path, verb: str, venv: Path) -> Command:
    # Wheels only: building one would fetch tools that nobody has pinned.
    options: Command = ["--require-hashes", "--no-build", "--python", venv / "bin/python"]
    return [uv, "--no-config", "pip", verb, *options]


def _install(command: Command, known: sources.Sources) -> None:
    """From the cache alone if all is there, else from every source, else from the index alone.

    The last is for an additional index that is named but out of reach: uv gives up where pip only
    warns. Whichever way a file comes, its hash decides.
    """
    if known.pip.get("PIP_NO_INDEX", "").lower() in {"1", "true", "yes", "on"}:
        command = [*command, "--no-index"]
    plain = {
        name: value
        for name, value in known.uv.items()
        if name not in {"UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS"}
    }
    if run(command, environment={**known.uv, "UV_OFFLINE": "1"}).returncode == 0:
        return
    ended = run(command, environment=known.uv)
    if ended.returncode and plain != known.uv and run(command, environment=plain).returncode == 0:
        return
    if ended.returncode:
        raise failure(
            f"the Python packages could not be fetched from {known.index}", ended, otherwise=_INDEX
        )


def _azurite(known: sources.Sources, *, root: Path, venv: Path) -> None:
    """Install Azurite with the node and npm that came with the packages."""
    folder = venv / "azurite"
    folder.mkdir()
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(root / "local/azurite" / name, folder)
    npm: Command = [venv / "bin/npm", "ci", "--ignore-scripts", "--loglevel=error"]
    environment = {**known.npm, "PATH": f"{venv / 'bin'}{os.pathsep}{known.npm.get('PATH', '')}"}
    if _npm([*npm, "--offline"], environment, folder).returncode == 0:
        return
    ended = _npm(npm, environment, folder)
    if ended.returncode:
        raise failure(
            "Azurite could not be fetched from npm's registry", ended, otherwise=_REGISTRY
        )


def _npm(
    command: Command, environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return run(command, environment=environment, directory=folder)


def _write_last(mark: Path, text: str) -> None:
    """Write the mark in one step, after everything else."""
    unfinished = mark.with_suffix(".new")
    unfinished.write_text(text)
    unfinished.replace(mark)
