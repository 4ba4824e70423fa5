"""`python -m local.demo`: exit status 0 when every check held, 1 when not, 130 when interrupted."""

from __future__ import annotations

import io
import signal
import sys
import threading

from rich.console import Console

from local.demo.run import run
from local.demo.watch import DemoFailedError
from local.process import CancelledError


def main() -> int:
    """Run the demo."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need more than ASCII
    try:
        return 0 if run(Console(), ended=ended) else 1
    except CancelledError:
        print("local.demo: interrupted; everything is stopped", file=sys.stderr)
        return 130
    except (DemoFailedError, OSError) as error:
        print(f"local.demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
