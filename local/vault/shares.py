"""File shares as folders: finds the files that a restore has to write, and writes them.

A file appears whole or not at all: it is written beside the shares, then renamed. No file outside
the two roots is read or written, even through links inside the shares. A restore never deletes:
files that the recovery point lacks stay.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from local.vault.restore_request import Spec, share_path

Result = Literal["restored", "skipped", "failed"]


class SourceNotFoundError(LookupError):
    """The recovery point does not hold the path, or is gone itself."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One file or directory to restore: `source` in the point, `target` in the share."""

    directory: bool
    source: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of one emulator."""

    root: Path

    @property
    def vaults_file(self) -> Path:
        """What the vaults know."""
        return self.root / "vaults.json"

    @property
    def jobs_file(self) -> Path:
        """The journal of jobs."""
        return self.root / "jobs.jsonl"

    @property
    def scratch(self) -> Path:
        """Where files are written before they appear."""
        return self.root / ".incoming"

    def account(self, account: str) -> Path:
        """The live shares of a storage account."""
        return self.root / "accounts" / account

    def share(self, account: str, share: str) -> Path:
        """A live share."""
        return self.account(account) / share

    def snapshot(self, account: str, share: str, point: str) -> Path:
        """The files of a recovery point."""
        return self.root / "snapshots" / account / share / point


def plan_restore(
    snapshot: Path, specs: Sequence[Spec] | None, folder: str, *, keep_path: bool
) -> tuple[Step, ...]:
    """Every step of a restore, parents before children, in a fixed order.

    The order must not change between runs: a restarted emulator goes on at a step's number.
    `keep_path` is the item layout `path`. Raises SourceNotFoundError.
    """
    if not snapshot.is_dir():
        raise SourceNotFoundError(snapshot.name)
    if specs is None:
        return tuple(_tree(snapshot, "", folder))
    steps: list[Step] = []
    for spec in specs:
        source = snapshot / spec.path
        if not _inside(source, snapshot) or source.is_symlink():
            raise SourceNotFoundError(spec.path)
        if not (source.is_dir() if spec.directory else source.is_file()):
            raise SourceNotFoundError(spec.path)
        if spec.folder and not keep_path:
            target = f"{spec.folder}/{spec.path.rsplit('/', 1)[-1]}"
        else:
            target = f"{spec.folder}/{spec.path}".lstrip("/")
        if spec.directory:
            steps.extend(_tree(snapshot, spec.path, target))
        else:
            steps.append(Step(directory=False, source=spec.path, target=target))
    return tuple(steps)


def _tree(snapshot: Path, source: str, target: str) -> list[Step]:
    steps = [Step(directory=True, source=source, target=target)]
    with os.scandir(snapshot / source) as entries:
        children = sorted(entries, key=lambda entry: entry.name)
    for entry in children:
        inner_source = f"{source}/{entry.name}".lstrip("/")
        inner_target = f"{target}/{entry.name}".lstrip("/")
        if entry.is_dir(follow_symlinks=False):
            steps.extend(_tree(snapshot, inner_source, inner_target))
        elif entry.is_file(follow_symlinks=False):
            steps.append(Step(directory=False, source=inner_source, target=inner_target))
    return steps


def perform(
    step: Step,
    *,
    snapshot: Path,
    share: Path,
    scratch: Path,
    copy_option: str,
    locked: Sequence[str],
) -> tuple[Result, int]:
    """Do one step; the result and the bytes written.

    `locked` are patterns of target paths that something holds open (`*` crosses folders).
    A share that disappears under the restore fails the step.
    """
    target = share / share_path(step.target, "target")
    blocked = any(fnmatchcase(step.target, pattern) for pattern in locked)
    if blocked or not share.is_dir() or not _inside(target, share):
        return "failed", 0
    try:
        if step.directory:
            return _make_directory(target, share, copy_option), 0
        return _restore_file(snapshot / step.source, target, scratch, copy_option)
    except OSError:
        return "failed", 0


def _make_directory(target: Path, share: Path, copy_option: str) -> Result:
    if target.is_dir() and target != share and copy_option == "Skip":
        return "skipped"
    target.mkdir(parents=True, exist_ok=True)
    return "restored"


def _restore_file(
    source: Path, target: Path, scratch: Path, copy_option: str
) -> tuple[Result, int]:
    if target.is_dir():
        return "failed", 0
    if os.path.lexists(target):
        if copy_option == "Skip":
            return "skipped", 0
        if copy_option == "FailOnConflict":
            return "failed", 0
        if copy_option == "CreateCopy":
            target = _free_name(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(parents=True, exist_ok=True)
    part = scratch / uuid.uuid4().hex
    try:
        shutil.copyfile(source, part, follow_symlinks=False)
        shutil.copystat(source, part, follow_symlinks=False)
        size = part.stat().st_size
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return "restored", size


def _free_name(target: Path) -> Path:
    number = 1
    while True:
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
        if not os.path.lexists(candidate):
            return candidate
        number += 1


def _inside(path: Path, root: Path) -> bool:
    """Whether a path's parent, links followed, lies in the root (or is the root's own)."""
    return path == root or path.parent.resolve().is_relative_to(root.resolve())
