"""`python -m bench.emulated`: the vault emulator as a process of its own, with running jobs in it.

Its work must not be counted as the app's. The command of `local.vault` adds jobs to one vault only;
a crowd needs them in all.
"""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from bench.scale import PAGE_SIZE
from local.vault import EmulatorOptions, VaultEmulator


def main() -> None:
    """Serve until a signal."""
    parser = argparse.ArgumentParser(prog="python -m bench.emulated", description=__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--time-scale", type=float, required=True)
    parser.add_argument("--job-seconds", type=float, required=True)
    parser.add_argument("--jobs-in-each", type=int, default=0)
    arguments = parser.parse_args()
    options = EmulatorOptions(
        time_scale=arguments.time_scale,
        job_duration=arguments.job_seconds,
        page_size=PAGE_SIZE,
    )
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with VaultEmulator(arguments.root, options) as emulator:
        for vault in emulator.catalogue.vaults:
            emulator.add_jobs(arguments.jobs_in_each, vault=vault)
        print(f"ready {emulator.url}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
