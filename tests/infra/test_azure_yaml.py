"""What azd reads: the project file."""

from typing import Any

import pytest
import yaml

from infra.package.build import default_output
from infra.package.target import DEPLOYED_PYTHON, Target
from local.stack import ROOT


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    return content


def test_what_it_points_to_is_there(project: dict[str, Any]) -> None:
    infra = project["infra"]
    assert (ROOT / infra["path"] / f"{infra['module']}.bicep").is_file()
    (service,) = project["services"].values()
    # azd itself looks for host.json there.
    assert (ROOT / service["project"] / "host.json").is_file()
    for hook in service["hooks"].values():
        assert (ROOT / hook["posix"]["run"]).is_file()


def test_the_service_is_the_one_that_the_app_is_tagged_with(project: dict[str, Any]) -> None:
    (name,) = project["services"]
    texts = [path.read_text(encoding="utf-8") for path in ROOT.glob("infra/**/*.bicep")]
    assert any(f"'azd-service-name': '{name}'" in text for text in texts)


def test_azd_uploads_the_file_that_make_package_builds(project: dict[str, Any]) -> None:
    service = project["services"]["app"]
    assert (service["host"], service["language"]) == ("function", "custom")
    assert ROOT / service["dist"] == default_output(ROOT, Target(python=DEPLOYED_PYTHON))
    assert service["dist"] != str(default_output(ROOT, Target(python="3.12")).relative_to(ROOT))


def test_azure_builds_nothing(project: dict[str, Any]) -> None:
    assert project["services"]["app"]["remoteBuild"] is False
    ignored = (ROOT / ".funcignore").read_text(encoding="utf-8")
    assert "!/requirements.txt" not in ignored.splitlines()


def test_an_azd_that_deletes_the_vaults_groups_is_refused(project: dict[str, Any]) -> None:
    assert project["requiredVersions"] == {"azd": ">= 1.24.1"}


def test_the_hooks_run_for_a_deployment_alone_too(project: dict[str, Any]) -> None:
    # Hooks of the project would run for `azd package` and `azd up` only.
    assert "hooks" not in project
    hooks = project["services"]["app"]["hooks"]
    assert set(hooks) == {"prepackage", "postdeploy"}
    for hook in hooks.values():
        assert hook["posix"]["shell"] == "sh"
        assert hook["windows"]["shell"] == "pwsh"
        assert not hook["posix"].get("continueOnError")
