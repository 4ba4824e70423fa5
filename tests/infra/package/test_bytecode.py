import subprocess
import sys
from pathlib import Path

import pytest

from infra.package import bytecode
from infra.package.problems import NoCompilerError, PackagingError
from infra.package.target import Target
from tests.infra.package.repository import write

OWN = Target(python=f"{sys.version_info.major}.{sys.version_info.minor}")
OTHER = Target(python="3.12" if OWN.python == "3.11" else "3.11")
FILES = {
    "app.py": "KINDS = {'b', 'a', 'c'}\ndef known(k):\n    return k in {'x', 'y', 'z', 'w'}\n",
    "deep/er.py": "raise ValueError('there')\n",
}


def compiled(root: Path) -> dict[str, bytes]:
    """The bytecode below a folder, by name."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.pyc")}


def test_this_python_compiles_for_its_own_version() -> None:
    assert bytecode.compiler(OWN, None) == Path(sys.executable)


def test_a_given_python_of_another_version_is_refused() -> None:
    with pytest.raises(NoCompilerError, match=r"another version or none.*COMPILER="):
        bytecode.compiler(OTHER, sys.executable)


@pytest.mark.parametrize("name", ["no-such-python", "true"])
def test_what_is_no_python_is_refused(name: str) -> None:
    with pytest.raises(NoCompilerError, match=f"{name} is another version or none"):
        bytecode.compiler(OWN, name)


def test_where_no_python_fits_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setattr(bytecode, "_of_uv", lambda _: None)
    with pytest.raises(NoCompilerError, match=f"uv python install {OTHER.python}"):
        bytecode.compiler(OTHER, None)


def test_bytecode_is_the_same_in_every_folder(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "a much longer/way to/two"
    for folder in (one, two):
        write(folder, FILES)
        bytecode.compile_all(Path(sys.executable), folder)
    assert compiled(one) == compiled(two)
    tag = f"cpython-{OWN.tag}"
    assert set(compiled(one)) == {f"__pycache__/app.{tag}.pyc", f"deep/__pycache__/er.{tag}.pyc"}
    assert not any(str(tmp_path).encode() in each for each in compiled(one).values())


def test_bytecode_is_used_without_a_look_at_the_source(tmp_path: Path) -> None:
    write(tmp_path, {"told.py": "print('as compiled')\n"})
    bytecode.compile_all(Path(sys.executable), tmp_path)
    write(tmp_path, {"told.py": "print('as written since')\n"})
    done = subprocess.run(
        [sys.executable, "-c", "import told"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "as compiled\n"


def test_a_traceback_names_the_file_where_it_really_is(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    bytecode.compile_all(Path(sys.executable), tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", "import deep.er"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert str(tmp_path / "deep/er.py") in done.stderr


def test_a_file_that_does_not_compile_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"good.py": "", "bad.py": "def (:\n"})
    with pytest.raises(PackagingError, match=r"(?s)does not compile.*bad\.py"):
        bytecode.compile_all(Path(sys.executable), tmp_path)
