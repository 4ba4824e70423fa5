"""The machine: what a run was made on, and what its system tells of a process.

Refuses to tell whose machine it is: no host name, no paths.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any

_GIB = 1024**3


def described() -> dict[str, Any]:
    """Cores, memory and versions."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": _cores(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIB, 1),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
    }


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used; 0 where the system does not tell it."""
    file = Path(f"/proc/{pid}/stat")
    if not file.is_file():
        return 0.0
    # The name, in parentheses, may hold anything; the numbers come after it.
    numbers = file.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most memory that a process has had, in MiB; 0 where the system does not tell it."""
    file = Path(f"/proc/{pid}/status")
    if not file.is_file():
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", file.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _cores() -> int:
    """The cores that this process may use, which in a container may be few of many."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
