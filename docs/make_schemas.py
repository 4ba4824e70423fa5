# ruff: noqa: INP001  (docs/ is no package)
"""Write the JSON Schemas in docs/schemas out of the models: `make docs`.

A test compares the files with what this writes, so that neither changes alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restore_core.guards import Guards
from restore_core.model import Model

FOLDER = Path(__file__).resolve().parent / "schemas"
SCHEMAS: Mapping[str, tuple[type[Model], str]] = {
    "restore-guards.schema.json": (Guards, "Guards: what may be restored (RESTORE_GUARDS)"),
}
"""Each file, the model that it describes, and its title."""


def schema(model: type[Model], title: str) -> dict[str, Any]:
    """Describe a model; the file names the dialect, as editors want it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(by_alias=True),
        "title": title,
    }


def text(name: str) -> str:
    """Return a file's text."""
    return json.dumps(schema(*SCHEMAS[name]), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for one in SCHEMAS:
        (FOLDER / one).write_text(text(one), encoding="utf-8")
