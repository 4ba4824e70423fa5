"""Puts a package together: the commit's files, the lock's wheels, bytecode, bill and manifest."""

import json
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from infra.package import archive, bytecode, indexing, sbom, source, wheels
from infra.package.problems import PackagingError
from infra.package.reading import MANIFEST, SBOM, SITE_PACKAGES, Package
from infra.package.target import DEPLOYED_PYTHON, Target

NAME = "azure-files-restore"
BILL_SUFFIX = ".cdx.json"
"""The bill of materials lies beside the package, too."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for."""

    root: Path
    target: Target
    output: Path
    compiler: str | None = None
    allow_changes: bool = False


def default_output(root: Path, target: Target) -> Path:
    """Where a package goes; only the one for the deployed Python has the name that azd uploads."""
    suffix = "" if target.python == DEPLOYED_PYTHON else f"-py{target.tag}"
    return root / "dist" / f"{NAME}{suffix}.zip"


def build(order: Order) -> Package:
    """Build a package."""
    held = source.read(order.root, allow_changes=order.allow_changes)
    # Looked for first: without it, everything else would be in vain.
    python = bytecode.compiler(order.target, order.compiler)
    with tempfile.TemporaryDirectory(prefix=f"{NAME}-package-") as folder:
        stage = Path(folder) / "package"
        _write(stage, held.files)
        functions = indexing.functions(stage)
        fetched = _wheels(order, Path(folder) / "wheels", stage / SITE_PACKAGES)
        bytecode.compile_all(python, stage)
        version = _version(order.root)
        text = sbom.bill(fetched, source=held, target=order.target, name=NAME, version=version)
        manifest = _manifest(
            held,
            version=version,
            python=order.target.python,
            # Two releases of one minor version compile some files differently.
            compiledBy=bytecode.version(python)[1],
            functions=functions,
        )
        _write(stage, {SBOM: text.encode(), MANIFEST: manifest})
        archive.write(stage, order.output, held.committed_at)
    order.output.with_suffix(BILL_SUFFIX).write_text(text, encoding="utf-8")
    return Package.open(order.output)


def _wheels(order: Order, folder: Path, site_packages: Path) -> list[wheels.Wheel]:
    lock = (order.root / "requirements.txt").read_text(encoding="utf-8")
    lines = wheels.selected(lock, order.target)
    fetched = wheels.fetch(lines, order.target, folder)
    wheels.install(lines, order.target, folder, site_packages)
    return fetched


def _manifest(held: source.Source, **facts: object) -> bytes:
    content = {
        "name": NAME,
        "commit": held.commit,
        "committedAt": held.committed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "changedSinceCommit": held.changed,
        **facts,
    }
    return (json.dumps(content, indent=2) + "\n").encode()


def _version(root: Path) -> str:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        if path.exists():
            raise PackagingError(f"{name} is a name that the package needs itself: rename the file")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
