"""The pages about deploying and taking away: their commands have all that they use, and what they
name exists.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.infra.compiler import ROOT
from tests.infra.snapshots import read
from tests.test_docs import blocks

DEPLOY = ROOT / "docs/deploy.md"
TEARDOWN = ROOT / "docs/teardown.md"
PARAMETERS = (ROOT / "infra/main.bicepparam").read_text(encoding="utf-8")
TAKES_VALUES = 'eval "$(azd env get-values)"'
BOTH = pytest.mark.parametrize("page", [DEPLOY, TEARDOWN], ids=lambda page: page.stem)


def read_by_azd() -> dict[str, str]:
    """Each parameter with the value of the environment that it takes."""
    line = r"^param (\w+) = [^=]*?readEnvironmentVariable\(\s*'(\w+)'"
    found = re.findall(line, PARAMETERS, re.MULTILINE)
    return dict(found)


def unset(scripts: list[str]) -> list[str]:
    """The variables that the blocks of a page use before one of them, or azd, has set them."""
    known: set[str] = set()
    missing = []
    for line in "".join(scripts).splitlines():
        if TAKES_VALUES in line:
            known |= set(read("smallest").outputs)
        used = re.findall(r"\$\{?([A-Za-z_]\w*)", line)
        missing += [name for name in used if name not in known]
        known |= set(re.findall(r"^(\w+)=", line))
    return missing


@BOTH
def test_every_variable_is_set_before_it_is_used(page: Path) -> None:
    assert unset(blocks(page, "sh")) == []


def test_a_variable_that_nobody_sets_is_found() -> None:
    assert unset(["az x --name $later\nlater=1\naz y $later\n"]) == ["later"]
    assert unset(['az x "$RESTORE_APP_NAME"\n', TAKES_VALUES + "\n"]) == ["RESTORE_APP_NAME"]


@BOTH
def test_every_variable_in_the_text_is_one_that_azd_gives(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {*read("smallest").outputs, "suffix", "principal", "account_id", "key"}
    assert set(re.findall(r'"\$(\w+)', text)) <= known


def test_messages_stay_until_they_are_read() -> None:
    puts = [one for one in blocks(DEPLOY, "sh") if "az storage message put" in one]
    assert puts
    assert all("--time-to-live -1" in one for one in puts)


def test_the_name_of_the_host_is_asked_for_where_flex_has_it() -> None:
    asked = re.findall(r"--query (\S*[dD]efaultHostName)", DEPLOY.read_text(encoding="utf-8"))
    assert asked == ["properties.defaultHostName"]


def test_every_value_of_the_environment_is_explained() -> None:
    text = DEPLOY.read_text(encoding="utf-8")
    asked_by_azd = {"AZURE_ENV_NAME", "AZURE_LOCATION"}
    for name in set(read_by_azd().values()) - asked_by_azd:
        assert f"`{name}`" in text or f"`{name}=" in text, name


@BOTH
def test_every_value_that_is_set_is_one_that_is_read(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    known = {*read_by_azd().values(), *read("smallest").outputs, *read("smallest").settings}
    known |= {"RESTORE_EXISTING_VAULT_ROLE_ID", "RESTORE_RETENTION_DAY"}
    assert set(re.findall(r"azd env set(?:-secret)? (\w+)", text)) <= set(read_by_azd().values())
    assert set(re.findall(r"\b(RESTORE_[A-Z_]+[A-Z])\b", text)) <= known


def test_no_output_changes_what_the_next_deployment_is_given() -> None:
    # azd keeps outputs as values of the environment, under the names that parameters are read by.
    both = set(read("everything").outputs) & set(read_by_azd().values())
    assert both == {"RESTORE_REQUEST_QUEUE", "RESTORE_COMPLETION_QUEUE"}
    given = (ROOT / "tests/infra/environments/everything.bicepparam").read_text(encoding="utf-8")
    for name, parameter in (
        ("RESTORE_REQUEST_QUEUE", "requestQueueName"),
        ("RESTORE_COMPLETION_QUEUE", "completionQueueName"),
    ):
        assert f"param {parameter} = '{read('everything').outputs[name]}'" in given


def test_terraform_gives_parameters_that_exist() -> None:
    (block,) = blocks(DEPLOY, "hcl")
    given = set(re.findall(r"^ +(\w+) += \{ value = ", block, re.MULTILINE))
    assert given
    assert given <= set(read_by_azd())
    (output,) = re.findall(r"`local\.restore\.(\w+)\.value`", DEPLOY.read_text(encoding="utf-8"))
    assert output in read("smallest").outputs


def test_the_memory_that_is_reckoned_with_is_the_one_that_is_deployed() -> None:
    _, _, cost = DEPLOY.read_text(encoding="utf-8").partition("## What it costs")
    site = read("smallest").one("Microsoft.Web/sites")["properties"]["functionAppConfig"]
    memory = site["scaleAndConcurrency"]["instanceMemoryMB"]
    assert re.search(rf"\| memory at {memory} MB \| 172,800 s . {memory / 1024} GB", cost)
    ticks = 4 * 60 * 24 * 30
    busy = ticks * memory / 1024 + 7_500 + ticks // 2 * 2 * memory / 1024 - 100_000
    assert f"of which {busy:,.0f} are above the free amount | ${busy * 0.000026:.2f} |" in cost
