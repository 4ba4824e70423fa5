"""Bytecode for the target, compiled by a Python of exactly that version.

Bytecode of another minor version is ignored by Python without a word, and then each start
compiles everything again, in a folder that it cannot write to. So there is no package without a
Python of its version to compile it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from infra.package import compile_files
from infra.package.problems import NoCompilerError, PackagingError
from infra.package.target import Target

_ASK = "import sys; print(*sys.version_info[:2], sep='.'); print(sys.version.split()[0])"


def compiler(target: Target, given: str | None) -> Path:
    """The Python that compiles: `given`, this one, or one of the PATH, of uv or of pyenv."""
    searched = [sys.executable, f"python{target.python}", _of_uv(target), *_of_pyenv(target)]
    candidates = [given] if given else searched
    for candidate in candidates:
        path = shutil.which(candidate) if candidate else None
        if path and version(Path(path))[0] == target.python:
            return Path(path)
    raise NoCompilerError(
        f"the package is for Python {target.python}, and only a Python {target.python} can"
        f" compile it: {given or f'python{target.python} is not on this machine'}"
        f"{' is another version or none' if given else ''}. Install one, for instance with"
        f" uv python install {target.python}, or name it: make package COMPILER=/path/to/python"
    )


def version(python: Path) -> tuple[str, str]:
    """The minor version of a Python, and its full version; empty if it does not run."""
    done = subprocess.run(
        [str(python), "-S", "-s", "-c", _ASK], capture_output=True, text=True, check=False
    )
    minor, _, full = done.stdout.strip().partition("\n")
    return (minor, full) if done.returncode == 0 else ("", "")


def compile_all(python: Path, root: Path) -> None:
    """Compile each source file below `root`, in a fixed order and in one fresh process."""
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
    done = subprocess.run(
        # No site-packages and no warnings: nothing of the machine takes part.
        [str(python), "-S", "-s", "-B", "-W", "ignore", compile_files.__file__, str(root)],
        input="".join(f"{name}\n" for name in names),
        capture_output=True,
        text=True,
        check=False,
        # A fixed seed: constants that are sets are written in the order of their hashes.
        env={"PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
    )
    if done.returncode:
        raise PackagingError(f"a file does not compile: {done.stderr.strip()}")


def _of_uv(target: Target) -> str | None:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        return None
    done = subprocess.run(
        [
            *(str(uv), "--no-config", "--no-python-downloads", "python", "find"),
            *("--system", target.python),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None if done.returncode == 0 else None


def _of_pyenv(target: Target) -> list[str]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(map(str, root.glob(f"versions/{target.python}.*/bin/python{target.python}")))
