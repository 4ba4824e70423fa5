"""Checks before a restore: each refuses or warns, and lets through what is well."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.domain.vault import Tier
from restore_core.policy.preflight import IDENTITY_VERSION, Check, Outcome, preflight
from tests.restore_core.given import (
    ACCOUNT,
    IDENTITY,
    ITEM,
    OTHER_ACCOUNT,
    SUBSCRIPTION,
    Json,
    decided,
    request_body,
)

NAMES = [
    "protectionState",
    "recoveryPointTier",
    "threatStatus",
    "target",
    "subscription",
    "itemPaths",
    "identity",
    "resourceGuard",
]
OTHER_SUBSCRIPTION = SUBSCRIPTION.replace("1", "9")

SNAPSHOT = Tier(kind="InstantRP", status="Valid")
VAULTED = Tier(kind="HardenedRP", status="Valid")
ORIGINAL: Json = {"target": {"location": "original"}, "copyOptions": "Overwrite"}
ITEMS: Json = {"items": [{"path": "a/b.txt", "type": "File"}]}
PASSED, WARNING, REFUSED = Outcome.PASSED, Outcome.WARNING, Outcome.REFUSED


def elsewhere(account: str = OTHER_ACCOUNT, share: str = "drydock", **fields: str) -> Json:
    """An alternate target."""
    target = {"location": "alternate", "storageAccountId": account, "fileShare": share, **fields}
    return {"target": target}


def items(*paths: str, kind: str = "File") -> Json:
    return {"items": [{"path": path, "type": kind} for path in paths]}


def checks(
    changes: Json | None = None, *, api_version: str = IDENTITY_VERSION, **decision: Any
) -> list[Check]:
    """Look at the good request with changes, and changes of what it was decided to be."""
    found: Json = {"protection_state": "Protected", "tiers": (SNAPSHOT,)}
    record, made = decided(request_body(**changes or {}), **found | decision)
    return preflight(record, made, api_version=api_version)


def check(
    name: str,
    changes: Json | None = None,
    *,
    api_version: str = IDENTITY_VERSION,
    **decision: Any,
) -> Check:
    """Return one check; nothing else may refuse or warn."""
    found = checks(changes, api_version=api_version, **decision)
    assert [one.name for one in found if one.outcome is not PASSED] in ([], [name])
    return next(one for one in found if one.name == name)


def test_every_check_is_there_and_passes_where_all_is_well() -> None:
    found = checks()
    assert [one.name for one in found] == NAMES
    assert {one.outcome for one in found} == {PASSED}
    assert all(one.message and not one.advice for one in found)


@given(
    changes=st.builds(
        lambda target, rest, identity: target | rest | identity,
        st.sampled_from(
            [ORIGINAL, elsewhere(), elsewhere(ACCOUNT, "ledgers"), elsewhere(folder="b.")]
        ),
        st.sampled_from([{}, ITEMS, {"copyOptions": "Skip"}]),
        st.sampled_from([{}, {"identity": {"type": "systemAssigned"}}]),
    ),
    decision=st.fixed_dictionaries(
        {
            "item_soft_deleted": st.booleans(),
            "protection_state": st.sampled_from(["", "Protected", "IRPending"]) | st.text(),
            "tiers": st.lists(
                st.builds(
                    Tier,
                    kind=st.sampled_from(["InstantRP", "HardenedRP", "ArchivedRP", ""]) | st.text(),
                    status=st.sampled_from(["Valid", "Deleted", ""]) | st.text(),
                ),
                max_size=3,
            ).map(tuple),
            "threat_status": st.sampled_from(["", "Healthy", "UnHealthy"]) | st.text(),
            "guard_requests": st.sampled_from([None, (), ("/a/guard",)]),
            "share": st.sampled_from(["ledgers", "Ledgers"]) | st.text(),
        }
    ),
    api_version=st.sampled_from(["2025-02-01", IDENTITY_VERSION]),
)
def test_every_check_is_there_once_whatever_it_says(
    changes: Json, decision: dict[str, Any], api_version: str
) -> None:
    found = checks(changes, api_version=api_version, **decision)
    assert Counter(one.name for one in found) == Counter(NAMES)
    for one in found:
        assert one.outcome in {PASSED, WARNING, REFUSED}
        assert one.message
        assert bool(one.advice) is (one.outcome is REFUSED)


def test_a_check_is_shown_with_its_advice_where_it_has_one() -> None:
    one = Check(name="target", outcome=REFUSED, message="No.", advice="Do.")
    shown = {"name": "target", "result": "refused", "message": "No.", "advice": "Do."}
    assert one.shown() == shown
    assert Check(name="a", outcome=Outcome.WAITING, message="b").shown() == {
        "name": "a",
        "result": "waiting",
        "message": "b",
    }


# protectionState


@pytest.mark.parametrize("state", ["Protected", "ProtectionStopped", ""])
def test_a_soft_deleted_item_is_refused_in_any_state(state: str) -> None:
    assert check("protectionState", item_soft_deleted=True, protection_state=state) == Check(
        name="protectionState",
        outcome=REFUSED,
        message="The protected item of the share ledgers is soft-deleted.",
        advice="Undelete the protected item in the vault, then send a new request.",
    )


@pytest.mark.parametrize(
    "state", ["IRPending", "ProtectionError", "ProtectionPaused", "BackupsSuspended", "Invalid"]
)
def test_a_state_that_restores_are_not_known_to_work_in_is_a_warning(state: str) -> None:
    found = check("protectionState", protection_state=state)
    assert found.outcome is WARNING
    assert found.message == f"The protection state of the share is {state}."


@pytest.mark.parametrize("state", ["Protected", "protected", "ProtectionStopped", ""])
def test_a_share_whose_protection_runs_or_was_stopped_can_be_restored(state: str) -> None:
    found = check("protectionState", protection_state=state)
    assert found.outcome is PASSED
    assert found.message == f"The protection state is {state or 'not told'}."


# recoveryPointTier

SHAPES: dict[str, Json] = {
    "full share back": ORIGINAL,
    "full share elsewhere": elsewhere(),
    "full share into a folder": elsewhere(folder="back"),
    "items back": ORIGINAL | ITEMS,
    "items elsewhere": elsewhere() | ITEMS,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("copy_options", ["Overwrite", "Skip"])
@pytest.mark.parametrize(
    "tiers",
    [
        (SNAPSHOT,),
        (SNAPSHOT, VAULTED),
        (VAULTED, SNAPSHOT),
        (Tier(kind="instantrp", status="valid"),),
        (Tier(kind="IASnapshotRP", status="Valid"),),
        (SNAPSHOT, Tier(kind="HardenedRP", status="Deleted")),
        (),
    ],
)
def test_a_point_with_a_snapshot_or_of_no_told_tier_restores_every_shape(
    shape: str, copy_options: str, tiers: tuple[Tier, ...]
) -> None:
    request = SHAPES[shape] | {"copyOptions": copy_options}
    assert check("recoveryPointTier", request, tiers=tiers).outcome is PASSED


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        (ORIGINAL, "not to the original location"),
        (ITEMS, "no single items"),
        ({"copyOptions": "Skip"}, "Overwrite only"),
        ({"copyOptions": "CreateCopy"}, "Overwrite only"),
        (ORIGINAL | ITEMS, "not to the original location, no single items"),
        (ORIGINAL | {"copyOptions": "Skip"}, "not to the original location, Overwrite only"),
        (ITEMS | {"copyOptions": "Skip"}, "no single items, Overwrite only"),
        (
            ORIGINAL | ITEMS | {"copyOptions": "Skip"},
            "not to the original location, no single items, Overwrite only",
        ),
    ],
)
@pytest.mark.parametrize(
    "tiers",
    [
        (VAULTED,),
        (Tier(kind="hardenedrp", status="VALID"),),
        (VAULTED, Tier(kind="InstantRP", status="Deleted")),
        (VAULTED, Tier(kind="ArchivedRP", status="Valid")),
    ],
)
def test_a_point_in_the_vault_alone_restores_no_more_than_it_can(
    changes: Json, wrong: str, tiers: tuple[Tier, ...]
) -> None:
    found = check("recoveryPointTier", changes, tiers=tiers)
    assert found == Check(
        name="recoveryPointTier",
        outcome=REFUSED,
        message="The recovery point is kept in the vault alone, which restores full shares to an "
        f"alternate location: {wrong}.",
        advice="Send a new request for the full share to an alternate location with copyOptions "
        "Overwrite, or for a recovery point that has a snapshot.",
    )


@pytest.mark.parametrize(
    "changes",
    [{}, {"copyOptions": "Overwrite"}, elsewhere(folder="back"), elsewhere(ACCOUNT, "drydock")],
)
def test_a_point_in_the_vault_alone_restores_a_full_share_to_an_empty_one(changes: Json) -> None:
    assert check("recoveryPointTier", changes, tiers=(VAULTED,)) == Check(
        name="recoveryPointTier",
        outcome=WARNING,
        message="The recovery point is kept in the vault alone: the target share must be empty, "
        "which cannot be seen from here.",
    )


@pytest.mark.parametrize(
    ("tiers", "told"),
    [
        ((Tier(kind="InstantRP", status="Deleted"),), "InstantRP Deleted"),
        ((Tier(kind="HardenedRP", status="Disabled"),), "HardenedRP Disabled"),
        (
            (Tier(kind="InstantRP", status="Invalid"), Tier(kind="HardenedRP", status="Deleted")),
            "InstantRP Invalid, HardenedRP Deleted",
        ),
        ((Tier(kind="InstantRP", status=""),), "InstantRP"),
    ],
)
def test_a_point_without_a_valid_copy_is_refused(tiers: tuple[Tier, ...], told: str) -> None:
    assert check("recoveryPointTier", tiers=tiers) == Check(
        name="recoveryPointTier",
        outcome=REFUSED,
        message=f"No copy of the recovery point can be used ({told}).",
        advice="Send a new request for another recovery point.",
    )


@pytest.mark.parametrize("kind", ["ArchivedRP", "TapeRP", ""])
def test_a_point_of_an_unknown_kind_is_a_warning(kind: str) -> None:
    found = check("recoveryPointTier", ORIGINAL | ITEMS, tiers=(Tier(kind=kind, status="Valid"),))
    assert found.outcome is WARNING
    assert found.message.startswith("The recovery point is of a kind that is not known here (")


# threatStatus


@pytest.mark.parametrize("status", ["UnHealthy", "unhealthy", "Warning"])
def test_a_point_that_may_hold_a_threat_is_a_warning(status: str) -> None:
    assert check("threatStatus", threat_status=status) == Check(
        name="threatStatus",
        outcome=WARNING,
        message=f"The recovery point's threat status is {status}.",
    )


@pytest.mark.parametrize("status", ["Healthy", "Unknown", "NotAvailable", ""])
def test_a_point_of_which_no_threat_is_known_passes(status: str) -> None:
    found = check("threatStatus", threat_status=status)
    assert found.outcome is PASSED
    assert found.message == f"The recovery point's threat status is {status or 'not told'}."


# target


@pytest.mark.parametrize(
    ("account", "listed"),
    [(ACCOUNT, "ledgers"), (ACCOUNT.replace("quay", "QUAY"), "ledgers"), (ACCOUNT, "Ledgers")],
)
@pytest.mark.parametrize("more", [{}, ITEMS])
def test_an_alternate_target_that_is_the_source_share_is_refused(
    account: str, listed: str, more: Json
) -> None:
    request = elsewhere(account, "ledgers") | more
    assert check("target", request, share=listed) == Check(
        name="target",
        outcome=REFUSED,
        message="The alternate target is the source share itself.",
        advice='Send target {"location": "original"} with copyOptions, or name a folder or '
        "another share.",
    )


@pytest.mark.parametrize("listed", ["ledgers", "Ledgers"])
@pytest.mark.parametrize("account", [ACCOUNT, ACCOUNT.replace("quay", "QUAY")])
def test_a_folder_of_the_source_share_is_a_warning(account: str, listed: str) -> None:
    request = elsewhere(account, "ledgers", folder="back")
    assert check("target", request, share=listed) == Check(
        name="target", outcome=WARNING, message="The target is a folder of the source share."
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (ORIGINAL, "The original location."),
        (elsewhere(), "Another share than the source."),
        (elsewhere(folder="back"), "Another share than the source."),
        (elsewhere(OTHER_ACCOUNT, "ledgers"), "Another share than the source."),
        (elsewhere(ACCOUNT, "drydock"), "Another share than the source."),
    ],
)
def test_the_original_location_and_another_share_pass(changes: Json, message: str) -> None:
    assert check("target", changes) == Check(name="target", outcome=PASSED, message=message)


# subscription

ABROAD = elsewhere(OTHER_ACCOUNT.replace(SUBSCRIPTION, OTHER_SUBSCRIPTION))


@pytest.mark.parametrize(
    "tiers", [(), (SNAPSHOT,), (SNAPSHOT, Tier(kind="HardenedRP", status="Deleted"))]
)
def test_another_subscription_without_a_copy_in_the_vault_is_a_warning(
    tiers: tuple[Tier, ...],
) -> None:
    assert check("subscription", ABROAD, tiers=tiers) == Check(
        name="subscription",
        outcome=WARNING,
        message="The target is in another subscription, and the recovery point has no copy in the "
        "vault: Azure Backup may refuse it.",
    )


def test_another_subscription_passes_where_the_vault_has_a_copy() -> None:
    found = check("subscription", ABROAD, tiers=(SNAPSHOT, VAULTED))
    assert found.outcome is PASSED
    assert found.message == "The target is in another subscription; the vault has a copy."


@pytest.mark.parametrize("changes", [ORIGINAL, elsewhere()])
def test_the_subscription_of_the_vault_passes(changes: Json) -> None:
    assert check("subscription", changes) == Check(
        name="subscription",
        outcome=PASSED,
        message="The target is in the vault's subscription.",
    )


def test_a_subscription_is_the_same_in_either_case() -> None:
    lettered = "abcdef12-3333-4444-8555-666677778888"
    for ours, theirs in ((lettered, lettered.upper()), (lettered.upper(), lettered)):
        item, account = (
            ITEM.replace(SUBSCRIPTION, ours),
            OTHER_ACCOUNT.replace(SUBSCRIPTION, theirs),
        )
        found = check("subscription", item_id=item, target_account_id=account)
        assert found.outcome is PASSED


# itemPaths


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        (items("a./b.txt"), "'a./b.txt'"),
        (items("ok.txt", "a/b.../c/d.txt"), "'a/b.../c/d.txt'"),
        (items("a/b.", kind="Directory"), "'a/b.'"),
        (items("\u00e9./b.txt"), r"'\xe9./b.txt'"),
        (elsewhere(folder="back/2026."), "'back/2026.'"),
        (elsewhere(folder="back.") | ITEMS, "'back.'"),
    ],
)
def test_a_folder_whose_name_ends_in_a_dot_is_a_warning(changes: Json, shown: str) -> None:
    assert check("itemPaths", changes) == Check(
        name="itemPaths",
        outcome=WARNING,
        message=f"A folder's name ends in a dot, which can make the restore fail: {shown}",
    )


@pytest.mark.parametrize(
    ("folder", "item", "kind"),
    [
        ("a", "a/b.txt", "File"),
        ("a", "a/b/c", "Directory"),
        ("A/b", "a/B/c/d.txt", "File"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_an_item_of_a_folder_that_is_listed_too_is_a_warning(
    folder: str, item: str, kind: str, turned: bool
) -> None:
    listed = [{"path": folder, "type": "Directory"}, {"path": item, "type": kind}]
    found = check("itemPaths", {"items": listed[::-1] if turned else listed})
    assert found.outcome is WARNING
    assert found.message == f"An item lies in a folder that is listed, too: {item!a}"


@pytest.mark.parametrize(
    "changes",
    [
        items("a.txt"),
        items("a.b/.c/d..e/f"),
        items("file-that-ends-in-a-dot."),
        items("a", "ab", "b/a", kind="Directory"),
        items("a", "a.txt", "b/a/c.txt"),
        elsewhere(folder="back/v1.0"),
        elsewhere(folder="back") | items("back/a.txt"),
    ],
)
def test_plain_paths_pass(changes: Json) -> None:
    assert check("itemPaths", changes).outcome is PASSED


def test_what_passes_says_how_much_is_restored() -> None:
    assert check("itemPaths").message == "The full share."
    assert check("itemPaths", items("a", "b")).message == "2 items."


# identity

SYSTEM: Json = {"identity": {"type": "systemAssigned"}}
USER: Json = {"identity": {"type": "userAssigned", "id": IDENTITY}}


@pytest.mark.parametrize("changes", [SYSTEM, USER])
@pytest.mark.parametrize("version", ["2025-02-01", "2026-06-30", "2016-12-01-preview"])
def test_an_identity_is_refused_where_the_api_is_older(changes: Json, version: str) -> None:
    assert check("identity", changes, api_version=version) == Check(
        name="identity",
        outcome=REFUSED,
        message=f"The version {version} of the API does not support `identity`.",
        advice="Set RESTORE_ARM_API_VERSION to 2026-07-01 or later, or leave identity out.",
    )


@pytest.mark.parametrize("changes", [SYSTEM, USER])
@pytest.mark.parametrize("version", [IDENTITY_VERSION, "2027-01-01"])
def test_an_identity_passes_where_the_api_knows_it(changes: Json, version: str) -> None:
    assert check("identity", changes, api_version=version).outcome is PASSED


def test_without_an_identity_the_version_of_the_api_is_no_matter() -> None:
    assert check("identity", api_version="2019-05-13").outcome is PASSED


# resourceGuard


def test_a_resource_guard_that_could_not_be_looked_for_is_a_warning() -> None:
    assert check("resourceGuard", guard_requests=None) == Check(
        name="resourceGuard",
        outcome=WARNING,
        message="Whether a Resource Guard protects restores in this vault could not be read; if "
        "one does, Azure refuses the restore.",
    )


def test_a_resource_guard_passes_and_is_named() -> None:
    found = check("resourceGuard", guard_requests=("/subscriptions/s/guard/request",))
    assert found.outcome is PASSED
    assert found.message == "A Resource Guard protects restores; the call carries its request."


def test_a_vault_without_a_resource_guard_passes() -> None:
    found = check("resourceGuard", guard_requests=())
    assert found.outcome is PASSED
    assert found.message == "No Resource Guard protects restores in this vault."
