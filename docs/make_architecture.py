# ruff: noqa: INP001  (docs/ is no package)
"""`python -m docs.make_architecture` writes two parts of docs/architecture.md: the picture of the
rooms, out of the import contracts in pyproject.toml, and what is in each room, out of the first
lines of its modules.

The contracts are what `make check` enforces, so the picture cannot show a house that the code does
not live in. The rest of the page is written by hand and stays as it is. A test compares the page
with the contracts and the code.
"""

from __future__ import annotations

import ast
import itertools
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/architecture.md"
PRODUCT = "restore_core"

Layers = list[list[str]]
"""From top to bottom; those that stand in one line may not import each other."""


def page() -> str:
    """The page as it should be."""
    text = PAGE.read_text(encoding="utf-8")
    text = _with_part(text, "picture", "\n".join(["```mermaid", *_picture(), "```"]))
    return _with_part(text, "rooms", "\n".join(_rooms()))


def contracts() -> Mapping[str, tuple[str, Layers]]:
    """The contract of the product and of each room: its sentence and its layers."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    return {
        container: (contract["name"], _layers(contract))
        for contract in tools["importlinter"]["contracts"]
        for container in contract["containers"]
    }


def _layers(contract: Mapping[str, Any]) -> Layers:
    return [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]


def _with_part(text: str, name: str, content: str) -> str:
    """Put what is made in between its two marks."""
    begin, end = f"<!-- made: {name} -->\n", f"<!-- end: {name} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise ValueError(f"docs/architecture.md must have {begin.strip()} and {end}, once each")
    return pattern.sub(lambda _: f"{begin}{content}\n{end}", text)


def _picture() -> Iterator[str]:
    """Draw one row for each layer of the product. Arrows are imports: a row may use all below."""
    _, layers = contracts()[PRODUCT]
    yield "flowchart TB"
    yield '    function_app["function_app.py<br>the triggers"]'
    for number, layer in enumerate(layers):
        yield f'    subgraph row{number}[" "]'
        yield "        direction LR"
        for name in layer:
            yield f'        {name}["{name}<br>{_label(name)}"]'
        yield "    end"
    rows = ["function_app", *(f"row{number}" for number in range(len(layers)))]
    yield from (f"    {upper} --> {lower}" for upper, lower in itertools.pairwise(rows))


def _label(name: str) -> str:
    """Break a summary into lines that a box can hold; quotes and code marks end a label."""
    words, lines = summary(_path(PRODUCT, name)).replace('"', "").replace("`", "").split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > 28:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(lines)


def _rooms() -> Iterator[str]:
    """Describe each room in the order of the picture, then the modules of the ground floor."""
    known = contracts()
    _, layers = known[PRODUCT]
    names = [name for layer in layers for name in layer]
    for name in (one for one in names if f"{PRODUCT}.{one}" in known):
        sentence, inside = known[f"{PRODUCT}.{name}"]
        yield f"### `{PRODUCT}/{name}`\n"
        yield f"{summary(_path(PRODUCT, name))}\n\n*{sentence}.*\n"
        yield from _table(f"{PRODUCT}/{name}", [one for layer in inside for one in layer])
        yield ""
    yield "### Modules without a room\n"
    yield from _table(PRODUCT, [one for one in names if f"{PRODUCT}.{one}" not in known])


def _table(folder: str, names: list[str]) -> Iterator[str]:
    yield "| module | what it is about |"
    yield "|---|---|"
    for name in names:
        yield f"| `{folder}/{name}.py` | {summary(_path(folder, name))} |"


def _path(folder: str, name: str) -> Path:
    """The file of a module, or of a room."""
    module = ROOT / folder / f"{name}.py"
    return module if module.exists() else ROOT / folder / name / "__init__.py"


def summary(path: Path) -> str:
    """The first sentence of a module's docstring; its first paragraph where that is no sentence."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if not docstring:
        raise ValueError(f"{path.relative_to(ROOT)} must begin with a docstring")
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[.]) (?=[A-Z])", paragraph)[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
