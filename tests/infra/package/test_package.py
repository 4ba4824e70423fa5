"""Whole packages: the one that is deployed, and two of one commit."""

import ast
import importlib.util
import json
import stat
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path, PurePosixPath

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from infra.package.build import BILL_SUFFIX
from infra.package.bytecode import compiler
from infra.package.problems import PackagingError
from infra.package.reading import MANIFEST, SBOM, SITE_PACKAGES, Package
from infra.package.target import DEPLOYED_PYTHON, PLATFORMS, Target
from local.stack import ROOT
from tests.infra.package.conftest import OWN_PYTHON, clone, packed
from tests.infra.package.repository import git, write

# With `--dist loadgroup` one worker builds the packages for all of these tests.
pytestmark = [pytest.mark.xdist_group("package"), pytest.mark.timeout(600)]
TAG = Target(python=DEPLOYED_PYTHON).tag
UNCHECKED_HASH = 0b01


def wheel_names(package: Package) -> list[str]:
    """The wheels that the bill lists, by file name."""
    return [
        property_["value"]
        for component in json.loads(package.read(SBOM))["components"]
        for property_ in component["properties"]
    ]


def usable_tags() -> Iterator[Tag]:
    """Every tag of a wheel that Azure's Python may have."""
    minor = int(DEPLOYED_PYTHON.removeprefix("3."))
    for platform in (*PLATFORMS, "any"):
        yield from parse_tag(f"cp{TAG}-cp{TAG}-{platform}")
        yield from parse_tag(f"py3-none-{platform}")
        for older in range(2, minor + 1):
            yield from parse_tag(f"cp3{older}-abi3-{platform}")


def test_two_clean_folders_make_the_same_bytes(
    own: Package, commit: Path, own_shelf: Path, tmp_path: Path
) -> None:
    root = clone(commit, tmp_path / "elsewhere" / "and a good deal deeper" / "two")
    # What a folder collects: none of it may get in.
    write(root, {"restore_core/__pycache__/x.pyc": "old", ".venv/x.py": "", "notes.txt": ""})

    two = packed(root, OWN_PYTHON, tmp_path / "two.zip", own_shelf)

    assert two.content_digest == own.content_digest
    assert two.path.read_bytes() == own.path.read_bytes()
    bills = [each.path.with_suffix(BILL_SUFFIX).read_bytes() for each in (own, two)]
    assert bills[0] == bills[1] == own.read(SBOM)


def test_another_commit_makes_another_package(
    own: Package, commit: Path, own_shelf: Path, tmp_path: Path
) -> None:
    root = clone(commit, tmp_path / "changed")
    write(root, {"restore-guards.json": '{"reviewed": "by nobody"}\n'})
    with pytest.raises(PackagingError, match=r"not as committed: restore-guards\.json"):
        packed(root, OWN_PYTHON, tmp_path / "changed.zip", own_shelf)
    git(root, "commit", "--quiet", "--all", "--message", "other rules")

    changed = packed(root, OWN_PYTHON, tmp_path / "changed.zip", own_shelf)

    assert changed.content_digest != own.content_digest
    assert changed.manifest["commit"] == git(root, "rev-parse", "HEAD")
    assert changed.read("restore-guards.json") == b'{"reviewed": "by nobody"}\n'


def test_the_deployed_package_holds_the_app_and_nothing_else(
    deployed: Package, commit: Path
) -> None:
    tops = {PurePosixPath(name).parts[0] for name in deployed.names}
    assert tops == {
        "function_app.py",
        "host.json",
        "restore-guards.json",
        "restore_core",
        "__pycache__",
        ".python_packages",
        MANIFEST,
        SBOM,
    }
    own = {name for name in deployed.names if name.startswith(("restore_core/", "function_app"))}
    tracked = git(commit, "ls-files", "restore_core", "function_app.py").splitlines()
    assert {name for name in own if not name.endswith(".pyc")} == set(tracked)
    for name in tracked:
        assert deployed.read(name) == (ROOT / name).read_bytes()


def test_the_deployed_package_has_the_layout_that_the_worker_reads(deployed: Package) -> None:
    packages = [name for name in deployed.names if name.startswith(".python_packages/")]
    assert all(name.startswith(f"{SITE_PACKAGES}/") for name in packages)
    for module in ("azure/functions/__init__.py", "pydantic/__init__.py", "requests/__init__.py"):
        assert f"{SITE_PACKAGES}/{module}" in packages
    kept = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}
    assert not [name for name in packages if PurePosixPath(name).name in kept]
    assert not [name for name in packages if name.startswith(f"{SITE_PACKAGES}/bin/")]


def test_every_deployed_wheel_is_one_that_azure_can_load(deployed: Package) -> None:
    usable = set(usable_tags())
    for name in wheel_names(deployed):
        tags = parse_wheel_filename(name)[3]
        assert tags & usable, name
    for name in deployed.names:
        if name.endswith(".so"):
            assert f"cpython-{TAG}-x86_64-linux-gnu" in name or ".abi3." in name, name
            assert deployed.read(name)[:4] == b"\x7fELF"


def test_the_bill_lists_exactly_the_wheels_that_are_inside(deployed: Package) -> None:
    inside = {}
    for name in deployed.names:
        if name.endswith(".dist-info/METADATA") and name.count("/") == SITE_PACKAGES.count("/") + 2:
            metadata = BytesParser().parsebytes(deployed.read(name))
            inside[str(canonicalize_name(metadata["Name"]))] = metadata["Version"]
    bill = json.loads(deployed.read(SBOM))
    assert {each["name"]: each["version"] for each in bill["components"]} == inside
    assert len(inside) > 20
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    for component in bill["components"]:
        (digest,) = component["hashes"]
        assert f"--hash=sha256:{digest['content']}" in lock
        assert component.get("licenses"), f"{component['name']} has no known licence"


def test_the_deployed_bill_is_valid_by_the_standards_schema(deployed: Package) -> None:
    text = deployed.read(SBOM).decode()
    assert json.loads(text)["specVersion"] == "1.6"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_every_deployed_source_has_bytecode_of_azures_python(deployed: Package) -> None:
    python = compiler(Target(python=DEPLOYED_PYTHON), None)
    script = "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"
    magic = subprocess.check_output([str(python), "-c", script], text=True).strip()
    sources = [name for name in deployed.names if name.endswith(".py")]
    wanted = {
        str(path.parent / "__pycache__" / f"{path.stem}.cpython-{TAG}.pyc")
        for path in map(PurePosixPath, sources)
    }
    assert {name for name in deployed.names if name.endswith(".pyc")} == wanted
    with zipfile.ZipFile(deployed.path) as archive:
        for name in wanted:
            content = archive.read(name)
            assert content[:4].hex() == magic, name
            assert int.from_bytes(content[4:8], "little") == UNCHECKED_HASH, name


def test_no_packed_file_names_the_machine_that_packed_it(deployed: Package) -> None:
    places = [str(ROOT).encode(), str(deployed.path.parent).encode(), sys.prefix.encode()]
    with zipfile.ZipFile(deployed.path) as archive:
        for name in deployed.names:
            content = archive.read(name)
            assert not [place for place in places if place in content], name


def test_deployed_files_are_sorted_and_can_be_read_by_everybody(deployed: Package) -> None:
    assert deployed.names == sorted(set(deployed.names))
    with zipfile.ZipFile(deployed.path) as archive:
        assert archive.testzip() is None
        modes = {entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {stat.S_IFREG | 0o644}


def test_the_manifest_names_the_functions_of_the_app(deployed: Package) -> None:
    tree = ast.parse((ROOT / "function_app.py").read_text(encoding="utf-8"))
    triggers = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(ast.unparse(each).startswith("app.") for each in node.decorator_list)
    }
    assert set(deployed.functions) == triggers
    assert deployed.functions == sorted(deployed.functions)
    assert deployed.python == DEPLOYED_PYTHON
    assert deployed.manifest["changedSinceCommit"] is False
    assert str(deployed.manifest["compiledBy"]).startswith(f"{DEPLOYED_PYTHON}.")


def test_a_lock_that_asks_for_a_build_is_refused_as_a_whole(
    commit: Path, own_shelf: Path, tmp_path: Path
) -> None:
    root = clone(commit, tmp_path / "unlocked")
    lock = root / "requirements.txt"
    lock.write_text(lock.read_text() + f"nowhere==1.0 --hash=sha256:{'0' * 64}\n")
    git(root, "commit", "--quiet", "--all", "--message", "a package without a wheel")
    with pytest.raises(PackagingError, match="nowhere"):
        packed(root, OWN_PYTHON, tmp_path / "unlocked.zip", own_shelf)
    assert not (tmp_path / "unlocked.zip").exists()


def test_the_own_package_is_for_this_very_python(own: Package) -> None:
    assert own.python == OWN_PYTHON
    name = importlib.util.cache_from_source("function_app.py")
    assert own.read(name)[:4] == importlib.util.MAGIC_NUMBER
