"""ARM resource ids: parsed by segment under Azure's name rules, and compared ignoring case.

Ids come from senders and become part of URLs that carry a token, so no id is passed on as text:
each is taken apart, checked and built again. A valid id may still name nothing that exists.

The service changes the case of ids (`/Subscriptions/`, `resourcegroups`, `Microsoft.storage` all
occur), so two ids are the same when their `key` is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Self

MAX_ID_CHARACTERS = 1024
"""Longer than any id of these types, even with every name at its longest."""

_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESOURCE_GROUP = re.compile(r"[-\w.()]{0,89}[-\w()]")
_FILE_SHARE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_CONTAINER = re.compile(r"(?i:StorageContainer;)[^/\\?#%\x00-\x20\x7f]{1,250}")
_ITEM = re.compile(r"(?i:AzureFileShare;)[^/\\?#%\x00-\x20\x7f]{1,250}")
_RECOVERY_POINT = re.compile(r"[0-9]{1,19}")


class ArmIdError(ValueError):
    """A text is not the expected id or name; the message says what to change."""


class _Keyed:
    """An id that is compared without case."""

    @property
    def key(self) -> str:
        """The id without case, for comparing and hashing."""
        return str(self).casefold()


@dataclass(frozen=True, kw_only=True)
class ArmId(_Keyed):
    """A resource id in a resource group: provider namespace and (type, name) pairs, outermost
    first.
    """

    subscription: str
    resource_group: str
    provider: str
    path: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `/subscriptions/…/resourceGroups/…/providers/…/type/name[/type/name…]`.

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

    def has_type(self, provider: str, *kinds: str) -> bool:
        """Tell whether this is an id of the type `provider/kinds…`, ignoring case."""
        here = [self.provider, *(kind for kind, _ in self.path)]
        return [word.casefold() for word in here] == [
            word.casefold() for word in (provider, *kinds)
        ]


@dataclass(frozen=True, kw_only=True)
class _ResourceId(_Keyed):
    """The id of a resource right below its group, of a type that the class names."""

    subscription: str
    resource_group: str
    name: str

    TYPE: ClassVar[tuple[str, str]]
    RULE: ClassVar[re.Pattern[str]]
    """What its name may be."""
    KNOWN_AS: ClassVar[str]
    WRONG_TYPE: ClassVar[str] = "is not the id of a {} resource"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the ARM id of such a resource; raises `ArmIdError`."""
        arm_id = ArmId.parse(text)
        if not arm_id.has_type(*cls.TYPE):
            raise ArmIdError(cls.WRONG_TYPE.format("/".join(cls.TYPE)))
        return cls(
            subscription=arm_id.subscription,
            resource_group=arm_id.resource_group,
            name=_checked(cls.RULE, arm_id.path[0][1], f"not {cls.KNOWN_AS}'s name"),
        )

    def __str__(self) -> str:
        """Build the ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/{'/'.join(self.TYPE)}/{self.name}"
        )


class VaultId(_ResourceId):
    """A Recovery Services vault."""

    TYPE = ("Microsoft.RecoveryServices", "vaults")
    RULE = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,49}")
    KNOWN_AS = "a vault"


class StorageAccountId(_ResourceId):
    """A storage account."""

    TYPE = ("Microsoft.Storage", "storageAccounts")
    RULE = re.compile(r"[A-Za-z0-9]{3,24}")
    KNOWN_AS = "a storage account"


class IdentityId(_ResourceId):
    """A user-assigned identity."""

    TYPE = ("Microsoft.ManagedIdentity", "userAssignedIdentities")
    RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,127}")
    KNOWN_AS = "an identity"
    WRONG_TYPE = "is not a {} resource"


@dataclass(frozen=True, kw_only=True)
class ProtectedItemId(_Keyed):
    """A protected file share: its vault, and the service's names of container and item."""

    vault: VaultId
    container: str
    item: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a protected item's ARM id; raises `ArmIdError`.

        Microsoft's page on restores takes the names from an id with `/protectableItems/`. A restore
        needs the protected item's id, so the other is refused with a message that says so.
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
                name=_checked(VaultId.RULE, vault, "not a vault's name"),
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


def check_file_share(name: str) -> str:
    """Check the name of a file share, 3 to 63 of `a-z 0-9 -`; raises `ArmIdError`."""
    return _checked(
        _FILE_SHARE,
        name,
        "a share's name has 3 to 63 lower-case letters, digits and single hyphens",
    )


def check_recovery_point(name: str) -> str:
    """Check the name of a recovery point, 1 to 19 digits; raises `ArmIdError`.

    It stays text, since a JSON reader may read a number as a double, which rounds 19 digits.
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
