"""The page about the rooms shows what the contracts say, and its hops are those of a real run."""

from __future__ import annotations

import ast
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from docs import make_architecture
from restore_core.alerting.plans import read_plans
from restore_core.http_api.answers import HttpRequest
from restore_core.http_api.routes import Intake
from restore_core.policy.guards import read_guards
from restore_core.policy.patterns import SHARE
from tests.restore_core.given import ALERT_ID, alert_body, plans_body
from tests.simulators.store import memory_store
from tests.simulators.world import ACCOUNTS, START, VAULT, World, elsewhere, request

ROOT = Path(__file__).resolve().parent.parent
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
HOP = re.compile(r"^\| \d+ \| `([\w.]+)` \| `([\w/]+\.py)` \|", re.MULTILINE)
STANDS_FOR = {
    "_Post.send": "RestorePost.send",
    "MemoryQueue.send": "CompletionQueue.send",
    "Line.send": "RequestQueue.send",
}
"""What the simulators have in place of a real part."""
ALLOWED = {
    "schemaVersion": "1.0",
    "rules": [
        {
            "name": "all",
            "vaults": [VAULT],
            "sources": [f"{ACCOUNTS}/*/fileServices/default/shares/*"],
            "targets": [SHARE.format("*", "*", "*", "*")],
            "originalLocation": "overwrite",
        }
    ],
}
PLAN = {
    "name": "finance",
    "match": {"alertRule": "ransomware-*"},
    "vaultId": VAULT,
    "source": {"storageAccountId": f"{ACCOUNTS}/source1", "fileShare": "finance"},
    "recoveryPoint": {"maxAge": "P60D"},
    "target": elsewhere("recovered"),
    "cooldown": "PT6H",
}


class Line:
    """The request queue in memory."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, text: str) -> None:
        self.texts.append(text)


def hops(title: str) -> list[tuple[str, str]]:
    """Function and file of each hop in a section, in order."""
    section = ARCHITECTURE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = HOP.findall(section)
    numbers = re.findall(r"^\| (\d+) \|", section, re.MULTILINE)
    assert numbers == [str(number) for number in range(1, len(found) + 1)]
    return found


def functions(path: Path) -> set[str]:
    """The functions of a module, and the methods of its classes as `Class.method`."""
    found = set()
    for one in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(one, ast.FunctionDef):
            found.add(one.name)
        elif isinstance(one, ast.ClassDef):
            methods = [inner.name for inner in one.body if isinstance(inner, ast.FunctionDef)]
            found |= {one.name, *(f"{one.name}.{name}" for name in methods)}
    return found


@contextmanager
def traced() -> Iterator[list[str]]:
    """Collect the functions of the product and of the simulators that are called inside."""
    called: list[str] = []

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and str(ROOT) in frame.f_code.co_filename:
            name = frame.f_code.co_qualname
            called.append(STANDS_FOR.get(name, name))

    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(before)
        threading.setprofile(None)


def assert_in_order(names: list[str], called: list[str]) -> None:
    """Assert that functions were called one after the other, whatever was called in between."""
    rest = iter(called)
    for number, name in enumerate(names):
        assert name in rest, f"{name} is not called after {names[:number][-1:]}"


def of_product(listed: list[tuple[str, str]]) -> list[str]:
    """The hops without those of the host's functions, which simulators do not run."""
    return [name for name, path in listed if path != "function_app.py"]


def test_the_page_of_the_rooms_is_made_from_the_contracts() -> None:
    assert make_architecture.page() == ARCHITECTURE, "run python -m docs.make_architecture"
    for container, (sentence, layers) in make_architecture.contracts().items():
        inside = container == make_architecture.PRODUCT
        assert inside or f"*{sentence}.*" in ARCHITECTURE
        for name in (name for layer in layers for name in layer):
            assert not inside or re.search(rf'^ +{name}\["{name}<br>', ARCHITECTURE, re.MULTILINE)


def test_the_page_of_the_rooms_names_each_module_once() -> None:
    named = re.findall(r"^\| `(restore_core/[\w/]+\.py)` \|", ARCHITECTURE, re.MULTILINE)
    modules = (path.relative_to(ROOT).as_posix() for path in (ROOT / "restore_core").rglob("*.py"))
    assert sorted(named) == sorted(path for path in modules if not path.endswith("__init__.py"))


def test_every_hop_names_a_function_that_exists() -> None:
    named = HOP.findall(ARCHITECTURE)
    assert len(named) > 50
    missing = [f"{path}: {name}" for name, path in named if name not in functions(ROOT / path)]
    assert missing == []


def test_a_request_goes_from_hop_to_hop_as_the_page_says() -> None:
    world = World(guards=read_guards(json.dumps(ALLOWED).encode()))
    with traced() as called:
        world.send(request("r1"))
        world.sweep_until_quiet()
    assert world.end_of("r1")["phase"] == "Completed"
    names = of_product(hops("One request, hop by hop"))
    assert_in_order(names, called)


def test_an_alert_and_its_copy_go_from_hop_to_hop_as_the_page_says() -> None:
    world, line = World(guards=read_guards(json.dumps(ALLOWED).encode())), Line()
    world.plans = read_plans(json.dumps(plans_body(PLAN)).encode())
    intake = Intake(requests=line, store=memory_store(world.tables), settings=world.settings)
    fired = START.isoformat()
    with traced() as called:
        for alert_id in (ALERT_ID, f"{ALERT_ID}-2"):
            body = json.dumps(alert_body(alertId=alert_id, firedDateTime=fired)).encode()
            answer = intake.post_alert(HttpRequest(method="POST", body=body))
            assert answer.status == 202
            world.send(line.texts.pop().encode())
    (rejection,) = world.events()
    assert rejection["data"]["reason"] == "Folded"
    names = of_product(hops("One alert, hop by hop"))
    assert_in_order(names, called)


def test_a_hop_out_of_order_is_noticed() -> None:
    with pytest.raises(AssertionError, match="b is not called after"):
        assert_in_order(["a", "c", "b"], ["a", "b", "c"])
