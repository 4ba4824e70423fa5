"""The bytes of a message, plain or base64, read into a JSON object and its problems.

The bytes come from anybody who may write to the queue, so depth and numbers are bounded before
anything recurses over them or converts them.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from restore_core.errors import MessageInvalid, Problem
from restore_core.vocabulary import Rejection

MAX_DEPTH = 32
ROOT = "$"
"""The path of a problem that concerns the message as a whole."""

# One character class only: two that match the same bytes would make a hostile text slow to match.
_BASE64 = re.compile(rb"[A-Za-z0-9+/_\-=\s]+")
_STRUCTURE = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_DIGITS = 40

V = TypeVar("V")


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its keys were given more than once."""

    twice: tuple[str, ...] = ()


def read_object(body: bytes) -> tuple[dict[str, Any], list[Problem]]:
    """Read a message as a JSON object; return it with the problems that leave it readable.

    A list of one object counts as that object, since Event Grid delivers so to some endpoints.

    Raises:
        MessageInvalid: `Unreadable` when it is not JSON, `Invalid` when the JSON is no object.
    """
    value, problems = _parsed(_unpacked(body))
    if isinstance(value, list):
        if len(value) != 1:
            raise _invalid(f"is a list of {len(value)}: send one event a message")
        value = value[0]
    return _as_object(value, problems)


def read_plain_object(body: bytes) -> tuple[dict[str, Any], list[Problem]]:
    """Read bytes as `read_object` does, but take neither base64 nor a list.

    Raises:
        MessageInvalid: as `read_object`.
    """
    return _as_object(*_parsed(body))


def _as_object(value: object, problems: list[Problem]) -> tuple[dict[str, Any], list[Problem]]:
    if not isinstance(value, dict):
        raise _invalid("must be a JSON object")
    found = [*_duplicates(value, ""), *problems]
    return _with_valid_text(value, "", found), found


def _parsed(body: bytes) -> tuple[Any, list[Problem]]:
    text = _text(body)
    if (depth := _depth(text)) > MAX_DEPTH:
        raise _invalid(f"is nested {depth} deep; at most {MAX_DEPTH} is allowed")
    numbers: list[Problem] = []
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=lambda word: _refuse(numbers, word),
            parse_int=lambda digits: _integer(numbers, digits),
            parse_float=lambda digits: _fraction(numbers, digits),
        )
    except json.JSONDecodeError as error:
        raise _unreadable(f"is not JSON (line {error.lineno}, column {error.colno})") from None
    return value, numbers


def _unpacked(body: bytes) -> bytes:
    body = _stripped(body)
    return _from_base64(body) if body[:1] not in b'{["' and _BASE64.fullmatch(body) else body


def _stripped(body: bytes) -> bytes:
    return body.removeprefix(b"\xef\xbb\xbf").strip()


def _text(body: bytes) -> str:
    body = _stripped(body)
    if not body:
        raise _unreadable("is empty")
    try:
        return body.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _unreadable(f"is not UTF-8 (byte {error.start})") from None


def _from_base64(body: bytes) -> bytes:
    """Decode base64; return other bytes unchanged, such as the JSON number 1234."""
    packed = b"".join(body.split()).translate(bytes.maketrans(b"-_", b"+/"))
    packed += b"=" * (-len(packed) % 4)  # url-safe base64 often lacks its padding
    try:
        decoded = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return body
    try:
        json.loads(body[:_MAX_DIGITS])
    except ValueError:
        return decoded
    return body


def _depth(text: str) -> int:
    """Count the deepest nesting without recursing; strings are skipped."""
    depth = deepest = 0
    for match in _STRUCTURE.finditer(text):
        mark = match.group()
        if mark in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "]}":
            depth -= 1
    return deepest


def _object(pairs: Sequence[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        made.twice = tuple(
            name for name, times in Counter(n for n, _ in pairs).items() if times > 1
        )
    return made


def _duplicates(value: object, path: str) -> Iterator[Problem]:
    if isinstance(value, _Object):
        for name in value.twice:
            yield Problem(path=join(path, name), message="is given more than once")
        for name, inner in value.items():
            yield from _duplicates(inner, join(path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _duplicates(inner, f"{path}[{index}]")


def with_valid_text(value: Any) -> Any:  # noqa: ANN401  (JSON)
    """Copy a JSON value with lone surrogates replaced, since no UTF-8 text can hold them."""
    return _with_valid_text(value, "", [])


def _with_valid_text(value: Any, path: str, problems: list[Problem]) -> Any:  # noqa: ANN401  (JSON)
    """Copy a JSON value with lone surrogates replaced and reported as problems."""
    if isinstance(value, str):
        if value.isascii() or not _SURROGATE.search(value):
            return value
        problems.append(Problem(path=path or ROOT, message="is not valid Unicode text"))
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {
            _with_valid_text(name, join(path, name), problems): _with_valid_text(
                inner, join(path, name), problems
            )
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [
            _with_valid_text(inner, f"{path}[{index}]", problems)
            for index, inner in enumerate(value)
        ]
    return value


def without_none(fields: Mapping[str, V | None]) -> dict[str, V]:
    """Leave out the fields that hold `None`: what is not known, or not given, is absent."""
    return {name: value for name, value in fields.items() if value is not None}


def join(path: str, name: str) -> str:
    """Append a field's name to a path, as bounded ASCII, since a sender may name fields freely."""
    shown = name if len(name) <= 80 else name[:80] + "…"
    shown = shown.encode("ascii", "backslashreplace").decode("ascii")
    return f"{path}.{shown}" if path else shown


def _refuse(numbers: list[Problem], word: str) -> None:
    numbers.append(Problem(path=ROOT, message=f"holds {word}, which is not JSON"))


def _integer(numbers: list[Problem], digits: str) -> int:
    if len(digits) <= _MAX_DIGITS:
        return int(digits)
    numbers.append(Problem(path=ROOT, message=f"holds a number of {len(digits)} digits"))
    return 0


def _fraction(numbers: list[Problem], digits: str) -> float:
    if len(digits) <= _MAX_DIGITS:
        return float(digits)
    numbers.append(Problem(path=ROOT, message=f"holds a number of {len(digits)} digits"))
    return 0.0


def _unreadable(message: str) -> MessageInvalid:
    return MessageInvalid([Problem(path=ROOT, message=message)], reason=Rejection.UNREADABLE)


def _invalid(message: str) -> MessageInvalid:
    return MessageInvalid([Problem(path=ROOT, message=message)], reason=Rejection.INVALID)
