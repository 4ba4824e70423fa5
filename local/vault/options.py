"""The options of the emulated service. Times are in seconds of the service, before `time_scale`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from local.vault.ticks import span

Era = Literal["2019", "2021", "2024", "2026"]
BusyAnswer = Literal["409", "400", "job", "off"]
ItemLayout = Literal["name", "path"]


@dataclass(frozen=True, kw_only=True)
class EmulatorOptions:
    """The service's habits. `era` is the year whose wire is spoken.

    `separate_operation_ids` makes an operation's id differ from its job's, as it did in 2019 and
    2020; since 2021 they have been equal. None leaves it to the era.

    `item_layout` says where an item restored into a folder elsewhere goes, which no source tells:
    `name` puts `a/b.txt` at `folder/b.txt`, `path` at `folder/a/b.txt`.

    `time_scale` shortens every wait of the service (and the Retry-After that it asks for). The
    time of day stays true, so that `Date` headers, job times and a client's own clock agree.
    """

    era: Era = "2026"
    time_scale: float = 1.0
    operation_delay: float = 2.0
    job_duration: float = 33.0
    cancel_duration: float = 5.0
    list_delay: float = 0.0
    retry_after: float = 60.0
    page_size: int = 200
    separate_operation_ids: bool | None = None
    double_client_request_id: bool | None = None
    busy: BusyAnswer = "409"
    item_layout: ItemLayout = "name"
    require_auth: bool = False
    https: bool = False

    def __post_init__(self) -> None:
        if self.time_scale <= 0 or self.page_size < 1:
            raise ValueError("time_scale and page_size must be positive")

    def ticks(self, service_seconds: float) -> int:
        """Real ticks that a wait of the service takes."""
        return span(service_seconds / self.time_scale)

    @property
    def retry_after_header(self) -> str:
        """Whole seconds, never 0: clients take 0 for "not said" and wait their own default."""
        return str(max(1, math.ceil(self.retry_after / self.time_scale)))

    @property
    def own_operation_ids(self) -> bool:
        """Whether a new operation gets an id of its own."""
        if self.separate_operation_ids is None:
            return self.era == "2019"
        return self.separate_operation_ids

    @property
    def doubles_client_id(self) -> bool:
        """Whether x-ms-client-request-id is echoed twice, as until about 2021."""
        if self.double_client_request_id is None:
            return self.era in ("2019", "2021")
        return self.double_client_request_id

    @property
    def signs_urls(self) -> bool:
        """Whether asynchronous URLs are signed: since 2024."""
        return self.era in ("2024", "2026")
