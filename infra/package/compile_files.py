"""Compiles the files that standard input names; run by the Python that the package is for.

It uses the standard library alone. Bytecode is checked against nothing at run time (PEP 552,
unchecked hashes), since the files of a package never change: the app reads no source and compares
no times when it starts. The paths in the bytecode are those inside the package.
"""

import importlib.util
import py_compile
import sys
from pathlib import Path


def main() -> None:
    root = Path(sys.argv[1])
    for line in sys.stdin:
        name = line.rstrip("\n")
        py_compile.compile(
            str(root / name),
            cfile=importlib.util.cache_from_source(str(root / name)),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main()
