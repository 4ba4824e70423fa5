"""Every ARM call of a run, kept in the form that recordings of this service commonly have.

One file for each step: `source` (where it comes from), `flow` (what the step found: operation, job,
activity id), `interactions` in order. Secrets are elided and ids neutralised before anything is
written. Of a long run of equal polls the first and the last are kept, with the number of all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.neutral import Neutral

Json = dict[str, Any]


@dataclass
class _Step:
    name: str
    flow: Json = field(default_factory=dict)
    interactions: list[Json] = field(default_factory=list)


class Recorder:
    """Collects calls and writes each step's when it ends, whatever way it ends."""

    def __init__(self, folder: Path, neutral: Neutral, *, kind: str) -> None:
        """`kind` says what answered: the service, or the emulator."""
        self._folder = folder
        self._neutral = neutral
        self._kind = kind
        self._step: _Step | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record the calls of a step into `<name>.json`. A step within a step is part of it."""
        if self._step is not None:
            yield
            return
        self._step = _Step(name=name)
        try:
            yield
        finally:
            step, self._step = self._step, None
            if step.interactions:
                self._write(step)

    def describe(self, **flow: object) -> None:
        """Say what the step in hand found."""
        if self._step is not None:
            self._step.flow |= flow

    def add(
        self,
        method: str,
        url: str,
        sent: Mapping[str, str],
        sent_body: Json | None,
        status: int,
        headers: Mapping[str, str],
        body: Json,
    ) -> None:
        """Keep a call. Only what may be shown is kept, so nothing else can be written."""
        if self._step is None:
            return
        call = {
            "method": method,
            "url": self._neutral.text(url),
            "request_headers": self._neutral.headers(sent),
            "request_body": self._neutral.value(sent_body),
            "status": status,
            "response_headers": self._neutral.headers(headers),
            "response_body": self._neutral.value(body) or "",
        }
        held = self._step.interactions
        if len(held) > 1 and _alike(held[-2], held[-1], call):
            call["equal_calls_left_out"] = held[-1].get("equal_calls_left_out", 0) + 1
            held[-1] = call
        else:
            held.append(call)

    def _write(self, step: _Step) -> None:
        document = {
            "source": {"recorded_by": "python -m tests.acceptance", "answered_by": self._kind},
            "flow": self._neutral.value(step.flow),
            "context": [],
            "interactions": step.interactions,
        }
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        self._neutral.check(text)
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{step.name}.json").write_text(text, "utf-8")


def _alike(one: Json, two: Json, three: Json) -> bool:
    """Whether three calls in a row are polls with the same answer, times and ids aside."""
    if three["method"] != "GET":
        return False
    return _shape(one) == _shape(two) == _shape(three)


def _shape(call: Json) -> tuple[object, ...]:
    body = call["response_body"]
    if isinstance(body, dict):
        # How long a job has run is no news; everything else is.
        inner = body.get("properties")
        kept = {k: v for k, v in inner.items() if k != "duration"} if isinstance(inner, dict) else 0
        body = json.dumps({**body, "properties": kept}, sort_keys=True)
    return (call["method"], call["url"], call["status"], body)
