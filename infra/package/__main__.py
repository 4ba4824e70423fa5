"""`python -m infra.package`: build a package, look into one, compare one with what Azure runs.

`make package` calls `build`; the hook after a deployment calls `deployed`.
"""

import argparse
import sys
from pathlib import Path

from infra.package.problems import PackagingError
from infra.package.reading import Package, compare
from infra.package.target import DEPLOYED_PYTHON, Target

ROOT = Path(__file__).resolve().parents[2]
DIFFERENT = 3
"""The exit code where Azure lists other functions: it may list the right ones in a moment."""


def main() -> int:
    """Do what the command line says."""
    arguments = _arguments()
    try:
        code: int = arguments.run(arguments)
    except PackagingError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    return code


def _build(arguments: argparse.Namespace) -> int:
    # Only here: what looks into a package needs none of the libraries that building takes.
    from infra.package.build import BILL_SUFFIX, Order, build, default_output  # noqa: PLC0415

    target = Target(python=arguments.python_version)
    output: Path = arguments.output or default_output(ROOT, target)
    package = build(
        Order(
            root=ROOT,
            target=target,
            output=output.resolve(),
            compiler=arguments.compiler,
            allow_changes=arguments.allow_changes,
        )
    )
    _describe(package)
    print(f"bill of materials  {package.path.with_suffix(BILL_SUFFIX)}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    package = Package.open(arguments.file)
    _describe(package)
    for name in package.functions:
        print(f"function           {name}")
    return 0


def _describe(package: Package) -> None:
    manifest = package.manifest
    changed = ", and changes that are not committed" if manifest["changedSinceCommit"] else ""
    print(f"package            {package.path}")
    print(f"commit             {manifest['commit']}{changed}")
    print(f"for                Python {package.python}, compiled by {manifest['compiledBy']}")
    print(f"files              {len(package.names)}, {package.path.stat().st_size:,} bytes")
    print(f"sha256             {package.file_digest}")
    print(f"sha256 of content  {package.content_digest}")


def _deployed(arguments: argparse.Namespace) -> int:
    """Compare the package's functions with a list on standard input."""
    package = Package.open(arguments.file)
    missing, beside = compare(package.functions, sys.stdin.read())
    for name in package.functions:
        print(f"{'missing' if name in missing else 'runs':8} {name}")
    for name in beside:
        print(f"{'unknown':8} {name}: not in the package")
    return DIFFERENT if missing or beside else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.package", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    builds = commands.add_parser("build", help="build the package of the commit")
    builds.add_argument(
        "--python-version",
        default=DEPLOYED_PYTHON,
        help=f"the Python that runs it; the deployed one ({DEPLOYED_PYTHON}) unless given",
    )
    builds.add_argument("--output", type=Path, help="the zip file; in dist/ unless given")
    builds.add_argument("--compiler", help="a Python of that version; looked for unless given")
    builds.add_argument(
        "--allow-changes", action="store_true", help="pack the folder's files if they differ"
    )
    builds.set_defaults(run=_build)
    shows = commands.add_parser("show", help="say what a package is")
    shows.add_argument("file", type=Path)
    shows.set_defaults(run=_show)
    compares = commands.add_parser(
        "deployed", help="compare a package's functions with a list on standard input"
    )
    compares.add_argument("file", type=Path)
    compares.set_defaults(run=_deployed)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
