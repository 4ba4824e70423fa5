"""A JSON object read into a request, or into every problem that it has.

The rules that concern several fields at once are here. All problems are reported together, and no
value is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from restore_core.arm_ids import ArmIdError, ProtectedItemId, VaultId
from restore_core.errors import MessageInvalid, Problem
from restore_core.messages.fields import REQUEST_ID
from restore_core.messages.request import (
    MAX_ITEMS,
    UNPROVEN_COPY_OPTIONS,
    AlternateTarget,
    CancelRequest,
    ItemSource,
    RestoreRequest,
    ShareSource,
)
from restore_core.messages.validation import as_meant, bounded, moved, repeated, validated
from restore_core.vocabulary import Rejection


def read_request(
    value: Mapping[str, Any],
    *,
    problems: Sequence[Problem] = (),
    unproven_copy_options: bool = False,
    default_id: str | None = None,
    inside: str = "",
) -> RestoreRequest | CancelRequest:
    """Read a JSON object as a request; `problems` are those found before.

    `default_id` is used for a restore without a `requestId`; a cancel must always name the request.
    `inside` is the path of the event's field that holds the object.

    Raises:
        MessageInvalid: with every problem.
    """
    meant = as_meant(value, RestoreRequest)
    kind: type[RestoreRequest | CancelRequest] = (
        CancelRequest if meant.get("action") == "cancel" else RestoreRequest
    )
    if default_id is not None and kind is RestoreRequest and "requestId" not in value:
        value = {**value, "requestId": default_id}
    request, found = validated(kind, dict(value))
    if kind is RestoreRequest:
        found += _across_fields(meant, unproven_copy_options=unproven_copy_options)
    found = [*problems, *(moved(problem, inside) for problem in found)]
    if found or request is None:
        raise MessageInvalid(
            bounded(found), reason=Rejection.INVALID, request_id=readable_id(value)
        )
    return request


def readable_id(value: Mapping[str, Any]) -> str | None:
    """Return the request id if it is valid, even when other fields are not."""
    request_id = value.get("requestId")
    readable = isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id)
    return request_id if readable else None


def _across_fields(meant: Mapping[str, object], *, unproven_copy_options: bool) -> list[Problem]:
    """Check the rules that concern several fields, as far as the fields can be read."""
    found = []
    source = as_meant(meant.get("source"), ItemSource, ShareSource)
    if "vaultId" not in meant and "protectedItemId" not in source:
        found.append(Problem(path="vaultId", message="is missing"))
    if _are_apart(meant.get("vaultId"), source.get("protectedItemId")):
        found.append(
            Problem(path="source.protectedItemId", message="is under another vault than vaultId")
        )
    items = meant.get("items")
    if isinstance(items, list):
        if not 1 <= len(items) <= MAX_ITEMS:
            # Checked here, since the model would count only the valid items.
            found.append(Problem(path="items", message=f"must have 1 to {MAX_ITEMS} entries"))
        # Azure Files compares names letter by letter, ignoring case: «ß» and «ss» differ there,
        # while casefold would make them equal.
        twice = repeated(items, "path", str.lower)
        found += (Problem(path=f"items[{i}].path", message="is listed twice") for i, _ in twice)
    target = as_meant(meant.get("target"), AlternateTarget)
    if target.get("location") == "original" and "copyOptions" not in meant:
        found.append(
            Problem(
                path="copyOptions",
                message="is missing: say Overwrite or Skip for the original location",
            )
        )
    copy_options = meant.get("copyOptions")
    unproven = isinstance(copy_options, str) and copy_options in UNPROVEN_COPY_OPTIONS
    if unproven and not unproven_copy_options:
        found.append(
            Problem(
                path="copyOptions",
                message="must be Overwrite or Skip: this one is not proven for Azure Files "
                "(RESTORE_UNPROVEN_COPY_OPTIONS)",
            )
        )
    return found


def _are_apart(vault_id: object, item_id: object) -> bool:
    """Tell whether both ids are valid and the item is under another vault."""
    if not isinstance(vault_id, str) or not isinstance(item_id, str):
        return False
    try:
        return ProtectedItemId.parse(item_id).vault.key != VaultId.parse(vault_id).key
    except ArmIdError:
        return False
