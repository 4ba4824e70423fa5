"""What is built out of an environment: which parts, which limits, and who is asked for tokens."""

from __future__ import annotations

import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from restore_core import wiring
from restore_core.azure_backup.client import ArmClient
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import FileInvalid, NotSent, SettingsError

AZURITE_LIKE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=bm9ib2R5;"
    "QueueEndpoint=http://127.0.0.1:1/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:1/devstoreaccount1;"
)


class Identity:
    """Stands in for the identity library: gives numbered tokens, or fails."""

    made = 0

    def __init__(self, *_args: Any, **kwargs: Any) -> None:
        type(self).made += 1
        self.asked: list[str] = []
        self.arguments = kwargs

    def get_token(self, scope: str, **_options: Any) -> AccessToken:
        self.asked.append(scope)
        if scope == "broken":
            raise ClientAuthenticationError("AADSTS700016 secret-detail")
        return AccessToken(f"token-{self.made}", 0)


@pytest.fixture(autouse=True)
def identity(monkeypatch: pytest.MonkeyPatch) -> type[Identity]:
    """Keep the real library, which would look for a network, out of these tests."""
    Identity.made = 0
    monkeypatch.setattr("azure.identity.ManagedIdentityCredential", Identity)
    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Identity)
    return Identity


def tokens(scope: str = "https://management.azure.com/.default") -> wiring.EntraTokens:
    return wiring.EntraTokens(scope=scope, client_id="", authority="https://login.test")


def test_a_token_is_kept_by_one_credential_until_it_is_refused(identity: type[Identity]) -> None:
    source = tokens()
    assert source.token() == source.token() == "token-1"
    assert source.token(refresh=True) == "token-2"
    assert source.token() == "token-2"
    assert identity.made == 2


def test_no_token_means_certainly_not_sent_and_gives_no_detail_away() -> None:
    with pytest.raises(NotSent) as error:
        tokens("broken").token()
    assert "secret-detail" not in str(error.value)
    assert "ClientAuthenticationError" in str(error.value)


def test_a_client_id_means_that_managed_identity() -> None:
    made = wiring.credential("client-1", "https://login.test")
    assert isinstance(made, Identity)
    assert made.arguments == {"client_id": "client-1"}


def test_a_loopback_endpoint_is_never_given_a_token(
    monkeypatch: pytest.MonkeyPatch, identity: type[Identity]
) -> None:
    seen: list[str | None] = []

    class Recorder(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    made: list[ArmClient] = []

    def remember(**options: Any) -> ArmClient:
        made.append(ArmClient(**options))
        return made[-1]

    monkeypatch.setattr(wiring, "ArmClient", remember)
    with HTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        built = wiring.build({"RestoreStorage": AZURITE_LIKE, "RESTORE_ARM_ENDPOINT": endpoint})
        assert isinstance(built, Reconciler)
        made[0].get(made[0].url("/subscriptions"))
        made[0].close()
        server.shutdown()
        thread.join()
    assert seen == [None]
    assert identity.made == 0


def test_the_public_cloud_and_keyless_storage_ask_the_identity(identity: type[Identity]) -> None:
    built = wiring.build(
        {
            "RestoreStorage__queueServiceUri": "https://account1.queue.core.windows.net",
            "RestoreStorage__tableServiceUri": "https://account1.table.core.windows.net",
            "RestoreStorage__clientId": "client-1",
        }
    )
    assert isinstance(built, Reconciler)
    assert identity.made == 1, "one credential for storage; none for ARM before it is needed"


def test_settings_that_cannot_be_used_build_nothing() -> None:
    with pytest.raises(SettingsError, match="RestoreStorage"):
        wiring.build({})


def test_the_chatty_loggers_stay_quiet() -> None:
    logging.getLogger("azure").setLevel(logging.DEBUG)
    wiring.build({"RestoreStorage": AZURITE_LIKE})
    assert logging.getLogger("azure").level == logging.WARNING
    assert logging.getLogger("urllib3").level == logging.WARNING
    assert logging.getLogger("msal").level == logging.WARNING


def guards_of(setting: str | None, endpoint: str = "https://management.azure.com") -> Any:
    """What an app that is built with a setting of the guards may do now."""
    environment = {"RestoreStorage": AZURITE_LIKE, "RESTORE_ARM_ENDPOINT": endpoint}
    if setting is not None:
        environment["RESTORE_GUARDS"] = setting
    return wiring.build(environment)._starter._guards()


def test_without_a_file_of_guards_nothing_is_allowed() -> None:
    with pytest.raises(FileInvalid, match=r"restore-guards\.json"):
        guards_of(None)


def test_no_guards_at_all_is_said_or_follows_from_an_endpoint_on_this_machine() -> None:
    assert guards_of("none") is None
    assert guards_of(None, "http://127.0.0.1:1") is None


def test_a_file_of_guards_counts_wherever_it_is_and_on_this_machine_too(tmp_path: Path) -> None:
    assert guards_of("restore-guards.sample.json").rules[0].name == "test-data"
    file = tmp_path / "mine.json"
    with pytest.raises(FileInvalid, match=r"mine\.json"):
        guards_of(str(file), "http://127.0.0.1:1")
    file.write_bytes((wiring.ROOT / "restore-guards.sample.json").read_bytes())
    assert len(guards_of(str(file), "http://127.0.0.1:1").rules) == 2
