"""Applies faults to a call: to the service's work, to the answer, and to the connection."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from time import time
from typing import Any

from local.vault.faults import Fault
from local.vault.jobs import OperationError, outcome_from_json
from local.vault.replies import JSON_TYPE, Reply, encode
from local.vault.visit import Shaping
from local.vault.wire import error_body

_LINKS = ("location", "azure-asyncoperation")


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How an answer goes out. `cut` stops it after so many bytes and cuts the connection."""

    reply: Reply | None
    cut: int | None = None
    drip_seconds: float = 0.0
    hang_seconds: float | None = None


def shaping_of(faults: Sequence[Fault]) -> Shaping:
    """What the faults want of the service."""
    shaping = Shaping()
    for fault in faults:
        action = fault.action
        match fault.kind:
            case "outcome":
                shaping = replace(shaping, outcome=outcome_from_json(fault.details))
            case "late_job":
                shaping = replace(shaping, late_job=float(action["seconds"]))
            case "operation_error":
                shaping = replace(shaping, operation_error=OperationError(**fault.details))
            case "duplicate_job":
                shaping = replace(shaping, duplicate_job=True)
            case "job_status":
                shaping = replace(shaping, job_status=action.get("status"))
            case "operation_status":
                shaping = replace(shaping, operation_status=action.get("status"))
    return shaping


def instead_of_answer(
    faults: Sequence[Fault], headers: tuple[tuple[str, str], ...]
) -> Delivery | None:
    """The delivery of a call that the service never sees, or None; `headers` are on any answer."""
    last = faults[-1] if faults else None
    if last is None or last.processed or last.kind == "delay":
        return None
    return _deliver(last, Reply(status=200, headers=headers))


def delay_of(faults: Sequence[Fault]) -> float:
    """Seconds to wait before the call is processed."""
    return sum(float(f.action.get("seconds", 5)) for f in faults if f.kind == "delay")


def after_answer(faults: Sequence[Fault], reply: Reply, origin: str) -> Delivery:
    """The delivery of the service's answer, bent by the faults in order."""
    for fault in faults:
        if fault.kind == "foreign":
            reply = _foreign(reply, origin, str(fault.action["origin"]))
        elif fault.kind == "merge":
            reply = _merged(reply, fault.action)
    last = faults[-1] if faults else None
    if last is None or not last.processed:
        return Delivery(reply=reply)
    return _deliver(last, reply)


def _deliver(fault: Fault, reply: Reply) -> Delivery:
    action = fault.action
    match fault.kind:
        case "status":
            return Delivery(reply=_status(action, reply))
        case "redirect":
            headers = (*_without(reply, ("location",)), ("Location", action["location"]))
            return Delivery(reply=Reply(status=action.get("status", 307), headers=headers))
        case "reset":
            return Delivery(reply=None, cut=0)
        case "hang":
            return Delivery(reply=None, cut=0, hang_seconds=float(action.get("seconds", 3600)))
        case "truncate":
            keep = action.get("keep")
            return Delivery(reply=reply, cut=-1 if keep is None else int(keep))
        case "drip":
            return Delivery(reply=reply, drip_seconds=float(action.get("seconds", 5)))
        case "empty":
            return Delivery(reply=replace(reply, body=b""))
        case "not_json":
            page = b"<html><head><title>Service Unavailable</title></head><body></body></html>"
            return Delivery(reply=replace(reply, body=page))
        case "huge":
            filler = b'{"value":[],"padding":"%s"}' % (
                b"x" * int(float(action.get("megabytes", 20)) * 2**20)
            )
            return Delivery(reply=replace(reply, body=filler))
    return Delivery(reply=reply)


def _status(action: Mapping[str, Any], reply: Reply) -> Reply:
    body = action.get("body")
    if isinstance(body, str):
        content = body.encode()
    elif body is not None:
        content = encode(body)
    else:
        code = action.get("code", "ServiceError")
        content = encode(error_body(code, action.get("message", "The emulator was told to fail.")))
    headers = [*_without(reply, (*_LINKS, "retry-after", "content-type")), JSON_TYPE]
    if "retry_after" in action:
        headers.append(("Retry-After", str(action["retry_after"])))
    if "retry_after_date" in action:
        moment = formatdate(time() + float(action["retry_after_date"]), usegmt=True)
        headers.append(("Retry-After", moment))
    headers += [(name, str(value)) for name, value in action.get("headers", {}).items()]
    status = int(action["status"])
    # The service hangs up after an internal error.
    return Reply(status=status, body=content, headers=tuple(headers), close=status == 500)


def _without(reply: Reply, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in reply.headers if name.lower() not in names)


def _foreign(reply: Reply, origin: str, foreign: str) -> Reply:
    headers = tuple(
        (name, value.replace(origin, foreign, 1) if name.lower() in _LINKS else value)
        for name, value in reply.headers
    )
    body = reply.body
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict) and "value" in document:
        link = document.get("nextLink") or f"{origin}/next?api-version=2026-07-01"
        document["nextLink"] = link.replace(origin, foreign, 1)
        body = encode(document)
    return replace(reply, headers=headers, body=body)


def _merged(reply: Reply, action: Mapping[str, Any]) -> Reply:
    body = reply.body
    if "patch" in action:
        body = encode(_patch(json.loads(body) if body else {}, action["patch"]))
    changes = {name.lower(): (name, value) for name, value in action.get("headers", {}).items()}
    headers = [(name, value) for name, value in reply.headers if name.lower() not in changes]
    headers += [(name, str(value)) for name, value in changes.values() if value is not None]
    return replace(reply, body=body, headers=tuple(headers))


def _patch(document: object, patch: object) -> object:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _patch(result.get(key), value)
    return result
