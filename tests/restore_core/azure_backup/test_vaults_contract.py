"""One contract, two vaults: Azure Backup's client on the emulator, and vaults in memory.

What a test of the reconciler believes about a vault is true of the emulator as well.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.vault import EmulatorOptions, VaultEmulator, everything, sample
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from restore_core.azure_backup.failures import SendOutcome, send_outcome
from restore_core.azure_backup.payload import body_text, restore_body
from restore_core.domain.ports import Vaults
from restore_core.domain.vault import Job, JobEnd, OperationStatus, ProtectedItem
from restore_core.errors import ArmAnswer, ArmError, LookupFailed, NoAnswer
from restore_core.messages.parsing import read_request
from restore_core.messages.request import RestoreRequest
from tests.patience import PATIENCE
from tests.simulators.vaults import Fate, MemoryVaults
from tests.simulators.world import request as make_request


@dataclass
class Subject:
    """A vault to test: the port, a clock that can be turned, how to break the next POST, and how to
    put restores behind the guard of `everything`.
    """

    vaults: Vaults
    now: Callable[[], datetime]
    wait: Callable[[float], None]
    lose_answer: Callable[[], None]
    lose_request: Callable[[], None]
    guard: Callable[[], None]

    def item(self, request: RestoreRequest) -> ProtectedItem:
        return self.vaults.find_item(request)

    def start(
        self,
        request: RestoreRequest,
        client_request_id: str,
        guard_requests: tuple[str, ...] = (),
    ) -> str:
        item = self.item(request)
        assert item.account is not None
        point = self.vaults.choose_point(item, request, requested_at=self.now()).point
        body = restore_body(
            request, source_account_id=str(item.account), guard_requests=guard_requests
        )
        post = self.vaults.prepare_restore(item.id, point.id, body_text(body), client_request_id)
        return post.send()

    def list(self, request: RestoreRequest, client_request_id: str) -> list[Job]:
        listing = self.vaults.jobs(request.vault, since=self.now(), now=self.now())
        return listing.of(client_request_id)

    def until_ended(self, request: RestoreRequest, job_id: str) -> Job:
        for _ in range(200):
            job = self.vaults.job(request.vault, job_id)
            if job.end is not None:
                return job
            self.wait(5)
        raise AssertionError("the job does not end")


@pytest.fixture(params=["emulator", "memory"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    if request.param == "memory":
        clock = [datetime.now(UTC)]

        def turn(seconds: float) -> None:
            clock[0] += timedelta(seconds=seconds)

        def guard() -> None:
            memory.guard_requests = GUARD_REQUESTS

        memory = MemoryVaults(lambda: clock[0])
        yield Subject(
            vaults=memory,
            now=lambda: clock[0],
            wait=turn,
            lose_answer=lambda: memory.fates.append(Fate.LOST_ANSWER),
            lose_request=lambda: memory.fates.append(Fate.LOST_REQUEST),
            guard=guard,
        )
        return
    scale = 100.0
    options = EmulatorOptions(time_scale=scale)
    with VaultEmulator(tmp_path, options, sample="everything") as emulator:

        def reset(*, processed: bool) -> None:
            action = {"kind": "reset", "processed": processed}
            emulator.inject({"on": "restore", "times": 1, "action": action})

        arm = ArmClient(
            endpoint=emulator.url,
            api_version="2026-07-01",
            tokens=None,
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
        )
        yield Subject(
            vaults=AzureBackup(arm, name_cache=timedelta(0)),
            now=lambda: datetime.now(UTC),
            wait=lambda seconds: time.sleep(seconds / scale),
            lose_answer=lambda: reset(processed=True),
            lose_request=lambda: reset(processed=False),
            # One of the vaults that it serves has the guard from the start.
            guard=lambda: None,
        )


GUARD_REQUESTS = (f"{everything.GUARD}/restoreRequests/default",)


def into_the_target_share(vault: str, account: str, share: str) -> RestoreRequest:
    """A request of a share, into the target share of the sample."""
    group = f"/subscriptions/{sample.SUBSCRIPTION}/resourceGroups/{sample.RESOURCE_GROUP}/providers"
    accounts = f"{group}/Microsoft.Storage/storageAccounts"
    made = read_request(
        make_request(
            vaultId=f"{group}/Microsoft.RecoveryServices/vaults/{vault}",
            source={"storageAccountId": f"{accounts}/{account}", "fileShare": share},
            target={
                "location": "alternate",
                "storageAccountId": f"{accounts}/{sample.TARGET_ACCOUNT}",
                "fileShare": sample.TARGET_SHARE,
                "folder": "back",
            },
            copyOptions=None,
        )
    )
    assert isinstance(made, RestoreRequest)
    return made


@pytest.fixture
def wanted() -> RestoreRequest:
    """A request that both vaults can serve: the sample's share, into its target share."""
    return into_the_target_share(sample.VAULT, sample.ACCOUNT, sample.SHARE)


@pytest.fixture
def guarded(subject: Subject) -> RestoreRequest:
    """A request that both vaults can serve, but behind a Resource Guard."""
    subject.guard()
    return into_the_target_share(everything.GUARDED_VAULT, "guardedaccount", "secrets")


def test_an_item_is_found_with_the_ids_of_its_vault(
    subject: Subject, wanted: RestoreRequest
) -> None:
    item = subject.item(wanted)
    assert item.share == sample.SHARE
    assert str(item.id.vault) == str(wanted.vault)
    assert item.account is not None
    assert item.account.name == sample.ACCOUNT


def test_the_latest_point_is_the_newest_of_three(subject: Subject, wanted: RestoreRequest) -> None:
    chosen = subject.vaults.choose_point(subject.item(wanted), wanted, requested_at=subject.now())
    assert "newest of 3" in chosen.why
    assert chosen.point.time is not None


def test_a_point_that_is_not_there_is_a_failed_lookup(
    subject: Subject, wanted: RestoreRequest
) -> None:
    other = read_request({**wanted.given(), "recoveryPoint": {"id": "1"}})
    assert isinstance(other, RestoreRequest)
    with pytest.raises(LookupFailed, match="It has 3"):
        subject.vaults.choose_point(subject.item(other), other, requested_at=subject.now())


def test_a_restore_is_listed_under_its_client_request_id_and_ends_with_counts(
    subject: Subject, wanted: RestoreRequest
) -> None:
    client_request_id = str(uuid.uuid4())
    operation_id = subject.start(wanted, client_request_id)
    (listed,) = subject.list(wanted, client_request_id.upper())
    assert listed.operation == "Restore"
    assert listed.files.restored is None, "a list has no details"
    job = subject.until_ended(wanted, listed.id)
    assert job.end is JobEnd.COMPLETED
    assert (job.files.restored or 0) > 0
    assert job.start_time is not None
    assert job.end_time is not None
    operation = subject.vaults.operation(wanted.vault, operation_id)
    assert (operation.status, operation.job_ids) == (OperationStatus.SUCCEEDED, (listed.id,))


def test_a_vault_without_a_guard_wants_nothing_in_the_body_of_a_restore(
    subject: Subject, wanted: RestoreRequest
) -> None:
    assert subject.vaults.resource_guard_requests(wanted.vault) == ()


def test_a_restore_behind_a_guard_is_refused_unless_it_carries_what_the_guard_wants(
    subject: Subject, guarded: RestoreRequest
) -> None:
    without, client_request_id = str(uuid.uuid4()), str(uuid.uuid4())
    with pytest.raises(ArmAnswer) as refused:
        subject.start(guarded, without)
    assert (refused.value.status, refused.value.code) == (403, "LinkedAuthorizationFailed")
    assert send_outcome(refused.value) is SendOutcome.FORBIDDEN
    assert subject.list(guarded, without) == []
    requests = subject.vaults.resource_guard_requests(guarded.vault)
    assert requests == GUARD_REQUESTS
    subject.start(guarded, client_request_id, requests)
    (listed,) = subject.list(guarded, client_request_id)
    assert subject.until_ended(guarded, listed.id).end is JobEnd.COMPLETED


def test_a_lost_answer_leaves_a_job_and_a_lost_request_none(
    subject: Subject, wanted: RestoreRequest
) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    subject.lose_request()
    with pytest.raises(NoAnswer):
        subject.start(wanted, first)
    subject.lose_answer()
    with pytest.raises(NoAnswer):
        subject.start(wanted, second)
    assert subject.list(wanted, first) == []
    assert len(subject.list(wanted, second)) == 1


def test_a_busy_target_is_refused_in_a_way_that_time_heals(
    subject: Subject, wanted: RestoreRequest
) -> None:
    subject.start(wanted, str(uuid.uuid4()))
    with pytest.raises(ArmError) as refused:
        subject.start(wanted, str(uuid.uuid4()))
    assert send_outcome(refused.value) is SendOutcome.DELAYED


def test_a_cancelled_job_ends_cancelled_and_cannot_be_cancelled_again(
    subject: Subject, wanted: RestoreRequest
) -> None:
    client_request_id = str(uuid.uuid4())
    subject.start(wanted, client_request_id)
    (listed,) = subject.list(wanted, client_request_id)
    subject.vaults.cancel(wanted.vault, listed.id)
    assert subject.until_ended(wanted, listed.id).end is JobEnd.CANCELLED
    with pytest.raises(ArmAnswer) as refused:
        subject.vaults.cancel(wanted.vault, listed.id)
    assert refused.value.status == 400


def test_a_job_or_an_operation_that_is_not_there_is_an_answer_of_404(
    subject: Subject, wanted: RestoreRequest
) -> None:
    nothing = str(uuid.uuid4())
    for read in (subject.vaults.job, subject.vaults.operation):
        with pytest.raises(ArmAnswer) as refused:
            read(wanted.vault, nothing)
        assert refused.value.status == 404


def test_a_listing_tells_the_time_of_the_service(subject: Subject, wanted: RestoreRequest) -> None:
    listing = subject.vaults.jobs(wanted.vault, since=subject.now(), now=subject.now())
    assert listing.started is not None
    assert listing.ended is not None
    assert abs(listing.started - subject.now()) < timedelta(seconds=5)
