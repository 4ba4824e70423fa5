import re

import pytest
from packaging.tags import mac_platforms

from infra.package.problems import PackagingError
from infra.package.target import DEPLOYED_PYTHON, PLATFORMS, PYTHONS, Target
from local.stack import ROOT


def test_the_deployed_python_is_what_the_infrastructure_gives_the_app() -> None:
    # The runtime of the app, wherever in infra/ it is written down: as a value or as a default.
    text = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("infra/**/*.bicep"))
    written = re.findall(r"name: 'python'\s+version: '([\d.]+)'", text)
    written += re.findall(r"param pythonVersion \w+ = '([\d.]+)'", text)
    assert set(written) == {DEPLOYED_PYTHON}


@pytest.mark.parametrize("python", ["3.10", "3.14", "3", "3.13.0", ""])
def test_another_python_is_refused_with_the_possible_ones(python: str) -> None:
    with pytest.raises(PackagingError, match=r"PYTHON_VERSION is one of 3\.11, 3\.12, 3\.13"):
        Target(python=python)


def test_wheels_are_for_linux_on_one_machine_and_newest_glibc_first() -> None:
    assert PLATFORMS[0] == "manylinux_2_28_x86_64"
    assert all(each.startswith("manylinux") and each.endswith("x86_64") for each in PLATFORMS)
    assert not set(PLATFORMS) & set(mac_platforms((15, 0), "x86_64"))


@pytest.mark.parametrize("python", PYTHONS)
def test_pip_is_told_the_target_and_never_builds(python: str) -> None:
    options = Target(python=python).pip_options
    assert {"--only-binary=:all:", f"--python-version={python}"} <= set(options)
    assert f"--abi=cp{python.replace('.', '')}" in options
