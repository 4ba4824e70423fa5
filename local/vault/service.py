"""The entry of the service: checks the token, finds the vault, and runs the call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from local.vault import item_calls, job_calls, resource_calls, restore_calls
from local.vault.catalogue import Catalogue, Vault
from local.vault.jobs import JobStore
from local.vault.odata import FilterError
from local.vault.options import EmulatorOptions
from local.vault.replies import Call, Refusal, Reply
from local.vault.resource_calls import Survey
from local.vault.restore_request import InvalidInputError
from local.vault.routes import Route, RouteName
from local.vault.runner import Runner
from local.vault.shares import Layout
from local.vault.visit import Shaping, Visit

_CALLS: Mapping[RouteName, Callable[[Visit], Reply]] = {
    "list_items": item_calls.list_items,
    "get_item": item_calls.get_item,
    "list_points": item_calls.list_points,
    "get_point": item_calls.get_point,
    "restore": restore_calls.restore,
    "item_operation_result": restore_calls.item_operation_result,
    "item_operation": restore_calls.operation_status,
    "operation": restore_calls.operation_status,
    "operation_result": restore_calls.vault_operation_result,
    "list_jobs": job_calls.list_jobs,
    "job": job_calls.get_job,
    "cancel": job_calls.cancel,
    "cancel_result": job_calls.cancel_result,
    "cancel_operation": restore_calls.operation_status,
    "containers": item_calls.list_containers,
    "container": item_calls.get_container,
    "policies": resource_calls.list_policies,
    "policy": resource_calls.get_policy,
    "resource_guards": item_calls.list_guards,
    "resource_guard": item_calls.get_guard,
    "vault": resource_calls.get_vault,
}
_SURVEYS: Mapping[RouteName, Callable[[Survey], Reply]] = {
    "metadata": resource_calls.cloud,
    "subscriptions": resource_calls.list_subscriptions,
    "subscription": resource_calls.get_subscription,
    "vaults": resource_calls.list_vaults,
    "classic_account": resource_calls.classic_account,
    "account": resource_calls.get_account,
}
_ANONYMOUS: frozenset[RouteName] = frozenset({"metadata"})


class Service:
    """Answers calls; thread-safe, since all that changes lives in the job store."""

    def __init__(
        self,
        catalogue: Catalogue,
        layout: Layout,
        store: JobStore,
        runner: Runner,
        options: EmulatorOptions,
    ) -> None:
        self.catalogue = catalogue
        self._layout = layout
        self._store = store
        self._runner = runner
        self._options = options

    def answer(self, call: Call, route: Route | None, shaping: Shaping) -> Reply:
        """The answer to a call; refusals included."""
        try:
            self._admit(call, route)
            if route is None:
                raise Refusal(404, "InvalidResourceType", "No such call.", cause="gateway")
            if route.name in _SURVEYS:
                survey = Survey(
                    catalogue=self.catalogue,
                    layout=self._layout,
                    route=route,
                    call=call,
                    options=self._options,
                )
                return _SURVEYS[route.name](survey)
            visit = Visit(
                vault=self._vault(route),
                route=route,
                call=call,
                shaping=shaping,
                options=self._options,
                store=self._store,
                runner=self._runner,
            )
            return _CALLS[route.name](visit)
        except (InvalidInputError, FilterError) as error:
            refusal = Refusal(400, "BMSUserErrorInvalidInput", f"Input is not valid: {error}")
            return refusal.reply(call, self._options)
        except Refusal as refusal:
            return refusal.reply(call, self._options)

    def _admit(self, call: Call, route: Route | None) -> None:
        anonymous = route is not None and route.name in _ANONYMOUS
        if self._options.require_auth and not anonymous:
            kind, _, token = call.headers.get("authorization", "").partition(" ")
            if kind.lower() != "bearer" or not token.strip():
                raise Refusal(
                    401, "AuthenticationFailed", "Authentication failed.", cause="gateway"
                )
        if not call.query.get("api-version"):
            raise Refusal(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
                cause="gateway",
            )

    def _vault(self, route: Route) -> Vault:
        names = route.names
        vault = self.catalogue.vault(names["subscription"], names["group"], names["vault"])
        if vault is None:
            raise Refusal(
                404,
                "ResourceNotFound",
                f"The Resource 'Microsoft.RecoveryServices/vaults/{names['vault']}' under resource "
                f"group '{names['group']}' was not found.",
                cause="gateway",
            )
        return vault
