"""`python -m local.up`: the whole product on this machine, until it is told to end.

When all serve, one line of JSON on standard output says where; everything else goes to standard
error. SIGINT or SIGTERM ends it all. A child that ends by itself is reported and not replaced:
another host on the same stack takes the command that is printed on standard error. Its settings
are in a file, and as always a variable of the environment wins over it.
"""

import argparse
import json
import shlex
import signal
import sys
import threading
from pathlib import Path

from local.process import CancelledError, ChildFailedError
from local.stack import ROOT, Stack

__all__ = ["Stack", "main"]


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
            _watch(stack, ended)
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
    ready = {
        "ready": True,
        "storage": stack.storage,
        "arm": stack.arm,
        "http": stack.http,
        "pids": dict(stack.pids),
    }
    print(json.dumps(ready), flush=True)


def _watch(stack: Stack, ended: threading.Event) -> None:
    reported: set[str] = set()
    while not ended.wait(0.1):
        for name, child in stack.children.items():
            code = child.poll()
            if code is not None and name not in reported:
                reported.add(name)
                print(f"local.up: the {name} (pid {child.pid}) ended: {code}", file=sys.stderr)
    print("local.up: ending", file=sys.stderr)


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.up", description=__doc__)
    parser.add_argument("--arm-endpoint", help="use this ARM endpoint, start no vault emulator")
    parser.add_argument("--data", type=Path, help="keep all data here; else it goes with the stack")
    parser.add_argument("--lease", type=int, help="seconds the host leases a message (600)")
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
