"""Events and alerts that nobody should send: around good requests, around each other, and wrong.

Some of the alerts are such that a plan answers them, and some come in the middle of a storm.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from restore_core.alerting.plans import Plans, read_plans
from tests.fuzz.strategies import MAX_MESSAGE, TRICKS, at_limits, good_messages, texts, write
from tests.simulators.world import ACCOUNTS, SUBSCRIPTION, VAULT, elsewhere, request

RULE_ID = (
    f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Insights/scheduledQueryRules/ransomware"
)
TOPIC = f"{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.EventGrid/topics/requests"


def _plan(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "match": {"alertRule": "*"},
        "vaultId": VAULT,
        "source": {"storageAccountId": f"{ACCOUNTS}/source1", "fileShare": f"share-of-{name}"},
        "recoveryPoint": {"margin": "PT15M", "maxAge": "P60D"},
        "target": elsewhere("recovered"),
        "cooldown": "PT6H",
        **fields,
    }


PLANS: Plans = read_plans(
    json.dumps(
        {
            "schemaVersion": "1.0",
            "plans": [
                _plan(
                    "first",
                    match={
                        "alertRule": "ransomware*",
                        "severity": ["Sev0", "Sev1"],
                        "targetResource": [f"{ACCOUNTS}/*"],
                    },
                ),
                _plan("dry", match={"alertRule": "dry*"}, dryRun=True),
                _plan(
                    "second",
                    match={"alertRule": "*", "monitoringService": "Log*"},
                    target={"location": "original"},
                    copyOptions="Skip",
                    priority="emergency",
                    startDeadline="PT4H",
                    alertMaxAge="P36500D",
                    items=[{"path": "a", "type": "Directory"}],
                ),
            ],
        }
    ).encode()
)
PLAN_NAMES = tuple(plan.name for plan in PLANS.plans)


def alert(*, custom: object = None, context: object = None, **essentials: Any) -> dict[str, Any]:
    """An alert that the first plan answers, with changes."""
    held = {
        "alertId": "/alerts/1",
        "alertRule": "ransomware",
        "alertRuleID": RULE_ID,
        "severity": "Sev1",
        "signalType": "Log",
        "monitorCondition": "Fired",
        "monitoringService": "Log Alerts V2",
        "alertTargetIDs": [f"{ACCOUNTS}/source1"],
        "firedDateTime": "2026-02-05T06:55:00.1234567Z",
        **essentials,
    }
    return {
        "schemaId": "azureMonitorCommonAlertSchema",
        "data": {"essentials": held, "alertContext": context, "customProperties": custom},
    }


def cloud_event(data: object, **changes: Any) -> dict[str, Any]:
    """A request, or an alert, in CloudEvents."""
    return {
        "specversion": "1.0",
        "type": "com.contoso.restore",
        "source": "/pipelines/refresh",
        "id": "event-1",
        "time": "2026-02-05T06:30:00Z",
        "data": data,
    } | changes


def grid_event(data: object, **changes: Any) -> dict[str, Any]:
    """The same in the schema of Event Grid."""
    return {
        "topic": TOPIC,
        "subject": "restore",
        "eventType": "Contoso.Restore",
        "eventTime": "2026-02-05T06:30:00.1234567Z",
        "id": "event-1",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": data,
    } | changes


BEFORE = {
    name: [
        json.dumps(alert(alertId=f"/before/{name}", custom={"restorePlan": name}, **changes))
        for changes in ({}, {"alertRule": "dry"})
    ][name == "dry"].encode()
    for name in PLAN_NAMES
}
"""Alerts that each plan answered a moment before, so that others are a storm."""

TIMES = (
    *("2026-02-05T06:55:00Z", "2026-02-05T07:00:00Z", "2026-02-05T06:59:59.9999999Z"),
    *("2026-02-05T08:55:00.5+02:00", "2026-02-05T07:04:59Z", " 2026-02-05T06:55:00Z "),
    *("2026-02-05T07:06:00Z", "2026-02-04T06:55:00Z", "1970-01-01T00:00:00Z", ""),
    *("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1600-12-31T23:59:59Z"),
    *("9999-12-31T23:59:59.999999999-14:00", "2026-02-05T06:55:00", "2026-02-30T06:55:00Z"),
)
RULES = ("ransomware", "Ransomware-2", "dry-1", "dry-2", "other")
SERVICES = ("Log Alerts V2", "Platform", "Azure Backup", "AZUREBACKUP ", "", "Log")


@st.composite
def _mostly(draw: st.DrawFn, good: Any, odd: st.SearchStrategy[Any]) -> Any:
    return draw(odd) if draw(st.integers(0, 7)) == 0 else good


free = st.one_of(at_limits, texts)


@st.composite
def good_alerts(draw: st.DrawFn) -> dict[str, Any]:
    """An alert, as Azure sends it or nearly so: most are answered by a plan."""
    made = alert(
        alertId=draw(_mostly("/alerts/1", free)),
        alertRule=draw(_mostly(draw(st.sampled_from(RULES)), free)),
        alertRuleID=draw(_mostly(RULE_ID, free | st.none())),
        severity=draw(_mostly("Sev1", st.sampled_from(("Sev0", "sev4", "Sev3", "Sev5")))),
        monitorCondition=draw(_mostly("Fired", st.sampled_from(("fired", "Resolved")) | free)),
        monitoringService=draw(_mostly("Log Alerts V2", st.sampled_from(SERVICES))),
        firedDateTime=draw(_mostly(TIMES[0], st.sampled_from(TIMES))),
        alertTargetIDs=draw(_mostly([f"{ACCOUNTS}/source1"], st.lists(free, max_size=120))),
        custom=draw(
            _mostly(
                draw(st.sampled_from((None, None, *({"restorePlan": one} for one in PLAN_NAMES)))),
                st.dictionaries(st.just("restorePlan") | texts, free, max_size=3),
            )
        ),
        context=draw(_mostly(None, st.sampled_from([{"category": "Jobs"}, {"category": []}, []]))),
    )
    if draw(st.integers(0, 7)) == 0:
        made["reduced"] = draw(st.booleans())
    return made


@st.composite
def good_events(draw: st.DrawFn) -> Any:
    """An event around a request or an alert, with odd but allowed things in it."""
    inner = draw(st.one_of(good_messages(), good_messages(), good_alerts()))
    if draw(st.booleans()) and inner.get("action") != "cancel":
        inner.pop("requestId", None)
    attributes = {"id": draw(_mostly("event-1", free))}
    held: Any = inner
    if draw(st.integers(0, 3)) == 0:
        held = write(inner, ascii_only=True)
    if draw(st.integers(0, 2)) == 0:
        topic = draw(_mostly(TOPIC, free))
        time = draw(_mostly(TIMES[0], st.sampled_from(TIMES)))
        return _listed(draw, grid_event(held, **attributes, topic=topic, eventTime=time))
    attributes |= {
        "source": draw(_mostly("/pipelines/refresh", free)),
        "time": draw(_mostly(TIMES[0], st.sampled_from(TIMES) | st.none())),
    }
    if draw(st.integers(0, 3)) == 0:
        text = write(inner, ascii_only=draw(st.booleans())).encode("utf-8", "surrogatepass")
        attributes |= {"data_base64": base64.b64encode(text).decode()}
        held = draw(_mostly(None, st.just(held)))
    event = cloud_event(held, **attributes)
    if draw(st.integers(0, 3)) == 0:
        event |= draw(st.dictionaries(texts, free | st.none(), max_size=3))
    return _listed(draw, event)


def _listed(draw: st.DrawFn, event: dict[str, Any]) -> Any:
    """Event Grid delivers to some readers in arrays."""
    return draw(_mostly(event, st.sampled_from([[event], [event, event], [[event]], []])))


_BARE = request("x", requestId=None)
_CANCEL = {"schemaVersion": "1.0", "action": "cancel", "requestId": "r1"}
ENVELOPE_EDGES = tuple(
    json.dumps(value).encode()[:MAX_MESSAGE]
    for value in (
        *(cloud_event(_BARE, time=time) for time in TIMES),
        *(grid_event(_BARE, eventTime=time) for time in TIMES),
        *(alert(firedDateTime=time, custom={"restorePlan": "second"}) for time in TIMES),
        cloud_event(_CANCEL),
        cloud_event({"schemaVersion": "1.0", "action": "cancel"}),
        cloud_event(cloud_event(_BARE)),
        cloud_event(alert()),
        cloud_event(_BARE | {"replyTo": "restore-requests"}),
        grid_event(alert()),
        grid_event(_BARE | {"replyTo": "replies-1"}, topic=None),
        [grid_event(_BARE)] * 2,
        cloud_event(_BARE, id="\U0001f600" * 256, source="\U0001f600" * 2048),
        cloud_event(_BARE, id="\x7f"),
        cloud_event(json.dumps(_BARE)[:-1]),
        cloud_event("[" * 60_000),
        cloud_event(_BARE, **{f"extension{number}": "x" * 50 for number in range(800)}),
        alert(alertId="a" * 512, alertRuleID="\U0001f600" * 256, alertRule="☃" * 300),
        alert(alertTargetIDs=["x" * 1000] * 60, custom={"restorePlan": "x" * 3000}),
        alert(monitoringService="Azure Backup", custom={"restorePlan": "second"}),
        alert(monitorCondition="Resolved"),
        alert(alertRule="dry"),
        alert(custom={"restorePlan": "nowhere"}),
    )
)
"""Events and alerts at the edge of something."""
STORM = tuple(
    (json.dumps(alert(alertId=f"/alerts/{number}", **changes)).encode(), BEFORE[name])
    for number in range(3)
    for name, changes in (
        ("first", {}),
        ("dry", {"alertRule": "dry-2"}),
        ("second", {"custom": {"restorePlan": "second"}, "severity": "Sev4"}),
    )
)
"""Alerts, and for each the one that started what it is folded into."""


def envelopes_with_one_trick() -> Iterator[bytes]:
    """Good events and alerts with one trick in what identifies them, or in where they lead to."""
    for trick in TRICKS:
        for value, place in (
            (cloud_event(_BARE), ("id",)),
            (cloud_event(_BARE), ("source",)),
            (grid_event(_BARE), ("topic",)),
            (alert(), ("data", "essentials", "alertId")),
            (alert(), ("data", "essentials", "alertRule")),
            (alert(custom={"restorePlan": "first"}), ("data", "customProperties", "restorePlan")),
            (cloud_event(_BARE | {"replyTo": "replies"}), ("data", "replyTo")),
        ):
            wrong: Any = copy.deepcopy(value)
            holder = wrong
            for name in place[:-1]:
                holder = holder[name]
            text = holder[place[-1]]
            holder[place[-1]] = text[:-1] + trick + text[-1:]
            yield json.dumps(wrong).encode()
