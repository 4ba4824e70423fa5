"""What a run knows of infra/ and of the package, compared with them."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from tests.acceptance import bodies
from tests.acceptance.azure_app import (
    GUARDS,
    OUTPUTS,
    TEMPLATE,
    built_package,
    compile_bicep,
    compiled_template,
    compiler,
    parameters,
    with_guards,
)
from tests.acceptance.azure_stage import NAMES
from tests.acceptance.azure_stage import package as package_in
from tests.acceptance.estate import EstateError
from tests.acceptance.place import place_of

PLACE = place_of(NAMES)
NEEDS_BICEP = pytest.mark.skipif(
    not compiler(), reason="no Bicep compiler: none on the PATH, and BICEP names none"
)
TYPES = {
    "Microsoft.Resources/resourceGroups": (bodies.GROUPS, bodies.group(NAMES, "r")),
    "Microsoft.Storage/storageAccounts": (bodies.STORAGE, bodies.account(NAMES, "r")),
    "Microsoft.Storage/storageAccounts/fileServices/shares": (bodies.STORAGE, bodies.share()),
    "Microsoft.RecoveryServices/vaults": (bodies.VAULTS, bodies.vault(NAMES, "r")),
    "Microsoft.RecoveryServices/vaults/backupPolicies": (
        bodies.VAULTS,
        bodies.policy(vaulted=True),
    ),
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers": (
        bodies.VAULTS,
        bodies.container(PLACE.source.account_id),
    ),
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems": (
        bodies.VAULTS,
        bodies.protected_item(PLACE.source.account_id, "/policy"),
    ),
    "Microsoft.Authorization/roleAssignments": (
        bodies.ROLES,
        bodies.assignment(NAMES, "p", bodies.BACKUP_CONTRIBUTOR, "ServicePrincipal"),
    ),
}


def test_infra_has_the_parameters_and_outputs_that_a_run_uses() -> None:
    text = TEMPLATE.read_text("utf-8")
    declared = set(re.findall(r"^param (\w+) ", text, re.MULTILINE))
    assert parameters(NAMES, "westeurope", "me").keys() <= declared
    assert set(OUTPUTS) <= set(re.findall(r"^output (\w+) ", text, re.MULTILINE))
    assert "'rg-${environmentName}'" in text, "the app's group is named as NAMES.app_group has it"
    assert "'azd-env-name': environmentName" in text, "by that tag a teardown knows it"


@NEEDS_BICEP
def test_infra_compiles_to_a_template() -> None:
    assert "subscriptionDeploymentTemplate" in compiled_template()["$schema"]


def literal(value: object) -> str:
    """A JSON value as Bicep writes it."""
    if isinstance(value, dict):
        return "{\n" + "".join(f"'{key}': {literal(held)}\n" for key, held in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + "".join(f"{literal(held)}\n" for held in value) + "]"
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


@NEEDS_BICEP
def test_every_body_is_of_its_resource_type(tmp_path: Path) -> None:
    # Types alone are asked about: how the files are written is nobody's business.
    config = {"analyzers": {"core": {"enabled": False}}}
    (tmp_path / "bicepconfig.json").write_text(json.dumps(config), "utf-8")
    scopes = {"subscription": "", "resourceGroup": ""}
    for number, (kind, (version, body)) in enumerate(TYPES.items()):
        scope = "subscription" if kind.endswith("resourceGroups") else "resourceGroup"
        name = "/".join(f"name{segment}" for segment in range(kind.count("/")))
        resource = literal({"name": name, **body})
        scopes[scope] += f"resource r{number} '{kind}@{version}' = {resource}\n"
    for scope, resources in scopes.items():
        file = tmp_path / f"{scope}.bicep"
        file.write_text(f"targetScope = '{scope}'\n{resources}", "utf-8")
        done = compile_bicep(file)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_run_brings_its_own_rules_and_leaves_the_rest_of_the_package(tmp_path: Path) -> None:
    package = package_in(tmp_path)
    before = package.read_bytes()
    output = with_guards(package, PLACE.guards(), tmp_path / "out.zip")
    with zipfile.ZipFile(output) as archive:
        assert archive.namelist() == ["function_app.py", GUARDS]
        assert json.loads(archive.read(GUARDS)) == PLACE.guards()
    assert package.read_bytes() == before
    with pytest.raises(EstateError, match=r"holds a .* already"):
        with_guards(output, PLACE.guards(), tmp_path / "again.zip")


def test_a_file_that_is_no_package_is_told(tmp_path: Path) -> None:
    file = tmp_path / "package.zip"
    file.write_text("not a zip file", "utf-8")
    with pytest.raises(EstateError, match="is no package"):
        built_package(file)


def test_the_rules_allow_what_the_checks_ask_for_and_no_more() -> None:
    (rule,) = PLACE.guards()["rules"]
    names = [target.rpartition("/")[2] for target in rule["targets"]]
    assert names == ["full", "items", "cancel", "cut", "vaultonly-*"]
    assert rule["sources"] == [PLACE.source.pattern]
    assert rule["vaults"] == [NAMES.vault_id]
