"""The restore request and the cancel, version 1.0, as models.

The models hold the fields that were given, in one spelling. Other fields stay unset, so that the
payload hash covers exactly what the sender wrote.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from restore_core.arm_ids import ProtectedItemId, VaultId
from restore_core.messages.fields import (
    AccountIdText,
    AsWord,
    Deadline,
    Duration,
    FreeText,
    IdentityIdText,
    ItemIdText,
    PathText,
    PointId,
    QueueName,
    RequestId,
    ShareName,
    Time,
    Traceparent,
    VaultIdText,
    as_tuple,
)
from restore_core.messages.validation import Model, as_meant

SCHEMA_VERSION = "1.0"
PART_ITEMS = 99
"""The service's limit of files and folders in one restore (support matrix, azure-cli)."""
MAX_ITEMS = 10 * PART_ITEMS
"""Our limit for one request, which is restored in parts of `PART_ITEMS`."""


class ShareSource(Model):
    """A share named by its storage account and name; its protected item is looked up."""

    storage_account_id: AccountIdText
    file_share: ShareName


class ItemSource(Model):
    """A share named by the id of its protected item."""

    protected_item_id: ItemIdText


class PointById(Model):
    """One recovery point, named by its id."""

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
    """A restore to the share that the data came from."""

    location: Literal["original"]


class AlternateTarget(Model):
    """A restore to another share or a folder. The share must exist; the folder need not."""

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
    """What the restore does with files that already exist at the target."""

    OVERWRITE = "Overwrite"
    SKIP = "Skip"
    CREATE_COPY = "CreateCopy"
    FAIL_ON_CONFLICT = "FailOnConflict"


UNPROVEN_COPY_OPTIONS = frozenset({CopyOptions.CREATE_COPY, CopyOptions.FAIL_ON_CONFLICT})


class Priority(StrEnum):
    """Whether a waiting request goes before the others."""

    NORMAL = "normal"
    EMERGENCY = "emergency"


def _source_kind(value: object) -> str:
    by_item = "protectedItemId" in as_meant(value, ItemSource, ShareSource)
    return "ItemSource" if by_item or isinstance(value, ItemSource) else "ShareSource"


def _point_kind(value: object) -> str | None:
    if isinstance(value, PointById | LatestPoint | LatestPointBefore):
        return type(value).__name__
    meant = as_meant(value, LatestPointBefore, PointById)
    if "select" not in meant:
        return "PointById"
    return {"latest": "LatestPoint", "latestBefore": "LatestPointBefore"}.get(str(meant["select"]))


def _target_kind(value: object) -> str | None:
    if isinstance(value, OriginalTarget | AlternateTarget):
        return type(value).__name__
    location = as_meant(value, AlternateTarget).get("location")
    return {"original": "OriginalTarget", "alternate": "AlternateTarget"}.get(str(location))


def _identity_kind(value: object) -> str | None:
    if isinstance(value, SystemIdentity | UserIdentity):
        return type(value).__name__
    kind = as_meant(value, UserIdentity).get("type")
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
Items = Annotated[tuple[Item, ...], BeforeValidator(as_tuple)]
Labels = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], FreeText], Field(max_length=16)
]


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
    items: Items | None = Field(
        default=None,
        description="Absent: the full share.",
        json_schema_extra={"minItems": 1, "maxItems": MAX_ITEMS},
    )
    copy_options: Annotated[CopyOptions, AsWord] | None = None
    identity: Identity | None = None
    dry_run: bool = False
    priority: Annotated[Priority, AsWord] = Priority.NORMAL
    start_deadline: Deadline | None = None
    reply_to: QueueName | None = Field(
        default=None,
        description="The queue for the completion, one of those that the guards list.",
    )
    requested_by: FreeText | None = None
    reason: FreeText | None = None
    traceparent: Traceparent | None = None
    labels: Labels | None = None

    @property
    def vault(self) -> VaultId:
        """The vault, from `vaultId` or from the protected item's id."""
        if self.vault_id is not None:
            return VaultId.parse(self.vault_id)
        assert isinstance(self.source, ItemSource)  # noqa: S101  (read_request sees to it)
        return ProtectedItemId.parse(self.source.protected_item_id).vault

    @property
    def effective_copy_options(self) -> CopyOptions:
        """The `copyOptions` of the request, `Overwrite` when it gives none."""
        return self.copy_options or CopyOptions.OVERWRITE

    @property
    def record_key(self) -> str:
        """The row key of the request's record: a dry run leaves the id free for the real run."""
        return f"plan~{self.request_id}" if self.dry_run else self.request_id


class CancelRequest(Model):
    """A request to stop a restore that was requested before."""

    schema_version: Literal["1.0"]
    action: Literal["cancel"]
    request_id: RequestId
    reason: FreeText | None = None
    requested_by: FreeText | None = None


_ARM_ID_FIELDS = {"vaultId", "storageAccountId", "protectedItemId", "id"}


def payload_hash(request: RestoreRequest) -> str:
    """Return the SHA-256 of the given fields, in one spelling, with ARM ids in lower case.

    The same request id with the same hash is a resend; with another hash the id was reused.
    """

    def spelled(value: Any, name: str = "") -> Any:  # noqa: ANN401  (JSON)
        match value:
            case dict() if name != "labels":  # its keys are the sender's own
                return {key: spelled(inner, key) for key, inner in value.items()}
            case list():
                return [spelled(inner) for inner in value]
            case str() if name in _ARM_ID_FIELDS:
                return value.casefold()
        return value

    text = json.dumps(spelled(request.given()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
