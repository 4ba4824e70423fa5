"""Messages that nobody should send: bytes for the request queue, from noise to nearly good.

Most begin as a good message and go wrong in a few places, since noise alone never gets past the
first check. What Python's JSON cannot say (a key twice, `NaN`, half a character) is written by
hand.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.simulators.world import ACCOUNTS, SHAPES, SUBSCRIPTION, VAULT, elsewhere, request

MAX_MESSAGE = 64 * 1024
"""The limit of a storage queue's message."""

ITEM = (
    f"{VAULT}/backupFabrics/Azure/protectionContainers/StorageContainer;Storage;rg;source1"
    "/protectedItems/AzureFileShare;abc"
)
_OTHER = ITEM.replace("vault1", "vault2")


@dataclass(frozen=True)
class Raw:
    """Text that goes into the JSON as it is."""

    text: str


@dataclass(frozen=True)
class Twice:
    """An object with keys that may repeat."""

    pairs: tuple[tuple[str, Any], ...]


TRICKS = (
    *("..", ".", "/", "//", "\\", "..\\..\\", "/../", "%2f", "%2F..%2f", "%5c", "%2e%2e", "%00"),
    *("?", "?api-version=1", "#", "#fragment", "&$filter=", ";", "%3B", "@", ":", "*", "|", '"'),
    *("'", "' or 1 eq 1 or name eq '", "''", "$filter", "\r\nHost: elsewhere", "\n", "\t", " "),
    *("\x00", "\x07", "\x1b[2J", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\uffff"),
    *("\ud800", "\udfff", "\ud83d", "\u202e", "e\u0301", "\u0130", "\u00df", "\uff0f", "\u2024"),
    *("...", "name.", "name ", "http://elsewhere/", "//elsewhere/", "~", "~cancel", "plan~"),
    *("\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "$(id)", "{0}", "%s", "null"),
)
tricks = st.sampled_from(TRICKS)
LIMITS = (1, 2, 3, 24, 50, 63, 64, 89, 90, 128, 250, 255, 256, 1024, 2048)
UNITS = ("a", "0", ".", "/", "a/", "é", "☃", "\U0001f600", "\x01", "\ufffe", "\ud800", "a. ", "..")


def _repeated(unit: str, limit: int, over: int) -> str:
    return (unit * limit)[: max(limit + over, 0)]


at_limits = st.builds(
    _repeated, st.sampled_from(UNITS), st.sampled_from(LIMITS), st.integers(-1, 1)
)
"""Texts of every size that is a limit, one less and one more."""

endless = st.builds(
    lambda unit, size: (unit * size)[:size], st.sampled_from(UNITS), st.integers(3000, 60_000)
)
texts = st.one_of(
    tricks,
    at_limits,
    st.text(max_size=40),
    st.text(st.characters(codec=None, categories=("Cc", "Cs", "Cn", "Co", "So")), max_size=8),
    st.lists(tricks, max_size=4).map("".join),
)


def _inside(text: str, trick: str, at: int) -> str:
    at %= len(text) + 1
    return text[:at] + trick + text[at:]


GOOD_TEXTS = (
    *(VAULT, ITEM, _OTHER, f"{ACCOUNTS}/source1", SUBSCRIPTION, "share-r1", "latest", "P1DT12H"),
    *("2026-02-05T07:43:47Z", "a/b.txt", "Directory", "1.0", "932881138555802864", "Overwrite"),
    *("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "original", "r1", "emergency"),
    ITEM.replace("protectedItems", "protectableItems"),
    VAULT.replace("resourceGroups", "ResourceGroups/.."),
    VAULT.upper(),
)
near_texts = st.builds(_inside, st.sampled_from(GOOD_TEXTS), tricks, st.integers(0, 400))
"""Good texts with a trick somewhere inside."""

numbers: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [
            *(Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("-0"), Raw("1E400")),
            *(Raw("9" * 5000), Raw("0." + "1" * 5000), Raw("-" + "8" * 41), Raw("1e-999999999")),
        ]
    ),
    st.integers(-(10**45), 10**45),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
)


def _nested(depth: int, mark: str) -> Raw:
    opened, closed = {"[": ("[", "]"), "{": ('{"a":', "}")}[mark]
    return Raw(opened * depth + "1" + closed * depth)


deep = st.builds(_nested, st.sampled_from((1, 31, 32, 33, 100, 3000)), st.sampled_from("[{"))
leaves: st.SearchStrategy[Any] = st.one_of(st.none(), numbers, texts, near_texts, deep)
values: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(texts, inner, max_size=3),
        st.lists(st.tuples(st.sampled_from(("a", "path", "id")), inner), max_size=3).map(
            lambda pairs: Twice(tuple(pairs))
        ),
    ),
    max_leaves=6,
)
"""A value of any kind where another was wanted."""

NAMES = (
    *("schemaVersion", "action", "requestId", "vaultId", "source", "storageAccountId"),
    *("fileShare", "protectedItemId", "recoveryPoint", "id", "select", "time", "maxAge", "target"),
    *("location", "folder", "items", "path", "type", "copyOptions", "identity", "dryRun"),
    *("priority", "startDeadline", "requestedBy", "reason", "traceparent", "labels", "replyTo"),
    *("specversion", "data", "data_base64", "eventType", "topic", "eventTime", "schemaId"),
    *("essentials", "alertId", "alertRule", "monitorCondition", "customProperties", "restorePlan"),
)


def _misspelt(name: str, how: int) -> str:
    return (
        *(name.upper(), name.lower(), name[:-1], name + "s", name[1:], name.replace("e", "3")),
        *(f" {name}", f"{name}\u200b", "_".join(name), name.replace("i", "\u0131"), name * 40),
    )[how % 11]


names = st.one_of(
    st.builds(_misspelt, st.sampled_from(NAMES), st.integers(0, 10)),
    st.sampled_from(NAMES),
    texts,
)
"""Field names: known, nearly known, and anything."""


@st.composite
def good_messages(draw: st.DrawFn) -> dict[str, Any]:
    """A message that is good, with odd but allowed things in it."""
    body = request(**draw(st.sampled_from(list(SHAPES.values()))))
    if draw(st.booleans()):
        body |= {"source": {"protectedItemId": draw(st.sampled_from([ITEM, _OTHER]))}}
    if draw(st.integers(0, 5)) == 0:
        body = {"schemaVersion": "1.0", "action": "cancel", "requestId": "r1"}
    free = st.one_of(at_limits, texts, st.just("\U0001f600" * 256), st.just("\x01" * 256))
    for name in sorted(draw(st.sets(st.sampled_from(("reason", "requestedBy"))))):
        body[name] = draw(free)
    if "source" in body:
        extras: dict[str, st.SearchStrategy[Any]] = {
            "labels": st.dictionaries(texts, free, max_size=16),
            "dryRun": st.booleans(),
            "priority": st.sampled_from(("normal", "emergency")),
            "startDeadline": st.sampled_from(("PT1H", "P9999D", "2026-02-05T08:00:00+14:00")),
            "identity": st.sampled_from([{"type": "systemAssigned"}]),
            "replyTo": st.sampled_from(("replies-1", "a1b", "restore-requests", "q" * 63)),
            "items": st.lists(
                st.fixed_dictionaries({"path": paths, "type": st.just("File")}),
                min_size=1,
                max_size=4,
            ),
        }
        for name in sorted(draw(st.sets(st.sampled_from(sorted(extras)), max_size=3))):
            body[name] = draw(extras[name])
        if draw(st.integers(0, 7)) == 0:
            body["items"] = many_items(draw(st.sampled_from(("\U0001f600", "ä", "a", "#", "%"))))
    return body


def many_items(unit: str) -> list[dict[str, str]]:
    """As many items as there may be, each as long as a 64 KiB message allows."""
    size = 600 // len(unit.encode())
    return [
        {"path": f"{number:02}/" + unit * min(size, 250), "type": "File"} for number in range(99)
    ]


paths = st.one_of(
    st.sampled_from(("a", "a/b", "a b/c.txt", "#/%41", "résumé.txt", "a.", "CON", "$RECYCLE.BIN")),
    st.builds(
        lambda unit, segment, count: "/".join([unit * segment] * count),
        st.sampled_from(("a", "é", "\U0001f600", "☃")),
        st.sampled_from((1, 254, 255, 256)),
        st.sampled_from((1, 2, 7, 8, 9)),
    ),
    texts,
)


Place = tuple[str | int, ...]


def places(value: Any, at: Place = ()) -> list[Place]:
    """Every place in a value, the root too."""
    found = [at]
    if isinstance(value, dict):
        found += [place for name, inner in value.items() for place in places(inner, (*at, name))]
    if isinstance(value, list):
        found += [place for i, inner in enumerate(value[:3]) for place in places(inner, (*at, i))]
    return found


def _at(value: Any, place: Place) -> Any:
    for step in place:
        value = value[step]
    return value


def _doubled(value: dict[str, Any], name: str, other: Any) -> Twice:
    return Twice((*value.items(), (name, other)))


@st.composite
def wrong(draw: st.DrawFn, good: st.SearchStrategy[Any]) -> Any:
    """A good message that goes wrong in a few places."""
    body: Any = {"": copy.deepcopy(draw(good))}
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.sampled_from([place for place in places(body) if place]))
        holder, last = _at(body, at[:-1]), at[-1]
        here = holder[last]
        match draw(st.sampled_from(("value", "value", "text", "gone", "more", "twice", "name"))):
            case "text" if isinstance(here, str):
                holder[last] = _inside(here, draw(tricks), draw(st.integers(0, 400)))
            case "gone" if len(at) > 1:
                del holder[last]
            case "more" if isinstance(here, dict):
                here[draw(names)] = draw(values)
            case "more" if isinstance(here, list):
                here += [draw(values)] * draw(st.sampled_from((1, 2, 99, 200)))
            case "twice" if isinstance(here, dict) and here:
                holder[last] = _doubled(here, draw(st.sampled_from(sorted(here))), draw(values))
                break
            case "name" if isinstance(holder, dict) and len(at) > 1:
                holder[draw(names)] = holder.pop(last)
            case _:
                holder[last] = draw(values)
    return body[""]


def write(value: Any, *, ascii_only: bool) -> str:
    """Write JSON, and what only looks like it."""
    match value:
        case Raw(text=text):
            return text
        case Twice(pairs=pairs):
            return _object(pairs, ascii_only=ascii_only)
        case dict():
            return _object(list(value.items()), ascii_only=ascii_only)
        case list():
            return f"[{','.join(write(one, ascii_only=ascii_only) for one in value)}]"
    return json.dumps(value, ensure_ascii=ascii_only)


def _object(pairs: Sequence[tuple[str, Any]], *, ascii_only: bool) -> str:
    inner = (
        f"{json.dumps(name, ensure_ascii=ascii_only)}:{write(value, ascii_only=ascii_only)}"
        for name, value in pairs
    )
    return f"{{{','.join(inner)}}}"


def messages_with_one_trick() -> Iterator[bytes]:
    """Good messages with one trick inside one of their ids, names or paths: every pair of them."""
    for trick in TRICKS:
        for source, target in (
            (request()["source"], elsewhere(folder="back/again")),
            ({"protectedItemId": ITEM}, request()["target"]),
        ):
            body = request("r1", items=[{"path": "a/b.txt", "type": "File"}], target=target)
            body["source"] = source
            for at in places(body):
                if at and at[-1] in TRICKED:
                    wrong = copy.deepcopy(body)
                    holder, name = _at(wrong, at[:-1]), at[-1]
                    holder[name] = _inside(holder[name], trick, len(holder[name]) - 1)
                    yield json.dumps(wrong).encode()


TRICKED = {"requestId", "vaultId", "storageAccountId", "protectedItemId", "fileShare", "path"} | {
    *("folder", "select")
}


EDGES = (
    *(b"", b" ", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe{\x00}\x00", b"null", b"[]", b"{}", b"-"),
    *(b"[" * MAX_MESSAGE, b'{"a":' * 13_000, b'"' + b"\\" * 60_000, b"{" + b" " * 65_000),
    *(b"[1" + b",1" * 32_000 + b"]", b"=" * 65_000, b"AAAA" * 16_000, b"9" * 65_000, b"1" * 41),
    *(b'{"requestId":"r1"}\n{}', b"'{}'", b"{\"a\": 'b'}", b"\xc0\x80", b"\xed\xa0\x80", b"tru"),
    *(b'{"requestId":"' + b"\xf4\x90\x80\x80" + b'"}', b'"\\ud800"', b'{"\\ud800":1}'),
    b'{"' + b'a":1,"' * 10_000 + b'a":1}',
    json.dumps({"\U0001f600" * 5 * n: n for n in range(70)}).encode(),
    *(
        json.dumps(request(items=many_items(unit), dryRun=dry), ensure_ascii=False).encode()
        for unit in ("\U0001f600", "ä", "\u2028")
        for dry in (True, False)
    ),
    json.dumps(
        request(labels={chr(97 + n) + "\U0001f600" * 63: "\x7f\ufffe" * 128 for n in range(16)}),
    ).encode(),
)
"""Messages at the edge of something: most are none, others are as large as may be."""
TO_REJECT = tuple(
    json.dumps(request("r1")).replace(*change).encode()
    for change in (
        ('"r1",', '"r1", "requestId": "r1",'),
        ('"r1",', '"r1", "labels": {"a": "1", "a": "1"},'),
        ('"r1",', '"r1", "reason": "\\ud800",'),
        ('"r1",', '"r1", "labels": {"\\udfff": "1"},'),
        ('"r1",', '"r1", "reason": null,'),
        ('"r1",', '"r1", "items": null,'),
        ('"r1",', '"r1", "Reason": "x",'),
        ('"r1",', '"r1", "": "",'),
        ("resourceGroups/rg/", "resourceGroups/../"),
        ("resourceGroups/rg/", "resourceGroups/%2e%2e/"),
        ("resourceGroups/rg/", "resourceGroups/rg./"),
        ("/subscriptions/ef4ab5a7", "/subscriptions/ef4ab5a7-"),
        ('"/subscriptions', '"https://elsewhere/subscriptions'),
    )
)
"""Messages with one thing wrong that a careless reader would let pass."""

noise = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(EDGES),
    endless.map(lambda text: text.encode("utf-8", "surrogatepass")),
    endless.map(lambda text: json.dumps({"requestId": text}).encode()),
)
"""What is no message at all."""


def _broken(body: bytes, at: int, change: bytes) -> bytes:
    at %= len(body) + 1
    return body[:at] + change + body[at + 1 :]


_BYTES = (b"", b"\xff", b"\x00", b"\xed\xa0\x80", b'"', b"}", b"\\u", b"\xc3", b",,")
_WRAPPINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda body: body,
    lambda body: body,
    lambda body: body,
    base64.b64encode,
    lambda body: base64.urlsafe_b64encode(body).rstrip(b"="),
    base64.encodebytes,
    lambda body: base64.b64encode(base64.b64encode(body)),
    lambda body: base64.b64encode(body)[:-1],
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.decode("utf-8", "replace").encode("utf-16"),
    lambda body: json.dumps(body.decode("utf-8", "replace")).encode(),
)


def documents(good: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """JSON, by intent: good messages, such as went wrong, and anything."""
    return written(st.one_of(wrong(good), wrong(good), good, values))


def written(value: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Write values as messages, in ASCII or not."""
    return st.builds(
        lambda value, ascii_only: write(value, ascii_only=ascii_only).encode(
            "utf-8", "surrogatepass"
        )[:MAX_MESSAGE],
        value,
        st.booleans(),
    )


def messages(good: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Anything that may lie on the request queue."""
    whole = documents(good)
    # One byte of these went wrong.
    broken = st.builds(_broken, whole, st.integers(0, MAX_MESSAGE), st.sampled_from(_BYTES))
    return st.builds(
        lambda body, wrap: wrap(body)[:MAX_MESSAGE],
        st.one_of(whole, whole, whole, broken, noise),
        st.sampled_from(_WRAPPINGS),
    )
