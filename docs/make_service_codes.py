# ruff: noqa: INP001  (docs/ is no package)
"""`python -m docs.make_service_codes` writes docs/service-codes.md out of the catalogue in
`restore_core.azure_backup.failures`.

The table is what the program itself uses, so that the page cannot promise another thing than what
happens. A test compares the page with the code.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from restore_core.azure_backup.failures import CATALOGUE, UNKNOWN_FAILURE, Failure
from restore_core.vocabulary import ErrorClass

PAGE = Path(__file__).resolve().parent / "service-codes.md"

_HEAD = """\
<!-- Written by `python -m docs.make_service_codes` out of restore_core/azure_backup/failures.py.
Do not edit. -->

# Codes of Azure Backup

When Azure Backup refuses a restore, or a restore fails, it says why with a code. This page lists
the codes that are known here. The event that ends a request carries the code in `error.code`, its
class in `error.class`, and the advice in `recommendation`; [messages.md](messages.md) describes the
event.

A code can come at two moments, and they are not the same:

* **The restore POST is refused.** Nothing has started. Where the table names a wait, time heals the
  matter: the request stays `Accepted`, `waitingFor` says why, and the restore is sent again by
  itself until it is taken or its start deadline has passed. Everything else ends the request at
  once as `Failed`, `TriggerRefused`.
* **The job fails.** It has run, and may have written files. Its end is final: it is never started
  again by itself, whatever the code. `Retryable` says that a new request may well succeed.

Jobs often carry a number in place of the name. Where the name stands in the text beside it, it is
found there. Names are compared without case.

## Classes

| `error.class` | what it says |
|---|---|
"""

_CLASSES = {
    ErrorClass.RETRYABLE: "Nothing is wrong with the request: the same one may succeed later.",
    ErrorClass.QUOTA: "An allowance is used up; it comes back with time.",
    ErrorClass.CONFIGURATION: "Something at Azure must be changed first: a role, a lock, a size.",
    ErrorClass.REQUEST: "The request asks for what does not exist, or in a way that cannot be.",
    ErrorClass.PARTIAL: "Some files were restored and some were not.",
    ErrorClass.UNKNOWN: "The service does not say why, or in a word that is not known here.",
}

_CODES = """\
## Codes

`waits for` is what a refused restore POST waits for, with the pause where the answer asks for none
by itself (`Retry-After`). A dash: the code alone makes nothing wait, the HTTP status may (below).

| code | class | waits for | advice |
|---|---|---|---|
"""

_AFTER = """\
## A code that is not here

It is kept as it came, with the service's own words, and makes nothing wait. A job that failed with
it has the class `{kind}` and this advice: "{advice}"
A refused POST then has the class `Request`, or `Configuration` after a 401 or 403.

## The HTTP status of a refused POST

Where the code does not wait, the status decides. 429 waits for `Throttled`. 403, and 401 with a
fresh token, wait for `NotAuthorizedYet` for at most half an hour, since roles take time to apply.
408, 499 and every 5xx, whatever the code, leave open whether a restore was started: the vault's job
list is read before anything is sent again. Any other refusal is final.
"""


def page() -> str:
    """The page as it should be."""
    classes = [f"| `{kind}` | {_CLASSES[kind]} |" for kind in ErrorClass]
    codes = [_row(code, CATALOGUE[code]) for code in sorted(CATALOGUE, key=_order)]
    after = _AFTER.format(kind=UNKNOWN_FAILURE.kind, advice=UNKNOWN_FAILURE.advice)
    return "\n".join([_HEAD + "\n".join(classes), "", _CODES + "\n".join(codes), "", after])


def _order(code: str) -> tuple[bool, str]:
    """Names first, in the order of a dictionary; then numbers."""
    return (code.isdigit(), code.casefold())


def _row(code: str, failure: Failure) -> str:
    return f"| `{code}` | {failure.kind} | {_wait(failure)} | {failure.advice} |"


def _wait(failure: Failure) -> str:
    if failure.heals is None:
        return "-"
    return f"`{failure.heals}`" + (f", {_spoken(failure.hold)}" if failure.hold else "")


def _spoken(hold: timedelta) -> str:
    minutes = int(hold / timedelta(minutes=1))
    if minutes % 60:
        return f"{minutes} minutes"
    return "1 hour" if minutes == 60 else f"{minutes // 60} hours"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
