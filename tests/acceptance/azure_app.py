"""The app in Azure: infra/ deployed, the package uploaded, and its queues.

Whatever infra/ and the package are called is known here and nowhere else. The package is uploaded
by the call that `az functionapp deployment source config-zip` makes, rather than by that command:
azure-cli 2.91 asks for a remote build for every Python app, whatever its flag says, and a remote
build would deploy something else than what was built and tested.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.storage.queue import QueueServiceClient

from tests.acceptance import bodies
from tests.acceptance.arm import Arm
from tests.acceptance.conversation import Conversation
from tests.acceptance.estate import EstateError
from tests.acceptance.journal import Journal
from tests.acceptance.naming import Names
from tests.acceptance.person import Person

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "infra" / "main.bicep"
PACKAGE = ROOT / "dist" / "azure-files-restore.zip"
"""Where `make package` puts what is deployed."""
GUARDS = "restore-guards.json"
OUTPUTS = (
    "AZURE_RESOURCE_GROUP",
    "RESTORE_APP_NAME",
    "RESTORE_STORAGE_ACCOUNT",
    "RESTORE_REQUEST_QUEUE",
    "RESTORE_COMPLETION_QUEUE",
    "RESTORE_IDENTITY_PRINCIPAL_ID",
)
"""What infra/main.bicep tells when it is deployed; a test compares the names."""
_UPLOAD_SECONDS = 15 * 60.0
_FUNCTIONS_SECONDS = 15 * 60.0
_SUCCESS, _PARTLY = 4, 6
_ENDED_BADLY = {-1: "cancelled", 3: "failed", 5: "superseded", _PARTLY: "partly successful"}
_NO_STATUS = {202, 404}


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """Where the app is."""

    group: str
    app: str
    storage: str
    requests: str
    completions: str
    principal_id: str


def parameters(names: Names, region: str, person: str) -> Json:
    """The parameters of infra/main.bicep that a run gives; a test compares the names."""
    return {
        "environmentName": names.environment,
        "location": region,
        "vaultIds": [names.vault_id],
        "senderIds": [person],
        "consumerIds": [person],
        "storageSku": "Standard_LRS",
    }


@dataclass(frozen=True, kw_only=True)
class AzureApp:
    """Deploys the app."""

    names: Names
    region: str
    arm: Arm
    person: Person
    journal: Journal
    template: Callable[[], Json]
    package: Callable[[], Path]
    """Template and package are made when they are needed, and not before."""
    origin: Callable[[str], str] = "https://{}".format
    session: Callable[[], requests.Session] = requests.Session

    def deploy(self, person: str) -> Deployed:
        """Deploy infra/; where everything is."""
        path = (
            f"{self.names.subscription_id}/providers/Microsoft.Resources/deployments/"
            f"{self.names.deployment}"
        )
        given = parameters(self.names, self.region, person)
        body = bodies.deployment(self.region, self.template(), given)
        properties = self.arm.put(path, bodies.DEPLOYMENTS, body)["properties"]
        told = {name.upper(): held["value"] for name, held in properties["outputs"].items()}
        missing = [name for name in OUTPUTS if not told.get(name)]
        if missing:
            raise EstateError(f"the deployment of infra/ does not tell {', '.join(missing)}")
        return Deployed(
            group=told["AZURE_RESOURCE_GROUP"],
            app=told["RESTORE_APP_NAME"],
            storage=told["RESTORE_STORAGE_ACCOUNT"],
            requests=told["RESTORE_REQUEST_QUEUE"],
            completions=told["RESTORE_COMPLETION_QUEUE"],
            principal_id=told["RESTORE_IDENTITY_PRINCIPAL_ID"],
        )

    def upload(self, deployed: Deployed, guards: Json) -> None:
        """Upload the package with a run's rules in it, and wait until its functions are there."""
        file = with_guards(self.package(), guards, self.journal.folder / "package.zip")
        site = (
            f"{self.names.subscription_id}/resourceGroups/{deployed.group}/providers/"
            f"Microsoft.Web/sites/{deployed.app}"
        )
        origin = self.origin(_deployment_host(self.arm.get(site, bodies.SITES)))
        with self.session() as session:
            answer = self._sent(session, origin, file)
            if answer.status_code not in (200, 202):
                raise EstateError(
                    f"the package was not taken: {answer.status_code} {answer.text[:300]}"
                )
            self.arm.pace.wait_for(
                lambda: self._is_deployed(session, origin),
                what="the package to be deployed",
                seconds=_UPLOAD_SECONDS,
                every=5,
            )
        self.arm.pace.wait_for(
            lambda: self.arm.list(f"{site}/functions", bodies.SITES) or None,
            what="the app's functions to be listed",
            seconds=_FUNCTIONS_SECONDS,
            every=20,
        )

    def conversation(self, deployed: Deployed) -> Conversation:
        """The app's queues, by token."""
        return Conversation(
            QueueServiceClient(
                f"https://{deployed.storage}.queue.core.windows.net",
                credential=self.person.credential,
            ),
            journal=self.journal,
            pace=self.arm.pace,
            names=(deployed.requests, deployed.completions),
        )

    def _sent(self, session: requests.Session, origin: str, file: Path) -> requests.Response:
        try:
            with file.open("rb") as content:
                return session.post(
                    f"{origin}/api/publish?RemoteBuild=false&Deployer=acceptance",
                    data=content,
                    headers={**self._authorization(), "Content-Type": "application/zip"},
                    timeout=300,
                    allow_redirects=False,
                )
        except requests.RequestException as error:
            raise EstateError(f"the package could not be sent: {error}") from error

    def _is_deployed(self, session: requests.Session, origin: str) -> bool | None:
        try:
            answer = session.get(
                f"{origin}/api/deployments/latest",
                headers=self._authorization(),
                timeout=60,
                allow_redirects=False,
            )
        except requests.RequestException:
            return None  # asked again, until the time is up
        if answer.status_code in _NO_STATUS:
            return None
        if answer.status_code != 200:
            raise EstateError(f"the deployment's state cannot be read: {answer.status_code}")
        status = answer.json().get("status")
        if status in _ENDED_BADLY:
            text = answer.json().get("status_text", "")
            raise EstateError(f"the deployment of the package {_ENDED_BADLY[status]}: {text}")
        return True if status == _SUCCESS else None

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.person.token()}"}


def _deployment_host(site: Json) -> str:
    """The host that takes packages. The token goes to Azure's own hosts and to no other."""
    for one in site["properties"].get("hostNameSslStates", []):
        host = str(one.get("name", ""))
        if one.get("hostType") in ("Repository", 1) and host.endswith(".azurewebsites.net"):
            return host
    raise EstateError("the app has no deployment endpoint below azurewebsites.net")


def with_guards(package: Path, guards: Json, output: Path) -> Path:
    """A copy of a package with the rules of a run in it; all else is as it was built."""
    shutil.copyfile(package, output)
    with zipfile.ZipFile(output, "a", zipfile.ZIP_DEFLATED) as archive:
        if GUARDS in archive.namelist():
            raise EstateError(
                f"{package} holds a {GUARDS} already: build it from a clone that has none, since a "
                "run brings its own"
            )
        archive.writestr(GUARDS, json.dumps(guards, indent=2))
    return output


def compiled_template(bicep: Path = TEMPLATE) -> Json:
    """infra/ as an ARM template, by whichever Bicep compiler is there."""
    done = compile_bicep(bicep)
    if done.returncode != 0:
        raise EstateError(f"infra/ does not compile: {done.stderr.strip()[-1000:]}")
    template: Json = json.loads(done.stdout)
    return template


def compile_bicep(file: Path) -> subprocess.CompletedProcess[str]:
    """Compile a file; the template on its standard output, what is wrong on the other."""
    command = compiler()
    if not command:
        raise EstateError(
            "no Bicep compiler was found: put `bicep` on the PATH, name it by BICEP, or run "
            "`az bicep install`"
        )
    source = ["--file", str(file)] if command[-2:] == ["bicep", "build"] else [str(file)]
    return subprocess.run(
        [*command, *source, "--stdout"], capture_output=True, text=True, check=False
    )


def compiler() -> list[str]:
    """The command that builds Bicep, or nothing."""
    if named := os.environ.get("BICEP"):
        return [named, "build"]
    if found := shutil.which("bicep"):
        return [found, "build"]
    if found := shutil.which("az"):
        return [found, "bicep", "build"]
    return []


def built_package(given: Path | None = None) -> Path:
    """The package that is given, or the one that `make package` builds."""
    if given is not None:
        if not zipfile.is_zipfile(given):
            raise EstateError(f"{given} is no package: `make package` builds one")
        return given
    done = subprocess.run(["make", "package"], cwd=ROOT, check=False)
    if done.returncode != 0 or not PACKAGE.is_file():
        raise EstateError("make package failed; its own words are above")
    return PACKAGE
