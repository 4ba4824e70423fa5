"""The restore POST and the operation that it starts."""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import replace

from local.vault.catalogue import Item, Point, Vault
from local.vault.jobs import Job, Outcome
from local.vault.replies import Refusal, Reply, accepted, finished, json_reply
from local.vault.restore_request import InvalidInputError, RestoreRequest, parse_restore
from local.vault.runner import BUSY, about
from local.vault.ticks import now_ticks
from local.vault.visit import Visit
from local.vault.wire import operation_body

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BUSY_FAILURE_SECONDS = 1.0


def restore(visit: Visit) -> Reply:
    """Start a restore: 202 and nothing but headers."""
    item = visit.item()
    point = visit.point(item)
    try:
        body = json.loads(visit.call.body or b"null")
    except ValueError as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from error
    request = parse_restore(body)
    _check(visit.vault, item, point, request)
    job = _admit(visit, _new_job(visit, item, point, request))
    if visit.shaping.duplicate_job:
        twin_id = str(uuid.uuid4())
        twin = replace(job, id=twin_id, operation_id=twin_id)
        visit.store.add(twin)
        visit.runner.watch(twin)
    base = visit.item_path(item)
    return accepted(
        visit.call,
        visit.options,
        location=f"{base}/operationResults/{job.operation_id}",
        status_url=f"{base}/operationsStatus/{job.operation_id}",
        api_version=visit.api_version,
    )


def operation_status(visit: Visit) -> Reply:
    """An operation's document: HTTP 200 in every state, and the same below item and vault."""
    body = operation_body(
        visit.operation_job(), visit.operation_id, now_ticks(), visit.shaping.operation_status
    )
    return json_reply(visit.call, visit.options, body, quota=149)


def item_operation_result(visit: Visit) -> Reply:
    """The Location of a restore: 202 while it runs, then 204, which does not name the job."""
    base = visit.item_path(visit.item())
    return _result(visit, f"{base}/operationResults/", f"{base}/operationsStatus/")


def vault_operation_result(visit: Visit) -> Reply:
    """The same, below the vault."""
    base = visit.vault_path
    return _result(visit, f"{base}/backupOperationResults/", f"{base}/backupOperations/")


def _result(visit: Visit, location: str, status_url: str) -> Reply:
    job, operation = visit.operation_job(), visit.operation_id
    if now_ticks() < job.operation_ready and operation == job.operation_id:
        return accepted(
            visit.call,
            visit.options,
            location=location + operation,
            status_url=status_url + operation,
            api_version=visit.api_version,
        )
    return finished(
        visit.call,
        visit.options,
        status_url=status_url + operation,
        api_version=visit.api_version,
    )


def _check(vault: Vault, item: Item, point: Point, request: RestoreRequest) -> None:
    """What the item, the point and the vault do not allow; statuses and codes not established."""
    if request.source_account != item.account:
        raise InvalidInputError("sourceResourceId is not the item's storage account")
    if point.vault_only and (not request.alternate or request.specs is not None):
        raise InvalidInputError("a point kept in the vault restores full shares elsewhere only")
    if point.vault_only and request.copy_option != "Overwrite":
        raise InvalidInputError("a point kept in the vault takes Overwrite only")
    if vault.resource_guard and not request.guard_requests:
        raise Refusal(
            403,
            "LinkedAuthorizationFailed",
            "The vault is protected by a resource guard and its consent is missing.",
        )
    if item.soft_deleted:
        raise Refusal(
            400, "UserErrorRestoreAFSInSoftDeleteState", "The file share is soft-deleted."
        )


def _new_job(visit: Visit, item: Item, point: Point, request: RestoreRequest) -> Job:
    options, shaping, outcome = visit.options, visit.shaping, visit.shaping.outcome
    start = now_ticks()
    job_id = str(uuid.uuid4())
    activity_id = visit.call.client_request_id
    if activity_id is None or not _GUID.fullmatch(activity_id):
        # What the service does without an id, or with one that is no GUID, is not established.
        activity_id = str(uuid.uuid4())
    late = options.list_delay if shaping.late_job is None else shaping.late_job
    length = options.job_duration if outcome.duration is None else outcome.duration
    return Job(
        id=job_id,
        operation_id=str(uuid.uuid4()) if options.own_operation_ids else job_id,
        activity_id=activity_id,
        vault_id=visit.vault.id.lower(),
        source_account=item.account,
        source_share=item.share,
        target_account=request.target_account or item.account,
        target_share=request.target_share or item.share,
        point_id=point.id,
        point_time=point.time,
        alternate=request.alternate,
        folder=request.folder,
        copy_option=request.copy_option,
        specs=request.specs,
        vault_only=point.vault_only,
        start=start,
        operation_ready=start + options.ticks(options.operation_delay),
        listed_from=start + options.ticks(late),
        ends=None if outcome.never_ends else start + options.ticks(length),
        status="InProgress" if shaping.operation_error is None else "Failed",
        outcome=outcome,
        operation_error=shaping.operation_error,
    )


def _admit(visit: Visit, job: Job) -> Job:
    """Take a job in, or do what the `busy` option says when its target is taken.

    Whether the service refuses the POST or lets the job fail is not established.
    """
    busy = visit.options.busy
    holder = None
    if busy == "off" or job.operation_error is not None:
        visit.store.add(job)
    else:
        holder = visit.store.add_unless_busy(job)
    if holder is not None and busy != "job":
        raise Refusal(
            int(busy),
            "UserErrorAnotherRestoreInProgressOnSameTarget",
            f"Another restore ({holder.id}) is in progress on the same target file share.",
        )
    if holder is not None:
        error = about(BUSY, "/".join(job.target))
        job = replace(
            job,
            outcome=Outcome(status="Failed", error=error),
            ends=job.start + visit.options.ticks(_BUSY_FAILURE_SECONDS),
        )
        visit.store.add(job)
    visit.runner.watch(job)
    return job
