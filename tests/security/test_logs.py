"""What the logs never hold: the app runs against the emulator, and all that is logged is read.

The vault is served over https, asks for a token and signs its links; storage is Azurite. What a
test plants is looked for in every form in which it could stand in a log.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from local.storage import ACCOUNT_KEY, Azurite, make_tables, running
from local.vault import EmulatorOptions, VaultEmulator
from restore_core import wiring
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import MAX_TEXT, ArmClient
from restore_core.completions.queue import CompletionQueue
from restore_core.domain.ports import Message
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import SettingsError, StoreUnavailable
from restore_core.settings import Settings, Storage
from restore_core.storage.queues import Queues
from restore_core.storage.tables import RestoreStore
from tests.local.vault.arm import ACCOUNT_IDS, SUBSCRIPTION, small_root
from tests.patience import PATIENCE

TOKEN = "a-token-that-stays-out-of-every-log"
PLANTED = "hunter2-planted-by-the-sender"
MAX_LINE = 4000
SIGNED = re.compile(r"[?&](?:t|c|s|h|sig|se|sp)=[A-Za-z0-9%_-]")
SIGNED_LINK = "https://elsewhere.example/x?api-version=1&t=63&c=MIIHh&s=abcDEF&h=xyz"
WORDS = (
    *(TOKEN, PLANTED, ACCOUNT_KEY, ACCOUNT_KEY[:20]),
    *("Bearer ", "Authorization:", "Authorization'", "SharedKey", "AccountKey"),
    # What stands in every body of a restore, and in no other text of ours.
    *("AzureFileShareRestoreRequest", "sourceResourceId", "restoreRequestType", '"copyOptions"'),
    *(base64.b64encode(word.encode()).decode()[:24] for word in (TOKEN, PLANTED)),
)
Json = dict[str, Any]
Send = Callable[[bytes], None]


def secrets_in(text: str) -> list[str]:
    """What stands in a text and must not."""
    return [word for word in WORDS if word in text] + SIGNED.findall(text)


class Tokens:
    """Gives the token that must not be seen."""

    def token(self, *, refresh: bool = False) -> str:
        return f"{TOKEN}-{refresh}"


@pytest.fixture(autouse=True)
def loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Our loggers at DEBUG and all others, too; `azure` and `urllib3` as the app sets them."""
    levels = {name: logging.getLogger(name).level for name in ("azure", "msal", "urllib3")}
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "restore_core"):
        with pytest.raises(SettingsError):
            wiring.build({})
        yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    """An Azurite whose tables nobody else fills."""
    with running() as azurite:
        make_tables(azurite.connection_string)
        yield azurite


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VaultEmulator]:
    """The emulator of today's service, 200 times faster, with https and tokens."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    small_root(tmp_path / "root")
    options = EmulatorOptions(time_scale=200.0, https=True, require_auth=True)
    with VaultEmulator(tmp_path / "root", options) as emulator:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
        yield emulator


class App:
    """An engine of the real parts, with a completion queue of its own."""

    def __init__(self, endpoint: str, storage: str, *, start_limit: float = 30) -> None:
        soon = timedelta(seconds=0.05)
        name = f"completions-{uuid.uuid4()}"
        self.queue = QueueClient.from_connection_string(storage, name)
        settings = Settings(
            storage=Storage(connection_string=storage),
            arm_endpoint=endpoint,
            operation_poll=soon,
            job_poll=soon,
            retry_base=soon,
            retry_max=soon,
            adoption_grace=timedelta(seconds=1),
            start_limit=timedelta(seconds=start_limit),
            sweep_threads=2,
        )
        self._arm = ArmClient(
            endpoint=endpoint,
            api_version=settings.arm_api_version,
            tokens=Tokens(),
            connect_limit=timedelta(seconds=PATIENCE),
            answer_limit=timedelta(seconds=PATIENCE),
        )
        self.engine = Reconciler(
            vaults=AzureBackup(self._arm, name_cache=timedelta(0)),
            store=RestoreStore.open(settings.storage, None),
            completions=CompletionQueue(Queues.open(settings.storage, None), name, encoding="none"),
            settings=settings,
        )

    def close(self) -> None:
        self._arm.close()
        self.queue.close()

    def send(self, body: bytes) -> None:
        now = datetime.now(UTC)
        self.engine.handle(Message(id=str(uuid.uuid4()), body=body, inserted_at=now), now)

    def until_answered(self) -> Json:
        """Sweep until an event is there."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            for message in self.queue.receive_messages():
                answer: Json = json.loads(message.content)
                return answer
            self.engine.sweep(datetime.now(UTC))
            time.sleep(0.05)
        raise AssertionError("no event came")


@pytest.fixture
def app(vault: VaultEmulator, storage: Azurite) -> Iterator[App]:
    """The app on the emulator and on Azurite."""
    made = App(vault.url, storage.connection_string)
    made.queue.create_queue()
    yield made
    made.close()


def request(**changes: Any) -> bytes:
    """A restore of the small root's share, with what a careless sender may write into it."""
    body = {
        "schemaVersion": "1.0",
        "requestId": f"logs-{uuid.uuid4()}",
        "vaultId": f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Vaults/providers/"
        "Microsoft.RecoveryServices/vaults/Vault1",
        "source": {"storageAccountId": f"{ACCOUNT_IDS}srcaccount", "fileShare": "data"},
        "recoveryPoint": {"select": "latest"},
        "target": {"location": "original"},
        "copyOptions": "Overwrite",
        "requestedBy": PLANTED,
        "reason": f"AccountKey={PLANTED}",
        "labels": {"password": PLANTED},
        **changes,
    }
    return json.dumps(body).encode()


def check(caplog: pytest.LogCaptureFixture) -> None:
    """All that was logged, tracebacks included, is free of secrets, and every line is short."""
    assert caplog.records, "nothing was logged: the test sees nothing"
    assert secrets_in(caplog.text) == []
    assert max(len(record.getMessage()) for record in caplog.records) <= MAX_LINE


def test_a_restore_that_completes_logs_its_phases_and_no_secret(
    app: App, vault: VaultEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    app.send(request())
    assert app.until_answered()["data"]["phase"] == "Completed"
    assert "JobInProgress -> Completed" in caplog.text
    assert any("backupJobs" in one.path for one in vault.log)
    check(caplog)


FAULTS: dict[str, Json] = {
    "a token that is refused": {"kind": "status", "status": 401},
    "a role that is missing": {"kind": "status", "status": 403, "code": "AuthorizationFailed"},
    "an error that was not processed": {"kind": "status", "status": 500},
    "an error that was processed": {"kind": "status", "status": 500, "processed": True},
    "a cut connection": {"kind": "reset", "processed": True},
    "half an answer": {"kind": "truncate"},
    "text that is no JSON": {"kind": "not_json"},
    "a redirect to a signed link": {"kind": "redirect", "location": SIGNED_LINK},
    "links to another host": {"kind": "foreign", "origin": "https://elsewhere.example"},
    "a very long error": {
        "kind": "status",
        "status": 503,
        "code": "C" * 5000,
        "message": "no " * 50_000,
    },
}


@pytest.mark.parametrize("action", FAULTS.values(), ids=FAULTS)
def test_no_answer_of_the_service_brings_a_secret_into_the_log(
    app: App, vault: VaultEmulator, caplog: pytest.LogCaptureFixture, action: Json
) -> None:
    for call in ("list_items", "restore", "list_jobs", "*"):
        vault.inject({"on": call, "times": 2, "action": action})
    app.send(request())
    app.until_answered()
    struck = {one.operation for one in vault.log if one.faults}
    assert {"list_items", "restore"} <= struck
    check(caplog)


def test_the_services_own_words_are_cut(
    app: App, vault: VaultEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    vault.inject({"on": "list_items", "times": 1, "action": FAULTS["a very long error"]})
    app.send(request())
    app.until_answered()
    said = [record.getMessage() for record in caplog.records]
    assert all(line.count("no ") <= MAX_TEXT // 3 + 1 for line in said)
    check(caplog)


MESSAGES: dict[str, bytes] = {
    "an unknown field": request(password=PLANTED, connectionString=f"AccountKey={PLANTED}"),
    "a field with the secret for its name": request(**{f"AccountKey={PLANTED}": 1}),
    "a secret where an id belongs": request(vaultId=f"/subscriptions/{PLANTED}?sig={PLANTED}"),
    "a secret for its id": request(requestId=f"AccountKey={PLANTED};{SIGNED_LINK}"),
    "no JSON": f"AccountKey={PLANTED};{SIGNED_LINK}".encode(),
    "no JSON in base64": base64.b64encode(f"Bearer {PLANTED}".encode()),
    "a list": json.dumps([PLANTED]).encode(),
    "a text of many lines": f'"{PLANTED}\\nINFO forged: {PLANTED}"'.encode(),
    "no UTF-8": PLANTED.encode() + b"\xff\xfe",
    "many problems": request(**{f"field{number}": PLANTED for number in range(500)}),
}


@pytest.mark.parametrize("body", MESSAGES.values(), ids=MESSAGES)
def test_a_message_that_is_refused_leaves_nothing_of_itself_in_the_log(
    app: App, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    app.send(body)
    assert app.until_answered()["type"] == "azurefilesrestore.MessageRejected.v1"
    check(caplog)
    assert "forged" not in caplog.text


def test_a_message_that_breaks_the_app_leaves_a_traceback_and_nothing_of_itself(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(body: bytes, **_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("restore_core.engine.accept.read_envelope", broken)
    now = datetime.now(UTC)
    app.engine.handle_poisoned(Message(id="m1", body=request(), inserted_at=now), now)
    assert app.until_answered()["data"]["reason"] == "Unreadable"
    assert "Traceback" in caplog.text
    check(caplog)


def as_the_host(act: Callable[[], object]) -> None:
    """Do what the host does with what a function raises: log all of it."""
    try:
        act()
    except StoreUnavailable:
        logging.getLogger("host").exception("a function failed")


def test_an_outage_of_storage_does_not_show_how_storage_is_reached(
    vault: VaultEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = (
        f"DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey={ACCOUNT_KEY};"
        "QueueEndpoint=http://127.0.0.1:1/devstoreaccount1;"
        "TableEndpoint=http://127.0.0.1:1/devstoreaccount1;"
    )
    app = App(vault.url, nowhere)
    as_the_host(lambda: app.send(request()))
    as_the_host(lambda: app.send(b"no request"))
    as_the_host(lambda: app.engine.sweep(datetime.now(UTC)))
    app.close()
    assert caplog.text.count("a function failed") == 3
    check(caplog)


def test_storage_that_refuses_the_key_does_not_show_it(
    vault: VaultEmulator, storage: Azurite, caplog: pytest.LogCaptureFixture
) -> None:
    other_key = base64.b64encode(PLANTED.encode()).decode()
    app = App(vault.url, storage.connection_string.replace(ACCOUNT_KEY, other_key))
    as_the_host(lambda: app.send(request()))
    as_the_host(lambda: app.engine.sweep(datetime.now(UTC)))
    app.close()
    assert "a function failed" in caplog.text
    assert other_key not in caplog.text
    check(caplog)


def test_settings_that_cannot_be_used_are_named_without_their_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environment = {
        "RestoreStorage": f"AccountKey={PLANTED}",
        "RESTORE_ARM_ENDPOINT": f"http://user:{PLANTED}@arm.example",
        "RESTORE_PAUSED": PLANTED,
    }
    try:
        wiring.build(environment)
    except SettingsError:
        logging.getLogger("host").exception("a function failed")
    assert "RESTORE_PAUSED must be true or false" in caplog.text
    check(caplog)


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {TOKEN}",
        SIGNED_LINK,
        "url: /x?a=1&sig=abc",
        f"AccountName=a;AccountKey={ACCOUNT_KEY}",
        f'{{"labels": {{"password": "{PLANTED}"}}}}',
        '{"properties":{"restoreRequestType":"FullShareRestore"}}',
    ],
)
def test_the_search_for_secrets_finds_them(text: str) -> None:
    assert secrets_in(text) != []


def test_what_the_libraries_would_log_is_kept_out_by_their_levels(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("azure").setLevel(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.DEBUG)
    app.send(request(requestId="!"))
    assert "Authorization" in caplog.text, "the search looks at a level where nothing can be seen"
