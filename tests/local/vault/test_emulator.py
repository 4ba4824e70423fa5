"""The emulator as a whole: its sample, its restarts, its command, https."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from local.vault import CatalogueError, EmulatorOptions, VaultEmulator
from local.vault.everything import VAULT_POINT
from local.vault.sample import (
    ACCOUNT,
    ITEM_NAME,
    POINTS,
    SHARE,
    TARGET_ACCOUNT,
    TARGET_SHARE,
    fill_sample,
)
from local.vault.shares import Layout
from local.vault.ticks import now_ticks, span
from tests.local.vault.arm import Arm, body, small_root, tree
from tests.patience import PATIENCE, eventually


def test_an_empty_root_gets_the_sample(tmp_path: Path) -> None:
    with VaultEmulator(tmp_path / "new") as emulator:
        layout = emulator.layout
        (vault,) = emulator.catalogue.vaults
        assert (vault.resource_group, vault.name) == ("azurefiles", "azurefilesvault")
        assert vault.items[0].item_name == ITEM_NAME
        assert len(ITEM_NAME.split(";")[1]) == 64
        assert vault.items[1].item_name == "AzureFileShare;projects"
        times = [point.time for point in vault.items[0].points]
        assert len(set(times)) == len(times) == 3
        trees = [tree(layout.snapshot(ACCOUNT, SHARE, point)) for point in POINTS]
        assert len({len(each) for each in trees}) == 3
        assert sum(1 for content in trees[-1].values() if content is not None) == 300
        assert "empty folder" in trees[-1]
        assert any(" " in path and not path.isascii() for path in trees[-1])
        assert trees[0]["RestoreTest.txt"] != trees[1]["RestoreTest.txt"]
        assert all(int(point) > 2**53 for point in POINTS)
        assert tree(layout.share(ACCOUNT, SHARE)) != trees[-1]
        assert tree(layout.share(TARGET_ACCOUNT, TARGET_SHARE)) == {}


def test_the_sample_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        fill_sample(Layout(root=tmp_path / name))
    for folder in ("accounts", "snapshots"):
        assert tree(tmp_path / "one" / folder) == tree(tmp_path / "two" / folder)


def test_a_root_that_was_left_half_filled_is_filled_again(tmp_path: Path) -> None:
    fill_sample(Layout(root=tmp_path))
    (tmp_path / "vaults.json").unlink()
    (tmp_path / ".filling").touch()
    with VaultEmulator(tmp_path) as emulator:
        assert emulator.catalogue.vaults
    assert not (tmp_path / ".filling").exists()


def test_a_root_without_vaults_json_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(CatalogueError, match=r"vaults\.json"):
        VaultEmulator(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_big_sample_has_points_in_every_tier(tmp_path: Path) -> None:
    with VaultEmulator(tmp_path / "all", sample="everything") as emulator:
        vault, guarded = emulator.catalogue.vaults
        tiers = next(item for item in vault.items if item.share == "tiers")
        kept = [point.id for point in tiers.points if point.vault_only]
        assert kept == [VAULT_POINT]
        assert guarded.resource_guard


def test_a_restart_keeps_ended_jobs_and_goes_on_with_running_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = small_root(tmp_path, files=300)
    options = EmulatorOptions(time_scale=33)
    with VaultEmulator(tmp_path, options) as emulator:
        arm = Arm(emulator)
        done = arm.ended(body(specs=[{"path": "a.txt", "fileSpecType": "File"}]))
        # So long that a busy machine, too, is here before the restore is over.
        emulator.inject({"on": "restore", "action": {"kind": "outcome", "duration": 660}})
        running = arm.started(body(alternate=True))
        eventually(lambda: tree(layout.share("dstaccount", "target")))
        arm.close()
    half = len(tree(layout.share("dstaccount", "target")))
    assert 0 < half < 300
    monkeypatch.setattr("local.vault.runner.now_ticks", lambda: now_ticks() + span(3600))
    with VaultEmulator(tmp_path, options) as emulator:
        arm = Arm(emulator)
        assert arm.shown(done)["status"] == "Completed"
        assert arm.get(f"backupOperations/{running.operation_id}").status_code == 200
        ended = arm.wait(running)
        assert ended.status == "Completed"
        assert ended.counts.files_restored == 304
        arm.close()
    target = tree(layout.share("dstaccount", "target"))
    assert target == tree(layout.snapshot("srcaccount", "data", done.point_id))


def test_a_journal_that_ends_in_half_a_line_is_read(tmp_path: Path) -> None:
    layout = small_root(tmp_path)
    with VaultEmulator(tmp_path, EmulatorOptions(time_scale=200)) as emulator:
        arm = Arm(emulator)
        job = arm.ended(body(specs=[{"path": "docs", "fileSpecType": "Directory"}]))
        arm.close()
    with layout.jobs_file.open("a") as journal:
        journal.write('{"id": "0')
    with VaultEmulator(tmp_path) as emulator:
        assert emulator.jobs() == [job]
    assert layout.jobs_file.read_text().count("\n") == 1


def test_a_snapshot_that_disappears_fails_the_job_and_no_other(tmp_path: Path) -> None:
    layout = small_root(tmp_path)
    with VaultEmulator(tmp_path, EmulatorOptions(time_scale=200)) as emulator:
        arm = Arm(emulator)
        shutil.rmtree(layout.snapshot("srcaccount", "data", "17893962788866"))
        assert arm.ended(body(), point="17893962788866").status == "Failed"
        assert arm.ended(body()).status == "Completed"
        arm.close()


def test_a_point_that_cannot_be_read_fails_the_job_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError("not yours")

    small_root(tmp_path)
    with VaultEmulator(tmp_path, EmulatorOptions(time_scale=200)) as emulator:
        arm = Arm(emulator)
        with monkeypatch.context() as broken:
            broken.setattr("local.vault.runner.plan_restore", refuse)
            job = arm.ended(body())
        assert (job.status, job.errors[0].code) == ("Failed", 1073871825)
        assert arm.ended(body()).status == "Completed"
        arm.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Length": "9999999"}, 413), ({"Transfer-Encoding": "chunked"}, 411)],
)
def test_bodies_that_arm_would_not_take_are_refused(
    arm: Arm, headers: dict[str, str], status: int
) -> None:
    answer = arm.session.post(f"{arm.emulator.url}/x", headers=headers, timeout=PATIENCE)
    assert answer.status_code == status


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "local.vault", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_ready_and_ends_on_a_signal_though_a_call_hangs(
    tmp_path: Path, number: signal.Signals
) -> None:
    small_root(tmp_path)
    hang = '{"on": "containers", "action": {"kind": "hang"}}'
    with _start("--root", str(tmp_path), "--fault", hang) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        kind, url = line.split()
        assert kind == "ready"
        assert line == f"ready {url}\n"
        assert url.startswith("http://127.0.0.1:")
        with requests.Session() as session:
            assert session.get(f"{url}/_emulator/jobs", timeout=PATIENCE).json() == []
            base = "/subscriptions/ef4ab5a7-c2c0-4304-af80-af49f48af3d1"
            path = f"{base}/resourceGroups/Vaults/providers/Microsoft.RecoveryServices/vaults"
            with pytest.raises(requests.Timeout):
                session.get(f"{url}{path}/Vault1/backupProtectionContainers", timeout=0.2)
            process.send_signal(number)
            assert process.wait(timeout=PATIENCE) == 0
        assert process.communicate() == ("", "")


@pytest.mark.parametrize(
    "arguments",
    [("--fault", "{"), ("--fault", '{"on": "x"}'), ("--page-size", "0"), ("--port", "70000")],
)
def test_the_command_refuses_what_cannot_be(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    small_root(tmp_path)
    with _start("--root", str(tmp_path), *arguments) as process:
        out, problem = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (2, "")
    assert "local.vault: " in problem


def test_https_is_served_with_a_certificate_whose_authority_is_written_down(
    tmp_path: Path,
) -> None:
    small_root(tmp_path)
    with VaultEmulator(tmp_path, EmulatorOptions(https=True)) as emulator:
        assert emulator.url.startswith("https://127.0.0.1:")
        arm = Arm(emulator)
        arm.session.verify = str(emulator.ca_file)
        (item,) = arm.get("backupProtectedItems").json()["value"]
        assert item["properties"]["vaultId"].startswith("https://")
        assert arm.restore(body()).headers["Location"].startswith("https://127.0.0.1:")
        arm.close()
        with requests.Session() as stranger, pytest.raises(requests.exceptions.SSLError):
            stranger.get(emulator.url, timeout=PATIENCE)


def test_many_clients_are_served_at_once(tmp_path: Path) -> None:
    small_root(tmp_path)
    with VaultEmulator(tmp_path) as emulator:
        arms = [Arm(emulator) for _ in range(40)]
        assert {arm.get("backupJobs").status_code for arm in arms} == {200}
        assert len(emulator.log) == 40
        for arm in arms:
            arm.close()
