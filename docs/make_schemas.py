# ruff: noqa: INP001  (docs/ is no package)
"""`python -m docs.make_schemas` writes docs/schemas out of models: of what the program reads, those
that it reads with; of its events, `event_models.py`.

A schema helps an editor and a pipeline to find most mistakes early. It does not know the rules
that concern several fields, and not all names that Azure refuses: the program has the last word. A
test compares the files with the models.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from docs.event_models import EndEvent, RejectionEvent
from restore_core.alerting.plans import Plans
from restore_core.messages.request import CancelRequest, RestoreRequest
from restore_core.policy.guards import Guards

FOLDER = Path(__file__).resolve().parent / "schemas"
SCHEMAS: dict[str, tuple[str, TypeAdapter[Any]]] = {
    "restore-request": (
        "A message on the request queue: a restore, or the cancel of one",
        TypeAdapter(RestoreRequest | CancelRequest),
    ),
    "completion-event": (
        "An event on the completion queue: the end of a request, or the answer to what is none",
        TypeAdapter(EndEvent | RejectionEvent),
    ),
    "restore-guards": ("The file restore-guards.json", TypeAdapter(Guards)),
    "restore-plans": ("The file restore-plans.json", TypeAdapter(Plans)),
}
"""Each schema by the name of its file: what it describes, and the models."""


def path(name: str) -> Path:
    """Where a schema is kept."""
    return FOLDER / f"{name}.schema.json"


def schema(name: str) -> str:
    """A schema as it should be."""
    title, models = SCHEMAS[name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    described = _without_titles(models.json_schema())
    return json.dumps(head | described, indent=2, ensure_ascii=False) + "\n"


def _without_titles(part: Any) -> Any:  # noqa: ANN401  (JSON)
    """The schema without the titles that only repeat the names of fields."""
    if isinstance(part, dict):
        return {
            name: _without_titles(held)
            for name, held in part.items()
            if not (name == "title" and isinstance(held, str))
        }
    return [_without_titles(each) for each in part] if isinstance(part, list) else part


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in SCHEMAS:
        path(each).write_text(schema(each), encoding="utf-8")
