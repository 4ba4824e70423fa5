"""The page of settings, the sample file and the infrastructure say what the code declares."""

from __future__ import annotations

import json
import re

import pytest

from docs import make_settings
from docs.make_lifecycle import sentences
from restore_core.settings import SETTINGS, Bindings, Settings, Storage, declared
from tests.infra.compiler import ROOT
from tests.infra.snapshots import read
from tests.infra.test_settings import CONNECTION_STRING, FROM_PARAMETERS

TYPES = (ROOT / "infra/types.bicep").read_text(encoding="utf-8")
OF_A_LAPTOP = {
    "RestoreStorage",
    "RESTORE_POLL_SCHEDULE",
    "RESTORE_ARM_ENDPOINT",
    "RESTORE_OPERATION_POLL_SECONDS",
    "RESTORE_JOB_POLL_SECONDS",
    "RESTORE_RETRY_BASE_SECONDS",
    "RESTORE_RETRY_MAX_SECONDS",
    "RESTORE_SWEEP_BUDGET_SECONDS",
    "RESTORE_ADOPTION_GRACE_SECONDS",
    "RESTORE_GUARDS",
}
"""What differs in the sample file: the emulators' addresses, and waits for an impatient person."""


def test_the_page_of_settings_is_written_out_of_the_code() -> None:
    page = make_settings.page()
    assert make_settings.PAGE.read_text("utf-8") == page, "run python -m docs.make_settings"
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(SETTINGS)


@pytest.mark.parametrize("kind", [Storage, Settings, Bindings])
def test_every_setting_says_when_one_would_change_it(
    kind: type[Storage | Settings | Bindings],
) -> None:
    said = sentences(kind)
    for name in declared(kind):
        assert re.fullmatch(r"[A-Z][^|]{20,}\.", said[name]), name


def test_the_sample_file_has_the_defaults_but_for_what_a_laptop_needs() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text("utf-8"))["Values"]
    differing = {name for name, one in SETTINGS.items() if values[name] != one.default}
    assert differing == OF_A_LAPTOP


def test_the_infrastructure_has_the_defaults_letter_by_letter() -> None:
    deployed = read("smallest").settings
    # Which is the endpoint of the cloud: an empty value counts as not given.
    assert deployed["RESTORE_ARM_ENDPOINT"] == ""
    ours = set(SETTINGS) - FROM_PARAMETERS - {CONNECTION_STRING, "RESTORE_ARM_ENDPOINT"}
    assert {name: deployed[name] for name in ours} == {
        name: SETTINGS[name].default for name in ours
    }


def test_the_infrastructure_takes_the_words_that_the_code_takes() -> None:
    block = TYPES.partition("type SettingOverrides = {\n")[2].partition("\n}")[0]
    kinds = dict(re.findall(r"^  (\w+): (.+)\?$", block, re.MULTILINE))
    assert set(kinds) == set(SETTINGS) - FROM_PARAMETERS - {CONNECTION_STRING}
    for name, kind in kinds.items():
        words = re.findall(r"'(\w+)'", kind)
        assert kind == "string" or " or ".join(words) == SETTINGS[name].kind.wanted, name
