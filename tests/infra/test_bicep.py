"""The Bicep files parse, and what they name is there. No compiler is at hand to say more."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.infra.bicep import FILES, INFRA, ROOT, BicepFile, BicepSyntaxError, Declared, read

MAIN = INFRA / "main.bicep"
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


def module_calls() -> list[Any]:
    return [
        pytest.param(path, module, id=f"{path.stem}-{module.symbol}")
        for path in FILES
        for module in read(path).modules
    ]


@EVERY_FILE
def test_every_file_parses_and_uses_only_what_it_declares(path: Path) -> None:
    assert read(path).undeclared() == []


@EVERY_FILE
def test_nothing_is_declared_for_nobody(path: Path) -> None:
    file = read(path)
    text = path.read_text(encoding="utf-8")
    for name in [*file.params, *file.variables]:
        assert len(re.findall(rf"\b{name}\b", text)) > 1, name


@pytest.mark.parametrize(
    "text",
    [
        "param a string\nvar b = [\n  'x'\n",
        "resource x 'A/b@2024-01-01' = {\n  name 'x'\n}",
        "var b = split(",
        "param name",
        "output a = 5",
        "modul x 'a.bicep' = {}",
    ],
)
def test_a_syntax_error_is_found(text: str) -> None:
    with pytest.raises(BicepSyntaxError, match=r"^line \d"):
        BicepFile.parse(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("var a = b", "b"),
        ("param a string = b", "b"),
        ("var a = { x: { y: [ b ] } }", "b"),
        ("var a = 'x${b}'", "b"),
        ("var a = { 'x${b}': 1 }", "b"),
        ("var a = toLower(b)", "b"),
        ("var a = tolower('x')", "tolower"),
        ("var a = b.c.d", "b"),
        ("var a = [1][b]", "b"),
        ("var a = b ? 1 : 2", "b"),
        ("var a = [for x in b: x]", "b"),
        ("var a = [for x in [1]: { y: b }]", "b"),
        ("var a = [for x in [1]: x]\nvar c = x", "x"),
        ("output a string = b.properties.x", "b"),
        ("resource r 'A/b@1' = {\n  parent: b\n}", "b"),
        ("resource r 'A/b@1' = if (b) {\n  name: 'x'\n}", "b"),
        ("module m 'm.bicep' = {\n  params: { p: b }\n}", "b"),
    ],
)
def test_an_undeclared_name_is_found(text: str, found: str) -> None:
    undeclared = BicepFile.parse(text).undeclared()
    assert [one.rpartition(" ")[2] for one in undeclared] == [found]


@pytest.mark.parametrize(
    "text",
    [
        "param a string\nvar b = { a: a, c: a.a }",
        "var a = [for (x, i) in [1]: { y: x, z: i }]",
        "var a = [for x in [1]: '${x}']",
        "@description('x')\nparam a string",
        "resource r 'A/b@1' existing = {\n  name: 'x'\n}\noutput a string = r.id",
    ],
)
def test_declared_names_are_passed(text: str) -> None:
    assert BicepFile.parse(text).undeclared() == []


@pytest.mark.parametrize(("path", "module"), module_calls())
def test_a_module_is_there_and_gets_what_it_asks_for(path: Path, module: Declared) -> None:
    asked = read((path.parent / module.kind).resolve(strict=True)).params
    given = set(module.body["params"])
    assert given <= set(asked), "it knows no such parameter"
    assert {name for name, default in asked.items() if default is ...} <= given


@EVERY_FILE
def test_outputs_that_are_used_are_there(path: Path) -> None:
    modules = {one.symbol: one.kind for one in read(path).modules}
    text = path.read_text(encoding="utf-8")
    for symbol, output in re.findall(r"\b(\w+)\.outputs\.(\w+)", text):
        assert output in read((path.parent / modules[symbol]).resolve()).outputs


def test_every_module_is_part_of_the_deployment() -> None:
    used = {(MAIN.parent / module.kind).resolve() for module in read(MAIN).modules}
    assert used == set(FILES) - {MAIN}


def test_the_parameters_file_gives_what_is_asked_for() -> None:
    given = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    asked = read(MAIN).params
    assert set(given) <= set(asked)
    assert {name for name, default in asked.items() if default is ...} <= set(given)
    # What a clone deploys lets nobody in and touches no vault.
    lists = ("vaultIds", "senderIds", "consumerIds", "eventTopicIds")
    assert [given[name]["value"] for name in lists] == [[]] * 4


def test_one_type_of_resource_has_one_version_everywhere_and_no_preview() -> None:
    versions: dict[str, set[str]] = {}
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for kind, version in re.findall(r"'(Microsoft\.\w+/[\w/]+)@([\w-]+)'", text):
            # A part of a resource is of the resource's version.
            versions.setdefault("/".join(kind.split("/")[:2]), set()).add(version)
    assert len(versions) > 10
    assert {kind: each for kind, each in versions.items() if len(each) > 1} == {}
    assert [each for held in versions.values() for each in held if "preview" in each] == []


def test_azure_runs_a_python_that_the_app_supports() -> None:
    text = (INFRA / "modules/app.bicep").read_text(encoding="utf-8")
    (version,) = re.findall(r"name: 'python'\n\s+version: '3\.(\d+)'", text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    least = int(project["requires-python"].removeprefix(">=3."))
    assert least <= int(version) <= 13
