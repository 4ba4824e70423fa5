"""Hosts that come and go: several at once on one storage, killed and frozen at any moment.

Storage goes, too. An outage of more than 25 seconds or so ends every host that lives through it,
and each is started again at once, as the platform does it.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from local import process
from local.host.patience import EXIT_CODE
from local.stack import ROOT, Stack
from tests.local.gate import Gate

_STOP_SECONDS = 20.0
_OUTAGE_SECONDS = (26.0, 34.0)
"""A host ends 24 to 26 seconds into it, and one that is started in it outlives the rest of it."""
_ECHO = timedelta(seconds=5)
"""How long after its end the logs may still tell of an outage."""
_OF_STORAGE = re.compile(r"StoreUnavailable|StoreError")
_WORRYING = re.compile(
    r" ERROR .*( a step failed| took [0-9]+ steps without waiting|the record could not be read"
    r"| the work list has a row without a record|failed after )"
)


@dataclass(kw_only=True)
class _Host:
    child: subprocess.Popen[bytes]
    log: Path


class Fleet:
    """The hosts of a stack. Each has a host id of its own, so that all of them sweep at once: the
    timer's lease, which lets one of them sweep, is no part of what keeps the laws.
    """

    def __init__(self, stack: Stack, chance: random.Random, gate: Gate | None = None) -> None:
        self._stack = stack
        self._gate = gate
        self._chance = chance
        self._hosts: list[_Host] = []
        self._logs: list[Path] = []
        self._thaw: tuple[float, int] | None = None
        self._back: float | None = None
        self._lost_at = datetime.now(UTC)
        self._outages: list[tuple[datetime, datetime]] = []
        self.done: Counter[str] = Counter()
        self.died: list[str] = []

    def start(self) -> None:
        """Start one host more; it serves some moments later."""
        number = len(self._logs)
        folder = self._stack.data / f"host-{number}"
        folder.mkdir()
        log = folder / "log"
        command = [*self._stack.host_command(), "--grace", "10"]
        own = {"AzureFunctionsWebHost__hostid": f"chaos-{number}"}
        if self._gate is not None:
            names = ("AzureWebJobsStorage", "RestoreStorage")
            own |= dict.fromkeys(names, self._gate.connection_string)
        child = process.start(
            command,
            output=folder / "out",
            errors=log,
            environment={**os.environ, **self._stack.settings, **own},
            directory=ROOT,
        )
        self._hosts.append(_Host(child=child, log=log))
        self._logs.append(log)

    def disturb(self) -> None:
        """Kill hosts, and start others in their place, now or a little later."""
        chance = self._chance
        self._look()
        what = chance.random()
        if what < 0.15 and self._hosts:
            for host in list(self._hosts):
                self._kill(host)
            time.sleep(chance.uniform(0, 1.0))
        elif self._hosts:
            self._kill(chance.choice(self._hosts))
        wanted = chance.choice((1, 2, 2, 3))
        while len(self._hosts) < wanted:
            self.start()
        if chance.random() < 0.3:
            self._freeze(chance.choice(self._hosts), chance.uniform(0.2, 3.0))

    def tend(self) -> None:
        """Start again what an outage ended, wake a host whose time to sleep is over, and bring
        storage back; call it often.
        """
        self._look()
        if self._thaw and time.monotonic() > self._thaw[0]:
            self.wake()
        if self._back is not None and time.monotonic() > self._back:
            self._end_outage()

    def lose_storage(self) -> None:
        """Let no host reach storage for about half a minute. Most hosts end of it."""
        if self._gate is not None and self._back is None:
            # Before the gate shuts, by a whole millisecond: the logs' times have no more digits.
            self._lost_at = datetime.now(UTC) - timedelta(milliseconds=1)
            self._gate.shut()
            self._back = time.monotonic() + self._chance.uniform(*_OUTAGE_SECONDS)
            self.done["outages of storage"] += 1

    @property
    def has_storage(self) -> bool:
        """Whether hosts can reach storage."""
        return self._back is None

    def _end_outage(self) -> None:
        if self._gate is not None:
            self._gate.open()
        self._back = None
        self._outages.append((self._lost_at, datetime.now(UTC) + _ECHO))

    def wake(self) -> None:
        """Wake the host that sleeps, if one does."""
        if self._thaw is not None:
            for host in self._hosts:
                if host.child.pid == self._thaw[1]:
                    host.child.send_signal(signal.SIGCONT)
            self._thaw = None

    def close(self) -> None:
        """End all hosts in order."""
        self.wake()
        self._look()
        if self._back is not None:
            self._end_outage()
        for host in self._hosts:
            host.child.terminate()
        for host in self._hosts:
            process.stop(host.child, grace=_STOP_SECONDS)
        self._hosts = []

    def invocations(self) -> int:
        """How many runs of the queue function have left a word in a log."""
        pattern = re.compile(r" accept_request ([0-9a-f-]{36}) ")
        return len({found for text in self._read() for found in pattern.findall(text)})

    def poisoned(self) -> int:
        """How many messages the hosts gave up on."""
        return sum(text.count("moved to restore-requests-poison") for text in self._read())

    def worries(self) -> list[str]:
        """Lines of the logs that tell of a bug: a step that raised what nobody expected. That
        storage cannot be reached is expected while it is gone.
        """
        lines = (line for text in self._read() for line in text.splitlines())
        return [
            line[:2000]
            for line in lines
            if _WORRYING.search(line)
            and not (_OF_STORAGE.search(line) and self._was_out(line.partition(" ")[0]))
        ]

    def _was_out(self, moment: str) -> bool:
        when = datetime.fromisoformat(moment)
        return any(began <= when <= ended for began, ended in self._outages)

    def _read(self) -> list[str]:
        return [log.read_text("utf-8", "replace") for log in self._logs]

    def _kill(self, host: _Host) -> None:
        process.kill(host.child)
        self._hosts.remove(host)
        self.done["kills"] += 1

    def _freeze(self, host: _Host, seconds: float) -> None:
        if self._thaw is None:
            host.child.send_signal(signal.SIGSTOP)
            self._thaw = (time.monotonic() + seconds, host.child.pid)
            self.done["freezes"] += 1

    def _look(self) -> None:
        """Start hosts again that an outage ended; note those that ended by themselves otherwise,
        which none should.
        """
        for host in list(self._hosts):
            code = host.child.poll()
            if code is None:
                continue
            self._hosts.remove(host)
            if code == EXIT_CODE and (self._back or self._was_out(datetime.now(UTC).isoformat())):
                self.done["ends by an outage"] += 1
                self.start()
            else:
                self.died.append(f"{host.log.parent.name} ended with {code}")
