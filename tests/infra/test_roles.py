"""Who may do what, and where: roles are as narrow as the documents say."""

from __future__ import annotations

import re

import pytest

from tests.infra.snapshots import ASSIGNMENT, NAMES, Assignment, Snapshot, read

EVERY_ENVIRONMENT = pytest.mark.parametrize("name", NAMES)
BLOB_OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"
QUEUE_CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
TABLE_CONTRIBUTOR = "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"
METRICS_PUBLISHER = "3913510d-42f4-4e42-8a64-420c390055eb"
MESSAGE_SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
MESSAGE_PROCESSOR = "8a0f0c08-91a1-4084-bc3d-661d67233fed"
BLOB_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"

GUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SENDERS = {
    "11111111-1111-4111-8111-111111111111",
    "44444444-4444-4444-8444-444444444444",
    "cccccccc-cccc-4ccc-8ccc-cccccccccccc",
}
CONSUMER = "22222222-2222-4222-8222-222222222222"
TOPIC = "Microsoft.EventGrid/topics"
VAULTS = "/providers/Microsoft.RecoveryServices/vaults/"


def account(snapshot: Snapshot) -> str:
    """The ARM id of the app's storage account."""
    return str(snapshot.one("Microsoft.Storage/storageAccounts")["id"])


def principal(snapshot: Snapshot) -> str:
    """The principal of the app's identity, which only a deployment knows."""
    identity = snapshot.one("Microsoft.ManagedIdentity/userAssignedIdentities")["id"]
    return f"[reference('{identity}', '2024-11-30').principalId]"


def own_roles(snapshot: Snapshot) -> set[str]:
    """The roles that are defined here."""
    return {one["name"] for one in snapshot.of("Microsoft.Authorization/roleDefinitions")}


def of(snapshot: Snapshot, *roles: str) -> list[Assignment]:
    return [one for one in snapshot.assignments if one.role in roles]


@pytest.mark.parametrize("name", ["smallest", "everything"])
def test_the_app_has_its_roles_on_its_own_storage_and_logs(name: str) -> None:
    snapshot = read(name)
    logs = snapshot.one("Microsoft.Insights/components")["id"]
    given = {(one.role, one.scope) for one in of(snapshot, *_HOME)}
    assert given == {
        (BLOB_OWNER, account(snapshot)),
        (QUEUE_CONTRIBUTOR, account(snapshot)),
        (TABLE_CONTRIBUTOR, account(snapshot)),
        (METRICS_PUBLISHER, logs),
    }
    assert {one.principal for one in of(snapshot, *_HOME)} == {principal(snapshot)}


_HOME = (BLOB_OWNER, QUEUE_CONTRIBUTOR, TABLE_CONTRIBUTOR, METRICS_PUBLISHER)


@pytest.mark.parametrize("name", ["smallest", "everything"])
def test_the_role_in_a_vault_is_assigned_in_each_vault_alone(name: str) -> None:
    snapshot = read(name)
    given = of(snapshot, *own_roles(snapshot))
    assert all(re.search(rf"{VAULTS}[^/]+$", one.scope) for one in given)
    assert {one.principal for one in given} == {principal(snapshot)}
    wanted = {"smallest": ["azurefilesvault"]}.get(
        name, ["azurefilesvault", "othervault", "secondvault"]
    )
    assert sorted(one.scope.rpartition("/")[2] for one in given) == wanted


def test_one_role_serves_the_vaults_of_a_group_however_it_is_written() -> None:
    snapshot = read("everything")
    definitions = snapshot.of("Microsoft.Authorization/roleDefinitions")
    scopes = [one["properties"]["assignableScopes"] for one in definitions]
    assert sorted(len(one) for one in scopes) == [1, 1], "a vault cannot be a scope; groups are"
    assert {one[0].rpartition("/")[2] for one in scopes} == {"azurefiles", "backup"}
    assert len({one["properties"]["roleName"] for one in definitions}) == 2
    used = [one.role for one in of(snapshot, *own_roles(snapshot))]
    assert sorted(used.count(one["name"]) for one in definitions) == [1, 2]


def test_no_role_but_these_is_given() -> None:
    for name in NAMES:
        snapshot = read(name)
        allowed = {*_HOME, MESSAGE_SENDER, MESSAGE_PROCESSOR, BLOB_CONTRIBUTOR}
        assert {one.role for one in snapshot.assignments} <= allowed | own_roles(snapshot)


@EVERY_ENVIRONMENT
def test_senders_may_send_to_the_request_queue_alone(name: str) -> None:
    snapshot = read(name)
    queue = f"{account(snapshot)}/queueServices/default/queues/"
    queue += snapshot.outputs["RESTORE_REQUEST_QUEUE"]
    assert {one.scope for one in of(snapshot, MESSAGE_SENDER)} <= {queue}
    consumers = of(snapshot, MESSAGE_PROCESSOR)
    queue = queue.removesuffix(snapshot.outputs["RESTORE_REQUEST_QUEUE"])
    queue += snapshot.outputs["RESTORE_COMPLETION_QUEUE"]
    assert {(one.scope, one.principal) for one in consumers} <= {(queue, CONSUMER)}


def test_people_and_topics_get_what_a_sender_gets() -> None:
    sending = {one.principal for one in of(read("everything"), MESSAGE_SENDER)}
    (topic,) = sending - SENDERS
    assert sending > SENDERS
    assert re.search(r"Microsoft\.EventGrid/topics/refresh'.*\.identity\.principalId\]$", topic)


def test_a_topic_may_write_into_the_container_of_its_events_alone() -> None:
    snapshot = read("everything")
    (one,) = of(snapshot, BLOB_CONTRIBUTOR)
    # Not into that of the package: who writes there is the app.
    assert one.scope == f"{account(snapshot)}/blobServices/default/containers/undelivered-events"
    assert "Microsoft.EventGrid/topics/refresh" in one.principal
    assert of(read("smallest"), BLOB_CONTRIBUTOR) == []


@EVERY_ENVIRONMENT
def test_every_assignment_is_named_before_the_deployment_and_once(name: str) -> None:
    names = [one.name for one in read(name).assignments]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(GUID, one) for one in names)


@EVERY_ENVIRONMENT
def test_nobody_gets_a_role_twice_however_the_ids_are_written(name: str) -> None:
    # Azure refuses the second one (RoleAssignmentExists), and the deployment with it.
    given = [
        (one.scope.casefold(), one.role, one.principal.casefold()) for one in read(name).assignments
    ]
    assert len(set(given)) == len(given)
    topics = [one["id"].casefold() for one in read(name).of(f"{TOPIC}/eventSubscriptions")]
    assert len(set(topics)) == len(topics)


@EVERY_ENVIRONMENT
def test_every_name_is_known_before_the_deployment(name: str) -> None:
    for one in read(name).resources:
        assert not one["id"].startswith("["), one["id"]
        assert not one["name"].startswith("["), one["name"]


def test_where_others_assign_roles_the_output_lists_them_all() -> None:
    snapshot = read("landing-zone")
    assert snapshot.of(ASSIGNMENT) == []
    assert snapshot.of("Microsoft.Authorization/roleDefinitions") == []
    wanted = snapshot.outputs["RESTORE_ROLES_TO_GRANT"]
    store = account(snapshot)
    found = {
        (one["to"].rpartition("/")[2], one["roleDefinitionId"].rpartition("/")[2], one["scope"])
        for one in wanted
    }
    logs = snapshot.one("Microsoft.Insights/components")["id"]
    queues = f"{store}/queueServices/default/queues"
    vault = f"/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/backup{VAULTS}"
    assert found == {
        ("restore", BLOB_OWNER, store),
        ("restore", QUEUE_CONTRIBUTOR, store),
        ("restore", TABLE_CONTRIBUTOR, store),
        ("restore", METRICS_PUBLISHER, logs),
        ("restore", "88888888-8888-4888-8888-888888888888", f"{vault}othervault"),
        ("11111111-1111-4111-8111-111111111111", MESSAGE_SENDER, f"{queues}/restore-requests"),
        ("refresh", MESSAGE_SENDER, f"{queues}/restore-requests"),
        (
            "refresh",
            BLOB_CONTRIBUTOR,
            f"{store}/blobServices/default/containers/undelivered-events",
        ),
        (CONSUMER, MESSAGE_PROCESSOR, f"{queues}/restore-completions"),
    }
    assert all(one["roleName"] for one in wanted)
    assert read("smallest").outputs["RESTORE_ROLES_TO_GRANT"] == []
