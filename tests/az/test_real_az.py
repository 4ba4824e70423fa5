"""A real `az` drives the vault emulator and runs the scripts of the examples: `make test-az`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.storage.queue import QueueClient

from local.storage import Azurite
from local.vault import EmulatorOptions, VaultEmulator
from tests.az.conftest import AZ, NEEDS_AZ, MakeAz, RealAz
from tests.az.loopback import LoopbackArm
from tests.az.scripts import ENVIRONMENT, EXAMPLES, ROOT
from tests.local.vault.arm import tree
from tests.local.vault.test_az_wire import COMMANDS, SAMPLE
from tests.test_docs import DOCUMENTS, blocks
from tests.test_producers import example

pytestmark = [pytest.mark.skipif(not AZ, reason=NEEDS_AZ), pytest.mark.timeout(1200)]

VAULT = ("-g", "azurefiles", "-v", "azurefilesvault")
KIND = ("--backup-management-type", "AzureStorage", "--workload-type", "AzureFileShare")
ITEM = ("-c", "afsaccount", "-i", "projects")
POINT = "4611686018427387905"
FROM = (*VAULT, *ITEM, "-r", POINT)
TARGET = ("--target-storage-account", "afaccount1", "--target-file-share", "azurefiles1")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[VaultEmulator]:
    options = EmulatorOptions(https=True, require_auth=True, time_scale=20.0)
    with VaultEmulator(tmp_path / "root", options, sample="everything") as emulator:
        yield emulator


@pytest.fixture
def az(vault: VaultEmulator, make_az: MakeAz) -> RealAz:
    """An `az` that is signed in at the vault emulator."""
    return make_az(vault.url, vault.ca_file, f"{vault.url}/_emulator/identity")


@pytest.fixture
def arm(tmp_path: Path) -> Iterator[LoopbackArm]:
    with LoopbackArm(tmp_path) as loopback:
        yield loopback


@pytest.fixture
def cloud(arm: LoopbackArm, make_az: MakeAz) -> RealAz:
    """An `az` that is signed in at the loopback ARM."""
    return make_az(arm.url, arm.ca_file, f"{arm.url}/identity")


# --- the vault emulator


def test_az_lists_and_shows_what_the_vault_has(az: RealAz) -> None:
    assert az("backup", "vault", "show", *VAULT[:2], "-n", VAULT[3])["location"] == "westeurope"
    assert len(az("backup", "vault", "list")) == 2
    table = az("backup", "item", "list", *VAULT, "-o", "table")
    assert "Last Recovery Point" in table
    assert table.count("AzureFileShare;") == 6
    item = az("backup", "item", "show", *VAULT, "-c", ITEM[1], "-n", ITEM[3], *KIND)
    policy = az("backup", "policy", "show", *VAULT, "-n", "dailyfiles")
    assert policy["id"] == item["properties"]["policyId"]
    containers = az("backup", "container", "list", *VAULT, *KIND[:2])
    assert {one["properties"]["accessType"] for one in containers} == {"KeyBased"}
    points = az("backup", "recoverypoint", "list", *VAULT, *ITEM, *KIND)
    assert POINT in [point["name"] for point in points]


SHAPES = {
    "share-original": ("restore-azurefileshare", "--restore-mode", "OriginalLocation"),
    "share-alternate": ("restore-azurefileshare", "--restore-mode", "AlternateLocation", *TARGET),
    "items-original": (
        *("restore-azurefiles", "--restore-mode", "OriginalLocation"),
        *("--source-file-type", "File", "--source-file-path", "plan.txt", "drafts/one.txt"),
    ),
    "items-alternate": (
        *("restore-azurefiles", "--restore-mode", "AlternateLocation", *TARGET),
        *("--source-file-type", "Directory", "--source-file-path", "drafts"),
        *("--target-folder", "items"),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_az_restores_in_each_shape(az: RealAz, vault: VaultEmulator, shape: str) -> None:
    command, *rest = SHAPES[shape]
    started = az("backup", "restore", command, *FROM, "--resolve-conflict", "Overwrite", *rest)
    az("backup", "job", "wait", *VAULT, "-n", started["name"])
    ended = az("backup", "job", "show", *VAULT, "-n", started["name"])
    assert ended["properties"]["status"] == "Completed"
    snapshot = tree(vault.layout.snapshot("afsaccount", "projects", POINT))
    if "original" in shape:
        assert tree(vault.layout.share("afsaccount", "projects")) == snapshot
    elif shape == "share-alternate":
        assert tree(vault.layout.share("afaccount1", "azurefiles1")) == snapshot
    else:
        held = tree(vault.layout.share("afaccount1", "azurefiles1"))
        assert held["items/drafts/one.txt"] == b"draft\n"
    (listed,) = az("backup", "job", "list", *VAULT, "--operation", "Restore")
    assert listed["name"] == started["name"]


def test_az_stops_a_job(az: RealAz, vault: VaultEmulator) -> None:
    vault.inject({"on": "restore", "action": {"kind": "outcome", "never_ends": True}})
    command, *rest = SHAPES["share-alternate"]
    started = az("backup", "restore", command, *FROM, "--resolve-conflict", "Overwrite", *rest)
    az("backup", "job", "stop", *VAULT, "-n", started["name"])
    until = time.monotonic() + 20
    while vault.jobs()[0].running and time.monotonic() < until:
        time.sleep(0.05)
    assert vault.jobs()[0].status == "Cancelled"


def test_az_restores_from_a_guarded_vault(az: RealAz, vault: VaultEmulator) -> None:
    where = ("-g", "azurefiles", "-v", "guardedvault", "-c", "guardedaccount", "-i", "secrets")
    how = ("--resolve-conflict", "Overwrite", "--restore-mode", "OriginalLocation")
    az("backup", "restore", "restore-azurefileshare", *where, "-r", "100", *how)
    assert vault.jobs()[0].source_share == "secrets"


def test_az_still_sends_what_is_recorded(az: RealAz, vault: VaultEmulator) -> None:
    recorded = json.loads(SAMPLE.read_text(encoding="utf-8"))["client"]
    version = az("version")["azure-cli"]
    if recorded != f"azure-cli {version}":
        pytest.skip(f"the recording is of {recorded}, and this is {version}")
    skipped = ("cloud", "login", "job wait", "job stop", "job show")
    for command in COMMANDS:
        if any(f"az {one}" in command["command"].replace("backup ", "") for one in skipped):
            continue
        if "restore restore" in command["command"]:
            vault.inject({"on": "restore", "action": {"kind": "outcome", "duration": 0.0}})
        vault.clear_log()
        az(*shlex.split(command["command"])[1:])
        made = [f"{one.method} {one.path}?{one.query}" for one in vault.log]
        wanted = [call["line"].removesuffix(" HTTP/1.1") for call in command["calls"]]
        assert _without_jobs(made) == _without_jobs(wanted), command["command"]


def _without_jobs(lines: list[str]) -> list[str]:
    """The lines with one name for every job, and without a line that only repeats the last."""
    named = [re.sub(r"(backupJobs|backupOperations)/[^/?]+", r"\1/job", line) for line in lines]
    return [line for index, line in enumerate(named) if index == 0 or line != named[index - 1]]


def test_the_page_of_the_emulator_leads_to_a_restore(
    vault: VaultEmulator, make_az: MakeAz, tmp_path: Path
) -> None:
    serve, *steps = blocks(ROOT / "docs/emulator.md", "sh")
    assert "-m local.vault --root /tmp/vault-data --port 8443 --https" in serve
    (tmp_path / "vault-data").symlink_to(vault.layout.root)
    script = "\n".join(["set -eu", *steps]).replace("https://127.0.0.1:8443", vault.url)
    script = re.sub("/tmp/(?=vault-data|az-config)", f"{tmp_path}/", script)
    variables = make_az(vault.url, vault.ca_file, f"{vault.url}/_emulator/identity").variables
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={name: variables[name] for name in ("PATH", "HOME", "AZURE_CORE_COLLECT_TELEMETRY")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "Last Recovery Point" in done.stdout
    until = time.monotonic() + 20
    while vault.jobs()[0].running and time.monotonic() < until:
        time.sleep(0.05)
    assert vault.jobs()[0].status == "Completed"
    assert len(tree(vault.layout.share("afaccount1", "azurefiles1"))) > 300


# --- the scripts of the examples


def run_script(cloud: RealAz, name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    for path in EXAMPLES.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return subprocess.run(
        ["bash", name],
        cwd=folder,
        env={**ENVIRONMENT, **cloud.variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def test_the_queue_script_subscribes_with_an_identity(
    cloud: RealAz, arm: LoopbackArm, tmp_path: Path
) -> None:
    done = run_script(cloud, "topic_to_queue.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    assert arm.made["topics/restores"]["identity"] == {"type": "SystemAssigned"}
    made = arm.made["eventSubscriptions/restore-requests"]["properties"]
    delivery = made["deliveryWithResourceIdentity"]
    assert delivery["identity"] == {"type": "SystemAssigned"}
    assert delivery["destination"]["properties"]["queueName"] == "restore-requests"
    assert delivery["destination"]["properties"]["queueMessageTimeToLiveInSeconds"] == -1


def test_the_webhook_script_gives_the_address_of_the_app(
    cloud: RealAz, arm: LoopbackArm, tmp_path: Path
) -> None:
    done = run_script(cloud, "topic_to_webhook.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    made = arm.made["eventSubscriptions/restore-webhook"]["properties"]
    assert made["destination"]["properties"]["endpointUrl"] == (
        "https://func-restore-1.azurewebsites.net/api/restores?code=key-of-the-function"
    )


def test_the_alert_script_gives_the_address_of_the_app(
    cloud: RealAz, arm: LoopbackArm, tmp_path: Path
) -> None:
    done = run_script(cloud, "alert_rule.sh", tmp_path)
    assert done.returncode == 0, done.stderr
    (receiver,) = arm.made["actionGroups/restore"]["properties"]["webhookReceivers"]
    assert receiver["serviceUri"] == (
        "https://func-restore-1.azurewebsites.net/api/alerts?code=key-of-the-function"
    )
    assert receiver["useCommonAlertSchema"] is True
    (action,) = arm.made["metricAlerts/files-deleted"]["properties"]["actions"]
    assert action["webHookProperties"] == {"restorePlan": "deleted-files"}


def test_az_prints_nothing_for_a_field_that_a_flex_app_lacks(cloud: RealAz) -> None:
    show = ("functionapp", "show", "-g", "rg-restore-test", "-n", "func-restore-1", "-o", "tsv")
    assert cloud(*show, "--query", "defaultHostName") is None
    host = cloud(*show, "--query", "properties.defaultHostName")
    assert host == "func-restore-1.azurewebsites.net\n"


@pytest.mark.parametrize(
    ("flags", "kind"),
    [(("--identity", "systemassigned"), "SystemAssigned"), (("--mi-system-assigned",), "None")],
)
def test_the_flag_that_follows_identity_asks_for_none(
    cloud: RealAz, arm: LoopbackArm, flags: tuple[str, ...], kind: str
) -> None:
    topic = ("-g", "rg-topics", "-n", "restores", "--location", "westeurope")
    cloud("eventgrid", "topic", "create", *topic, *flags)
    assert arm.made["topics/restores"]["identity"] == {"type": kind}


# --- the documents


def commands_of_documents() -> dict[str, set[str]]:
    """Each `az` command of the documents, in blocks and in text, and the options used with it."""
    texts = [text for path in DOCUMENTS for text in blocks(path, "sh")]
    for path in DOCUMENTS:
        texts += re.findall(r"`(az [^`]+)`", path.read_text(encoding="utf-8"))
    found: dict[str, set[str]] = {}
    command = re.compile(r"(?:^|[(|&;]\s*)az ((?:[a-z][a-z-]*(?: +|$))+)([^\n|)]*)", re.MULTILINE)
    for text in texts:
        for words, rest in command.findall(text.replace("\\\n", " ")):
            found.setdefault(words.strip(), set()).update(re.findall(r"--[a-z][a-z-]+", rest))
    return found


def test_every_command_of_the_documents_has_its_options(cloud: RealAz) -> None:
    wrong = {}
    for name, options in commands_of_documents().items():
        done = cloud.run(*name.split(), "--help")
        known = set(re.findall(r"--[a-z][a-z0-9-]+", done.stdout))
        if done.returncode != 0 or not options <= known:
            wrong[name] = sorted(options - known) or done.stderr
    assert wrong == {}


def test_the_command_of_the_readme_puts_a_message_that_stays(
    azurite: Azurite, make_az: MakeAz, arm: LoopbackArm, tmp_path: Path
) -> None:
    az = make_az(arm.url, arm.ca_file, f"{arm.url}/identity")
    (command,) = [one for one in blocks(ROOT / "README.md", "sh") if "az storage" in one]
    name = f"readme-{time.time_ns()}"
    (tmp_path / "request.json").write_text(example("request.json"), encoding="utf-8")
    with QueueClient.from_connection_string(azurite.connection_string, name) as queue:
        queue.create_queue()
        subprocess.run(
            ["bash", "-c", command.replace("restore-requests", name)],
            cwd=tmp_path,
            env={**az.variables, "STORAGE": azurite.connection_string},
            check=True,
            timeout=300,
        )
        message = queue.receive_message()
    assert message is not None
    assert message.expires_on is not None
    assert message.expires_on.year == 9999
    assert json.loads(str(message.content)) == json.loads(example("request.json"))
