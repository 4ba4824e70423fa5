"""A loopback ARM for the scripts: answers what the real `az` asks for and keeps what it makes.

It knows one function app on Flex Consumption, one topic and one storage account, as ARM tells of
them. What is made by PUT is kept, given back as made, and can be looked at in `made`.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

import trustme

from local.vault.identity import token_document
from local.vault.replies import Call
from local.vault.resource_bodies import cloud_body, subscription_body
from tests.az import stand_in

SUBSCRIPTION = "11112222-3333-4444-8555-666677778888"
Json = dict[str, Any]


def _known() -> list[tuple[str, str, object]]:
    """What ARM answers, by method and path; the app is that of the stand-in's own answers."""
    said = stand_in.commands()
    app: Any = said["az functionapp show"]
    topic: Any = said["az eventgrid topic show"]
    account: Any = said["az storage account show"]
    role = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
    roles = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
    stored = _nested(account, "primaryEndpoints", "provisioningState")
    return [
        ("GET", r".*/sites/[\w-]+", app),
        ("POST", r".*/functions/\w+/listkeys", said["az functionapp function keys list"]),
        (
            "GET",
            r".*/topics/\w+",
            _nested(topic, "endpoint", "inputSchema", "provisioningState"),
        ),
        ("GET", r".*/storageAccounts", {"value": [stored]}),
        ("GET", r".*/storageAccounts/\w+", stored),
        (
            "GET",
            r".*/roleDefinitions",
            {
                "value": [
                    {
                        "id": f"{roles}/{role}",
                        "name": role,
                        "properties": {"roleName": "Storage Queue Data Message Sender"},
                    }
                ]
            },
        ),
    ]


def _nested(document: Json, *names: str) -> Json:
    """The document as ARM has it: fields that `az` lays flat lie below `properties`."""
    flat = {name: value for name, value in document.items() if name not in names}
    return {**flat, "properties": {name: document[name] for name in names}}


class LoopbackArm:
    """A context manager; `made` are the bodies of PUT by the last segments of their paths."""

    def __init__(self, folder: Path) -> None:
        self.made: dict[str, Json] = {}
        self.ca_file = folder / "arm-ca.pem"
        self._known = _known()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.arm = self
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, call: Call) -> tuple[int, object]:
        """The status and document of an answer."""
        if call.path == "/metadata/endpoints":
            return 200, cloud_body(self.url)
        if call.path == "/identity":
            return 200, token_document(call)
        if call.path == "/subscriptions":
            return 200, {"value": [subscription_body(SUBSCRIPTION)]}
        if call.method == "PUT":
            return self._make(call)
        for method, path, document in self._known:
            if method == call.method and re.fullmatch(path, call.path, re.IGNORECASE):
                return 200, document
        return 404, {"error": {"code": "ResourceNotFound", "message": "There is none."}}

    def _make(self, call: Call) -> tuple[int, object]:
        body: Json = json.loads(call.body)
        self.made["/".join(call.path.split("/")[-2:])] = body
        properties = {**body["properties"], "provisioningState": "Succeeded"}
        name = call.path.rsplit("/", 1)[1]
        # Metric alerts are the one kind here that is made with 200.
        status = 200 if "/metricAlerts/" in call.path else 201
        return status, {**body, "properties": properties, "id": call.path, "name": name}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    arm: LoopbackArm


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        status, document = self.server.arm.answer(
            Call(
                method=self.command,
                path=path,
                raw_query=query,
                query=dict(parse_qsl(query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
                origin=self.server.arm.url,
            )
        )
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = _handle  # noqa: N815
