"""Who runs this: the token of `az login`, and whom it says that it is for."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential

ARM_SCOPE = "https://management.azure.com/.default"
_RENEWED_BEFORE_SECONDS = 300


class KeptTokens:
    """A credential that keeps each token until it is about to end: `az` takes a second to start,
    and its own credential starts it for every call.
    """

    def __init__(self, inner: TokenCredential, clock: Callable[[], float] = time.time) -> None:
        """Keep what `inner` gives."""
        self._inner = inner
        self._clock = clock
        self._kept: dict[tuple[str, ...], AccessToken] = {}

    def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        """A token that is good for some minutes yet. One for other claims is asked for anew."""
        kept = self._kept.get(scopes)
        if kept is None or more.get("claims") or self._ends_soon(kept):
            kept = self._kept[scopes] = self._inner.get_token(*scopes, **more)
        return kept

    def _ends_soon(self, token: AccessToken) -> bool:
        return token.expires_on - self._clock() < _RENEWED_BEFORE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is signed in."""

    credential: TokenCredential

    def token(self) -> str:
        """A token for ARM."""
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
