"""Any bytes are read, or refused in one way; what is kept is what stood there."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks import json_reading
from pulltasks.errors import NotReadable
from pulltasks.json_reading import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_DIGITS,
    OddNumber,
    clean_name,
    cleaned,
    decode_file,
    original,
    parse,
    rules_broken,
)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
NUMBERS = st.from_regex(r"\A-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z")
PIECES = st.sampled_from(
    [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b":",
        b",",
        b"\\",
        b"\\u",
        b"d83d",
        b"\\ud83d",
        b"\\ude00",
        b"\xd6",
        b"\xff",
        b"1e999",
        b"-",
        b"0",
        b"9" * 30,
        b"null",
        b"NaN",
        b"true",
        b" ",
        b"\n",
        b"\x00",
        b"\xef\xbb\xbf",
        b'"task_id"',
        b"\xc3\xa9",
    ]
)


def same(one: Any, other: Any) -> bool:
    """Equal to the type and to the sign of a zero."""
    return repr(one) == repr(other)


@given(VALUES)
def test_what_is_ordinary_json_is_read_as_ever(value: Any) -> None:
    """Both parsers give one value: so a task hashes as ever, whatever stands beside it in the answer."""
    content = json.dumps(value, ensure_ascii=False).encode()
    assert same(json_reading._parse_leniently(content), msgspec.json.decode(content))
    assert same(parse(content).value, msgspec.json.decode(content))
    assert same(cleaned(json_reading._parse_leniently(content)), msgspec.json.decode(content))


@given(NUMBERS)
def test_a_number_is_the_same_or_odd_to_both_parsers(text: str) -> None:
    found = json_reading._parse_leniently(text.encode())
    try:
        expected = msgspec.json.decode(text)
    except msgspec.DecodeError:
        assert found == OddNumber(text)
    else:
        assert same(found, expected)


@pytest.mark.parametrize("digits", [MAX_DIGITS, MAX_DIGITS + 1])
@pytest.mark.parametrize("sign", ["", "-"])
def test_the_longest_integer_is_the_same_for_both_parsers(sign: str, digits: int) -> None:
    text = sign + "9" * (digits - len(sign))
    found = json_reading._parse_leniently(text.encode())
    if digits > MAX_DIGITS:
        assert found == OddNumber(text)
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(text)
    else:
        assert found == msgspec.json.decode(text)


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=25).map(b"".join))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    try:
        found = parse(content)
    except NotReadable as error:
        assert str(error) in {"answer_not_json_object", "answer_too_deep"}  # noqa: PT017 - both ends are good
        return
    value = cleaned(found.value)
    assert rules_broken(value) == []
    assert found.may_be_odd or same(value, found.value)
    assert original(found.value).encode()
    assert msgspec.json.encode(value)


@pytest.mark.parametrize(
    ("content", "value", "rules", "shown"),
    [
        (b"1e400", None, ["unreadable_number"], "1e400"),
        (b"-1e400", None, ["unreadable_number"], "-1e400"),
        (b"NaN", None, ["unreadable_number"], "NaN"),
        (b"9" * 5000, None, ["unreadable_number"], "9" * 5000),
        (b'"\xd6\xd0"', "\ufffd\ufffd", ["not_unicode"], '"\\xd6\\xd0"'),
        (b'"a\xc3"', "a\ufffd", ["not_unicode"], '"a\\xc3"'),
        (b'"x\\ud83d"', "x\ufffd", ["not_unicode"], '"x\\ud83d"'),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd", ["not_unicode"], '"\\xed\\xa0\\xbd"'),
        (b'"\\ud83d\\ude00"', "\U0001f600", [], '"\U0001f600"'),
        (b'[1e400,"\xff"]', [None, "\ufffd"], ["not_unicode", "unreadable_number"], '["1e400","\\xff"]'),
        (
            b'{"a\xff":{"b":1e999}}',
            {"a\\xff": {"b": None}},
            ["not_unicode", "unreadable_number"],
            '{"a\\xff":{"b":"1e999"}}',
        ),
        (b'"a\x01b"', "a\x01b", [], '"a\\u0001b"'),
    ],
)
def test_what_is_odd_is_kept_and_named(content: bytes, value: Any, rules: list[str], shown: str) -> None:
    found = parse(content)
    assert (cleaned(found.value), rules_broken(found.value), original(found.value)) == (value, rules, shown)


def test_names_that_differ_stay_different() -> None:
    names = [clean_name(name) for name in parse(b'{"a\xd6":1,"a\xd7":2,"a":3}').value]
    assert names == ["a\\xd6", "a\\xd7", "a"]


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 2, 2000, 100_000])
@pytest.mark.parametrize(("left", "right"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_depth_is_bounded_whatever_the_parser_takes(left: bytes, right: bytes, depth: int) -> None:
    times = depth // (2 if left.startswith(b"[{") else 1)
    for tail in (b"1", b'"\xff"'):
        content = left * times + tail + right * times
        if depth == MAX_DEPTH:
            value = parse(content).value
            assert original(value).encode() == content.replace(b"\xff", b"\\xff")
            assert msgspec.json.encode(cleaned(value)) == content.replace(b"\xff", "\ufffd".encode())
        else:
            with pytest.raises(NotReadable, match="answer_too_deep" if depth < 100_000 else "answer_"):
                parse(content)


def test_length_is_bounded() -> None:
    with pytest.raises(NotReadable, match="answer_too_large"):
        parse(b'"' + b"a" * MAX_BYTES + b'"')


@pytest.mark.parametrize("content", [b"\xef\xbb\xbf{}", "\ufeff{}"])
def test_a_byte_order_mark_is_passed_over_and_told(content: str | bytes) -> None:
    assert (parse(content).value, parse(content).has_mark) == ({}, True)


@pytest.mark.parametrize("content", [b"\xff", b"[" * 5000, b'{"a": "x"}', b"", b"[]"])
def test_a_file_of_ours_that_holds_anything_else_is_refused(content: bytes) -> None:
    class Form(msgspec.Struct):
        a: int

    with pytest.raises(NotReadable):
        decode_file(content, Form)
