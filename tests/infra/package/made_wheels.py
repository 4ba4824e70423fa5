"""Wheels made for a test, so that it needs no index."""

import hashlib
import zipfile
from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    tag: str = "py3-none-any",
    metadata: str = "",
    files: dict[str, str] | None = None,
) -> Path:
    """A wheel with one module, a command and the given metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    content = {
        f"{name}.py": "answer = 42\n",
        **(files or {}),
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:answer\n",
    }
    record = "".join(f"{path},,\n" for path in [*content, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each, text in {**content, f"{info}/RECORD": record}.items():
            archive.writestr(each, text)
    return path


def line(path: Path, marker: str = "") -> str:
    """The line of a lock that pins a wheel."""
    name, version, *_ = path.name.split("-")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{name}=={version}{f' ; {marker}' if marker else ''} \\\n    --hash=sha256:{digest}\n"
