import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.package.sbom import bill
from infra.package.source import Source
from infra.package.target import Target
from infra.package.wheels import Wheel
from tests.infra.package.made_wheels import wheel

SOURCE = Source(
    commit="c" * 40,
    committed_at=datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC),
    changed=False,
    files={},
)


def fetched(path: Path) -> Wheel:
    return Wheel(path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def text_of(*wheels: Path, python: str = "3.13", source: Source = SOURCE) -> str:
    return bill(
        [fetched(path) for path in wheels],
        source=source,
        target=Target(python=python),
        name="app",
        version="1.2",
    )


def components(text: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in json.loads(text)["components"]}


def needs(text: str) -> dict[str, list[str]]:
    return {each["ref"]: each.get("dependsOn", []) for each in json.loads(text)["dependencies"]}


def test_a_component_is_the_wheel_with_its_hash(tmp_path: Path) -> None:
    path = wheel(tmp_path, "one", version="2.0")
    component = components(text_of(path))["one"]
    assert component["version"] == "2.0"
    assert component["purl"] == "pkg:pypi/one@2.0?file_name=one-2.0-py3-none-any.whl"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert component["hashes"] == [{"alg": "SHA-256", "content": digest}]


@pytest.mark.parametrize(
    ("metadata", "licences"),
    [
        ("License-Expression: MIT OR Apache-2.0\n", [{"expression": "MIT OR Apache-2.0"}]),
        (
            "License: whatever\nClassifier: License :: OSI Approved :: MIT License\n",
            [{"license": {"name": "MIT License"}}],
        ),
        ("License: Apache 2.0\n", [{"license": {"name": "Apache 2.0"}}]),
        (f"License: {'a whole text ' * 9}\n", None),
        ("", None),
    ],
    ids=["expression", "classifier", "name", "text", "none"],
)
def test_a_licence_is_said_where_the_wheel_says_it(
    tmp_path: Path, metadata: str, licences: object
) -> None:
    text = text_of(wheel(tmp_path, "one", metadata=metadata))
    assert components(text)["one"].get("licenses") == licences


def test_who_needs_whom_follows_the_target_and_the_extras(tmp_path: Path) -> None:
    top = "Requires-Dist: mid[more]\nRequires-Dist: old; python_version < '3.13'\n"
    mid = "Requires-Dist: leaf; extra == 'more'\nRequires-Dist: old; extra == 'less'\n"
    paths = [
        wheel(tmp_path, "top", metadata=top + "Requires-Dist: absent\n"),
        wheel(tmp_path, "mid", metadata=mid),
        *(wheel(tmp_path, name) for name in ("leaf", "old")),
    ]
    found = needs(text_of(*paths))
    assert found["top==1.0"] == ["mid==1.0"]
    assert found["mid==1.0"] == ["leaf==1.0"]
    assert found["app"] == ["leaf==1.0", "mid==1.0", "old==1.0", "top==1.0"]
    assert needs(text_of(*paths, python="3.12"))["top==1.0"] == ["mid==1.0", "old==1.0"]


def test_the_same_package_has_the_same_bill(tmp_path: Path) -> None:
    one, two = wheel(tmp_path, "one"), wheel(tmp_path, "two")
    assert text_of(one, two) == text_of(two, one)
    content = json.loads(text_of(one, two))
    assert content["metadata"]["timestamp"] == "2026-11-20T09:00:01+00:00"


def test_another_package_has_another_serial_number(tmp_path: Path) -> None:
    one, two = wheel(tmp_path, "one"), wheel(tmp_path, "two")
    later = Source(commit="d" * 40, committed_at=SOURCE.committed_at, changed=False, files={})
    texts = [text_of(one), text_of(two), text_of(one, source=later), text_of(one, python="3.12")]
    assert len({json.loads(text)["serialNumber"] for text in texts}) == len(texts)


def test_a_bill_is_valid_by_the_standards_schema(tmp_path: Path) -> None:
    metadata = "License-Expression: MIT\nRequires-Dist: two\n"
    text = text_of(wheel(tmp_path, "one", metadata=metadata), wheel(tmp_path, "two"))
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(text) is None
    broken = text.replace('"type": "library"', '"type": "liberty"')
    assert validator.validate_str(broken) is not None
