"""The set-up where it cannot go on: a sentence, and nothing that looks finished."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.setup import NEWEST, OLDEST, __main__, steps
from local.setup.running import failure

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """As much of the project as its set-up reads."""
    made = tmp_path / "project"
    for name in steps.INPUTS:
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, made / name)
    shutil.copy(ROOT / "Makefile", made)
    shutil.copy(ROOT / "local/__init__.py", made / "local")
    shutil.copytree(ROOT / "local/setup", made / "local/setup")
    return made


def machine(project: Path, **more: str) -> dict[str, str]:
    """The variables of a machine that has never seen the project."""
    home = project.parent / "home"
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
        **more,
    }


def set_up(project: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "demo", f"PYTHON={sys.executable}"],
        cwd=project,
        env=machine(project, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_an_index_it_says_what_to_do(project: Path) -> None:
    ended = set_up(project, PIP_INDEX_URL="http://user:secret@127.0.0.1:9/simple")

    assert ended.returncode != 0
    assert "could not fetch uv from http://127.0.0.1:9/simple: check the network" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "secret" not in ended.stderr
    assert not (project / ".venv/.ready").exists()


def test_a_file_that_is_not_the_pinned_one_is_refused(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index/uv"
    folder.mkdir(parents=True)
    lock = (ROOT / "requirements-installer.txt").read_text(encoding="utf-8")
    version = re.findall(r"^uv==(\S+)", lock, re.MULTILINE)[0]
    name = f"uv-{version}-py3-none-any.whl"
    (folder / name).write_bytes(b"not the pinned one")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')

    ended = set_up(project, PIP_INDEX_URL=folder.parent.as_uri())

    assert ended.returncode != 0
    assert "was served is not the pinned file" in ended.stderr
    assert not (project / ".venv/.ready").exists()


def test_a_python_without_pip_and_without_ensurepip_is_told(project: Path) -> None:
    # As on Debian without python3-venv and python3-pip: the modules are not there.
    hidden = project / "ensurepip.py"
    hidden.write_text("raise ImportError('ensurepip is not installed')")
    (project / "pip.py").write_text("raise ImportError('pip is not installed')")

    ended = set_up(project, PYTHONPATH=str(project))

    assert ended.returncode != 0
    assert "neither pip nor ensurepip: install one of them" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_python_that_is_not_on_the_path_is_told(project: Path) -> None:
    ended = subprocess.run(
        ["make", "setup", "PYTHON=python3.99"],
        cwd=project,
        env=machine(project),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode != 0
    assert "there is no python3.99 on the PATH: install Python 3.13" in ended.stderr


@pytest.mark.parametrize("version", [(3, 9, 18), (3, 10, 13), (3, 14, 0)])
def test_another_python_gets_a_sentence(
    version: tuple[int, int, int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.version_info", version)
    monkeypatch.setattr("sys.version", ".".join(map(str, version)) + " (made)")

    assert __main__.main() == 1

    said = capsys.readouterr().err
    assert "Python 3.11, 3.12 or 3.13 is needed" in said
    assert f"is {'.'.join(map(str, version))}: " in said
    assert len(said.splitlines()) == 1


def test_the_sentence_names_a_python_that_is_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "python3.12").symlink_to(sys.executable)
    (tmp_path / "python3.13").write_text("#!/bin/sh\nexit 127\n")  # as a version manager's
    (tmp_path / "python3.13").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("sys.version_info", (3, 9, 18))

    assert __main__.main() == 1

    assert "run make with PYTHON=python3.12." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["__init__.py", "setup/__init__.py", "setup/__main__.py"])
def test_an_old_python_can_read_what_speaks_to_it(name: str) -> None:
    text = (ROOT / "local" / name).read_text(encoding="utf-8")

    ast.parse(text, feature_version=(3, 5))
    assert "from __future__" not in text


def test_every_place_promises_the_same_pythons() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    first, after = f"3.{OLDEST[1]}", f"3.{NEWEST[1] + 1}"
    last = f"3.{NEWEST[1]}"

    assert project["project"]["requires-python"] == f">={first},<{after}"
    assert project["tool"]["mypy"]["python_version"] == first
    assert project["tool"]["ruff"]["target-version"] == first.replace("3.", "py3")
    assert f"Python {first} to {last}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"for Python {first} to {last}" in (ROOT / "Makefile").read_text(encoding="utf-8")


@pytest.fixture
def silent_index() -> Iterator[str]:
    """An index that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/simple"


def test_one_that_is_ended_halfway_does_not_look_finished(project: Path, silent_index: str) -> None:
    errors = project / "errors"
    with errors.open("w") as file:
        child = subprocess.Popen(
            [sys.executable, "-m", "local.setup"],
            cwd=project,
            env=machine(project, PIP_INDEX_URL=silent_index),
            stderr=file,
        )
    try:
        while "the installer, uv" not in errors.read_text():
            assert child.poll() is None, errors.read_text()
            time.sleep(0.05)
        child.send_signal(signal.SIGTERM)

        assert child.wait(30) == 130
    finally:
        child.kill()
        child.wait()

    assert "interrupted; the next run starts again" in errors.read_text()
    assert not (project / ".venv/.ready").exists()


def test_a_finished_one_is_left_alone_until_an_input_changes(project: Path) -> None:
    said: list[str] = []
    python = project / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (project / ".venv/.ready").write_text(steps.fingerprint(project))

    steps.set_up(project, tell=said.append)
    assert said == []

    before = steps.fingerprint(project)
    for name in steps.INPUTS:
        (project / name).write_text((project / name).read_text() + "\n")
        assert steps.fingerprint(project) != before
        before = steps.fingerprint(project)


def test_a_link_is_replaced_and_what_it_names_is_left(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("kept")
    (project / ".venv").symlink_to(elsewhere)

    ended = set_up(project, PIP_INDEX_URL="http://127.0.0.1:9/simple")

    assert ended.returncode != 0
    assert (elsewhere / "kept").read_text() == "kept"
    assert not (project / ".venv").is_symlink()


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("error: Hash mismatch for `uv==1`", "not the pinned file"),
        ("cause: invalid peer certificate: UnknownIssuer", "certificate is not trusted"),
        ("HTTP status client error (401 Unauthorized)", "a name and a password"),
        ("npm error code E403", "a name and a password"),
        ("No space left on device (os error 28)", "the disk is full"),
        ("hint: no wheels with a matching platform tag", "fits this machine"),
        ("something else", "try again"),
    ],
)
def test_what_an_installer_says_becomes_advice(words: str, advice: str) -> None:
    ended = subprocess.CompletedProcess[str](["uv"], 1, stdout="", stderr=words)

    error = failure("it failed", ended, otherwise="try again")

    assert advice in str(error)
    assert error.words == [words]


def test_of_a_traceback_only_its_last_line_is_shown() -> None:
    said = "ERROR: Exception:\nTraceback (most recent call last):\n  File x\nOSError: no cable\n"
    ended = subprocess.CompletedProcess[str](["pip"], 2, stdout="", stderr=said)

    assert failure("it failed", ended, otherwise="plug it in").words == ["OSError: no cable"]
