"""The published client of Azure Backup, unchanged, against the emulator."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.mgmt.recoveryservicesbackup import RecoveryServicesBackupClient
from azure.mgmt.recoveryservicesbackup.models import (
    AzureFileShareRestoreRequest,
    RestoreFileSpecs,
    RestoreRequestResource,
    TargetAFSRestoreInfo,
)

from local.vault import Job
from local.vault.ticks import to_datetime
from tests.local.vault.arm import (
    ACCOUNT_IDS,
    CLIENT_ID,
    POINT,
    SUBSCRIPTION,
    Arm,
    body,
    tree,
)
from tests.local.vault.conftest import Serve
from tests.patience import PATIENCE

HOME = ("Vault1", "Vaults")
FABRIC = "Azure"


class _Plain(SansIOHTTPPolicy):  # type: ignore[type-arg]
    """A token over plain http, which the client's own policy refuses even for loopback."""

    def on_request(self, request: PipelineRequest) -> None:  # type: ignore[type-arg]
        request.http_request.headers["Authorization"] = "Bearer made-up"


class _NoCredential:
    def get_token(self, *_scopes: str, **_options: object) -> None:
        raise AssertionError("no token is asked for over plain http")


@pytest.fixture
def served(serve: Serve) -> Arm:
    arm = serve(require_auth=True, page_size=3, retry_after=1.0)
    arm.session.headers["Authorization"] = "Bearer made-up"
    return arm


@pytest.fixture
def client(served: Arm) -> Iterator[RecoveryServicesBackupClient]:
    with RecoveryServicesBackupClient(
        _NoCredential(),  # type: ignore[arg-type]
        SUBSCRIPTION,
        base_url=served.emulator.url,
        authentication_policy=_Plain(),
        polling_interval=1,
    ) as client:
        yield client


def _names(arm: Arm) -> tuple[str, str, str, str, str]:
    item = arm.vault.items[0]
    return (*HOME, FABRIC, item.container_name, item.item_name)


def _begin(client: RecoveryServicesBackupClient, arm: Arm, request: RestoreRequestResource) -> Job:
    poller = client.restores.begin_trigger(
        *_names(arm), POINT, request, headers={"x-ms-client-request-id": CLIENT_ID}
    )
    poller.result(timeout=PATIENCE)
    return arm.wait(arm.emulator.jobs()[0])


def test_it_lists_items_and_points(client: RecoveryServicesBackupClient, served: Arm) -> None:
    condition = "backupManagementType eq 'AzureStorage' and itemType eq 'AzureFileShare'"
    (item,) = client.backup_protected_items.list(*HOME, filter=condition)
    assert item.properties is not None
    assert type(item.properties).__name__ == "AzureFileshareProtectedItem"
    assert item.properties["friendlyName"] == "data"
    assert client.protected_items.get(*_names(served)).name == item.name
    points = list(client.recovery_points.list(*_names(served)))
    assert [point.name for point in points] == [point.id for point in served.vault.items[0].points]
    first = points[0].properties
    assert first is not None
    expected = to_datetime(served.vault.items[0].points[0].time)
    assert first.recovery_point_time == expected  # type: ignore[attr-defined]
    assert client.recovery_points.get(*_names(served), POINT).name == POINT


def test_it_restores_to_the_end(client: RecoveryServicesBackupClient, served: Arm) -> None:
    properties = AzureFileShareRestoreRequest(
        recovery_type="AlternateLocation",
        source_resource_id=f"{ACCOUNT_IDS}srcaccount",
        copy_options="Overwrite",
        restore_request_type="FullShareRestore",
        restore_file_specs=[RestoreFileSpecs(target_folder_path="back")],
        target_details=TargetAFSRestoreInfo(
            name="target", target_resource_id=f"{ACCOUNT_IDS}dstaccount"
        ),
    )
    job = _begin(client, served, RestoreRequestResource(properties=properties))
    assert (job.status, job.activity_id) == ("Completed", CLIENT_ID)
    layout = served.emulator.layout
    restored = tree(layout.share("dstaccount", "target") / "back")
    assert restored == tree(layout.snapshot("srcaccount", "data", POINT))


def test_it_restores_items_in_place(client: RecoveryServicesBackupClient, served: Arm) -> None:
    properties = AzureFileShareRestoreRequest(
        recovery_type="OriginalLocation",
        source_resource_id=f"{ACCOUNT_IDS}srcaccount",
        copy_options="Skip",
        restore_request_type="ItemLevelRestore",
        restore_file_specs=[RestoreFileSpecs(path="a.txt", file_spec_type="File")],
    )
    job = _begin(client, served, RestoreRequestResource(properties=properties))
    assert (job.status, job.counts.files_skipped) == ("Completed", 1)


def test_it_follows_an_operation_to_its_job(
    client: RecoveryServicesBackupClient, served: Arm
) -> None:
    job = served.ended(body())
    operation = client.backup_operation_statuses.get(*HOME, job.operation_id)
    assert operation.status == "Succeeded"
    assert operation.properties is not None
    assert operation.properties["jobId"] == job.id
    details = client.job_details.get(*HOME, job.id)
    assert details.properties is not None
    assert details.properties.status == "Completed"
    assert details.properties.activity_id == CLIENT_ID
    extended = details.properties["extendedInfo"]
    assert extended["propertyBag"]["Number Of Restored Files"] == "4"


def test_it_lists_jobs_over_pages(client: RecoveryServicesBackupClient, served: Arm) -> None:
    served.emulator.add_jobs(8)
    served.ended(body())
    condition = "operation eq 'Restore' and backupManagementType eq 'AzureStorage'"
    assert len(list(client.backup_jobs.list(*HOME, filter=condition))) == 9
    completed = list(client.backup_jobs.list(*HOME, filter="status eq 'Completed'"))
    assert len(completed) == 1


def test_it_cancels_a_job(client: RecoveryServicesBackupClient, served: Arm) -> None:
    served.emulator.inject({"on": "restore", "action": {"kind": "outcome", "never_ends": True}})
    job = served.started(body())
    poller = client.job_cancellations.trigger(*HOME, job.id)
    assert poller is None
    assert served.wait(job).status == "Cancelled"


def test_it_reads_the_refusals(client: RecoveryServicesBackupClient, served: Arm) -> None:
    vault, group, fabric, container, _ = _names(served)
    with pytest.raises(ResourceNotFoundError) as missing:
        client.protected_items.get(vault, group, fabric, container, "AzureFileShare;data")
    assert missing.value.error is not None
    assert missing.value.error.code == "BMSUserErrorDataSourceObjectNotFound"
    empty = RestoreRequestResource(properties=AzureFileShareRestoreRequest())
    with warnings.catch_warnings(), pytest.raises(HttpResponseError) as invalid:
        client.restores.begin_trigger(*_names(served), POINT, empty)
    assert invalid.value.error is not None
    assert invalid.value.error.code == "BMSUserErrorInvalidInput"


def test_it_sees_resource_guards_and_containers(
    client: RecoveryServicesBackupClient, served: Arm
) -> None:
    assert list(client.resource_guard_proxies.get(*HOME)) == []
    (container,) = client.backup_protection_containers.list(
        *HOME, filter="backupManagementType eq 'AzureStorage'"
    )
    assert container.properties is not None
    assert container.properties.friendly_name == "srcaccount"
