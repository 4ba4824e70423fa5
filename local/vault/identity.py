"""A managed identity's endpoint, as App Service offers it: `/_emulator/identity`.

With `IDENTITY_ENDPOINT=<url>/_emulator/identity` and any `IDENTITY_HEADER`, `az login --identity`
and the SDKs' managed identity get a token here. The token opens nothing but this emulator: it is
not signed, and says so in its header.
"""

from __future__ import annotations

import base64
import time

from local.vault.replies import Call, encode
from local.vault.resource_bodies import TENANT

OBJECT_ID = "8e5f0a52-2d0f-4b6e-8f4a-55c1d7b0a9e3"
CLIENT_ID = "b7c94d0e-1f7a-4c55-a3a7-0f6f0a3c2d11"
_HOUR = 3600


class IdentityError(ValueError):
    """The call is not what a client of the identity endpoint sends; the text says what to add."""


def token_document(call: Call) -> dict[str, str]:
    """The endpoint's answer; raises IdentityError."""
    if not call.headers.get("x-identity-header"):
        raise IdentityError("the header X-IDENTITY-HEADER is missing: set IDENTITY_HEADER")
    resource = call.query.get("resource")
    if not resource:
        raise IdentityError("the query has no resource: name the audience of the token")
    now = int(time.time())
    expires = now + 24 * _HOUR
    claims = {
        "aud": resource,
        "iss": f"{call.origin}/{TENANT}/",
        "iat": now,
        "nbf": now,
        "exp": expires,
        "appid": CLIENT_ID,
        "idtyp": "app",
        "oid": OBJECT_ID,
        "sub": OBJECT_ID,
        "tid": TENANT,
        "ver": "1.0",
    }
    parts = (encode({"typ": "JWT", "alg": "none"}), encode(claims), b"")
    return {
        "access_token": ".".join(
            base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts
        ),
        "expires_on": str(expires),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": CLIENT_ID,
    }
