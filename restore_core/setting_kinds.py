"""How a setting is declared, and the kinds of text that settings may be.

Knows what is made of a text and how its rule is said. Refuses to know any setting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from restore_core.endpoints import is_safe_url

QUEUE_NAME = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_ORIGIN = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[T]):
    """What the text of a setting may be, and what is made of it."""

    wanted: str
    """What the text must be, in words."""
    read: Callable[[str], T]
    """Raises an exception for every other text."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The declaration of one setting."""

    name: str
    default: str
    kind: Kind[Any]


def setting(name: str, default: str, kind: Kind[T], *, secret: bool = False) -> T:
    """Declare a field that is read from the environment; its default is a text like any other."""
    declared = Setting(name=name, default=default, kind=kind)
    return field(default=kind.read(default), metadata={"setting": declared}, repr=not secret)


def text(wanted: str) -> Kind[str]:
    """Take any text; `wanted` says what it should be."""
    return Kind(wanted=wanted, read=str)


def form(pattern: str, wanted: str) -> Kind[str]:
    """Take a text that fits a pattern."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {wanted}")
        return text

    return Kind(wanted=wanted, read=read)


def _number(text: str, digits: str, least: float, most: float) -> float:
    if not re.fullmatch(digits, text) or not least <= float(text) <= most:
        raise ValueError("not within the bounds")
    return float(text)


_UNITS = {"SECONDS": 1.0, "HOURS": 3600.0, "DAYS": 86400.0}


def duration(name: str, default: str, least: float, most: float) -> timedelta:
    """Declare a length of time; its unit is the last word of its name."""
    unit = _UNITS[name.rpartition("_")[2]]
    digits = r"[0-9]{1,9}(\.[0-9]{1,6})?"
    kind = Kind(
        wanted=f"a number from {least:g} to {most:g}",
        read=lambda text: timedelta(seconds=_number(text, digits, least, most) * unit),
    )
    return setting(name, default, kind)


def count(name: str, default: str, least: int, most: int) -> int:
    """Declare a whole number."""
    kind = Kind(
        wanted=f"a whole number from {least} to {most}",
        read=lambda text: int(_number(text, r"[0-9]{1,9}", least, most)),
    )
    return setting(name, default, kind)


def _host_names(text: str) -> tuple[str, ...]:
    names = [one.strip().lower() for one in text.split(",")] if text else []
    if not text.isascii() or not all(map(_HOST_NAME.fullmatch, names)):
        raise ValueError("no host names")
    return tuple(dict.fromkeys(names))


def _safe_url(text: str) -> str:
    if text and not is_safe_url(text):
        raise ValueError("not safe")
    return text


def _endpoint(text: str) -> str:
    endpoint = text.rstrip("/")
    if not _ORIGIN.fullmatch(endpoint) or not is_safe_url(endpoint):
        raise ValueError("not safe")
    return endpoint


def one_of(wanted: str, values: Mapping[str, T]) -> Kind[T]:
    """Take one of a few words."""
    return Kind(wanted=wanted, read=values.__getitem__)


URL = Kind(wanted="an https URL (http for this machine only)", read=_safe_url)
QUEUE = form(QUEUE_NAME.pattern, "a queue's name: 3 to 63 of a-z, 0-9 and single -")
FILE = form(r"[^\x00-\x1f\x7f]{1,1024}", "the path of a file")
# A pause that is misspelt must not mean «go».
SWITCH = Kind(
    wanted="true or false", read=lambda text: {"true": True, "false": False}[text.casefold()]
)
HOSTS = Kind(
    wanted="host names, such as eventgrid.azure.net, separated by commas", read=_host_names
)
ENDPOINT = Kind(wanted="https://host[:port] (http for this machine only)", read=_endpoint)
