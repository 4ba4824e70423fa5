"""Many hostile messages, one after the other; every bug is kept with the shortest message that
shows it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.answered import Tally, check_message
from tests.fuzz.strategies import (
    EDGES,
    MAX_MESSAGE,
    TO_REJECT,
    good_messages,
    messages,
    messages_with_one_trick,
    write,
)

GOOD = st.builds(
    lambda message, ascii_only: write(message, ascii_only=ascii_only).encode(
        "utf-8", "surrogatepass"
    )[:MAX_MESSAGE],
    good_messages(),
    st.booleans(),
)


@dataclass
class Campaign:
    """What was sent, what became of it, and what went wrong."""

    sent: int = 0
    tally: Tally = field(default_factory=Tally)
    bugs: dict[str, bytes] = field(default_factory=dict)

    def deliver(self, body: bytes) -> None:
        """Check one message."""
        self.sent += 1
        try:
            check_message(body, self.tally)
        except Exception as error:  # noqa: BLE001  (every kind is a bug, and the next one counts too)
            bug = _place_of(error)
            if bug not in self.bugs or len(body) < len(self.bugs[bug]):
                self.bugs[bug] = body


def run(
    examples: int, number: int, *, progress: Callable[[Campaign], None] = lambda _: None
) -> Campaign:
    """Send the messages at the edges of all limits, and so many others out of a seed."""
    campaign = Campaign()
    for body in (*EDGES, *TO_REJECT, *messages_with_one_trick()):
        campaign.deliver(body)

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(number)
    @given(st.one_of(messages, messages, messages, GOOD))
    def deliver(body: bytes) -> None:
        campaign.deliver(body)
        progress(campaign)

    deliver()
    return campaign


def _place_of(error: Exception) -> str:
    """Name a bug by what was said and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).splitlines()[0][:120] if str(error) else ""
    return f"{type(error).__name__} at {last.name}:{last.lineno}: {said}"
