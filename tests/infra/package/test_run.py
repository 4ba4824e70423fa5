"""The app runs out of its package: a request goes through it to the end, with real files."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from infra.package.reading import MANIFEST, SITE_PACKAGES, Package
from local import process
from local.host.host import host_id
from local.stack import ROOT, Stack
from local.storage import CONTAINER, LOCKS
from tests.infra.package.repository import write
from tests.stack.estate import build, reload
from tests.stack.outside import Outside
from tests.stack.town import LEASE_SECONDS, SETTINGS, TIME_SCALE, Town, request

pytestmark = [pytest.mark.xdist_group("package"), pytest.mark.timeout(600)]


@pytest.fixture
def town() -> Iterator[Town]:
    """A stack without a host, whose vault has one share."""
    with Stack(host=False, time_scale=TIME_SCALE, settings=SETTINGS) as stack:
        estate = build(stack.vault_root, shares=1, vaults=1, targets=[])
        reload(stack.arm)
        with Outside(stack.storage, stack.arm) as outside:
            yield Town(stack=stack, estate=estate, outside=outside)


def command(file: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "local.host", "--package", str(file), "--port", "0", *options]


def mapped(pid: int) -> set[str]:
    """The compiled modules that a process has loaded, by where they lie."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {line.split(maxsplit=5)[-1] for line in lines if ".so" in line}


def test_a_request_goes_through_the_packed_app_to_its_end(
    own: Package, town: Town, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    output, errors = tmp_path / "host.out", tmp_path / "host.err"
    options = ["--settings", str(town.stack.settings_file), "--lease", str(LEASE_SECONDS)]
    host = process.start(
        command(own.path, "--app", str(tmp_path), *options),
        output=output,
        errors=errors,
        environment={
            **os.environ,
            **town.stack.settings,
            "TMPDIR": str(tmp_path / "temporary"),
        },
        directory=ROOT,
    )
    try:
        process.await_sign(
            lambda: process.first_line(output, "ready "), child=host, name="the host", seconds=60
        )
        share = town.share()
        wanted = request(share, "out-of-the-package")
        town.outside.send(wanted)

        end = town.outside.end_of("out-of-the-package", seconds=60)

        assert (end["phase"], end["reason"]) == ("Completed", "JobCompleted")
        files = town.estate.written(share, share.newer, wanted)
        assert files
        assert all(path.read_bytes() == content for path, content in files.items())
        (unpacked,) = (tmp_path / "temporary").glob("azure-files-restore-unpacked-*")
        loaded = {path for path in mapped(host.pid) if "/site-packages/" in path}
        core = [path for path in loaded if "pydantic_core" in path]
        assert [path.startswith(str(unpacked / SITE_PACKAGES)) for path in core] == [True]
        # Whatever the package has, too, is taken from there: pydantic, cryptography, yarl, …
        others = {Path(path).name for path in loaded if not path.startswith(str(unpacked))}
        assert not others & {Path(name).name for name in own.names}
    finally:
        process.stop(host, grace=20)
    assert not unpacked.exists()
    # The timers' leases are those of the app's own folder, and not of what goes with the host.
    with BlobServiceClient.from_connection_string(town.stack.storage) as account:
        locks = account.get_container_client(CONTAINER).list_blob_names(
            name_starts_with=f"{LOCKS}{host_id(tmp_path, {})}/"
        )
        assert len(list(locks)) == 1


def test_a_package_for_another_python_is_refused(tmp_path: Path) -> None:
    other = "3.12" if sys.version_info.minor == 11 else "3.11"
    file = _package(tmp_path, f'{{"python": "{other}", "functions": []}}')
    assert f"is for Python {other} and this is" in _refusal(file, tmp_path)
    assert not list((tmp_path / "temporary").iterdir())


def test_a_package_that_is_not_there_says_what_builds_it(tmp_path: Path) -> None:
    assert "it.zip: run make package" in _refusal(tmp_path / "it.zip", tmp_path)


def _package(folder: Path, manifest: str) -> Path:
    with zipfile.ZipFile(folder / "it.zip", "w") as archive:
        archive.writestr(MANIFEST, manifest)
    return folder / "it.zip"


def _refusal(file: Path, folder: Path) -> str:
    """What the host says that does not start."""
    write(folder, {"temporary/.keep": ""})
    (folder / "temporary/.keep").unlink()
    child = process.start(
        command(file, "--app", str(folder)),
        output=folder / "host.out",
        errors=folder / "host.err",
        environment={**os.environ, "TMPDIR": str(folder / "temporary")},
        directory=ROOT,
    )
    assert child.wait(30) == 1
    assert "ready" not in (folder / "host.out").read_text()
    return (folder / "host.err").read_text()
