"""A git repository of its own for each test, with commits whose ids are always the same."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

WHEN = "2026-11-20T10:00:01+01:00"
_GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "somebody",
    "GIT_AUTHOR_EMAIL": "somebody@example.com",
    "GIT_AUTHOR_DATE": WHEN,
    "GIT_COMMITTER_NAME": "somebody",
    "GIT_COMMITTER_EMAIL": "somebody@example.com",
    "GIT_COMMITTER_DATE": WHEN,
}


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder, free of the machine's settings."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **_GIT},
    )
    return done.stdout.strip()


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


def committed(folder: Path, files: Mapping[str, str] | None = None) -> str:
    """Commit all that is in the folder, and these files; the commit's id."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, files or {})
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--message", "what is packed")
    return git(folder, "rev-parse", "HEAD")
