"""The documents say what the code does."""

import json
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from docs import make_lifecycle, make_schemas
from restore_core.alerting.plans import read_plans
from restore_core.domain.lifecycle import FINAL, TRANSITIONS, Event, Phase
from restore_core.messages.request import CancelRequest, RestoreRequest
from restore_core.vocabulary import ErrorClass, Reason, Rejection, WaitingFor
from tests.restore_core.given import read_message

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
MESSAGES = (ROOT / "docs/messages.md").read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """The code blocks of a document in one language."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def section(title: str) -> str:
    """The part of the messages page below a heading, up to the next heading."""
    _, _, rest = MESSAGES.partition(f"\n{title}\n")
    assert rest, f"{title} is missing"
    return re.split(r"\n#+ ", rest)[0]


def first_column(title: str) -> list[str]:
    """What the table in a section lists."""
    return re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE)


def values(kind: Iterable[StrEnum]) -> list[str]:
    return [one.value for one in kind]


def json_blocks() -> list[Any]:
    return [
        pytest.param(text, id=f"{path.name}-{number}")
        for path in DOCUMENTS
        for number, text in enumerate(blocks(path, "json"))
    ]


@pytest.mark.parametrize("text", json_blocks())
def test_every_example_is_a_readable_message_or_an_event_of_the_app(text: str) -> None:
    example = json.loads(text)
    if "specversion" not in example:
        assert isinstance(read_message(text.encode()), RestoreRequest | CancelRequest)
        return
    data = example["data"]
    if example["type"] == "azurefilesrestore.MessageRejected.v1":
        assert data["reason"] in values(Rejection)
        assert example["id"] == f"{data['requestId']}/MessageRejected/{data['messageId']}"
        assert example["subject"] == data["messageId"]
        return
    assert data["phase"] in values(FINAL)
    assert data["reason"] in values(Reason)
    assert example["type"] == f"azurefilesrestore.{data['phase']}.v1"
    assert example["id"] == f"{data['requestId']}/{data['phase']}"
    assert example["subject"] == data["requestId"]
    assert example["time"] == data["finishedAt"]
    documented = first_column("### Fields of `data`")
    assert [name for name in documented if name in data] == list(data)


def test_there_are_examples_of_every_kind_of_message() -> None:
    examples = [json.loads(text) for text in blocks(ROOT / "docs/messages.md", "json")]
    actions = {one.get("action", "restore") for one in examples if "specversion" not in one}
    assert actions == {"restore", "cancel"}
    assert len([one for one in examples if "specversion" in one]) == 2


def test_the_page_of_messages_lists_the_fields_of_a_request() -> None:
    fields = [field.alias for field in RestoreRequest.model_fields.values()]
    assert first_column("## Restore request") == fields


def test_the_page_of_messages_lists_the_fields_of_a_completion() -> None:
    source = (ROOT / "restore_core/completions/events.py").read_text(encoding="utf-8")
    whole = r"^def _end_data.*?^    return \{\n(.*?)^    \}\n"
    written = re.search(whole, source, re.DOTALL | re.MULTILINE)
    assert written is not None
    names = re.findall(r'^        "(\w+)": ', written[1], re.MULTILINE)
    assert sorted(first_column("### Fields of `data`")) == sorted(names)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("## Rejected messages", values(Rejection)),
        ("### `phase`", [phase.value for phase in Phase if phase in FINAL]),
        ("### `reason`", values(Reason)),
        ("### `waitingFor`", values(WaitingFor)),
        ("### `error.class`", values(ErrorClass)),
    ],
)
def test_the_page_of_messages_lists_each_closed_vocabulary(title: str, kind: list[str]) -> None:
    assert sorted(first_column(title)) == sorted(kind)


def test_the_page_of_the_lifecycle_is_written_out_of_the_code() -> None:
    page = make_lifecycle.page()
    assert make_lifecycle.PAGE.read_text(encoding="utf-8") == page, (
        "run python -m docs.make_lifecycle"
    )
    for phase, row in TRANSITIONS.items():
        assert f"| `{phase}` | " in page
        for event, following in row.items():
            if event is not Event.WAITED:
                assert re.search(rf"^    {phase} --> {following}: .*{event}", page, re.MULTILINE)


@pytest.mark.parametrize("name", make_schemas.SCHEMAS)
def test_each_schema_is_written_out_of_the_models(name: str) -> None:
    written = make_schemas.path(name).read_text(encoding="utf-8")
    assert written == make_schemas.schema(name), "run python -m docs.make_schemas"
    assert '"null"' not in written
    schema = json.loads(written)
    named = set(re.findall(r'"#/\$defs/(\w+)"', written))
    assert named == set(schema["$defs"])
    assert all(one["additionalProperties"] is False for one in objects(schema))


def objects(schema: Any) -> list[Any]:
    """The parts of a schema that describe an object with fields of its own."""
    inner = schema.values() if isinstance(schema, dict) else schema
    below = [one for part in inner if isinstance(part, dict | list) for one in objects(part)]
    fields = isinstance(schema, dict) and "properties" in schema and "required" in schema
    return [schema, *below] if fields else below


def test_no_schema_is_left_over() -> None:
    kept = sorted(make_schemas.FOLDER.iterdir())
    assert kept == sorted(map(make_schemas.path, make_schemas.SCHEMAS))


def test_the_sample_of_plans_is_a_file_that_the_app_reads() -> None:
    sample = ROOT / "restore-plans.sample.json"
    plans = read_plans(sample.read_bytes())
    assert len(plans.plans) == 2
    assert plans.schema_hint is not None
    assert (ROOT / plans.schema_hint).exists()


def test_every_phase_has_a_sentence() -> None:
    assert set(make_lifecycle.sentences(Phase)) == {phase.name for phase in Phase}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_and_every_file_that_is_named_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), target
    for name in re.findall(r"`((?:restore_core|local|tests|docs)(?:/[\w./]+)?)`", text):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_anchor_is_a_heading(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        other = (path.parent / target) if target else path
        headings = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", one).strip().lower().replace(" ", "-") for one in headings}
        assert anchor in slugs, anchor


def test_the_readme_names_each_room_and_each_module_beside_the_rooms() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    _, _, layout = text.partition("## Layout")
    rows = re.findall(r"^\| (`restore_core[^|]*) \|", layout, re.MULTILINE)
    named = re.findall(r"`restore_core/([\w.]+)`", " ".join(rows))
    product = ROOT / "restore_core"
    rooms = [path.parent.name for path in product.glob("*/__init__.py")]
    modules = [path.name for path in product.glob("*.py") if path.name != "__init__.py"]
    assert sorted(named) == sorted([*rooms, *modules])


def test_the_readme_names_commands_that_exist_and_code_that_compiles() -> None:
    readme = ROOT / "README.md"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(
        r"(?:`|^)make (\w+)", readme.read_text(encoding="utf-8"), re.MULTILINE
    ):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    programs = blocks(readme, "python")
    assert programs
    for number, program in enumerate(programs):
        compile(program, f"README.md, program {number}", "exec")
