"""Files of real shares, by token: no account key is ever asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.fileshare import ShareClient

from tests.acceptance.pace import Pace
from tests.acceptance.place import Share

Done = TypeVar("Done")
_ROLE_SECONDS = 15 * 60.0
_FORBIDDEN = 403


class AzureFiles:
    """The files of shares in Azure."""

    def __init__(
        self,
        credential: TokenCredential,
        *,
        pace: Pace,
        account_url: Callable[[str], str] = lambda name: f"https://{name}.file.core.windows.net",
        verify: str | bool = True,
        retries: int = 6,
    ) -> None:
        """`account_url` says where an account's file service answers."""
        self._credential = credential
        self._pace = pace
        self._account_url = account_url
        self._verify = verify
        self._retries = retries

    def write(self, share: Share, path: str, content: bytes) -> None:
        """Write a file, with the folders that lead to it."""

        def write(client: ShareClient) -> None:
            parts = path.split("/")
            for length in range(1, len(parts)):
                try:
                    client.create_directory("/".join(parts[:length]))
                except ResourceExistsError:
                    continue
            client.get_file_client(path).upload_file(content)

        self._done(share, write)

    def remove(self, share: Share, path: str) -> None:
        """Remove a file; one that is not there is no error."""

        def remove(client: ShareClient) -> None:
            try:
                client.get_file_client(path).delete_file()
            except ResourceNotFoundError:
                return

        self._done(share, remove)

    def read_all(self, share: Share) -> dict[str, bytes]:
        """Every file of a share by its path."""

        def read(client: ShareClient) -> dict[str, bytes]:
            return {
                path: client.get_file_client(path).download_file().readall()
                for path in _paths(client, "")
            }

        return self._done(share, read)

    def _done(self, share: Share, what: Callable[[ShareClient], Done]) -> Done:
        """Do something in a share; a role that was just given may not be known yet (403)."""
        with ShareClient(
            self._account_url(share.account),
            share_name=share.name,
            credential=self._credential,
            token_intent="backup",
            connection_verify=self._verify,
            retry_total=self._retries,
        ) as client:

            def look() -> tuple[Done] | None:
                try:
                    return (what(client),)
                except HttpResponseError as error:
                    if error.status_code != _FORBIDDEN:
                        raise
                    return None

            (done,) = self._pace.wait_for(
                look, what="the right to read and write files", seconds=_ROLE_SECONDS, every=20
            )
            return done


def _paths(client: ShareClient, folder: str) -> Iterator[str]:
    for entry in client.list_directories_and_files(folder):
        path = f"{folder}/{entry.name}".lstrip("/")
        if entry.is_directory:
            yield from _paths(client, path)
        else:
            yield path
