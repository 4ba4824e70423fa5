"""What all that people write has in common, messages and files: strict models, all problems at
once.

Knows how pydantic's findings are said in our words, and how a misspelt field is one problem that
names the field that was meant. Refuses to know any message or file.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails

from restore_core.errors import Problem
from restore_core.messages.decoding import ROOT, join

_MAX_PROBLEMS = 100


class Model(BaseModel):
    """What every part of a message has in common: no coercion, no unknown fields, no nulls, no
    changes.
    """

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        # Built at first use: most cold starts read a request, and neither guards nor plans.
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _not_null(cls, value: object) -> object:
        """Refuse null: `"items": null` is a sender's empty variable, and not «the full share»."""
        if value is None:
            raise ValueError("must not be null: leave the field out")
        return value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe an optional field as one that may be left out; `None` is only our word for
        that.
        """
        schema = handler(core_schema)
        for field in handler.resolve_ref_schema(schema).get("properties", {}).values():
            kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
            if len(kinds) == 1 and len(field["anyOf"]) == 2:
                del field["anyOf"], field["default"]
                field.update({**kinds[0], **field})
        return schema


def as_meant(value: object, *models: type[Model]) -> dict[str, object]:
    """Return what an object holds, each under the name of the field that it surely means.

    A misspelt field is reported as that; what it holds still tells which other rules apply.
    """
    if not isinstance(value, Mapping):
        return {}
    known = [field for model in models for field in field_names(model)]
    meant = {
        meant_field(name, known) or name: held for name, held in value.items() if name not in known
    }
    return meant | {name: held for name, held in value.items() if name in known}


def field_names(model: type[Model]) -> list[str]:
    """List a model's fields as messages spell them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


def meant_field(name: str, known: Sequence[str]) -> str | None:
    """Return the known name that a text surely means, `None` when it means none.

    What was meant is only ever said, never taken.
    """
    plain = {_plain(field): field for field in known}
    close = difflib.get_close_matches(_plain(name[:80]), list(plain), n=1, cutoff=0.7)
    return plain[close[0]] if close else None


_WORDS = {
    "missing": "is missing",
    "string_type": "must be a text",
    "string_unicode": "is not valid Unicode text",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "string_too_long": "has more than {max_length} characters",
    "string_too_short": "must not be empty",
    "too_long": "has more than {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}
_UNION_WORDS = {
    "recoveryPoint": "must be an object with id, or with select: latest or latestBefore",
    "target": "must be an object with location: original or alternate",
    "identity": "must be an object with type: systemAssigned or userAssigned",
}


def problems_of(
    error: ValidationError, kind: type[Model], *, what: str = "message"
) -> list[Problem]:
    """Put pydantic's findings into our words; a misspelt field is one problem, not two.

    `what` is the word for the whole that was read: a message, a file.
    """
    errors = error.errors(include_url=False, include_input=False)
    unknown: list[tuple[Sequence[str | int], str]] = []
    missing: dict[str, Problem] = {}
    found: list[Problem] = []
    for one in errors:
        if one["type"] == "extra_forbidden":
            unknown.append((one["loc"], str(one["loc"][-1])))
            continue
        problem = Problem(path=_dotted(one["loc"], kind) or ROOT, message=_message(one))
        if one["type"] == "missing":
            missing[problem.path] = problem
        else:
            found.append(problem)
    for loc, name in unknown:
        parent = _dotted(loc[:-1], kind)
        meant = meant_field(name, field_names(_model_at(kind, loc[:-1])))
        if meant is not None:
            missing.pop(join(parent, meant), None)
        found.append(
            Problem(
                path=join(parent, name),
                message=f"is not a field of this {what}",
                did_you_mean=meant,
            )
        )
    return [*missing.values(), *found]


def moved(problem: Problem, inside: str) -> Problem:
    """Say where a problem lies as its sender sees it; `inside` is the field around what was
    read.
    """
    if not inside:
        return problem
    path = problem.path
    if path == ROOT:
        return replace(problem, path=inside)
    return replace(problem, path=inside + path if path[:1] == "[" else f"{inside}.{path}")


def bounded(problems: Sequence[Problem]) -> list[Problem]:
    """Name each problem once, and say how many were left out of a message that is full of them."""
    each = list(dict.fromkeys(problems))
    if len(each) <= _MAX_PROBLEMS:
        return each
    left = len(each) - _MAX_PROBLEMS
    return [*each[:_MAX_PROBLEMS], Problem(path=ROOT, message=f"has {left} more problems")]


def summary(problems: Sequence[Problem]) -> str:
    """Put the problems of a message into one sentence."""
    if len(problems) == 1:
        return f"{problems[0].path}: {problems[0].message}"
    return f"The message has {len(problems)} problems; see problems."


def _message(error: ErrorDetails) -> str:
    context: dict[str, Any] = error.get("ctx") or {}
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "literal_error" and error["loc"] == ("action",):
        return "must be 'restore' or 'cancel'"
    if error["type"] in {"union_tag_not_found", "union_tag_invalid"}:
        return _UNION_WORDS.get(str(error["loc"][-1]), "is of no known kind")
    words = _WORDS.get(error["type"])
    return error["msg"][:200] if words is None else words.format(**context)


def _model_at(kind: type[Model], place: Sequence[str | int]) -> type[Model]:
    """Return the model that a location lies in."""
    model = kind
    for part in place:
        if isinstance(part, int):
            continue
        inner = {one.__name__: one for one in _models_in(model)}
        field = next((one for one in model.model_fields.values() if one.alias == part), None)
        if part in inner and field is None:
            model = inner[part]
        elif field is not None:
            held = list(_held((field.annotation, *field.metadata)))
            model = held[0] if len(held) == 1 else model
    return model


def _models_in(model: type[Model]) -> Iterator[type[Model]]:
    for field in model.model_fields.values():
        yield from _held((field.annotation, *field.metadata))


def _held(annotations: Sequence[Any]) -> Iterator[type[Model]]:
    for one in annotations:
        if isinstance(one, type) and issubclass(one, Model):
            yield one
        else:
            yield from _held(get_args(one))


@functools.cache
def _tags(model: type[Model]) -> set[str]:
    """Names of the union members below a model: locations hold them, and senders did not."""

    def tags(annotations: Sequence[Any]) -> Iterator[str]:
        for one in annotations:
            if isinstance(one, Tag):
                yield one.tag
            yield from tags(get_args(one))

    fields = model.model_fields.values()
    here = {tag for field in fields for tag in tags((field.annotation, *field.metadata))}
    return here.union(*map(_tags, _models_in(model)))


def _dotted(place: Sequence[str | int], kind: type[Model]) -> str:
    names = _tags(kind)
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]" and part not in names:
            path = join(path, part)
    return path
