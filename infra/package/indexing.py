"""Which functions the app has, by the Python worker's own library.

`python -m infra.package.indexing FOLDER` prints them. It runs in a process of its own, because the
library indexes one app in a process and leaves its folder first on the path.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from infra.package.problems import PackagingError

ROOT = Path(__file__).resolve().parents[2]


def functions(app: Path) -> list[dict[str, str]]:
    """The functions of the app in a folder, by name."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.package.indexing", str(app)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        # None of the shell's settings: an app is indexed before it reads any.
        env={"PATH": os.environ.get("PATH", ""), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if done.returncode:
        raise PackagingError(f"the app cannot be indexed: {done.stderr.strip()}")
    found: list[dict[str, str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Index the app in a folder and print its functions as JSON."""
    # The worker library is a tool of local/, which a reader of packages need not have.
    from local.host.app import AppError, Worker  # noqa: PLC0415

    try:
        found = Worker().index(Path(sys.argv[1]).resolve())
    except AppError as error:
        print(error, file=sys.stderr)
        return 1
    listed = [{"name": each.name, "trigger": str(each.trigger["type"])} for each in found]
    print(json.dumps(sorted(listed, key=lambda each: each["name"])))
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # The library's threads would keep the interpreter waiting.
    os._exit(code)
