"""Files that people review: read anew each time, parsed when their bytes have changed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from restore_core.domain.record import RestoreRecord
from restore_core.errors import FileInvalid, Problem
from restore_core.policy.guards import read_guards
from restore_core.policy.reviewed_file import MAX_FILE_BYTES, ReviewedFile, in_words
from restore_core.vocabulary import WaitingFor
from tests.restore_core.given import NOW, request_of


class Lines:
    """Parses a file into its lines, and remembers what it was given; `wrong` lines are problems."""

    def __init__(self) -> None:
        self.given: list[bytes] = []

    def __call__(self, text: bytes) -> list[str]:
        self.given.append(text)
        lines = text.decode().split()
        wrong = [
            Problem(path=f"lines[{at}]", message="must not be wrong", did_you_mean="right")
            for at, line in enumerate(lines)
            if line == "wrong"
        ]
        if wrong:
            raise FileInvalid(wrong)
        return lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "folder-of-secrets"
    folder.mkdir()
    return folder / "rules.json"


def said_of(file: ReviewedFile[list[str]]) -> list[str]:
    """Read a file that cannot be used, and return «path message» of each problem."""
    with pytest.raises(FileInvalid) as raised:
        file.read()
    assert raised.value.problems
    return [f"{problem.path} {problem.message}" for problem in raised.value.problems]


def test_a_file_is_read_and_parsed(path: Path) -> None:
    path.write_text("one two")
    assert ReviewedFile(path, Lines()).read() == ["one", "two"]


def test_a_file_is_parsed_once_for_the_same_bytes(path: Path) -> None:
    parse = Lines()
    file = ReviewedFile(path, parse)
    path.write_text("one")
    first = file.read()
    path.write_text("one")  # a deployment that changes the file's time and nothing else
    assert file.read() is first
    assert parse.given == [b"one"]


def test_a_wrong_file_is_parsed_once_and_said_each_time(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    parse = Lines()
    file = ReviewedFile(path, parse)
    path.write_text("one wrong")
    for _ in range(3):
        assert said_of(file) == ["rules.json lines[1] must not be wrong"]
    assert parse.given == [b"one wrong"]
    assert caplog.messages == [
        "a file cannot be used: rules.json lines[1] must not be wrong (did you mean right?)"
    ]


def test_a_file_goes_from_missing_to_wrong_to_good_and_away_again(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    parse = Lines()
    file = ReviewedFile(path, parse)
    missing = ["rules.json $ cannot be read: No such file or directory"]
    assert said_of(file) == missing
    path.write_text("wrong")
    assert said_of(file) == ["rules.json lines[0] must not be wrong"]
    path.write_text("corrected")
    assert file.read() == ["corrected"]
    path.unlink()
    assert said_of(file) == missing  # the older version does not hold on
    path.write_text("corrected")
    assert file.read() == ["corrected"]
    assert parse.given == [b"wrong", b"corrected", b"corrected"]
    assert [one.levelname for one in caplog.records] == ["ERROR", "ERROR", "INFO", "ERROR", "INFO"]


def test_a_missing_file_is_logged_once_for_as_long_as_it_is_missing(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = ReviewedFile(path, Lines())
    for _ in range(2):
        for _ in range(3):
            said_of(file)
        path.write_text("good")
        file.read()
        path.unlink()
    line = "a file cannot be used: rules.json $ cannot be read: No such file or directory"
    assert caplog.messages == [line] * 2


def test_a_good_file_that_turns_wrong_does_not_hold_on(path: Path) -> None:
    file = ReviewedFile(path, Lines())
    path.write_text("good")
    file.read()
    path.write_text("good wrong")
    assert said_of(file) == ["rules.json lines[1] must not be wrong"]


def a_directory(path: Path) -> Path:
    path.mkdir()
    return path


def a_circle_of_links(path: Path) -> Path:
    path.symlink_to(path)
    return path


def something_below_a_file(path: Path) -> Path:
    path.write_text("good")
    return path / "rules.json"


def a_name_that_is_too_long(path: Path) -> Path:
    return path.with_name("r" * 300)


def nothing_but_a_link(path: Path) -> Path:
    path.symlink_to("nowhere.json")
    return path


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_directory, "Is a directory"),
        (a_circle_of_links, "Too many levels of symbolic links"),
        (something_below_a_file, "Not a directory"),
        (a_name_that_is_too_long, "File name too long"),
        (nothing_but_a_link, "No such file or directory"),
    ],
)
def test_what_cannot_be_read_is_wrong_and_says_why(
    path: Path, make: Callable[[Path], Path], why: str
) -> None:
    made, parse = make(path), Lines()
    assert said_of(ReviewedFile(made, parse)) == [f"{made.name} $ cannot be read: {why}"]
    assert parse.given == []


def test_a_file_may_have_a_mebibyte_and_no_more(path: Path) -> None:
    parse = Lines()
    file = ReviewedFile(path, parse)
    path.write_bytes(b"x" * MAX_FILE_BYTES)
    assert file.read() == ["x" * MAX_FILE_BYTES]
    path.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    assert said_of(file) == ["rules.json $ is larger than 1048576 bytes"]
    assert len(parse.given) == 1
    path.write_bytes(b"x" * MAX_FILE_BYTES)
    assert file.read() == ["x" * MAX_FILE_BYTES]


def test_a_file_without_an_end_is_given_up() -> None:
    # Nothing that follows the limit is read.
    assert said_of(ReviewedFile(Path("/dev/zero"), Lines())) == [
        "zero $ is larger than 1048576 bytes"
    ]


@pytest.mark.parametrize("text", [None, "wrong"])
def test_a_problem_names_the_file_and_not_its_folder(path: Path, text: str | None) -> None:
    if text is not None:
        path.write_text(text)
    with pytest.raises(FileInvalid) as raised:
        ReviewedFile(path, Lines()).read()
    (problem,) = raised.value.problems
    assert problem.path.startswith("rules.json ")
    assert "folder-of-secrets" not in f"{raised.value} {in_words(raised.value)} {problem}"


def test_what_was_meant_is_kept(path: Path) -> None:
    path.write_text("wrong")
    with pytest.raises(FileInvalid) as raised:
        ReviewedFile(path, Lines()).read()
    assert [problem.did_you_mean for problem in raised.value.problems] == ["right"]


def test_a_record_can_be_written_whatever_bytes_a_file_name_holds(
    tmp_path: Path,
) -> None:
    path = tmp_path / os.fsdecode(b"r\xffles.json")
    with pytest.raises(FileInvalid) as raised:
        ReviewedFile(path, Lines()).read()
    said = in_words(raised.value)
    assert said == r"r\udcffles.json $ cannot be read: No such file or directory"
    record = RestoreRecord.accept(request_of(), message_id="m", requested_at=NOW, now=NOW)
    waiting = record.waiting(WaitingFor.GUARDS_INVALID, said)
    assert RestoreRecord.from_json(waiting.to_json()) == waiting


def test_an_error_of_the_parser_passes_through_and_keeps_nothing(path: Path) -> None:
    def parse(text: bytes) -> int:
        return int(text)

    file = ReviewedFile(path, parse)
    path.write_text("1")
    assert file.read() == 1
    path.write_text("one")
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            file.read()
    path.write_text("2")
    assert file.read() == 2


def test_threads_parse_a_file_once(path: Path) -> None:
    parse = Lines()
    file = ReviewedFile(path, parse)
    path.write_text("one")
    ready = threading.Barrier(8)

    def read() -> list[str]:
        ready.wait()
        return file.read()

    with ThreadPoolExecutor(8) as pool:
        read_ones = [one.result() for one in [pool.submit(read) for _ in range(8)]]
    assert parse.given == [b"one"]
    assert all(one is read_ones[0] for one in read_ones)


def test_threads_see_each_a_version_that_stood_there_while_the_file_changes(path: Path) -> None:
    file = ReviewedFile(path, Lines())
    path.write_text("version 0")
    done = threading.Event()
    seen: set[tuple[str, ...]] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(tuple(file.read()))

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for number in range(1, 200):
                fresh = path.with_name("fresh")
                fresh.write_text(f"version {number}")
                fresh.replace(path)
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert seen <= {("version", str(number)) for number in range(200)}
    assert file.read() == ["version", "199"]


def test_each_thread_gets_an_error_of_its_own(path: Path) -> None:
    # A traceback grows on the exception that is raised; a shared one would grow for ever.
    path.write_text("wrong")
    file = ReviewedFile(path, Lines())
    raised = []
    for _ in range(2):
        with pytest.raises(FileInvalid) as caught:
            file.read()
        raised.append(caught.value)
    assert raised[0] is not raised[1]


def problems(count: int) -> FileInvalid:
    return FileInvalid([Problem(path=f"rules[{at}]", message="is wrong") for at in range(count)])


@pytest.mark.parametrize("count", [1, 5])
def test_in_words_a_few_problems_are_all_there(count: int) -> None:
    assert in_words(problems(count)) == "; ".join(f"rules[{at}] is wrong" for at in range(count))


@pytest.mark.parametrize(("count", "more"), [(6, 1), (101, 96)])
def test_in_words_the_first_five_problems_stand_and_how_many_more(count: int, more: int) -> None:
    assert in_words(problems(count)) == (
        "rules[0] is wrong; rules[1] is wrong; rules[2] is wrong; rules[3] is wrong; "
        f"rules[4] is wrong; and {more} more"
    )


def test_in_words_what_was_meant_is_said() -> None:
    problem = Problem(path="rule", message="is not a field of this file", did_you_mean="rules")
    words = "rule is not a field of this file (did you mean rules?)"
    assert in_words(FileInvalid([problem])) == words


def test_guards_are_such_a_file(path: Path) -> None:
    file = ReviewedFile(path, read_guards)
    path.write_text('{"schemaVersion": "1.0", "rulse": []}')
    with pytest.raises(FileInvalid) as raised:
        file.read()
    assert in_words(raised.value) == (
        "rules.json rulse is not a field of this file (did you mean rules?)"
    )
