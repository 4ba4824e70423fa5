"""The app is one that the Flex Consumption plan takes, and small unless more is asked for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet

import function_app
from tests.infra.compiler import ROOT
from tests.infra.snapshots import NAMES, Snapshot, read

EVERY_ENVIRONMENT = pytest.mark.parametrize("name", NAMES)

REFUSED_PROPERTIES = {
    "alwaysOn",
    "containerSize",
    "ftpsState",
    "functionAppScaleLimit",
    "functionsRuntimeScaleMonitoringEnabled",
    "isReserved",
    "isXenon",
    "javaVersion",
    "linuxFxVersion",
    "minimumElasticInstanceCount",
    "netFrameworkVersion",
    "powerShellVersion",
    "preWarmedInstanceCount",
    "use32BitWorkerProcess",
    "vnetRouteAllEnabled",
    "windowsFxVersion",
}
"""Site properties that Microsoft lists as deprecated on Flex Consumption, or that deployment logs
show as refused there (error 51021). Some regions ignore what others refuse.
"""
REFUSED_SETTINGS = {
    "ENABLE_ORYX_BUILD",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_MAX_HTTP_CONCURRENCY",
    "FUNCTIONS_WORKER_DYNAMIC_CONCURRENCY_ENABLED",
    "FUNCTIONS_WORKER_PROCESS_COUNT",
    "FUNCTIONS_WORKER_RUNTIME",
    "FUNCTIONS_WORKER_RUNTIME_VERSION",
    "SCM_DO_BUILD_DURING_DEPLOYMENT",
    "TZ",
    "WEBSITES_CONTAINER_START_TIME_LIMIT",
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",
    "WEBSITE_CONTENTOVERVNET",
    "WEBSITE_CONTENTSHARE",
    "WEBSITE_DNS_SERVER",
    "WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT",
    "WEBSITE_NODE_DEFAULT_VERSION",
    "WEBSITE_RUN_FROM_PACKAGE",
    "WEBSITE_SKIP_CONTENTSHARE_VALIDATION",
    "WEBSITE_TIME_ZONE",
    "WEBSITE_VNET_ROUTE_ALL",
}
"""The same for settings."""


def keys(held: Any) -> Iterator[str]:
    """Every property's name, at any depth."""
    if isinstance(held, dict):
        for key, one in held.items():
            yield key
            yield from keys(one)
    elif isinstance(held, list):
        for one in held:
            yield from keys(one)


def site(snapshot: Snapshot) -> dict[str, Any]:
    """The properties of the app."""
    found = snapshot.one("Microsoft.Web/sites")["properties"]
    assert isinstance(found, dict)
    return found


def scale(name: str) -> dict[str, Any]:
    found = site(read(name))["functionAppConfig"]["scaleAndConcurrency"]
    assert isinstance(found, dict)
    return found


@EVERY_ENVIRONMENT
def test_nothing_is_set_that_the_plan_refuses(name: str) -> None:
    refused = {one.casefold() for one in REFUSED_PROPERTIES}
    assert not refused & {one.casefold() for one in keys(site(read(name)))}
    settings = {one.upper() for one in read(name).settings}
    assert not REFUSED_SETTINGS & settings
    assert site(read(name))["siteConfig"] == {"minTlsVersion": "1.2"}


def test_the_check_finds_a_refused_property_at_any_depth() -> None:
    assert "ftpsState" in set(keys({"siteConfig": [{"ftpsState": "Disabled"}]}))


def test_the_defaults_are_small() -> None:
    assert scale("smallest") == {
        "instanceMemoryMB": 512,
        "maximumInstanceCount": 4,
        "alwaysReady": [],
        "triggers": {"http": {"perInstanceConcurrency": 16}},
    }
    plan = read("smallest").one("Microsoft.Web/serverfarms")
    assert plan["properties"] == {"reserved": True, "zoneRedundant": False}
    assert (plan["sku"]["name"], plan["sku"]["tier"]) == ("FC1", "FlexConsumption")


def test_size_and_zones_can_be_chosen() -> None:
    chosen = scale("everything")
    assert (chosen["instanceMemoryMB"], chosen["maximumInstanceCount"]) == (2048, 40)
    plan = read("everything").one("Microsoft.Web/serverfarms")
    assert plan["properties"]["zoneRedundant"] is True


def test_each_function_can_be_kept_ready_alone_or_in_its_group() -> None:
    alone = set()
    for one in function_app.app.get_functions():
        trigger = one.get_trigger()
        assert trigger is not None
        if trigger.type != "httpTrigger":
            alone.add(f"function:{one.get_function_name()}")
    assert {one["name"] for one in scale("everything")["alwaysReady"]} == {"http", *alone}


@EVERY_ENVIRONMENT
def test_azure_runs_a_python_that_the_app_supports(name: str) -> None:
    runtime = site(read(name))["functionAppConfig"]["runtime"]
    assert runtime["name"] == "python"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert runtime["version"] in SpecifierSet(project["requires-python"])


@EVERY_ENVIRONMENT
def test_azd_finds_the_app_and_its_group_by_their_tags(name: str) -> None:
    found = read(name).one("Microsoft.Web/sites")
    text = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    (service,) = re.findall(r"^services:\n  (\w+):$", text, re.MULTILINE)
    assert found["tags"]["azd-service-name"] == service
    assert found["tags"]["azd-env-name"] == name
    assert read(name).outputs["AZURE_RESOURCE_GROUP"] == found["id"].split("/")[4]
