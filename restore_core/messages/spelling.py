"""Names that are nearly right: which known name was meant.

Knows spelling. Refuses to act on a guess: what was meant is only ever said, never taken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def meant_field(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that a text surely means, `None` when it means none."""
    plain = {_plain(field): field for field in known}
    close = difflib.get_close_matches(_plain(name[:80]), list(plain), n=1, cutoff=0.7)
    return plain[close[0]] if close else None
