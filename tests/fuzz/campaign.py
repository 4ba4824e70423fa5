"""Many hostile messages, one after the other; every bug is kept with the shortest message that
shows it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests import properties
from tests.fuzz.answered import Tally, check_message
from tests.fuzz.envelopes import (
    BEFORE,
    ENVELOPE_EDGES,
    STORM,
    envelopes_with_one_trick,
    good_alerts,
    good_events,
)
from tests.fuzz.strategies import (
    EDGES,
    TO_REJECT,
    good_messages,
    messages,
    messages_with_one_trick,
    written,
)

GOOD = st.one_of(good_messages(), good_messages(), good_messages(), good_events(), good_alerts())
ANYTHING = messages(GOOD)
SENT = st.one_of(
    *(st.tuples(body, st.none()) for body in (ANYTHING, ANYTHING, ANYTHING, written(GOOD))),
    # In the middle of a storm.
    st.tuples(written(good_alerts()), st.sampled_from(sorted(BEFORE.values()))),
)
"""A message, and the alert before it, if any."""


@dataclass
class Campaign:
    """What was sent, what became of it, and what went wrong."""

    sent: int = 0
    tally: Tally = field(default_factory=Tally)
    bugs: dict[str, bytes] = field(default_factory=dict)

    def deliver(self, body: bytes, before: bytes | None = None) -> None:
        """Check one message, in the middle of a storm where there is an alert before it."""
        self.sent += 1
        try:
            check_message(body, self.tally, before=before)
        except Exception as error:  # noqa: BLE001  (every kind is a bug, and the next one counts too)
            bug = _place_of(error)
            if bug not in self.bugs or len(body) < len(self.bugs[bug]):
                self.bugs[bug] = body


def run(
    examples: int, number: int, *, progress: Callable[[Campaign], None] = lambda _: None
) -> Campaign:
    """Send the messages at the edges of all limits, and so many others out of a seed."""
    campaign = Campaign()
    tricks = (*messages_with_one_trick(), *envelopes_with_one_trick())
    for body in (*EDGES, *TO_REJECT, *ENVELOPE_EDGES, *tricks):
        campaign.deliver(body)
    for body, before in STORM:
        campaign.deliver(body, before)

    @settings(
        settings.get_profile(properties.PROFILE),
        max_examples=examples,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @seed(number)
    @given(SENT)
    def deliver(sent: tuple[bytes, bytes | None]) -> None:
        campaign.deliver(*sent)
        progress(campaign)

    deliver()
    return campaign


def _place_of(error: Exception) -> str:
    """Name a bug by what was said and where."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    said = str(error).splitlines()[0][:120] if str(error) else ""
    return f"{type(error).__name__} at {last.name}:{last.lineno}: {said}"
