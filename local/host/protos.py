"""The messages that the worker library reads and builds; it gets this module as its `protos`.

On Azure these are protocol buffer classes. The library only calls them with keyword arguments and
reads attributes, so plain classes suffice. Names and defaults are the protocol's, not ours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import SimpleNamespace
from typing import Any, ClassVar


@dataclass(frozen=True, kw_only=True)
class TypedData:
    """A value on the wire: exactly one field is set, or none."""

    string: str | None = None
    bytes: Any = None
    json: str | None = None
    http: "RpcHttp | None" = None
    int: Any = None
    double: float | None = None

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 (the protocol's name)
        """The name of the field that is set."""
        return next((f.name for f in fields(self) if getattr(self, f.name) is not None), None)


@dataclass(frozen=True, kw_only=True)
class RpcHttp:
    """An HTTP request or response."""

    method: str = ""
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    body: TypedData | None = None
    status_code: str = "200"
    cookies: "Sequence[RpcHttpCookie] | None" = None
    enable_content_negotiation: bool = False


@dataclass(frozen=True, kw_only=True)
class NullableString:
    value: str


@dataclass(frozen=True, kw_only=True)
class NullableBool:
    value: bool


@dataclass(frozen=True, kw_only=True)
class NullableDouble:
    value: float


@dataclass(frozen=True, kw_only=True)
class Timestamp:
    seconds: int


@dataclass(frozen=True, kw_only=True)
class NullableTimestamp:
    value: Timestamp


@dataclass(frozen=True, kw_only=True)
class RpcHttpCookie:
    """A cookie of a response. `None` for SameSite means that nothing was said about it."""

    SameSite: ClassVar = SimpleNamespace(
        **{"None": "", "Lax": "Lax", "Strict": "Strict", "ExplicitNone": "None"}
    )
    name: str
    value: str
    domain: NullableString | None = None
    path: NullableString | None = None
    expires: NullableTimestamp | None = None
    secure: NullableBool | None = None
    http_only: NullableBool | None = None
    same_site: str = ""
    max_age: NullableDouble | None = None


@dataclass(frozen=True, kw_only=True)
class ParameterBinding:
    """The value of one parameter of a function."""

    name: str
    data: TypedData | None = None

    def WhichOneof(self, _group: str) -> str:  # noqa: N802 (the protocol's name)
        """Shared memory, the other possibility, is never offered to the worker."""
        return "data"


@dataclass(frozen=True, kw_only=True)
class RpcException:
    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class StatusResult:
    Failure: ClassVar = "Failure"
    Success: ClassVar = "Success"
    status: str
    exception: RpcException | None = None


@dataclass(frozen=True, kw_only=True)
class BindingInfo:
    """A binding as the worker declares it; the constants are those of the decorators."""

    out: ClassVar = 1
    inout: ClassVar = 2
    undefined: ClassVar = 0
    type: str
    data_type: Any = None
    direction: Any = None


@dataclass(frozen=True, kw_only=True)
class RpcRetryOptions:
    max_retry_count: int
    retry_strategy: str
    delay_interval: Any = None
    minimum_interval: Any = None
    maximum_interval: Any = None


@dataclass(frozen=True, kw_only=True)
class RpcFunctionMetadata:
    """A function as the worker found it."""

    name: str
    function_id: str
    directory: str
    script_file: str
    entry_point: str
    language: str
    bindings: Mapping[str, BindingInfo]
    raw_bindings: Sequence[str]
    retry_options: RpcRetryOptions | None
    properties: Mapping[str, str]
    managed_dependency_enabled: bool
    is_proxy: bool


@dataclass(frozen=True, kw_only=True)
class WorkerMetadata:
    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class WorkerInitResponse:
    capabilities: Mapping[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


@dataclass(frozen=True, kw_only=True)
class FunctionMetadataResponse:
    use_default_metadata_indexing: bool
    function_metadata_results: Sequence[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(frozen=True, kw_only=True)
class FunctionLoadResponse:
    function_id: str
    result: StatusResult


@dataclass(frozen=True, kw_only=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()
