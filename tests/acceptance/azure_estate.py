"""The estate in Azure: what a run needs, made by ARM calls.

Every step looks first and does only what is missing, so that a run which ended anywhere goes on
from there. A resource group that does not carry a run's tag is never touched.
"""

from __future__ import annotations

from typing import Any

from tests.acceptance import bodies
from tests.acceptance.arm import Answer, Arm, ArmError
from tests.acceptance.azure_app import AzureApp
from tests.acceptance.azure_teardown import AzureTeardown
from tests.acceptance.conversation import Conversation
from tests.acceptance.estate import EstateError, Kept, Kind
from tests.acceptance.naming import TAG, Names
from tests.acceptance.person import Person
from tests.acceptance.place import (
    ALLOWED_TARGETS,
    FILES,
    POLICY,
    REFUSED_TARGET,
    SOURCE_SHARE,
    Files,
    Place,
    Share,
    place_of,
)
from tests.acceptance.vault import BACKUP, Vault

Json = dict[str, Any]
STORAGE_FILTER = "backupManagementType eq 'AzureStorage'"
SHARES_FILTER = "backupManagementType eq 'AzureStorage' and workloadType eq 'AzureFileShare'"
_DISCOVERY_SECONDS = 20 * 60.0
_BACKUP_SECONDS = 60 * 60.0
_POINT_SECONDS = 10 * 60.0


class AzureEstate:
    """What a run makes in a subscription."""

    def __init__(
        self,
        *,
        names: Names,
        region: str,
        arm: Arm,
        person: Person,
        files: Files,
        app: AzureApp,
        vaulted: bool = False,
    ) -> None:
        """`vaulted` keeps recovery points in the vault as well as in snapshots."""
        self._names = names
        self._region = region
        self._arm = arm
        self._person = person
        self._files = files
        self._app = app
        self._vaulted = vaulted

    @property
    def kind(self) -> Kind:
        """Azure."""
        return "azure"

    @property
    def arm(self) -> Arm:
        """Where the vault answers."""
        return self._arm

    @property
    def files(self) -> Files:
        """The files of the shares."""
        return self._files

    @property
    def place(self) -> Place:
        """Where the checks take place."""
        return place_of(self._names)

    @property
    def _vault(self) -> Vault:
        return Vault(self._arm, self.place)

    def prepare(self) -> None:
        """Make the shares, the vault, the protection and a recovery point."""
        self._check_providers()
        self._make_group()
        self._make_accounts()
        self._make_vault()
        if self._has_point():
            return
        for path, content in FILES.items():
            self._files.write(self.place.source, path, content)
        self._register()
        self._protect()
        self._back_up()

    def deploy(self) -> Conversation:
        """Deploy the app, and let its identity restore into the accounts."""
        deployed = self._app.deploy(self._person.object_id)
        for name in (self._names.source_account, self._names.target_account):
            for role in (bodies.BACKUP_CONTRIBUTOR, bodies.ACCOUNT_CONTRIBUTOR):
                scope = self._names.account_id(name)
                self._assign(scope, deployed.principal_id, role, "ServicePrincipal")
        self._app.upload(deployed, self.place.guards())
        return self._app.conversation(deployed)

    def make_share(self, share: Share) -> None:
        """Make a share of an account."""
        path = f"{share.account_id}/fileServices/default/shares/{share.name}"
        if self._arm.find(path, bodies.STORAGE) is None:
            self._arm.put(path, bodies.STORAGE, bodies.share())

    def tear_down(self) -> list[Kept]:
        """Take everything away; what stays."""
        return AzureTeardown(names=self._names, arm=self._arm, place=self.place).run()

    def _check_providers(self) -> None:
        """Say which resource providers are missing; registering them outlasts a run."""
        missing = []
        for name in bodies.NAMESPACES:
            path = f"{self._names.subscription_id}/providers/{name}"
            state = self._arm.get(path, bodies.PROVIDERS).get("registrationState")
            if state != "Registered":
                missing.append(name)
        if missing:
            commands = "; ".join(f"az provider register --namespace {name}" for name in missing)
            raise EstateError(f"resource providers are not registered: {commands}")

    def _make_group(self) -> None:
        names = self._names
        for path, tag, wanted in (
            (names.group_id, "purpose", TAG),
            (names.app_group_id, "azd-env-name", names.environment),
        ):
            found = self._arm.find(path, bodies.GROUPS)
            if found is not None and (found.get("tags") or {}).get(tag) != wanted:
                raise EstateError(
                    f"the resource group {path.rpartition('/')[2]} is there and is none of a run's "
                    f"(its tag {tag} is not {wanted}): choose another run name"
                )
        self._arm.put(names.group_id, bodies.GROUPS, bodies.group(names, self._region))

    def _make_accounts(self) -> None:
        names, place = self._names, self.place
        for name in (names.source_account, names.target_account):
            path = names.account_id(name)
            if self._arm.find(path, bodies.STORAGE) is None:
                self._arm.put(path, bodies.STORAGE, bodies.account(names, self._region))
            self._assign(
                path,
                self._person.object_id,
                bodies.FILE_DATA_PRIVILEGED_CONTRIBUTOR,
                self._person.principal_type,
            )
        self.make_share(place.source)
        for target in (*ALLOWED_TARGETS, REFUSED_TARGET):
            self.make_share(place.target(target))

    def _assign(self, scope: str, principal: str, role: str, kind: str) -> None:
        """Give a role; a principal that was just made may not be known everywhere yet."""
        name = self._names.assignment(scope, principal, role)
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"
        body = bodies.assignment(self._names, principal, role, kind)

        def look() -> Answer | None:
            try:
                return self._arm.put_and_wait(path, bodies.ROLES, body)
            except ArmError as error:
                if error.answer.code != "PrincipalNotFound":
                    raise
                return None

        if self._arm.find(path, bodies.ROLES) is None:
            self._arm.pace.wait_for(look, what=f"{principal} to be known", seconds=600, every=15)

    def _make_vault(self) -> None:
        names = self._names
        if self._arm.find(names.vault_id, bodies.VAULTS) is None:
            self._arm.put(names.vault_id, bodies.VAULTS, bodies.vault(names, self._region))
        if self._arm.find(self._policy_id, BACKUP) is None:
            self._arm.put(self._policy_id, BACKUP, bodies.policy(vaulted=self._vaulted))

    @property
    def _policy_id(self) -> str:
        return f"{self._names.vault_id}/backupPolicies/{POLICY}"

    @property
    def _fabric(self) -> str:
        return f"{self._names.vault_id}/backupFabrics/Azure"

    def _has_point(self) -> bool:
        item = self._vault.item()
        return item is not None and bool(self._vault.points(item))

    def _register(self) -> None:
        """Register the source account with the vault, under the name that the vault gives it."""
        if self._registered() is not None:
            return
        self._arm.post(f"{self._fabric}/refreshContainers", BACKUP, filter=STORAGE_FILTER)
        name = self._arm.pace.wait_for(
            self._protectable_container,
            what=f"the vault to discover {self._names.source_account}",
            seconds=_DISCOVERY_SECONDS,
            every=20,
        )
        path = f"{self._fabric}/protectionContainers/{name}"
        self._arm.put_and_wait(path, BACKUP, bodies.container(self.place.source.account_id))
        self._arm.pace.wait_for(
            self._registered, what="the account to be registered", seconds=600, every=15
        )

    def _registered(self) -> str | None:
        found = self._arm.list(
            f"{self._names.vault_id}/backupProtectionContainers", BACKUP, filter=STORAGE_FILTER
        )
        return self._named(found, registrationStatus="Registered")

    def _protectable_container(self) -> str | None:
        found = self._arm.list(
            f"{self._fabric}/protectableContainers", BACKUP, filter=STORAGE_FILTER
        )
        return self._named(found)

    def _named(self, containers: list[Json], **wanted: str) -> str | None:
        for one in containers:
            properties = one["properties"]
            ours = str(properties.get("friendlyName", "")).lower() == self._names.source_account
            if ours and all(properties.get(key) == value for key, value in wanted.items()):
                return str(one["name"])
        return None

    def _protect(self) -> None:
        """Protect the source share, under the name that the vault gives it."""
        item = self._vault.item()
        if item is not None:
            if item["properties"].get("isScheduledForDeferredDelete"):
                raise EstateError(
                    "the share's backup is soft-deleted, from a run that was taken away: choose "
                    "another run name"
                )
            return
        container = self._registered()
        inquire = f"{self._fabric}/protectionContainers/{container}/inquire"
        self._arm.post(inquire, BACKUP, filter="workloadType eq 'AzureFileShare'")
        path = self._arm.pace.wait_for(
            self._protectable_item,
            what=f"the vault to find the share {SOURCE_SHARE}",
            seconds=_DISCOVERY_SECONDS,
            every=20,
        )
        body = bodies.protected_item(self.place.source.account_id, self._policy_id)
        answer = self._arm.put_and_wait(path, BACKUP, body)
        self._ended_well(self._vault.operation_job(answer), "the protection of the share")
        self._arm.pace.wait_for(
            self._vault.item, what="the share to be protected", seconds=600, every=15
        )

    def _protectable_item(self) -> str | None:
        found = self._arm.list(
            f"{self._names.vault_id}/backupProtectableItems", BACKUP, filter=SHARES_FILTER
        )
        for one in found:
            properties = one["properties"]
            account = str(properties.get("parentContainerFriendlyName", "")).lower()
            if (properties["friendlyName"], account) == (SOURCE_SHARE, self._names.source_account):
                head, _, name = str(one["id"]).rpartition("/protectableItems/")
                return f"{head}/protectedItems/{name}"
        return None

    def _back_up(self) -> None:
        """Take a backup, unless one is being taken, and wait for its recovery point."""
        jobs = self._vault.jobs("Backup")
        job = next((key for key, one in jobs.items() if one["status"] == "InProgress"), None)
        item = self._vault.item()
        assert item is not None
        if job is None:
            body = bodies.backup(self._arm.pace.clock.now())
            answer = self._arm.post(f"{item['id']}/backup", BACKUP, body)
            job = self._vault.operation_job(answer)
        self._ended_well(job, "the backup")
        self._arm.pace.wait_for(
            lambda: self._has_point() or None,
            what="the recovery point",
            seconds=_POINT_SECONDS,
            every=15,
        )

    def _ended_well(self, job_id: str | None, what: str) -> None:
        if job_id is None:
            return  # the operation named no job; what it was for is looked for afterwards
        job = self._vault.ended_job(job_id, _BACKUP_SECONDS)
        if job["status"] not in {"Completed", "CompletedWithWarnings"}:
            details = job.get("errorDetails") or [{}]
            text = details[0].get("errorString", "no error was given")
            raise EstateError(f"{what} ended as {job['status']} (job {job_id}): {text}")
