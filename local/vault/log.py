"""The log of all calls to the emulator, for tests and for `/_emulator/log`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LogEntry:
    """A call that came in. `status` None: no answer went out. `faults` are the kinds that struck.

    `answered` is when the answer was ready, `time` when the call had been read: RFC 3339.
    """

    number: int
    time: str
    answered: str
    operation: str | None
    method: str
    path: str
    query: str
    status: int | None
    faults: tuple[str, ...]
    client_request_id: str | None
    user_agent: str | None
