"""The storage account behind a connection's name, and clients for it.

The clients do not retry; `local.host.patience` does, for as long as the real host's client would.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient
from requests.adapters import HTTPAdapter

from local.host.settings import SettingsError
from local.storage import connection_string

HOST_CONNECTION = "AzureWebJobsStorage"
"""The connection of the host itself: its leases, and what it remembers of timers."""
_ANSWER_SECONDS = 100
"""How long the real host's client waits for one answer."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """A storage account: its connection string, or an endpoint of it and an identity."""

    connection: str | None = None
    service_uri: str | None = None
    client_id: str | None = None

    @classmethod
    def of(cls, setting: str, service: str, environment: Mapping[str, str], *, user: str) -> Self:
        """Look a connection up in the settings, for `service` (`queue` or `blob`).

        Raises:
            SettingsError: it is not there; `user` is what it was wanted for.
        """
        for key in (f"AzureWebJobs{setting}", setting):
            connection = environment.get(key, "").strip()
            if connection.rstrip(";") == "UseDevelopmentStorage=true":
                connection = connection_string(
                    blob="http://127.0.0.1:10000",
                    queue="http://127.0.0.1:10001",
                    table="http://127.0.0.1:10002",
                )
            if connection:
                return cls(connection=connection)
            uri = environment.get(f"{key}__{service}ServiceUri", "").strip()
            if uri:
                client_id = environment.get(f"{key}__clientId", "").strip() or None
                return cls(service_uri=uri, client_id=client_id)
        raise SettingsError(
            user, [f"no connection: set {setting} or {setting}__{service}ServiceUri"]
        )

    def queue(self, name: str, *, threads: int) -> QueueClient:
        """A client of one queue, for so many threads."""
        options = _options(threads)
        if self.connection is not None:
            return QueueClient.from_connection_string(self.connection, name, **options)
        return QueueClient(str(self.service_uri), name, credential=self._credential(), **options)

    def blobs(self, *, threads: int) -> BlobServiceClient:
        """A client of the account's blobs, for so many threads."""
        options = _options(threads)
        if self.connection is not None:
            return BlobServiceClient.from_connection_string(self.connection, **options)
        return BlobServiceClient(str(self.service_uri), credential=self._credential(), **options)

    def _credential(self) -> DefaultAzureCredential:
        return DefaultAzureCredential(managed_identity_client_id=self.client_id)


def _options(threads: int) -> dict[str, Any]:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=threads))
    return {
        "retry_total": 0,
        "read_timeout": _ANSWER_SECONDS,
        "transport": RequestsTransport(session=session, session_owner=False),
    }
