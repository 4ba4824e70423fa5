"""The settings of host.json, local.settings.json and the environment.

All problems of a file are reported at once. Settings of host.json that only the real host uses are
not read.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,7}))?")
_LOG_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "information": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "critical": "CRITICAL",
    "none": "CRITICAL",
}


class SettingsError(Exception):
    """A file or a setting that the host cannot start with."""

    def __init__(self, where: str, problems: list[str]) -> None:
        super().__init__(f"{where}: " + "; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """host.json `extensions.queues`, with the host's defaults. Times are in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float = 60.0
    base64: bool = True


@dataclass(frozen=True, kw_only=True)
class HostOptions:
    """host.json, as far as this host acts on it."""

    queues: QueueOptions
    route_prefix: str
    log_level: str


def time_span(text: object) -> float | None:
    """The seconds of a .NET TimeSpan, `[d.]hh:mm:ss[.fffffff]`; None when it is none."""
    found = _TIME_SPAN.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    days, hours, minutes, seconds = (int(found[i] or 0) for i in range(1, 5))
    if hours > 23 or minutes > 59 or seconds > 59:
        return None
    return days * 86400.0 + hours * 3600 + minutes * 60 + seconds + float(f"0.{found[5] or 0}")


def read_host_json(path: Path) -> HostOptions:
    """Read host.json, or raise with everything that is wrong with it."""
    document = _read_object(path)
    problems: list[str] = []
    if document.get("version") != "2.0":
        problems.append('"version" must be "2.0"')
    extensions = _section(document, "extensions", problems)
    queues = _queue_options(_section(extensions, "queues", problems), problems)
    prefix = _section(extensions, "http", problems).get("routePrefix", "api")
    if not isinstance(prefix, str):
        problems.append("extensions.http.routePrefix must be a string")
    levels = _section(_section(document, "logging", problems), "logLevel", problems)
    level = _LOG_LEVELS.get(str(levels.get("default", "Information")).lower())
    if level is None:
        problems.append("logging.logLevel.default is no log level")
    if problems:
        raise SettingsError(str(path), problems)
    return HostOptions(
        queues=queues, route_prefix=str(prefix).strip("/"), log_level=level or "INFO"
    )


def _queue_options(section: Mapping[str, Any], problems: list[str]) -> QueueOptions:
    def whole(name: str, default: int, low: int, high: int) -> int:
        value = section.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        problems.append(f"extensions.queues.{name} must be a whole number from {low} to {high}")
        return default

    def span(name: str, default: str, low: float) -> float:
        seconds = time_span(section.get(name, default))
        if seconds is not None and seconds >= low:
            return seconds
        problems.append(f"extensions.queues.{name} must be hh:mm:ss, at least {low:g} seconds")
        return low

    known = {
        "batchSize",
        "newBatchThreshold",
        "maxDequeueCount",
        "visibilityTimeout",
        "maxPollingInterval",
        "messageEncoding",
    }
    problems.extend(f"extensions.queues.{name} is not known" for name in sorted({*section} - known))
    encoding = section.get("messageEncoding", "base64")
    if encoding not in ("none", "base64"):
        problems.append('extensions.queues.messageEncoding must be "none" or "base64"')
    batch = whole("batchSize", 16, 1, 32)
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=whole(
            "newBatchThreshold", batch // 2 * (os.cpu_count() or 1), 0, 2**31 - 1
        ),
        max_dequeue_count=whole("maxDequeueCount", 5, 1, 2**31 - 1),
        visibility_timeout=span("visibilityTimeout", "00:00:00", 0.0),
        max_polling_interval=span("maxPollingInterval", "00:01:00", 0.1),
        base64=encoding == "base64",
    )


def read_local_settings(path: Path) -> Mapping[str, str]:
    """`Values` of a local settings file; nothing when there is no such file."""
    if not path.exists():
        return {}
    document = _read_object(path)
    problems: list[str] = []
    if document.get("IsEncrypted", False) is not False:
        problems.append("encrypted settings cannot be read here")
    values = _section(document, "Values", problems)
    problems.extend(
        f"Values.{name} must be a string" for name, v in values.items() if not isinstance(v, str)
    )
    if problems:
        raise SettingsError(str(path), problems)
    return {name: str(value) for name, value in values.items()}


def apply_to_environment(values: Mapping[str, str]) -> None:
    """Settings become environment variables; a variable that is there already wins."""
    for name, value in values.items():
        os.environ.setdefault(name, value)


def expand(text: str, environment: Mapping[str, str]) -> str:
    """Replace each `%NAME%` by that setting."""

    def replace(found: re.Match[str]) -> str:
        value = environment.get(found[1])
        if not value:
            raise SettingsError(found[0], ["there is no such setting"])
        return value

    return re.sub(r"%([^%]+)%", replace, text)


def _read_object(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingsError(str(path), [error.strerror or "cannot be read"]) from error
    except ValueError as error:
        raise SettingsError(str(path), [f"not JSON: {error}"]) from error
    if not isinstance(document, dict):
        raise SettingsError(str(path), ["must be a JSON object"])
    return document


def _section(parent: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    section = parent.get(name, {})
    if isinstance(section, dict):
        return section
    problems.append(f'"{name}" must be an object')
    return {}
