"""The function app, indexed and invoked by the real Python worker library.

The library gets the same calls in the same order as from the host on Azure. It indexes once per
process, keeps its state in globals and runs asynchronous functions on the loop that calls it, so a
process has one Worker, with one loop in a thread of its own.
"""

import asyncio
import json
import logging
import os
import sys
import threading
import time
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime

from local.host import protos

logger = logging.getLogger("host")

_SUPPORTED = {"queueTrigger", "timerTrigger", "httpTrigger", "http"}


class AppError(Exception):
    """The app cannot be run; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function: its trigger, and under which name it gets the trigger's value."""

    id: str
    name: str
    trigger: Mapping[str, Any]

    @property
    def parameter(self) -> str:
        return str(self.trigger["name"])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an invocation ended."""

    succeeded: bool
    returned: protos.TypedData | None = None


class Worker:
    """The worker library, with the app of one folder in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="worker", daemon=True)
        self._running: dict[str, str] = {}
        self._idle = threading.Condition()

    def index(self, directory: Path) -> list[Function]:
        """Load `function_app.py` from `directory` and say which functions it has."""
        script = os.environ.get("PYTHON_SCRIPT_FILE_NAME", "function_app.py")
        if not (directory / script).is_file():
            raise AppError(f"there is no {script} in {directory}")
        sys.path.insert(0, str(directory))
        os.chdir(directory)
        self._thread.start()
        runtime.start_threadpool_executor()
        started = self._call(
            runtime.worker_init_request(
                _request(
                    worker_init_request=SimpleNamespace(
                        capabilities={}, function_app_directory=str(directory)
                    )
                )
            )
        )
        if started.result.status != protos.StatusResult.Success:
            raise AppError(f"{started.result.exception.message}")
        if "HttpUri" in started.capabilities:
            raise AppError("this host does not stream HTTP (azurefunctions-extensions-http)")
        found = self._call(runtime.functions_metadata_request(_request()))
        functions = [_function(metadata) for metadata in found.function_metadata_results or ()]
        if not functions:
            raise AppError(f"{script} has no functions")
        for function in functions:
            load = SimpleNamespace(function_id=function.id)
            self._call(runtime.function_load_request(_request(function_load_request=load)))
        return functions

    def invoke(
        self,
        function: Function,
        value: protos.TypedData,
        metadata: Mapping[str, protos.TypedData],
        *,
        traceparent: str = "",
    ) -> "Future[Outcome]":
        """Run `function`. Synchronous ones wait for a thread of the worker's pool."""
        return asyncio.run_coroutine_threadsafe(
            self._invoke(function, value, metadata, traceparent), self._loop
        )

    def name_of(self, invocation_id: str | None) -> str:
        """The function that a running invocation belongs to."""
        return self._running.get(invocation_id or "", "-")

    def finish(self, seconds: float) -> bool:
        """Wait until nothing runs; whether that was so in time."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._running, seconds)

    async def _invoke(
        self,
        function: Function,
        value: protos.TypedData,
        metadata: Mapping[str, protos.TypedData],
        traceparent: str,
    ) -> Outcome:
        invocation_id = str(uuid.uuid4())
        self._running[invocation_id] = function.name
        began = time.monotonic()
        # The library sets this for synchronous functions only.
        runtime.invocation_id_cv.set(invocation_id)
        try:
            response = await runtime.invocation_request(
                _invocation(invocation_id, function, value, metadata, traceparent)
            )
            took = time.monotonic() - began
            if response.result.status == protos.StatusResult.Success:
                timer = function.trigger["type"] == "timerTrigger"
                logger.log(logging.DEBUG if timer else logging.INFO, "succeeded in %.3f s", took)
                return Outcome(succeeded=True, returned=response.return_value)
            error = response.result.exception
            logger.error("failed after %.3f s: %s", took, error.stack_trace or error.message)
            return Outcome(succeeded=False)
        finally:
            with self._idle:
                del self._running[invocation_id]
                self._idle.notify_all()

    def _call(self, call: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 (replies of the library)
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()


def _request(**content: object) -> SimpleNamespace:
    return SimpleNamespace(
        request=SimpleNamespace(**content), properties={"host": "127.0.0.1", "protos": protos}
    )


def _invocation(
    invocation_id: str,
    function: Function,
    value: protos.TypedData,
    metadata: Mapping[str, protos.TypedData],
    traceparent: str,
) -> SimpleNamespace:
    return _request(
        invocation_request=SimpleNamespace(
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[protos.ParameterBinding(name=function.parameter, data=value)],
            trigger_metadata=metadata,
            trace_context=SimpleNamespace(trace_parent=traceparent, trace_state="", attributes={}),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
    )


def _function(metadata: protos.RpcFunctionMetadata) -> Function:
    bindings = [json.loads(raw) for raw in metadata.raw_bindings]
    for binding in bindings:
        if binding["type"] not in _SUPPORTED:
            raise AppError(f"{metadata.name}: this host does not supply {binding['type']} bindings")
    triggers = [b for b in bindings if b["type"].endswith("Trigger")]
    if len(triggers) != 1:
        raise AppError(f"{metadata.name}: a function needs exactly one trigger")
    if metadata.retry_options is not None:
        raise AppError(f"{metadata.name}: this host does not apply retry policies")
    return Function(id=metadata.function_id, name=metadata.name, trigger=triggers[0])
