"""Calls that read jobs and cancel them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace

from local.vault.jobs import Job
from local.vault.odata import FilterError, parse_filter, parse_time
from local.vault.paging import linked_reply, skip_token
from local.vault.replies import Refusal, Reply, accepted, finished, json_reply
from local.vault.ticks import now_ticks
from local.vault.visit import Visit
from local.vault.wire import Json, job_body

_JOB_KEYS = ("status", "backupManagementType", "operation", "jobId", "startTime", "endTime")
_CANCEL_API_VERSION = "2019-05-13-preview"  # on a cancel's URLs, whatever the caller speaks
_JOB_QUOTA = 249


@dataclass(frozen=True, kw_only=True)
class _Window:
    """A job list's filter; times in ticks, all else folded."""

    since: int | None
    until: int | None
    status: str | None
    job_id: str | None
    restores: bool

    @classmethod
    def of(cls, wanted: Mapping[str, str]) -> _Window:
        """Raises FilterError for a time of another form."""
        kind = wanted.get("backupManagementType", "AzureStorage").lower()
        return cls(
            since=parse_time(wanted["startTime"]) if "startTime" in wanted else None,
            until=parse_time(wanted["endTime"]) if "endTime" in wanted else None,
            status=wanted["status"].lower() if "status" in wanted else None,
            job_id=wanted["jobId"].lower() if "jobId" in wanted else None,
            restores=wanted.get("operation", "Restore").lower() == "restore"
            and kind == "azurestorage",
        )

    def holds(self, job: Job, shown: str) -> bool:
        """Whether a job that starts late enough is wanted."""
        return (
            (self.until is None or job.start <= self.until)
            and (self.status is None or shown.lower() == self.status)
            and (self.job_id is None or job.id == self.job_id)
        )


def list_jobs(visit: Visit) -> Reply:
    """Jobs, newest first, without extendedInfo. There are no jobs but restores here.

    A token names the last job of the page before it, so that jobs that start between two pages
    shift nothing.
    """
    window = _Window.of(parse_filter(visit.call.query.get("$filter"), _JOB_KEYS))
    now, vault_id = now_ticks(), visit.vault.id.lower()
    page: list[Json] = []
    last: Job | None = None
    for job in visit.store.newest_first(_cursor(visit)):
        if not window.restores or (window.since is not None and job.start < window.since):
            break  # all that follow are older
        if job.vault_id != vault_id or now < job.listed_from or job.operation_error is not None:
            continue
        if not window.holds(job, job.outcome.shown_status or job.status):
            continue
        if last is not None and len(page) == visit.options.page_size:
            return linked_reply(visit, page, f"{last.start}:{last.id}", _JOB_QUOTA)
        page.append(
            job_body(
                visit.vault,
                job,
                visit.options.era,
                now,
                detail=False,
                shown=visit.shaping.job_status,
            )
        )
        last = job
    return json_reply(visit.call, visit.options, {"value": page}, quota=_JOB_QUOTA)


def get_job(visit: Visit) -> Reply:
    """One job, with its property bag."""
    body = job_body(
        visit.vault,
        visit.job(),
        visit.options.era,
        now_ticks(),
        detail=True,
        shown=visit.shaping.job_status,
    )
    return json_reply(visit.call, visit.options, body, quota=_JOB_QUOTA)


def cancel(visit: Visit) -> Reply:
    """Cancel a running job: 202; the job goes over Cancelling to Cancelled, files stay."""
    operation = str(uuid.uuid4())
    ends = now_ticks() + visit.options.ticks(visit.options.cancel_duration)

    def cancelling(current: Job) -> Job:
        if not current.running:
            return current
        return replace(
            current,
            status="Cancelling",
            cancel_operations=(*current.cancel_operations, operation),
            cancel_ends=current.cancel_ends or ends,
        )

    job = visit.store.change(visit.job().id, cancelling)
    if operation not in job.cancel_operations:  # status and code not established
        raise Refusal(
            400, "BMSUserErrorJobNotCancellable", f"The job is {job.status}: nothing to cancel."
        )
    visit.runner.watch(job)
    base = f"{visit.vault_path}/backupJobs/{job.id}"
    return accepted(
        visit.call,
        visit.options,
        location=f"{base}/operationResults/{operation}",
        status_url=f"{base}/operationsStatus/{operation}",
        api_version=_CANCEL_API_VERSION,
    )


def cancel_result(visit: Visit) -> Reply:
    """204 at once, while the job still says Cancelling.

    The job in the path is not looked at: a client that wrote `Azure` there was answered.
    """
    job = visit.operation_job()
    return finished(
        visit.call,
        visit.options,
        status_url=f"{visit.vault_path}/backupJobs/{job.id}/operationsStatus/{visit.operation_id}",
        api_version=_CANCEL_API_VERSION,
    )


def _cursor(visit: Visit) -> tuple[int, str] | None:
    token = skip_token(visit)
    if token is None:
        return None
    start, _, job_id = token.partition(":")
    if not start.isdecimal():
        raise FilterError("the skip token is not one of ours")
    return int(start), job_id
