"""`python -m local.host`: run a function app as `func start` would.

Prints `ready http://127.0.0.1:PORT` on standard output when its listeners run; all other output,
the functions' own included, goes to standard error.

After SIGTERM or SIGINT no new work is taken, running functions may finish, and the exit code is 0.
The real host waits for them without a limit, until the platform ends it. Here `--grace` limits the
wait to 30 seconds, so that a function that hangs does not block a terminal.

After SIGKILL the leases run out: another host gets the messages after up to 10 minutes, and the
timers after up to 2. When storage cannot be reached for about 25 seconds, the process ends with
134, as the real one does; only `local.up --restart` starts it again.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from local.host import logs, package
from local.host.app import AppError, Worker
from local.host.host import Choices, Host
from local.host.settings import (
    SettingsError,
    apply_to_environment,
    read_host_json,
    read_local_settings,
)

logger = logging.getLogger("host")

DEFAULT_PORT = 7071
DEFAULT_LEASE_SECONDS = 600
DEFAULT_GRACE_SECONDS = 30.0


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
        choices = Choices(
            app=arguments.app,
            port=arguments.port,
            lease=arguments.lease,
            grace=arguments.grace,
        )
        host = Host(choices, options, worker)
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
        "--lease",
        type=int,
        default=DEFAULT_LEASE_SECONDS,
        help="seconds a message is leased (600); fewer than 60 shorten the leases of timers too, "
        "to no less than 15, and the pause after which another host asks for them again",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=DEFAULT_GRACE_SECONDS,
        help="seconds to finish in at the end (30; the real host has no limit)",
    )
    arguments = parser.parse_args()
    if arguments.lease < 1:
        parser.error("--lease must be at least one second")
    arguments.app = arguments.app.resolve()
    for name in ("package", "settings"):
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
