"""Files that people review and deploy with the app: guards, and what else must not be wrong.

Knows when such a file is read. It is read anew each time it matters, so that a file that vanishes
or is put in place counts at once; it is parsed when its bytes have changed. Refuses to know what
is in it, and to go on with an older version: what cannot be read now does not hold now.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from restore_core.decoding import ROOT
from restore_core.errors import FileInvalid, Problem

_log = logging.getLogger(__name__)
MAX_FILE_BYTES = 1024 * 1024
_SHOWN = 5

T = TypeVar("T")


class ReviewedFile(Generic[T]):
    """One file, parsed. Safe to share between threads."""

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        """Remember where it is; `parse` raises `FileInvalid`."""
        self._path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._text: bytes | None = None
        self._parsed: T | FileInvalid | None = None

    def read(self) -> T:
        """Return what the file says now.

        Raises:
            FileInvalid: it is missing, too large, or wrong; with every problem.
        """
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            self._forget()
            why = error.strerror or type(error).__name__
            raise self._wrong(f"cannot be read: {why}") from None
        if len(text) > MAX_FILE_BYTES:
            self._forget()
            raise self._wrong(f"is larger than {MAX_FILE_BYTES} bytes")
        with self._lock:
            if text != self._text:
                self._text, self._parsed = text, self._parse_anew(text)
            parsed = self._parsed
        if isinstance(parsed, FileInvalid):
            raise FileInvalid(parsed.problems)
        assert parsed is not None  # noqa: S101  (set with its text)
        return parsed

    def _parse_anew(self, text: bytes) -> T | FileInvalid:
        try:
            parsed = self._parse(text)
        except FileInvalid as error:
            found = FileInvalid(
                [
                    Problem(
                        path=f"{self._path.name} {one.path}",
                        message=one.message,
                        did_you_mean=one.did_you_mean,
                    )
                    for one in error.problems
                ]
            )
            _log.error("%s cannot be used: %s", self._path.name, in_words(found))
            return found
        _log.info("%s is read", self._path.name)
        return parsed

    def _wrong(self, message: str) -> FileInvalid:
        return FileInvalid([Problem(path=f"{self._path.name} {ROOT}", message=message)])

    def _forget(self) -> None:
        with self._lock:
            self._text = self._parsed = None


def in_words(error: FileInvalid) -> str:
    """Put the first problems into one text, and say how many more there are."""
    shown = [
        f"{one.path} {one.message}"
        + (f" (did you mean {one.did_you_mean}?)" if one.did_you_mean else "")
        for one in error.problems[:_SHOWN]
    ]
    left = len(error.problems) - len(shown)
    return "; ".join(shown) + (f"; and {left} more" if left > 0 else "")
