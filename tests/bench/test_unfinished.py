"""A benchmark that ends half way keeps what it had, and set-up writes outlive lost connections."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from azure.data.tables import TableServiceClient

from bench import __main__ as bench
from bench.__main__ import Part, main
from bench.figure import Figure
from bench.records import Patterns, write_finished
from local.storage import running


def content(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def names(folder: Path) -> list[str]:
    return [one["name"] for one in content(folder)["figures"]]


def figure(name: str) -> Figure:
    return Figure(name=name, title=name.upper(), unit="s", goal=2, measured=1)


def parts(
    monkeypatch: pytest.MonkeyPatch, **measures: Callable[[bench.Run], Iterator[Figure]]
) -> None:
    """Let the benchmark have two parts, the first of two figures and the second of one."""
    figures = {"first": ("a", "b"), "second": ("c",)}
    made = {name: Part(figures=figures[name], measure=each) for name, each in measures.items()}
    monkeypatch.setattr(bench, "PARTS", made)


def c_alone(_run: bench.Run) -> Iterator[Figure]:
    yield figure("c")


def test_each_figure_is_written_as_soon_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], list[str]]] = []

    def look() -> None:
        seen.append((names(tmp_path), content(tmp_path)["missing"]))

    def first(_run: bench.Run) -> Iterator[Figure]:
        look()
        yield figure("a")
        look()
        yield figure("b")

    def second(_run: bench.Run) -> Iterator[Figure]:
        look()
        yield figure("c")

    parts(monkeypatch, first=first, second=second)
    assert main(["--quick", "--results", str(tmp_path)]) == 0
    look()
    assert seen == [
        ([], ["a", "b", "c"]),
        (["a"], ["b", "c"]),
        (["a", "b"], ["c"]),
        (["a", "b", "c"], []),
    ]


def test_a_part_that_fails_takes_no_other_figure_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def first(_run: bench.Run) -> Iterator[Figure]:
        yield figure("a")
        raise ConnectionError("Azurite hung up")

    parts(monkeypatch, first=first, second=c_alone)
    assert main(["--quick", "--results", str(tmp_path)]) == 1
    assert (names(tmp_path), content(tmp_path)["missing"]) == (["a", "c"], ["b"])
    assert sorted(path.stem for path in tmp_path.glob("*.svg")) == ["a", "c", "overview"]
    said = capsys.readouterr()
    assert "Azurite hung up" in said.err
    assert re.search(r"not measured: b\. .*--only NAME", said.err)
    assert re.search(r"^A +1 .*\nC +1 ", said.out, re.MULTILINE)


def test_a_run_that_is_interrupted_leaves_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def first(_run: bench.Run) -> Iterator[Figure]:
        yield figure("a")
        raise KeyboardInterrupt

    parts(monkeypatch, first=first, second=c_alone)
    with pytest.raises(KeyboardInterrupt):
        main(["--quick", "--results", str(tmp_path)])
    assert (names(tmp_path), content(tmp_path)["missing"]) == (["a"], ["b", "c"])
    assert "not measured: b, c." in capsys.readouterr().err


@pytest.mark.parametrize("fails", [True, False])
def test_only_a_whole_run_replaces_the_results_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    def first(_run: bench.Run) -> Iterator[Figure]:
        yield figure("a")
        if fails:
            raise ConnectionError
        yield figure("b")

    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "gone.svg").write_text("of an earlier run")
    monkeypatch.setattr(bench, "_RESULTS", kept)
    monkeypatch.chdir(tmp_path)
    parts(monkeypatch, first=first, second=c_alone)
    assert main([]) == (1 if fails else 0)
    found = sorted(path.name for path in kept.iterdir())
    whole = ["a.svg", "b.svg", "c.svg", "overview.svg", "results.json"]
    assert found == (["gone.svg"] if fails else whole)
    assert names(tmp_path / ".data" / "bench") == (["a", "c"] if fails else ["a", "b", "c"])


class _Forgetful(socketserver.ThreadingTCPServer):
    """Passes each connection on to Azurite, and hangs up on some when the answer comes."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, to: tuple[str, int], times: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.to = to
        self.lock = threading.Lock()
        self.left = times


class _Passing(socketserver.BaseRequestHandler):
    server: _Forgetful

    def handle(self) -> None:
        with socket.create_connection(self.server.to) as onward:
            sending = threading.Thread(target=self._send, args=(onward,))
            sending.start()
            while data := onward.recv(65536):
                with self.server.lock:
                    forgets = self.server.left > 0
                    self.server.left -= forgets
                if forgets:
                    break
                self.request.sendall(data)
            for one in (self.request, onward):
                one.shutdown(socket.SHUT_RDWR)
            sending.join()

    def _send(self, onward: socket.socket) -> None:
        try:
            while data := self.request.recv(65536):
                onward.sendall(data)
            onward.shutdown(socket.SHUT_WR)
        except OSError:
            return


@contextmanager
def forgetting(connection: str, *, times: int) -> Iterator[tuple[str, _Forgetful]]:
    """The connection string of tables that do as they are told and do not say so."""
    endpoint = re.search(r"TableEndpoint=([^;]+)", connection)
    assert endpoint is not None
    there = urlsplit(endpoint[1])
    assert there.hostname is not None
    assert there.port is not None
    with _Forgetful((there.hostname, there.port), times) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            here = f"http://127.0.0.1:{server.server_address[1]}{there.path}"
            yield connection.replace(endpoint[0], f"TableEndpoint={here}"), server
        finally:
            server.shutdown()
            thread.join()


def test_records_are_written_once_though_connections_are_lost() -> None:
    patterns = Patterns.made()
    with (
        running() as azurite,
        TableServiceClient.from_connection_string(azurite.connection_string) as tables,
    ):
        restores = tables.create_table("restores")
        with forgetting(azurite.connection_string, times=2) as (storage, server):
            write_finished(storage, patterns, 250)
            assert server.left == 0, "no connection was lost"
        found = [str(row["RowKey"]) for row in restores.list_entities(select=["RowKey"])]
    assert sorted(found) == [f"finished-{number:06d}" for number in range(250)]
