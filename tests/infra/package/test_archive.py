import os
import stat
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from infra.package import archive
from tests.infra.package.repository import write

WHEN = datetime(2026, 11, 20, 10, 0, 1, tzinfo=timezone(timedelta(hours=1)))
FILES = {"b.txt": "b" * 1000, "a/z.txt": "z", "a/b.txt": "", "B.txt": "big"}


def test_bytes_follow_from_names_and_contents_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "deep/two"
    write(one, FILES)
    write(two, dict(reversed(FILES.items())))
    (two / "empty").mkdir()
    for path in two.rglob("*.txt"):
        path.chmod(0o600)
        os.utime(path, (0, 0))
    archive.write(one, tmp_path / "one.zip", WHEN)
    archive.write(two, tmp_path / "two.zip", WHEN.astimezone(UTC))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_entries_are_sorted_plain_files_of_the_commits_time(tmp_path: Path) -> None:
    write(tmp_path / "in", FILES)
    archive.write(tmp_path / "in", tmp_path / "out/it.zip", WHEN)
    with zipfile.ZipFile(tmp_path / "out/it.zip") as file:
        assert file.namelist() == ["B.txt", "a/b.txt", "a/z.txt", "b.txt"]
        for entry in file.infolist():
            assert entry.external_attr >> 16 == stat.S_IFREG | 0o644
            assert entry.date_time == (2026, 11, 20, 9, 0, 0)
        assert file.read("b.txt") == b"b" * 1000


def test_a_time_before_zip_files_is_the_first_that_they_know(tmp_path: Path) -> None:
    write(tmp_path / "in", FILES)
    archive.write(tmp_path / "in", tmp_path / "it.zip", datetime(1970, 1, 1, tzinfo=UTC))
    with zipfile.ZipFile(tmp_path / "it.zip") as file:
        assert {entry.date_time for entry in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_an_archive_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    write(tmp_path / "in", FILES)
    (tmp_path / "in/broken.txt").symlink_to("nowhere")
    (tmp_path / "it.zip").write_text("the old one")
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "in", tmp_path / "it.zip", WHEN)
    assert (tmp_path / "it.zip").read_text() == "the old one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "it.zip"]
