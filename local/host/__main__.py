"""`python -m local.host`: run a function app as `func start` would.

Prints `ready http://127.0.0.1:PORT` on standard output when its listeners run; everything else,
what functions print included, goes to standard error. SIGTERM or SIGINT: no more work is taken,
what runs may finish, the exit code is 0. After SIGKILL the leases run out and another host gets
the messages.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from local.host import logs, package
from local.host.app import AppError, Function, Outcome, Worker
from local.host.http import HttpListener
from local.host.protos import TypedData
from local.host.queues import QueueAddress, QueueListener
from local.host.routes import Route
from local.host.schedule import Schedule
from local.host.settings import (
    HostOptions,
    SettingsError,
    apply_to_environment,
    expand,
    read_host_json,
    read_local_settings,
)
from local.host.timers import Monitor, TimerListener, sole_listener

logger = logging.getLogger("host")

DEFAULT_PORT = 7071
DEFAULT_LEASE_SECONDS = 600
DEFAULT_GRACE_SECONDS = 30.0


class Host:
    """The listeners of one app."""

    def __init__(self, arguments: argparse.Namespace, options: HostOptions, worker: Worker) -> None:
        self._arguments = arguments
        self._options = options
        self._worker = worker
        self._stop = threading.Event()
        self._timing: threading.Thread | None = None
        self._state: Path = arguments.state or arguments.app / package.STATE
        functions = worker.index(arguments.app)
        self._queues = [self._queue(f) for f in functions if f.trigger["type"] == "queueTrigger"]
        self._timers = [self._timer(f) for f in functions if f.trigger["type"] == "timerTrigger"]
        self._http = HttpListener(
            routes=[
                Route.of(f, options.route_prefix)
                for f in functions
                if f.trigger["type"] == "httpTrigger"
            ],
            port=arguments.port,
            invoke=lambda f, value, parent: self._invoke(f, value, {}, traceparent=parent),
        )
        for function in functions:
            logger.info("%s: %s", function.name, function.trigger["type"])

    def start(self) -> str:
        """Start all listeners; the address of HTTP."""
        for queue in self._queues:
            self._thread(partial(queue.listen, self._stop), "queue")
        self._timing = self._thread(self._run_timers, "timers") if self._timers else None
        self._thread(self._http.listen, "http")
        return self._http.url

    def stop(self) -> None:
        """Take no more work, then wait for what runs, all of it within the grace."""
        deadline = time.monotonic() + self._arguments.grace
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
            lease=self._arguments.lease,
            invoke=lambda value, metadata: self._invoke(function, value, metadata),
        )

    def _timer(self, function: Function) -> TimerListener:
        text = expand(str(function.trigger["schedule"]), os.environ)
        try:
            schedule = Schedule.parse(text)
        except ValueError as error:
            raise SettingsError(function.name, [str(error)]) from error
        remembers = function.trigger.get("useMonitor", True)
        return TimerListener(
            name=function.name,
            schedule=schedule,
            run=lambda info: self._tick(function, info),
            monitor=Monitor(self._state / f"{function.name}.json") if remembers else None,
            run_on_startup=bool(function.trigger.get("runOnStartup", False)),
        )

    def _run_timers(self) -> None:
        with sole_listener(self._state, self._stop) as held:
            if not held:
                return
            threads = [
                self._thread(partial(timer.listen, self._stop), "timer") for timer in self._timers
            ]
            for thread in threads:
                thread.join()

    def _finish_timers(self, seconds: float) -> bool:
        # A run counts only when it is remembered.
        if self._timing is None:
            return True
        self._timing.join(seconds)
        return not self._timing.is_alive()

    def _tick(self, function: Function, info: str) -> None:
        self._invoke(function, TypedData(json=info), {}).result()

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


def main() -> int:
    """Run the host until a signal ends it."""
    arguments = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ready_line, sys.stdout = sys.stdout, sys.stderr
    worker = Worker()
    try:
        package.run(arguments)
        options = read_host_json(arguments.app / "host.json")
        settings = arguments.settings or arguments.app / "local.settings.json"
        apply_to_environment(read_local_settings(settings))
        logs.configure(options.log_level, worker.name_of)
        host = Host(arguments, options, worker)
    except (SettingsError, AppError, OSError) as error:
        print(f"local.host: {error}", file=sys.stderr)
        return 1
    print("local.host: function keys are not enforced", file=sys.stderr)
    print(f"ready {host.start()}", file=ready_line, flush=True)
    ended.wait()
    logger.info("stopping")
    host.stop()
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="folder of function_app.py")
    parser.add_argument("--package", type=Path, help="run the app of this package instead")
    parser.add_argument(
        "--settings", type=Path, help="a local settings file; else local.settings.json of the app"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free one")
    parser.add_argument(
        "--lease", type=int, default=DEFAULT_LEASE_SECONDS, help="seconds a message is leased"
    )
    parser.add_argument(
        "--grace", type=float, default=DEFAULT_GRACE_SECONDS, help="seconds to finish in at the end"
    )
    parser.add_argument("--state", type=Path, help="where timers remember; else APP/.data/host")
    arguments = parser.parse_args()
    if arguments.lease < 1:
        parser.error("--lease must be at least one second")
    arguments.app = arguments.app.resolve()
    for name in ("package", "settings", "state"):
        given = getattr(arguments, name)
        setattr(arguments, name, given and given.resolve())
    if arguments.settings and not arguments.settings.is_file():
        parser.error(f"{arguments.settings} is no file")
    return arguments


if __name__ == "__main__":
    code = main()
    package.clean_up()
    logging.shutdown()
    sys.stderr.flush()
    # Functions that outran the grace sit in threads that the interpreter would wait for.
    os._exit(code)
