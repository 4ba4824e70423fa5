from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.arm_ids import (
    MAX_ID_CHARACTERS,
    ArmId,
    ArmIdError,
    IdentityId,
    ProtectedItemId,
    StorageAccountId,
    VaultId,
    check_file_share,
    check_recovery_point,
    share_id,
)
from tests.restore_core.given import ACCOUNT, IDENTITY, ITEM, SUBSCRIPTION, VAULT

PARSERS = {
    VAULT: VaultId.parse,
    ACCOUNT: StorageAccountId.parse,
    ITEM: ProtectedItemId.parse,
    IDENTITY: IdentityId.parse,
}
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"


@pytest.mark.parametrize("text", PARSERS)
def test_an_id_is_built_again_as_it_was(text: str) -> None:
    assert str(PARSERS[text](text)) == text


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        (VAULT, VAULT.replace("/subscriptions/", "/Subscriptions/")),
        (VAULT, VAULT.replace("resourceGroups", "resourcegroups")),
        (VAULT, VAULT.replace("Microsoft.RecoveryServices", "microsoft.recoveryservices")),
        (ACCOUNT, ACCOUNT.replace("Microsoft.Storage", "Microsoft.storage")),
        (IDENTITY, IDENTITY.replace("userAssignedIdentities", "userassignedidentities")),
        (ITEM, ITEM.replace("backupFabrics/Azure", "backupfabrics/azure")),
        (ITEM, ITEM.replace("protectionContainers", "PROTECTIONCONTAINERS")),
    ],
)
def test_what_is_not_a_name_is_built_again_in_the_documented_spelling(
    text: str, spelling: str
) -> None:
    assert text != spelling
    assert str(PARSERS[text](spelling)) == text


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (ITEM, ITEM.replace("StorageContainer;storage", "storagecontainer;Storage")),
        (ITEM, ITEM.upper()),
    ],
)
def test_two_ids_that_differ_in_case_have_one_key(text: str, other: str) -> None:
    assert ProtectedItemId.parse(text) != ProtectedItemId.parse(other)
    assert ProtectedItemId.parse(text).key == ProtectedItemId.parse(other).key
    assert ArmId.parse(text).key == ArmId.parse(other).key
    assert VaultId.parse(VAULT.upper()).key == VaultId.parse(VAULT).key
    assert StorageAccountId.parse(ACCOUNT.upper()).key == StorageAccountId.parse(ACCOUNT).key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must start with /subscriptions/"),
        ("subscriptions/x", "must start with /subscriptions/"),
        ("https://management.azure.com" + VAULT, "must start with"),
        ("//" + VAULT, "empty segment"),
        (VAULT + "/", "empty segment"),
        (VAULT.replace("vaults-rg", ".."), "'..'"),
        (VAULT.replace("vaults-rg", "."), "'.'"),
        (VAULT.replace("resourceGroups", "groups"), "must have the form"),
        (VAULT.rpartition("/")[0], "ends in the middle"),
        (VAULT + "/extra", "ends in the middle"),
        (VAULT.replace(SUBSCRIPTION, "production"), "'production': a subscription id is a GUID"),
        (VAULT.replace("vaults-rg", "rg."), "not a resource group's name"),
        (VAULT.replace("vaults-rg", "a" * 91), "not a resource group's name"),
        (VAULT.replace("vaults-rg", "a b"), "not a resource group's name"),
        (VAULT.replace("vaults-rg", "a\nb"), "not a resource group's name"),
        (VAULT.replace("Microsoft.RecoveryServices", "Micro soft"), "not a provider's name"),
        (VAULT.replace("vaults/", "vaulty/"), "is not the id of a Microsoft.RecoveryServices"),
        (VAULT.replace("harbour", "h"), "not a vault's name"),
        (VAULT.replace("harbour", "1harbour"), "not a vault's name"),
        (VAULT.replace("harbour", "har_bour"), "not a vault's name"),
        (VAULT.replace("harbour", "h" * 51), "not a vault's name"),
        (VAULT + "?api-version=1", "holds '?'"),
        (VAULT + "#x", "holds '#'"),
        (VAULT.replace("harbour", "har%2fbour"), "holds '%'"),
        (VAULT.replace("/vaults/", "\\vaults\\"), "holds '\\\\'"),
        (VAULT + "a" * MAX_ID_CHARACTERS, "is longer than 1024"),
        (ACCOUNT, "is not the id of a Microsoft.RecoveryServices/vaults"),
        (ITEM, "is not the id of a Microsoft.RecoveryServices/vaults"),
    ],
)
def test_what_is_no_vault_is_refused_with_what_to_change(text: str, said: str) -> None:
    with pytest.raises(ArmIdError) as raised:
        VaultId.parse(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ACCOUNT.replace("quayfiles", "qu"), "not a storage account's name"),
        (ACCOUNT.replace("quayfiles", "quay-files"), "not a storage account's name"),
        (ACCOUNT.replace("quayfiles", "q" * 25), "not a storage account's name"),
        (ACCOUNT + "/fileServices/default", "Microsoft.Storage/storageAccounts"),
        (VAULT, "Microsoft.Storage/storageAccounts"),
    ],
)
def test_what_is_no_storage_account_is_refused(text: str, said: str) -> None:
    with pytest.raises(ArmIdError, match=said):
        StorageAccountId.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ITEM.replace("protectedItems", "protectableItems"), "with /protectedItems/"),
        (ITEM.replace("/Azure/", "/Windows/"), "a fabric other than Azure"),
        (ITEM.replace("StorageContainer;", "IaasVMContainer;"), "not a storage container's name"),
        (ITEM.replace("AzureFileShare;", "VM;"), "not an Azure Files item's name"),
        (ITEM.replace("AzureFileShare;", "AzureFileShare; "), "not an Azure Files item's name"),
        (ITEM.replace("harbour", "h!"), "not a vault's name"),
        (ITEM + "/recoveryPoints/1", "is not the id of a protected item"),
        (VAULT, "is not the id of a protected item"),
    ],
)
def test_what_is_no_protected_item_is_refused(text: str, said: str) -> None:
    with pytest.raises(ArmIdError, match=said):
        ProtectedItemId.parse(text)


@pytest.mark.parametrize(
    "text", [ACCOUNT, IDENTITY.replace("restorer", "r!"), IDENTITY.replace("restorer", "ab")]
)
def test_what_is_no_identity_is_refused(text: str) -> None:
    with pytest.raises(ArmIdError):
        IdentityId.parse(text)


def test_an_item_knows_its_vault() -> None:
    assert ProtectedItemId.parse(ITEM).vault == VaultId.parse(VAULT)


@pytest.mark.parametrize("name", ["abc", "a-b", "000", "a1b2", "a" * 63])
def test_names_of_shares(name: str) -> None:
    assert check_file_share(name) == name


@pytest.mark.parametrize(
    "name", ["", "ab", "a" * 64, "Abc", "a--b", "-ab", "ab-", "a_b", "a/b", "..", "äbc", "abc\n"]
)
def test_what_is_no_name_of_a_share(name: str) -> None:
    with pytest.raises(ArmIdError, match="3 to 63 lower-case letters"):
        check_file_share(name)


@pytest.mark.parametrize("name", ["0", "932881138555802864", "9" * 19])
def test_recovery_points_are_text_of_digits(name: str) -> None:
    assert check_recovery_point(name) == name


@pytest.mark.parametrize("name", ["", "9" * 20, "-1", "1.0", "\u0661", "1\n", "1/2", "abc"])
def test_what_is_no_recovery_point(name: str) -> None:
    with pytest.raises(ArmIdError, match="1 to 19 digits"):
        check_recovery_point(name)


def test_a_long_name_is_cut_in_the_message_and_stays_ascii() -> None:
    with pytest.raises(ArmIdError) as raised:
        check_file_share("ß\n" * 5000)
    assert str(raised.value).isascii()
    assert len(str(raised.value)) < 500


@given(st.text() | st.text(alphabet="/.;azAZ09-_%\\#?").map(lambda tail: VAULT + tail))
def test_any_text_is_an_id_or_an_arm_id_error(text: str) -> None:
    for parse in PARSERS.values():
        with contextlib.suppress(ArmIdError):
            built = str(parse(text))
            assert str(parse(built)) == built
            assert not set("\\?#%") & set(built)
            assert not {"", ".", ".."} & set(built.split("/")[1:])


@given(
    group=st.from_regex(r"[-\w.()]{0,89}[-\w()]", fullmatch=True),
    name=st.from_regex(r"[A-Za-z][A-Za-z0-9-]{1,49}", fullmatch=True),
)
def test_every_good_name_makes_an_id_that_is_read_again(group: str, name: str) -> None:
    text = f"{GROUP}/{group}/providers/Microsoft.RecoveryServices/vaults/{name}"
    if group in {".", ".."}:
        return
    assert str(VaultId.parse(text)) == text


def test_a_share_has_the_id_that_arm_gives_it() -> None:
    assert share_id(ACCOUNT, "finance") == f"{ACCOUNT}/fileServices/default/shares/finance"
