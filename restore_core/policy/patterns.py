"""Patterns in reviewed files: names with `*`, and ARM ids made of such names.

The pattern of an ARM id is matched segment by segment, ignoring case, and `*` never matches a `/`,
so that `/subscriptions/*` alone allows nothing. No regular expression is made of a pattern.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from restore_core.arm_ids import MAX_ID_CHARACTERS

ANY = "*"
_GROUP = "/subscriptions/{}/resourceGroups/{}/providers"
VAULT = f"{_GROUP}/Microsoft.RecoveryServices/vaults/{{}}"
SHARE = f"{_GROUP}/Microsoft.Storage/storageAccounts/{{}}/fileServices/default/shares/{{}}"
"""The ARM id of a file share."""
_SUBSCRIPTION, _RESOURCE_GROUP, _ACCOUNT, _SHARE = (
    at for at, word in enumerate(SHARE.split("/")) if word == "{}"
)
_NAME = re.compile(r"[A-Za-z0-9*._()-]+")
_NO_SEGMENT = re.compile(r"[\\?#%\x00-\x20\x7f-\x9f]|\A\.{0,2}\Z")


def matches(pattern: str, text: str) -> bool:
    """Tell whether a text matches a pattern, ignoring case; `*` stands for any characters.

    The time grows only with the text's length times the number of stars, even for hostile input.
    """
    first, *rest = pattern.casefold().split(ANY)
    folded = text.casefold()
    if not rest:
        return folded == first
    *middle, last = rest
    if not folded.startswith(first):
        return False
    at = len(first)
    for piece in middle:
        found = folded.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return len(folded) - at >= len(last) and folded.endswith(last)


def id_matches(pattern: str, arm_id: str) -> bool:
    """Tell whether an ARM id matches a pattern, segment by segment."""
    wanted, given = pattern.split("/"), arm_id.split("/")
    return len(wanted) == len(given) and all(map(matches, wanted, given))


def share_matches(pattern: str, account: str, share: str) -> bool:
    """Tell whether a share is what a pattern of shares says, by its name and its account's alone.

    An account's name is one account's in all of Azure. The subscription and the resource group of a
    pattern are for its reader: nobody vouches for those that a sender writes.
    """
    segments = pattern.split("/")
    return matches(segments[_ACCOUNT], account) and matches(segments[_SHARE], share)


def check_id_pattern(text: str, what: str, form: str) -> str:
    """Return the pattern of an ARM id when it has the form.

    The fixed words of the form must stand there as they are: a pattern with a misspelt one would
    match nothing, silently.

    Raises:
        ValueError: the pattern has another form; the message shows the right one.
    """
    if len(text) > MAX_ID_CHARACTERS:
        raise ValueError(f"is longer than {MAX_ID_CHARACTERS} characters")
    words, segments = form.split("/"), text.split("/")
    if len(words) != len(segments) or not all(
        _NAME.fullmatch(segment) if word == "{}" else word.casefold() == segment.casefold()
        for word, segment in zip(words, segments, strict=True)
    ):
        shown = f"{what}, {form.replace('{}', ANY)}"
        raise ValueError(
            f"must be the id of {shown}; * may stand for any part of a name, not for a /"
        )
    return text


def _target(text: str) -> str:
    """Check the pattern of a share that data may go to.

    With a wildcard in the account's name, the subscription and the resource group would seem to
    keep other accounts out, and keep out none: they are what the sender writes.
    """
    segments = check_id_pattern(text, "a file share", SHARE).split("/")
    bounds = {segments[_SUBSCRIPTION], segments[_RESOURCE_GROUP]}
    if ANY in segments[_ACCOUNT] and bounds != {ANY}:
        raise ValueError(
            "must name the storage account in full, or have * as subscription and * as resource "
            "group: targets are judged by account and share alone"
        )
    return text


def _resource(text: str) -> str:
    """Check the pattern of the id of any resource, resource group or subscription."""
    if len(text) > MAX_ID_CHARACTERS:
        raise ValueError(f"is longer than {MAX_ID_CHARACTERS} characters")
    root, *segments = text.split("/")
    if root or [segment.casefold() for segment in segments[:1]] != ["subscriptions"]:
        raise ValueError("must start with /subscriptions/")
    if any(_NO_SEGMENT.search(segment) for segment in segments) or len(segments) < 2:
        raise ValueError("has an empty segment, '.', '..', or a character that no ARM id holds")
    below = segments[2:3]
    if below and below[0].casefold() not in {"resourcegroups", "providers"}:
        raise ValueError("must go on with /resourceGroups/ or /providers/ after the subscription")
    return text


def _example(template: str) -> WithJsonSchema:
    return WithJsonSchema(
        {
            "type": "string",
            "maxLength": MAX_ID_CHARACTERS,
            "examples": [template.replace("{}", ANY)],
        }
    )


VaultPattern = Annotated[
    str, AfterValidator(partial(check_id_pattern, what="a vault", form=VAULT)), _example(VAULT)
]
SharePattern = Annotated[
    str, AfterValidator(partial(check_id_pattern, what="a file share", form=SHARE)), _example(SHARE)
]
TargetPattern = Annotated[str, AfterValidator(_target), _example(SHARE)]
"""A share that data may go to."""
ResourcePattern = Annotated[
    str,
    AfterValidator(_resource),
    _example(f"{_GROUP}/Microsoft.Storage/storageAccounts/{{}}"),
]
"""The pattern of any resource's id, for the resource that an alert is about."""
