import zipfile
from pathlib import Path

import pytest

from infra.package.problems import PackagingError
from infra.package.reading import MANIFEST, Package, compare

GOOD = '{"python": "3.13", "functions": [{"name": "b", "trigger": "t"}]}'


def packed(folder: Path, files: dict[str, str], compression: int = zipfile.ZIP_STORED) -> Path:
    path = folder / f"{compression}.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "files",
    [
        {"other.txt": ""},
        {MANIFEST: "no JSON"},
        {MANIFEST: "[]"},
        {MANIFEST: "{}"},
        {MANIFEST: '{"python": "3.13"}'},
        {MANIFEST: '{"python": "3.13", "functions": ["name"]}'},
    ],
)
def test_a_zip_file_without_a_manifest_is_no_package(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(PackagingError, match="is no package that make package has built"):
        Package.open(packed(tmp_path, files))


def test_what_is_no_zip_file_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "it.zip").write_text("no zip file")
    with pytest.raises(PackagingError, match="is no package that make package has built"):
        Package.open(tmp_path / "it.zip")


def test_the_content_digest_leaves_compression_out_and_nothing_else(tmp_path: Path) -> None:
    files = {MANIFEST: GOOD, "a.txt": "a" * 999}
    stored = Package.open(packed(tmp_path, files))
    deflated = Package.open(packed(tmp_path, files, zipfile.ZIP_DEFLATED))
    assert stored.file_digest != deflated.file_digest
    assert stored.content_digest == deflated.content_digest
    for other in ({**files, "a.txt": "b"}, {**files, "b.txt": ""}, {MANIFEST: GOOD}):
        assert Package.open(packed(tmp_path, other)).content_digest != deflated.content_digest


@pytest.mark.parametrize(
    ("listed", "missing", "beside"),
    [
        ("app/a\napp/b\n", [], []),
        ("app/a\r\n\n  app/b  ", [], []),
        ("app/a\n", ["b"], []),
        ("", ["a", "b"], []),
        ("app/a\napp/b\napp/c\n", [], ["c"]),
        ("app/A\napp/b\n", ["a"], ["A"]),
    ],
)
def test_functions_are_compared_by_their_own_name(
    listed: str, missing: list[str], beside: list[str]
) -> None:
    assert compare(["a", "b"], listed) == (missing, beside)
