"""ARM resource ids: parse by segment, format, compare without case.

Knows the name rules of the resource types that a restore touches. Refuses to know what exists: an
id that parses may still name nothing. Ids come from senders and end in URLs that carry a token, so
nothing is passed through as text: every id is taken apart, checked and built again.

Casing is not stable on the wire (`/Subscriptions/`, `resourcegroups`, `Microsoft.storage` all
occur), so two ids are the same when their `key` is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

MAX_ID_CHARACTERS = 1024
"""Longer than any id of these types with every name at its limit."""

_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESOURCE_GROUP = re.compile(r"[-\w.()]{0,89}[-\w()]")
_VAULT = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,49}")
_STORAGE_ACCOUNT = re.compile(r"[A-Za-z0-9]{3,24}")
_FILE_SHARE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
_CONTAINER = re.compile(r"(?i:StorageContainer;)[^/\\?#%\x00-\x20\x7f]{1,250}")
_ITEM = re.compile(r"(?i:AzureFileShare;)[^/\\?#%\x00-\x20\x7f]{1,250}")
_RECOVERY_POINT = re.compile(r"[0-9]{1,19}")


class ArmIdError(ValueError):
    """A text is not the id or the name that was asked for; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class ArmId:
    """A resource id in a resource group: provider namespace and (type, name) pairs, outermost
    first.
    """

    subscription: str
    resource_group: str
    provider: str
    path: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take `/subscriptions/…/resourceGroups/…/providers/…/type/name[/type/name…]` apart.

        Raises:
            ArmIdError: the text is not such an id, or a name breaks Azure's rules.
        """
        if len(text) > MAX_ID_CHARACTERS:
            raise ArmIdError(f"is longer than {MAX_ID_CHARACTERS} characters")
        for character in "\\?#%":
            if character in text:
                raise ArmIdError(f"holds {character!r}, which no ARM id does: write it unencoded")
        segments = text.split("/")
        if segments[0] or len(segments) < 2:
            raise ArmIdError("must start with /subscriptions/")
        segments = segments[1:]
        if any(segment in {"", ".", ".."} for segment in segments):
            raise ArmIdError("has an empty segment, '.' or '..'")
        words = [word.casefold() for word in segments[0:5:2]]
        if words != ["subscriptions", "resourcegroups", "providers"]:
            raise ArmIdError(
                "must have the form /subscriptions/…/resourceGroups/…/providers/…/type/name"
            )
        if len(segments) < 8 or len(segments) % 2:
            raise ArmIdError("ends in the middle: every type needs a name")
        names = segments[6:]
        return cls(
            subscription=_checked(_SUBSCRIPTION, segments[1], "a subscription id is a GUID"),
            resource_group=_checked(_RESOURCE_GROUP, segments[3], "not a resource group's name"),
            provider=_checked(re.compile(r"[A-Za-z0-9.]+"), segments[5], "not a provider's name"),
            path=tuple(zip(names[0::2], names[1::2], strict=True)),
        )

    def __str__(self) -> str:
        """Build the id again, in the spelling that ARM documents."""
        tail = "/".join(f"{kind}/{name}" for kind, name in self.path)
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{self.provider}/{tail}"
        )

    @property
    def key(self) -> str:
        """The id without case, for comparing and hashing."""
        return str(self).casefold()

    def has_type(self, provider: str, *kinds: str) -> bool:
        """Tell whether this is an id of the type `provider/kinds…`, compared without case."""
        here = [self.provider, *(kind for kind, _ in self.path)]
        return [word.casefold() for word in here] == [
            word.casefold() for word in (provider, *kinds)
        ]


@dataclass(frozen=True, kw_only=True)
class VaultId:
    """A Recovery Services vault."""

    subscription: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a vault's ARM id; raises `ArmIdError`."""
        return cls.of(ArmId.parse(text))

    @classmethod
    def of(cls, arm_id: ArmId) -> Self:
        """Take a parsed id as a vault's; raises `ArmIdError` when it is of another type."""
        if not arm_id.has_type("Microsoft.RecoveryServices", "vaults"):
            raise ArmIdError("is not the id of a Microsoft.RecoveryServices/vaults resource")
        return cls(
            subscription=arm_id.subscription,
            resource_group=arm_id.resource_group,
            name=_checked(_VAULT, arm_id.path[0][1], "not a vault's name"),
        )

    def __str__(self) -> str:
        """Build the ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.RecoveryServices/vaults/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id without case."""
        return str(self).casefold()


@dataclass(frozen=True, kw_only=True)
class StorageAccountId:
    """A storage account."""

    subscription: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a storage account's ARM id; raises `ArmIdError`."""
        arm_id = ArmId.parse(text)
        if not arm_id.has_type("Microsoft.Storage", "storageAccounts"):
            raise ArmIdError("is not the id of a Microsoft.Storage/storageAccounts resource")
        return cls(
            subscription=arm_id.subscription,
            resource_group=arm_id.resource_group,
            name=_checked(_STORAGE_ACCOUNT, arm_id.path[0][1], "not a storage account's name"),
        )

    def __str__(self) -> str:
        """Build the ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Storage/storageAccounts/{self.name}"
        )

    @property
    def key(self) -> str:
        """The id without case."""
        return str(self).casefold()


@dataclass(frozen=True, kw_only=True)
class ProtectedItemId:
    """A file share that a vault protects: the vault and the service's names of container and
    item.
    """

    vault: VaultId
    container: str
    item: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a protected item's ARM id; raises `ArmIdError`.

        The restore document reads the names off an id with `/protectableItems/`; restores need the
        protected item's id, so the other is refused with that word.
        """
        arm_id = ArmId.parse(text)
        kinds = ("vaults", "backupFabrics", "protectionContainers")
        if arm_id.has_type("Microsoft.RecoveryServices", *kinds, "protectableItems"):
            raise ArmIdError("names a protectable item; give the id with /protectedItems/")
        if not arm_id.has_type("Microsoft.RecoveryServices", *kinds, "protectedItems"):
            raise ArmIdError("is not the id of a protected item under a Recovery Services vault")
        (_, vault), (_, fabric), (_, container), (_, item) = arm_id.path
        if fabric.casefold() != "azure":
            raise ArmIdError("names a fabric other than Azure")
        return cls(
            vault=VaultId(
                subscription=arm_id.subscription,
                resource_group=arm_id.resource_group,
                name=_checked(_VAULT, vault, "not a vault's name"),
            ),
            container=_checked(_CONTAINER, container, "not a storage container's name"),
            item=_checked(_ITEM, item, "not an Azure Files item's name"),
        )

    def __str__(self) -> str:
        """Build the ARM id."""
        return (
            f"{self.vault}/backupFabrics/Azure/protectionContainers/{self.container}"
            f"/protectedItems/{self.item}"
        )

    @property
    def key(self) -> str:
        """The id without case."""
        return str(self).casefold()


def parse_identity_id(text: str) -> str:
    """Parse a user-assigned identity's ARM id and build it again; raises `ArmIdError`."""
    arm_id = ArmId.parse(text)
    if not arm_id.has_type("Microsoft.ManagedIdentity", "userAssignedIdentities"):
        raise ArmIdError("is not a Microsoft.ManagedIdentity/userAssignedIdentities resource")
    name = _checked(_IDENTITY, arm_id.path[0][1], "not an identity's name")
    return (
        f"/subscriptions/{arm_id.subscription}/resourceGroups/{arm_id.resource_group}"
        f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"
    )


def check_file_share(name: str) -> str:
    """Return the name when it is a file share's: 3 to 63 of `a-z 0-9 -`; raises `ArmIdError`."""
    return _checked(
        _FILE_SHARE,
        name,
        "a share's name has 3 to 63 lower-case letters, digits and single hyphens",
    )


def check_recovery_point(name: str) -> str:
    """Return the name when it is a recovery point's: 1 to 19 digits; raises `ArmIdError`.

    It stays text: 19 digits do not fit a double, and JSON readers are free to use one.
    """
    return _checked(_RECOVERY_POINT, name, "a recovery point's id is a text of 1 to 19 digits")


def _checked(rule: re.Pattern[str], name: str, complaint: str) -> str:
    if not rule.fullmatch(name):
        raise ArmIdError(f"{_shown(name)}: {complaint}")
    return name


def _shown(name: str) -> str:
    """Quote a sender's text for a message: ASCII, at most 60 characters."""
    return ascii(name if len(name) <= 60 else name[:60] + "…")


def share_id(account_id: str, share: str) -> str:
    """Build the ARM id of a file share from its storage account's."""
    return f"{account_id}/fileServices/default/shares/{share}"


def account_name(account_id: str) -> str:
    """Return the name of a storage account, which is one account's in all of Azure.

    Subscription and resource group add nothing to it, and an id may give others than the account
    is in: two ids with one name are the same account.
    """
    return account_id.rpartition("/")[2]


def same_share(account_id: str, share: str, other_account_id: str, other_share: str) -> bool:
    """Tell whether two names are of one file share, whatever resource group their ids give."""
    here, there = account_name(account_id), account_name(other_account_id)
    return (here.casefold(), share.casefold()) == (there.casefold(), other_share.casefold())
