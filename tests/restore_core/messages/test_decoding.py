from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restore_core.errors import MessageInvalid
from restore_core.messages.decoding import (
    MAX_DEPTH,
    join,
    read_object,
    read_plain_object,
    with_valid_text,
)
from tests.restore_core.given import json_values
from tests.restore_core.growth import assert_grows_at_most

BODY = {"requestId": "größer", "n": [1, {"a": None}]}
PLAIN = json.dumps(BODY, ensure_ascii=False).encode()
BOM = b"\xef\xbb\xbf"


def packed(body: bytes, *, urlsafe: bool = False) -> bytes:
    return base64.urlsafe_b64encode(body) if urlsafe else base64.b64encode(body)


@pytest.mark.parametrize(
    "body",
    [
        PLAIN,
        b" \r\n\t" + PLAIN + b"\n\n",
        BOM + PLAIN,
        BOM + b"\n" + PLAIN,
        packed(PLAIN),
        packed(BOM + PLAIN),
        packed(b"\n " + PLAIN + b"\n"),
        packed(PLAIN, urlsafe=True),
        packed(PLAIN).rstrip(b"="),
        packed(PLAIN, urlsafe=True).rstrip(b"="),
        base64.encodebytes(PLAIN * 1),
        b"  " + packed(PLAIN) + b"\r\n",
        BOM + packed(PLAIN),
        json.dumps(BODY).encode(),
    ],
)
def test_every_way_that_senders_pack_a_message_is_read(body: bytes) -> None:
    assert read_object(body) == (BODY, [])


def test_base64_in_lines_is_read() -> None:
    long = {"reason": "ÿ?>" * 100}
    body = base64.encodebytes(json.dumps(long, ensure_ascii=False).encode())
    assert b"\n" in body.strip()
    assert read_object(body) == (long, [])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (BOM, "is empty"),
        (b"hello", "is not JSON (line 1, column 1)"),
        (b'{"a": 1', "is not JSON (line 1, column 8)"),
        (b"{'a': 1}", "is not JSON (line 1, column 2)"),
        (b'{"a": 1} {"b": 2}', "is not JSON (line 1, column 10)"),
        (b'{"a": "\x01"}', "is not JSON (line 1, column 8)"),
        (b"\xff\xfe" + '{"a": 1}'.encode("utf-16-le"), "is not UTF-8 (byte 0)"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8 (byte 0)"),
        ('{"a": 1}'.encode("utf-16-le"), "is not JSON (line 1, column 2)"),
        (b'{"a": "\xe4"}', "is not UTF-8 (byte 7)"),
        (b'{"a": "\xed\xa0\x80"}', "is not UTF-8 (byte 7)"),
        (packed(b"no json at all"), "is not JSON (line 1, column 1)"),
        (packed(b"\xff\xfe\x00"), "is not UTF-8 (byte 0)"),
        (b"=" * 40, "is not JSON (line 1, column 1)"),
        (b"-", "is not JSON (line 1, column 1)"),
    ],
)
def test_what_cannot_be_read_is_one_problem(body: bytes, said: str) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_object(body)
    assert raised.value.reason == "Unreadable"
    assert [(one.path, one.message) for one in raised.value.problems] == [("$", said)]


@pytest.mark.parametrize(
    "body",
    [
        *(b"1234", b"12345678", b"null", b"true", b"-1.5e3", b'"text"', b"NaN"),
        *(b"1" * 44, packed(b"null"), b'"' + packed(PLAIN) + b'"'),
        *(b"[1]", b"[null]", b"[[{}]]", packed(b'["text"]')),
    ],
)
def test_json_that_is_no_object_is_invalid_and_not_taken_for_base64(body: bytes) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_object(body)
    assert raised.value.reason == "Invalid"
    assert raised.value.problems[0].message == "must be a JSON object"


@pytest.mark.parametrize("body", [b"[%s]" % PLAIN, b" [ %s ]\n" % PLAIN, packed(b"[%s]" % PLAIN)])
def test_a_list_of_one_object_is_that_object(body: bytes) -> None:
    assert read_object(body) == (BODY, [])


@pytest.mark.parametrize(
    ("body", "length"), [(b"[]", 0), (b"[{}, {}]", 2), (packed(b"[1, 2]"), 2), (b"[1,2,3]", 3)]
)
def test_a_list_of_any_other_length_is_told_to_come_one_by_one(body: bytes, length: int) -> None:
    with pytest.raises(MessageInvalid) as raised:
        read_object(body)
    assert raised.value.reason == "Invalid"
    said = f"is a list of {length}: send one event a message"
    assert [(one.path, one.message) for one in raised.value.problems] == [("$", said)]


def test_problems_in_a_list_of_one_have_the_paths_of_the_object() -> None:
    body = b'{"a": 1, "a": 2, "b": [NaN, "\\ud800"]}'
    assert read_object(b"[" + body + b"]") == read_object(body)
    assert len(read_object(body)[1]) == 3


@pytest.mark.parametrize("body", [PLAIN, BOM + PLAIN, b"\n" + PLAIN + b"\n"])
def test_a_file_is_read_as_it_is(body: bytes) -> None:
    assert read_plain_object(body) == (BODY, [])


@pytest.mark.parametrize("body", [packed(PLAIN), b"[%s]" % PLAIN, b"1234", b"", b"\xff"])
def test_a_file_is_neither_base64_nor_a_list(body: bytes) -> None:
    with pytest.raises(MessageInvalid):
        read_plain_object(body)


@pytest.mark.parametrize(
    ("opening", "closing"), [(b'{"a":', b"}"), (b"[", b"]"), (b'[{"a":', b"}]")]
)
def test_deep_nesting_is_a_problem_and_no_recursion(opening: bytes, closing: bytes) -> None:
    levels = 64 * 1024 // len(opening)
    with pytest.raises(MessageInvalid, match="at most 32 is allowed") as raised:
        read_object(opening * levels + b"1" + closing * levels)
    assert raised.value.reason == "Invalid"


def test_nesting_is_counted_outside_of_texts_and_to_the_limit() -> None:
    at_limit = b'{"a":' * MAX_DEPTH + b'"[[[{{{\\"[[["' + b"}" * MAX_DEPTH
    assert read_object(at_limit)[1] == []
    with pytest.raises(MessageInvalid, match="nested 33 deep"):
        read_object(b'{"a":' + at_limit + b"}")


def test_duplicate_keys_are_named_with_their_paths() -> None:
    body = b'{"a": 1, "b": {"c": [{"d": 1, "d": 2, "d": 3}]}, "a": 2, "x": 1}'
    _, problems = read_object(body)
    assert [(one.path, one.message) for one in problems] == [
        ("a", "is given more than once"),
        ("b.c[0].d", "is given more than once"),
    ]


def test_a_key_spelt_with_escapes_is_the_same_key() -> None:
    assert read_object(b'{"a": 1, "\\u0061": 2}')[1][0].path == "a"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_words_that_are_no_json_numbers_are_problems(word: str) -> None:
    value, problems = read_object(f'{{"a": {word}}}'.encode())
    assert value == {"a": None}
    assert [one.message for one in problems] == [f"holds {word}, which is not JSON"]


@pytest.mark.parametrize("number", ["1" * 5000, "-" + "9" * 5000, "0." + "1" * 5000])
def test_a_number_of_thousands_of_digits_is_a_problem_and_not_converted(number: str) -> None:
    _, problems = read_object(f'{{"a": {number}}}'.encode())
    assert [one.message for one in problems] == [f"holds a number of {len(number)} digits"]


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1E-999999999"])
def test_a_number_beyond_every_double_is_no_crash(number: str) -> None:
    assert read_object(f'{{"a": {number}}}'.encode())[1] == []


def test_half_characters_are_replaced_and_named() -> None:
    value, problems = read_object(b'{"a": "x\\ud800y", "\\udfff": ["\\ud83c\\udf89", "\\ud83c"]}')
    assert value == {"a": "x\ufffdy", "\ufffd": ["🎉", "\ufffd"]}
    assert [(one.path, one.message) for one in problems] == [
        ("a", "is not valid Unicode text"),
        ("\\udfff", "is not valid Unicode text"),
        ("\\udfff[1]", "is not valid Unicode text"),
    ]


def test_noncharacters_are_text_like_any_other() -> None:
    assert read_object('{"a": "\ufffe\uffff"}'.encode()) == ({"a": "\ufffe\uffff"}, [])


@given(json_values)
def test_valid_text_stays_and_half_characters_go(value: object) -> None:
    mended = with_valid_text([value, {"\ud800": "a\udc00"}])
    json.dumps(mended, ensure_ascii=False, default=str).encode()
    assert mended[1] == {"\ufffd": "a\ufffd"}


@pytest.mark.parametrize(
    ("path", "name", "joined"),
    [
        ("", "a", "a"),
        ("a", "b", "a.b"),
        ("a", "ü\n🎉\ud800", "a.\\xfc\n\\U0001f389\\ud800"),
        ("a", "b" * 81, "a." + "b" * 80 + "\\u2026"),
    ],
)
def test_a_field_that_anybody_named_gives_a_bounded_ascii_path(
    path: str, name: str, joined: str
) -> None:
    assert join(path, name) == joined


@pytest.mark.parametrize(
    ("body_of", "size"),
    [
        (lambda size: b"a" + b" " * size + b"!", 64_000),
        (lambda size: b"a" + b"=" * size + b"!", 64_000),
        (lambda size: b"a" + b"= " * size + b"!", 32_000),
        (lambda size: b'{"a": "' + b'\\"' * size, 32_000),
        (lambda size: b"[" * size + b"]" * size, 32_000),
        (lambda size: b"{" + b",".join(b'"%d":0' % n for n in range(size)) + b',"1":1}', 7000),
        (lambda size: b"{" + b",".join([b'"a":0'] * size) + b"}", 10_000),
    ],
    ids=["blanks", "signs", "both", "quotes", "brackets", "fields", "one field"],
)
def test_the_work_on_a_hostile_text_grows_with_its_length_alone(
    body_of: Callable[[int], bytes], size: int
) -> None:
    def read(size: int) -> None:
        with contextlib.suppress(MessageInvalid):
            read_object(body_of(size))

    assert_grows_at_most(1, read, size)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,\\\u00e9ud80 1eE+-').map(str.encode))
def test_any_bytes_are_an_object_or_message_invalid(body: bytes) -> None:
    for read in (read_object, read_plain_object):
        with contextlib.suppress(MessageInvalid):
            assert isinstance(read(body)[0], dict)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text(max_size=50)))
def test_an_object_is_the_same_plain_and_packed(value: dict[str, str]) -> None:
    plain = json.dumps(value).encode()
    mended = with_valid_text(value)
    for body in (plain, packed(plain), packed(plain, urlsafe=True), base64.encodebytes(plain)):
        assert read_object(body)[0] == mended
