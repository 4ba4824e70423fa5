"""The vault client over a real socket: its URLs, its lists, and what it makes of odd answers."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.arm_ids import ProtectedItemId, VaultId
from restore_core.azure_backup.backup import AzureBackup, operation_id_of
from restore_core.azure_backup.client import Answer, ArmClient
from restore_core.domain.vault import JobEnd, OperationStatus, ProtectedItem
from restore_core.errors import ArmAnswer, ArmError, LookupFailed, NoAnswer, NotSent
from restore_core.vocabulary import Reason
from tests.patience import PATIENCE
from tests.restore_core.given import (
    ACCOUNT,
    ACCOUNTS,
    ITEM,
    NOW,
    VAULT,
    Json,
    request_of,
    sample,
)
from tests.simulators.arm_server import ArmServer, Call, Reply, by_path, in_turn, serving

HARBOUR = VaultId.parse(VAULT)
ITEM_ID = ProtectedItemId.parse(ITEM)
OPERATION = "0a1b2c3d-0000-4000-8000-00000000000a"
ITEMS = sample("2024_items")["value"]
LEDGERS, CHARTS, PIER = (row["id"] for row in ITEMS)


def backup_of(server: ArmServer, *, cache: float = 300) -> AzureBackup:
    arm = ArmClient(
        endpoint=server.origin,
        api_version="2026-07-01",
        tokens=None,
        connect_limit=timedelta(seconds=PATIENCE),
        answer_limit=timedelta(seconds=PATIENCE),
    )
    return AzureBackup(arm, name_cache=timedelta(seconds=cache))


@contextmanager
def vault_saying(*replies: Reply) -> Iterator[tuple[AzureBackup, ArmServer]]:
    """A vault that gives these answers in turn."""
    with serving(in_turn(*replies)) as server:
        yield backup_of(server), server


def listed(*rows: object, **more: object) -> Reply:
    return Reply(body={"value": list(rows), **more})


def paged(pages: Mapping[str, Json]) -> tuple[Any, dict[str, str]]:
    """Answer each page by its mark; `{origin}` in a nextLink becomes the server's."""
    known: dict[str, str] = {}

    def answer(call: Call) -> Reply:
        mark = next((mark for mark in pages if mark and mark in call.target), "")
        body = copy.deepcopy(pages[mark])
        if isinstance(body.get("nextLink"), str):
            body["nextLink"] = body["nextLink"].format(**known)
        return Reply(body=body)

    return answer, known


# --- items


@pytest.mark.parametrize("name", ["2019_items", "2021_items", "2024_items"])
def test_an_item_is_found_by_account_and_share(name: str) -> None:
    with vault_saying(Reply(body=sample(name))) as (backup, server):
        item = backup.find_item(request_of())
        (call,) = server.calls
    assert item.share == "ledgers"
    assert str(item.id).casefold() == sample(name)["value"][0]["id"].casefold()
    assert call.method == "GET"
    assert unquote(call.target) == (
        f"{VAULT}/backupProtectedItems?api-version=2026-07-01"
        "&$filter=backupManagementType eq 'AzureStorage' and itemType eq 'AzureFileShare'"
    )


def test_an_item_is_found_by_its_id_in_any_case() -> None:
    with vault_saying(listed(*ITEMS)) as (backup, _):
        item = backup.find_item(request_of(source={"protectedItemId": CHARTS.swapcase()}))
    assert (item.share, str(item.id)) == ("charts", CHARTS)


@pytest.mark.parametrize(
    "changes",
    [
        {"friendlyName": "LEDGERS"},
        {"sourceResourceId": ACCOUNT.upper()},
        {"sourceResourceId": None},
        {"sourceResourceId": "", "friendlyName": "Ledgers"},
    ],
)
def test_names_are_compared_without_case_and_without_the_account_if_need_be(changes: Json) -> None:
    rows = copy.deepcopy(ITEMS)
    rows[0]["properties"] |= changes
    rows[0]["id"] = rows[0]["id"].replace(";quayfiles", ";QuayFiles")
    with vault_saying(listed(*rows)) as (backup, _):
        assert backup.find_item(request_of()).account_name == "QuayFiles"


def test_a_share_of_the_same_name_in_another_account_is_another_share() -> None:
    with vault_saying(listed(*ITEMS)) as (backup, _):
        source = {"storageAccountId": f"{ACCOUNTS}/pierfiles", "fileShare": "ledgers"}
        assert str(backup.find_item(request_of(source=source)).id) == PIER


def test_an_account_of_the_same_name_elsewhere_is_not_the_one() -> None:
    elsewhere = ACCOUNT.replace("files-rg", "other-rg")
    source = {"storageAccountId": elsewhere, "fileShare": "ledgers"}
    with vault_saying(listed(*ITEMS)) as (backup, _), pytest.raises(LookupFailed):
        backup.find_item(request_of(source=source))


def test_none_found_says_what_there_is() -> None:
    source = {"storageAccountId": ACCOUNT, "fileShare": "logbooks"}
    with vault_saying(listed(*ITEMS)) as (backup, server):
        with pytest.raises(LookupFailed) as raised:
            backup.find_item(request_of(source=source))
        assert len(server.calls) == 1
    assert raised.value.reason == Reason.SOURCE_NOT_FOUND
    assert str(raised.value) == (
        "The vault harbour protects no share logbooks of the storage account quayfiles."
    )
    # Whether the sender may know them is for those to say who know the guards.
    assert raised.value.listed == {
        "quayfiles/ledgers": f"{ACCOUNT}/fileServices/default/shares/ledgers",
        "quayfiles/charts": f"{ACCOUNT}/fileServices/default/shares/charts",
        "pierfiles/ledgers": f"{ACCOUNTS}/pierfiles/fileServices/default/shares/ledgers",
    }


def test_none_found_in_an_empty_vault_lists_none() -> None:
    with vault_saying(listed()) as (backup, _), pytest.raises(LookupFailed) as raised:
        backup.find_item(request_of(source={"protectedItemId": ITEM}))
    assert raised.value.listed == {}
    assert ITEM in str(raised.value)


def test_several_found_asks_for_an_id_and_lists_them() -> None:
    second = copy.deepcopy(ITEMS[0])
    second["id"] = second["id"][:-4] + "0000"
    with vault_saying(listed(*ITEMS, second)) as (backup, _), pytest.raises(LookupFailed) as raised:
        backup.find_item(request_of())
    assert raised.value.reason == Reason.SOURCE_AMBIGUOUS
    assert "protects 2 items that are share ledgers" in str(raised.value)
    assert LEDGERS in str(raised.value)
    assert second["id"] in str(raised.value)


@pytest.mark.parametrize(
    "row",
    [None, 5, "x", [], {}, {"id": 5}, {"id": "x", "properties": []}, ITEMS[0] | {"properties": 5}],
)
def test_rows_that_cannot_be_read_are_passed_over(row: object) -> None:
    with vault_saying(listed(row, *ITEMS[1:])) as (backup, _):
        assert backup.find_item(request_of(source={"protectedItemId": CHARTS})).share == "charts"


def test_a_list_is_kept_for_a_while_for_each_vault() -> None:
    with vault_saying(listed(*ITEMS)) as (backup, server):
        for _ in range(3):
            backup.find_item(request_of())
        # Another spelling of the same vault is the same vault.
        backup.find_item(request_of(vaultId=VAULT.upper()))
        assert len(server.calls) == 1
        with pytest.raises(LookupFailed):
            backup.find_item(request_of(vaultId=VAULT.replace("harbour", "lighthouse")))
        assert len(server.calls) == 2


def test_a_list_is_not_kept_where_that_is_off() -> None:
    with serving(listed(*ITEMS)) as server:
        backup = backup_of(server, cache=0)
        for _ in range(2):
            backup.find_item(request_of())
        assert len(server.calls) == 2


def test_a_share_that_is_missed_in_an_older_list_is_looked_for_again() -> None:
    with vault_saying(listed(*ITEMS[1:]), listed(*ITEMS)) as (backup, server):
        source = {"storageAccountId": ACCOUNT, "fileShare": "charts"}
        backup.find_item(request_of(source=source))
        (cached,) = backup._items._entries.values()
        cached.read_at -= 2
        assert backup.find_item(request_of()).share == "ledgers"
        assert len(server.calls) == 2


def test_a_list_that_could_not_be_read_is_not_kept() -> None:
    with vault_saying(Reply(status=500, body={}), listed(*ITEMS)) as (backup, _):
        with pytest.raises(ArmAnswer):
            backup.find_item(request_of())
        assert backup.find_item(request_of()).share == "ledgers"


# --- pages


def test_every_page_is_read_at_the_address_that_the_service_gives() -> None:
    answer, known = paged(
        {
            "$skipToken=b": {"value": [ITEMS[2]], "nextLink": None},
            "$skipToken=a%20x": {
                "value": [],
                "nextLink": "{origin}/elsewhere?api-version=2001-01-01&$skipToken=b",
            },
            "": {"value": ITEMS[:2], "nextLink": "{origin}/next?$skipToken=a%20x"},
        }
    )
    with serving(answer) as server:
        known["origin"] = server.origin
        source = {"storageAccountId": f"{ACCOUNTS}/pierfiles", "fileShare": "ledgers"}
        assert backup_of(server).find_item(request_of(source=source)).account_name == "pierfiles"
        assert [call.target.partition("?")[2] for call in server.calls[1:]] == [
            "$skipToken=a%20x",
            "api-version=2001-01-01&$skipToken=b",
        ]


@pytest.mark.parametrize(
    ("following", "error"),
    [
        ("http://elsewhere.example/next", NotSent),
        ("https://127.0.0.1/next", NotSent),
        ("/next", NotSent),
        ("nonsense", NotSent),
        (5, NoAnswer),
        (["{origin}/next"], NoAnswer),
        ({"href": "x"}, NoAnswer),
    ],
)
def test_a_next_page_that_is_not_ours_is_an_error_and_no_shorter_list(
    following: object, error: type[ArmError]
) -> None:
    with vault_saying(listed(*ITEMS, nextLink=following)) as (backup, server):
        with pytest.raises(error):
            backup.find_item(request_of())
        assert len(server.calls) == 1


@pytest.mark.parametrize("following", [None, "", ...])
def test_a_page_without_a_next_is_the_last(following: object) -> None:
    more = {} if following is ... else {"nextLink": following}
    with vault_saying(listed(*ITEMS, **more)) as (backup, server):
        backup.find_item(request_of())
        assert len(server.calls) == 1


def test_pages_in_a_circle_come_to_an_end() -> None:
    answer, known = paged(
        {
            "mark=b": {"value": [], "nextLink": "{origin}/next?mark=a"},
            "mark=a": {"value": [], "nextLink": "{origin}/next?mark=b"},
            "": {"value": ITEMS, "nextLink": "{origin}/next?mark=a"},
        }
    )
    with serving(answer) as server:
        known["origin"] = server.origin
        with pytest.raises(NoAnswer, match="do not come to an end"):
            backup_of(server).find_item(request_of())
        assert len(server.calls) == 3


@pytest.mark.parametrize(
    "second",
    [
        Reply(status=500, body={"error": {"code": "RestApiInternalError"}}),
        Reply(status=429, headers=(("Retry-After", "5"),)),
        Reply(raw=b"", end="close"),
        Reply(body={"value": None}),
    ],
)
def test_a_part_of_a_list_counts_for_nothing(second: Reply) -> None:
    def answer(call: Call) -> Reply:
        if "next" in call.path:
            return second
        return listed(*ITEMS, nextLink=f"http://{call.headers['Host']}/next")

    with serving(answer) as server:
        backup = backup_of(server)
        with pytest.raises(ArmError):
            backup.find_item(request_of())
        with pytest.raises(ArmError):
            backup.jobs(HARBOUR, since=NOW, now=NOW)


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(body={"value": None}), Reply(body={"value": {}}), Reply(body={"values": []})),
        *(Reply(body=[]), Reply(body={}), Reply(status=204), Reply(status=202), Reply(body=b"")),
        Reply(body=b"<html>please log in</html>"),
    ],
)
def test_a_list_that_is_no_list_is_an_error_and_not_an_empty_one(reply: Reply) -> None:
    with vault_saying(reply) as (backup, _):
        with pytest.raises(NoAnswer):
            backup.find_item(request_of())
        with pytest.raises(NoAnswer):
            backup.jobs(HARBOUR, since=NOW, now=NOW)


# --- recovery points


def the_item() -> ProtectedItem:
    return ProtectedItem(id=ITEM_ID, share="ledgers", account=None, account_name="quayfiles")


@pytest.mark.parametrize(
    ("name", "newest"),
    [
        ("2019_points", "48001100220033"),
        ("2021_points", "17001100220033"),
        ("2024_points", "72001100220033"),
        ("2026_points", "1847001100220033445"),
    ],
)
def test_the_newest_point_is_chosen_whatever_the_lists_order(name: str, newest: str) -> None:
    rows = sample(name)["value"]
    for ordered in (rows, rows[::-1]):
        with vault_saying(listed(*ordered)) as (backup, server):
            chosen = backup.choose_point(the_item(), request_of(), requested_at=NOW)
            (call,) = server.calls
        assert chosen.point.id == newest
        assert chosen.why == f"the newest of {len(rows)}"
        assert unquote(call.target) == f"{ITEM}/recoveryPoints?api-version=2026-07-01"


def test_points_are_read_over_several_pages() -> None:
    rows = sample("2019_points")["value"]
    answer, known = paged(
        {
            "next": {"value": rows[1:]},
            "": {"value": rows[:1], "nextLink": "{origin}/next"},
        }
    )
    with serving(answer) as server:
        known["origin"] = server.origin
        chosen = backup_of(server).choose_point(the_item(), request_of(), requested_at=NOW)
    assert chosen.point.id == rows[1]["name"]


@pytest.mark.parametrize(("date", "newest"), [(None, "1"), ("Thu, 05 Mar 2026 08:00:00 GMT", "2")])
def test_a_point_of_the_future_is_so_by_the_services_clock(date: str | None, newest: str) -> None:
    """Whatever the host's clock says: it is the service that has dated the points."""
    points = [
        ("1", "2026-02-04T08:00:00Z"),
        ("2", "2026-03-05T07:00:00Z"),
        ("3", "9998-01-01T00:00:00Z"),
    ]
    rows = [{"name": name, "properties": {"recoveryPointTime": time}} for name, time in points]
    headers = (("Date", date or "Wed, 04 Mar 2026 08:00:00 GMT"),)
    reply = Reply(body={"value": rows}, headers=headers)
    with vault_saying(reply) as (backup, _):
        chosen = backup.choose_point(the_item(), request_of(), requested_at=NOW)
    assert chosen.point.id == newest


# --- Resource Guards

RESTORE = (
    "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems"
    "/recoveryPoints/restore/action"
)
GUARDS = f"{ACCOUNTS.partition('/providers/')[0]}/providers/Microsoft.DataProtection/resourceGuards"
REQUEST = f"{GUARDS}/breakwater/restoreRequests/default"


def proxy(**requests: object) -> Json:
    """A Resource Guard proxy: what it wants for each operation, `restore` being the one."""
    return {
        "name": "VaultProxy",
        "properties": {
            "resourceGuardOperationDetails": [
                {
                    "vaultCriticalOperation": RESTORE if name == "restore" else name,
                    "defaultResourceRequest": request,
                }
                for name, request in requests.items()
            ]
        },
    }


def test_a_vault_without_a_guard_asks_for_nothing() -> None:
    with vault_saying(listed()) as (backup, server):
        assert backup.resource_guard_requests(HARBOUR) == ()
        (call,) = server.calls
    assert (call.method, call.body) == ("GET", b"")
    assert call.target == f"{VAULT}/backupResourceGuardProxies?api-version=2026-07-01"


def test_a_guard_that_protects_restores_says_what_they_must_carry() -> None:
    with vault_saying(listed(proxy(delete=f"{GUARDS}/x", restore=REQUEST))) as (backup, _):
        assert backup.resource_guard_requests(HARBOUR) == (REQUEST,)


def test_a_guard_that_protects_other_operations_asks_for_nothing() -> None:
    with vault_saying(listed(proxy(delete=REQUEST, disable=REQUEST))) as (backup, _):
        assert backup.resource_guard_requests(HARBOUR) == ()


def test_several_guards_are_all_named_once_each_in_their_order() -> None:
    wanted = (f"{GUARDS}/b/restoreRequests/default", f"{GUARDS}/a/restoreRequests/default")
    rows = [proxy(restore=request) for request in (*wanted, wanted[0])]
    with vault_saying(listed(*rows, proxy(delete=REQUEST))) as (backup, _):
        assert backup.resource_guard_requests(HARBOUR) == wanted


@pytest.mark.parametrize("row", [None, 5, "x", [], {}, {"properties": 5}, proxy(restore=5)])
def test_guards_that_cannot_be_read_are_passed_over(row: object) -> None:
    with vault_saying(listed(row, proxy(restore=REQUEST))) as (backup, _):
        assert backup.resource_guard_requests(HARBOUR) == (REQUEST,)


def test_guards_are_read_over_several_pages() -> None:
    answer, known = paged(
        {
            "next": {"value": [proxy(restore=REQUEST)]},
            "": {"value": [proxy(delete="/x"), proxy(restore="/1")], "nextLink": "{origin}/next"},
        }
    )
    with serving(answer) as server:
        known["origin"] = server.origin
        assert backup_of(server).resource_guard_requests(HARBOUR) == ("/1", REQUEST)


def test_a_part_of_the_guards_counts_for_nothing() -> None:
    def answer(call: Call) -> Reply:
        if "next" in call.path:
            return Reply(status=500, body={})
        return listed(proxy(restore="/1"), nextLink=f"http://{call.headers['Host']}/next")

    with serving(answer) as server, pytest.raises(ArmAnswer):
        backup_of(server).resource_guard_requests(HARBOUR)


@pytest.mark.parametrize("rows", [(), (proxy(restore=REQUEST),)])
def test_guards_are_kept_for_a_while_for_each_vault(rows: tuple[Json, ...]) -> None:
    with vault_saying(listed(*rows)) as (backup, server):
        first = backup.resource_guard_requests(HARBOUR)
        # Another spelling of the same vault is the same vault.
        again = backup.resource_guard_requests(VaultId.parse(VAULT.upper()))
        assert first == again
        assert len(server.calls) == 1
        backup.resource_guard_requests(VaultId.parse(VAULT.replace("harbour", "lighthouse")))
        assert len(server.calls) == 2
        backup._guards._entries[HARBOUR.key].read_at -= 301
        backup.resource_guard_requests(HARBOUR)
        assert len(server.calls) == 3


def test_guards_are_not_kept_where_that_is_off() -> None:
    with serving(listed()) as server:
        backup = backup_of(server, cache=0)
        for _ in range(2):
            backup.resource_guard_requests(HARBOUR)
        assert len(server.calls) == 2


def test_items_and_guards_of_a_vault_are_kept_apart() -> None:
    lists = {
        "/backupProtectedItems?": listed(*ITEMS),
        "/backupResourceGuardProxies?": listed(proxy(restore=REQUEST)),
    }
    with serving(by_path(lists)) as server:
        backup = backup_of(server)
        for _ in range(2):
            assert backup.find_item(request_of()).share == "ledgers"
            assert backup.resource_guard_requests(HARBOUR) == (REQUEST,)
        assert len(server.calls) == 2


def test_guards_that_could_not_be_read_are_an_error_which_is_not_kept() -> None:
    refused_once = Reply(status=404, body={"error": {"code": "ResourceNotFound"}})
    with vault_saying(refused_once, listed(proxy(restore=REQUEST))) as (backup, _):
        with pytest.raises(ArmAnswer) as raised:
            backup.resource_guard_requests(HARBOUR)
        assert (raised.value.status, raised.value.code) == (404, "ResourceNotFound")
        assert backup.resource_guard_requests(HARBOUR) == (REQUEST,)


@pytest.mark.parametrize("reply", [Reply(body={}), Reply(body={"value": None}), Reply(status=204)])
def test_guards_that_are_no_list_are_an_error_and_not_none_at_all(reply: Reply) -> None:
    with vault_saying(reply) as (backup, _), pytest.raises(NoAnswer):
        backup.resource_guard_requests(HARBOUR)


# --- the restore POST


def sent(reply: Reply) -> tuple[str, Call]:
    with vault_saying(reply) as (backup, server):
        post = backup.prepare_restore(ITEM_ID, "932881138555802864", '{"properties":{}}', "c-1")
        assert server.connections == 0
        operation_id = post.send()
        (call,) = server.calls
    return operation_id, call


def accepted(**headers: str) -> Reply:
    given_headers = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Reply(status=202, headers=given_headers)


URL = f"https://management.azure.com{ITEM}"


def test_a_restore_is_posted_to_its_point_with_its_id() -> None:
    operation_id, call = sent(accepted(Azure_AsyncOperation=f"{URL}/operationsStatus/{OPERATION}"))
    assert operation_id == OPERATION
    assert call.method == "POST"
    assert unquote(call.target) == (
        f"{ITEM}/recoveryPoints/932881138555802864/restore?api-version=2026-07-01"
    )
    assert "StorageContainer%3Bstorage%3Bfiles-rg%3Bquayfiles" in call.target
    assert call.headers["x-ms-client-request-id"] == "c-1"
    assert call.body == b'{"properties":{}}'


SIGNED = sample("2024_accepted")["headers"]


@pytest.mark.parametrize(
    ("headers", "operation_id"),
    [
        ({"Location": f"{URL}/operationResults/{OPERATION}?api-version=2016-12-01"}, OPERATION),
        ({"Azure_AsyncOperation": f"{URL}/operationsStatus/{OPERATION}"}, OPERATION),
        ({"azure_asyncoperation": f"{URL}/OPERATIONSSTATUS/{OPERATION.upper()}?x"}, OPERATION),
        ({"Location": f"{URL}/backupOperationResults/{OPERATION}"}, OPERATION),
        ({"Location": f"{URL}/backupOperations/{OPERATION}/"}, OPERATION),
        (
            {"Azure_AsyncOperation": "", "Location": f"{URL}/operationResults/{OPERATION}"},
            OPERATION,
        ),
        (
            {
                "Azure_AsyncOperation": f"{URL}/operationsStatus/0a1b2c3d-0000",
                "Location": f"{URL}/operationResults/{OPERATION}?x=1",
            },
            OPERATION,
        ),
        ({"Location": SIGNED["Location"]}, SIGNED["Location"].split("?")[0].rpartition("/")[2]),
        (
            {"Azure_AsyncOperation": SIGNED["Azure-AsyncOperation"]},
            SIGNED["Location"].split("?")[0].rpartition("/")[2],
        ),
        (
            {"Location": f"https://elsewhere.example/operationResults/{OPERATION}"},
            OPERATION,
        ),
    ],
)
def test_the_operation_id_is_read_off_either_header(
    headers: dict[str, str], operation_id: str
) -> None:
    assert sent(accepted(**headers))[0] == operation_id


def test_a_doubled_header_names_one_operation() -> None:
    link = f"{URL}/operationsStatus/{OPERATION}"
    for first in (link, f"{link}?api-version=2016-12-01"):
        doubled = (("Azure-AsyncOperation", first), ("Azure-AsyncOperation", link))
        assert sent(Reply(status=202, headers=doubled))[0] == OPERATION


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Location": ""},
        {"Location": f"{URL}/operationResults/"},
        {"Location": f"{URL}/operationResults/{OPERATION[:-1]}"},
        {"Location": f"{URL}/operationResults/{OPERATION}0"},
        {"Location": f"{URL}/operationResults/{OPERATION[:8]}"},
        {"Location": f"{URL}/operationResults/../../x"},
        {"Location": f"{URL}/somethingElse/{OPERATION}"},
        {"Location": OPERATION},
        {"Retry_After": "60"},
    ],
)
def test_a_202_that_names_no_operation_leaves_open_what_happened(headers: dict[str, str]) -> None:
    with pytest.raises(NoAnswer, match="names no operation"):
        sent(accepted(**headers))


@pytest.mark.parametrize("status", [200, 204])
def test_another_success_than_202_leaves_open_what_happened(status: int) -> None:
    link = (("Location", f"{URL}/operationResults/{OPERATION}"),)
    with pytest.raises(NoAnswer, match=f"HTTP {status} where 202 was due"):
        sent(Reply(status=status, headers=link))


@pytest.mark.parametrize("status", [201, 206, 307, 400, 401, 409, 429, 500])
def test_any_other_status_of_a_restore_is_what_the_service_said(status: int) -> None:
    with pytest.raises(ArmAnswer) as raised:
        sent(Reply(status=status, body={"error": {"code": "Because"}}))
    assert (raised.value.status, raised.value.code) == (status, "Because")


@given(st.text())
def test_any_header_names_an_operation_or_none(text: str) -> None:
    answer = Answer(status=202, headers={"Location": text}, body={})
    operation_id = operation_id_of(answer)
    assert operation_id is None or len(operation_id) == 36


def test_a_restores_url_can_be_shown() -> None:
    with vault_saying(listed()) as (backup, server):
        assert backup.restore_url(ITEM_ID, "1").startswith(f"{server.origin}/subscriptions/")
        assert backup.restore_url(ITEM_ID, "1").endswith("/1/restore?api-version=2026-07-01")


# --- operations, jobs, cancel


def test_an_operation_is_read_by_the_unsigned_route_of_the_vault() -> None:
    with vault_saying(Reply(body=sample("2019_operation"))) as (backup, server):
        operation = backup.operation(HARBOUR, OPERATION)
        (call,) = server.calls
    assert operation.status is OperationStatus.SUCCEEDED
    assert call.path == f"{VAULT}/backupOperations/{OPERATION}"


def test_a_job_is_read_with_its_details() -> None:
    body = sample("2026_job_completed")
    with vault_saying(Reply(body=body)) as (backup, server):
        job = backup.job(HARBOUR, body["name"])
        assert server.calls[0].path == f"{VAULT}/backupJobs/{body['name']}"
    assert job.end is JobEnd.COMPLETED
    assert job.directories.restored == 1


@pytest.mark.parametrize("body", [{"properties": {}}, {"name": "a/b"}, sample("2019_points")])
def test_a_page_that_is_no_job_is_no_answer(body: Json) -> None:
    with vault_saying(Reply(body=body)) as (backup, _), pytest.raises(NoAnswer):
        backup.job(HARBOUR, OPERATION)


def test_jobs_are_listed_with_a_day_around_and_never_by_status() -> None:
    with vault_saying(Reply(body=sample("2026_jobs"))) as (backup, server):
        since = datetime(2026, 5, 4, 13, 5, 9, tzinfo=UTC)
        listing = backup.jobs(HARBOUR, since=since, now=since + timedelta(hours=11))
        (call,) = server.calls
    assert [job.id for job in listing.jobs] == [row["name"] for row in sample("2026_jobs")["value"]]
    assert listing.started == listing.ended == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert call.path == f"{VAULT}/backupJobs"
    assert unquote(call.target).partition("$filter=")[2] == (
        "operation eq 'Restore' and backupManagementType eq 'AzureStorage' and "
        "startTime eq '2026-05-03 01:05:09 PM' and endTime eq '2026-05-06 12:05:09 AM'"
    )


def test_a_listing_knows_the_dates_of_its_first_and_last_page() -> None:
    def answer(call: Call) -> Reply:
        if "next" in call.path:
            date = (("Date", "Sun, 22 Nov 2026 08:00:07 GMT"),)
            return Reply(body={"value": [sample("2025_job_completed")]}, headers=date)
        return listed(*sample("2026_jobs")["value"], nextLink=f"http://{call.headers['Host']}/next")

    with serving(answer) as server:
        listing = backup_of(server).jobs(HARBOUR, since=NOW, now=NOW)
    assert len(listing.jobs) == 3
    assert listing.started == datetime(2026, 11, 22, 8, tzinfo=UTC)
    assert listing.ended == datetime(2026, 11, 22, 8, 0, 7, tzinfo=UTC)


def test_a_listing_finds_the_jobs_of_posts_in_any_case() -> None:
    with vault_saying(Reply(body=sample("2026_jobs"))) as (backup, _):
        listing = backup.jobs(HARBOUR, since=NOW, now=NOW)
    activity = sample("2026_job_completed")["properties"]["activityId"]
    assert [job.activity_id for job in listing.of(activity.upper())] == [activity]
    assert listing.of("another") == []


def test_a_listing_without_a_date_has_none() -> None:
    with vault_saying(listed()) as (backup, server):
        server.answer = in_turn(Reply(body={"value": []}, headers=(("Date", "yesterday"),)))
        listing = backup.jobs(HARBOUR, since=NOW, now=NOW)
    assert (listing.jobs, listing.started, listing.ended) == ((), None, None)


def test_a_cancel_is_an_empty_post() -> None:
    with vault_saying(Reply(status=202)) as (backup, server):
        backup.cancel(HARBOUR, OPERATION)
        (call,) = server.calls
    assert (call.method, call.body) == ("POST", b"")
    assert call.target == f"{VAULT}/backupJobs/{OPERATION}/cancel?api-version=2026-07-01"


@pytest.mark.parametrize("status", [200, 204])
def test_a_cancel_that_is_answered_otherwise_is_unknown(status: int) -> None:
    with vault_saying(Reply(status=status)) as (backup, _), pytest.raises(NoAnswer):
        backup.cancel(HARBOUR, OPERATION)


def test_a_cancel_whose_token_is_refused_is_sent_once_more() -> None:
    with vault_saying(Reply(status=401, body={}), Reply(status=202)) as (backup, server):
        backup.cancel(HARBOUR, OPERATION)
        assert len(server.calls) == 2
    with vault_saying(Reply(status=401, body={})) as (backup, server):
        with pytest.raises(ArmAnswer):
            backup.cancel(HARBOUR, OPERATION)
        assert len(server.calls) == 2


def test_a_cancel_that_is_refused_says_why() -> None:
    replies = by_path({"/cancel": Reply(status=400, body={"error": {"code": "NotCancellable"}})})
    with serving(replies) as server, pytest.raises(ArmAnswer) as raised:
        backup_of(server).cancel(HARBOUR, OPERATION)
    assert raised.value.code == "NotCancellable"
