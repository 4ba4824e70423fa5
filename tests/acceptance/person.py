"""Who runs this: the token of `az login`, and whom it says that it is for."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from azure.core.credentials import TokenCredential

ARM_SCOPE = "https://management.azure.com/.default"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is signed in."""

    credential: TokenCredential

    def token(self) -> str:
        """A token for ARM; the credential keeps it until it is about to end."""
        return self.credential.get_token(ARM_SCOPE).token

    @property
    def claims(self) -> dict[str, str]:
        """What the token says. It is read to know oneself, not to trust it."""
        body = self.token().split(".")[1]
        padded = body + "=" * (-len(body) % 4)
        claims: dict[str, str] = json.loads(base64.urlsafe_b64decode(padded))
        return claims

    @property
    def object_id(self) -> str:
        """The object id, for role assignments."""
        return str(self.claims["oid"])

    @property
    def principal_type(self) -> str:
        """As role assignments name the kind."""
        return "ServicePrincipal" if self.claims.get("idtyp") == "app" else "User"
