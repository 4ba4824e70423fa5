"""What the Bicep compiler says: nothing about our files, and enough about wrong values."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra import __main__ as make_infra
from tests.infra.compiler import MISSING, ROOT, Compiler, NoCompilerError, Outcome, Tree

INFRA = ROOT / "infra"
PARAMETERS = (INFRA / "main.bicepparam").read_text(encoding="utf-8")
NEW = {"AZURE_ENV_NAME": "sample", "AZURE_LOCATION": "westeurope"}
pytestmark = pytest.mark.timeout(600)  # dozens of starts of a large program, on busy machines

VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    try:
        found = Compiler.find()
    except NoCompilerError as error:
        if os.environ.get("BICEP"):
            raise
        pytest.skip(str(error))
    if found is None:
        pytest.skip(MISSING)
    return found


@pytest.fixture(autouse=True)
def no_values_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"readEnvironmentVariable\(\s*'(\w+)'", PARAMETERS):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Tree:
    """A copy of our Bicep."""
    return Tree(root=ROOT).copy(tmp_path)


@pytest.fixture
def small(tmp_path: Path) -> Tree:
    """A project of a few lines, to be spoilt: the compiler takes seconds for ours."""
    infra = tmp_path / "infra"
    (infra / "modules").mkdir(parents=True)
    (tmp_path / "tests/infra/environments").mkdir(parents=True)
    for name in ("main.bicep", "modules/alert.bicep"):
        (infra / name).write_text("output  x  int = 1\n", encoding="utf-8")
    for name in ("infra/main", *(f"tests/infra/environments/{one}" for one in "abc")):
        main = "main.bicep" if name == "infra/main" else "../../../infra/main.bicep"
        (tmp_path / f"{name}.bicepparam").write_text(f"using  '{main}'\n", encoding="utf-8")
    return Tree(root=tmp_path)


def test_files_and_snapshots_are_what_the_compiler_wants(
    compiler: Compiler, project: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.program
    assert make_infra.main([], project.root) == 0, capsys.readouterr().err
    # The templates of a release are left behind.
    release = project.root / "dist/infra"
    names = ["alert.json", "main.json", "vault-role.json"]
    assert sorted(path.name for path in release.iterdir()) == names
    template = json.loads((release / "main.json").read_text(encoding="utf-8"))
    assert "subscriptionDeploymentTemplate" in template["$schema"]


def test_an_update_writes_what_is_wanted_and_then_all_is_well(
    compiler: Compiler, small: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compiler.program
    source = small.environments[0]
    assert make_infra.main(["--update"], small.root) == 0, capsys.readouterr().err
    assert (small.root / "infra/main.bicep").read_text("utf-8") == "output x int = 1\n"
    assert source.read_text("utf-8") == "using '../../../infra/main.bicep'\n"
    kept = source.with_suffix(".snapshot.json")
    assert json.loads(kept.read_text("utf-8"))["outputs"] == {"x": 1}


def test_whatever_is_wrong_is_named(
    compiler: Compiler, small: Tree, capsys: pytest.CaptureFixture[str]
) -> None:
    main = small.root / "infra/main.bicep"
    main.write_text("output  x  int = 1\nvar unused = 1\n", encoding="utf-8")
    first, second, third = small.environments
    assert compiler.snapshot(first).code == 0
    kept = first.with_suffix(".snapshot.json")
    kept.write_text(kept.read_text("utf-8").replace('"x": 1', '"x": 2'), encoding="utf-8")
    third.write_text(third.read_text("utf-8") + "param unknown = 1\n", encoding="utf-8")
    assert make_infra.main([], small.root) == 1
    said = capsys.readouterr().err
    assert "no-unused-vars" in said
    assert "infra/main.bicep is not what the compiler writes" in said
    assert f"{first.stem}.snapshot.json is not what the compiler writes" in said
    assert f"{second.stem}.snapshot.json is missing" in said
    assert "unknown" in said


def test_make_infra_says_plainly_that_it_did_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("BICEP", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert make_infra.main([]) == 0
    assert "infra/ was NOT built, linted or compared" in capsys.readouterr().err


def test_make_infra_fails_where_the_named_compiler_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("BICEP", str(tmp_path / "none"))
    assert make_infra.main([]) == 1
    assert "is no program" in capsys.readouterr().err


def test_make_infra_fails_where_the_compiler_is_too_old(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    old = tmp_path / "bicep"
    old.write_text("#!/bin/sh\necho 'Bicep CLI version 0.36.1 (a727ed087a)'\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("BICEP", str(old))
    assert make_infra.main([]) == 1
    assert "0.49 or newer is needed: az bicep upgrade" in capsys.readouterr().err


def test_all_rules_of_the_linter_are_on_but_one_with_its_reason() -> None:
    text = (INFRA / "bicepconfig.json").read_text(encoding="utf-8")
    rules = re.findall(r'^ +"([\w-]+)": \{\s*"level": "(\w+)"', text, re.MULTILINE)
    assert len(rules) > 40
    assert [name for name, level in rules if level != "warning"] == ["no-module-name"]
    for line in ('"no-module-name"', '"use-recent-api-versions"'):
        before, _, _ = text.partition(line)
        assert before.rstrip().splitlines()[-1].strip().startswith("//"), line


# --- the values of an azd environment


def worked_out(compiler: Compiler, environment: dict[str, str]) -> Outcome:
    """Work out the parameters as azd does: its values are variables of the environment."""
    arguments = ("build-params", "infra/main.bicepparam", "--stdout")
    return compiler.run(*arguments, environment=environment)


def values(compiler: Compiler, **environment: str) -> dict[str, Any]:
    """Work out the parameters of an azd environment."""
    done = worked_out(compiler, NEW | environment)
    assert done.silent, done.complaints
    held = json.loads(json.loads(done.output)["parametersJson"])["parameters"]
    return {name: one["value"] for name, one in held.items()}


def test_a_new_azd_environment_has_the_defaults_of_the_template(compiler: Compiler) -> None:
    given = values(compiler)
    template = json.loads(compiler.run("build", "infra/main.bicep", "--stdout").output)
    asked = template["parameters"]
    assert set(given) == set(asked), "each parameter is a variable"
    assert (given.pop("environmentName"), given.pop("location")) == ("sample", "westeurope")
    assert given == {name: asked[name]["defaultValue"] for name in given}
    # It lets nobody in.
    assert [given[name] for name in ("vaultIds", "senderIds", "consumerIds")] == [[], [], []]


def test_two_azd_environments_have_nothing_in_common(compiler: Compiler) -> None:
    first = values(compiler, RESTORE_VAULT_IDS=json.dumps([VAULT]), RESTORE_PAUSED="true")
    second = values(
        compiler,
        RESTORE_VAULT_IDS=json.dumps([VAULT + "2"]),
        RESTORE_TAGS='{"costCenter": "4711"}',
        RESTORE_ALWAYS_READY='[{"name": "http", "instanceCount": 1}]',
    )
    assert (first["vaultIds"], second["vaultIds"]) == ([VAULT], [VAULT + "2"])
    assert (first["paused"], second["paused"]) == (True, False)
    assert second["tags"] == {"costCenter": "4711"}
    assert second["alwaysReady"] == [{"name": "http", "instanceCount": 1}]


OF_ANOTHER_TYPE = {
    "RESTORE_VAULT_IDS": ("[1]", '"string"'),
    "RESTORE_SENDER_IDS": ("{}", r'"string\[\]"'),
    "RESTORE_SETTING_OVERRIDES": (
        json.dumps(
            {
                "RESTORE_RETENTION_DAY": "1",
                "RESTORE_COMPLETION_ENCODING": "hex",
                # A parameter, and queues follow from these two.
                "RESTORE_PAUSED": "true",
                "RESTORE_REQUEST_QUEUE": "x",
                "RESTORE_REQUEST_POISON_QUEUE": "x",
            }
        ),
        'Permissible properties include.*"RESTORE_RETENTION_DAYS"',
    ),
    "RESTORE_ALWAYS_READY": (
        '[{"name": "sweep", "instanceCount": 1}]',
        "sweep_open_requests.*'sweep'",
    ),
    "RESTORE_DNS_ZONE_IDS": ('{"file": "x"}', '"file" is not allowed'),
    "RESTORE_TAGS": ('{"costCenter": 4711}', '"4711"'),
    "RESTORE_INSTANCE_MEMORY_MB": ("1024", '"1024"'),
    "RESTORE_MAXIMUM_INSTANCES": ("0", "0"),
    "RESTORE_BLOB_SOFT_DELETE_DAYS": ("366", "365"),
    "RESTORE_STORAGE_SKU": ("Premium_LRS", "'Premium_LRS'"),
}
NO_JSON = {
    "RESTORE_VAULT_IDS": (VAULT, "JSON"),
    "RESTORE_MAXIMUM_INSTANCES": ("many", "JSON"),
}
NO_SWITCH = {
    "RESTORE_PAUSED": ("ture", '"paused"'),
    "RESTORE_VNET_ENABLED": ("1.5", '"vnetEnabled"'),
}


@pytest.mark.parametrize(
    "wrong", [OF_ANOTHER_TYPE, NO_JSON, NO_SWITCH], ids=["type", "json", "switch"]
)
def test_wrong_values_are_all_refused_before_anything_is_sent(
    compiler: Compiler, wrong: dict[str, tuple[str, str]]
) -> None:
    given = {name: text for name, (text, _) in wrong.items()}
    done = worked_out(compiler, NEW | given)
    assert done.code != 0
    lines = PARAMETERS.splitlines()
    found = re.findall(r"main\.bicepparam\((\d+),\d+\) : Error (.*)", done.complaints)
    for name, (_, said) in wrong.items():
        about = [text for line, text in found if f"'{name}'" in lines[int(line) - 1]]
        assert any(re.search(said, text) for text in about), (name, found)
    for name in json.loads(given.get("RESTORE_SETTING_OVERRIDES", "{}")):
        assert f'property "{name}"' in done.complaints, name


def test_without_a_region_nothing_is_built(compiler: Compiler) -> None:
    done = worked_out(compiler, {"AZURE_ENV_NAME": "x"})
    assert done.code != 0
    assert "AZURE_LOCATION" in done.complaints


def test_what_does_not_go_together_is_said_at_once(compiler: Compiler, project: Tree) -> None:
    source = project.root / "infra/odd.bicepparam"
    source.write_text(
        """using 'main.bicep'
param environmentName = 'odd'
param location = 'westeurope'
param vnetEnabled = true
param appSubnetId = '/a/b'
param createDnsZones = true
param dnsZoneIds = { blob: 'x' }
param existingWorkspaceId = '/a/b'
param dailyCapGb = 1
param zoneRedundant = true
param storageSku = 'Standard_LRS'
param alwaysReady = [{ name: 'http', instanceCount: 1 }]
""",
        encoding="utf-8",
    )
    done = compiler.snapshot(source)
    assert done.code != 0
    for said in (
        "Give both appSubnetId and endpointSubnetId",
        "Give dnsZoneIds, or let createDnsZones",
        "dailyCapGb is for a workspace that is made here",
        "zoneRedundant needs storageSku Standard_ZRS",
        "each instanceCount of alwaysReady is at least 2",
    ):
        assert said in done.output + done.complaints


def test_an_id_that_is_none_is_named_and_so_is_a_network_without_its_profile(
    compiler: Compiler, project: Tree
) -> None:
    source = project.root / "infra/odd.bicepparam"
    source.write_text(
        """using 'main.bicep'
param environmentName = 'odd'
param location = 'westeurope'
param vaultIds = ['myvault']
param eventTopicIds = ['/subscriptions/s/resourceGroups/g/topics/t']
param existingIdentityId = 'me'
param completionQueueName = 'restore-requests-poison'
param createDnsZones = true
""",
        encoding="utf-8",
    )
    done = compiler.snapshot(source)
    assert done.code != 0
    for said in (
        "vaultIds: 'myvault' is no ARM id of a vault",
        "eventTopicIds: '/subscriptions/s/resourceGroups/g/topics/t' is no ARM id of a topic",
        "existingIdentityId: 'me' is no ARM id",
        "events need another",
        "nothing is closed without vnetEnabled",
    ):
        assert said in done.output + done.complaints
