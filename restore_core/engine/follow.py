"""From a POST that was sent, or may have been, to the end of its job.

Knows how an unknown outcome is settled, how a job is found and followed, and how it is cancelled.
Refuses to send restores. A read that fails never fails a restore: it is read again until the
tracking limit.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from restore_core.azure_backup.failures import classify, is_unsupported, wait_for
from restore_core.domain.lifecycle import JOB_EVENTS, Event, Phase
from restore_core.domain.ports import Vaults
from restore_core.domain.record import End, FollowedJob, JobError, RestoreRecord, TryState
from restore_core.domain.vault import JobEnd, Operation, OperationStatus
from restore_core.engine.adoption import Adoption, adopt, followed
from restore_core.engine.finish import finish, finish_now, lost_track
from restore_core.engine.ledger import Ledger
from restore_core.engine.schedule import LONGEST_WAIT, back_off, delayed, next_list, next_look
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import ArmError
from restore_core.settings import Settings
from restore_core.vocabulary import Reason, WaitingFor

_log = logging.getLogger(__name__)

MAX_UNKNOWN_TRIES = 3
LOOKS_BEFORE_OPERATION = 2
"""How many job lists may miss the job of a 202 before its operation is read."""
_LOOKS_BEFORE_LIST_IS_ENOUGH = 5
"""How often an ended job's page may fail before the list's short form has to do."""
_REFUSALS_OF_A_CANCEL = {WaitingFor.LOOKUP, WaitingFor.NOT_AUTHORIZED_YET}
"""Answers to a cancel that no time heals while the job runs; it is not sent again after them."""


class Follower:
    """Follows requests in `Triggering`, `OperationPending` and `JobInProgress`."""

    def __init__(self, *, ledger: Ledger, vaults: Vaults, settings: Settings) -> None:
        """Take the ports."""
        self._ledger = ledger
        self._vaults = vaults
        self._settings = settings

    def follow(self, turn: Turn) -> StepResult:
        """Take one step."""
        record, now = turn.record, turn.now
        since = record.part.triggered_at or record.accepted_at
        if now - since > self._settings.tracking_limit:
            return finish_now(self._ledger, turn, lost_track(record))
        if record.hold_until is not None and now < record.hold_until:
            return self._ledger.postpone(turn, due_at=min(record.hold_until, now + LONGEST_WAIT))
        if record.pending_end is not None:
            return finish(self._ledger, turn, record.pending_end)
        match record.phase:
            case Phase.TRIGGERING:
                return self._settle(turn)
            case Phase.OPERATION_PENDING:
                return self._find_job(turn)
            case Phase.JOB_IN_PROGRESS:
                return self._follow_jobs(turn)
        raise LookupError(f"{record.key}: nothing to follow in {record.phase.value}")

    def _settle(self, turn: Turn) -> StepResult:
        """Find out whether a POST without a usable answer started a restore."""
        try:
            adoption = self._adopt(turn)
        except ArmError as error:
            return self._look_again(turn, error)
        record, now = adoption.record, turn.now
        if adoption.found:
            return self._job_seen(turn.with_record(record), ended=adoption.ended)
        if record.part.unsettled:
            waiting = replace(record.moved(Event.WAITED), failures=record.failures + 1)
            due_at = next_list(self._settings, now)
            return self._ledger.save(turn.with_record(waiting), due_at=due_at)
        absent = [one for one in record.part.tries if one.state is TryState.ABSENT]
        if len(absent) >= MAX_UNKNOWN_TRIES:
            return finish_now(self._ledger, turn.with_record(record), _unknown(record))
        back = replace(record.moved(Event.TAKEN_BACK), failures=0)
        _log.warning(
            "%s: %d tries did not happen, by the vault's own job list", record.key, len(absent)
        )
        # Due for others only after the claim is given back: one that took it for its own would
        # send without having claimed.
        due_at = now + self._settings.retry_base
        result = self._ledger.save(turn.with_record(back), due_at=due_at)
        self._ledger.release(back, now)
        return replace(result, goes_on=True)

    def _adopt(self, turn: Turn) -> Adoption:
        """Look for jobs of the record's tries; raises `ArmError`."""
        try:
            listing = turn.view.listing()
        except ArmError as error:
            _log.warning("%s: the job list could not be read: %s", turn.record.key, error)
            raise
        return adopt(turn.record, listing, grace=self._settings.adoption_grace)

    def _find_job(self, turn: Turn) -> StepResult:
        """Find the job of a 202: in the vault's list, and by its operation when that takes long."""
        unlisted: ArmError | None = None
        try:
            adoption = self._adopt(turn)
        except ArmError as error:
            unlisted = error
        else:
            turn = turn.with_record(adoption.record)
            if adoption.found:
                return self._job_seen(turn, ended=adoption.ended)
        record = turn.record
        soon = unlisted is not None and is_unsupported(unlisted)
        patient = record.failures < LOOKS_BEFORE_OPERATION and not soon
        if record.part.operation_id is None or patient:
            return self._look_again(turn, unlisted)
        try:
            operation = self._vaults.operation(record.request.vault, record.part.operation_id)
        except ArmError as error:
            _log.warning("%s: the operation could not be read: %s", record.key, error)
            return self._look_again(turn, error)
        return self._after_operation(turn, operation)

    def _after_operation(self, turn: Turn, operation: Operation) -> StepResult:
        if operation.job_ids:
            part = turn.record.part
            for job_id in operation.job_ids:
                part = part.with_job(FollowedJob(id=job_id))
            return self._job_seen(turn.with_record(turn.record.with_part(part)))
        code = operation.error.code if operation.error else ""
        message = operation.error.message if operation.error else ""
        failure = classify(code, message)
        error = JobError(code=code, message=message, kind=failure.kind) if code else None
        if operation.status is OperationStatus.FAILED:
            end = End(
                event=Event.OPERATION_FAILED,
                reason=Reason.OPERATION_FAILED,
                message=f"Azure Backup took the request and then failed it: {code} {message}",
                recommendation=failure.advice,
                error=error,
            )
            return finish(self._ledger, turn, end)
        if operation.status is OperationStatus.CANCELED:
            end = End(
                event=Event.CANCELLED,
                reason=Reason.OPERATION_CANCELED,
                message="The operation was cancelled at Azure before a job was made.",
                error=error,
            )
            return finish(self._ledger, turn, end)
        # Running, or succeeded without naming its job yet.
        return self._look_again(turn)

    def _follow_jobs(self, turn: Turn) -> StepResult:
        """Look at the jobs that have not ended; end the request with the worst of them."""
        before, now = turn.record, turn.now
        part, failed = before.part, None
        for job in before.part.jobs:
            if job.end is not None:
                continue
            try:
                part = part.with_job(self._look_at(turn, job))
            except ArmError as error:
                _log.warning("%s: the job %s could not be read: %s", before.key, job.id, error)
                failed = error
        record = before.with_part(part)
        if all(job.end is not None for job in part.jobs):
            return finish(self._ledger, turn.with_record(record), _job_end(record))
        if turn.stored.cancel is not None and record.cancel_sent_at is None:
            # After the look: a cancel that never gets through must not hide the job's end.
            return self._cancel(turn.with_record(record))
        due = now + self._settings.job_poll
        if failed is None:
            record = replace(record, failures=0, hold_until=None)
        else:
            record = delayed(record, failed, now)
            due = max(due, back_off(record, self._settings, now))
        # The record is written only when something is new; how far a job is, is not kept.
        ends = [[job.end for job in jobs] for jobs in (before.part.jobs, part.jobs)]
        same = ends[0] == ends[1] and before.failures == 0 and before.hold_until is None
        if (failed is None and same) or record == before:
            return self._ledger.postpone(turn, due_at=due)
        return self._ledger.save(turn.with_record(record.moved(Event.WAITED)), due_at=due)

    def _look_at(self, turn: Turn, job: FollowedJob) -> FollowedJob:
        """Return the job as it is now; raises `ArmError` when it could not be read."""
        try:
            return followed(turn.view.job(job.id))
        except ArmError as error:
            if turn.record.failures < _LOOKS_BEFORE_LIST_IS_ENOUGH:
                raise
            try:
                listed = turn.view.listing().get(job.id)
            except ArmError:
                listed = None
            if listed is None or listed.end is None:
                raise error from None
            return followed(listed)

    def _cancel(self, turn: Turn) -> StepResult:
        """Ask Azure to cancel; what became of it, only the job can say."""
        record, now = turn.record, turn.now
        warnings = record.warnings
        for job in record.part.jobs:
            if job.end is not None:
                continue
            try:
                self._vaults.cancel(record.request.vault, job.id)
            except ArmError as error:
                _log.warning("%s: the cancel of job %s: %s", record.key, job.id, error)
                text = f"The cancel of job {job.id} was not taken: {error}"
                if wait_for(error) not in _REFUSALS_OF_A_CANCEL:
                    waiting = delayed(record.moved(Event.WAITED), error, now)
                    due = back_off(waiting, self._settings, now)
                    return self._ledger.save(turn.with_record(waiting), due_at=due)
                warnings = tuple(dict.fromkeys((*warnings, text[:1000])))
        sent = replace(
            record.moved(Event.WAITED), cancel_sent_at=now, warnings=warnings, failures=0
        )
        return self._ledger.save(turn.with_record(sent), due_at=now + self._settings.operation_poll)

    def _job_seen(self, turn: Turn, *, ended: bool = False) -> StepResult:
        moved = turn.record.moved(Event.JOB_SEEN)
        seen = replace(moved, failures=0, hold_until=None, pending_end=None)
        due_at = turn.now if ended else turn.now + self._settings.operation_poll
        return self._ledger.save(turn.with_record(seen), due_at=due_at)

    def _look_again(self, turn: Turn, error: ArmError | None = None) -> StepResult:
        waiting = turn.record.moved(Event.WAITED)
        if error is not None:
            waiting = delayed(waiting, error, turn.now)
        else:
            waiting = replace(waiting, failures=waiting.failures + 1)
        due_at = next_look(waiting, self._settings, turn.now)
        if error is not None:
            # A look that took long to fail must not be due again as soon as it has: the sweeps
            # of a slow service follow one another without a rest.
            due_at = max(due_at, back_off(waiting, self._settings, turn.now))
        return self._ledger.save(turn.with_record(waiting), due_at=due_at)


_JOB_WORDS = {
    JobEnd.COMPLETED: "The restore completed.",
    JobEnd.COMPLETED_WITH_WARNINGS: "The restore completed in part: some files were not restored.",
    JobEnd.CANCELLED: "The restore was cancelled. Files that were restored before stay.",
    JobEnd.FAILED: "The restore failed. Files that were restored before stay.",
}


def _job_end(record: RestoreRecord) -> End:
    """Put the worst end of the part's jobs into words."""
    order = list(JobEnd)
    jobs = record.part.jobs
    job = max(jobs, key=lambda one: order.index(one.end or JobEnd.FAILED))
    event, reason = JOB_EVENTS[job.end or JobEnd.FAILED]
    message = _JOB_WORDS[job.end or JobEnd.FAILED]
    if job.error is not None:
        message += f" Azure says: {job.error.code} {job.error.message}"
    if len(jobs) > 1:
        reason = Reason.DUPLICATE_JOBS
        ids = ", ".join(one.id for one in jobs)
        message = f"{len(jobs)} jobs ran for this request ({ids}). {message}"
    advice = job.advice
    if not advice and job.end is JobEnd.COMPLETED_WITH_WARNINGS:
        advice = "Read the job's list of failed files, and restore those again."
    return End(event=event, reason=reason, message=message, recommendation=advice, error=job.error)


def _unknown(record: RestoreRecord) -> End:
    ids = ", ".join(one.client_request_id for one in record.part.tries)
    return End(
        event=Event.LOST,
        reason=Reason.TRIGGER_OUTCOME_UNKNOWN,
        message=f"{len(record.part.tries)} restore POSTs got no usable answer, and no job of "
        "theirs was listed. A restore may still be running: look in the vault's backup jobs for "
        f"the activity ids {ids}.",
        recommendation="Make sure that no job runs before sending a request with a new id.",
    )
