"""The command line of an acceptance run: what was asked for, and the parts that do it."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from azure.identity import AzureCliCredential

from local.process import ChildFailedError
from local.stack import Stack
from tests.acceptance.arm import Arm
from tests.acceptance.azure_app import AzureApp, built_package, compiled_template
from tests.acceptance.azure_estate import AzureEstate
from tests.acceptance.azure_files import AzureFiles
from tests.acceptance.estate import Estate, EstateError, Kind
from tests.acceptance.journal import Journal, JournalError
from tests.acceptance.local_estate import SUBSCRIPTION, LocalEstate
from tests.acceptance.naming import Names, new_run_name
from tests.acceptance.neutral import Neutral
from tests.acceptance.pace import Pace, SystemClock
from tests.acceptance.person import KeptTokens, Person
from tests.acceptance.recorder import Recorder
from tests.acceptance.run import ALL_CHECKS, Run

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / ".data" / "acceptance"
ARM_ENDPOINT = "https://management.azure.com"
TEARDOWN_SECONDS = 40 * 60.0
LONGEST_HOURS = 3.0
_WRONG_USE = 2
LOCAL_SPEED = 10.0
"""How much shorter the run's own waits are where the emulator answers."""
LOCAL_SETTINGS = {
    "RESTORE_POLL_SCHEDULE": "* * * * * *",
    "RESTORE_OPERATION_POLL_SECONDS": "0.3",
    "RESTORE_JOB_POLL_SECONDS": "0.5",
}


@dataclass(frozen=True, kw_only=True)
class Emulated:
    """A running stack: where it answers, its storage, and its files."""

    arm: str
    storage: str
    root: Path
    guards: Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        with ExitStack() as opened:
            opened.enter_context(_ended_in_order())
            emulated = _emulated(parser, chosen, opened)
            run = opened.enter_context(_assembled(chosen, emulated))
            if chosen.teardown:
                result = run.teardown()
            else:
                checks = frozenset(chosen.check or ALL_CHECKS)
                result = run.whole(keep=chosen.keep, chosen=checks)
            sys.stdout.write(f"{result.page()}\n  written to {run.journal.folder}\n")
            if not result.torn_down:
                sys.stdout.write(f"  {_how_to_end(chosen, run)}\n")
    except (ValueError, JournalError) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return _WRONG_USE
    except (EstateError, ChildFailedError, OSError) as error:
        print(f"acceptance: {error}", file=sys.stderr)
        return 1
    if chosen.teardown:
        return 0 if result.torn_down else 1
    return 0 if result.passed and (result.torn_down or chosen.keep) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.acceptance",
        description="An acceptance run in a subscription and a region, or against the emulator.",
        epilog="docs/acceptance.md says what it does, costs, needs and leaves.",
    )
    add = parser.add_argument
    add("--subscription", help="the id of the subscription to work in")
    add("--region", help="the region to work in, such as westeurope")
    add("--local", action="store_true", help="start a stack on this machine and run against it")
    add("--arm-endpoint", help="a running emulator instead, such as http://127.0.0.1:8084")
    add("--storage", help="with --arm-endpoint: the connection string of the app's storage")
    add("--emulator-root", type=Path, help="with --arm-endpoint: the emulator's folder")
    add("--guards", type=Path, help="with --arm-endpoint: the file that RESTORE_GUARDS names")
    add("--run", help="the run's name; an unfinished run is found by itself")
    add("--runs", type=Path, default=RUNS, help="the folder of the runs (.data/acceptance)")
    add("--check", action="append", choices=list(ALL_CHECKS), help="this check only")
    add("--package", type=Path, help="the package to deploy; `make package` builds one")
    add("--vaulted", action="store_true", help="keep recovery points in the vault, too")
    add("--keep", action="store_true", help="take nothing away at the end")
    add("--teardown", action="store_true", help="take away what the run made, and nothing else")
    add("--hours", type=float, default=LONGEST_HOURS, help="at most so long (3, teardown included)")
    return parser


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP end a run with its estate taken away, in a shell's
    background too, where Ctrl-C's own signal is ignored otherwise.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    named = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None))
    before = {number: signal.signal(number, interrupt) for number in named if number is not None}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _emulated(
    parser: argparse.ArgumentParser, chosen: argparse.Namespace, opened: ExitStack
) -> Emulated | None:
    """The stack to run against, or None for Azure; says what is missing."""
    if not TEARDOWN_SECONDS / 3600 < chosen.hours <= LONGEST_HOURS:
        parser.error(f"--hours must be more than 0.67 (the teardown's) and at most {LONGEST_HOURS}")
    if chosen.local:
        return _started(chosen, opened)
    if chosen.arm_endpoint:
        given = (chosen.storage, chosen.emulator_root, chosen.guards)
        if not all(given):
            parser.error("--arm-endpoint needs --storage, --emulator-root and --guards, too")
        if urlsplit(chosen.arm_endpoint).hostname not in {"127.0.0.1", "localhost", "::1"}:
            parser.error("--arm-endpoint is for an emulator on this machine; Azure needs none")
        storage, root, guards = given
        arm = chosen.arm_endpoint
        return Emulated(arm=arm, storage=storage, root=root.resolve(), guards=guards.resolve())
    if not chosen.subscription or not chosen.region:
        parser.error(
            "name a subscription and a region (make acceptance SUBSCRIPTION=<id> "
            "REGION=westeurope), or say --local"
        )
    return None


def _started(chosen: argparse.Namespace, opened: ExitStack) -> Emulated:
    chosen.runs.mkdir(parents=True, exist_ok=True)
    guards = (chosen.runs / "guards.json").resolve()
    settings = {**LOCAL_SETTINGS, "RESTORE_GUARDS": str(guards)}
    stack = opened.enter_context(Stack(time_scale=LOCAL_SPEED, settings=settings))
    return Emulated(arm=stack.arm, storage=stack.storage, root=stack.vault_root, guards=guards)


@contextmanager
def _assembled(chosen: argparse.Namespace, emulated: Emulated | None) -> Iterator[Run]:
    """The parts of a run."""
    kind: Kind = "emulator" if emulated else "azure"
    subscription = SUBSCRIPTION if emulated else str(chosen.subscription).lower()
    region = chosen.region or ("local" if emulated else "")
    name = chosen.run or _run_name(chosen.runs, kind, subscription)
    names = Names(subscription=subscription, run=name)
    journal = Journal(chosen.runs / name, kind=kind, subscription=subscription, region=region)
    if journal.over and not chosen.teardown:
        raise JournalError(f"the run {name} is over; choose another name with --run")
    seconds = chosen.hours * 3600
    clock = SystemClock(LOCAL_SPEED if emulated else 1.0)
    pace = Pace(clock=clock, work=seconds - TEARDOWN_SECONDS, total=seconds)
    endpoint = emulated.arm if emulated else ARM_ENDPOINT
    neutral = Neutral(
        salt=journal.salt, subscription=subscription, names=neutral_names(names), endpoint=endpoint
    )
    recorder = Recorder(journal.folder / "recordings", neutral, kind=kind)
    with ExitStack() as opened:
        if emulated:
            arm = Arm(endpoint, token=None, pace=pace, recorder=recorder)
            opened.callback(arm.close)
            estate: Estate = LocalEstate(
                names=names,
                arm=arm,
                journal=journal,
                storage=emulated.storage,
                root=emulated.root,
                guards=emulated.guards,
            )
        else:
            estate = _azure(chosen, names, journal, pace, recorder, opened)
        yield Run(
            name=name,
            region=region,
            commit=_commit(),
            estate=estate,
            journal=journal,
            pace=pace,
            recorder=recorder,
            tell=_teller(pace),
        )


def _run_name(runs: Path, kind: Kind, subscription: str) -> str:
    """The unfinished run of this subscription, or the name of a new one."""
    found = Journal.unfinished(runs, kind=kind, subscription=subscription)
    if len(found) > 1:
        raise JournalError(f"several runs are unfinished: say which with --run: {', '.join(found)}")
    return found[0] if found else new_run_name(datetime.now(UTC))


def neutral_names(names: Names) -> dict[str, str]:
    """What the names of resources become in recordings."""
    return {
        names.group: "acceptance-rg",
        names.app_group: "acceptance-app-rg",
        names.vault: "acceptancevault",
        names.source_account: "sourceaccount",
        names.target_account: "targetaccount",
        names.deployment: "acceptance-app",
        names.run: "acceptance",
    }


def _teller(pace: Pace) -> Callable[[str], None]:
    def tell(text: str) -> None:
        sys.stderr.write(f"{pace.spent / 60:6.1f} min  {text}\n")

    return tell


def _commit() -> str:
    """The commit that is tested, `-dirty` where files differ from it; nothing outside of git."""
    try:
        told = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return told.stdout.strip()


def _how_to_end(chosen: argparse.Namespace, run: Run) -> str:
    if chosen.local:
        return "the stack that the run started has ended, and all that it made with it"
    where = (
        f"--subscription {chosen.subscription} --region {run.region}"
        if run.estate.kind == "azure"
        else f"--arm-endpoint {chosen.arm_endpoint} --storage … --emulator-root … --guards …"
    )
    return (
        f"to go on: python -m tests.acceptance {where} --run {run.name}; to take everything away: "
        "the same with --teardown"
    )


def _azure(
    chosen: argparse.Namespace,
    names: Names,
    journal: Journal,
    pace: Pace,
    recorder: Recorder,
    opened: ExitStack,
) -> Estate:
    """The estate in Azure, as whoever is signed in with `az login`."""
    signed_in = AzureCliCredential(subscription=names.subscription, process_timeout=60)
    credential = KeptTokens(opened.enter_context(signed_in))
    person = Person(credential=credential)
    arm = Arm(ARM_ENDPOINT, token=person.token, pace=pace, recorder=recorder)
    opened.callback(arm.close)
    region = str(chosen.region)
    return AzureEstate(
        names=names,
        region=region,
        arm=arm,
        person=person,
        files=AzureFiles(credential, pace=pace),
        app=AzureApp(
            names=names,
            region=region,
            arm=arm,
            person=person,
            journal=journal,
            template=compiled_template,
            package=lambda: built_package(chosen.package),
        ),
        vaulted=chosen.vaulted,
    )
