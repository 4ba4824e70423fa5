"""What can go wrong.

    RestoreError
    ├── SettingsError            the app cannot start; every problem is listed
    ├── FileInvalid              a reviewed file cannot be used; every problem is listed
    ├── MessageInvalid           a message is no request; every problem is listed
    ├── LookupFailed             the vault was read, and what was asked for is not there
    ├── StoreError
    │   ├── Conflict             somebody else changed the entity first
    │   └── StoreUnavailable     tables or queues did not answer
    └── ArmError                 a call to ARM did not give a usable answer
        ├── NotSent              it certainly never left this machine
        ├── NoAnswer             it may have arrived; nothing usable came back
        └── ArmAnswer            an HTTP answer other than the one wanted

Exceptions carry facts; `azure_backup/failures.py` decides what those of calls to ARM mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from restore_core.vocabulary import Reason, Rejection


class RestoreError(Exception):
    """The root of everything that this package raises on purpose."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input: where, what, and what was probably meant."""

    path: str
    message: str
    did_you_mean: str | None = None


class SettingsError(RestoreError):
    """The settings cannot be used. `problems` names each setting, never its value."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems."""
        super().__init__("the settings cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class MessageInvalid(RestoreError):  # noqa: N818  (a fact about the message)
    """A message cannot be taken as a request.

    `request_id` is what could be read of it.
    """

    def __init__(
        self, problems: Sequence[Problem], *, reason: Rejection, request_id: str | None = None
    ) -> None:
        """Keep the problems."""
        super().__init__("; ".join(f"{one.path}: {one.message}" for one in problems))
        self.problems = tuple(problems)
        self.reason = reason
        self.request_id = request_id


class FileInvalid(RestoreError):  # noqa: N818  (a fact about the file)
    """A file that people review and deploy cannot be used."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems."""
        super().__init__("; ".join(f"{one.path}: {one.message}" for one in problems))
        self.problems = tuple(problems)


class LookupFailed(RestoreError):  # noqa: N818  (an answer of the vault, not our fault)
    """The lists were read to the end and hold no single match.

    `listed` is what was there instead: the ARM id of each share by the name to show. It is not in
    the words, since the sender may not be allowed to know it; `None` where there is no such list.
    """

    def __init__(
        self, message: str, *, reason: Reason, listed: Mapping[str, str] | None = None
    ) -> None:
        """Keep the facts."""
        super().__init__(message)
        self.reason = reason
        self.listed = listed


class StoreError(RestoreError):
    """Tables or queues did not do as they were told."""


class Conflict(StoreError):  # noqa: N818
    """The entity was changed, or made, by somebody else first."""


class StoreUnavailable(StoreError):  # noqa: N818
    """Storage did not answer, or answered that it cannot; whether it acted is unknown."""


class ArmError(RestoreError):
    """A call to ARM did not give the answer that was wanted."""


class NotSent(ArmError):  # noqa: N818
    """The request certainly did not reach ARM: refused, no name, no TLS, no token, out of time."""


class NoAnswer(ArmError):  # noqa: N818
    """The request may have reached ARM; no usable answer came back."""


class ArmAnswer(ArmError):  # noqa: N818
    """ARM answered with something else than was wanted.

    `code` and `message` are the service's own, empty when the body had none; `retry_after` is what
    the header said; `gateway` is true when ARM itself answered and not the backup service;
    `request_id` is the correlation id that support asks for.
    """

    def __init__(
        self,
        *,
        status: int,
        code: str = "",
        message: str = "",
        retry_after: timedelta | None = None,
        gateway: bool = False,
        request_id: str = "",
    ) -> None:
        """Keep the facts."""
        shown = f"HTTP {status}"
        if code:
            shown += f" {code}"
        if message:
            shown += f": {message}"
        if request_id:
            shown += f" (x-ms-correlation-request-id {request_id})"
        super().__init__(shown)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.gateway = gateway
        self.request_id = request_id
