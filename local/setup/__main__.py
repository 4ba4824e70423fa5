"""`python -m local.setup`: exit status 0 when everything is ready, else a sentence and 1."""

import os
import shutil
import signal
import subprocess
import sys

from local.setup import NEWEST, OLDEST


def main() -> int:
    """Set up, or say in a sentence what is missing."""
    if os.name == "nt":
        return _refuse("Windows is not supported: use the Windows Subsystem for Linux (WSL).")
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return _refuse(_wrong_python())
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - for old Pythons
    _leave_the_environment(os.path.join(root, ".venv"))  # noqa: PTH118 - for old Pythons

    # Only a Python that can read these gets this far.
    from pathlib import Path  # noqa: PLC0415

    from local.setup.running import SetupError  # noqa: PLC0415
    from local.setup.steps import set_up  # noqa: PLC0415

    # A child must not go on writing when this process has ended: `subprocess` kills it on the way.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        set_up(Path(root), tell=_say)
    except SetupError as error:
        for line in error.words:
            sys.stderr.write("  " + line + "\n")
        return _refuse(str(error))
    except OSError as error:
        return _refuse("the file system refused: " + str(error) + ". Mend that and run it again.")
    except KeyboardInterrupt:
        _say("interrupted; the next run starts again.")
        return 130
    return 0


def _wrong_python() -> str:
    """Which Python is needed, and how to choose one that the machine has."""
    names = ["3." + str(minor) for minor in range(OLDEST[1], NEWEST[1] + 1)]
    needed = "Python " + ", ".join(names[:-1]) + " or " + names[-1] + " is needed, and "
    text = needed + sys.executable + " is " + sys.version.split()[0]
    for name in reversed(names):
        other = shutil.which("python" + name)
        # A version manager has a program of each name, also for versions that it does not have.
        if other and subprocess.call([other, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return text + ": run make with PYTHON=python" + name + "."
    return text + ": install one, and name it, as in `make demo PYTHON=python" + names[-1] + "`."


def _leave_the_environment(venv: str) -> None:
    """Go on in the Python below `.venv` where `.venv` is active: it is removed and made again."""
    if os.path.realpath(sys.prefix) == os.path.realpath(venv):
        below = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])  # noqa: PTH118, UP031
        os.execv(below, [below, "-m", "local.setup"])  # noqa: S606


def _say(text: str) -> None:
    sys.stderr.write("make setup: " + text + "\n")
    sys.stderr.flush()


def _refuse(text: str) -> int:
    _say(text)
    return 1


if __name__ == "__main__":
    sys.exit(main())
