"""Events and alerts come in as the documents say, where parameters let them."""

from __future__ import annotations

from typing import Any

from tests.infra.snapshots import read

SUBSCRIPTION = "Microsoft.EventGrid/topics/eventSubscriptions"


def test_a_topic_delivers_with_its_own_identity_and_keeps_what_fails() -> None:
    snapshot = read("everything")
    properties = snapshot.one(SUBSCRIPTION)["properties"]
    account = snapshot.one("Microsoft.Storage/storageAccounts")["id"]
    assert properties["eventDeliverySchema"] == "CloudEventSchemaV1_0"
    # Shared keys are off, so that any other way would be refused.
    assert "destination" not in properties
    delivery = properties["deliveryWithResourceIdentity"]
    assert delivery["identity"] == {"type": "SystemAssigned"}
    assert delivery["destination"] == {
        "endpointType": "StorageQueue",
        "properties": {
            "resourceId": account,
            "queueName": "asked",
            "queueMessageTimeToLiveInSeconds": -1,
        },
    }
    kept = properties["deadLetterWithResourceIdentity"]
    assert kept["identity"] == {"type": "SystemAssigned"}
    assert kept["deadLetterDestination"]["properties"] == {
        "resourceId": account,
        "blobContainerName": "undelivered-events",
    }


def test_alerts_reach_the_app_by_https_and_in_the_common_schema_alone() -> None:
    group = read("everything").one("Microsoft.Insights/actionGroups")["properties"]
    kinds = {name: held for name, held in group.items() if "Receivers" in name}
    assert set(kinds) == {"webhookReceivers"}, "no mail, no text message, nothing else"
    (receiver,) = kinds["webhookReceivers"]
    assert receiver["serviceUri"].startswith("[format('https://{0}/api/alerts?code={1}', ")
    assert "defaultHostName" in receiver["serviceUri"]
    assert "the function key" not in receiver["serviceUri"], "a snapshot shows no secret"
    assert receiver["useCommonAlertSchema"] is True
    assert receiver["useAadAuth"] is True
    assert receiver["identifierUri"] == "api://restore"


def test_the_sample_alert_counts_deletions_and_names_its_plan() -> None:
    properties = read("everything").one("Microsoft.Insights/metricAlerts")["properties"]
    assert (properties["severity"], properties["enabled"]) == (1, True)
    (criterion,) = properties["criteria"]["allOf"]
    assert criterion["dimensions"][0]["values"] == ["DeleteFile"]
    (action,) = properties["actions"]
    group = read("everything").one("Microsoft.Insights/actionGroups")["id"]
    assert action["actionGroupId"] == group
    assert action["webHookProperties"] == {"restorePlan": "deleted-files"}


def test_events_and_alerts_are_let_in_by_parameters_that_are_off() -> None:
    kinds: set[Any] = {one["type"] for one in read("smallest").resources}
    off = {SUBSCRIPTION, "Microsoft.Insights/actionGroups", "Microsoft.Insights/metricAlerts"}
    assert not off & kinds
