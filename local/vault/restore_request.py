"""Reads the body of a restore POST, and refuses with HTTP 400 what the service refuses at once.

In the published model every field but `objectType` is optional; the fields that are demanded here
are those of all requests that the service accepted. Of the refusals' codes and texts only
BMSUserErrorInvalidInput is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.vault.catalogue import CatalogueError, account_name, share_name

MAX_ITEMS = 99
COPY_OPTIONS = ("Overwrite", "Skip", "CreateCopy", "FailOnConflict")
_ACCOUNT_ID = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/"
    r"Microsoft\.(?:Classic)?Storage/storageAccounts/(?P<name>[^/]+)/?",
    re.IGNORECASE,
)


class InvalidInputError(ValueError):
    """The body is refused: BMSUserErrorInvalidInput."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One item to restore. `folder` is where it goes, relative to the target share."""

    path: str
    directory: bool
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """An accepted restore. `specs` None is the full share, which goes to `folder`."""

    source_account: str
    copy_option: str
    alternate: bool
    target_account: str | None = None
    target_share: str | None = None
    folder: str = ""
    specs: tuple[Spec, ...] | None = None
    guard_requests: tuple[str, ...] = ()


def share_path(text: object, field: str) -> str:
    """A path inside a share without leading or trailing slash; `""` is the root.

    `..`, backslashes and control characters are refused: nothing may leave the share.
    """
    if not isinstance(text, str):
        raise InvalidInputError(f"{field} must be a string")
    path = text.strip("/")
    segments = path.split("/") if path else []
    for segment in segments:
        if segment in ("", ".", ".."):
            raise InvalidInputError(f"{field} has the segment {segment!r}")
        if "\\" in segment or any(ord(char) < 32 for char in segment):
            raise InvalidInputError(f"{field} has a character that no file name may have")
    return path


def parse_restore(body: object) -> RestoreRequest:
    """Check a decoded body; raises InvalidInputError with the first problem."""
    properties = body.get("properties") if isinstance(body, Mapping) else None
    if not isinstance(properties, Mapping):
        raise InvalidInputError("properties is missing")
    if properties.get("objectType") != "AzureFileShareRestoreRequest":
        raise InvalidInputError("objectType must be AzureFileShareRestoreRequest")
    shape = _one_of(properties, "restoreRequestType", ("FullShareRestore", "ItemLevelRestore"))
    location = _one_of(properties, "recoveryType", ("OriginalLocation", "AlternateLocation"))
    alternate = location == "AlternateLocation"
    source = _account(properties.get("sourceResourceId"), "sourceResourceId")
    target_account = target_share = None
    target = properties.get("targetDetails")
    if alternate:
        if not isinstance(target, Mapping):
            raise InvalidInputError("AlternateLocation needs targetDetails")
        target_account = _account(target.get("targetResourceId"), "targetDetails.targetResourceId")
        target_share = _share(target.get("name"))
    elif target is not None:
        raise InvalidInputError("OriginalLocation takes no targetDetails")
    specs = properties.get("restoreFileSpecs")
    if specs is not None and not (
        isinstance(specs, list) and all(isinstance(spec, Mapping) for spec in specs)
    ):
        raise InvalidInputError("restoreFileSpecs must be a list of objects")
    folder = ""
    parsed: tuple[Spec, ...] | None = None
    if shape == "FullShareRestore":
        folder = _full_share_folder(specs or [], alternate=alternate)
    else:
        parsed = _item_specs(specs or [], alternate=alternate)
    guards = properties.get("resourceGuardOperationRequests") or []
    return RestoreRequest(
        source_account=source,
        copy_option=_one_of(properties, "copyOptions", COPY_OPTIONS, default="Overwrite"),
        alternate=alternate,
        target_account=target_account,
        target_share=target_share,
        folder=folder,
        specs=parsed,
        guard_requests=tuple(str(guard) for guard in guards),
    )


def _one_of(
    properties: Mapping[str, Any], field: str, values: tuple[str, ...], default: str | None = None
) -> str:
    value = properties.get(field, default)
    value = default if value is None else value
    if value not in values:
        raise InvalidInputError(f"{field} must be one of {', '.join(values)}")
    return str(value)


def _account(value: object, field: str) -> str:
    match = _ACCOUNT_ID.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise InvalidInputError(f"{field} must be the ARM id of a storage account")
    try:
        return account_name(match["name"])
    except CatalogueError as error:
        raise InvalidInputError(f"{field}: {error}") from error


def _share(value: object) -> str:
    try:
        return share_name(value if isinstance(value, str) else "")
    except CatalogueError as error:
        raise InvalidInputError(f"targetDetails.name: {error}") from error


def _full_share_folder(specs: list[Mapping[str, Any]], *, alternate: bool) -> str:
    """A full share takes no spec, or one that names nothing but the folder."""
    if not specs:
        return ""
    if len(specs) > 1 or specs[0].get("path") or not alternate:
        raise InvalidInputError("a full share takes one restoreFileSpecs entry, the target folder")
    return _folder(specs[0])


def _folder(spec: Mapping[str, Any]) -> str:
    folder = spec.get("targetFolderPath")
    return "" if folder is None else share_path(folder, "targetFolderPath")


def _item_specs(specs: list[Mapping[str, Any]], *, alternate: bool) -> tuple[Spec, ...]:
    if not 1 <= len(specs) <= MAX_ITEMS:
        raise InvalidInputError(f"an item restore takes 1 to {MAX_ITEMS} restoreFileSpecs")
    parsed: list[Spec] = []
    for index, spec in enumerate(specs):
        path = share_path(spec.get("path"), f"restoreFileSpecs[{index}].path")
        if not path:
            raise InvalidInputError(f"restoreFileSpecs[{index}].path is empty")
        kind = spec.get("fileSpecType")
        if kind not in ("File", "Directory"):
            raise InvalidInputError(f"restoreFileSpecs[{index}].fileSpecType is {kind!r}")
        folder = _folder(spec)
        if folder and not alternate:
            raise InvalidInputError("OriginalLocation takes no targetFolderPath")
        parsed.append(Spec(path=path, directory=kind == "Directory", folder=folder))
    return tuple(parsed)
