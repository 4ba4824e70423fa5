"""The engine: accept a message, advance a request by one step, sweep the open requests.

A step reads the stored phase and nothing of earlier steps, so that after a crash at any point the
sweep goes on from the record. Only the sweep tries anything again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from restore_core.alerting.plans import Plans
from restore_core.alerting.response import Responder, no_plans
from restore_core.domain.lifecycle import Phase
from restore_core.domain.ports import Completions, Message, Store, StoredRequest, Vaults, urgent
from restore_core.domain.record import OpenRow, RestoreRecord
from restore_core.engine.accept import Accepter
from restore_core.engine.adoption import JobsView
from restore_core.engine.fair_order import in_fair_order
from restore_core.engine.follow import Follower
from restore_core.engine.job_watch import JobNews, JobWatch
from restore_core.engine.ledger import Ledger
from restore_core.engine.schedule import LONGEST_WAIT
from restore_core.engine.start import Starter
from restore_core.engine.turn import StepResult, Turn
from restore_core.errors import Conflict, StoreError, StoreUnavailable
from restore_core.policy.guards import Guards
from restore_core.settings import Settings
from restore_core.vocabulary import Rejection

_log = logging.getLogger(__name__)

_MAX_STEPS = 50
"""More steps than any request takes without waiting, so that a bug cannot loop for ever."""
_ORPHAN_AGE = timedelta(days=1)
_ROUND = timedelta(seconds=15)
"""How long a sweep works on what was due: as long as the timer waits between two sweeps."""
_CLEANING_PERIOD = timedelta(hours=1)
"""Each period cleans one of 256 parts of the history: a round takes eleven days of the 400 kept."""


@dataclass(frozen=True, kw_only=True)
class SweepSummary:
    """The counts of a sweep: all open rows; rows due whose requests took a step of their own; rows
    due whose jobs simply run on; and requests left for the next sweep.
    """

    open: int
    due: int
    quiet: int
    left: int


class Reconciler:
    """Everything that the triggers call. Safe to share between threads."""

    def __init__(
        self,
        *,
        vaults: Vaults,
        store: Store,
        completions: Completions,
        settings: Settings,
        guards: Callable[[], Guards | None] = lambda: None,
        plans: Callable[[], Plans] = no_plans,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the ports. `guards` returns the rules as they are now, or `None` when everything is
        allowed; `plans` returns the plans for alerts; both raise `FileInvalid`. `monotonic`
        measures the send window and the sweep's budget, which the wall clock must not stretch.
        """
        self._vaults = vaults
        self._store = store
        self._settings = settings
        self._monotonic = monotonic
        self._ledger = Ledger(
            store=store, completions=completions, settings=settings, monotonic=monotonic
        )
        self._starter = Starter(
            ledger=self._ledger, vaults=vaults, settings=settings, guards=guards
        )
        self._follower = Follower(ledger=self._ledger, vaults=vaults, settings=settings)
        self._accepter = Accepter(
            ledger=self._ledger,
            store=store,
            settings=settings,
            responder=Responder(plans=plans, cooldowns=self._ledger.cooldowns),
        )
        self._watch = JobWatch(vaults=vaults, settings=settings, monotonic=monotonic)
        self._cleaned = -1

    def handle(self, message: Message, now: datetime) -> None:
        """Accept a message, then advance its request until it must wait.

        Raises:
            StoreError: the message may not be stored, so it must be delivered again. Once its
                record is stored nothing is raised, since the sweep goes on from there.
        """
        stored = self.accept(message, now)
        if stored is not None:
            self._run(stored, view=None, clock=self._clock(now))

    def handle_poisoned(self, message: Message, now: datetime) -> None:
        """Handle the copy of a message that failed too often; reject it if it fails once more.

        The copy has another message id but the same request id, so a request that was accepted
        meanwhile makes it a duplicate. A storage outage does not reject it.

        Raises:
            StoreError: the message must be delivered again.
        """
        try:
            self.handle(message, now)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001  (after any error the sender gets an answer)
            _log.exception("message %s: cannot be handled", message.id)
            text = (
                f"The message could not be handled: {type(error).__name__}. It was tried "
                "several times; nothing was started for it."
            )
            self._accepter.reject(message, None, Rejection.UNREADABLE, text)

    def accept(self, message: Message, now: datetime) -> StoredRequest | None:
        """Store a request and return it, or answer the message and return `None`.

        Raises:
            StoreError: the message must be delivered again.
        """
        return self._accepter.receive(message, now)

    def advance(
        self, stored: StoredRequest, clock: Callable[[], datetime], *, view: JobsView | None = None
    ) -> StepResult:
        """Take one step: read the stored phase, do at most one thing at Azure, store the result.

        Raises:
            Conflict: another instance was first, and this step did nothing at Azure.
            StoreError: storage did not answer; the sweep takes the step again.
        """
        record, now = stored.record, clock()
        if view is None:
            view = JobsView(self._vaults, [record], now=now)
        turn = Turn(stored=stored, record=record, view=view, clock=clock, now=now)
        if record.is_final:
            return self._ledger.announce(turn)
        if record.phase is Phase.ACCEPTED:
            return self._starter.start(turn)
        return self._follower.follow(turn)

    def sweep(self, now: datetime) -> SweepSummary:
        """Advance every open request that is due, in a fair order: emergencies and the longest due
        first, and each vault in its turn.

        After a while the work list is read again, so that a request which has become due meanwhile
        need not wait for all that were due before. A bad record does not stop the sweep; when its
        budget is used up, the rest is left.

        Raises:
            StoreError: the work list could not be read.
        """
        clock = self._clock(now)
        self._clean(now)
        self._ledger.cooldowns.flush()
        rounds = [self._round(clock, now)]
        while rounds[-1].left and clock() - now < self._settings.sweep_budget:
            rounds.append(self._round(clock, now))
        return SweepSummary(
            open=rounds[0].open,
            due=sum(one.due - one.left for one in rounds) + rounds[-1].left,
            quiet=rounds[0].quiet,
            left=rounds[-1].left,
        )

    def _round(self, clock: Callable[[], datetime], begun: datetime) -> SweepSummary:
        """Advance what is due now, until a round or the sweep that began then is over."""
        now = clock()
        rows = self._store.open_rows()
        due = in_fair_order([row for row in rows if row.next_check_at <= now])
        if not due:
            return SweepSummary(open=len(rows), due=0, quiet=0, left=0)

        def in_time() -> bool:
            return clock() - begun < self._settings.sweep_budget

        with ThreadPoolExecutor(self._settings.sweep_threads, "sweep") as pool:
            news = self._watch.look(rows, now, pool)
            due = [row for row in due if row.key not in news.quiet]
            taken = list(pool.map(lambda row: self._load(row, now) if in_time() else None, due))
            requests = [stored for stored in taken if stored is not None]
            views = self._views(requests, now, news)
            # From here on, so that a round always gets something done.
            over = clock() + _ROUND

            def run(stored: StoredRequest) -> bool:
                if not in_time() or clock() >= over:
                    return False
                self._run(stored, view=views[stored.record.request.vault.key], clock=clock)
                return True

            done = sum(pool.map(run, requests))
        return SweepSummary(
            open=len(rows), due=len(due), quiet=len(news.quiet), left=len(requests) - done
        )

    def _clean(self, now: datetime) -> None:
        """Delete old records of one part of the history, once in each period."""
        period = int(now.timestamp() / _CLEANING_PERIOD.total_seconds())
        if period == self._cleaned:
            return
        self._cleaned = period
        try:
            gone = self._store.purge(partition=period, before=now - self._settings.retention)
        except StoreError as error:
            _log.warning("old records could not be deleted: %s", error)
            return
        if gone:
            _log.info("deleted %d entities older than %s", gone, self._settings.retention)

    def _load(self, row: OpenRow, now: datetime) -> StoredRequest | None:
        """Read a row's record. A row without one is postponed, and deleted after a day."""
        try:
            stored = self._store.load(row.request_id, row.key)
            if stored is not None:
                return stored
            _log.error("%s: the work list has a row without a record", row.key)
            if now - row.accepted_at > _ORPHAN_AGE:
                self._store.delete_open(row)
            else:
                self._store.pull_forward(row, now + LONGEST_WAIT)
        except Exception:  # noqa: BLE001  (one bad record must not stop a sweep)
            _log.exception("%s: the record could not be read", row.key)
        return None

    def _views(
        self, requests: Sequence[StoredRequest], now: datetime, news: JobNews
    ) -> dict[str, JobsView]:
        """Make one view for each vault, whose job list is read when the first record needs it."""
        records: dict[str, list[RestoreRecord]] = {}
        for stored in requests:
            records.setdefault(stored.record.request.vault.key, []).append(stored.record)
        return {
            key: JobsView(self._vaults, group, now=now, seen=news.jobs)
            for key, group in records.items()
        }

    def _run(
        self, stored: StoredRequest, *, view: JobsView | None, clock: Callable[[], datetime]
    ) -> None:
        """Advance a request until it must wait; after any error the sweep tries again."""
        try:
            for _ in range(_MAX_STEPS):
                with urgent(is_emergency=stored.record.is_emergency):
                    result = self.advance(stored, clock, view=view)
                if not result.goes_on:
                    return
                # The shared job list is older than this step's effect, so it is read anew.
                stored, view = result.stored, None
            _log.error("%s: took %d steps without waiting", stored.request_id, _MAX_STEPS)
        except Conflict:
            _log.info("%s: another instance was first", stored.request_id)
        except StoreUnavailable as error:
            _log.warning("%s: %s", stored.request_id, error)
        except Exception:  # noqa: BLE001  (logged; the row stays due)
            _log.exception("%s: a step failed", stored.request_id)

    def _clock(self, now: datetime) -> Callable[[], datetime]:
        """Return a clock that starts at `now` and advances with the monotonic clock."""
        begun = self._monotonic()
        return lambda: now + timedelta(seconds=self._monotonic() - begun)
