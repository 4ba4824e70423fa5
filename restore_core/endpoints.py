"""Where Azure Resource Manager answers, and what a bearer token may be sent to.

Knows the clouds and how an address is compared. Refuses to know which of them is configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """One Azure cloud: where ARM is, what a token is asked for, and who gives it."""

    arm_endpoint: str
    token_scope: str
    authority: str


CLOUDS: Mapping[str, Cloud] = {
    # The scope of US Government is not its ARM host: azure-mgmt-core and azure-cli agree on that.
    "AzureCloud": Cloud(
        arm_endpoint="https://management.azure.com",
        token_scope="https://management.azure.com/.default",  # noqa: S106
        authority="https://login.microsoftonline.com",
    ),
    "AzureUSGovernment": Cloud(
        arm_endpoint="https://management.usgovcloudapi.net",
        token_scope="https://management.core.usgovcloudapi.net/.default",  # noqa: S106
        authority="https://login.microsoftonline.us",
    ),
    "AzureChinaCloud": Cloud(
        arm_endpoint="https://management.chinacloudapi.cn",
        token_scope="https://management.chinacloudapi.cn/.default",  # noqa: S106
        authority="https://login.chinacloudapi.cn",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Scheme, host and port: what a bearer token may be sent to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the origin of a URL; raises `ValueError` for user info, other schemes, and
        nonsense.
        """
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("user info is not allowed")
        if not parts.netloc.isascii():
            raise ValueError("a host that libraries may read in several ways")
        port = parts.port
        if port is None:
            port = 443 if parts.scheme == "https" else 80
        return cls(scheme=parts.scheme, host=parts.hostname.casefold(), port=port)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return self.host in _LOOPBACK_HOSTS


def is_safe_url(url: str) -> bool:
    """Tell whether a URL is https, or one of this machine."""
    try:
        origin = Origin.of(url)
    except ValueError:
        return False
    return origin.scheme == "https" or origin.is_loopback
