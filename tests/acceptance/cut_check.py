"""Is a job's `activityId` the client request id of the POST that started it, even if nobody read
the answer? The app finds its restores again by that, after a crash and after a lost answer.
"""

from __future__ import annotations

import contextlib
import uuid
from typing import Any

from tests.acceptance.cut import post_and_cut
from tests.acceptance.pace import OutOfTimeError
from tests.acceptance.place import FILES
from tests.acceptance.scene import CheckFailed, NotRun, Scene, expect
from tests.acceptance.vault import Point

Json = dict[str, Any]
NAME = "cut-connection"
_LISTED_SECONDS = 6 * 60.0
_TRIES = 3


def cut_connection(scene: Scene) -> Json:
    """Send a restore of our own, cut its connection, and look for its job."""
    target = scene.place.target("cut")
    for number in range(1, _TRIES + 1):
        folder = f"{scene.folder(NAME)}-{number}"
        sent_id, job_id, jobs = _sent(scene, folder, number)
        if job_id is None:
            continue  # the service never got the whole of it; a fresh one may fare better
        job = scene.vault.ended_job(job_id)
        scene.recorder.describe(
            shape="FullShareRestore/AlternateLocation, connection cut",
            jobId=job_id,
            client_request_id=sent_id,
            activityId=job.get("activityId"),
            terminal=job["status"],
        )
        found = str(jobs[job_id].get("activityId", "")).lower()
        if found != sent_id:
            raise CheckFailed(
                f"job {job_id} has the activityId {found}, and the POST that started it had the "
                f"client request id {sent_id}: the app would not find its own restores"
            )
        expect(job["status"] == "Completed", f"the job ended as {job['status']}")
        prefix = f"{folder}/"
        files = scene.files.read_all(target)
        below = {p.removeprefix(prefix): c for p, c in files.items() if p.startswith(prefix)}
        expect(below == FILES, f"the files in {folder} differ from the recovery point")
        return {"jobId": job_id, "posts": number, "inJobList": True}
    raise NotRun(
        f"{_TRIES} POSTs were cut and no job came of any: whether a job would carry the client "
        "request id was not seen"
    )


def _sent(scene: Scene, folder: str, number: int) -> tuple[str, str | None, dict[str, Json]]:
    """Send one POST, or remember that it was sent; its id, the job that came, and the job list."""
    key = f"{NAME}/{scene.journal.attempt(NAME)}/{number}"
    noted = scene.journal.fact(key)
    fresh = noted is None
    if noted is None:
        point: Point = scene.point()
        before = sorted(scene.vault.jobs("Restore"))
        noted = {"id": str(uuid.uuid4()), "before": before}
        # Noted first: after a crash the job is looked for, and no second POST is sent under it.
        scene.journal.note(key, noted)
        # Where sending fails, it may have arrived all the same: the job list tells.
        with contextlib.suppress(OSError):
            post_and_cut(
                scene.vault.restore_url(point),
                scene.vault.restore_body(scene.place.target("cut"), folder),
                client_request_id=noted["id"],
                token=scene.vault.token,
            )
    known = set(noted["before"])

    def look() -> dict[str, Json] | None:
        jobs = scene.vault.jobs("Restore")
        return jobs if jobs.keys() - known else None

    try:
        jobs = scene.vault.pace.wait_for(
            look, what="a job of the POST that was cut", seconds=_LISTED_SECONDS, every=5
        )
    except OutOfTimeError:
        if scene.vault.pace.left <= 0:
            raise
        return noted["id"], None, {}
    new = sorted(jobs.keys() - known)
    ours = [job for job in new if str(jobs[job].get("activityId", "")).lower() == noted["id"]]
    expect(len(ours) <= 1, f"{len(ours)} jobs came of one POST: {ours}")
    if fresh:
        expect(len(new) == 1, f"{len(new)} jobs appeared after one POST: {new}")
        return noted["id"], new[0], jobs
    # Of a POST of an earlier start: jobs of other checks may have come since, and prove nothing.
    return noted["id"], ours[0] if ours else None, jobs
