from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.azure_backup.payload import body_text, restore_body
from tests.restore_core.given import ACCOUNT, IDENTITY, OTHER_ACCOUNT, Json, request_of

ORIGINAL: Json = {"target": {"location": "original"}, "copyOptions": "Overwrite"}
ALTERNATE: Json = {
    "target": {
        "location": "alternate",
        "storageAccountId": OTHER_ACCOUNT,
        "fileShare": "drydock",
    }
}
INTO_FOLDER: Json = {"target": ALTERNATE["target"] | {"folder": "back/2026"}}
ITEMS: Json = {
    "items": [
        {"path": "a/b.txt", "type": "File"},
        {"path": "a", "type": "Directory"},
    ]
}
TARGET_DETAILS = {"name": "drydock", "targetResourceId": OTHER_ACCOUNT}


def properties(**changes: object) -> Any:  # the JSON of a body
    body = restore_body(request_of(**changes), source_account_id=ACCOUNT)
    assert set(body) == {"properties"}
    assert json.loads(body_text(body)) == body
    return body["properties"]


def shape(recovery: str, restore: str, **more: object) -> Json:
    return {
        "objectType": "AzureFileShareRestoreRequest",
        "recoveryType": recovery,
        "sourceResourceId": ACCOUNT,
        "copyOptions": "Overwrite",
        "restoreRequestType": restore,
        **more,
    }


@pytest.mark.parametrize(
    ("changes", "body"),
    [
        (ORIGINAL, shape("OriginalLocation", "FullShareRestore")),
        (
            ALTERNATE,
            shape("AlternateLocation", "FullShareRestore", targetDetails=TARGET_DETAILS),
        ),
        (
            INTO_FOLDER,
            shape(
                "AlternateLocation",
                "FullShareRestore",
                restoreFileSpecs=[{"targetFolderPath": "back/2026"}],
                targetDetails=TARGET_DETAILS,
            ),
        ),
        (
            ORIGINAL | ITEMS,
            shape(
                "OriginalLocation",
                "ItemLevelRestore",
                restoreFileSpecs=[
                    {"path": "a/b.txt", "fileSpecType": "File", "targetFolderPath": None},
                    {"path": "a", "fileSpecType": "Directory", "targetFolderPath": None},
                ],
                targetDetails=None,
            ),
        ),
        (
            INTO_FOLDER | ITEMS,
            shape(
                "AlternateLocation",
                "ItemLevelRestore",
                restoreFileSpecs=[
                    {"path": "a/b.txt", "fileSpecType": "File", "targetFolderPath": "back/2026"},
                    {"path": "a", "fileSpecType": "Directory", "targetFolderPath": "back/2026"},
                ],
                targetDetails=TARGET_DETAILS,
            ),
        ),
        (
            ALTERNATE | ITEMS,
            shape(
                "AlternateLocation",
                "ItemLevelRestore",
                restoreFileSpecs=[
                    {"path": "a/b.txt", "fileSpecType": "File", "targetFolderPath": None},
                    {"path": "a", "fileSpecType": "Directory", "targetFolderPath": None},
                ],
                targetDetails=TARGET_DETAILS,
            ),
        ),
    ],
    ids=["whole-back", "whole-to", "whole-into", "items-back", "items-into", "items-to"],
)
def test_the_shapes_of_a_restore(changes: Json, body: Json) -> None:
    assert properties(**changes) == body


@pytest.mark.parametrize("changes", [ORIGINAL, ALTERNATE, ITEMS])
def test_copy_options_go_out_as_given(changes: Json) -> None:
    assert properties(**(changes | {"copyOptions": "Skip"}))["copyOptions"] == "Skip"


@pytest.mark.parametrize(
    ("identity", "info"),
    [
        ({"type": "systemAssigned"}, {"isSystemAssignedIdentity": True}),
        (
            {"type": "userAssigned", "id": IDENTITY},
            {"isSystemAssignedIdentity": False, "managedIdentityResourceId": IDENTITY},
        ),
    ],
)
def test_an_identity_goes_out_as_identity_info(identity: Json, info: Json) -> None:
    assert properties(identity=identity)["identityInfo"] == info
    assert "identityInfo" not in properties()


@given(st.lists(st.from_regex(r"[a-zß🎉]{1,9}", fullmatch=True), min_size=1, unique=True))
def test_a_body_is_ascii_and_holds_every_path_in_its_order(paths: list[str]) -> None:
    request = request_of(items=[{"path": path, "type": "File"} for path in paths])
    text = body_text(restore_body(request, source_account_id=ACCOUNT))
    assert text.isascii()
    specs = json.loads(text)["properties"]["restoreFileSpecs"]
    assert [spec["path"] for spec in specs] == paths
