"""The restore request and the cancel: their fields, their rules, and every problem at once.

Knows version 1.0 of the message. Refuses to know what exists in Azure and what is allowed there.
The models hold what was given, parsed and written in one spelling; what was not given stays unset,
so that the payload hash covers exactly what the sender said.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    Tag,
    ValidationError,
    WithJsonSchema,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from restore_core.arm_ids import (
    ArmIdError,
    ProtectedItemId,
    StorageAccountId,
    VaultId,
    check_file_share,
    check_recovery_point,
    parse_identity_id,
)
from restore_core.decoding import ROOT, join, read_object
from restore_core.errors import MessageInvalid, Problem
from restore_core.times import format_duration, format_time, parse_duration, parse_time

SCHEMA_VERSION = "1.0"
MAX_ITEMS = 99
"""The service's limit of files and folders in one restore (support matrix; azure-cli refuses
100).
"""
MAX_PATH_BYTES = 2048
MAX_SEGMENT_CHARACTERS = 255
_MAX_PROBLEMS = 100

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_NOT_IN_A_NAME = re.compile('["\\\\:|<>*?\x00-\x1f\x7f-\x9f\ufffe\uffff]')
_ENCODED = re.compile(r"%(2f|5c|2e)", re.IGNORECASE)


def _request_id(text: str) -> str:
    if not _REQUEST_ID.fullmatch(text):
        raise ValueError("must be 1 to 128 of A-Z a-z 0-9 . _ -")
    return text


def _traceparent(text: str) -> str:
    if not _TRACEPARENT.fullmatch(text):
        raise ValueError("must be a W3C trace context, 00-<32 hex>-<16 hex>-<2 hex>")
    return text


def _path(text: str) -> str:
    """Check a path of a file share by segment, after Azure Files' naming rules.

    `#` and `%` are legal in names there and do no harm in a JSON body; an encoded separator or dot
    is refused, since it means that somebody encoded the path.
    """
    if text.startswith("/"):
        raise ValueError("must be relative to the share's root: leave out the leading slash")
    if len(text.encode()) > MAX_PATH_BYTES:
        raise ValueError(f"is longer than {MAX_PATH_BYTES} bytes of UTF-8")
    if _ENCODED.search(text):
        raise ValueError("holds %2f, %5c or %2e: write the path unencoded")
    if "\\" in text:
        raise ValueError("holds a backslash: separate folders with /")
    for segment in text.split("/"):
        if not segment.strip(". "):
            raise ValueError("has a segment that is empty, '.' or '..'")
        if len(segment) > MAX_SEGMENT_CHARACTERS:
            raise ValueError(f"has a name of more than {MAX_SEGMENT_CHARACTERS} characters")
        if bad := _NOT_IN_A_NAME.search(segment):
            raise ValueError(f"holds {bad.group()!a}, which no file or folder name may")
    return text


def _time(value: object) -> object:
    return parse_time(value) if isinstance(value, str) else _no_text(value, datetime)


def _duration(value: object) -> object:
    return parse_duration(value) if isinstance(value, str) else _no_text(value, timedelta)


def _deadline(value: object) -> object:
    if isinstance(value, str) and not value[:1].isdigit():
        return parse_duration(value)
    return value if isinstance(value, timedelta) else _time(value)


def _no_text(value: object, kind: type) -> object:
    if isinstance(value, kind):
        return value
    raise ValueError("must be a text")


def _one_of(kind: type[StrEnum]) -> BeforeValidator:
    """Take a text as a member of an enumeration, which strict models do not by themselves."""

    def check(value: object) -> object:
        if isinstance(value, str) and value in set(kind):
            return kind(value)
        raise ValueError(f"must be {' or '.join(repr(str(one)) for one in kind)}")

    return BeforeValidator(check)


def _tuple(value: object) -> object:
    """JSON has lists only, and a frozen model wants a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _write(value: datetime | timedelta) -> str:
    return format_time(value) if isinstance(value, datetime) else format_duration(value)


def _arm_id(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "maxLength": 1024, "examples": [example]})


_AsText = PlainSerializer(_write, return_type=str, when_used="json")
RequestId = Annotated[
    str,
    AfterValidator(_request_id),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"}),
]
Time = Annotated[
    datetime,
    BeforeValidator(_time),
    _AsText,
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    _AsText,
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["P1DT12H"]}),
]
Deadline = Annotated[
    datetime | timedelta,
    BeforeValidator(_deadline),
    _AsText,
    WithJsonSchema({"type": "string", "examples": ["2026-02-05T07:43:47Z", "PT4H"]}),
]
VaultIdText = Annotated[
    str,
    AfterValidator(lambda text: str(VaultId.parse(text))),
    _arm_id("/subscriptions/…/resourceGroups/…/providers/Microsoft.RecoveryServices/vaults/…"),
]
AccountIdText = Annotated[
    str,
    AfterValidator(lambda text: str(StorageAccountId.parse(text))),
    _arm_id("/subscriptions/…/resourceGroups/…/providers/Microsoft.Storage/storageAccounts/…"),
]
ItemIdText = Annotated[
    str,
    AfterValidator(lambda text: str(ProtectedItemId.parse(text))),
    _arm_id(
        "/subscriptions/…/protectionContainers/StorageContainer;…/protectedItems/AzureFileShare;…"
    ),
]
IdentityIdText = Annotated[
    str,
    AfterValidator(parse_identity_id),
    _arm_id("/subscriptions/…/providers/Microsoft.ManagedIdentity/userAssignedIdentities/…"),
]
ShareName = Annotated[
    str,
    AfterValidator(check_file_share),
    WithJsonSchema({"type": "string", "minLength": 3, "maxLength": 63}),
]
PointId = Annotated[
    str,
    AfterValidator(check_recovery_point),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,19}$"}),
]
PathText = Annotated[
    str,
    AfterValidator(_path),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MAX_PATH_BYTES}),
]
FreeText = Annotated[str, Field(max_length=256)]
Traceparent = Annotated[
    str, AfterValidator(_traceparent), WithJsonSchema({"type": "string", "maxLength": 55})
]


class Model(BaseModel):
    """What every part of a message has in common: no coercion, no unknown fields, no nulls, no
    changes.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", alias_generator=to_camel)

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        """Refuse null: `"items": null` is a sender's empty variable, and not «the full share»."""
        if value is None:
            raise ValueError("must not be null: leave the field out")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe an optional field as one that may be left out; `None` is only our word for
        that.
        """
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
            if len(kinds) == 1 and len(field["anyOf"]) == 2:
                del field["anyOf"], field["default"]
                field.update({**kinds[0], **field})
        return schema


class ShareSource(Model):
    """The share by its storage account and name; the protected item is looked up."""

    storage_account_id: AccountIdText
    file_share: ShareName


class ItemSource(Model):
    """The share by the id of its protected item."""

    protected_item_id: ItemIdText


class PointById(Model):
    """One recovery point."""

    id: PointId


class LatestPoint(Model):
    """The newest recovery point."""

    select: Literal["latest"]
    max_age: Duration | None = Field(default=None, description="Measured from `requestedAt`.")


class LatestPointBefore(Model):
    """The newest recovery point at or before a time."""

    select: Literal["latestBefore"]
    time: Time
    max_age: Duration | None = Field(default=None, description="Measured from `requestedAt`.")


class OriginalTarget(Model):
    """Back to where the data came from."""

    location: Literal["original"]


class AlternateTarget(Model):
    """To another share, or to a folder of one; the share must exist, the folder need not."""

    location: Literal["alternate"]
    storage_account_id: AccountIdText
    file_share: ShareName
    folder: PathText | None = None


class Item(Model):
    """One file or folder of the share."""

    path: PathText
    type: Literal["File", "Directory"]


class SystemIdentity(Model):
    """The vault's own identity."""

    type: Literal["systemAssigned"]


class UserIdentity(Model):
    """A user-assigned identity of the vault."""

    type: Literal["userAssigned"]
    id: IdentityIdText


class CopyOptions(StrEnum):
    """What happens to files that exist at the target."""

    OVERWRITE = "Overwrite"
    SKIP = "Skip"
    CREATE_COPY = "CreateCopy"
    FAIL_ON_CONFLICT = "FailOnConflict"


UNPROVEN_COPY_OPTIONS = frozenset({CopyOptions.CREATE_COPY, CopyOptions.FAIL_ON_CONFLICT})


class Priority(StrEnum):
    """Which of several waiting requests goes first."""

    NORMAL = "normal"
    EMERGENCY = "emergency"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def _meant(name: str, known: Sequence[str]) -> str | None:
    plain = {_plain(field): field for field in known}
    close = difflib.get_close_matches(_plain(name[:80]), list(plain), n=1, cutoff=0.7)
    return plain[close[0]] if close else None


def _as_meant(value: object, *models: type[Model]) -> dict[str, object]:
    """Return what an object holds, each under the name of the field that it surely means.

    A misspelt field is reported as that; what it holds still tells which other rules apply.
    """
    if not isinstance(value, Mapping):
        return {}
    known = [field for model in models for field in _field_names(model)]
    meant = {_meant(name, known) or name: held for name, held in value.items() if name not in known}
    return meant | {name: held for name, held in value.items() if name in known}


def _field_names(model: type[Model]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _source_kind(value: object) -> str:
    by_item = "protectedItemId" in _as_meant(value, ItemSource, ShareSource)
    return "ItemSource" if by_item or isinstance(value, ItemSource) else "ShareSource"


def _point_kind(value: object) -> str | None:
    if isinstance(value, PointById | LatestPoint | LatestPointBefore):
        return type(value).__name__
    meant = _as_meant(value, LatestPointBefore, PointById)
    if "select" not in meant:
        return "PointById"
    return {"latest": "LatestPoint", "latestBefore": "LatestPointBefore"}.get(str(meant["select"]))


def _target_kind(value: object) -> str | None:
    if isinstance(value, OriginalTarget | AlternateTarget):
        return type(value).__name__
    location = _as_meant(value, AlternateTarget).get("location")
    return {"original": "OriginalTarget", "alternate": "AlternateTarget"}.get(str(location))


def _identity_kind(value: object) -> str | None:
    if isinstance(value, SystemIdentity | UserIdentity):
        return type(value).__name__
    kind = _as_meant(value, UserIdentity).get("type")
    return {"systemAssigned": "SystemIdentity", "userAssigned": "UserIdentity"}.get(str(kind))


Source = Annotated[
    Annotated[ShareSource, Tag("ShareSource")] | Annotated[ItemSource, Tag("ItemSource")],
    Discriminator(_source_kind),
]
WantedPoint = Annotated[
    Annotated[PointById, Tag("PointById")]
    | Annotated[LatestPoint, Tag("LatestPoint")]
    | Annotated[LatestPointBefore, Tag("LatestPointBefore")],
    Discriminator(_point_kind),
]
Target = Annotated[
    Annotated[OriginalTarget, Tag("OriginalTarget")]
    | Annotated[AlternateTarget, Tag("AlternateTarget")],
    Discriminator(_target_kind),
]
Identity = Annotated[
    Annotated[SystemIdentity, Tag("SystemIdentity")] | Annotated[UserIdentity, Tag("UserIdentity")],
    Discriminator(_identity_kind),
]
_TAGS = {
    kind.__name__
    for kind in (
        *(ShareSource, ItemSource, PointById, LatestPoint, LatestPointBefore),
        *(OriginalTarget, AlternateTarget, SystemIdentity, UserIdentity),
    )
}


class RestoreRequest(Model):
    """A request to restore a share, or items of it."""

    schema_version: Literal["1.0"]
    action: Literal["restore"] = "restore"
    request_id: RequestId = Field(
        description="The idempotency key: the same id is the same restore."
    )
    vault_id: VaultIdText | None = None
    source: Source
    recovery_point: WantedPoint
    target: Target
    items: Annotated[tuple[Item, ...], BeforeValidator(_tuple)] | None = Field(
        default=None,
        description="Absent: the full share.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS},
    )
    copy_options: Annotated[CopyOptions, _one_of(CopyOptions)] | None = None
    identity: Identity | None = None
    dry_run: bool = False
    priority: Annotated[Priority, _one_of(Priority)] = Priority.NORMAL
    start_deadline: Deadline | None = None
    requested_by: FreeText | None = None
    reason: FreeText | None = None
    traceparent: Traceparent | None = None
    labels: (
        Annotated[
            dict[Annotated[str, Field(min_length=1, max_length=64)], FreeText],
            Field(max_length=16),
        ]
        | None
    ) = None

    @property
    def vault(self) -> VaultId:
        """The vault, from `vaultId` or from the protected item's id."""
        if self.vault_id is not None:
            return VaultId.parse(self.vault_id)
        assert isinstance(self.source, ItemSource)  # noqa: S101  (read_request sees to it)
        return ProtectedItemId.parse(self.source.protected_item_id).vault

    @property
    def effective_copy_options(self) -> CopyOptions:
        """What was asked for; `Overwrite` where nothing was."""
        return self.copy_options or CopyOptions.OVERWRITE

    @property
    def record_key(self) -> str:
        """The row key of the request's record: a dry run leaves the id free for the real run."""
        return f"plan~{self.request_id}" if self.dry_run else self.request_id

    def given(self) -> dict[str, Any]:
        """Return the fields that were given, as JSON values in one spelling."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class CancelRequest(Model):
    """A request to stop a restore that was requested."""

    schema_version: Literal["1.0"]
    action: Literal["cancel"]
    request_id: RequestId
    reason: FreeText | None = None
    requested_by: FreeText | None = None


_ARM_ID_FIELDS = {"vaultId", "storageAccountId", "protectedItemId", "id"}


def payload_hash(request: RestoreRequest) -> str:
    """Return the SHA-256 of the fields given, in one spelling, ids without case and no defaults.

    It tells a resend from the reuse of an id for something else.
    """

    def spelled(value: Any, name: str = "") -> Any:  # noqa: ANN401  (JSON)
        match value:
            case dict() if name != "labels":  # whose keys are the sender's own
                return {key: spelled(inner, key) for key, inner in value.items()}
            case list():
                return [spelled(inner) for inner in value]
            case str() if name in _ARM_ID_FIELDS:
                return value.casefold()
        return value

    text = json.dumps(spelled(request.given()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


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
    meant = _as_meant(value, RestoreRequest)
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
    readable = isinstance(request_id, str) and _REQUEST_ID.fullmatch(request_id)
    return request_id if readable else None


def _across_fields(meant: Mapping[str, object], *, unproven_copy_options: bool) -> list[Problem]:
    """Check what no single field can tell, as far as the fields can be read."""
    found = []
    source = _as_meant(meant.get("source"), ItemSource, ShareSource)
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
    target = _as_meant(meant.get("target"), AlternateTarget)
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
        meant = _meant(name, _fields_at(kind, loc[:-1]))
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
    return _field_names(model)


def _dotted(place: Sequence[str | int]) -> str:
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]" and part not in _TAGS:
            path = join(path, part)
    return path


def _bounded(problems: Sequence[Problem]) -> list[Problem]:
    """Name each problem once, and say how many were left out of a message that is full of them."""
    each = list(dict.fromkeys(problems))
    if len(each) <= _MAX_PROBLEMS:
        return each
    left = len(each) - _MAX_PROBLEMS
    return [*each[:_MAX_PROBLEMS], Problem(path=ROOT, message=f"has {left} more problems")]
