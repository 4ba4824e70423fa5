"""Logs on standard error, one line each, with the function and the invocation they belong to."""

import logging
import sys
import time
from collections.abc import Callable

import azure_functions_runtime as runtime


class OneLine(logging.Formatter):
    """`time LEVEL function invocation logger: message`; line ends inside are escaped."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, name_of: Callable[[str | None], str]) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(function)s %(invocation)s %(name)s: %(message)s"
        )
        self._name_of = name_of

    def format(self, record: logging.LogRecord) -> str:
        """Format the record in the invocation that the calling thread or task is in."""
        invocation = runtime.invocation_id_cv.get()
        record.invocation = invocation or "-"
        record.function = self._name_of(invocation)
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n")


def configure(level: str, name_of: Callable[[str | None], str]) -> None:
    """Send all logs to standard error, at the level of host.json."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(name_of))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # The SDK tells of every request at INFO, and this host makes many of its own; so does the
    # worker library (`azure.functions`) of every invocation. An app may set it otherwise.
    logging.getLogger("azure").setLevel(logging.WARNING)
