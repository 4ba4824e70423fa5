"""Runs the installers, and turns the output of one that failed into a sentence that helps."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_SHOWN_LINES = 10
Command = Sequence[str | Path]

# What an installer's words mean, the most telling first.
_MEANINGS: Sequence[tuple[str, Sequence[str]]] = (
    (
        "what was served is not the pinned file, and was not installed: use another mirror",
        ("do not match the hashes", "hash mismatch", "eintegrity"),
    ),
    (
        "its certificate is not trusted: name the file with your proxy's root by SSL_CERT_FILE",
        ("certificate_verify", "peer certificate", "unable_to_get_issuer", "unable_to_verify"),
    ),
    (
        "it wants a name and a password: put them into its address, ~/.netrc or ~/.npmrc",
        ("401 ", "403 ", "407 ", "e401", "e403", "unauthorized", "forbidden"),
    ),
    ("the disk is full: make room, and run it again", ("no space left", "enospc")),
    (
        "no ready-made package fits this machine: use Linux or macOS, on x86-64 or arm64",
        ("no wheels with a matching", "no compatible wheel", "ebadplatform"),
    ),
)


class SetupError(Exception):
    """The set-up cannot go on; the text says what is missing and what to do."""

    def __init__(self, text: str, *, words: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.words = words


def run(
    command: Command,
    *,
    environment: Mapping[str, str],
    directory: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with what it says kept for later."""
    return subprocess.run(
        [str(part) for part in command],
        env=dict(environment),
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def failure(what: str, ended: subprocess.CompletedProcess[str], *, otherwise: str) -> SetupError:
    """The error of a command that failed; `otherwise` helps where its words tell nothing."""
    lines = [line.rstrip() for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
    said = "\n".join(lines).lower()
    advice = next(
        (advice for advice, signs in _MEANINGS if any(sign in said for sign in signs)), otherwise
    )
    return SetupError(f"{what}: {advice}.", words=_worth_reading(lines))


def _worth_reading(lines: Sequence[str]) -> Sequence[str]:
    """Of a traceback the last line; else the first, with one retry of pip and no stack of node."""
    if any(line.startswith("Traceback (most recent call last)") for line in lines):
        return lines[-1:]
    retries = [line for line in lines if line.startswith("WARNING: Retrying")]
    stack = [line for line in lines if line.startswith("npm error     at ")]
    return [line for line in lines if line not in retries[1:] + stack][:_SHOWN_LINES]
