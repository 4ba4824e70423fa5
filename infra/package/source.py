"""The app's own files: those of a commit that `.funcignore` lets through.

They are read out of the commit and not from the folder, so that nothing that lies about gets into
a package. Where the folder differs from the commit in something that matters, packing is refused,
or the package says that it is not the commit's.
"""

import io
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pathspec import GitIgnoreSpec

from infra.package.problems import ChangedError, PackagingError

IGNORE_FILE = ".funcignore"
# These are not packed themselves; a change in one of them changes what is packed.
_INPUTS = (IGNORE_FILE, "requirements.txt", "pyproject.toml", "infra/package/")
_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the package is made of, before the wheels."""

    commit: str
    committed_at: datetime
    changed: bool
    files: dict[str, bytes]


def read(root: Path, *, allow_changes: bool) -> Source:
    """Read the files of the commit that is checked out in `root`."""
    commit, committed_at = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    ignored = _ignored(root)
    tracked = {name for name in _names(root, "ls-tree", "-r", "HEAD") if not ignored(name)}
    changes = _changes(root, ignored)
    if changes and not allow_changes:
        raise ChangedError(_refusal(changes))
    if changes:
        named = tracked | {name for name in changes if not ignored(name)}
        files = _from_folder(root, named)
    else:
        files = _from_commit(root, tracked)
    return Source(
        commit=commit,
        committed_at=datetime.fromtimestamp(int(committed_at), UTC),
        changed=bool(changes),
        files=files,
    )


def _ignored(root: Path) -> Callable[[str], bool]:
    """Whether `.funcignore`, which has the form of a `.gitignore`, keeps a file out."""
    path = root / IGNORE_FILE
    if not path.is_file():
        raise PackagingError(f"there is no {IGNORE_FILE} in {root}: it says what is packed")
    spec = GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
    return spec.match_file


def _changes(root: Path, ignored: Callable[[str], bool]) -> list[str]:
    """The files that would be packed, or decide what is, and are not as in the commit."""
    differ = _names(root, "diff", "--relative", "--no-renames", "HEAD")
    new = _names(root, "ls-files", "--others", "--exclude-standard")
    return sorted(name for name in differ | new if not ignored(name) or name.startswith(_INPUTS))


def _refusal(changes: list[str]) -> str:
    listed = changes[:_LISTED]
    more = len(changes) - len(listed)
    names = ", ".join(listed) + (f" and {more} more" if more else "")
    return (
        f"a package is made of a commit, and these files are not as committed: {names}. Commit"
        " them, or run make package CHANGES=allow: the package then says that it is not the"
        " commit's"
    )


def _from_commit(root: Path, names: set[str]) -> dict[str, bytes]:
    # Without these two options git would write line ends as the machine's settings say.
    plain = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")
    packed = _git(root, *plain, "archive", "--format=tar", "HEAD")
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for member in archive:
            if member.name not in names:
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                raise PackagingError(f"{member.name} is no regular file: replace it by one")
            files[member.name] = content.read()
    if missing := sorted(names - files.keys()):
        raise PackagingError(f"git archive leaves these out: {', '.join(missing)}")
    return files


def _from_folder(root: Path, names: set[str]) -> dict[str, bytes]:
    present = sorted(name for name in names if (root / name).exists())
    for name in present:
        if (root / name).is_symlink():
            raise PackagingError(f"{name} is no regular file: replace it by one")
    return {name: (root / name).read_bytes() for name in present}


def _names(root: Path, command: str, *options: str) -> set[str]:
    full = () if command == "ls-files" else ("--name-only",)
    output = _git(root, command, *full, "-z", *options).decode()
    return {name for name in output.split("\0") if name}


def _git(root: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607  (the git of whoever packs)
            cwd=root,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise PackagingError("git is needed: a package is made of a commit") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise PackagingError(f"a package is made of a commit, and git cannot read it: {said}")
    return done.stdout
