"""The calls to Azure Backup: items, recovery points, Resource Guards, restore, operations, jobs.

A list is read to its last page and sorted here. Only calls that recorded traffic shows are made,
since the app's role must allow each of them.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar, assert_never

from restore_core.arm_ids import ArmIdError, ProtectedItemId, VaultId, share_id
from restore_core.azure_backup.client import Answer, ArmClient, PreparedPost
from restore_core.azure_backup.recovery_points import choose
from restore_core.azure_backup.wire import (
    read_guard_requests,
    read_item,
    read_job,
    read_operation,
    read_point,
)
from restore_core.domain.ports import ChosenPoint, JobListing
from restore_core.domain.record import source_account
from restore_core.domain.vault import Job, Operation, ProtectedItem, RecoveryPoint
from restore_core.errors import ArmAnswer, LookupFailed, NoAnswer
from restore_core.messages.request import (
    ItemSource,
    RestoreRequest,
    ShareSource,
)
from restore_core.vocabulary import Reason

_ITEM_FILTER = "backupManagementType eq 'AzureStorage' and itemType eq 'AzureFileShare'"
_OPERATION_ID = re.compile(
    r"/(?:operationsStatus|operationResults|backupOperations|backupOperationResults)"
    r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=[?/,;\s]|\Z)",
    re.IGNORECASE,
)
_DAY = timedelta(hours=24)
_MAX_PAGES = 1000
_MAX_NAMED = 10


class RestorePost:
    """A restore POST that is ready to be sent."""

    def __init__(self, post: PreparedPost) -> None:
        """Wrap the prepared POST."""
        self._post = post

    def renew_token(self) -> None:
        """Replace the token that was refused; raises `NotSent` when there is none."""
        self._post.renew_token()

    def send(self) -> str:
        """Send it once and return the operation's id.

        Raises:
            ArmError: `failures.send_outcome` says what it means. A 202 without a readable
                operation id is `NoAnswer`: the restore may run, and only the job list shows it.
        """
        answer = self._post.send()
        if answer.status != 202:
            raise NoAnswer(f"HTTP {answer.status} where 202 was due")
        operation_id = operation_id_of(answer)
        if operation_id is None:
            raise NoAnswer("the 202 names no operation")
        return operation_id


def operation_id_of(answer: Answer) -> str | None:
    """Read the operation's id from the headers of a 202.

    Only the id is kept: the header URLs are signed and 3 to 4 KB long since 2024, while the
    unsigned vault route needs the id alone. A cut-off header yields no id.
    """
    for name in ("Azure-AsyncOperation", "Location"):
        match = _OPERATION_ID.search(answer.headers.get(name, ""))
        if match:
            return match.group(1).lower()
    return None


Listed = TypeVar("Listed")


@dataclass
class _Entry(Generic[Listed]):
    """A vault's list, and when it was read by the monotonic clock."""

    read_at: float
    rows: tuple[Listed, ...]


class _Cache(Generic[Listed]):
    """One list for each vault, kept for some seconds. Safe to share between threads.

    An error of `read` is raised to the caller and not cached.
    """

    def __init__(self, read: Callable[[VaultId], tuple[Listed, ...]], seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry[Listed]] = {}

    def get(self, vault: VaultId, *, fresh: bool = False) -> tuple[Listed, ...]:
        """Return a vault's list; read it anew if it is too old, or if `fresh` asks for that."""
        with self._lock:
            entry = self._entries.get(vault.key)
        if entry and not fresh and time.monotonic() - entry.read_at < self._seconds:
            return entry.rows
        rows = self._read(vault)
        with self._lock:
            self._entries[vault.key] = _Entry(read_at=time.monotonic(), rows=rows)
        return rows

    def is_old(self, vault: VaultId) -> bool:
        """Whether the cached list may lack an item that was protected just now."""
        with self._lock:
            entry = self._entries.get(vault.key)
        return entry is not None and time.monotonic() - entry.read_at > 1


class AzureBackup:
    """The vaults behind one ARM endpoint. Safe to share between threads."""

    def __init__(self, arm: ArmClient, *, name_cache: timedelta) -> None:
        """Cache item lists and Resource Guards for `name_cache`: they change rarely, and a storm
        of requests asks for the same ones.
        """
        self._arm = arm
        self._items = _Cache(self._read_items, name_cache.total_seconds())
        self._guards = _Cache(self._read_guards, name_cache.total_seconds())

    def find_item(self, request: RestoreRequest) -> ProtectedItem:
        """Find the protected item of a request.

        Raises:
            LookupFailed: none or several match; where none does, it lists what the vault has.
            ArmError: the list could not be read.
        """
        vault = request.vault
        items = self._items.get(vault)
        found = _matching(items, request)
        if not found and self._items.is_old(vault):
            # A share that was protected a minute ago is missing in an older list.
            items = self._items.get(vault, fresh=True)
            found = _matching(items, request)
        if len(found) == 1:
            return found[0]
        wanted = _wanted_source(request)
        if not found:
            raise LookupFailed(
                f"The vault {vault.name} protects no {wanted}.",
                reason=Reason.SOURCE_NOT_FOUND,
                listed=_listed(items),
            )
        ids = ", ".join(str(item.id) for item in found[:_MAX_NAMED])
        raise LookupFailed(
            f"The vault {vault.name} protects {len(found)} items that are {wanted}: send one of "
            f"these as source.protectedItemId: {ids}",
            reason=Reason.SOURCE_AMBIGUOUS,
        )

    def choose_point(
        self, item: ProtectedItem, request: RestoreRequest, *, requested_at: datetime
    ) -> ChosenPoint:
        """Choose the recovery point that a request asks for from the item's whole list.

        Raises:
            LookupFailed: no point matches; the message says what was searched and lists others.
            ArmError: the list could not be read.
        """
        points: list[RecoveryPoint] = []
        now = datetime.now(UTC)
        for answer, page in self._pages(self._arm.url(f"{item.id}/recoveryPoints")):
            points += [point for row in _rows(page) if (point := read_point(row)) is not None]
            # What lies in the future is for the clock to say that has dated the points.
            now = answer.date or now
        return choose(points, request, requested_at=requested_at, now=now)

    def resource_guard_requests(self, vault: VaultId) -> tuple[str, ...]:
        """Return the ids that a restore's body must carry as `resourceGuardOperationRequests`,
        empty where no Resource Guard protects restores; raises `ArmError`.
        """
        return self._guards.get(vault)

    def prepare_restore(
        self, item: ProtectedItemId, point_id: str, body: str, client_request_id: str
    ) -> RestorePost:
        """Prepare the restore POST; raises `NotSent` when there is no token."""
        url = self.restore_url(item, point_id)
        return RestorePost(self._arm.prepare_post(url, body, client_request_id))

    def restore_url(self, item: ProtectedItemId, point_id: str) -> str:
        """Return the URL of a restore POST."""
        return self._arm.url(f"{item}/recoveryPoints/{point_id}/restore")

    def operation(self, vault: VaultId, operation_id: str) -> Operation:
        """Read an operation by the unsigned vault route; raises `ArmError`."""
        answer = self._arm.get(self._arm.url(f"{vault}/backupOperations/{operation_id}"))
        return read_operation(answer.body)

    def job(self, vault: VaultId, job_id: str) -> Job:
        """Read one job with its details; raises `ArmError`."""
        job = read_job(self._arm.get(self._arm.url(f"{vault}/backupJobs/{job_id}")).body)
        if job is None:
            raise NoAnswer("the job's page names no job")
        return job

    def jobs(self, vault: VaultId, *, since: datetime, now: datetime) -> JobListing:
        """List the vault's restore jobs from a day before `since`, to the last page.

        The filter names no status, since a job that has just ended must stay in the list. A day is
        added at both ends, since both clocks may be off by as much.

        Raises:
            ArmError: a page could not be read; a part of the list is never returned.
        """
        odata = (
            "operation eq 'Restore' and backupManagementType eq 'AzureStorage' and "
            f"startTime eq '{_odata_time(since - _DAY)}' and endTime eq '{_odata_time(now + _DAY)}'"
        )
        dates: list[datetime | None] = []
        jobs: list[Job] = []
        for answer, page in self._pages(self._arm.url(f"{vault}/backupJobs", odata_filter=odata)):
            dates.append(answer.date)
            jobs += [job for row in _rows(page) if (job := read_job(row)) is not None]
        return JobListing(jobs=tuple(jobs), started=dates[0], ended=dates[-1])

    def cancel(self, vault: VaultId, job_id: str) -> None:
        """Ask for a job to be cancelled; raises `ArmError`. Later the job shows whether it was."""
        post = self._arm.prepare_post(self._arm.url(f"{vault}/backupJobs/{job_id}/cancel"))
        try:
            answer = post.send()
        except ArmAnswer as error:
            if error.status != 401:
                raise
            post.renew_token()
            answer = post.send()
        if answer.status != 202:
            raise NoAnswer(f"HTTP {answer.status} where 202 was due")

    def _read_items(self, vault: VaultId) -> tuple[ProtectedItem, ...]:
        url = self._arm.url(f"{vault}/backupProtectedItems", odata_filter=_ITEM_FILTER)
        return tuple(
            item
            for _, page in self._pages(url)
            for row in _rows(page)
            if (item := read_item(row, vault)) is not None
        )

    def _read_guards(self, vault: VaultId) -> tuple[str, ...]:
        url = self._arm.url(f"{vault}/backupResourceGuardProxies")
        requests = (
            one
            for _, page in self._pages(url)
            for row in _rows(page)
            for one in read_guard_requests(row)
        )
        # Several proxies may belong to one guard.
        return tuple(dict.fromkeys(requests))

    def _pages(self, url: str) -> Iterator[tuple[Answer, Mapping[str, Any]]]:
        """Read a list to its last page; raises `ArmError` when a page cannot be read."""
        seen: set[str] = set()
        while True:
            if url in seen or len(seen) >= _MAX_PAGES:
                raise NoAnswer("the list's pages do not come to an end")
            seen.add(url)
            answer = self._arm.get(url)
            if not isinstance(answer.body.get("value"), list):
                raise NoAnswer("the answer is no list")
            yield answer, answer.body
            following = answer.body.get("nextLink")
            if not following:
                return
            if not isinstance(following, str):
                raise NoAnswer("the list's nextLink is no text")
            url = following


def _matching(items: Sequence[ProtectedItem], request: RestoreRequest) -> list[ProtectedItem]:
    source = request.source
    match source:
        case ItemSource(protected_item_id=item_id):
            wanted = ProtectedItemId.parse(item_id).key
            return [item for item in items if item.id.key == wanted]
        case ShareSource(storage_account_id=account, file_share=share):
            return [
                item
                for item in items
                if item.share.casefold() == share.casefold() and _is_account(item, account)
            ]
    assert_never(source)


def _is_account(item: ProtectedItem, account_id: str) -> bool:
    """Compare the account's whole id if the item lists one, else the container's last name."""
    if item.account is not None:
        return item.account.key == account_id.casefold()
    return item.account_name.casefold() == account_id.rpartition("/")[2].casefold()


def _wanted_source(request: RestoreRequest) -> str:
    source = request.source
    if isinstance(source, ItemSource):
        return f"item {source.protected_item_id}"
    account = source.storage_account_id.rpartition("/")[2]
    return f"share {source.file_share} of the storage account {account}"


def _listed(items: Sequence[ProtectedItem]) -> dict[str, str]:
    """Return the shares of a vault by their names, but for those whose account nobody can tell."""
    found = {}
    for item in items:
        with suppress(ArmIdError):
            account = source_account(item.id, item.account)
            found[f"{item.account_name}/{item.share}"] = share_id(str(account), item.share)
    return found


def _rows(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [row for row in page["value"] if isinstance(row, dict)]


def _odata_time(time_of: datetime) -> str:
    """Write a time in the form of this filter: UTC on a 12-hour clock, as azure-cli does."""
    return time_of.strftime("%Y-%m-%d %I:%M:%S %p")
