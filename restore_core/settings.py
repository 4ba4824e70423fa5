"""Settings: one frozen object, read once from the environment, all problems at once.

Each setting is declared once: name, default, what its text may be, and below it the sentence that
says when one would change it. The sample file, the infrastructure and `docs/settings.md` are
compared with that. Refuses to know where the environment comes from: the mapping is passed in. A
problem names the setting and never shows its value, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal, Self

from restore_core.endpoints import CLOUDS, Cloud, Origin
from restore_core.errors import SettingsError
from restore_core.setting_kinds import (
    ENDPOINT,
    FILE,
    HOSTS,
    QUEUE,
    QUEUE_NAME,
    SWITCH,
    URL,
    Setting,
    count,
    duration,
    form,
    one_of,
    setting,
    text,
)

SEND_WINDOW = timedelta(seconds=30)
"""How long after the intent was written a restore POST may still be sent."""

NO_GUARDS = "none"
"""What `RESTORE_GUARDS` says where everything is to be allowed."""

_POISON = "-poison"
"""What the host puts behind a queue's name for the copies of messages that failed too often."""
_QUEUE_WITH_POISON = re.compile(r"(?!.*-poison\Z).{1,56}")

_GRACE_MARGIN = timedelta(seconds=180)
"""How long the service may take, beyond the last possible byte of a POST, to list its job."""


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How to reach queues and tables: a connection string, or two URIs and a managed identity."""

    connection_string: str = setting("RestoreStorage", "", text("a connection string"), secret=True)
    """Give it for Azurite only: in Azure leave it out, so that the identity is the only way in."""
    queue_uri: str = setting("RestoreStorage__queueServiceUri", "", URL, secret=True)
    """Give it, with the next, where there is no connection string: the account's queues."""
    table_uri: str = setting("RestoreStorage__tableServiceUri", "", URL, secret=True)
    """Give it together with the one before: the account's tables."""
    client_id: str = setting("RestoreStorage__clientId", "", text("a client id"))
    """Give the client id of the user-assigned identity that has the roles on that account."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. Durations are `timedelta`; names are those of the design."""

    storage: Storage
    cloud: Cloud = setting(
        "AZURE_CLOUD", "AzureCloud", one_of(f"one of {', '.join(CLOUDS)}", CLOUDS)
    )
    """Change it where the vaults are in another cloud: endpoint, token and authority follow."""
    request_queue: str = setting("RESTORE_REQUEST_QUEUE", "restore-requests", QUEUE)
    """Change it where another app of the same storage account has a queue of that name."""
    completion_queue: str = setting("RESTORE_COMPLETION_QUEUE", "restore-completions", QUEUE)
    """Change it where readers expect the events on another queue."""
    completion_encoding: Literal["none", "base64"] = setting(
        "RESTORE_COMPLETION_ENCODING",
        "none",
        one_of("none or base64", {"none": "none", "base64": "base64"}),
    )
    """Choose `base64` where a Functions app reads the events with the host's default encoding."""
    event_source: str = setting(
        "RESTORE_EVENT_SOURCE",
        "/azure-files-restore",
        form(r"[!-~]{1,256}", "a URI reference of at most 256 characters"),
    )
    """Change it where several deployments send to one reader, so that each event says whose it
    is.
    """
    event_origins: tuple[str, ...] = setting("RESTORE_EVENT_ORIGINS", "", HOSTS)
    """Name the senders of events by HTTP whose handshakes are to be answered."""
    arm_endpoint: str = setting("RESTORE_ARM_ENDPOINT", CLOUDS["AzureCloud"].arm_endpoint, ENDPOINT)
    """Leave it out to use the cloud's own; give it for the emulator, or a gateway before Azure."""
    arm_api_version: str = setting(
        "RESTORE_ARM_API_VERSION",
        "2026-07-01",
        form(r"\d{4}-\d{2}-\d{2}(-preview)?", "a version such as 2026-07-01"),
    )
    """Change it where the region does not offer this version yet, or Azure retires it."""
    arm_client_id: str = setting("RESTORE_ARM_CLIENT_ID", "", text("a client id"))
    """Give the client id of the user-assigned identity that has the role in the vaults."""
    arm_connect: timedelta = duration("RESTORE_ARM_CONNECT_SECONDS", "10", 0.1, 60)
    """Raise it where the way to Azure is slow, through a proxy for example."""
    arm_answer: timedelta = duration("RESTORE_ARM_ANSWER_SECONDS", "60", 0.1, 230)
    """Raise it where answers that were too slow are logged: the time is for all of an answer."""
    operation_poll: timedelta = duration("RESTORE_OPERATION_POLL_SECONDS", "5", 0.05, 300)
    """Raise it to spend fewer calls on looking for the job that a restore call has started."""
    job_poll: timedelta = duration("RESTORE_JOB_POLL_SECONDS", "30", 0.05, 300)
    """Raise it to spend fewer calls on running jobs; their ends are then seen later."""
    retry_base: timedelta = duration("RESTORE_RETRY_BASE_SECONDS", "5", 0.01, 300)
    """Raise it to put a longer first pause behind a call that failed; each further one doubles."""
    retry_max: timedelta = duration("RESTORE_RETRY_MAX_SECONDS", "300", 0.01, 300)
    """Lower it to be back sooner after an outage of Azure, for more calls while it lasts."""
    name_cache: timedelta = duration("RESTORE_NAME_CACHE_SECONDS", "300", 0, 86400)
    """Lower it where a change of a vault's items, or of its Resource Guard, must count sooner."""
    sweep_budget: timedelta = duration("RESTORE_SWEEP_BUDGET_SECONDS", "240", 0.1, 1500)
    """Keep it below `functionTimeout` of host.json: a sweep stops by itself before the host kills
    it.
    """
    sweep_threads: int = count("RESTORE_SWEEP_THREADS", "8", 1, 64)
    """Raise it where sweeps end for lack of time while Azure answers slowly."""
    adoption_grace: timedelta = duration("RESTORE_ADOPTION_GRACE_SECONDS", "900", 0, 86400)
    """Raise it where the vault lists its jobs late: a call that got no answer is sent again only
    when this time has passed. Only the emulator allows a short one.
    """
    start_limit: timedelta = duration("RESTORE_START_LIMIT_HOURS", "24", 0.0001, 720)
    """Raise it where a request should rather wait for days than end without having started."""
    tracking_limit: timedelta = duration("RESTORE_TRACKING_LIMIT_HOURS", "192", 0.0001, 720)
    """Lower it to call a person sooner to a restore that does not end; Azure lets jobs run for
    seven days.
    """
    retention: timedelta = duration("RESTORE_RETENTION_DAYS", "400", 30, 36500)
    """Change it to how long your auditors want the records of past restores."""
    guards: str = setting("RESTORE_GUARDS", "restore-guards.json", FILE)
    """Name another file of rules for another environment; `none` allows everything, and is the
    default where the endpoint is this machine.
    """
    plans: str = setting("RESTORE_PLANS", "restore-plans.json", FILE)
    """Name another file of plans for another environment."""
    daily_limit_per_share: int = count("RESTORE_DAILY_LIMIT_PER_SHARE", "20", 0, 1000)
    """Change it where Azure allows another number of restores of a share a day; 0 is no limit."""
    daily_limit_per_vault: int = count("RESTORE_DAILY_LIMIT_PER_VAULT", "0", 0, 1000)
    """Give it where all shares of a vault together must not start more; 0 is no limit."""
    emergency_reserve: int = count("RESTORE_EMERGENCY_RESERVE", "4", 0, 1000)
    """Change how many starts of each limit are kept for emergencies; at most half of it."""
    unproven_copy_options: bool = setting("RESTORE_UNPROVEN_COPY_OPTIONS", "false", SWITCH)
    """Set it to try `CreateCopy` or `FailOnConflict`, which nobody has shown at work for Azure
    Files.
    """
    paused: bool = setting("RESTORE_PAUSED", "false", SWITCH)
    """Set it to stop all starts, in an incident or a change; what runs is followed to its end."""

    @property
    def request_poison_queue(self) -> str:
        """Where the host puts copies of requests that failed too often; it composes the name."""
        return self.request_queue + _POISON

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the settings from an environment; an empty value counts as not given.

        Raises:
            SettingsError: with every problem, none of which shows a value.
        """
        return cls(**_Reader(environment).read())


@dataclass(frozen=True, kw_only=True)
class Bindings:
    """What only the host reads, out of the bindings in `function_app.py`."""

    # A name that is composed in a binding (`%RESTORE_REQUEST_QUEUE%-poison`) is one that the
    # platform's scaling may not resolve: nobody would read that queue while the app is scaled to
    # zero.
    request_poison_queue: str = setting(
        "RESTORE_REQUEST_POISON_QUEUE",
        f"restore-requests{_POISON}",
        text(f"the name in RESTORE_REQUEST_QUEUE and {_POISON} behind it"),
    )
    """Change it together with `RESTORE_REQUEST_QUEUE`, since the host composes it of that name."""
    poll_schedule: str = setting(
        "RESTORE_POLL_SCHEDULE", "*/15 * * * * *", text("a six-field NCRONTAB expression")
    )
    """Change how often open requests are looked at: less often costs less while nothing is open.
    """


def declared(kind: type[Storage | Settings | Bindings]) -> dict[str, Setting]:
    """Return the settings that a class declares, by the names of its fields."""
    return {one.name: one.metadata["setting"] for one in fields(kind) if one.metadata}


SETTINGS: Mapping[str, Setting] = {
    one.name: one for kind in (Storage, Settings, Bindings) for one in declared(kind).values()
}
"""Every setting by its name."""


class _Reader:
    """Collects values and problems while reading."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {name: text.strip() for name, text in environment.items() if text.strip()}
        self._problems: list[str] = []

    def read(self) -> dict[str, Any]:
        self._check_storage()
        storage = Storage(**self._values(Storage))
        values = self._values(Settings)
        self._check_queues()
        if "RESTORE_ARM_ENDPOINT" not in self._given:
            values["arm_endpoint"] = values.get("cloud", CLOUDS["AzureCloud"]).arm_endpoint
        if "arm_endpoint" in values:
            self._check_endpoint(values)
        if self._problems:
            raise SettingsError(self._problems)
        return values | {"storage": storage}

    def _values(self, kind: type[Storage | Settings]) -> dict[str, Any]:
        """Read what is given; what cannot be read is a problem, and no value."""
        values = {}
        for attribute, one in declared(kind).items():
            if one.name in self._given:
                try:
                    values[attribute] = one.kind.read(self._given[one.name])
                except (ValueError, KeyError):
                    self._problems.append(f"{one.name} must be {one.kind.wanted}")
        return values

    def _text(self, name: str) -> str:
        return self._given.get(name, SETTINGS[name].default)

    def _check_storage(self) -> None:
        uris = {"RestoreStorage__queueServiceUri", "RestoreStorage__tableServiceUri"}
        if "RestoreStorage" not in self._given and not uris <= self._given.keys():
            self._problems.append(
                "RestoreStorage must be a connection string, or RestoreStorage__queueServiceUri "
                "and RestoreStorage__tableServiceUri must both be given"
            )

    def _check_queues(self) -> None:
        requests = self._text("RESTORE_REQUEST_QUEUE")
        poison = requests + _POISON
        given = self._given.get("RESTORE_REQUEST_POISON_QUEUE", poison)
        if QUEUE_NAME.fullmatch(requests) and not _QUEUE_WITH_POISON.fullmatch(requests):
            # The host gives such a queue no poison queue: what fails would come back for ever.
            self._problems.append(
                "RESTORE_REQUEST_QUEUE must have at most 56 characters and must not end in -poison"
            )
        elif given != poison:
            self._problems.append(
                "RESTORE_REQUEST_POISON_QUEUE must be the name in RESTORE_REQUEST_QUEUE and "
                f"{_POISON} behind it: that is where the host puts messages that failed too often"
            )
        if self._text("RESTORE_COMPLETION_QUEUE") in {requests, poison, given}:
            # Each rejection would be read as a request, and rejected.
            self._problems.append(
                "RESTORE_COMPLETION_QUEUE must be another queue than that of the requests"
            )

    def _check_endpoint(self, values: dict[str, Any]) -> None:
        """Check what depends on whether the endpoint is this machine."""
        if Origin.of(values["arm_endpoint"]).is_loopback:
            # Nothing of value is behind it: guards only where they are asked for.
            values.setdefault("guards", NO_GUARDS)
            return
        read = Settings(storage=Storage(), **values)
        least = SEND_WINDOW + read.arm_connect + read.arm_answer + _GRACE_MARGIN
        if read.adoption_grace < least:
            self._problems.append(
                f"RESTORE_ADOPTION_GRACE_SECONDS must be at least {least.total_seconds():g}: a "
                "POST can be on its way that long before its job is listed"
            )
