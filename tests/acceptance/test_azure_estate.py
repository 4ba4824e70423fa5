"""The estate in Azure, on a strict service: made once, found again, and taken away whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.arm import ArmError
from tests.acceptance.azure_stage import NAMES, MemoryFiles, estate_on, token
from tests.acceptance.estate import EstateError
from tests.acceptance.fake_azure import FakeAzure, direct, serving, zip_names
from tests.acceptance.fake_world import World
from tests.acceptance.pace import OutOfTimeError
from tests.acceptance.place import FILES

PARTS = 4
"""The calls at which a run dies are spread over so many tests, which can run side by side."""


@pytest.fixture
def azure() -> Iterator[FakeAzure]:
    """The service, empty."""
    with serving(FakeAzure(token=token())) as azure:
        yield azure
        assert azure.problems == []


def whole(azure: FakeAzure, folder: Path, files: MemoryFiles) -> None:
    """One start of a run, as far as the estate goes."""
    with estate_on(azure, folder, files) as estate:
        estate.prepare()
        estate.deploy().close()
        estate.tear_down()


def left(world: World) -> list[str]:
    """What is still there; a role of the whole subscription is somebody else's."""
    return [key for key in world.resources if not key.endswith("/roledefinitions/bbbb")]


def test_an_estate_is_made_with_files_backup_app_and_rules(
    azure: FakeAzure, tmp_path: Path
) -> None:
    files = MemoryFiles()
    with estate_on(azure, tmp_path, files) as estate:
        estate.prepare()
        estate.deploy().close()

        assert files.read_all(estate.place.source) == FILES
        assert len(azure.world.points) == 1
        assert zip_names(azure.world.published) == ["function_app.py", "restore-guards.json"]
        roles = [key for key in azure.world.resources if "/roleassignments/" in key]
        assert len(roles) == 2 + 4 + 1


def test_a_second_start_changes_nothing_that_is_there(azure: FakeAzure, tmp_path: Path) -> None:
    files = MemoryFiles()
    with estate_on(azure, tmp_path, files) as estate:
        estate.prepare()
    done = len(azure.methods)
    with estate_on(azure, tmp_path, files) as estate:
        estate.prepare()
    assert set(azure.methods[done:]) == {"GET", "PUT"}
    assert azure.methods[done:].count("PUT") == 1, "the resource group alone"
    assert len(azure.world.points) == 1


def test_nothing_is_left_after_a_teardown(azure: FakeAzure, tmp_path: Path) -> None:
    whole(azure, tmp_path, MemoryFiles())
    assert left(azure.world) == []


def test_a_teardown_of_nothing_is_no_error(azure: FakeAzure, tmp_path: Path) -> None:
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        assert estate.tear_down() == []


def calls_of_a_whole_run(folder: Path) -> list[str]:
    azure = direct(FakeAzure(token=token()))
    whole(azure, folder, MemoryFiles())
    return azure.methods


@pytest.mark.parametrize("part", range(PARTS))
def test_a_run_that_dies_at_any_call_is_made_whole_by_the_next(tmp_path: Path, part: int) -> None:
    methods = calls_of_a_whole_run(tmp_path / "whole")
    assert len(methods) > 80
    ways = [
        (number, after)
        for number, method in enumerate(methods)
        # Whether a read was answered makes no difference to the service.
        for after in ((False,) if method == "GET" else (False, True))
    ]
    for number, after in ways[part::PARTS]:
        folder = tmp_path / f"{number}-{after}"
        files = MemoryFiles()
        azure = direct(FakeAzure(token=token(), fails_at=number, after=after))
        with pytest.raises((ArmError, EstateError, OutOfTimeError)):
            whole(azure, folder, files)
        azure.fails_at = None

        whole(azure, folder, files)

        assert azure.problems == [], (number, after)
        assert left(azure.world) == [], (number, after)


def test_backup_data_that_is_soft_deleted_is_told_and_does_not_stop_the_rest(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.world.soft_delete = True
    with estate_on(azure, tmp_path, MemoryFiles(), vaulted=True) as estate:
        estate.prepare()
        kept = estate.tear_down()
    assert [one.what for one in kept] == ["the share's backup data", f"the vault {NAMES.vault}"]
    assert "13.23:59:59" in kept[0].why
    assert left(azure.world) == []


def test_a_vault_that_azure_keeps_is_reported_and_the_accounts_are_deleted(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.world.soft_delete = azure.world.keeps_container = True
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        estate.prepare()
        with pytest.raises(EstateError, match="ServiceResourceNotEmptyWithContainerDetails"):
            estate.tear_down()
    assert not [key for key in azure.world.resources if "/storageaccounts/" in key]

    azure.world.keeps_container = False  # some days later
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        estate.tear_down()
    assert left(azure.world) == []


def test_a_lock_on_an_account_is_removed(azure: FakeAzure, tmp_path: Path) -> None:
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        estate.prepare()
        account = NAMES.account_id(NAMES.source_account)
        lock = f"{account}/providers/Microsoft.Authorization/locks/AzureBackupProtectionLock"
        azure.world.resources[lock.lower()] = {"id": lock, "properties": {"level": "CanNotDelete"}}
        estate.tear_down()
    assert left(azure.world) == []


@pytest.mark.parametrize("group", [NAMES.group_id, NAMES.app_group_id])
def test_a_resource_group_of_somebody_else_is_never_touched(
    azure: FakeAzure, tmp_path: Path, group: str
) -> None:
    azure.world.resources[group.lower()] = {"id": group, "tags": {"owner": "somebody else"}}
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        with pytest.raises(EstateError, match="choose another run name"):
            estate.prepare()
        assert estate.tear_down() == []
    assert set(azure.methods) == {"GET"}
    assert left(azure.world) == [group.lower()]


def test_a_provider_that_is_not_registered_is_told_with_its_command(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.world.unregistered = {"microsoft.recoveryservices"}
    with estate_on(azure, tmp_path, MemoryFiles()) as estate, pytest.raises(EstateError) as told:
        estate.prepare()
    assert "az provider register --namespace Microsoft.RecoveryServices" in str(told.value)
    assert set(azure.methods) == {"GET"}


def test_a_backup_that_fails_is_told_with_its_error(azure: FakeAzure, tmp_path: Path) -> None:
    azure.world.failing_job = "Backup"
    with (
        estate_on(azure, tmp_path, MemoryFiles()) as estate,
        pytest.raises(EstateError, match=r"the backup ended as Failed .* it went wrong"),
    ):
        estate.prepare()


def test_an_identity_that_is_not_known_everywhere_yet_is_waited_for(
    azure: FakeAzure, tmp_path: Path
) -> None:
    azure.world.unknown_principals = 3
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        estate.prepare()
    assert azure.world.unknown_principals == 0
