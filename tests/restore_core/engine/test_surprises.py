"""What surprises whoever implements this API, one by one, and what the product makes of each.

The numbers are those of the list of surprises that the emulator's tests (tests/local/vault) go by:
they show the service doing it, these show that it does no harm.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from local.vault import EmulatorOptions, VaultEmulator, sample
from restore_core.arm_ids import ArmIdError, ProtectedItemId
from restore_core.azure_backup.backup import AzureBackup, operation_id_of
from restore_core.azure_backup.client import Answer, ArmClient, error_of
from restore_core.azure_backup.wire import read_item, read_job, read_operation, read_time
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Message
from restore_core.domain.record import RestoreRecord
from restore_core.domain.vault import JobEnd, OperationStatus
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import ArmAnswer, SettingsError
from restore_core.settings import Settings
from tests.patience import PATIENCE
from tests.simulators.store import MemoryQueue, MemoryTables, memory_store, rows
from tests.simulators.world import SETTINGS, request

ROOT = Path(__file__).resolve().parents[3]
GROUP = f"/subscriptions/{sample.SUBSCRIPTION}/resourceGroups/{sample.RESOURCE_GROUP}/providers"
OPERATION = "68ccfbc1-a64f-4b29-b955-314b5790cfa9"


class Tokens:
    """Gives numbered tokens and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    def token(self, *, refresh: bool = False) -> str:
        self.asked += 1
        return f"token-{self.asked}"


@dataclass
class Restored:
    """A restore that was run through the real client against the emulator."""

    record: RestoreRecord
    emulator: VaultEmulator
    phases: list[Phase]


Restore = Callable[..., AbstractContextManager[Restored]]


@pytest.fixture
def restore(tmp_path: Path) -> Restore:
    """Run one restore of the sample's share with an emulator of the given options."""

    @contextmanager
    def run(*faults: dict[str, Any], **options: Any) -> Iterator[Restored]:
        settings = replace(
            SETTINGS,
            operation_poll=timedelta(seconds=0.02),
            job_poll=timedelta(seconds=0.02),
            retry_base=timedelta(seconds=0.02),
        )
        tables, phases = MemoryTables(), list[Phase]()
        store = memory_store(tables)
        with VaultEmulator(tmp_path, EmulatorOptions(time_scale=100, **options)) as emulator:
            for fault in faults:
                emulator.inject(fault)
            arm = ArmClient(
                endpoint=emulator.url,
                api_version="2026-07-01",
                tokens=None,
                connect_limit=timedelta(seconds=PATIENCE),
                answer_limit=timedelta(seconds=PATIENCE),
            )
            app = Reconciler(
                vaults=AzureBackup(arm, name_cache=timedelta(0)),
                store=store,
                completions=MemoryQueue(),
                settings=settings,
            )
            source = {
                "storageAccountId": (
                    f"{GROUP}/Microsoft.Storage/storageAccounts/{sample.ACCOUNT.upper()}"
                ),
                "fileShare": sample.SHARE,
            }
            vault = f"{GROUP}/Microsoft.RecoveryServices/vaults/{sample.VAULT.upper()}"
            now = datetime.now(UTC)
            body = json.dumps(request(vaultId=vault, source=source)).encode()
            app.handle(Message(id="m1", body=body, inserted_at=now), now)
            stored = None
            for _ in range(500):
                stored = store.load("r1", "r1")
                assert stored is not None
                phases.append(stored.record.phase)
                if not rows(tables, "openrestores"):
                    break
                time.sleep(0.02)
                app.sweep(datetime.now(UTC))
            arm.close()
            assert stored is not None
            yield Restored(record=stored.record, emulator=emulator, phases=phases)

    return run


@pytest.mark.parametrize("era", [2019, 2021, 2024, 2026])
def test_a_service_of_any_year_is_followed_to_the_end(restore: Restore, era: int) -> None:
    with restore(era=str(era)) as restored:
        assert restored.record.phase is Phase.COMPLETED
        (job,) = restored.record.jobs
        assert (job.files.restored or 0) > 0
        assert (job.directories.restored is not None) == (era == 2026)


def test_01_a_field_that_is_absent_is_not_known_and_no_error() -> None:
    job = read_job({"name": "j1", "properties": {"status": "InProgress"}})
    assert job is not None
    assert (job.end, job.end_time, job.errors, job.files.restored) == (None, None, (), None)


@pytest.mark.parametrize(("actions", "can"), [([1], True), (["Cancellable"], True), ([2], False)])
def test_02_actions_are_read_as_numbers_and_as_words(actions: list[object], can: bool) -> None:
    job = read_job({"name": "j1", "properties": {"actionsInfo": actions, "status": "Completed"}})
    assert job is not None
    assert (job.cancellable, job.end) == (can, JobEnd.COMPLETED)


@pytest.mark.parametrize("digits", range(8))
def test_03_times_are_read_with_any_number_of_digits(digits: int) -> None:
    fraction = "." + "1234567"[:digits] if digits else ""
    read = read_time(f"2026-02-05T07:43:47{fraction}Z")
    assert read is not None
    assert read.tzinfo is UTC


def test_03_the_zoneless_year_one_is_no_time() -> None:
    assert read_time("0001-01-01T00:00:00") is None


def test_04_american_times_and_durations_are_nobodys_business() -> None:
    assert read_time("2/18/2021 5:45:36 AM") is None
    assert read_time("PT33.1074771S") is None


def test_05_06_ids_are_the_same_in_any_casing(restore: Restore) -> None:
    with restore(era="2019") as restored:
        assert restored.record.decision is not None
        assert restored.record.decision.item_id.startswith("/subscriptions/")
        assert restored.record.phase is Phase.COMPLETED


def test_07_of_a_signed_url_only_the_operations_id_is_kept(restore: Restore) -> None:
    with restore() as restored:
        text = restored.record.to_json()
        assert restored.record.part.operation_id is not None
        assert "operationsStatus" not in text
        assert len(text) < 8000


def test_08_no_answer_that_asks_to_come_back_for_ever_is_ever_asked_for(restore: Restore) -> None:
    with restore() as restored:
        asked = {entry.operation for entry in restored.emulator.log}
        assert asked.isdisjoint({"item_operation_result", "operation_result"})


def test_09_support_is_given_the_correlation_id() -> None:
    error = ArmAnswer(status=500, code="RestApiInternalError", request_id="c0ffee")
    assert "x-ms-correlation-request-id c0ffee" in str(error)


def test_10_11_doubled_headers_name_one_operation() -> None:
    url = f"https://management.azure.com/v/operationsStatus/{OPERATION}?api-version=2019-05-13"
    answer = Answer(status=202, headers={"Azure-AsyncOperation": f"{url}, {url}"}, body={})
    assert operation_id_of(answer) == OPERATION


def test_12_headers_that_are_new_change_nothing() -> None:
    url = f"https://management.azure.com/v/operationsStatus/{OPERATION}"
    headers = {"X-Cache": "CONFIG_NOCACHE", "Azure-AsyncOperation": url}
    assert operation_id_of(Answer(status=202, headers=headers, body={})) == OPERATION


def test_13_a_job_that_cannot_be_read_once_is_read_again(restore: Restore) -> None:
    broken = {"kind": "status", "status": 500, "code": "RestApiInternalError"}
    with restore({"on": "job", "times": 2, "action": broken}) as restored:
        assert restored.record.phase is Phase.COMPLETED
        assert len(restored.emulator.jobs()) == 1


def test_14_both_spellings_of_cancelled_are_known() -> None:
    assert read_operation({"status": "Canceled"}).status is OperationStatus.CANCELED
    job = read_job({"name": "j1", "properties": {"status": "Cancelled"}})
    assert job is not None
    assert job.end is JobEnd.CANCELLED


def test_15_an_operation_that_succeeded_is_no_restore_that_completed(restore: Restore) -> None:
    with restore() as restored:
        assert Phase.JOB_IN_PROGRESS in restored.phases
        assert restored.phases[-1] is Phase.COMPLETED


def test_16_counts_are_announced_when_the_job_has_ended_and_not_before(restore: Restore) -> None:
    with restore() as restored:
        assert restored.record.event is not None
        assert restored.record.finished_at is not None
        (job,) = restored.record.jobs
        assert job.end_time is not None


def test_17_fields_that_tell_nothing_are_not_read() -> None:
    def job(**noise: object) -> object:
        return read_job({"name": "j1", "properties": {"status": "InProgress", **noise}})

    assert job() == job(isUserTriggered=True, storageAccountVersion="ClassicCompute")


def test_18_a_token_is_asked_for_with_every_call_since_jobs_run_for_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = Tokens()
    with VaultEmulator(tmp_path, EmulatorOptions(https=True, require_auth=True)) as emulator:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
        arm = ArmClient(
            endpoint=emulator.url,
            api_version="2026-07-01",
            tokens=tokens,
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
        )
        vault = f"{GROUP}/Microsoft.RecoveryServices/vaults/{sample.VAULT}"
        for _ in range(3):
            arm.get(arm.url(f"{vault}/backupJobs"))
        arm.close()
    assert tokens.asked == 3


def test_19_urls_are_built_and_not_pasted_from_the_document(restore: Restore) -> None:
    with restore() as restored:
        (post,) = [entry for entry in restored.emulator.log if entry.method == "POST"]
        assert "'" not in post.path
        assert post.query == "api-version=2026-07-01"


def test_20_the_id_of_a_protectable_item_is_refused_with_that_word() -> None:
    item = (
        f"{GROUP}/Microsoft.RecoveryServices/vaults/v1/backupFabrics/Azure/protectionContainers/"
        "storagecontainer;storage;rg;sa/protectableItems/azurefileshare;share1"
    )
    with pytest.raises(ArmIdError, match="/protectedItems/"):
        ProtectedItemId.parse(item)


def test_21_no_management_sdk_is_needed_to_run() -> None:
    requirements = (ROOT / "requirements.txt").read_text()
    assert "azure-mgmt" not in requirements
    banned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "requests" in banned["flake8-tidy-imports"]["banned-api"]


def test_22_jobs_are_read_from_the_vault_and_not_from_resource_graph(restore: Restore) -> None:
    with restore() as restored:
        assert all(
            "Microsoft.RecoveryServices/vaults" in entry.path for entry in restored.emulator.log
        )


def test_23_an_id_that_is_no_arm_id_is_not_taken_for_one() -> None:
    operation = read_operation(
        {"id": OPERATION, "status": "Succeeded", "properties": {"jobId": "j1"}}
    )
    assert operation.job_ids == ("j1",)
    vault = ProtectedItemId.parse(
        f"{GROUP}/Microsoft.RecoveryServices/vaults/v1/backupFabrics/Azure/protectionContainers/"
        "StorageContainer;Storage;rg;sa/protectedItems/AzureFileShare;abc"
    )
    row = {
        "id": str(vault),
        "properties": {"vaultId": f"https://management.azure.com{vault.vault}"},
    }
    item = read_item(row, vault.vault)
    assert item is not None
    assert item.id == vault


def test_24_a_limit_that_the_documents_changed_is_a_setting() -> None:
    given = {"RestoreStorage": "x", "RESTORE_TRACKING_LIMIT_HOURS": "400"}
    assert Settings.read(given).tracking_limit == timedelta(hours=400)
    with pytest.raises(SettingsError):
        Settings.read({**given, "RESTORE_TRACKING_LIMIT_HOURS": "soon"})


def test_an_error_is_read_in_all_three_shapes() -> None:
    nested = {"error": {"code": "A", "message": "b"}}
    pascal = {"Error": {"Code": "A", "Message": "b"}}
    flat = {"code": "A", "message": "b"}
    assert error_of(nested) == error_of(pascal) == error_of(flat) == ("A", "b")
    assert error_of({}) == ("", "")
