"""Where packages come from: what is said to one installer reaches the others."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from local.setup import sources
from local.setup.running import SetupError

PIP = [sys.executable, "-m", "pip"]


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    made = tmp_path / "roots.pem"
    made.write_text("")
    return str(made)


def test_a_configuration_file_of_pip_reaches_all_three(tmp_path: Path, bundle: str) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    file = tmp_path / "pip.conf"
    file.write_text(
        "[global]\n"
        "index-url = https://user:secret@mirror.example/simple\n"
        "extra-index-url =\n  https://one.example/simple\n  https://two.example/simple\n"
        f"find-links =\n  {folder}\n  /not/there\n"
        f"proxy = proxy.example:3128\ncert = {bundle}\ntrusted-host = mirror.example\n"
        "timeout = 7\nconstraint = /not/there.txt\ntarget = /not/there\n"
        "[install]\nuser = true\nno-binary = :all:\n"
    )

    known = sources.read(PIP, {"PIP_CONFIG_FILE": str(file), "PATH": os.environ["PATH"]})

    assert known.index == "https://mirror.example/simple"
    assert known.pip["PIP_INDEX_URL"] == "https://user:secret@mirror.example/simple"
    assert known.pip["PIP_CERT"] == bundle
    assert known.pip["PIP_CONFIG_FILE"] == os.devnull
    assert not {"PIP_CONSTRAINT", "PIP_TARGET", "PIP_USER", "PIP_NO_BINARY"} & known.pip.keys()
    assert known.uv["UV_DEFAULT_INDEX"] == "https://user:secret@mirror.example/simple"
    assert known.uv["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert known.uv["UV_FIND_LINKS"] == str(folder)
    assert known.uv["UV_INSECURE_HOST"] == "mirror.example"
    assert known.uv["UV_HTTP_TIMEOUT"] == "7"
    assert known.uv["SSL_CERT_FILE"] == bundle
    assert known.npm["NODE_EXTRA_CA_CERTS"] == bundle
    assert known.uv["HTTPS_PROXY"] == known.npm["HTTPS_PROXY"] == "http://proxy.example:3128"


def test_a_variable_of_pip_counts_more_than_its_file(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://file.example/simple\n")
    variables = {"PIP_CONFIG_FILE": str(file), "PIP_INDEX_URL": "https://variable.example/simple"}

    known = sources.read(PIP, variables)

    assert known.uv["UV_DEFAULT_INDEX"] == "https://variable.example/simple"
    assert known.pip["PIP_INDEX_URL"] == "https://variable.example/simple"


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_an_index_that_only_uv_knows_reaches_pip(name: str) -> None:
    known = sources.combine({}, {name: "https://mirror.example/simple"})

    assert known.pip["PIP_INDEX_URL"] == "https://mirror.example/simple"
    assert known.index == "https://mirror.example/simple"


def test_a_named_index_of_uv_reaches_pip_without_its_name() -> None:
    known = sources.combine({}, {"UV_DEFAULT_INDEX": "ours=https://mirror.example/simple"})

    assert known.pip["PIP_INDEX_URL"] == "https://mirror.example/simple"


def test_each_installer_keeps_what_was_said_to_it(bundle: str, tmp_path: Path) -> None:
    own = tmp_path / "own.pem"
    own.write_text("")
    said = {
        "UV_INDEX_URL": "https://uv.example/simple",
        "SSL_CERT_FILE": str(own),
        "NODE_EXTRA_CA_CERTS": "/npm.pem",
        "https_proxy": "http://own.example",
    }

    known = sources.combine(
        {"index-url": "https://pip.example/simple", "cert": bundle, "proxy": "http://p.example"},
        said,
    )

    assert known.pip["PIP_INDEX_URL"] == "https://pip.example/simple"
    assert "UV_DEFAULT_INDEX" not in known.uv
    assert known.uv["SSL_CERT_FILE"] == str(own)
    assert known.npm["NODE_EXTRA_CA_CERTS"] == "/npm.pem"
    assert "HTTPS_PROXY" not in known.npm


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificates_named_by_any_variable_reach_all_three(name: str, bundle: str) -> None:
    known = sources.combine({}, {name: bundle})

    assert known.pip["PIP_CERT"] == bundle
    assert known.uv["SSL_CERT_FILE"] == bundle
    assert known.npm["NODE_EXTRA_CA_CERTS"] == bundle


def test_a_folder_of_certificates_reaches_uv_as_one(tmp_path: Path) -> None:
    known = sources.combine({"cert": str(tmp_path)}, {})

    assert known.uv["SSL_CERT_DIR"] == str(tmp_path)
    assert "SSL_CERT_FILE" not in known.uv
    assert "NODE_EXTRA_CA_CERTS" not in known.npm


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(SetupError, match=r"REQUESTS_CA_BUNDLE names /not/there\.pem"):
        sources.combine({}, {"REQUESTS_CA_BUNDLE": "/not/there.pem"})


def test_what_could_change_what_uv_installs_is_left_out() -> None:
    harmful = dict.fromkeys(
        (
            *("UV_CONSTRAINT", "UV_OVERRIDE", "UV_EXCLUDE_NEWER", "UV_NO_VERIFY_HASHES"),
            *("UV_SYSTEM_PYTHON", "UV_CONFIG_FILE", "UV_PYTHON", "UV_NO_BINARY", "UV_TARGET"),
        ),
        "x",
    )
    wanted = {"UV_INDEX_OURS_PASSWORD": "p", "UV_CACHE_DIR": "/cache", "PATH": "/bin"}

    known = sources.combine({}, harmful | wanted)

    assert not harmful.keys() & known.uv.keys()
    assert wanted.items() <= known.uv.items()
    assert known.uv["UV_PYTHON_DOWNLOADS"] == "never"


def test_a_broken_configuration_of_pip_is_told(tmp_path: Path) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("index-url = https://mirror.example/simple\n")

    with pytest.raises(SetupError, match="pip cannot read its own configuration") as caught:
        sources.read(PIP, {"PIP_CONFIG_FILE": str(file)})

    assert "no section headers" in "\n".join(caught.value.words)
