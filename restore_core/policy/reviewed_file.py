"""Files that people review and deploy with the app: guards and plans.

Such a file is read again whenever it is needed, so that a new, changed or missing file counts at
once; it is parsed only when its bytes have changed. A file that cannot be read now is invalid: an
older version of it is never used.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from restore_core.errors import FileInvalid, MessageInvalid, Problem
from restore_core.messages.decoding import ROOT, read_plain_object
from restore_core.messages.validation import M, bounded, validated

_log = logging.getLogger(__name__)
MAX_FILE_BYTES = 1024 * 1024
_SHOWN = 5
_UNUSABLE = "a file cannot be used: %s"

T = TypeVar("T")


class ReviewedFile(Generic[T]):
    """One file, parsed. Safe to share between threads."""

    def __init__(self, path: Path, parse: Callable[[bytes], T]) -> None:
        """Store the path; `parse` raises `FileInvalid`."""
        self._path = path
        # ASCII, so that a name of any bytes can stand in logs and events.
        self._name = path.name.encode("ascii", "backslashreplace").decode("ascii")
        self._parse = parse
        self._lock = threading.Lock()
        self._text: bytes | None = None
        self._parsed: T | FileInvalid | None = None
        self._why_unread = ""

    def read(self) -> T:
        """Return the file's present content, parsed.

        Raises:
            FileInvalid: the file is missing, too large, or wrong; with every problem.
        """
        try:
            with self._path.open("rb") as file:
                text = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self._unread(f"cannot be read: {why}") from None
        if len(text) > MAX_FILE_BYTES:
            raise self._unread(f"is larger than {MAX_FILE_BYTES} bytes")
        with self._lock:
            self._why_unread = ""
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
                [replace(one, path=f"{self._name} {one.path}") for one in error.problems]
            )
            _log.error(_UNUSABLE, in_words(found))
            return found
        _log.info("%s is read", self._name)
        return parsed

    def _unread(self, message: str) -> FileInvalid:
        """Forget the earlier content, and log the cause once for as long as it stays the same."""
        found = FileInvalid([Problem(path=f"{self._name} {ROOT}", message=message)])
        with self._lock:
            self._text = self._parsed = None
            if message != self._why_unread:
                self._why_unread = message
                _log.error(_UNUSABLE, in_words(found))
        return found


def read_model(
    text: bytes,
    kind: type[M],
    beyond: Callable[[Mapping[str, Any], Sequence[Problem]], list[Problem]],
) -> M:
    """Read the text of a file; `beyond` finds what no single field can tell, and is given the
    problems found before.

    Raises:
        FileInvalid: with every problem.
    """
    try:
        value, found = read_plain_object(text)
    except MessageInvalid as error:
        raise FileInvalid(error.problems) from None
    read, wrong = validated(kind, value, what="file")
    found += wrong
    found += beyond(value, found)
    if found or read is None:
        raise FileInvalid(bounded(found))
    return read


def in_words(error: FileInvalid) -> str:
    """Put the first problems into one text, with the number of those left out."""
    shown = [
        f"{one.path} {one.message}"
        + (f" (did you mean {one.did_you_mean}?)" if one.did_you_mean else "")
        for one in error.problems[:_SHOWN]
    ]
    left = len(error.problems) - len(shown)
    return "; ".join(shown) + (f"; and {left} more" if left > 0 else "")
