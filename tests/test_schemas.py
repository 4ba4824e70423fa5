"""The schemas bound what they describe; the sample of the guards is what its schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from docs.make_schemas import SCHEMAS, schema
from restore_core.policy.guards import Rule, read_guards

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_limits_every_list(name: str) -> None:
    def check(part: Any, place: str) -> None:
        if isinstance(part, dict):
            if part.get("type") == "array":
                assert "maxItems" in part, place
            for key, inner in part.items():
                check(inner, f"{place}/{key}")
        elif isinstance(part, list):
            for inner in part:
                check(inner, place)

    check(json.loads(schema(name)), name)


def test_the_sample_of_the_guards_is_one_and_uses_every_kind_of_rule() -> None:
    sample = ROOT / "restore-guards.sample.json"
    guards = read_guards(sample.read_bytes())
    used = {field for rule in guards.rules for field in rule.model_fields_set}
    assert used >= set(Rule.model_fields) - {"healthy_recovery_point"}
    linked = json.loads(sample.read_text(encoding="utf-8"))["$schema"]
    assert (ROOT / linked).is_file()
