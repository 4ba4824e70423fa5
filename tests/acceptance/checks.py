"""The checks: what is asked of the deployed app, and what must have come of it.

Each check makes its own ground first (it damages the source, or takes a folder that nobody has
used), so that each may be tried again. A check passes, fails, or says why it could not be run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.acceptance.place import FILES, GARBAGE, ITEMS, NEW, REFUSED_TARGET, VAULT_ONLY_TARGETS
from tests.acceptance.scene import NotRun, Scene, expect
from tests.acceptance.vault import ENDED

Json = dict[str, Any]
RESTORE_SECONDS = 25 * 60.0
ANSWER_SECONDS = 20 * 60.0
"""The first answer of an app that was just deployed: its roles may not be known everywhere yet."""
_LISTED_SECONDS = 10 * 60.0


def dry_run(scene: Scene) -> Json:
    """A dry run answers with the plan and starts nothing."""
    before = scene.vault.jobs("Restore")
    scene.app.send(scene.request("dry-run", dryRun=True))
    end = _end(scene, "dry-run", "Planned", "Planned", seconds=ANSWER_SECONDS)
    expect(end["restoreStarted"] == "no", f"restoreStarted is {end['restoreStarted']}")
    url = end["plan"]["url"].lower()
    expect(scene.place.vault_id.lower() in url, f"the plan's call leads elsewhere: {url}")
    expect(scene.point().name in url, f"the plan's call names another recovery point: {url}")
    expect(scene.vault.jobs("Restore").keys() == before.keys(), "a job appeared in the vault")
    return {"recoveryPoint": end["recoveryPoint"]}


def refused_target(scene: Scene) -> Json:
    """A target that no rule allows is refused, and nothing is sent."""
    before = scene.vault.jobs("Restore")
    target = scene.elsewhere(REFUSED_TARGET, scene.folder("refused-target"))
    scene.app.send(scene.request("refused-target", target=target))
    end = _end(scene, "refused-target", "Refused", "NotAllowed", seconds=ANSWER_SECONDS)
    expect(end["restoreStarted"] == "no", f"restoreStarted is {end['restoreStarted']}")
    expect(scene.vault.jobs("Restore").keys() == before.keys(), "a job appeared in the vault")
    found = scene.files.read_all(scene.place.target(REFUSED_TARGET))
    expect(not found, f"files appeared in the refused share: {sorted(found)}")
    return {"rule": end.get("rule")}


def full_elsewhere(scene: Scene) -> Json:
    """The full share comes back in a folder of another share; the source stays as it is."""
    scene.damage()
    before = scene.files.read_all(scene.place.source)
    folder = scene.folder("full-elsewhere")
    scene.app.send(scene.request("full-elsewhere", target=scene.elsewhere("full", folder)))
    facts = _restored(scene, "full-elsewhere", "FullShareRestore/AlternateLocation", FILES)
    _same(_below(scene, "full", folder), FILES)
    expect(scene.files.read_all(scene.place.source) == before, "the source share has changed")
    return facts


def items_elsewhere(scene: Scene) -> Json:
    """Two files and a folder come back in a folder of another share, and nothing else does."""
    folder = scene.folder("items-elsewhere")
    target = scene.elsewhere("items", folder)
    scene.app.send(scene.request("items-elsewhere", target=target, items=list(ITEMS)))
    wanted = _of_items()
    facts = _restored(scene, "items-elsewhere", "ItemLevelRestore/AlternateLocation", wanted)
    found = _below(scene, "items", folder)
    # Which of the two the service does was not documented when this was written.
    by_name = {_by_name(path): content for path, content in wanted.items()}
    layouts = {"name": by_name, "path": dict(wanted)}
    layout = next((name for name, files in layouts.items() if files == found), None)
    expect(layout, f"the items lie neither by name nor by path: {sorted(found)}")
    return {**facts, "itemLayout": layout}


def items_back(scene: Scene) -> Json:
    """Two files and a folder come back where they were; all other damage stays."""
    scene.damage()
    scene.app.send(scene.request("items-back", items=list(ITEMS)))
    wanted = _of_items()
    facts = _restored(scene, "items-back", "ItemLevelRestore/OriginalLocation", wanted)
    untouched = {path: GARBAGE for path in (*FILES, NEW) if path not in wanted}
    _same(scene.files.read_all(scene.place.source), {**untouched, **wanted})
    return facts


def full_back(scene: Scene) -> Json:
    """The full share comes back where it was; a file that is newer than the backup stays."""
    scene.damage()
    scene.app.send(scene.request("full-back"))
    facts = _restored(scene, "full-back", "FullShareRestore/OriginalLocation", FILES)
    _same(scene.files.read_all(scene.place.source), {**FILES, NEW: GARBAGE})
    return facts


def cancelled(scene: Scene) -> Json:
    """A restore that runs is cancelled by a message."""
    before = scene.vault.jobs("Restore")
    target = scene.elsewhere("cancel", scene.folder("cancel"))
    request = scene.request("cancel", target=target)
    scene.app.send(request)

    def look() -> str | None:
        new = [job for job in scene.vault.jobs("Restore") if job not in before]
        return new[0] if new else None

    job_id = scene.vault.pace.wait_for(
        look, what="the job of the restore to cancel", seconds=_LISTED_SECONDS, every=2
    )
    scene.app.send({"schemaVersion": "1.0", "action": "cancel", "requestId": request["requestId"]})
    end = scene.app.end_of(request["requestId"], seconds=RESTORE_SECONDS)
    if end["phase"] == "Completed":
        raise NotRun("the restore was over before the cancel reached it")
    expect(end["phase"] == "Cancelled", f"the request ended as {end['phase']}, {end['reason']}")
    expect(end["jobIds"] == [job_id], f"the event names the jobs {end['jobIds']}, not {job_id}")
    job = scene.vault.ended_job(job_id)
    _describe(scene, "FullShareRestore/AlternateLocation", job_id, job)
    expect(job["status"] == "Cancelled", f"the job ended as {job['status']}")
    return {"reason": end["reason"], "jobId": job_id}


def vault_only(scene: Scene) -> Json:
    """A point that is kept in the vault alone comes back in an empty share."""
    points = [point for point in scene.points() if point.vault_only]
    if not points:
        raise NotRun(
            "the share has no recovery point that is kept in the vault alone; docs/acceptance.md "
            "says how to get one"
        )
    share = f"{VAULT_ONLY_TARGETS}-{scene.journal.attempt('vault-only')}"
    scene.make_share(scene.place.target(share))
    scene.app.send(
        scene.request(
            "vault-only",
            target=scene.elsewhere(share, None),
            recoveryPoint={"id": points[0].name},
        )
    )
    facts = _restored(scene, "vault-only", "FullShareRestore/AlternateLocation, vault", FILES)
    _same(scene.files.read_all(scene.place.target(share)), FILES)
    return {**facts, "tiers": list(points[0].tiers)}


CHECKS: Mapping[str, Callable[[Scene], Json]] = {
    "dry-run": dry_run,
    "refused-target": refused_target,
    "full-elsewhere": full_elsewhere,
    "items-elsewhere": items_elsewhere,
    "items-back": items_back,
    "full-back": full_back,
    "cancel": cancelled,
    "vault-only": vault_only,
}
"""In this order; `cut_check` adds the POST whose connection is cut."""


def _end(scene: Scene, check: str, phase: str, reason: str, *, seconds: float) -> Json:
    end = scene.app.end_of(scene.request_id(check), seconds=seconds)
    said = f"{end['phase']}, {end['reason']}: {end.get('message', '')}"
    expect((end["phase"], end["reason"]) == (phase, reason), f"the request ended as {said}")
    return end


def _restored(scene: Scene, check: str, shape: str, files: Mapping[str, bytes]) -> Json:
    """Wait for a restore's end; the event and the job must agree on what was done."""
    end = _end(scene, check, "Completed", "JobCompleted", seconds=RESTORE_SECONDS)
    expect(len(end["jobIds"]) == 1, f"the event names {len(end['jobIds'])} jobs")
    (job_id,) = end["jobIds"]
    job = scene.vault.job(job_id)
    _describe(scene, shape, job_id, job)
    expect(job["status"] == "Completed", f"the job {job_id} says {job['status']}")
    counts = end["counts"]["files"]
    wanted = {"restored": len(files), "skipped": 0, "failed": 0}
    expect(counts == wanted, f"the event counts {counts}, not {wanted}")
    return {"jobId": job_id, "recoveryTimeSeconds": end["recoveryTimeSeconds"]}


def _describe(scene: Scene, shape: str, job_id: str, job: Json) -> None:
    terminal = job["status"] if job["status"] in ENDED else "running"
    scene.recorder.describe(
        shape=shape, jobId=job_id, activityId=job.get("activityId"), terminal=terminal
    )


def _of_items() -> dict[str, bytes]:
    """The files that the items stand for."""
    return {
        path: content
        for path, content in FILES.items()
        if any(path == one["path"] or path.startswith(f"{one['path']}/") for one in ITEMS)
    }


def _by_name(path: str) -> str:
    """Where a file lies when each item is put into the folder without the path that leads to it."""
    item = next(i["path"] for i in ITEMS if path == i["path"] or path.startswith(f"{i['path']}/"))
    return path.removeprefix(item.rpartition("/")[0]).lstrip("/")


def _below(scene: Scene, share: str, folder: str) -> dict[str, bytes]:
    found = scene.files.read_all(scene.place.target(share))
    prefix = f"{folder}/"
    return {
        path.removeprefix(prefix): content
        for path, content in found.items()
        if path.startswith(prefix)
    }


def _same(found: Mapping[str, bytes], wanted: Mapping[str, bytes]) -> None:
    """Compare byte for byte and name every difference."""
    missing = sorted(wanted.keys() - found.keys())
    more = sorted(found.keys() - wanted.keys())
    other = sorted(path for path in wanted.keys() & found.keys() if wanted[path] != found[path])
    expect(
        not (missing or more or other),
        f"files differ from the recovery point: missing {missing}, not expected {more}, "
        f"with other bytes {other}",
    )
