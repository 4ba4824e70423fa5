"""A zip file whose bytes follow from what is in it: fixed order, time, modes and compression."""

import os
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path

_MODE = stat.S_IFREG | 0o644
_UNIX = 3
_OLDEST = datetime(1980, 1, 1, tzinfo=UTC)
_LEVEL = 9


def write(folder: Path, output: Path, changed_at: datetime) -> None:
    """Pack all files below `folder` into `output`, which is there complete or not at all."""
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as file:
            for name in sorted(_names(folder)):
                file.writestr(_entry(name, changed_at), (folder / name).read_bytes())
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def _names(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()]


def _entry(name: str, changed_at: datetime) -> zipfile.ZipInfo:
    # A zip file keeps no zone and even seconds only, and begins in 1980.
    time = max(changed_at.astimezone(UTC), _OLDEST)
    entry = zipfile.ZipInfo(name, time.timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = _UNIX
    entry.external_attr = _MODE << 16
    return entry
