"""What the official client needs in order to talk to an emulator over plain http, and its filters.

Imports as little as it can: the cold start of the peer that uses it is timed.
"""

from __future__ import annotations

from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy

FABRIC = "Azure"
ITEMS = "backupManagementType eq 'AzureStorage' and itemType eq 'AzureFileShare'"


class PlainToken(SansIOHTTPPolicy[Any, Any]):
    """A token over plain http, which the client's own policy refuses even for loopback."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        """Set it."""
        request.http_request.headers["Authorization"] = "Bearer made-up"


class NoCredential:
    """Given where the client wants one; never asked."""

    def get_token(self, *_scopes: str, **_options: object) -> None:
        """Refuse."""
        raise AssertionError("no token is asked for over plain http")
