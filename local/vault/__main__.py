"""`python -m local.vault --port P --root DIR`: serve until SIGINT or SIGTERM.

Prints `ready <url>` on standard output when it serves; problems go to standard error, with exit
status 2 for a bad argument or root.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from pathlib import Path
from typing import get_args

from local.vault.emulator import Sample, VaultEmulator
from local.vault.faults import Fault
from local.vault.options import BusyAnswer, EmulatorOptions, Era, ItemLayout


def _parser() -> argparse.ArgumentParser:
    default = EmulatorOptions()
    parser = argparse.ArgumentParser(
        prog="python -m local.vault",
        description="An ARM endpoint for Recovery Services vaults with Azure Files items.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="0 takes a free one (default)")
    add("--root", type=Path, required=True, help="shares, recovery points, vaults.json, jobs")
    add("--sample", choices=get_args(Sample), default="basic", help="what fills an empty root")
    add("--era", choices=get_args(Era), default=default.era, help="the year whose wire is spoken")
    add("--time-scale", type=float, default=default.time_scale, help="waits are N times shorter")
    add("--operation-delay", type=float, default=default.operation_delay, metavar="SECONDS")
    add("--job-duration", type=float, default=default.job_duration, metavar="SECONDS")
    add("--cancel-duration", type=float, default=default.cancel_duration, metavar="SECONDS")
    add("--list-delay", type=float, default=default.list_delay, metavar="SECONDS")
    add("--retry-after", type=float, default=default.retry_after, metavar="SECONDS")
    add("--page-size", type=int, default=default.page_size)
    add("--separate-operation-ids", action=argparse.BooleanOptionalAction, default=None)
    add("--double-client-request-id", action=argparse.BooleanOptionalAction, default=None)
    add("--busy", choices=get_args(BusyAnswer), default=default.busy, help="a taken target")
    add("--item-layout", choices=get_args(ItemLayout), default=default.item_layout)
    add("--require-auth", action="store_true", help="401 without a bearer token")
    add("--https", action="store_true", help="serve TLS; the CA is written to DIR/ca.pem")
    add("--fault", action="append", default=[], metavar="JSON", help="see local/vault/faults.py")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal; the exit status."""
    parser = _parser()
    chosen = vars(parser.parse_args(arguments))
    port, root, sample = chosen.pop("port"), chosen.pop("root"), chosen.pop("sample")
    try:
        faults = [Fault.from_json(json.loads(text)) for text in chosen.pop("fault")]
        emulator = VaultEmulator(
            root, EmulatorOptions(**chosen), port=port, faults=faults, sample=sample
        )
    except (ValueError, OSError, OverflowError) as error:
        print(f"local.vault: {error}", file=sys.stderr)
        return 2
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with emulator:
        print(f"ready {emulator.url}", flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
