"""Storage transactions, counted where the SDK hands them to the network.

Knows the protocols of Table and Queue Storage as far as it takes to name a transaction. It stands
below the SDK's retries and above the socket, in this process, and changes nothing: whoever builds
its clients in whatever way is counted.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

from azure.core.pipeline.transport import RequestsTransport

_TABLE = re.compile(r"/[^/]+/(?P<name>\$batch|\w+)(?P<keys>\(.*\))?$")
_QUEUE = re.compile(r"/[^/]+/(?P<name>[a-z0-9-]+)/messages(?P<one>/.+)?$")
_TABLE_VERBS = {"POST": "insert", "PUT": "replace", "DELETE": "delete"}
_QUEUE_VERBS = {"POST": "put", "GET": "get", "DELETE": "delete", "PUT": "renew"}


@dataclass(frozen=True, kw_only=True)
class Transaction:
    """One request to storage. `began` is in seconds since 1970."""

    verb: str
    name: str
    """Of the table or queue."""
    sent: int
    """Bytes of its body."""
    began: float

    @property
    def title(self) -> str:
        """What it is, in two words."""
        return f"{self.verb} {self.name}"

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.verb not in {"query", "read", "get"}


class Counted:
    """The transactions of this process since counting began, in the order of their beginnings."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[Transaction] = []

    @property
    def seen(self) -> list[Transaction]:
        """All of them."""
        with self._lock:
            return list(self._seen)

    def take(self) -> list[Transaction]:
        """Return them and begin anew."""
        with self._lock:
            seen, self._seen = self._seen, []
            return seen

    def add(self, transaction: Transaction) -> None:
        """Count one."""
        with self._lock:
            self._seen.append(transaction)


def titles(transactions: list[Transaction]) -> dict[str, int]:
    """How many there were of each kind, the kinds in the order of their first."""
    return dict(Counter(one.title for one in transactions))


@contextmanager
def counted() -> Iterator[Counted]:
    """Count what the SDK's clients of this process send."""
    counting, send = Counted(), RequestsTransport.send

    def noting(transport: RequestsTransport, request: Any, **options: Any) -> Any:  # noqa: ANN401
        counting.add(_named(request))
        return send(transport, request, **options)

    with patch.object(RequestsTransport, "send", noting):
        yield counting


def _named(request: Any) -> Transaction:  # noqa: ANN401  (the SDK has two classes of it)
    path = unquote(urlsplit(request.url).path)
    body = getattr(request, "body", None) or getattr(request, "content", None) or b""
    queue = _QUEUE.match(path)
    if queue:
        verb, name = _QUEUE_VERBS.get(request.method, request.method), queue["name"]
    else:
        table = _TABLE.match(path)
        name = table["name"] if table else path
        keys = (table["keys"] or "") if table else ""
        if request.method == "GET":
            verb = "read" if "=" in keys else "query"
        else:
            verb = _TABLE_VERBS.get(request.method, "merge")
    return Transaction(verb=verb, name=name, sent=len(body), began=time.time())
