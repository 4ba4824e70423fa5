"""The exceptions of this package.

    RestoreError
    ├── SettingsError            the app cannot start; every problem is listed
    ├── FileInvalid              a reviewed file cannot be used; every problem is listed
    ├── MessageInvalid           a message is not accepted; every problem is listed
    ├── LookupFailed             the vault's list was read and has no single match
    ├── StoreError
    │   ├── Conflict             another instance changed the entity first
    │   └── StoreUnavailable     tables or queues did not answer
    └── ArmError                 a call to ARM got no usable answer
        ├── NotSent              the request certainly did not leave this machine
        ├── NoAnswer             the request may have arrived, but no usable answer came
        └── ArmAnswer            ARM answered with an error

Exceptions carry facts; `azure_backup/failures.py` decides what an `ArmError` means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from restore_core.vocabulary import Reason, Rejection


class RestoreError(Exception):
    """The base of all exceptions that this package raises on purpose."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One mistake in an input: its place, what is wrong, and the field that was probably meant."""

    path: str
    message: str
    did_you_mean: str | None = None


class SettingsError(RestoreError):
    """The settings cannot be used. `problems` names each setting, never its value."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the problems."""
        super().__init__("the settings cannot be used: " + "; ".join(problems))
        self.problems = tuple(problems)


class _ProblemsError(RestoreError):
    """What somebody wrote cannot be used; every problem is listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems."""
        super().__init__("; ".join(f"{one.path}: {one.message}" for one in problems))
        self.problems = tuple(problems)


class MessageInvalid(_ProblemsError):  # noqa: N818  (a fact about the message)
    """A message is not accepted. `request_id` is its id where that could be read."""

    def __init__(
        self, problems: Sequence[Problem], *, reason: Rejection, request_id: str | None = None
    ) -> None:
        """Keep the facts."""
        super().__init__(problems)
        self.reason = reason
        self.request_id = request_id


class FileInvalid(_ProblemsError):  # noqa: N818  (a fact about the file)
    """A file that people review and deploy cannot be used."""


class LookupFailed(RestoreError):  # noqa: N818  (an answer of the vault, not our fault)
    """The vault's list was read to the end and holds no match, or several.

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
    """A call to tables or queues failed."""


class Conflict(StoreError):  # noqa: N818
    """Another instance changed, inserted or deleted the entity first."""


class StoreUnavailable(StoreError):  # noqa: N818
    """Storage did not answer, or answered with an error; the write may be done all the same."""


class ArmError(RestoreError):
    """A call to ARM got no usable answer."""


class NotSent(ArmError):  # noqa: N818
    """The request certainly did not reach ARM: no connection, no token, or no time left."""


class NoAnswer(ArmError):  # noqa: N818
    """The request may have reached ARM; no usable answer came back."""


class ArmAnswer(ArmError):  # noqa: N818
    """ARM answered with an error.

    `code` and `message` are the service's own, empty when the body had none; `retry_after` is the
    header's value; `gateway` is true when ARM itself answered and not the backup service;
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
