"""Reads Bicep as far as the tests need: syntax, declarations, what is used, and plain values.

It is no compiler: it knows no resource type, so that a misspelt property passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"
FILES = sorted(INFRA.rglob("*.bicep"))

FUNCTIONS = frozenset(
    {
        "empty",
        "environment",
        "guid",
        "last",
        "resourceGroup",
        "split",
        "subscription",
        "subscriptionResourceId",
        "toLower",
        "union",
        "uniqueString",
        "uriComponent",
    }
)
"""The built-in functions that our files call; another one is looked up in the manual first."""


class Expression(str):
    """What only a deployment can work out, as it is written."""

    __slots__ = ()


class BicepSyntaxError(ValueError):
    """A file that does not parse."""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """A resource or a module."""

    symbol: str
    kind: str
    """The resource type without its version, or the module's path."""
    existing: bool
    body: dict[str, Any]


@dataclass(kw_only=True)
class BicepFile:
    """A file by its declarations."""

    root: Node
    params: dict[str, Any] = field(default_factory=dict)
    """Name to default; `...` where there is none."""
    variables: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    resources: list[Declared] = field(default_factory=list)
    modules: list[Declared] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a file; raises `BicepSyntaxError` with the line."""
        root = Parser(Language(tree_sitter_bicep.language())).parse(text.encode()).root_node
        for node in every(root):
            if node.is_error or node.is_missing:
                raise BicepSyntaxError(f"line {node.start_point.row + 1}: {_text(node)[:60]!r}")
        made = cls(root=root)
        for node in root.named_children:
            made._declare(node)
        return made

    @property
    def declared(self) -> set[str]:
        """Every name that the file may use."""
        named = {one.symbol for one in [*self.resources, *self.modules]}
        return {*self.params, *self.variables, *named}

    def undeclared(self) -> list[str]:
        """What the file uses and does not declare, with the line."""
        return [
            f"line {node.start_point.row + 1}: {_text(node)}"
            for node in _unknown(self.root, frozenset(self.declared))
        ]

    def strings(self) -> list[str]:
        """Every string, as it is written between its quotes."""
        return [_text(node)[1:-1] for node in every(self.root) if node.type == "string"]

    def _declare(self, node: Node) -> None:
        parts = node.named_children
        if node.type == "parameter_declaration":
            self.params[_text(parts[0])] = value(parts[2]) if len(parts) > 2 else ...
        elif node.type == "variable_declaration":
            self.variables[_text(parts[0])] = value(parts[-1])
        elif node.type == "output_declaration":
            self.outputs[_text(parts[0])] = _text(parts[-1])
        elif node.type in {"resource_declaration", "module_declaration"}:
            body = parts[-1]
            while body.type in {"for_statement", "if_statement"}:
                body = body.named_children[-1]
            held = value(body)
            assert isinstance(held, dict), f"{_text(parts[0])} has a body of an unknown form"
            one = Declared(
                symbol=_text(parts[0]),
                kind=str(value(parts[1])).partition("@")[0],
                existing=any(child.type == "existing" for child in node.children),
                body=held,
            )
            (self.modules if node.type == "module_declaration" else self.resources).append(one)


@cache
def read(path: Path) -> BicepFile:
    """Read a file of `infra/`."""
    return BicepFile.parse(path.read_text(encoding="utf-8"))


def every(node: Node) -> Iterator[Node]:
    """Give a node and all below it."""
    yield node
    for child in node.children:
        yield from every(child)


def value(node: Node) -> Any:
    """Read a literal; what is none becomes an `Expression`."""
    if node.type == "object":
        pairs = [one.named_children for one in node.named_children if one.type == "object_property"]
        return {_text(key).strip("'"): value(held) for key, held in pairs}
    if node.type == "array":
        return [value(one) for one in node.named_children if one.type != "comment"]
    if node.type == "boolean":
        return _text(node) == "true"
    if node.type == "number":
        return int(_text(node))
    if node.type == "string" and all(one.type == "string_content" for one in node.named_children):
        return _text(node)[1:-1]
    return Expression(_text(node))


def _text(node: Node) -> str:
    assert node.text is not None
    return node.text.decode()


def _unknown(node: Node, known: frozenset[str]) -> Iterator[Node]:
    """Walk what is used, with the names of loops and lambdas added where they hold."""
    parts = node.named_children
    if node.type == "identifier":
        if _text(node) not in known:
            yield node
        return
    if node.type in {"decorators", "type", "comment"}:
        return
    if node.type.endswith("_declaration") or node.type == "resource_expression":
        # The first is the name itself; of `parent::child` the first alone is one.
        parts = parts[:1] if node.type == "resource_expression" else parts[1:]
    elif node.type == "object_property":
        parts = parts[1:] if parts[0].type == "identifier" else parts
    elif node.type == "call_expression":
        if parts[0].type == "identifier":
            if _text(parts[0]) not in FUNCTIONS:
                yield parts[0]
            parts = parts[1:]
    elif node.type in {"for_statement", "lambda_expression"}:
        names = parts[0].named_children if parts[0].named_child_count else parts[:1]
        if node.type == "for_statement":
            yield from _unknown(parts[1], known)
            parts = parts[2:]
        else:
            parts = parts[1:]
        known = known | {_text(name) for name in names}
    for part in parts:
        yield from _unknown(part, known)
