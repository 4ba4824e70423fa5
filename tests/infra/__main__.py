"""What `make infra` does: builds, lints, and compares layout and snapshots; `--update` writes both.

It leaves the ARM templates of a release in `dist/infra`. Where there is no compiler it says so and
does nothing more: what the snapshots hold is tested all the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.infra.compiler import MISSING, ROOT, Compiler, NoCompilerError, Tree

UPDATE = "make infra UPDATE=--update writes it; read the difference before you commit it"


def problems(compiler: Compiler, tree: Tree, release: Path) -> Iterator[str]:
    """Everything that the compiler has to say, and every file that it would write differently."""
    release.mkdir(parents=True, exist_ok=True)
    for source in tree.templates:
        # Building lints, too.
        built = compiler.run("build", str(source), "--stdout")
        if not built.silent:
            yield built.complaints
            continue
        (release / f"{source.stem}.json").write_text(built.output, encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        renewed = tree.copy(Path(folder))
        yield from renewed.renew(compiler)
        for name in tree.written:
            if not (tree.root / name).exists():
                yield f"{name} is missing: {UPDATE}"
            elif (tree.root / name).read_bytes() != (renewed.root / name).read_bytes():
                yield f"{name} is not what the compiler writes: {UPDATE}"


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run it; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(prog="make infra", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write layout and snapshots anew")
    wanted = parser.parse_args(arguments)
    tree = Tree(root=root)
    try:
        compiler = Compiler.find()
    except NoCompilerError as error:
        print(f"make infra: {error}", file=sys.stderr)
        return 1
    if compiler is None:
        print(f"make infra: infra/ was NOT built, linted or compared: {MISSING}", file=sys.stderr)
        return 0
    found = tree.renew(compiler) if wanted.update else []
    found += problems(compiler, tree, root / "dist/infra")
    for problem in found:
        print(problem, file=sys.stderr)
    if not found:
        print(f"make infra: {len(tree.written)} files are as the compiler wants them.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
