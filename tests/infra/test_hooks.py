"""The hooks of azd, run by a shell in a folder like the project's, with stand-ins for make and az.

What az prints is what azure-cli prints for a function app: one line for each function, with the
app's name before it.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from local.stack import ROOT

FUNCTIONS = ("accept_request", "get_restore", "sweep_open_requests")
APP = "func-restore-abc123"
VALUES = {
    "AZURE_SUBSCRIPTION_ID": "ef4ab5a7-c2c0-4304-af80-af49f48af3d1",
    "AZURE_RESOURCE_GROUP": "rg-restore-test",
    "RESTORE_APP_NAME": APP,
}
PACKAGE = Path("dist/azure-files-restore.zip")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the hooks, the package's tools, and a package that has been built."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT / "infra/hooks", folder / "infra/hooks")
    shutil.copytree(
        ROOT / "infra/package",
        folder / "infra/package",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    _command(folder / ".venv/bin/python", f'exec {shlex.quote(sys.executable)} "$@"')
    (folder / "dist").mkdir()
    _packed(folder / PACKAGE)
    (tmp_path / "bin").mkdir()
    return folder


def _packed(path: Path) -> None:
    functions = [{"name": name, "trigger": "queueTrigger"} for name in FUNCTIONS]
    with zipfile.ZipFile(path, "w") as archive:
        manifest = {"python": "3.13", "functions": functions}
        archive.writestr("package-manifest.json", json.dumps(manifest))


def _command(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def _only_system_tools(folder: Path) -> str:
    """A PATH with the tools that every system has, and with neither make nor az."""
    for tool in ("sh", "dirname", "date", "sleep", "rm", "cat"):
        path = shutil.which(tool)
        assert path, f"{tool} is missing here"
        (folder / tool).symlink_to(path)
    return str(folder)


def run(
    project: Path, hook: str, values: Mapping[str, str], **commands: str
) -> subprocess.CompletedProcess[str]:
    """Run a hook as azd would, from another folder, with stand-ins for some commands."""
    bin_folder = project.parent / "bin"
    for name, script in commands.items():
        _command(bin_folder / name, script)
    return subprocess.run(
        ["sh", str(project / "infra/hooks" / hook)],
        cwd="/",
        env={"PATH": _only_system_tools(bin_folder), **values},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def printing(*functions: str) -> str:
    """An az that lists these functions."""
    return "\n".join(f"echo {APP}/{name}" for name in functions) or ":"


def test_after_a_deployment_the_functions_are_listed(project: Path) -> None:
    done = run(project, "postdeploy.sh", VALUES, az=printing(*FUNCTIONS))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [word for name in FUNCTIONS for word in ("runs", name)]


def test_az_is_asked_about_this_app_in_this_subscription(project: Path) -> None:
    asked = project.parent / "asked"
    done = run(project, "postdeploy.sh", VALUES, az=f'echo "$@" >{asked}\n{printing(*FUNCTIONS)}')
    assert done.returncode == 0, done.stderr
    assert asked.read_text().strip() == (
        "functionapp function list --subscription ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
        f" --resource-group rg-restore-test --name {APP} --query [].name --output tsv"
    )


def test_a_missing_function_is_named_and_fails(project: Path) -> None:
    values = {**VALUES, "POSTDEPLOY_SECONDS": "0"}
    done = run(project, "postdeploy.sh", values, az=printing(*FUNCTIONS[1:]))
    assert done.returncode == 1
    assert f"missing  {FUNCTIONS[0]}" in done.stdout
    assert f"runs     {FUNCTIONS[1]}" in done.stdout
    assert "are not those of the package" in done.stderr


def test_no_function_at_all_is_not_taken_for_success(project: Path) -> None:
    values = {**VALUES, "POSTDEPLOY_SECONDS": "0"}
    done = run(project, "postdeploy.sh", values, az=printing())
    assert done.returncode == 1
    assert done.stdout.count("missing") == len(FUNCTIONS)


def test_a_function_that_is_not_in_the_package_fails(project: Path) -> None:
    values = {**VALUES, "POSTDEPLOY_SECONDS": "0"}
    done = run(project, "postdeploy.sh", values, az=printing(*FUNCTIONS, "stranger"))
    assert done.returncode == 1
    assert "unknown  stranger: not in the package" in done.stdout


def test_functions_that_are_listed_late_are_waited_for(project: Path) -> None:
    seen = project.parent / "seen"
    late = f"if [ -e {seen} ]; then {printing(*FUNCTIONS)}\nfi\ntouch {seen}"
    (project.parent / "bin/touch").symlink_to(shutil.which("touch") or "touch")
    done = run(project, "postdeploy.sh", {**VALUES, "POSTDEPLOY_SECONDS": "30"}, az=late)
    assert done.returncode == 0, done.stderr
    assert "missing" not in done.stdout


def test_an_error_of_az_is_not_waited_out(project: Path) -> None:
    failing = "echo 'ERROR: Please run az login' >&2\nexit 1"
    done = run(project, "postdeploy.sh", {**VALUES, "POSTDEPLOY_SECONDS": "50"}, az=failing)
    assert done.returncode == 1
    assert "Please run az login" in done.stderr
    assert f"could not list the functions of {APP}" in done.stderr


def test_a_file_that_is_no_package_is_not_waited_for(project: Path) -> None:
    (project / PACKAGE).write_text("no zip file")
    values = {**VALUES, "POSTDEPLOY_SECONDS": "50"}
    done = run(project, "postdeploy.sh", values, az=printing(*FUNCTIONS))
    assert done.returncode == 1
    assert "is no package that make package has built" in done.stderr
    assert "could not be compared" in done.stderr


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("how", ["empty", "absent"])
def test_an_empty_value_is_named_and_az_is_not_called(project: Path, name: str, how: str) -> None:
    values = {**VALUES, name: ""}
    if how == "absent":
        del values[name]
    called = project.parent / "called"
    done = run(project, "postdeploy.sh", values, az=f"echo >{called}")
    assert done.returncode == 1
    assert f"{name} is empty: run azd provision first" in done.stderr
    assert not called.exists()


def test_a_missing_package_or_tool_is_named(project: Path) -> None:
    assert "install the Azure CLI" in run(project, "postdeploy.sh", VALUES).stderr
    (project / PACKAGE).unlink()
    for tool in (project.parent / "bin").iterdir():
        tool.unlink()
    done = run(project, "postdeploy.sh", VALUES, az=printing(*FUNCTIONS))
    assert "run make package" in done.stderr
    shutil.rmtree(project / ".venv")
    for tool in (project.parent / "bin").iterdir():
        tool.unlink()
    assert "run make setup" in run(project, "postdeploy.sh", VALUES, az=":").stderr


def test_before_packaging_the_package_is_built_anew(project: Path) -> None:
    make = f'[ "$*" = package ] && [ ! -e {PACKAGE} ] && echo new >{PACKAGE}'
    done = run(project, "prepackage.sh", {}, make=make)
    assert done.returncode == 0, done.stderr
    assert (project / PACKAGE).read_text() == "new\n"


def test_a_package_that_cannot_be_built_leaves_no_older_one(project: Path) -> None:
    done = run(project, "prepackage.sh", {}, make="echo 'not as committed' >&2\nexit 2")
    assert done.returncode != 0
    assert "not as committed" in done.stderr
    assert not (project / PACKAGE).exists()


def test_a_make_that_builds_nothing_is_not_taken_for_success(project: Path) -> None:
    done = run(project, "prepackage.sh", {}, make=":")
    assert done.returncode == 1
    assert "nothing to deploy" in done.stderr


def test_a_machine_without_make_is_told_so(project: Path) -> None:
    done = run(project, "prepackage.sh", {})
    assert done.returncode == 1
    assert "make is needed" in done.stderr


def test_the_hooks_can_be_executed() -> None:
    hooks = sorted((ROOT / "infra/hooks").glob("*.sh"))
    assert [hook.name for hook in hooks] == ["postdeploy.sh", "prepackage.sh"]
    assert all(os.access(hook, os.X_OK) for hook in hooks)
