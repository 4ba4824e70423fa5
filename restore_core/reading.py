"""From a message to a request, or to every problem that it has.

Knows the rules that no single field can tell, and the words for what is wrong. Refuses to stop at
the first problem, and to guess: a misspelt field is one problem that names the field that was
meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from restore_core.arm_ids import ArmIdError, ProtectedItemId, VaultId
from restore_core.decoding import ROOT, join, read_object
from restore_core.errors import MessageInvalid, Problem
from restore_core.fields import REQUEST_ID
from restore_core.request import (
    MAX_ITEMS,
    TAGS,
    UNPROVEN_COPY_OPTIONS,
    AlternateTarget,
    CancelRequest,
    Item,
    ItemSource,
    Model,
    RestoreRequest,
    ShareSource,
    as_meant,
    field_names,
)
from restore_core.spelling import meant_field

_MAX_PROBLEMS = 100


def read_message(
    body: bytes, *, unproven_copy_options: bool = False
) -> RestoreRequest | CancelRequest:
    """Read a queue message, plain JSON or base64 of it.

    Raises:
        MessageInvalid: with every problem that the message has.
    """
    value, problems = read_object(body)
    return read_request(value, problems=problems, unproven_copy_options=unproven_copy_options)


def read_request(
    value: Mapping[str, Any],
    *,
    problems: Sequence[Problem] = (),
    unproven_copy_options: bool = False,
) -> RestoreRequest | CancelRequest:
    """Read a JSON object as a request; `problems` are those found before.

    Raises:
        MessageInvalid: with every problem.
    """
    found = list(problems)
    request: RestoreRequest | CancelRequest | None = None
    meant = as_meant(value, RestoreRequest)
    kind = CancelRequest if meant.get("action") == "cancel" else RestoreRequest
    try:
        request = kind.model_validate(dict(value))
    except ValidationError as error:
        found += _translate(error.errors(include_url=False, include_input=False), kind)
    if kind is RestoreRequest:
        found += _across_fields(meant, unproven_copy_options=unproven_copy_options)
    if found or request is None:
        raise MessageInvalid(_bounded(found), reason="Invalid", request_id=readable_id(value))
    return request


def readable_id(value: Mapping[str, Any]) -> str | None:
    """Return the request id when it can be read, whatever else is wrong."""
    request_id = value.get("requestId")
    readable = isinstance(request_id, str) and REQUEST_ID.fullmatch(request_id)
    return request_id if readable else None


def _across_fields(meant: Mapping[str, object], *, unproven_copy_options: bool) -> list[Problem]:
    """Check what no single field can tell, as far as the fields can be read."""
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
            # Not the model's business: it counts only those items that are valid.
            found.append(Problem(path="items", message=f"must have 1 to {MAX_ITEMS} entries"))
        found += _listed_twice(items)
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
    """Tell whether both ids are good and the item is under another vault."""
    if not isinstance(vault_id, str) or not isinstance(item_id, str):
        return False
    try:
        return ProtectedItemId.parse(item_id).vault.key != VaultId.parse(vault_id).key
    except ArmIdError:
        return False


def _listed_twice(items: Sequence[object]) -> list[Problem]:
    found = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        path = item.get("path") if isinstance(item, Mapping) else None
        if not isinstance(path, str):
            continue
        # Azure Files keeps the case of names and compares without it, letter by letter: «ß» is
        # not «ss» there, as it is after casefold.
        if path.lower() in seen:
            found.append(Problem(path=f"items[{index}].path", message="is listed twice"))
        seen.add(path.lower())
    return found


_WORDS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_unicode": "is not valid Unicode text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}


def _translate(errors: Sequence[ErrorDetails], kind: type[Model]) -> list[Problem]:
    """Put pydantic's findings into our words; a misspelt field is one problem, not two."""
    unknown: list[tuple[Sequence[str | int], str]] = []
    missing: dict[str, Problem] = {}
    found: list[Problem] = []
    for error in errors:
        if error["type"] == "extra_forbidden":
            unknown.append((error["loc"], str(error["loc"][-1])))
            continue
        problem = Problem(path=_dotted(error["loc"]) or ROOT, message=_message(error))
        if error["type"] == "missing":
            missing[problem.path] = problem
        else:
            found.append(problem)
    for loc, name in unknown:
        parent = _dotted(loc[:-1])
        meant = meant_field(name, _fields_at(kind, loc[:-1]))
        if meant is not None:
            missing.pop(join(parent, meant), None)
        found.append(
            Problem(
                path=join(parent, name),
                message="is not a field of this message",
                did_you_mean=meant,
            )
        )
    return [*missing.values(), *found]


def _message(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx") or {}
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "literal_error" if error["loc"] == ("action",):
            return "must be 'restore' or 'cancel'"
        case "literal_error":
            return f"must be {context['expected']}"
        case "string_too_long":
            return f"has more than {context['max_length']} characters"
        case "string_too_short":
            return "must not be empty"
        case "too_long":
            return f"has more than {context['max_length']} entries"
        case "union_tag_not_found" | "union_tag_invalid":
            return _UNION_WORDS.get(str(error["loc"][-1]), "is of no known kind")
    return _WORDS.get(error["type"], error["msg"][:200])


_UNION_WORDS = {
    "recoveryPoint": "must be an object with id, or with select: latest or latestBefore",
    "target": "must be an object with location: original or alternate",
    "identity": "must be an object with type: systemAssigned or userAssigned",
}


def _fields_at(kind: type[Model], loc: Sequence[str | int]) -> list[str]:
    """List the field names of the model that a location lies in."""
    model = kind
    by_name: dict[str, type[Model]] = {one.__name__: one for one in Model.__subclasses__()}
    for part in loc:
        if part == "items":
            model = Item
        elif isinstance(part, str) and part in by_name:
            model = by_name[part]
    return field_names(model)


def _dotted(place: Sequence[str | int]) -> str:
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]" and part not in TAGS:
            path = join(path, part)
    return path


def _bounded(problems: Sequence[Problem]) -> list[Problem]:
    """Name each problem once, and say how many were left out of a message that is full of them."""
    each = list(dict.fromkeys(problems))
    if len(each) <= _MAX_PROBLEMS:
        return each
    left = len(each) - _MAX_PROBLEMS
    return [*each[:_MAX_PROBLEMS], Problem(path=ROOT, message=f"has {left} more problems")]
