from pathlib import Path

import pytest

from infra.package import wheels
from infra.package.problems import NoWheelsError, PackagingError
from infra.package.target import Target
from tests.infra.package.made_wheels import line, wheel

DEPLOYED = Target(python="3.13")
OLDER = Target(python="3.11")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from, and from nowhere else."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def test_markers_are_those_of_the_target_and_not_of_this_python(shelf: Path) -> None:
    lock = line(wheel(shelf, "old"), "python_full_version < '3.13'")
    lock += line(wheel(shelf, "new"), "python_full_version >= '3.13'")
    lock += line(wheel(shelf, "windows"), "sys_platform == 'win32'")
    lock += "# a comment\n" + line(wheel(shelf, "both"))
    for target, wanted in ((DEPLOYED, ["new", "both"]), (OLDER, ["old", "both"])):
        assert [each.split("==")[0] for each in wheels.selected(lock, target)] == wanted


def test_a_line_without_a_hash_is_refused() -> None:
    with pytest.raises(PackagingError, match="plain has no hash in the lock: run make lock"):
        wheels.selected("plain==1.0\n", DEPLOYED)


def test_the_fetched_wheel_is_the_targets(shelf: Path, tmp_path: Path) -> None:
    made = wheel(shelf, "native", tag="cp313-cp313-manylinux_2_28_x86_64")
    wheel(shelf, "native", tag="cp311-cp311-manylinux_2_28_x86_64")
    wheel(shelf, "native", tag="cp313-cp313-macosx_11_0_arm64")
    lines = wheels.selected(line(made), DEPLOYED)

    (fetched,) = wheels.fetch(lines, DEPLOYED, tmp_path / "fetched")

    assert fetched.path.name == made.name
    assert (fetched.name, fetched.version) == ("native", "1.0")
    assert fetched.sha256 in line(made)


def test_a_wheel_with_another_hash_is_not_taken(shelf: Path, tmp_path: Path) -> None:
    lines = wheels.selected(line(wheel(shelf, "one")), DEPLOYED)
    wheel(shelf, "one", files={"backdoor.py": ""})
    with pytest.raises(NoWheelsError, match=r"(?i)hash"):
        wheels.fetch(lines, DEPLOYED, tmp_path / "fetched")


def test_a_wheel_that_cannot_be_fetched_says_where_pip_looks(shelf: Path, tmp_path: Path) -> None:
    lines = wheels.selected(line(wheel(shelf, "one")), DEPLOYED)
    (shelf / "one-1.0-py3-none-any.whl").unlink()
    with pytest.raises(NoWheelsError, match=r"(?s)No matching distribution.*PIP_INDEX_URL"):
        wheels.fetch(lines, DEPLOYED, tmp_path / "fetched")


def test_a_source_distribution_is_never_built(shelf: Path, tmp_path: Path) -> None:
    lines = wheels.selected(line(wheel(shelf, "one")), DEPLOYED)
    (shelf / "one-1.0-py3-none-any.whl").rename(shelf / "one-1.0.tar.gz")
    with pytest.raises(NoWheelsError):
        wheels.fetch(lines, DEPLOYED, tmp_path / "fetched")


def test_unpacked_wheels_hold_nothing_of_the_machine(shelf: Path, tmp_path: Path) -> None:
    lines = wheels.selected(line(wheel(shelf, "one")), DEPLOYED)
    wheels.fetch(lines, DEPLOYED, tmp_path / "fetched")

    wheels.install(lines, DEPLOYED, tmp_path / "fetched", tmp_path / "site-packages")

    found = sorted(
        path.relative_to(tmp_path / "site-packages").as_posix()
        for path in (tmp_path / "site-packages").rglob("*")
        if path.is_file()
    )
    info = "one-1.0.dist-info"
    assert found == [f"{info}/METADATA", f"{info}/WHEEL", f"{info}/entry_points.txt", "one.py"]
