"""The parts without sockets or files: times, filters, paths of the service, vaults.json."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.vault import Catalogue, CatalogueError
from local.vault.everything import fill_everything
from local.vault.odata import FilterError, parse_filter, parse_time
from local.vault.options import EmulatorOptions
from local.vault.restore_request import InvalidInputError, share_path
from local.vault.routes import match_route
from local.vault.shares import Layout
from local.vault.ticks import (
    from_datetime,
    iso_duration,
    parse_rfc3339,
    rfc3339,
    to_datetime,
    us_text,
)

TICK = 10_000_000


@pytest.mark.parametrize(
    ("ticks", "text"),
    [
        (331_074_771, "PT33.1074771S"),
        (667_008_547, "PT1M6.7008547S"),
        (60 * TICK, "PT1M"),
        (633 * TICK, "PT10M33S"),
        (3600 * TICK + 5_000_000, "PT1H0.5S"),
        (86_400 * TICK, "P1D"),
        (90_061 * TICK, "P1DT1H1M1S"),
        (0, "PT0S"),
        (-5, "PT0S"),
    ],
)
def test_durations_are_written_as_dot_net_does(ticks: int, text: str) -> None:
    assert iso_duration(ticks) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "56Z"), (7_589_257, "56.7589257Z"), (7_500_000, "56.75Z"), (1, "56.0000001Z")],
)
def test_times_lose_their_trailing_zeros(fraction: int, text: str) -> None:
    whole = parse_rfc3339("2026-09-21T07:07:56Z")
    assert rfc3339(whole + fraction) == f"2026-09-21T07:07:{text}"


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2021-02-18T05:45:36Z", "2/18/2021 5:45:36 AM"),
        ("2024-04-18T19:01:05Z", "4/18/2024 7:01:05 PM"),
        ("2024-12-01T00:00:00Z", "12/1/2024 12:00:00 AM"),
        ("2024-12-01T12:30:00Z", "12/1/2024 12:30:00 PM"),
    ],
)
def test_american_times_are_not_padded(time: str, text: str) -> None:
    assert us_text(parse_rfc3339(time)) == text


def test_a_time_without_a_zone_is_no_time() -> None:
    with pytest.raises(ValueError, match="zone"):
        parse_rfc3339("2026-01-01T00:00:00")


@given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_a_filter_reads_every_second_that_a_client_writes(moment: datetime) -> None:
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    text = moment.strftime("%Y-%m-%d %I:%M:%S %p")
    assert to_datetime(parse_time(text)) == moment


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2026-01-05 12:00:00 AM", 0),
        ("2026-01-05 00:00:00 AM", 0),
        ("2026-01-05 12:00:00 PM", 12),
        ("2026-01-05 01:00:00 PM", 13),
        ("2026-01-05 13:00:00 PM", 13),
        ("2026-01-05 1:00:00 am", 1),
    ],
)
def test_the_twelve_hour_clock_is_read_leniently(text: str, hour: int) -> None:
    assert parse_time(text) == from_datetime(datetime(2026, 1, 5, hour, tzinfo=UTC))


def test_a_filter_finds_its_keys_in_any_casing_and_order() -> None:
    text = "Status EQ 'In''Progress' AND operation eq 'Restore'"
    assert parse_filter(text, ("operation", "status")) == {
        "status": "In'Progress",
        "operation": "Restore",
    }
    assert parse_filter(None, ()) == parse_filter("  ", ()) == {}


@pytest.mark.parametrize(
    "text", ["a eq 'x' a eq 'x'", "a eq x", "a eq 'x' and a eq 'y'", "b eq ''"]
)
def test_a_filter_with_anything_else_is_refused(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text, ("a",))


@given(st.text())
def test_a_path_of_a_share_never_leaves_it(text: str) -> None:
    try:
        path = share_path(text, "path")
    except InvalidInputError:
        return
    assert ".." not in path.split("/")
    assert not path.startswith("/")


@pytest.mark.parametrize(("text", "path"), [("/", ""), ("a/b", "a/b"), ("/a/", "a")])
def test_slashes_around_a_path_mean_nothing(text: str, path: str) -> None:
    assert share_path(text, "path") == path


def test_a_slash_in_disguise_makes_no_segment() -> None:
    base = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"
    route = match_route("GET", f"{base}/backupJobs/a%2Fcancel")
    assert route is not None
    assert (route.name, route.names["job"]) == ("job", "a/cancel")
    assert match_route("PUT", f"{base}/backupJobs/a") is None


def test_vaults_json_reads_back_as_it_was_written(tmp_path: Path) -> None:
    layout = Layout(root=tmp_path)
    fill_everything(layout)
    catalogue = Catalogue.load(layout.vaults_file)
    catalogue.save(tmp_path / "copy.json")
    assert Catalogue.load(tmp_path / "copy.json") == catalogue
    assert len(catalogue.vaults) == 2
    assert catalogue.vault(catalogue.vaults[0].subscription.upper(), "AZUREFILES", "GuardedVault")


def test_a_short_vaults_json_has_sensible_defaults(tmp_path: Path) -> None:
    point = {"id": "1", "time": "2026-01-01T00:00:00Z"}
    item = {"account": "acc", "share": "docs", "recoveryPoints": [point]}
    vault = {"subscription": "s", "resourceGroup": "g", "name": "v", "items": [item]}
    (tmp_path / "v.json").write_text(json.dumps({"vaults": [vault]}))
    (read,) = Catalogue.load(tmp_path / "v.json").vaults[0].items
    assert read.item_name == "AzureFileShare;docs"
    assert read.container_name == "StorageContainer;storage;g;acc"
    assert read.points[0].tiers == ("InstantRP",)


@pytest.mark.parametrize(
    "change",
    [
        {"account": "../x"},
        {"share": "a/b"},
        {"share": None},
        {"recoveryPoints": [{"id": 7, "time": "2026-01-01T00:00:00Z"}]},
        {"recoveryPoints": [{"id": "12345678901234567890", "time": "2026-01-01T00:00:00Z"}]},
        {"recoveryPoints": [{"id": "1", "time": "yesterday"}]},
        {"recoveryPoints": [{"id": "1"}]},
    ],
)
def test_vaults_json_with_a_mistake_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    item = {"account": "acc", "share": "docs", **change}
    vault = {"subscription": "s", "resourceGroup": "g", "name": "v", "items": [item]}
    (tmp_path / "v.json").write_text(json.dumps({"vaults": [vault]}))
    with pytest.raises(CatalogueError):
        Catalogue.load(tmp_path / "v.json")


@pytest.mark.parametrize("change", [{"time_scale": 0}, {"page_size": 0}])
def test_options_that_cannot_work_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        EmulatorOptions(**change)  # type: ignore[arg-type]
