"""Taking an estate away, in the order that Azure Backup demands.

Jobs end, the share's protection is stopped with its data, the account is unregistered, locks go,
then roles, app, vault and groups. A step that fails does not stop those after it; what is left in
the end is told, with what each step said.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.acceptance import bodies
from tests.acceptance.arm import Arm, ArmError
from tests.acceptance.estate import EstateError, Kept
from tests.acceptance.naming import TAG, Names
from tests.acceptance.pace import OutOfTimeError
from tests.acceptance.place import Place
from tests.acceptance.vault import BACKUP, ENDED, Vault

Json = dict[str, Any]
_STORAGE_FILTER = "backupManagementType eq 'AzureStorage'"
_CUSTOM_ROLES = "type eq 'CustomRole'"
_JOB_SECONDS = 10 * 60.0
_GONE_SECONDS = 10 * 60.0
_REFUSED = 400
_REFUSED_SECONDS = 5 * 60.0


class AzureTeardown:
    """One teardown."""

    def __init__(self, *, names: Names, arm: Arm, place: Place) -> None:
        """Know what is to be taken away."""
        self._names = names
        self._arm = arm
        self._vault = Vault(arm, place)
        self._kept: list[Kept] = []
        self._failed: list[str] = []

    def run(self) -> list[Kept]:
        """Take everything away; what Azure keeps for a while.

        Raises EstateError with what is left, when a resource group could not be deleted.
        """
        names = self._names
        if self._is_ours(names.group_id, "purpose", TAG):
            if self._arm.find(names.vault_id, bodies.VAULTS) is not None:
                self._step("ending jobs", self._end_jobs)
                self._step("stopping the protection", self._stop_protection)
                self._step("unregistering the account", self._unregister)
            self._step("removing locks", self._remove_locks)
            self._step("removing the app's role", self._remove_roles)
            self._step("deleting the accounts", self._delete_accounts)
            self._step("deleting the vault", self._delete_vault)
            self._step("deleting the estate", lambda: self._delete_group(names.group_id))
        if self._is_ours(names.app_group_id, "azd-env-name", names.environment):
            self._step("deleting the logs", self._delete_workspaces)
            self._step("deleting the app", lambda: self._delete_group(names.app_group_id))
        self._step("forgetting the deployment", self._forget_deployment)
        left = [
            path.rpartition("/")[2]
            for path, tag, wanted in (
                (names.group_id, "purpose", TAG),
                (names.app_group_id, "azd-env-name", names.environment),
            )
            if self._is_ours(path, tag, wanted)
        ]
        if left:
            raise EstateError(
                f"still there: {', '.join(left)}. What was said: {'; '.join(self._failed)}"
            )
        self._kept += [Kept(what="a step", why=text) for text in self._failed]
        return self._kept

    def _step(self, what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except ArmError as error:
            self._failed.append(f"{what}: {error}")
        except OutOfTimeError as error:
            if self._arm.pace.left <= 0:
                raise
            self._failed.append(f"{what}: {error}")

    def _is_ours(self, path: str, tag: str, wanted: str) -> bool:
        found = self._arm.find(path, bodies.GROUPS)
        return found is not None and (found.get("tags") or {}).get(tag) == wanted

    def _end_jobs(self) -> None:
        """A running job holds the item; a restore is cancelled, a backup is waited for."""
        for operation in ("Restore", "Backup"):
            running = [
                job_id
                for job_id, job in self._vault.jobs(operation).items()
                if job["status"] not in ENDED
            ]
            for job_id in running:
                with contextlib.suppress(ArmError):
                    self._vault.cancel(job_id)  # it may have ended by itself; the wait tells
                self._vault.ended_job(job_id, _JOB_SECONDS)

    def _stop_protection(self) -> None:
        """Stop with the data deleted. Where soft delete holds it, that is told and not fought."""
        item = self._vault.item()
        if item is None:
            return
        if not _is_soft_deleted(item):
            self._arm.delete(str(item["id"]), BACKUP)

        def look() -> tuple[Json | None] | None:
            found = self._vault.item()
            return (found,) if found is None or _is_soft_deleted(found) else None

        (held,) = self._arm.pace.wait_for(
            look, what="the share's protection to end", seconds=_GONE_SECONDS, every=15
        )
        if held is not None:
            when = held["properties"].get("deferredDeleteTimeRemaining", "14 days")
            self._kept.append(
                Kept(
                    what="the share's backup data",
                    why=f"soft-deleted; Azure removes it by itself ({when})",
                )
            )
            self._kept.append(
                Kept(what=f"the vault {self._names.vault}", why="soft-deleted for as long")
            )

    def _unregister(self) -> None:
        containers = self._arm.list(
            f"{self._names.vault_id}/backupProtectionContainers", BACKUP, filter=_STORAGE_FILTER
        )
        for container in containers:
            name = container["name"]
            path = f"{self._names.vault_id}/backupFabrics/Azure/protectionContainers/{name}"
            self._insist("the account's registration", partial(self._arm.delete, path, BACKUP))

    def _insist(self, what: str, do: Callable[[], object]) -> None:
        """Do something that is refused (400) for some minutes after what it waits for is done."""
        refused: ArmError | None = None

        def look() -> bool | None:
            nonlocal refused
            try:
                do()
            except ArmError as error:
                if error.answer.status != _REFUSED:
                    raise
                refused = error
                return None
            return True

        try:
            self._arm.pace.wait_for(look, what=what, seconds=_REFUSED_SECONDS, every=30)
        except OutOfTimeError:
            if refused is None or self._arm.pace.left <= 0:
                raise
            raise refused from None

    def _remove_locks(self) -> None:
        """Azure Backup's lock on the account, where it was set all the same, would hold all."""
        for account in (self._names.source_account, self._names.target_account):
            scope = self._names.account_id(account)
            if self._arm.find(scope, bodies.STORAGE) is None:
                continue
            for lock in self._arm.list(
                f"{scope}/providers/Microsoft.Authorization/locks", bodies.LOCKS
            ):
                if str(lock["id"]).lower().startswith(scope.lower()):
                    self._arm.delete(str(lock["id"]), bodies.LOCKS)

    def _remove_roles(self) -> None:
        """The custom role that infra/ defines in the vault's group outlives the group."""
        group = self._names.group_id.lower()
        scope = f"{self._names.group_id}/providers/Microsoft.Authorization"
        for role in self._arm.list(f"{scope}/roleDefinitions", bodies.ROLES, filter=_CUSTOM_ROLES):
            scopes = [str(one).lower() for one in role["properties"]["assignableScopes"]]
            if not all(one == group or one.startswith(f"{group}/") for one in scopes):
                continue  # somebody else's, which is valid here, too
            role_name = str(role["id"]).rpartition("/")[2].lower()
            for one in self._arm.list(f"{scope}/roleAssignments", bodies.ROLES):
                given = str(one["properties"]["roleDefinitionId"]).lower()
                if given.endswith(f"/{role_name}"):
                    self._arm.delete(str(one["id"]), bodies.ROLES)
            self._arm.delete(f"{scope}/roleDefinitions/{role_name}", bodies.ROLES)

    def _delete_accounts(self) -> None:
        """First and by themselves: they cost money, and a vault that stays holds their group."""
        for account in (self._names.source_account, self._names.target_account):
            self._arm.delete(self._names.account_id(account), bodies.STORAGE)

    def _delete_vault(self) -> None:
        self._insist("the vault", lambda: self._arm.delete(self._names.vault_id, bodies.VAULTS))

    def _delete_workspaces(self) -> None:
        """With `force`, or the workspace is kept for 14 days."""
        resources = self._arm.list(f"{self._names.app_group_id}/resources", bodies.GROUPS)
        for one in resources:
            if str(one["type"]).lower() == "microsoft.operationalinsights/workspaces":
                self._arm.delete(str(one["id"]), bodies.WORKSPACES, force="true")

    def _delete_group(self, path: str) -> None:
        self._arm.delete(path, bodies.GROUPS)

    def _forget_deployment(self) -> None:
        path = (
            f"{self._names.subscription_id}/providers/Microsoft.Resources/deployments/"
            f"{self._names.deployment}"
        )
        if self._arm.find(path, bodies.DEPLOYMENTS) is not None:
            self._arm.delete(path, bodies.DEPLOYMENTS)


def _is_soft_deleted(item: Json) -> bool:
    return bool(item["properties"].get("isScheduledForDeferredDelete"))
