"""A commit that is packed as the project's would be, and the wheels that it takes.

The commit is made of the folder as it is, so that the tests say the same before and after a
commit of the project, and where the folder is a copy without one.
"""

import shutil
import sys
from pathlib import Path

import pytest

from infra.package import wheels
from infra.package.build import Order, build
from infra.package.problems import NoCompilerError, NoWheelsError
from infra.package.reading import Package
from infra.package.target import DEPLOYED_PYTHON, Target
from local.stack import ROOT
from tests.infra.package.repository import committed, git

OWN_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_PACKED = ("function_app.py", "host.json", "restore_core")
_DECIDING = (".funcignore", ".gitignore", "requirements.txt", "pyproject.toml", "infra/package")
_BESIDE = ("local", "docs", "README.md", "LICENSE", "tests/samples", "requirements.in")


@pytest.fixture(scope="session")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the project's files, those that are not deployed among them."""
    folder = tmp_path_factory.mktemp("commit")
    for name in (*_PACKED, *_DECIDING, *_BESIDE):
        source, copy = ROOT / name, folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    (folder / "restore-guards.json").write_text('{"reviewed": "by somebody"}\n')
    committed(folder)
    return folder


def clone(commit: Path, folder: Path) -> Path:
    """A clean checkout of the commit, in a folder of its own."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    git(commit, "clone", "--quiet", str(commit), str(folder))
    return folder


def shelved(python: str, folder: Path) -> Path:
    """The wheels for one Python, fetched once; without them the test is skipped, and says so.

    This is the only place where the tests of packages need an index.
    """
    target = Target(python=python)
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = wheels.selected(lock, target)
    try:
        wheels.fetch(lines, target, folder)
    except NoWheelsError as error:
        # A wheel that is missing or not the one of the lock is a failure, and no lack of an index.
        if _answers(lines, target, folder.with_name("probe")):
            raise
        pytest.skip(f"NOT TESTED, since the package index could not be asked: {error}")
    return folder


def _answers(lines: list[str], target: Target, folder: Path) -> bool:
    """Whether the index gives anything at all: a wheel that fits every machine."""
    try:
        wheels.fetch([line for line in lines if line.startswith("certifi=")], target, folder)
    except NoWheelsError:
        return False
    return True


def packed(root: Path, python: str, output: Path, shelf: Path) -> Package:
    """Build a package out of a checkout, with wheels from the shelf and from nowhere else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(shelf))
        try:
            return build(Order(root=root, target=Target(python=python), output=output))
        except NoCompilerError as error:
            pytest.skip(f"NOT TESTED, since nothing can compile for {python} here: {error}")


@pytest.fixture(scope="session")
def own_shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels for the Python that runs the tests."""
    return shelved(OWN_PYTHON, tmp_path_factory.mktemp("own") / "wheels")


@pytest.fixture(scope="session")
def own(commit: Path, own_shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package for the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("own-package")
    return packed(clone(commit, folder / "one"), OWN_PYTHON, folder / "own.zip", own_shelf)


@pytest.fixture(scope="session")
def deployed(commit: Path, tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The package that is deployed."""
    folder = tmp_path_factory.mktemp("deployed")
    shelf = shelved(DEPLOYED_PYTHON, folder / "wheels")
    root = clone(commit, folder / "checkout")
    return packed(root, DEPLOYED_PYTHON, folder / "deployed.zip", shelf)
