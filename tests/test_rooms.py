"""The rooms of the product: each has a contract of its own that no module escapes."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_every_room_has_a_contract_without_exceptions() -> None:
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "restore_core").rglob("__init__.py")
    }
    contracts = TOOLS["importlinter"]["contracts"]
    contained = [room for one in contracts for room in one["containers"]]
    assert sorted(contained) == sorted(rooms)
    for one in contracts:
        assert one["type"] == "layers"
        assert one["exhaustive"] is True
        assert not {"exhaustive_ignores", "ignore_imports"} & set(one)


def test_the_tests_of_a_module_stand_in_the_room_of_its_name() -> None:
    tests = ROOT / "tests/restore_core"
    rooms = {path.parent.name for path in (ROOT / "restore_core").glob("*/__init__.py")}
    assert {path.parent.name for path in tests.glob("*/__init__.py")} == rooms
    for path in tests.glob("test_*.py"):
        name = path.name.removeprefix("test_")
        assert (ROOT / "restore_core" / name).exists(), f"{path.name} belongs into a room"


def test_every_fence_has_a_gate_that_exists() -> None:
    lint = TOOLS["ruff"]["lint"]
    gates = [
        name
        for name, codes in lint["per-file-ignores"].items()
        if "TID251" in codes and "*" not in name
    ]
    assert [name for name in gates if not (ROOT / name).is_file()] == []
    for fence in lint["flake8-tidy-imports"]["banned-api"].values():
        assert any(gate in fence["msg"] for gate in gates), fence["msg"]
