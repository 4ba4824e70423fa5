"""Settings: one frozen object, read once from the environment, all problems at once.

Knows every name, its default and its bounds. Refuses to know where the environment comes from: the
mapping is passed in. A problem names the setting and never shows its value, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Literal, Self
from urllib.parse import SplitResult, urlsplit

from restore_core.errors import SettingsError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
QUEUE_NAME = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")

_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)
_ENDPOINT = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

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
class Cloud:
    """One Azure cloud: where ARM is, what a token is asked for, and who gives it."""

    arm_endpoint: str
    token_scope: str
    authority: str


CLOUDS: Mapping[str, Cloud] = {
    # The scope of US Government is not its ARM host: azure-mgmt-core and azure-cli agree on that.
    "AzureCloud": Cloud(
        arm_endpoint="https://management.azure.com",
        token_scope="https://management.azure.com/.default",  # noqa: S106
        authority="https://login.microsoftonline.com",
    ),
    "AzureUSGovernment": Cloud(
        arm_endpoint="https://management.usgovcloudapi.net",
        token_scope="https://management.core.usgovcloudapi.net/.default",  # noqa: S106
        authority="https://login.microsoftonline.us",
    ),
    "AzureChinaCloud": Cloud(
        arm_endpoint="https://management.chinacloudapi.cn",
        token_scope="https://management.chinacloudapi.cn/.default",  # noqa: S106
        authority="https://login.chinacloudapi.cn",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Scheme, host and port: what a bearer token may be sent to."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Self:
        """Read the origin of a URL; raises `ValueError` for user info, other schemes, and
        nonsense.
        """
        parts: SplitResult = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("not an http or https URL")
        if parts.username is not None or parts.password is not None:
            raise ValueError("user info is not allowed")
        if not parts.netloc.isascii():
            raise ValueError("a host that libraries may read in several ways")
        port = parts.port
        if port is None:
            port = 443 if parts.scheme == "https" else 80
        return cls(scheme=parts.scheme, host=parts.hostname.casefold(), port=port)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine."""
        return self.host in LOOPBACK_HOSTS


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How to reach queues and tables: a connection string, or two URIs and a managed identity."""

    connection_string: str = field(default="", repr=False)
    queue_uri: str = field(default="", repr=False)
    table_uri: str = field(default="", repr=False)
    client_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. Durations are `timedelta`; names are those of the design."""

    storage: Storage
    request_queue: str = "restore-requests"
    completion_queue: str = "restore-completions"
    completion_encoding: Literal["none", "base64"] = "none"
    event_source: str = "/azure-files-restore"
    event_origins: tuple[str, ...] = ()
    """The senders of events whose handshakes are answered, in lower case."""
    arm_endpoint: str = CLOUDS["AzureCloud"].arm_endpoint
    arm_scope: str = CLOUDS["AzureCloud"].token_scope
    arm_authority: str = CLOUDS["AzureCloud"].authority
    arm_api_version: str = "2026-07-01"
    arm_client_id: str = ""
    arm_connect: timedelta = timedelta(seconds=10)
    arm_answer: timedelta = timedelta(seconds=60)
    operation_poll: timedelta = timedelta(seconds=5)
    job_poll: timedelta = timedelta(seconds=30)
    retry_base: timedelta = timedelta(seconds=5)
    retry_max: timedelta = timedelta(seconds=300)
    name_cache: timedelta = timedelta(seconds=300)
    sweep_budget: timedelta = timedelta(seconds=240)
    sweep_threads: int = 8
    adoption_grace: timedelta = timedelta(seconds=900)
    start_limit: timedelta = timedelta(hours=24)
    tracking_limit: timedelta = timedelta(hours=192)
    retention: timedelta = timedelta(days=400)
    guards: str = "restore-guards.json"
    plans: str = "restore-plans.json"
    daily_limit_per_share: int = 20
    daily_limit_per_vault: int = 0
    emergency_reserve: int = 4
    unproven_copy_options: bool = False
    paused: bool = False

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
        return cls(**_Reader(environment).read())  # type: ignore[arg-type]


NAMES = frozenset(
    {
        "RestoreStorage",
        "RestoreStorage__queueServiceUri",
        "RestoreStorage__tableServiceUri",
        "RestoreStorage__clientId",
        "AZURE_CLOUD",
        # Read by the host, out of a trigger's binding, in which a name that is composed
        # (`%RESTORE_REQUEST_QUEUE%-poison`) is one that the platform's scaling may not resolve:
        # nobody would read that queue while the app is scaled to zero.
        "RESTORE_REQUEST_POISON_QUEUE",
        "RESTORE_POLL_SCHEDULE",  # read by the host, out of the timer's binding
    }
)
"""The settings that are not one field; `all_names` gives every name."""

_FIELD_OF = {
    "RESTORE_REQUEST_QUEUE": "request_queue",
    "RESTORE_COMPLETION_QUEUE": "completion_queue",
    "RESTORE_COMPLETION_ENCODING": "completion_encoding",
    "RESTORE_EVENT_SOURCE": "event_source",
    "RESTORE_EVENT_ORIGINS": "event_origins",
    "RESTORE_ARM_ENDPOINT": "arm_endpoint",
    "RESTORE_ARM_API_VERSION": "arm_api_version",
    "RESTORE_ARM_CLIENT_ID": "arm_client_id",
    "RESTORE_ARM_CONNECT_SECONDS": "arm_connect",
    "RESTORE_ARM_ANSWER_SECONDS": "arm_answer",
    "RESTORE_OPERATION_POLL_SECONDS": "operation_poll",
    "RESTORE_JOB_POLL_SECONDS": "job_poll",
    "RESTORE_RETRY_BASE_SECONDS": "retry_base",
    "RESTORE_RETRY_MAX_SECONDS": "retry_max",
    "RESTORE_NAME_CACHE_SECONDS": "name_cache",
    "RESTORE_SWEEP_BUDGET_SECONDS": "sweep_budget",
    "RESTORE_SWEEP_THREADS": "sweep_threads",
    "RESTORE_ADOPTION_GRACE_SECONDS": "adoption_grace",
    "RESTORE_START_LIMIT_HOURS": "start_limit",
    "RESTORE_TRACKING_LIMIT_HOURS": "tracking_limit",
    "RESTORE_RETENTION_DAYS": "retention",
    "RESTORE_GUARDS": "guards",
    "RESTORE_PLANS": "plans",
    "RESTORE_DAILY_LIMIT_PER_SHARE": "daily_limit_per_share",
    "RESTORE_DAILY_LIMIT_PER_VAULT": "daily_limit_per_vault",
    "RESTORE_EMERGENCY_RESERVE": "emergency_reserve",
    "RESTORE_UNPROVEN_COPY_OPTIONS": "unproven_copy_options",
    "RESTORE_PAUSED": "paused",
}

_UNITS = {"SECONDS": 1.0, "HOURS": 3600.0, "DAYS": 86400.0}

_BOUNDS = {
    # name: least and most, in its own unit
    "RESTORE_ARM_CONNECT_SECONDS": (0.1, 60),
    "RESTORE_ARM_ANSWER_SECONDS": (0.1, 230),
    "RESTORE_OPERATION_POLL_SECONDS": (0.05, 300),
    "RESTORE_JOB_POLL_SECONDS": (0.05, 300),
    "RESTORE_RETRY_BASE_SECONDS": (0.01, 300),
    "RESTORE_RETRY_MAX_SECONDS": (0.01, 300),
    "RESTORE_NAME_CACHE_SECONDS": (0, 86400),
    "RESTORE_SWEEP_BUDGET_SECONDS": (0.1, 1500),
    "RESTORE_SWEEP_THREADS": (1, 64),
    "RESTORE_ADOPTION_GRACE_SECONDS": (0, 86400),
    "RESTORE_START_LIMIT_HOURS": (0.0001, 720),
    "RESTORE_TRACKING_LIMIT_HOURS": (0.0001, 720),
    "RESTORE_RETENTION_DAYS": (30, 36500),
    "RESTORE_DAILY_LIMIT_PER_SHARE": (0, 1000),
    "RESTORE_DAILY_LIMIT_PER_VAULT": (0, 1000),
    "RESTORE_EMERGENCY_RESERVE": (0, 1000),
}


def all_names() -> frozenset[str]:
    """Every setting that the app reads, for the sample file, the infrastructure and the docs."""
    return NAMES | frozenset(_FIELD_OF)


class _Reader:
    """Collects values and problems while reading."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._given = {name: text.strip() for name, text in environment.items() if text.strip()}
        self._problems: list[str] = []

    def read(self) -> dict[str, object]:
        values: dict[str, object] = {"storage": self._storage()}
        cloud = CLOUDS.get(self._given.get("AZURE_CLOUD", "AzureCloud"))
        if cloud is None:
            self._problems.append(f"AZURE_CLOUD must be one of {', '.join(CLOUDS)}")
            cloud = CLOUDS["AzureCloud"]
        values |= {
            "arm_endpoint": cloud.arm_endpoint,
            "arm_scope": cloud.token_scope,
            "arm_authority": cloud.authority,
        }
        for name, attribute in _FIELD_OF.items():
            if name in self._given:
                values[attribute] = self._value(name, self._given[name])
        self._check_queues(values)
        self._check_endpoint(values)
        if self._problems:
            raise SettingsError(self._problems)
        return values

    def _storage(self) -> Storage:
        connection = self._given.get("RestoreStorage", "")
        queues = self._given.get("RestoreStorage__queueServiceUri", "")
        tables = self._given.get("RestoreStorage__tableServiceUri", "")
        if not connection and not (queues and tables):
            self._problems.append(
                "RestoreStorage must be a connection string, or RestoreStorage__queueServiceUri "
                "and RestoreStorage__tableServiceUri must both be given"
            )
        for name in ("RestoreStorage__queueServiceUri", "RestoreStorage__tableServiceUri"):
            if name in self._given and not self._is_safe_url(self._given[name]):
                self._problems.append(f"{name} must be an https URL (http for this machine only)")
        return Storage(
            connection_string=connection,
            queue_uri=queues,
            table_uri=tables,
            client_id=self._given.get("RestoreStorage__clientId", ""),
        )

    def _value(self, name: str, text: str) -> object:
        unit = name.rpartition("_")[2]
        if unit in _UNITS:
            return timedelta(seconds=self._number(name, text) * _UNITS[unit])
        if name in _BOUNDS:
            return int(self._number(name, text, whole=True))
        if name in {"RESTORE_PAUSED", "RESTORE_UNPROVEN_COPY_OPTIONS"}:
            return self._switch(name, text)
        if name == "RESTORE_EVENT_ORIGINS":
            return self._origins(name, text)
        if name.endswith("_QUEUE") and not QUEUE_NAME.fullmatch(text):
            self._problems.append(
                f"{name} must be a queue's name: 3 to 63 of a-z, 0-9 and single -"
            )
        elif name == "RESTORE_COMPLETION_ENCODING" and text not in {"none", "base64"}:
            self._problems.append(f"{name} must be none or base64")
        elif name == "RESTORE_EVENT_SOURCE" and not re.fullmatch(r"[!-~]{1,256}", text):
            self._problems.append(f"{name} must be a URI reference of at most 256 characters")
        elif name in {"RESTORE_GUARDS", "RESTORE_PLANS"} and not re.fullmatch(
            r"[^\x00-\x1f\x7f]{1,1024}", text
        ):
            self._problems.append(f"{name} must be the path of a file")
        elif name == "RESTORE_ARM_API_VERSION" and not re.fullmatch(
            r"\d{4}-\d{2}-\d{2}(-preview)?", text
        ):
            self._problems.append(f"{name} must be a version such as 2026-07-01")
        return text

    def _number(self, name: str, text: str, *, whole: bool = False) -> float:
        least, most = _BOUNDS[name]
        form = r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]{1,6})?"
        if re.fullmatch(form, text) and least <= float(text) <= most:
            return float(text)
        kind = "a whole number" if whole else "a number"
        self._problems.append(f"{name} must be {kind} from {least:g} to {most:g}")
        return float(most)

    def _origins(self, name: str, text: str) -> tuple[str, ...]:
        origins = [one.strip().lower() for one in text.split(",")]
        if not text.isascii() or not all(map(_HOST_NAME.fullmatch, origins)):
            self._problems.append(
                f"{name} must be host names, such as eventgrid.azure.net, separated by commas"
            )
        return tuple(dict.fromkeys(origins))

    def _switch(self, name: str, text: str) -> bool:
        if text.casefold() not in {"true", "false"}:
            # A pause that is misspelt must not mean «go».
            self._problems.append(f"{name} must be true or false")
        return text.casefold() == "true"

    def _check_queues(self, values: dict[str, object]) -> None:
        defaults = {one.name: one.default for one in fields(Settings)}
        requests, completions = (
            str(values.get(name, defaults[name])) for name in ("request_queue", "completion_queue")
        )
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
        if completions in {requests, poison, given}:
            # Each rejection would be read as a request, and rejected.
            self._problems.append(
                "RESTORE_COMPLETION_QUEUE must be another queue than that of the requests"
            )

    def _check_endpoint(self, values: dict[str, object]) -> None:
        endpoint = str(values["arm_endpoint"]).rstrip("/")
        values["arm_endpoint"] = endpoint
        if not _ENDPOINT.fullmatch(endpoint) or not self._is_safe_url(endpoint):
            self._problems.append(
                "RESTORE_ARM_ENDPOINT must be https://host[:port] (http for this machine only)"
            )
            return
        if Origin.of(endpoint).is_loopback:
            # Nothing of value is behind it: guards only where they are asked for.
            values.setdefault("guards", NO_GUARDS)
            return
        defaults = {one.name: one.default for one in fields(Settings)}
        connect, answer, grace = (
            values.get(name, defaults[name])
            for name in ("arm_connect", "arm_answer", "adoption_grace")
        )
        assert isinstance(connect, timedelta)  # noqa: S101
        assert isinstance(answer, timedelta)  # noqa: S101
        least = SEND_WINDOW + connect + answer + _GRACE_MARGIN
        if isinstance(grace, timedelta) and grace < least:
            self._problems.append(
                f"RESTORE_ADOPTION_GRACE_SECONDS must be at least {least.total_seconds():g}: a "
                "POST can be on its way that long before its job is listed"
            )

    @staticmethod
    def _is_safe_url(url: str) -> bool:
        try:
            origin = Origin.of(url)
        except ValueError:
            return False
        return origin.scheme == "https" or origin.is_loopback
