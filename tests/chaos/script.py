"""What a campaign sends: every message in its order, from a seed.

Knows what each request may come to. Refuses to know how the app works.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from tests.stack.estate import PATHS, Estate, Share, account_id
from tests.stack.outside import Json
from tests.stack.town import elsewhere, request

COMMON_TARGETS = tuple(f"common-{number}" for number in range(12))
"""Target shares that many requests want."""
PART_ITEMS = 99
"""So many items go into one restore."""
_SHARED = 0.5
_ONE_IN = 30
"""Of so many requests, one has more items than one restore takes."""
_JUNK = (
    '{"hello": 1}',
    "please restore everything :-(",
    "{",
    "[1, 2, 3]",
    "17",
    '"restore"',
    "null",
    "aGVsbG8=",
    "e30=",
    '{"schemaVersion": "1.0"}',
    '{"schemaVersion": "1.0", "requestId": "a b", "source": {}}',
    '{"schemaVersion": "1.0", "action": "cancel"}',
    '{"schemaVersion": "1.0", "requestId": "twice", "requestId": "twice"}',
    '{"schemaVersion": 1.0, "requestId": ["x"], "target": "original", "items": {}}',
    "[" * 5000,
    '{"reqestId": "x", "sorce": 1, "🙂": "\\ud800"}',
    "ÿþ" * 100,
)


class Kind(StrEnum):
    """What a letter is."""

    REQUEST = "request"
    COPY = "copy"
    CANCEL = "cancel"
    JUNK = "garbage"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message, as it goes onto the queue."""

    text: str
    kind: Kind
    request_id: str = ""
    body: str = ""
    """Which of several bodies under one id it brings."""
    dry: bool = False


@dataclass(frozen=True, kw_only=True)
class Body:
    """One restore that is asked for under an id."""

    share: Share
    message: Json
    older: bool = False
    """Whether it asks for the older recovery point."""
    impossible: str | None = None
    """The reason with which it ends, since what it names does not exist."""

    @property
    def parts(self) -> list[Json]:
        """What each of its restores is asked for: the message, with the items of that part."""
        items = self.message.get("items")
        if items is None:
            return [self.message]
        return [
            {**self.message, "items": items[at : at + PART_ITEMS]}
            for at in range(0, len(items), PART_ITEMS)
        ]

    @property
    def marks(self) -> list[tuple[str, str]]:
        """What tells the job of each part from all others: the source share and the first path."""
        firsts = ((part.get("items") or [{"path": ""}])[0]["path"] for part in self.parts)
        return [(self.share.name, first) for first in firsts]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A request id, and what may come of it."""

    request_id: str
    bodies: dict[str, Body]
    dry: bool = False
    """A dry run is sent."""
    real: bool = True
    """A run for real is sent."""
    cancelled: bool = False
    deadline: bool = False


@dataclass(frozen=True, kw_only=True)
class Script:
    """A whole campaign."""

    asks: Sequence[Ask]
    letters: Sequence[Letter]


@dataclass
class _Writer:
    """Writes asks one by one; letters get a place, and are sorted by it in the end."""

    chance: random.Random
    shares: list[Share]
    crowded: list[Share]
    asks: list[Ask] = field(default_factory=list)
    placed: list[tuple[float, Letter]] = field(default_factory=list)

    def ask(self, number: int) -> None:
        """Write one request with all the messages about it."""
        chance, request_id = self.chance, f"c{number:05d}"
        share = self.shares.pop()
        body = self._body(share, request_id, "a")
        ask = Ask(request_id=request_id, bodies={"a": body})
        fate = chance.random()
        if fate < 0.05:
            ask = replace(ask, dry=True, real=False)
        elif fate < 0.09:
            ask = replace(ask, dry=True)
        elif fate < 0.13:
            other = self._body(self.shares.pop(), request_id, "b")
            ask = replace(ask, bodies={"a": body, "b": other})
        elif fate < 0.16:
            body = replace(body, message={**body.message, "startDeadline": "PT3S"})
            ask = replace(ask, bodies={"a": body}, deadline=True)
        elif fate < 0.19:
            ask = replace(ask, bodies={"a": self._impossible(body)})
        self._place(ask, number)

    def pair(self, number: int) -> None:
        """Write two requests for two files of one share, to its original place."""
        share = self.shares.pop()
        for offset, path in enumerate(PATHS[:2]):
            request_id = f"c{number + offset:05d}"
            message = request(share, request_id, items=[{"path": path, "type": "File"}])
            message["labels"] = {"body": "a"}
            body = Body(share=share, message=message)
            self._place(Ask(request_id=request_id, bodies={"a": body}), number + offset)

    def large(self, number: int) -> None:
        """Write a request for more files than one restore takes."""
        chance, request_id = self.chance, f"c{number:05d}"
        share = self.crowded.pop()
        paths = share.many[: chance.randint(PART_ITEMS + 1, len(share.many))]
        items = [{"path": path, "type": "File"} for path in paths]
        fields: Json = {"labels": {"body": "a"}, "items": items}
        if chance.random() < 0.5:
            fields["target"] = elsewhere(chance.choice(COMMON_TARGETS), f"{request_id} a")
            fields["copyOptions"] = None
        body = Body(share=share, message=request(share, request_id, **fields))
        dry = chance.random() < 0.1
        self._place(Ask(request_id=request_id, bodies={"a": body}, dry=dry), number)

    def junk(self, place: float) -> None:
        """Write a message that is no request."""
        text = self.chance.choice(_JUNK)
        if self.chance.random() < 0.2:
            text = self.chance.randbytes(30).hex() + " {"
        self.placed.append((place, Letter(text=text, kind=Kind.JUNK)))

    def _body(self, share: Share, request_id: str, name: str) -> Body:
        chance = self.chance
        fields: Json = {"labels": {"body": name}}
        if chance.random() < 0.5:
            fields["items"] = [
                {"path": PATHS[0], "type": "File"},
                {"path": "docs", "type": "Directory"},
            ]
        if chance.random() < 0.5:
            shared = chance.random() < _SHARED
            target = chance.choice(COMMON_TARGETS) if shared else f"own-{share.number}"
            fields["target"] = elsewhere(target, f"{request_id} {name}")
            fields["copyOptions"] = None
        older = chance.random() < 0.25
        if older:
            before = {"select": "latestBefore", "time": share.between()}
            fields["recoveryPoint"] = chance.choice([{"id": share.older.id}, before])
        if chance.random() < 0.2:
            fields["source"] = {"protectedItemId": share.item_id}
            if chance.random() < 0.5:
                fields["vaultId"] = None
        if chance.random() < 0.1:
            fields["priority"] = "emergency"
        return Body(share=share, message=request(share, request_id, **fields), older=older)

    def _impossible(self, body: Body) -> Body:
        message = {**body.message}
        if self.chance.random() < 0.5:
            message["source"] = {
                "storageAccountId": account_id(body.share.account),
                "fileShare": f"no-{body.share.name}",
            }
            message["vaultId"] = body.share.vault_id
            reason = "SourceNotFound"
        else:
            message["recoveryPoint"] = {"id": "4"}
            reason = "RecoveryPointNotFound"
        return replace(body, message=message, impossible=reason)

    def _place(self, ask: Ask, number: int) -> None:
        """Place the request's messages: copies and others near it, some far behind."""
        chance = self.chance
        for name, body in ask.bodies.items():
            first = float(number) if name == "a" else number + chance.uniform(-3, 30)
            if ask.dry:
                self._post(ask, name, body, first, dry=True)
                first += chance.uniform(-2, 10)
            if ask.real:
                self._post(ask, name, body, first, dry=False)
        cancel = chance.random()
        if cancel < 0.10:
            # Some before the request, most in its first seconds, some after its end.
            offset = chance.choice([-5, -1, 0.5, 1, 2, 4, 8, 12, 20, 40, 80])
            self.asks.append(replace(ask, cancelled=True))
            for copy in range(2 if chance.random() < 0.2 else 1):
                self.placed.append((number + offset + copy, _cancel(ask.request_id)))
            return
        self.asks.append(ask)

    def _post(self, ask: Ask, name: str, body: Body, place: float, *, dry: bool) -> None:
        chance = self.chance
        message = {**body.message, "dryRun": True} if dry else body.message
        letter = Letter(
            text=self._text(message),
            kind=Kind.REQUEST,
            request_id=ask.request_id,
            body=name,
            dry=dry,
        )
        self.placed.append((place, letter))
        if chance.random() < 0.2:
            for _ in range(chance.randint(1, 3)):
                offset = chance.choice([0.01, 0.02, 1, 3, 10, 50, 200])
                copy = replace(letter, text=self._text(message), kind=Kind.COPY)
                self.placed.append((place + offset, copy))

    def _text(self, message: Json) -> str:
        text = json.dumps(message)
        if self.chance.random() < 0.3:
            return base64.b64encode(text.encode()).decode("ascii")
        return text


def shares_for(requests: int) -> int:
    """How many protected shares so many requests need: one in 25 has a second body."""
    return requests + requests // 5 + 20 + crowded_for(requests)


def crowded_for(requests: int) -> int:
    """How many of them have many files."""
    return -(-requests // _ONE_IN)


def own_targets(requests: int) -> Iterable[str]:
    """The target shares that belong to one request each."""
    return (f"own-{number}" for number in range(shares_for(requests)))


def write(estate: Estate, *, seed: int, requests: int) -> Script:
    """Write the script of a campaign."""
    chance = random.Random(seed)
    shares = list(reversed(estate.shares))
    writer = _Writer(
        chance=chance,
        shares=[share for share in shares if not share.crowded],
        crowded=[share for share in shares if share.crowded],
    )
    number, large = 0, _ONE_IN // 3
    while number < requests:
        if number >= large:
            writer.large(number)
            number, large = number + 1, large + _ONE_IN
            continue
        if number + 2 <= requests and chance.random() < 0.02:
            writer.pair(number)
            number += 2
            continue
        writer.ask(number)
        number += 1
        if chance.random() < 0.06:
            writer.junk(number - 0.5)
    placed = sorted(writer.placed, key=lambda pair: pair[0])
    return Script(asks=writer.asks, letters=[letter for _, letter in placed])


def _cancel(request_id: str) -> Letter:
    message = {"schemaVersion": "1.0", "action": "cancel", "requestId": request_id}
    return Letter(text=json.dumps(message), kind=Kind.CANCEL, request_id=request_id)
