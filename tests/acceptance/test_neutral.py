"""Recordings: nothing secret in them, and ids that are equal stay equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.azure_stage import NAMES, OBJECT_ID, SUBSCRIPTION, MemoryFiles, estate_on
from tests.acceptance.azure_stage import token as made_token
from tests.acceptance.fake_azure import FakeAzure, direct
from tests.acceptance.neutral import LeakError, Neutral
from tests.acceptance.program import neutral_names
from tests.acceptance.recorder import Recorder

GUID = "274d6083-b58b-11f1-86e8-6045bda581f9"


@pytest.fixture
def neutral() -> Neutral:
    """Of one run."""
    return Neutral(
        salt="salt",
        subscription=SUBSCRIPTION,
        names=neutral_names(NAMES),
        endpoint="https://management.azure.com",
    )


def test_no_recording_of_a_whole_run_holds_a_secret_or_a_name(tmp_path: Path) -> None:
    azure = direct(FakeAzure(token=made_token()))
    with estate_on(azure, tmp_path, MemoryFiles()) as estate:
        estate.prepare()
        estate.deploy().close()
        estate.tear_down()
    texts = [path.read_text("utf-8") for path in tmp_path.glob("recordings/*.json")]
    assert sum(len(json.loads(text)["interactions"]) for text in texts) > 80
    hidden = [SUBSCRIPTION, OBJECT_ID, made_token(), NAMES.run, NAMES.vault, "signed"]
    for text in texts:
        assert [secret for secret in hidden if secret.lower() in text.lower()] == []


def test_equal_ids_stay_equal_and_cannot_be_told(neutral: Neutral) -> None:
    shown = neutral.value({"activityId": GUID, "id": f"/x/{GUID.upper()}/y"})
    assert shown["id"] == f"/x/{shown['activityId']}/y"
    assert shown["activityId"] != GUID
    other = Neutral(salt="other", subscription=SUBSCRIPTION, names={}, endpoint="e")
    assert other.text(GUID) != neutral.text(GUID)


def test_the_subscription_becomes_zeros(neutral: Neutral) -> None:
    assert neutral.text(f"/Subscriptions/{SUBSCRIPTION.upper()}/x") == (
        "/Subscriptions/00000000-0000-0000-0000-000000000000/x"
    )


@pytest.mark.parametrize(
    ("given", "hidden"),
    [
        ({"primaryKey": "abc123"}, "abc123"),
        ({"connectionString": "AccountName=x"}, "AccountName"),
        ({"access_token": "opaque"}, "opaque"),
        ({"systemData": {"createdBy": "Jo"}}, "Jo"),
        ({"message": "for jo.doe@contoso.com"}, "contoso"),
        ({"message": "client 203.0.113.9 said"}, "203.0.113.9"),
        ({"url": "https://x/y?sv=1&sig=aGVsbG8%3D&se=2"}, "aGVsbG8"),
        ({"header": f"it was {made_token()}"}, made_token()[:20]),
        ({"template": {"resources": ["all of infra"]}}, "infra"),
    ],
)
def test_what_must_not_be_shown_is_elided(
    neutral: Neutral, given: dict[str, Any], hidden: str
) -> None:
    assert hidden not in json.dumps(neutral.value(given))


def test_signed_urls_keep_their_version_and_lose_their_signature(neutral: Neutral) -> None:
    shown = neutral.text("https://management.azure.com/op?api-version=2026-07-01&t=1&c=MII&s=x&h=y")
    assert shown.endswith("/op?api-version=2026-07-01&t=<elided>&c=<elided>&s=<elided>&h=<elided>")


def test_headers_that_name_a_person_or_a_token_are_left_out(neutral: Neutral) -> None:
    given = {
        "Authorization": "Bearer x",
        "x-ms-operation-identifier": "tenantId=1",
        "Retry-After": "60",
        "x-ms-client-request-id": GUID,
    }
    assert set(neutral.headers(given)) == {"retry-after", "x-ms-client-request-id"}


def test_a_recording_that_would_leak_is_not_written(tmp_path: Path, neutral: Neutral) -> None:
    with pytest.raises(LeakError):
        neutral.check(f'{{"x": "{NAMES.vault}"}}')
    with pytest.raises(LeakError):
        neutral.check("Bearer something")


def record(recorder: Recorder, statuses: list[str]) -> None:
    with recorder.step("polls"):
        for number, status in enumerate(statuses):
            body = {"properties": {"status": status, "duration": f"PT{number}S"}}
            recorder.add("GET", "https://management.azure.com/j", {}, None, 200, {}, body)


def test_of_a_long_run_of_equal_polls_first_and_last_are_kept(
    tmp_path: Path, neutral: Neutral
) -> None:
    record(Recorder(tmp_path, neutral, kind="azure"), ["InProgress"] * 9 + ["Completed"])
    held = json.loads((tmp_path / "polls.json").read_text("utf-8"))["interactions"]
    bodies = [one["response_body"]["properties"] for one in held]
    assert [one["duration"] for one in bodies] == ["PT0S", "PT8S", "PT9S"]
    assert held[1]["equal_calls_left_out"] == 7


def test_a_recording_has_the_form_of_the_others(tmp_path: Path, neutral: Neutral) -> None:
    record(Recorder(tmp_path, neutral, kind="azure"), ["Completed"])
    document = json.loads((tmp_path / "polls.json").read_text("utf-8"))
    assert list(document) == ["source", "flow", "context", "interactions"]
    assert list(document["interactions"][0]) == [
        *("method", "url", "request_headers", "request_body"),
        *("status", "response_headers", "response_body"),
    ]
