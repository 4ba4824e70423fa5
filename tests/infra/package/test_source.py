import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.package.problems import ChangedError, PackagingError
from infra.package.source import read
from local.stack import ROOT
from tests.infra.package.repository import committed, git, write

FILES = {
    ".funcignore": "/*\n!/function_app.py\n!/host.json\n!/core/\n!/rules.json\n__pycache__/\n",
    ".gitignore": "build/\n",
    "function_app.py": "app = 1\n",
    "host.json": "{}\n",
    "core/__init__.py": "",
    "core/deep/deeper.py": "x = 2\n",
    "requirements.txt": "a==1 --hash=sha256:00\n",
    "pyproject.toml": "",
    "tests/test_it.py": "",
    "docs/page.md": "",
    "core-notes.md": "",
}
PACKED = {"function_app.py", "host.json", "core/__init__.py", "core/deep/deeper.py"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository whose folder is as committed."""
    committed(tmp_path / "project", FILES)
    return tmp_path / "project"


def test_only_what_the_ignore_file_lets_through_is_packed(project: Path) -> None:
    source = read(project, allow_changes=False)
    assert set(source.files) == PACKED
    assert source.files["core/deep/deeper.py"] == b"x = 2\n"
    assert not source.changed


def test_commit_and_time_are_those_of_the_commit(project: Path) -> None:
    source = read(project, allow_changes=False)
    assert source.commit == git(project, "rev-parse", "HEAD")
    assert source.committed_at == datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC)


def test_leftovers_that_git_ignores_are_not_packed(project: Path) -> None:
    write(project, {"core/__pycache__/deeper.pyc": "old", "core/build/x.py": "left over"})
    assert set(read(project, allow_changes=False).files) == PACKED


@pytest.mark.parametrize("name", ["tests/test_it.py", "docs/page.md", "docs/new.md", "core.txt"])
def test_changes_in_what_is_not_packed_do_not_matter(project: Path, name: str) -> None:
    write(project, {name: "changed"})
    assert set(read(project, allow_changes=False).files) == PACKED


@pytest.mark.parametrize(
    "name",
    [
        "function_app.py",
        "core/new.py",
        "rules.json",
        "requirements.txt",
        ".funcignore",
        "infra/package/new.py",
    ],
)
def test_changes_in_what_is_packed_are_refused_by_name(project: Path, name: str) -> None:
    write(project, {name: "/*\n"})
    with pytest.raises(ChangedError, match=rf"not as committed: {name}\. Commit"):
        read(project, allow_changes=False)


@pytest.mark.parametrize("staged", [False, True], ids=["in the folder", "in the index"])
def test_a_deleted_file_is_a_change(project: Path, *, staged: bool) -> None:
    (project / "host.json").unlink()
    if staged:
        git(project, "add", "--all")
    with pytest.raises(ChangedError, match=r"host\.json"):
        read(project, allow_changes=False)


def test_a_long_list_of_changes_is_cut(project: Path) -> None:
    write(project, {f"core/new{number:02}.py": "" for number in range(14)})
    with pytest.raises(ChangedError, match=r"core/new09\.py and 4 more\. Commit"):
        read(project, allow_changes=False)


def test_allowed_changes_are_packed_and_said(project: Path) -> None:
    write(project, {"core/new.py": "new = 1\n", "function_app.py": "app = 2\n", "notes.md": ""})
    (project / "host.json").unlink()
    source = read(project, allow_changes=True)
    assert source.changed
    assert set(source.files) == (PACKED | {"core/new.py"}) - {"host.json"}
    assert source.files["function_app.py"] == b"app = 2\n"


def test_line_ends_are_the_commits_whatever_the_machine_wants(project: Path) -> None:
    git(project, "config", "core.autocrlf", "true")
    git(project, "config", "core.eol", "crlf")
    assert read(project, allow_changes=False).files["function_app.py"] == b"app = 1\n"


def test_the_project_may_be_a_folder_of_its_repository(tmp_path: Path) -> None:
    inner = {f"tools/restore/{name}": content for name, content in FILES.items()}
    committed(tmp_path / "all", {**inner, "function_app.py": "another\n"})
    project = tmp_path / "all/tools/restore"
    source = read(project, allow_changes=False)
    assert set(source.files) == PACKED
    assert source.files["function_app.py"] == b"app = 1\n"
    write(project, {"function_app.py": "app = 2\n"})
    with pytest.raises(ChangedError, match=r"not as committed: function_app\.py\."):
        read(project, allow_changes=False)


def test_a_link_is_refused(project: Path) -> None:
    (project / "core/link.py").symlink_to("deep/deeper.py")
    with pytest.raises(PackagingError, match=r"core/link\.py is no regular file"):
        read(project, allow_changes=True)
    committed(project)
    with pytest.raises(PackagingError, match=r"core/link\.py is no regular file"):
        read(project, allow_changes=False)


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with pytest.raises(PackagingError, match="a package is made of a commit"):
        read(tmp_path, allow_changes=True)


def test_without_an_ignore_file_nothing_is_packed(project: Path) -> None:
    (project / ".funcignore").unlink()
    with pytest.raises(PackagingError, match=r"there is no \.funcignore"):
        read(project, allow_changes=True)


def test_a_missing_git_is_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PATH", str(project))
    with pytest.raises(PackagingError, match="git is needed"):
        read(project, allow_changes=False)


def test_this_project_deploys_the_app_and_nothing_else(tmp_path: Path) -> None:
    everything = {path.name: "" for path in ROOT.iterdir() if path.is_file()}
    everything |= {f"{path.name}/x.py": "" for path in ROOT.iterdir() if path.is_dir()}
    everything |= {"restore-guards.json": "{}", "restore-plans.json": "{}", "surprise.py": ""}
    del everything[".git" if (ROOT / ".git").is_file() else ".git/x.py"]
    everything[".funcignore"] = (ROOT / ".funcignore").read_text(encoding="utf-8")
    committed(tmp_path / "copy", everything)
    assert set(read(tmp_path / "copy", allow_changes=False).files) == {
        "function_app.py",
        "host.json",
        "restore_core/x.py",
        "restore-guards.json",  # made by whoever deploys
        "restore-plans.json",
    }
