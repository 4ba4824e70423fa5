"""Settings to a Reconciler, or to an Intake: the one place where the parts meet.

Knows which class fills which port, and where tokens come from. Used by every entry point. Imports
what asks for tokens only where a token is asked for: a loopback endpoint never gets one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

from restore_core.alerting.plans import read_plans
from restore_core.azure_backup.backup import AzureBackup
from restore_core.azure_backup.client import ArmClient
from restore_core.azure_backup.throttling import OURS, SharedThrottle
from restore_core.completions.queue import CompletionQueue
from restore_core.engine.reconciler import Reconciler
from restore_core.errors import NotSent
from restore_core.http_api.routes import Intake
from restore_core.policy.guards import Guards, read_guards
from restore_core.policy.reviewed_file import ReviewedFile
from restore_core.settings import NO_GUARDS, Origin, Settings
from restore_core.storage.queues import Queues, RequestQueue
from restore_core.storage.tables import RestoreStore

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


ROOT = Path(__file__).resolve().parent.parent
"""The app's folder: where the files are that are deployed with it."""


class EntraTokens:
    """Tokens for ARM from the app's identity; the library keeps them until they expire."""

    def __init__(self, *, scope: str, client_id: str, authority: str) -> None:
        """Remember what to ask; nothing is asked yet."""
        self._scope = scope
        self._client_id = client_id
        self._authority = authority
        self._lock = threading.Lock()
        self._credential: TokenCredential | None = None

    def token(self, *, refresh: bool = False) -> str:
        """Return a token; `refresh` drops the kept one. Raises `NotSent` when there is none."""
        with self._lock:
            if self._credential is None or refresh:
                self._credential = credential(self._client_id, self._authority)
            source = self._credential
        try:
            return source.get_token(self._scope).token
        except AzureError as error:
            # The library's text can quote an answer of the identity service: keep it out of events.
            raise NotSent(f"no token for ARM: {type(error).__name__}") from error


def credential(client_id: str, authority: str) -> TokenCredential:
    """Make the credential of the app: its managed identity, or whoever is signed in on a laptop."""
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415

    if client_id:
        return ManagedIdentityCredential(client_id=client_id)
    return DefaultAzureCredential(authority=authority)


def build(environment: Mapping[str, str]) -> Reconciler:
    """Build the engine out of an environment; raises `SettingsError`."""
    _keep_libraries_quiet()
    settings = Settings.read(environment)
    queues, store = _storage(settings)
    tokens = None
    if not Origin.of(settings.arm_endpoint).is_loopback:
        tokens = EntraTokens(
            scope=settings.arm_scope,
            client_id=settings.arm_client_id,
            authority=settings.arm_authority,
        )
    arm = ArmClient(
        endpoint=settings.arm_endpoint,
        api_version=settings.arm_api_version,
        tokens=tokens,
        connect_limit=settings.arm_connect,
        answer_limit=settings.arm_answer,
        # What listens on this machine has no limits of its own.
        throttle=SharedThrottle(store, buckets=OURS if tokens is not None else None),
    )
    return Reconciler(
        vaults=AzureBackup(arm, name_cache=settings.name_cache),
        store=store,
        completions=CompletionQueue(
            queues,
            settings.completion_queue,
            encoding=settings.completion_encoding,
        ),
        settings=settings,
        guards=_guards(settings.guards),
        plans=ReviewedFile(
            ROOT / settings.plans,
            partial(read_plans, unproven_copy_options=settings.unproven_copy_options),
        ).read,
    )


def build_intake(environment: Mapping[str, str]) -> Intake:
    """Build what answers HTTP, with no way to ARM; raises `SettingsError`."""
    _keep_libraries_quiet()
    settings = Settings.read(environment)
    queues, store = _storage(settings)
    return Intake(
        requests=RequestQueue(queues, settings.request_queue), store=store, settings=settings
    )


def _keep_libraries_quiet() -> None:
    # These write headers and URLs at INFO: signed links and account names have no place in a log.
    for name in ("azure", "msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A cut-off answer is an outcome here, with its own line; this one brings a traceback and a URL.
    logging.getLogger("urllib3.connection").setLevel(logging.ERROR)


def _storage(settings: Settings) -> tuple[Queues, RestoreStore]:
    """Open queues and tables, by one credential where there is no connection string."""
    storage = settings.storage
    keyless = None
    if not storage.connection_string:
        keyless = credential(storage.client_id, settings.arm_authority)
    return Queues.open(storage, keyless), RestoreStore.open(storage, keyless)


def _guards(setting: str) -> Callable[[], Guards | None]:
    """Return what reads the guards; a relative path is below the app's folder."""
    if setting == NO_GUARDS:
        return lambda: None
    return ReviewedFile(ROOT / setting, read_guards).read
