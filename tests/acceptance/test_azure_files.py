"""Files of shares in Azure: the library's calls, over https, on a service that knows so much."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest
import trustme
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from tests.acceptance.azure_files import AzureFiles
from tests.acceptance.azure_stage import Credential, JumpingClock, token
from tests.acceptance.pace import Pace
from tests.acceptance.place import FILES, Share

SHARE = Share(account_id="/subscriptions/s/storageAccounts/account", name="share")


@dataclass
class FileService:
    """What lies in the shares: folders, and files by their path."""

    folders: set[str] = field(default_factory=lambda: {""})
    files: dict[str, bytes] = field(default_factory=dict)
    forbidden: int = 0
    """How many calls are refused, since a role is not known yet."""
    calls: list[str] = field(default_factory=list)
    url: str = ""
    ca: str = ""

    def answer(
        self, method: str, path: str, query: dict[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """The answer to a call below a share."""
        what = (query.get("restype"), query.get("comp"))
        if method == "PUT" and what == ("directory", None):
            if path in self.folders:
                return 409, _error("ResourceAlreadyExists")
            self.folders.add(path)
            return 201, b""
        if method == "PUT":
            if path.rpartition("/")[0] not in self.folders:
                return 404, _error("ParentNotFound")
            self.files[path] = body if what[1] == "range" else b""
            return 201, b""
        if method == "GET" and what == ("directory", "list"):
            return 200, self._listed(path)
        if path not in self.files:
            return 404, _error("ResourceNotFound")
        return (202, self.files.pop(path)[:0]) if method == "DELETE" else (200, self.files[path])

    def _listed(self, folder: str) -> bytes:
        prefix = f"{folder}/".lstrip("/")
        entries = "".join(
            f"<{kind}><Name>{escape(path.removeprefix(prefix))}</Name><Properties>"
            f"<Content-Length>0</Content-Length></Properties></{kind}>"
            for kind, paths in (("Directory", self.folders - {""}), ("File", set(self.files)))
            for path in sorted(paths)
            if path.startswith(prefix) and "/" not in path.removeprefix(prefix)
        )
        text = f"<?xml version='1.0'?><EnumerationResults><Entries>{entries}</Entries>"
        return f"{text}<NextMarker /></EnumerationResults>".encode()


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>x</Message></Error>".encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    service: ClassVar[FileService]

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path = unquote(parts.path).removeprefix("/account/share").strip("/")
        self.service.calls.append(f"{self.command} {path}")
        status, content = 401, _error("InvalidAuthenticationInfo")
        by_token = self.headers.get("Authorization") == f"Bearer {token()}"
        if by_token and self.headers.get("x-ms-file-request-intent") == "backup":
            status, content = self.service.answer(self.command, path, query, body)
        if (status, content) == (200, b"") and self.headers.get("x-ms-range"):
            status, content = 416, _error("InvalidRange")  # an empty file has no range at all
        if self.service.forbidden:
            self.service.forbidden -= 1
            status, content = 403, _error("AuthorizationPermissionMismatch")
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/xml")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Wed, 25 Nov 2026 21:00:00 GMT")
        if content and status == 200:
            self.send_header("Content-Range", f"bytes 0-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_PUT = do_DELETE = _handle  # noqa: N815


@pytest.fixture
def service(tmp_path: Path) -> Iterator[FileService]:
    """The service, over https: the library sends no token without it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    service = FileService(ca=str(tmp_path / "ca.pem"))
    authority.cert_pem.write_to_path(service.ca)
    handler = type("Handler", (_Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.socket = context.wrap_socket(server.socket, server_side=True)
        service.url = f"https://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield service
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def files(service: FileService) -> AzureFiles:
    """A client of it."""
    return AzureFiles(
        Credential(),
        pace=Pace(clock=JumpingClock(), work=7200, total=7200),
        account_url=lambda name: f"{service.url}/{name}",
        verify=service.ca,
        retries=0,
    )


def test_what_is_written_is_read_back_byte_for_byte(
    files: AzureFiles, service: FileService
) -> None:
    for path, content in FILES.items():
        files.write(SHARE, path, content)
    assert service.files == FILES
    assert files.read_all(SHARE) == FILES


def test_a_file_is_overwritten_and_removed_and_removed_again(
    files: AzureFiles, service: FileService
) -> None:
    files.write(SHARE, "docs/b.txt", b"first, and longer")
    files.write(SHARE, "docs/b.txt", b"second")
    assert files.read_all(SHARE) == {"docs/b.txt": b"second"}
    files.remove(SHARE, "docs/b.txt")
    files.remove(SHARE, "docs/b.txt")
    assert service.files == {}


def test_a_role_that_is_not_known_yet_is_waited_for(
    files: AzureFiles, service: FileService
) -> None:
    service.forbidden = 3
    files.write(SHARE, "a.txt", b"a")
    assert service.files == {"a.txt": b"a"}


def test_any_other_refusal_is_an_error(files: AzureFiles, service: FileService) -> None:
    service.folders.clear()
    with pytest.raises((ResourceNotFoundError, HttpResponseError)):
        files.write(SHARE, "a.txt", b"a")
    assert len(service.calls) == 1
