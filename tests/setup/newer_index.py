"""The package index of some later day: each pinned package is there, and a newer version of it.

It passes on the pinned files of the real index, offers beside them a made wheel of version 9999.0,
and knows no other package. So an installer that looks anything up for itself, instead of taking the
pinned file, finds the wrong version or none. `/npm` does the same for npm's registry.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import requests
import trustme
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

NEWER = "9999.0"


@dataclass(kw_only=True)
class NewerIndex:
    """What is served; `fetched` has each file that was asked for, by the name of the asker."""

    versions: Mapping[str, set[str]] = field(repr=False)
    upstream: str
    registry: str
    session: requests.Session
    folder: Path
    address: str = ""
    fetched: list[tuple[str, str]] = field(default_factory=list, repr=False)
    _pages: dict[str, list[Link]] = field(default_factory=dict, repr=False)
    _files: dict[str, Link] = field(default_factory=dict, repr=False)
    _packuments: dict[tuple[str, str], bytes] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def roots(self) -> Path:
        """The file that holds the certificate to trust."""
        return self.folder / "roots.pem"

    @property
    def simple(self) -> str:
        return f"{self.address}/simple"

    @property
    def npm(self) -> str:
        return f"{self.address}/npm/"

    def page(self, name: str) -> bytes | None:
        """The page of a package; nothing for one that is not pinned."""
        if name not in self.versions:
            return None
        lines = [link.line() for link in self._links(name)]
        return ("<!DOCTYPE html><html><body>\n" + "\n".join(lines) + "\n</body></html>").encode()

    def file(self, filename: str, asker: str) -> bytes | None:
        """A wheel: the made one, or the real one, which is fetched once."""
        self.fetched.append((asker, filename))
        link = self._files.get(filename)
        if link is None:
            return None
        if link.newer:
            return newer_wheel(link.name)
        kept = self.folder / filename
        with self._lock:
            if not kept.is_file():
                answer = self.session.get(link.url, timeout=120)
                answer.raise_for_status()
                kept.write_bytes(answer.content)
        return kept.read_bytes()

    def packument(self, path: str, accept: str) -> bytes:
        """What npm's registry says of a package, with a newer version that is the latest."""
        known = self._packuments.get((path, accept))
        if known is not None:
            return known
        answer = self.session.get(
            urljoin(self.registry, path), headers={"Accept": accept}, timeout=60
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        versions = found["versions"]
        for version in versions.values():
            tarball = urlsplit(version["dist"]["tarball"]).path
            version["dist"]["tarball"] = f"{self.address}/tarballs{tarball}"
        newer = f"{NEWER}.0"
        versions[newer] = {**next(iter(versions.values())), "version": newer}
        found["dist-tags"]["latest"] = newer
        made = json.dumps(found).encode()
        self._packuments[path, accept] = made
        return made

    def tarball(self, path: str) -> bytes:
        """A package of npm's, as it is."""
        kept = self.folder / hashlib.sha256(path.encode()).hexdigest()
        if not kept.is_file():
            answer = self.session.get(urljoin(self.registry, path), timeout=120)
            answer.raise_for_status()
            kept.write_bytes(answer.content)
        return kept.read_bytes()

    def _links(self, name: str) -> list[Link]:
        with self._lock:
            if name not in self._pages:
                found = [Link(name=name, filename=newer_filename(name))]
                address = f"{self.upstream.rstrip('/')}/{name}/"
                answer = self.session.get(address, headers={"Accept": "text/html"}, timeout=60)
                answer.raise_for_status()
                found += read_page(name, answer.text, answer.url, self.versions[name])
                self._pages[name] = found
                self._files |= {link.filename: link for link in found}
            return self._pages[name]


@dataclass(frozen=True, kw_only=True)
class Link:
    """A line of a package's page; one without an address is the made wheel."""

    name: str
    filename: str
    url: str = ""
    hash: str = ""
    requires_python: str = ""

    @property
    def newer(self) -> bool:
        return not self.url

    def line(self) -> str:
        """The link as it stands on our page."""
        if self.newer:
            digest = f"sha256={hashlib.sha256(newer_wheel(self.name)).hexdigest()}"
            return f'<a href="/files/{self.filename}#{digest}">{self.filename}</a><br>'
        python = html.escape(self.requires_python)
        return (
            f'<a href="/files/{self.filename}#{self.hash}" data-requires-python="{python}">'
            f"{self.filename}</a><br>"
        )


def read_page(name: str, text: str, address: str, versions: set[str]) -> list[Link]:
    """The files of a page (PEP 503) that are of one of the versions."""
    found: list[Link] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag != "a" or not given.get("href"):
                return
            url, fragment = urldefrag(urljoin(address, given["href"]))
            filename = urlsplit(url).path.rpartition("/")[2]
            if version_of(filename) in versions:
                found.append(
                    Link(
                        name=name,
                        filename=filename,
                        url=url,
                        hash=fragment,
                        requires_python=given.get("data-requires-python") or "",
                    )
                )

    Reader().feed(text)
    return found


def version_of(filename: str) -> str | None:
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidWheelFilename, InvalidSdistFilename):
        return None


def newer_filename(name: str) -> str:
    return f"{name.replace('-', '_')}-{NEWER}-py3-none-any.whl"


def newer_wheel(name: str) -> bytes:
    """A wheel that every installer takes: the same bytes each time."""
    module = name.replace("-", "_")
    info = f"{module}-{NEWER}.dist-info"
    extras = "".join(f"Provides-Extra: {one}\n" for one in ("crypto", "filecache", "toml"))
    files = {
        f"{module}/__init__.py": "raise ImportError('nobody has pinned this version')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {NEWER}\n{extras}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text)}\n"
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as wheel:
        for path, text in files.items():
            wheel.writestr(zipfile.ZipInfo(path), text)
    return made.getvalue()


@contextlib.contextmanager
def serving(index: NewerIndex, certificate: trustme.LeafCert) -> Iterator[NewerIndex]:
    """Serve an index on a free port of this machine, by https, as a company's mirror does."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                content = self._content()
            except requests.RequestException as error:
                self._send(502, str(error).encode(), "text/plain")
                return
            if content is None:
                self._send(404, b"not pinned", "text/plain")
            else:
                self._send(200, *content)

        def _content(self) -> tuple[bytes, str] | None:
            kind, _, rest = self.path.lstrip("/").partition("/")
            accept = self.headers.get("Accept", "*/*")
            asker = self.headers.get("User-Agent", "").partition(" ")[0]
            if kind == "simple":
                page = index.page(canonicalize_name(rest.strip("/")))
                return None if page is None else (page, "text/html")
            if kind == "files":
                wheel = index.file(rest, asker)
                return None if wheel is None else (wheel, "application/octet-stream")
            if kind == "npm":
                return index.packument(rest, accept), "application/json"
            if kind == "tarballs":
                return index.tarball(rest), "application/octet-stream"
            return None

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Say nothing of what went well."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    # The handshake is left to the thread of each connection: one client must not stop the others.
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    index.address = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
