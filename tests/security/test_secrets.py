"""No file of the project holds a secret. Works without a network."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

from local.storage import ACCOUNT_KEY

ROOT = Path(__file__).resolve().parents[2]
CACHES = {"__pycache__", "node_modules", "htmlcov", "dist"}
HIDDEN = {".ci", ".devcontainer", ".editorconfig", ".funcignore", ".github", ".gitignore"}
LARGEST = 2 * 1024 * 1024
NO_SECRETS = {
    ACCOUNT_KEY: "Azurite's account key, which everybody has",
    "token-that-goes-nowhere-else": "what a test of the ARM client looks for",
    "s3cret-Value-that-nobody-may-see": "what a test of the settings looks for",
    "{port}\\\\": "the password of an address that must not be called",
    "9bc63bb2a51a757b7c0d3514d17528b8dfac1a2325976bddece76f342f6951f8": "the hash of a request",
}
"""What looks like a secret and is none, with the reason."""


def files() -> Iterator[Path]:
    """Every file of the project; caches, environments, packages and data of runs are none."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part not in HIDDEN for part in parts)
        if hidden or CACHES & set(parts) or not path.is_file():
            continue
        if path.name != "local.settings.json" and path.stat().st_size < LARGEST:
            yield path


def finds(path: Path) -> list[str]:
    """What looks like a secret in a file, except what is known to be none."""
    collection = SecretsCollection()
    with default_settings():
        collection.scan_file(str(path))
    excused = {PotentialSecret.hash_secret(text) for text in NO_SECRETS}
    return [
        # Where it stands and not what it is: this goes into the log of a build.
        f"{path}:{found.line_number}: {found.type}"
        for _, found in collection
        if found.secret_hash not in excused
    ]


def test_no_file_holds_a_secret() -> None:
    scanned = list(files())
    assert ROOT / "function_app.py" in scanned
    found = [line for path in scanned for line in finds(path)]
    assert found == [], "a secret; or no secret, to be added to NO_SECRETS with the reason"


def made_of(seed: str) -> str:
    """Something that looks like a key, and stands in no file."""
    return hashlib.sha256(seed.encode()).hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN " + "PRIVATE KEY-----",
        f'connection = "AccountName=a;AccountKey={(made_of("a") + made_of("b"))[:86]}=="',
        f'password = "{made_of("c")}"',
        f"https://user:{made_of('d')}@host.example/",
        f'token = "{made_of("e")}"',
    ],
)
def test_a_secret_that_is_planted_is_found(tmp_path: Path, text: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(f"{text}\n", encoding="utf-8")
    assert finds(planted) != []


def test_what_is_excused_stands_in_a_file_beside_this_one() -> None:
    texts = "".join(
        path.read_text(encoding="utf-8")
        for path in files()
        if path.suffix == ".py" and path != Path(__file__)
    )
    assert [text for text in NO_SECRETS if text not in texts] == []
