"""What may be shown: recordings without secrets, and with ids that lead nowhere.

Equal ids stay equal (an activity id and the client request id that it came from), since that is
what a recording is read for; but nobody can tell from a neutral id which one it was, because a
salt of the run is part of it that is published nowhere.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

NO_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
ELIDED = "<elided>"
_GUID = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE
)
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_ADDRESS = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_TOKEN = re.compile(r"eyJ[\w-]{10,}(?:\.[\w-]+)*")
_QUERY = re.compile(r"\?([^\s\"']+)")
_SECRET_KEY = re.compile(
    r"key$|keys$|secret|password|token|signature|connectionstring|credential", re.IGNORECASE
)
_PEOPLE = frozenset({"createdby", "lastmodifiedby", "systemdata"})
_KEPT_QUERY = frozenset(
    {"api-version", "$filter", "$skiptoken", "sharesnapshot", "restype", "comp"}
)
_KEPT_HEADERS = (
    "accept",
    "content-type",
    "date",
    "retry-after",
    "location",
    "azure-asyncoperation",
    "connection",
    "x-ms-client-request-id",
    "x-ms-request-id",
    "x-ms-correlation-request-id",
    "x-ms-failure-cause",
)
_KEPT_PREFIX = "x-ms-ratelimit-"


class LeakError(RuntimeError):
    """Something that must not be shown was still there after all; nothing was written."""


class Neutral:
    """Makes what one run saw fit to be shown."""

    def __init__(
        self, *, salt: str, subscription: str, names: Mapping[str, str], endpoint: str
    ) -> None:
        """`names` says which name of a resource becomes which."""
        self._salt = salt
        self._subscription = subscription.lower()
        self._endpoint = endpoint
        folded = {name.lower(): neutral for name, neutral in names.items()}
        self._names = folded
        longest = sorted(folded, key=len, reverse=True)
        either = "|".join(map(re.escape, longest))
        self._named = re.compile(either, re.IGNORECASE) if longest else None

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The headers that a recording has; none that carries a token, a place or a person."""
        kept = {name.lower(): str(value) for name, value in headers.items()}
        return {
            name: self.text(value)
            for name, value in sorted(kept.items())
            if name in _KEPT_HEADERS or name.startswith(_KEPT_PREFIX)
        }

    def value(self, value: Any, key: str = "") -> Any:
        """A JSON value, all the way down."""
        folded = key.lower()
        if folded == "template":
            return ELIDED  # infra/ itself, which everybody has
        if folded in _PEOPLE or (_SECRET_KEY.search(folded) and isinstance(value, str) and value):
            return ELIDED
        if isinstance(value, dict):
            return {self.text(name): self.value(held, name) for name, held in value.items()}
        if isinstance(value, list):
            return [self.value(held, key) for held in value]
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        """Any text, URLs in it included."""
        text = text.replace(self._endpoint, "https://management.azure.com")
        text = _QUERY.sub(lambda found: f"?{_query(found[1])}", text)
        text = _TOKEN.sub(ELIDED, text)
        text = _MAIL.sub("person@example.com", text)
        if self._named is not None:
            text = self._named.sub(lambda found: self._names[found[0].lower()], text)
        text = _HASH.sub(lambda found: self._digest(found[0]), text)
        text = _GUID.sub(lambda found: self._guid(found[0]), text)
        return _ADDRESS.sub("192.0.2.1", text)

    def check(self, rendered: str) -> None:
        """Look for what must not be there, in what is about to be written."""
        plain = unquote(rendered).lower()
        hidden = [self._subscription, *self._names]
        found = [f"{name[:3]}\u2026" for name in hidden if name in plain]
        if found or "bearer " in plain or _TOKEN.search(rendered):
            raise LeakError(f"a recording still holds what it must not: {', '.join(found)}")

    def _guid(self, guid: str) -> str:
        folded = guid.lower()
        if folded in (self._subscription, NO_SUBSCRIPTION):
            return NO_SUBSCRIPTION
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self._salt}/{folded}"))

    def _digest(self, text: str) -> str:
        return hashlib.sha256(f"{self._salt}/{text.lower()}".encode()).hexdigest()


def _query(query: str) -> str:
    """A query whose signed and secret parts are elided; azure signs the URLs of operations."""
    return "&".join(_parameters(query))


def _parameters(query: str) -> Iterator[str]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        shown = quote(value, safe=":;,'") if name.lower() in _KEPT_QUERY else ELIDED
        yield f"{name}={shown}"
