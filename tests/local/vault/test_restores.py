"""What a restore does to files: the four shapes, copy options, and every way to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.vault.shares import Layout
from tests.local.vault.arm import FILES, OLDER_POINT, POINT, Arm, Json, body, small_root, tree
from tests.local.vault.conftest import Serve
from tests.patience import eventually


def _layout(arm: Arm) -> Layout:
    return arm.emulator.layout


def _target(arm: Arm) -> dict[str, bytes | None]:
    return tree(_layout(arm).share("dstaccount", "target"))


def _source(arm: Arm) -> dict[str, bytes | None]:
    return tree(_layout(arm).share("srcaccount", "data"))


def _point(arm: Arm, point: str = POINT) -> dict[str, bytes | None]:
    return tree(_layout(arm).snapshot("srcaccount", "data", point))


def test_a_full_share_comes_back_in_place_and_later_files_stay(arm: Arm) -> None:
    job = arm.ended(body())
    assert job.status == "Completed"
    assert _source(arm) == {**_point(arm), "new.txt": b"new\n"}
    assert (job.counts.files_restored, job.counts.directories_restored) == (4, 4)
    assert job.counts.bytes_written == sum(len(content) for content in FILES.values())


def test_a_full_share_goes_to_the_root_of_another_share_without_specs(arm: Arm) -> None:
    assert arm.ended(body(alternate=True)).status == "Completed"
    assert _target(arm) == _point(arm)


def test_a_full_share_goes_to_a_folder_that_is_made_for_it(arm: Arm) -> None:
    job = arm.ended(body(alternate=True, specs=[{"targetFolderPath": "restored/today"}]))
    assert job.status == "Completed"
    folder = _layout(arm).share("dstaccount", "target") / "restored" / "today"
    assert tree(folder) == _point(arm)


def test_items_of_both_types_come_back_in_place_and_nothing_else_does(arm: Arm) -> None:
    specs: list[Json] = [
        {"path": "docs", "fileSpecType": "Directory", "targetFolderPath": None},
        {"path": "big.bin", "fileSpecType": "File"},
    ]
    assert arm.ended(body(specs=specs)).status == "Completed"
    expected = {path: content for path, content in _point(arm).items() if path != "a.txt"}
    assert _source(arm) == {**expected, "a.txt": b"damaged\n", "new.txt": b"new\n"}


def test_items_go_to_their_folders_by_their_own_names(arm: Arm) -> None:
    specs = [
        {"path": "docs/deep er/Größe.txt", "fileSpecType": "File", "targetFolderPath": "x"},
        {"path": "docs/deep er", "fileSpecType": "Directory", "targetFolderPath": "y/z"},
    ]
    assert arm.ended(body(specs=specs, alternate=True)).status == "Completed"
    content = FILES["docs/deep er/Größe.txt"]
    files = {path: each for path, each in _target(arm).items() if each is not None}
    assert files == {"x/Größe.txt": content, "y/z/deep er/Größe.txt": content}


def test_items_keep_their_path_under_the_folder_when_told_to(serve: Serve) -> None:
    arm = serve(item_layout="path")
    specs = [{"path": "docs/b.txt", "fileSpecType": "File", "targetFolderPath": "x"}]
    assert arm.ended(body(specs=specs, alternate=True)).status == "Completed"
    assert _target(arm)["x/docs/b.txt"] == FILES["docs/b.txt"]


def test_each_point_has_its_own_files(arm: Arm) -> None:
    arm.ended(body(), point=OLDER_POINT)
    assert _source(arm)["a.txt"] == b"older\n"


@pytest.mark.parametrize(
    ("option", "status", "content", "restored", "skipped", "failed"),
    [
        ("Overwrite", "Completed", b"a of the point\n", 4, 0, 0),
        ("Skip", "Completed", b"damaged\n", 3, 1, 0),
        ("FailOnConflict", "CompletedWithWarnings", b"damaged\n", 3, 0, 1),
        ("CreateCopy", "Completed", b"damaged\n", 4, 0, 0),
    ],
)
def test_the_copy_option_decides_about_files_that_exist(
    arm: Arm,
    option: str,
    status: str,
    content: bytes,
    restored: int,
    skipped: int,
    failed: int,
) -> None:
    job = arm.ended(body(copy=option))
    counts = job.counts
    assert job.status == status
    assert _source(arm)["a.txt"] == content
    assert (counts.files_restored, counts.files_skipped, counts.files_failed) == (
        restored,
        skipped,
        failed,
    )
    assert ("a (1).txt" in _source(arm)) == (option == "CreateCopy")


def test_a_path_that_the_point_does_not_hold_fails_the_job_and_copies_nothing(arm: Arm) -> None:
    specs = [
        {"path": "a.txt", "fileSpecType": "File"},
        {"path": "gone.txt", "fileSpecType": "File"},
    ]
    job = arm.ended(body(specs=specs))
    assert job.status == "Failed"
    assert "UserErrorDTSSourceUriNotValid" in job.errors[0].text
    assert "gone.txt" in job.errors[0].text
    assert _source(arm)["a.txt"] == b"damaged\n"


def test_a_file_named_as_a_directory_is_not_found(arm: Arm) -> None:
    job = arm.ended(body(specs=[{"path": "a.txt", "fileSpecType": "Directory"}]))
    assert job.status == "Failed"


def test_a_missing_target_share_fails_the_job(arm: Arm) -> None:
    job = arm.ended(body(alternate=True, share="elsewhere"))
    assert job.status == "Failed"
    assert "TargetFileShareNotFound" in job.errors[0].text


def test_locked_files_make_a_restore_partial(arm: Arm) -> None:
    action = {"kind": "outcome", "locked": ["docs/*"]}
    arm.emulator.inject({"on": "restore", "action": action})
    job = arm.ended(body())
    assert job.status == "CompletedWithWarnings"
    assert (job.counts.files_restored, job.counts.files_failed) == (2, 2)
    assert arm.shown(job)["errorDetails"][0]["errorCode"] > 0
    assert _source(arm)["a.txt"] == FILES["a.txt"]


def test_a_restore_of_which_every_file_is_locked_fails(arm: Arm) -> None:
    arm.emulator.inject({"on": "restore", "action": {"kind": "outcome", "locked": ["*"]}})
    job = arm.ended(body())
    assert job.status == "Failed"
    assert "AllFilesFailed" in job.errors[0].text


def test_a_directory_in_the_place_of_a_file_fails_that_file_alone(arm: Arm) -> None:
    (_layout(arm).share("dstaccount", "target") / "a.txt").mkdir()
    job = arm.ended(body(alternate=True))
    assert (job.status, job.counts.files_failed) == ("CompletedWithWarnings", 1)


def test_a_link_in_the_target_leads_nothing_out_of_the_share(arm: Arm, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.txt").write_bytes(b"mine\n")
    (_layout(arm).share("dstaccount", "target") / "docs").symlink_to(outside)
    job = arm.ended(body(alternate=True))
    assert job.status == "CompletedWithWarnings"
    assert tree(outside) == {"b.txt": b"mine\n"}


def test_a_link_in_the_point_is_no_source(serve: Serve, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_bytes(b"key\n")
    layout = small_root(tmp_path / "root")
    snapshot = layout.snapshot("srcaccount", "data", POINT)
    (snapshot / "link").symlink_to(secret)
    arm = serve(root=layout.root)
    arm.ended(body(alternate=True))
    assert "link" not in _target(arm)
    through = arm.ended(body(specs=[{"path": "link/key.txt", "fileSpecType": "File"}]))
    assert through.status == "Failed"


@pytest.mark.parametrize("path", ["../x", "docs/../../x", "docs\\..\\x", "a//b", "a\x00b"])
def test_paths_that_leave_the_share_are_refused(arm: Arm, path: str) -> None:
    spec = {"path": path, "fileSpecType": "File"}
    assert arm.restore(body(specs=[spec])).status_code == 400
    folder = {"path": "a.txt", "fileSpecType": "File", "targetFolderPath": path}
    assert arm.restore(body(specs=[folder], alternate=True)).status_code == 400
    assert arm.emulator.jobs() == []


@pytest.mark.parametrize("share", ["..", "a/b", "UPPER_case", ""])
def test_share_names_that_azure_does_not_allow_are_refused(arm: Arm, share: str) -> None:
    assert arm.restore(body(alternate=True, share=share)).status_code == 400


def _without(document: Json, field: str) -> Json:
    return {"properties": {k: v for k, v in document["properties"].items() if k != field}}


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"properties": None},
        _without(body(), "restoreRequestType"),
        _without(body(), "recoveryType"),
        _without(body(), "sourceResourceId"),
        _without(body(), "objectType"),
        _without(body(alternate=True), "targetDetails"),
        body(kind="ItemLevelRestore"),
        body(specs=[{"path": "a", "fileSpecType": "Folder"}]),
        body(specs=[{"path": "", "fileSpecType": "File"}]),
        body(specs=[{"path": f"{n}", "fileSpecType": "File"} for n in range(100)]),
        body(specs=[{"path": "a", "fileSpecType": "File"}], kind="FullShareRestore"),
        body(copy="Merge"),
        body(source="otheraccount"),
    ],
)
def test_a_wrong_body_is_invalid_input(arm: Arm, document: Json) -> None:
    answer = arm.restore(document)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BMSUserErrorInvalidInput"


def test_nulls_mean_the_same_as_absence(arm: Arm) -> None:
    document = body()
    document["properties"].update(targetDetails=None, restoreFileSpecs=None, identityInfo=None)
    assert arm.ended(document).status == "Completed"


def test_a_file_is_whole_or_absent_while_it_is_restored(serve: Serve) -> None:
    arm = serve(job_duration=60.0)
    big = _layout(arm).share("dstaccount", "target") / "big.bin"
    job = arm.started(body(alternate=True))
    sizes = set()
    while arm.emulator.jobs()[0].running:
        if big.exists():
            sizes.add(big.stat().st_size)
    assert sizes <= {len(FILES["big.bin"])}
    assert arm.wait(job).status == "Completed"
    assert tree(_layout(arm).scratch) == {}


def test_a_cancelled_restore_keeps_the_files_that_it_had_copied(serve: Serve) -> None:
    arm = serve(files=200, job_duration=20_000.0)
    job = arm.started(body(alternate=True))
    eventually(lambda: any(content is not None for content in _target(arm).values()))
    assert arm.post(f"backupJobs/{job.id}/cancel").status_code == 202
    ended = arm.wait(job)
    assert ended.status == "Cancelled"
    files = [content for content in _target(arm).values() if content is not None]
    assert 0 < len(files) < 204
    assert ended.counts.files_restored == len(files)


def test_a_point_kept_in_the_vault_restores_into_empty_places_elsewhere_only(
    serve: Serve, tmp_path: Path
) -> None:
    layout = small_root(tmp_path / "root")
    text = layout.vaults_file.read_text()
    layout.vaults_file.write_text(text.replace('"InstantRP"', '"HardenedRP"'))
    arm = serve(root=layout.root)
    assert arm.restore(body()).status_code == 400
    items = [{"path": "a.txt", "fileSpecType": "File"}]
    assert arm.restore(body(alternate=True, specs=items)).status_code == 400
    assert arm.restore(body(alternate=True, copy="Skip")).status_code == 400
    assert arm.ended(body(alternate=True)).status == "Completed"
    assert "not empty" in arm.ended(body(alternate=True)).errors[0].text
