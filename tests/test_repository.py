"""The files for GitHub and for editors: well formed, pinned, with no more rights than needed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(
    path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml"
)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps(workflow: Any) -> list[Any]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_workflow_runs_what_everybody_runs() -> None:
    (ci,) = (read(path) for path in WORKFLOWS if path.name == "ci.yml")
    assert [step["run"] for step in steps(ci) if "run" in step] == [".ci/run", "make audit"]
    assert (ROOT / ".ci/run").stat().st_mode & 0o111, "the workflow calls it as a program"


def test_the_workflow_tests_the_oldest_and_the_newest_python() -> None:
    (ci,) = (read(path) for path in WORKFLOWS if path.name == "ci.yml")
    named = re.search(r"Python 3\.(\d+) to 3\.(\d+)", (ROOT / "README.md").read_text("utf-8"))
    assert named is not None
    versions = ci["jobs"]["check-and-test"]["strategy"]["matrix"]["python"]
    assert versions == [f"3.{named[1]}", f"3.{named[2]}"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_job_that_runs_the_project_may_write(path: Path) -> None:
    workflow = read(path)
    for name, job in workflow["jobs"].items():
        rights = job.get("permissions", workflow["permissions"])
        commands = " ".join(step.get("run", "") for step in job["steps"])
        runs_it = re.search(r"\bmake\b|\.ci/run", commands.split("gh pr create")[0])
        if runs_it:
            assert set(rights.values()) <= {"read"}, f"{path.name}: {name}"
            checkout = next(step for step in job["steps"] if "checkout@" in step.get("uses", ""))
            assert checkout["with"]["persist-credentials"] is False
        else:
            assert name == "propose", f"{path.name}: {name} runs nothing of the project"


def test_every_folder_with_dependencies_is_kept_fresh() -> None:
    updates = read(ROOT / ".github/dependabot.yml")["updates"]
    folders = {(one["package-ecosystem"], one["directory"]) for one in updates}
    for path in ROOT.glob("*/**/package.json"):
        parts = path.relative_to(ROOT).parent.parts
        if "node_modules" not in parts and not parts[0].startswith("."):
            assert ("npm", "/" + "/".join(parts)) in folders
    assert {("github-actions", "/"), ("devcontainers", "/")} <= folders


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_every_form_asks_for_what_is_needed(path: Path) -> None:
    form = read(path)
    assert form["name"]
    assert form["description"]
    fields = [one for one in form["body"] if one["type"] != "markdown"]
    names = [one["id"] for one in fields]
    assert len(set(names)) == len(names)
    assert any(one.get("validations", {}).get("required") for one in fields)


def test_the_container_sets_the_project_up_with_a_python_that_it_supports() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make setup"
    assert re.search(r"/python:3\.1[123]\b", container["image"])


def test_the_editor_and_the_linter_agree_on_the_width() -> None:
    editor = (ROOT / ".editorconfig").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    width = re.search(r"^line-length = (\d+)$", project, re.MULTILINE)
    assert width is not None
    (python,) = re.findall(r"^\[\*\.py\]\n(.*?)^\n", editor, re.DOTALL | re.MULTILINE)
    assert f"max_line_length = {width[1]}" in python
