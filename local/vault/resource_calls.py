"""Calls around the backup calls: ARM's own, the vault and its policy, storage accounts.

`az` makes them before each restore, in these spellings: small `resourcegroups`, a doubled slash
after `storageAccounts`, and the provider of classic accounts first.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.vault.catalogue import Catalogue, CatalogueError, account_name
from local.vault.odata import parse_filter
from local.vault.options import EmulatorOptions
from local.vault.paging import page_reply
from local.vault.replies import Call, Refusal, Reply, arm_reply, json_reply
from local.vault.resource_bodies import (
    account_body,
    cloud_body,
    policy_body,
    subscription_body,
    vault_body,
)
from local.vault.routes import Route
from local.vault.shares import Layout
from local.vault.visit import Visit
from local.vault.wire import POLICY, Json

_POLICY_KEYS = ("backupManagementType", "workloadType", "fabricName", "moreInfoRequested")


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A call that no single vault answers."""

    catalogue: Catalogue
    layout: Layout
    route: Route
    call: Call
    options: EmulatorOptions

    def reply(self, document: object) -> Reply:
        """An answer of ARM itself."""
        return arm_reply(self.call, self.options, document)

    def known_subscription(self) -> str:
        """The subscription in the path, as vaults.json spells it; 404 for one that it lacks."""
        wanted = self.route.names["subscription"].lower()
        for known in self.subscriptions:
            if known.lower() == wanted:
                return known
        raise Refusal(
            404,
            "SubscriptionNotFound",
            f"The subscription '{self.route.names['subscription']}' could not be found.",
            cause="gateway",
        )

    @property
    def subscriptions(self) -> list[str]:
        """Each subscription of a vault or of an item's account, once, as it is first spelt."""
        found: dict[str, str] = {}
        for vault in self.catalogue.vaults:
            for name in (vault.subscription, *(item.account_subscription for item in vault.items)):
                found.setdefault(name.lower(), name)
        return list(found.values())


def get_vault(visit: Visit) -> Reply:
    """The vault itself."""
    body = vault_body(visit.vault, visit.options.era)
    return json_reply(visit.call, visit.options, body, quota=209)


def list_policies(visit: Visit) -> Reply:
    """Backup policies: the one that items name, where the filter wants file shares."""
    wanted = parse_filter(visit.call.query.get("$filter"), _POLICY_KEYS)
    kept = (
        wanted.get("backupManagementType", "AzureStorage").lower() == "azurestorage"
        and wanted.get("workloadType", "AzureFileShare").lower() == "azurefileshare"
    )
    return page_reply(visit, [policy_body(visit.vault, visit.options.era)] if kept else [])


def get_policy(visit: Visit) -> Reply:
    """One policy; a missing one has been seen to be answered by 404 and no more than `{}`."""
    if visit.route.names["policy"].lower() != POLICY:
        raise Refusal(404, "ResourceNotFound", "The policy was not found.", body=b"{}")
    body = policy_body(visit.vault, visit.options.era)
    return json_reply(visit.call, visit.options, body)


def list_vaults(survey: Survey) -> Reply:
    """Vaults of a subscription, or of one resource group."""
    subscription = survey.known_subscription()
    group = survey.route.names.get("group")
    found: list[Json] = [
        vault_body(vault, survey.options.era)
        for vault in survey.catalogue.vaults
        if vault.subscription.lower() == subscription.lower()
        and (group is None or vault.resource_group.lower() == group.lower())
    ]
    return survey.reply({"value": found})


def cloud(survey: Survey) -> Reply:
    """The cloud's endpoints: one object since api-version 2022-09-01, a list before."""
    body = cloud_body(survey.call.origin)
    one = survey.call.query["api-version"] >= "2022-09-01"
    return survey.reply(body if one else [body])


def list_subscriptions(survey: Survey) -> Reply:
    """Subscriptions that vaults.json names."""
    found = [subscription_body(each) for each in survey.subscriptions]
    count = {"type": "Total", "value": len(found)}
    return survey.reply({"value": found, "count": count})


def get_subscription(survey: Survey) -> Reply:
    """One subscription."""
    return survey.reply(subscription_body(survey.known_subscription()))


def classic_account(survey: Survey) -> Reply:
    """Classic accounts are gone, and ARM says so about the provider, not about the account."""
    survey.known_subscription()
    raise Refusal(
        404,
        "InvalidResourceNamespace",
        "The resource namespace 'Microsoft.ClassicStorage' is invalid.",
        cause="gateway",
    )


def get_account(survey: Survey) -> Reply:
    """A storage account: of an item, or one that only has shares here (a target).

    vaults.json does not say where a target's account lies, so that every resource group of a
    known subscription has it.
    """
    subscription = survey.known_subscription()
    group, given = survey.route.names["group"], survey.route.names["account"]
    items = [
        (item, vault)
        for vault in survey.catalogue.vaults
        for item in vault.items
        if item.account == given.lower()
    ]
    for item, vault in items:
        home = (item.account_subscription.lower(), item.account_resource_group.lower())
        if home == (subscription.lower(), group.lower()):
            place = (item.account_subscription, item.account_resource_group, item.account)
            return survey.reply(account_body(*place, vault.location))
    if not items and _has_shares(survey.layout, given):
        location = survey.catalogue.vaults[0].location
        return survey.reply(account_body(subscription, group, given.lower(), location))
    raise Refusal(
        404,
        "ResourceNotFound",
        f"The Resource 'Microsoft.Storage/storageAccounts/{given}' under resource group "
        f"'{group}' was not found.",
        cause="gateway",
    )


def _has_shares(layout: Layout, given: str) -> bool:
    try:
        return layout.account(account_name(given)).is_dir()
    except CatalogueError:
        return False
