"""Patterns that people write into reviewed files: names with `*`, and ARM ids of such names.

Knows how a pattern is checked and matched. An ARM id's pattern is matched segment by segment
without case, and `*` never reaches over a `/`: `/subscriptions/*` alone must not allow the world.
Refuses to know what a match allows. No regular expression is made of anybody's text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from restore_core.arm_ids import MAX_ID_CHARACTERS

ANY = "*"
_GROUP = "/subscriptions/{}/resourceGroups/{}/providers"
VAULT = f"{_GROUP}/Microsoft.RecoveryServices/vaults/{{}}"
SHARE = f"{_GROUP}/Microsoft.Storage/storageAccounts/{{}}/fileServices/default/shares/{{}}"
"""The id of a file share, as ARM has it."""
_SUBSCRIPTION, _RESOURCE_GROUP, _ACCOUNT, _SHARE = (
    at for at, word in enumerate(SHARE.split("/")) if word == "{}"
)
_NAME = re.compile(r"[A-Za-z0-9*._()-]+")
_NO_SEGMENT = re.compile(r"[\\?#%\x00-\x20\x7f-\x9f]|\A\.{0,2}\Z")


def matches(pattern: str, text: str) -> bool:
    """Tell whether a text is what a pattern says, without case; `*` stands for any characters.

    Takes time in proportion to the text for each star, whatever both hold.
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
    """Tell whether an ARM id is what a pattern says, segment by segment."""
    wanted, given = pattern.split("/"), arm_id.split("/")
    return len(wanted) == len(given) and all(map(matches, wanted, given))


def share_matches(pattern: str, account: str, share: str) -> bool:
    """Tell whether a share is what a pattern of shares says, by its name and its account's alone.

    An account's name is one account's in all of Azure. The subscription and the resource group of a
    pattern are for its reader: nobody vouches for those that a sender writes.
    """
    segments = pattern.split("/")
    return matches(segments[_ACCOUNT], account) and matches(segments[_SHARE], share)


def check_id_pattern(text: str, forms: Mapping[str, str]) -> str:
    """Return the pattern of an ARM id when it has one of the forms.

    `forms` maps what a form is called to its template. The fixed words of the template must stand
    there as they are: a pattern with a misspelt one would match nothing, silently.

    Raises:
        ValueError: says what does not fit.
    """
    if len(text) > MAX_ID_CHARACTERS:
        raise ValueError(f"is longer than {MAX_ID_CHARACTERS} characters")
    segments = text.split("/")
    for template in forms.values():
        words = template.split("/")
        if len(words) == len(segments) and all(
            _NAME.fullmatch(segment) if word == "{}" else word.casefold() == segment.casefold()
            for word, segment in zip(words, segments, strict=True)
        ):
            return text
    shown = " or ".join(
        f"{name}, {template.replace('{}', ANY)}" for name, template in forms.items()
    )
    raise ValueError(f"must be the id of {shown}; * may stand for any part of a name, not for a /")


def _vault(text: str) -> str:
    return check_id_pattern(text, {"a vault": VAULT})


def _share(text: str) -> str:
    return check_id_pattern(text, {"a file share": SHARE})


def _target(text: str) -> str:
    """Check the pattern of a share that data may go to.

    With a wildcard in the account's name, the subscription and the resource group would seem to
    keep other accounts out, and keep out none: they are what the sender writes.
    """
    segments = _share(text).split("/")
    bounds = {segments[_SUBSCRIPTION], segments[_RESOURCE_GROUP]}
    if ANY in segments[_ACCOUNT] and bounds != {ANY}:
        raise ValueError(
            "must name the storage account in full, or have * as subscription and * as resource "
            "group: targets are judged by account and share alone"
        )
    return text


def _resource(text: str) -> str:
    """Check the pattern of the id of any resource, group or subscription, as far as all have one
    form.
    """
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


VaultPattern = Annotated[str, AfterValidator(_vault), _example(VAULT)]
SharePattern = Annotated[str, AfterValidator(_share), _example(SHARE)]
TargetPattern = Annotated[str, AfterValidator(_target), _example(SHARE)]
"""A share that data may go to."""
ResourcePattern = Annotated[
    str,
    AfterValidator(_resource),
    _example(f"{_GROUP}/Microsoft.Storage/storageAccounts/{{}}"),
]
"""Any resource: what an alert is about."""
