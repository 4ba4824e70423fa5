"""The names of everything that a run makes.

Each follows from the subscription and the run's name, so that a run that is started again finds
what it made before, and a teardown finds it without any notes.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime

RUN_NAME = re.compile(r"[a-z][a-z0-9-]{1,18}[a-z0-9]")
SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
TAG = "azure-files-restore-acceptance"
"""The tag on the resource groups. A group without it is not ours and is never touched."""


def new_run_name(now: datetime) -> str:
    """A name for a run that begins now."""
    return f"acc-{now:%m%d-%H%M}"


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of one run."""

    subscription: str
    run: str

    def __post_init__(self) -> None:
        if not SUBSCRIPTION.fullmatch(self.subscription):
            raise ValueError(f"the subscription must be its id, a GUID, not {self.subscription!r}")
        if not RUN_NAME.fullmatch(self.run):
            raise ValueError(
                f"the run's name {self.run!r} must be 3 to 20 of a-z, 0-9 and -, beginning with a "
                "letter and not ending with -: names of resources are made of it"
            )

    @property
    def _digest(self) -> str:
        text = f"{self.subscription.lower()}/{self.run}"
        return hashlib.sha256(text.encode()).hexdigest()[:14]

    @property
    def group(self) -> str:
        """The resource group of the accounts and the vault."""
        return f"rg-{self.run}-estate"

    @property
    def environment(self) -> str:
        """The app's environment: infra/ names the app's resource group after it."""
        return self.run

    @property
    def app_group(self) -> str:
        """The resource group that infra/ makes for the app."""
        return f"rg-{self.environment}"

    @property
    def deployment(self) -> str:
        """The deployment of the app, as the subscription lists it."""
        return f"{self.run}-app"

    @property
    def vault(self) -> str:
        """The Recovery Services vault."""
        return f"rsv-{self.run}"

    @property
    def source_account(self) -> str:
        """The storage account with the protected share; unique in the world."""
        return f"afrsource{self._digest}"

    @property
    def target_account(self) -> str:
        """The storage account that restores go to; unique in the world."""
        return f"afrtarget{self._digest}"

    @property
    def subscription_id(self) -> str:
        """The subscription as an ARM id."""
        return f"/subscriptions/{self.subscription}"

    @property
    def group_id(self) -> str:
        """The estate's resource group as an ARM id."""
        return f"{self.subscription_id}/resourceGroups/{self.group}"

    @property
    def app_group_id(self) -> str:
        """The app's resource group as an ARM id."""
        return f"{self.subscription_id}/resourceGroups/{self.app_group}"

    @property
    def vault_id(self) -> str:
        """The vault's ARM id."""
        return f"{self.group_id}/providers/Microsoft.RecoveryServices/vaults/{self.vault}"

    def account_id(self, account: str) -> str:
        """A storage account's ARM id."""
        return f"{self.group_id}/providers/Microsoft.Storage/storageAccounts/{account}"

    def assignment(self, scope: str, principal: str, role: str) -> str:
        """The name of a role assignment: the same for the same three, so that it is made once."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.run}|{scope}|{principal}|{role}".lower()))
