"""The listeners of one app: how they start and end, and which errors end the host."""

import hashlib
import json
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from azure.core.exceptions import AzureError

from local.host.accounts import HOST_CONNECTION, Account
from local.host.app import AppError, Function, Outcome, Worker
from local.host.http import HttpListener
from local.host.leases import TimerLease
from local.host.patience import EXIT_CODE
from local.host.protos import TypedData
from local.host.queues import QueueAddress, QueueListener
from local.host.routes import Route
from local.host.schedule import Schedule
from local.host.settings import HostOptions, SettingsError, expand
from local.host.status import StatusBlob
from local.host.timers import TimerListener
from local.storage import CONTAINER, LOCKS

logger = logging.getLogger("host")

HOST_ID = "AzureFunctionsWebHost__hostid"
"""The setting that gives the host another id; the real host reads it, too."""
_CLIENT_THREADS = 4


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the command line says."""

    app: Path
    port: int
    lease: int
    grace: float


class Host:
    """The listeners of one app."""

    def __init__(self, choices: Choices, options: HostOptions, worker: Worker) -> None:
        self._choices = choices
        self._options = options
        self._worker = worker
        self._stop = threading.Event()
        self._ticking: list[threading.Thread] = []
        self._queues: list[QueueListener] = []
        self._timers: list[tuple[TimerLease, TimerListener]] = []
        routes: list[Route] = []
        errors: list[SettingsError] = []
        functions = worker.index(choices.app)
        for function in functions:
            kind = function.trigger["type"]
            try:
                if kind == "queueTrigger":
                    self._queues.append(self._queue(function))
                elif kind == "timerTrigger":
                    self._timers.append(self._timer(function))
                else:
                    routes.append(Route.of(function, options.route_prefix))
            except SettingsError as error:
                # The real host, too, goes on without the functions that it cannot make ready.
                errors.append(error)
                logger.error("%s is in error and does not run: %s", function.name, error)  # noqa: TRY400
            else:
                logger.info("%s: %s", function.name, kind)
        if len(errors) == len(functions):
            raise AppError("; ".join(str(error) for error in errors))
        self._http = HttpListener(
            routes=routes,
            port=choices.port,
            invoke=lambda f, value, parent: self._invoke(f, value, {}, traceparent=parent),
        )

    def start(self) -> str:
        """Start all listeners; the address of HTTP."""
        for queue in self._queues:
            self._thread(partial(queue.listen, self._stop), "queue")
        for lease, timer in self._timers:
            self._ticking.append(self._thread(partial(self._tick, lease, timer), "timer"))
        self._thread(self._http.listen, "http")
        return self._http.url

    def stop(self) -> None:
        """Take no more work, then wait for what runs, all of it within the grace."""
        deadline = time.monotonic() + self._choices.grace
        self._stop.set()
        self._http.stop()
        finishing = [queue.finish for queue in self._queues]
        finishing += [self._http.finish, self._finish_timers, self._worker.finish]
        for finish in finishing:
            if not finish(max(0.0, deadline - time.monotonic())):
                logger.warning("stopped with work unfinished")
                return

    def _queue(self, function: Function) -> QueueListener:
        return QueueListener(
            address=QueueAddress.of(function, os.environ),
            options=self._options.queues,
            lease=self._choices.lease,
            invoke=lambda value, metadata: self._invoke(function, value, metadata),
            lost=self._lose,
        )

    def _timer(self, function: Function) -> tuple[TimerLease, TimerListener]:
        text = expand(str(function.trigger["schedule"]), os.environ)
        try:
            schedule = Schedule.parse(text)
        except ValueError as error:
            raise SettingsError(function.name, [str(error)]) from error
        account = Account.of(HOST_CONNECTION, "blob", os.environ, user=function.name)
        container = account.blobs(threads=_CLIENT_THREADS).get_container_client(CONTAINER)
        host = host_id(self._choices.app, os.environ)
        lease = TimerLease(
            container,
            f"{LOCKS}{host}/Host.Functions.{function.name}.Listener",
            seconds=self._choices.lease,
            lost=self._lose,
        )
        remembers = function.trigger.get("useMonitor", True)
        status = f"timers/{host}/Host.Functions.{function.name}/status"
        listener = TimerListener(
            name=function.name,
            schedule=schedule,
            run=lambda info: self._run_timer(function, info),
            monitor=StatusBlob(container, status) if remembers else None,
            run_on_startup=bool(function.trigger.get("runOnStartup", False)),
        )
        return lease, listener

    def _tick(self, lease: TimerLease, timer: TimerListener) -> None:
        try:
            with lease.held(self._stop) as held:
                if held:
                    timer.listen(self._stop)
        except AzureError as error:
            self._lose(error)

    def _run_timer(self, function: Function, info: str) -> None:
        self._invoke(function, TypedData(json=info), {}).result()

    def _finish_timers(self, seconds: float) -> bool:
        # A run counts only when it is remembered.
        deadline = time.monotonic() + seconds
        for thread in self._ticking:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._ticking)

    def _lose(self, error: Exception) -> None:
        """End the process, in the middle of whatever it does: storage is lost, or a lease."""
        if self._stop.is_set():
            logger.warning("%s: %s", type(error).__name__, error)
            return
        logger.critical(
            "An unhandled exception has occurred. Host is shutting down. %s: %s",
            type(error).__name__,
            error,
        )
        logging.shutdown()
        sys.stderr.flush()
        os._exit(EXIT_CODE)

    def _invoke(
        self,
        function: Function,
        value: TypedData,
        metadata: Mapping[str, TypedData],
        *,
        traceparent: str = "",
    ) -> "Future[Outcome]":
        system = {
            "MethodName": function.name,
            "UtcNow": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return self._worker.invoke(
            function,
            value,
            {**metadata, "sys": TypedData(json=json.dumps(system))},
            traceparent=traceparent,
        )

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread


def host_id(app: Path, environment: Mapping[str, str]) -> str:
    """What hosts that share their timers have in common: the app's folder on this machine, as with
    `func`, unless a setting says otherwise.
    """
    given = environment.get(HOST_ID, "").strip()
    own = hashlib.sha256(f"{platform.node()}\n{app}".encode()).hexdigest()
    return given or own[:32]
