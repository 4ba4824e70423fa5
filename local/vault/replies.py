"""Answers and their headers, as the service of each year puts them around a body."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from local.vault.options import EmulatorOptions
from local.vault.ticks import now_ticks, to_datetime
from local.vault.wire import error_body

ZERO_ID = "00000000-0000-0000-0000-000000000000"
_DOTNET_EPOCH = 621_355_968_000_000_000


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request, read and decoded. `origin` is the scheme and host that the client used."""

    method: str
    path: str
    raw_query: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    origin: str

    @property
    def client_request_id(self) -> str | None:
        """The id that the client gave this call."""
        return self.headers.get("x-ms-client-request-id") or None


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. Names may repeat in `headers`; `close` ends the connection after it."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Refusal(Exception):  # noqa: N818  (an answer that is raised, not a fault of ours)
    """The service says no, with ARM's error envelope (`body` replaces it)."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        cause: str = "service",
        body: bytes | None = None,
    ) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.cause = cause
        self.body = body

    def reply(self, call: Call, options: EmulatorOptions) -> Reply:
        """The refusal as an answer; x-ms-failure-cause says whether ARM or the service refused."""
        body = self.body
        if body is None:
            body = encode(error_body(self.code, self.message))
        extra = [("x-ms-failure-cause", self.cause)]
        if self.status == 401:
            extra.append(
                (
                    "WWW-Authenticate",
                    'Bearer authorization_uri="https://login.windows.net/", error="invalid_token"',
                )
            )
        headers = (*common_headers(call, options), JSON_TYPE, *extra)
        # The service hangs up after an internal error.
        return Reply(status=self.status, body=body, headers=headers, close=self.status == 500)


JSON_TYPE = ("Content-Type", "application/json; charset=utf-8")


def encode(document: object) -> bytes:
    """Compact JSON, as the service sends it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def json_reply(
    call: Call, options: EmulatorOptions, document: object, status: int = 200, quota: int = 249
) -> Reply:
    """A document. `quota` is what is left of the provider's own quota of that kind of call."""
    kind = JSON_TYPE if options.era != "2019" else ("Content-Type", "application/json")
    left = ("x-ms-ratelimit-remaining-subscription-resource-requests", str(quota))
    headers = (*common_headers(call, options), kind, left)
    return Reply(status=status, body=encode(document), headers=headers)


def arm_reply(call: Call, options: EmulatorOptions, document: object) -> Reply:
    """A document of ARM itself, or of a provider that has no quota of its own."""
    left = ("x-ms-ratelimit-remaining-subscription-global-reads", "16499")
    headers = (*common_headers(call, options), JSON_TYPE, left)
    return Reply(status=200, body=encode(document), headers=headers)


def accepted(
    call: Call,
    options: EmulatorOptions,
    *,
    location: str,
    status_url: str,
    api_version: str,
) -> Reply:
    """202 without a body. Both URLs come without a query and are completed (and signed) here."""
    headers = [
        *common_headers(call, options),
        ("Location", tracked_url(call, options, location, api_version)),
        ("Retry-After", options.retry_after_header),
        ("Azure-AsyncOperation", tracked_url(call, options, status_url, api_version)),
        ("x-ms-ratelimit-remaining-subscription-writes", "799"),
    ]
    if options.signs_urls:
        headers.append(("x-ms-ratelimit-remaining-subscription-global-writes", "11999"))
    return Reply(status=202, headers=tuple(headers))


def finished(call: Call, options: EmulatorOptions, *, status_url: str, api_version: str) -> Reply:
    """204, the end of an operation by its Location: with a Retry-After all the same.

    Since 2024 its request id and client request id are zero.
    """
    headers = [
        (name, ZERO_ID if _zeroed(name, options) else value)
        for name, value in common_headers(call, options)
    ]
    if options.signs_urls and call.client_request_id is None:
        headers.append(("x-ms-client-request-id", ZERO_ID))
    headers += [
        ("Retry-After", options.retry_after_header),
        ("Azure-AsyncOperation", tracked_url(call, options, status_url, api_version)),
    ]
    return Reply(status=204, headers=tuple(headers))


def _zeroed(name: str, options: EmulatorOptions) -> bool:
    return options.signs_urls and name in ("x-ms-request-id", "x-ms-client-request-id")


def common_headers(call: Call, options: EmulatorOptions) -> tuple[tuple[str, str], ...]:
    """What stands on every answer; `Date` is the server's business."""
    request_id = str(uuid.uuid4())
    moment = to_datetime(now_ticks()).strftime("%Y%m%dT%H%M%SZ")
    headers = [
        ("Cache-Control", "no-cache"),
        ("Pragma", "no-cache"),
        ("Expires", "-1"),
        ("X-Content-Type-Options", "nosniff"),
        ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        ("x-ms-request-id", request_id),
        ("x-ms-correlation-request-id", request_id),
        ("x-ms-routing-request-id", f"WESTEUROPE:{moment}:{request_id}"),
    ]
    client_id = call.client_request_id
    if client_id is not None:
        headers += [("x-ms-client-request-id", client_id)] * (2 if options.doubles_client_id else 1)
    if options.era == "2019":
        headers += [("Server", "Microsoft-IIS/10.0")] * 2 + [("X-Powered-By", "ASP.NET")]
    elif options.era == "2021":
        headers += [("Server", "Kestrel"), ("X-Powered-By", "ASP.NET")]
    else:
        operation = f"tenantId={ZERO_ID},objectId={ZERO_ID}/westeurope/{uuid.uuid4()}"
        headers.append(("x-ms-operation-identifier", operation))
        if options.era == "2024":
            headers.append(("Server", "Kestrel"))
        else:
            headers += [
                ("X-Cache", "CONFIG_NOCACHE"),
                ("X-MSEdge-Ref", f"Ref A: {uuid.uuid4().hex.upper()} Ref B: {moment}"),
            ]
    return tuple(headers)


def tracked_url(call: Call, options: EmulatorOptions, path: str, api_version: str) -> str:
    """An absolute URL to follow an operation by; since 2024 signed, 3 to 4 KB long.

    The query holds ticks (`t`), a whole certificate (`c`), a signature (`s`) and a hash (`h`).
    """
    url = f"{call.origin}{path}?api-version={api_version}"
    if not options.signs_urls:
        return url
    ticks = now_ticks() + _DOTNET_EPOCH
    certificate = _base64url(b"certificate", 1950)
    signature = _base64url(f"{path}{ticks}".encode(), 256)
    digest = _base64url(path.encode(), 32)
    return f"{url}&t={ticks}&c={certificate}&s={signature}&h={digest}"


def _base64url(seed: bytes, length: int) -> str:
    return base64.urlsafe_b64encode(hashlib.shake_128(seed).digest(length)).rstrip(b"=").decode()
