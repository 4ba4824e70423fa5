# ruff: noqa: INP001  (docs/ is no package)
"""`python -m docs.make_lifecycle` writes docs/lifecycle.md out of `restore_core.domain.lifecycle`.

The picture is the transition table, and the sentences are those that stand below each phase and
event in that module, so that neither can go its own way. A test compares the page with the code.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from restore_core.domain.lifecycle import FINAL, TRANSITIONS, Event, Phase

PAGE = Path(__file__).resolve().parent / "lifecycle.md"

_HEAD = """\
<!-- Written by `python -m docs.make_lifecycle` out of restore_core/domain/lifecycle.py.
Do not edit. -->

# The life of a request

A request is in one phase at a time. The phase is stored before anything is done about it, so that
a crash at any point leaves a phase that is true. A final phase is announced by one event on the
completion queue; [messages.md](messages.md) describes it.
"""

_AFTER_PICTURE = """\
`waited` (not in the picture) keeps the phase: only the reason to wait, or what is known, changed.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join(
        [
            _HEAD,
            "```mermaid",
            *_picture(),
            "```",
            "",
            _AFTER_PICTURE,
            *_phases(),
            "",
            *_events(),
            "",
        ]
    )


def sentences(kind: type) -> dict[str, str]:
    """The text that stands below each member of an enumeration, or field of a class, by name."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  (for the type checker)
    found: dict[str, str] = {}
    name = ""
    for statement in definition.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = " ".join(text.split())
                name = ""
    return found


def _picture() -> list[str]:
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.ACCEPTED}"]
    for phase, row in TRANSITIONS.items():
        leads: dict[Phase, list[str]] = {}
        for event, following in row.items():
            if event is not Event.WAITED:
                leads.setdefault(following, []).append(event.value)
        lines += [f"    {phase} --> {to}: {' / '.join(words)}" for to, words in leads.items()]
    return [*lines, *(f"    {phase} --> [*]" for phase in TRANSITIONS if phase in FINAL)]


def _phases() -> list[str]:
    said = sentences(Phase)
    rows = [f"| `{phase.value}` | {said[phase.name]} |" for phase in Phase]
    return ["## Phases", "", "| phase | what is true |", "|---|---|", *rows]


def _events() -> list[str]:
    said = sentences(Event)
    rows = [f"| {event.value} | {said[event.name]} |" for event in Event if event.name in said]
    head = ["## What can happen", "", "| event | what it says |", "|---|---|"]
    return [*head, *rows, "", f"All others say it by their name: {_others(said)}."]


def _others(said: dict[str, str]) -> str:
    return ", ".join(event.value for event in Event if event.name not in said)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
