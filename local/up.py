"""`python -m local.up`: the whole product on this machine, until SIGINT or SIGTERM.

When all processes serve, one line of JSON on standard output says where; all other output goes to
standard error. A child that ends by itself is reported and not replaced. To start another host on
the same stack, run the command that is printed on standard error; its settings are in a file,
which a variable of the environment overrides.

With `--restart` a host that ends by itself is started again on the same address, as the platform
does it. Each time the whole line of JSON is printed again with the new pid: the last line is valid.
"""

import argparse
import json
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from local.process import CancelledError, ChildFailedError
from local.stack import ROOT, Stack

__all__ = ["Stack", "main"]

STEADY_SECONDS = 20.0
"""A host that served for so long is started again at once when it ends."""
LONGEST_PAUSE_SECONDS = 30.0


def main() -> int:
    """Run the stack until a signal ends it."""
    arguments = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    stack = Stack(
        arm_endpoint=arguments.arm_endpoint,
        data=arguments.data and arguments.data.resolve(),
        lease=arguments.lease,
        host=not arguments.no_host,
        time_scale=arguments.time_scale,
        settings=dict(arguments.set),
        app=arguments.app.resolve(),
        cancelled=ended,
    )
    try:
        with stack:
            _tell(stack)
            _watch(stack, ended, restart=arguments.restart)
    except CancelledError:
        return 0
    except (ChildFailedError, OSError) as error:
        print(f"local.up: {error}", file=sys.stderr)
        return 1
    return 0


def _tell(stack: Stack) -> None:
    command = shlex.join(stack.host_command())
    print(f"local.up: another host: cd {shlex.quote(str(ROOT))} && {command}", file=sys.stderr)
    print(f"local.up: data in {stack.data}", file=sys.stderr)
    _tell_ready(stack)


def _tell_ready(stack: Stack) -> None:
    ready = {
        "ready": True,
        "storage": stack.storage,
        "arm": stack.arm,
        "http": stack.http,
        "pids": dict(stack.pids),
    }
    print(json.dumps(ready), flush=True)


def _watch(stack: Stack, ended: threading.Event, *, restart: bool) -> None:
    reported: set[int] = set()
    again = Again() if restart else None
    while not ended.wait(0.1):
        for name, child in stack.children.items():
            code = child.poll()
            if code is not None and child.pid not in reported:
                reported.add(child.pid)
                print(f"local.up: the {name} (pid {child.pid}) ended: {code}", file=sys.stderr)
                if name == "host" and again is not None:
                    again.note_end()
        if again is not None and again.is_due():
            _restart(stack, again)
    print("local.up: ending", file=sys.stderr)


def _restart(stack: Stack, again: "Again") -> None:
    print("local.up: the host is started again", file=sys.stderr)
    try:
        stack.restart_host()
    except ChildFailedError as error:
        print(f"local.up: {error}", file=sys.stderr)
        again.note_end()
    else:
        again.note_start()
        _tell_ready(stack)


class Again:
    """When a host that ended is started again: at once, and ever later while it keeps ending."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pause = 0.0
        self._started = now()
        self._due: float | None = None

    def note_start(self) -> None:
        """A host serves."""
        self._started, self._due = self._now(), None

    def note_end(self) -> None:
        """No host serves any more, or one could not be started."""
        lasted = self._now() - self._started
        if self._due is None and lasted >= STEADY_SECONDS:
            self._pause = 0.0
        self._due = self._now() + self._pause
        self._pause = min(max(1.0, 2 * self._pause), LONGEST_PAUSE_SECONDS)

    def is_due(self) -> bool:
        """Whether a host is to be started now."""
        return self._due is not None and self._now() >= self._due


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.up", description=__doc__)
    parser.add_argument("--arm-endpoint", help="use this ARM endpoint, start no vault emulator")
    parser.add_argument("--data", type=Path, help="keep all data here; else it goes with the stack")
    parser.add_argument(
        "--lease", type=int, help="seconds the host leases a message (600), see local.host"
    )
    parser.add_argument(
        "--restart", action="store_true", help="start a host again that ended by itself"
    )
    parser.add_argument("--no-host", action="store_true", help="start no host")
    parser.add_argument(
        "--time-scale", type=float, default=10.0, help="how much faster the vault's time runs (10)"
    )
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the app, over local.settings.sample.json",
    )
    parser.add_argument("--app", type=Path, default=Path.cwd(), help="folder of function_app.py")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
