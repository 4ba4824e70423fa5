"""How long a call to storage is tried, and how the host ends when storage stays away.

The client of the real host tries each call six times in about 25 seconds. If storage has not
answered by then, it raises an exception that the host does not handle: the host's process ends, and
the platform starts another one. Messages that were being handled stay under their lease until it
runs out.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

PAUSES = (0.8, 1.6, 3.2, 6.4, 12.8)
"""The waits between the six tries, in seconds."""
EXIT_CODE = 134
"""What a process leaves that ends as the real host does, by SIGABRT."""

OnLoss = Callable[[Exception], None]
"""Takes the error that the host cannot live with."""
Answer = TypeVar("Answer")

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_NO_ANSWER = (ServiceRequestError, ServiceResponseError)


def patiently(
    call: Callable[[], Answer], *, pause: Callable[[float], object] = time.sleep
) -> Answer:
    """Call storage until it answers, six times at most.

    Raises:
        AzureError: what the last try said; or the first refusal that no wait would change.
    """
    for seconds in PAUSES:
        try:
            return call()
        except AzureError as error:
            if not _passes(error):
                raise
        pause(seconds * random.uniform(0.95, 1.05))  # noqa: S311 (spreads tries, guards nothing)
    return call()


def is_the_services_own(error: AzureError) -> bool:
    """Whether the service answered that the fault is its own: the host waits and goes on."""
    return isinstance(error, HttpResponseError) and (error.status_code or 0) >= 500


def _passes(error: AzureError) -> bool:
    if isinstance(error, _NO_ANSWER):
        return True
    return isinstance(error, HttpResponseError) and error.status_code in _PASSING
