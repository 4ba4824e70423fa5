"""The `$filter` of lists: `key eq 'value' and key eq 'value'`, and nothing else.

Times come on a 12-hour clock, `2026-01-05 12:00:00 AM`; midnight is also sent as `00:00:00 AM`.
No recording shows that the service accepts ISO 8601 here, so it is refused: a client that relies on
it fails here and not in production.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime

from local.vault.ticks import from_datetime

_TERM = re.compile(r"\s*(?P<key>\w+)\s+eq\s+'(?P<value>(?:[^']|'')*)'\s*", re.IGNORECASE)
_AND = re.compile(r"and\b", re.IGNORECASE)
_TIME = re.compile(
    r"(?P<date>\d{4}-\d{1,2}-\d{1,2}) (?P<h>\d{1,2}):(?P<m>\d\d):(?P<s>\d\d) (?P<half>[AP]M)",
    re.IGNORECASE,
)


class FilterError(ValueError):
    """The filter cannot be read, or names a key that this list does not have."""


def parse_filter(text: str | None, keys: Collection[str]) -> dict[str, str]:
    """Values by key, keys spelled as in `keys`; an absent or blank filter is empty.

    Raises FilterError.
    """
    known = {key.lower(): key for key in keys}
    found: dict[str, str] = {}
    rest = (text or "").strip()
    while rest:
        term = _TERM.match(rest)
        if not term:
            raise FilterError(f"cannot read the filter at {rest[:60]!r}")
        key = known.get(term["key"].lower())
        if key is None or key in found:
            raise FilterError(f"the key {term['key']!r} is unknown here or given twice")
        found[key] = term["value"].replace("''", "'")
        rest = rest[term.end() :]
        if rest:
            joint = _AND.match(rest)
            if not joint or not rest[joint.end() :].strip():
                raise FilterError(f"expected `and` and a term at {rest[:60]!r}")
            rest = rest[joint.end() :]
    return found


def parse_time(text: str) -> int:
    """Ticks of a filter's time, which is UTC; raises FilterError."""
    match = _TIME.fullmatch(text.strip())
    if not match:
        raise FilterError(f"{text!r} is no time of the form yyyy-MM-dd hh:mm:ss tt")
    hour = int(match["h"])
    if match["half"].upper() == "AM":
        hour = 0 if hour == 12 else hour
    elif hour < 12:
        hour += 12
    year, month, day = (int(part) for part in match["date"].split("-"))
    try:
        return from_datetime(
            datetime(year, month, day, hour, int(match["m"]), int(match["s"]), tzinfo=UTC)
        )
    except ValueError as error:
        raise FilterError(f"{text!r}: {error}") from error
