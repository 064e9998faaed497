"""Masking: what is hidden, what stays, and that equal values stay recognisable."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from addresses import PLACES, odd_addresses, ordinary_addresses, planted_addresses
from pulltasks import masking
from pulltasks.errors import LakeError
from pulltasks.lake import redaction_key
from pulltasks.lake.lake import Lake
from pulltasks.masking import mask_words

SECRET = "s3cr3t"


@pytest.fixture(scope="module")
def connection():
    connection = duckdb.connect()
    masking.install(connection)
    masking.set_key(connection, b"k" * redaction_key.KEY_BYTES)
    return connection


def apply(connection, macro: str, value: str | None) -> str | None:
    return connection.execute(f"select {macro}($1::varchar)", [value]).fetchone()[0]


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("rtmp://play.example.com/live/s3cr3t", "rtmp://play.example.com/live/***"),
        ("rtmps://h/app/s3cr3t/", "rtmps://h/app/***"),
        ("rtmp://h/live/s3cr3t?txSecret=s3cr3t&txTime=5", "rtmp://h/live/***?txSecret=***&txTime=***"),
        ("https://h/path/file.mp4", "https://h/path/file.mp4"),
        ("https://user:s3cr3t@h/path", "https://***@h/path"),
        ("https://user:s3@cr3t@h/s3cr3t@/x?a=s3cr3t", "***"),
        ("https://h/x?token=s3cr3t&b=s3cr3t#s3cr3t", "https://h/***"),
        ("https://h/x?s3cr3t", "https://h/***"),
        ("https://[2001:db8::1]:443/x?k=s3cr3t", "https://[2001:db8::1]:443/x?k=***"),
        ("https://h/x;jsessionid=s3cr3t", "https://h/***"),
        ("https://h/x%3Ftoken%3Ds3cr3t", "https://h/***"),
        ("srt://h:9000?streamid=#!::r=live,u=s3cr3t", "srt://h:9000/***"),
        ("rtmp://h/live live=s3cr3t", "rtmp://h/***"),
        ("  https://u:s3cr3t@h/x", "***"),
        ("//u:s3cr3t@h/x", "***"),
        ("u:s3cr3t@h/x", "***"),
        ("https://u:s3cr3t\uff20h/x", "***"),
        ("\ufeffrtmp://h/app/s3cr3t", "***"),
        ("\u200b rtmp://h/app/s3cr3t", "***"),
        ('"rtmp://h/app/s3cr3t', "***"),
        ("https://h/x?czNjcjN0s3cr3t==", "https://h/***"),
        ("rtmp://h/app/s3cr3t/.", "rtmp://h/***"),
        ("rtmp://h/app/s3cr3t/%20", "rtmp://h/***"),
        ("rtmp:/h/app/s3cr3t", "***"),
        ("http://u:a#s3cr3t@h/x", "***"),
        ("u:a?s3cr3t@h/x", "***"),
        ("https://h/x%253Ftoken%253Ds3cr3t", "***"),
        ("https://h/x\uff1ftoken=s3cr3t", "https://h/***"),
        ("rtmp://h/live/a%2Fs3cr3t", "rtmp://h/***"),
        ("rtmp://h/live/%73s3cr3t", "rtmp://h/***"),
        ("rtmp://h/live%2Fs3cr3t", "rtmp://h/***"),
        ("rtmp://h/s3cr3t", "rtmp://h/***"),
        ("rtmp://h/app/inner/s3cr3t", "rtmp://h/app/***"),
        ("rtmp://h/live/s3cr3t/*", "rtmp://h/***"),
        ("rtmp://h/live\uff0fs3cr3t", "rtmp://h/***"),
        ("rtmp://h/live/s3cr3t,rtmp://h2/live/x", "rtmp://h/***"),
        ("http://proxy/rtmp://h/live/s3cr3t", "http://proxy/***"),
        ("rtmp+tls://h/live/s3cr3t", "rtmp+tls://h/live/***"),
        ("rtmp:///s3cr3t", "***"),
        ("srt://h:9000/%41s3cr3t", "***"),
        ("https://user:s3cr3t/x", "***"),
        ("https://user:s3cr3t%40h/x", "***"),
        ("rtmp://u:123456%40h/x", "***"),
        ("rtmp://u:12345%40h/x", "***"),
        ("rtmp://[s3cr3t]/app/x", "***"),
        ("https://u:s3cr3t\ufe6bh/x", "***"),
        ("https://h/x%3Bs3cr3t", "https://h/***"),
        ("rtmp://h/live/a@s3cr3t", "***"),
        ("rtmp://h/live/s3cr3t@b", "***"),
        ("rtmp://h/live/a%2540s3cr3t", "***"),
        ("https://h/live/a@s3cr3t", "***"),
        ("http://u:12/s3cr3t?x@h", "***"),
        ("http://u:12?s3cr3t@h", "***"),
        ("https://u:s3 cr3t@s3cr3t/x", "***"),
        ("rtmp://h\uff0flive\uff0fa@s3cr3t", "***"),
        ("rtmp://h%2Flive%2Fa@s3cr3t", "***"),
        ("rtmp://h?x@s3cr3t", "***"),
        ("h/live/a@s3cr3t", "***"),
        ("rtmp:///x@s3cr3t", "***"),
        ("https://h/hdnts=st=1~exp=2~hmac=s3cr3t/x.m3u8", "https://h/***"),
        ("https://h/token=s3cr3t/s3cr3t==/x.ts?a=s3cr3t", "https://h/***"),
        ("https://h/x?a=&s3cr3t=&s3cr3t==&b=1&s3cr3t==x", "https://h/***"),
        ("https://h/x|s3cr3t", "https://h/***"),
        ("https://h/x%7Cs3cr3t", "https://h/***"),
        ("https://h/x\u2028s3cr3t", "https://h/***"),
        ("https://h/x\xa0s3cr3t", "https://h/***"),
        ("https://h/x%C2%A0s3cr3t", "https://h/***"),
        ("https://h/x%E2%80%A8s3cr3t", "https://h/***"),
        ("https://h/x\uff0fs3cr3t", "https://h/***"),
        ("https://h/%E9%A2%91%E9%81%93/1.m3u8", "https://h/%E9%A2%91%E9%81%93/1.m3u8"),
        ("rtmp://h/live/%E9%A2%91s3cr3t", "rtmp://h/live/***"),
        ("https://h/x%20s3cr3t", "https://h/***"),
        ("https://h/x{s3cr3t}", "https://h/***"),
        ("https://h/\u76f4\u64ad/1.m3u8", "https://h/\u76f4\u64ad/1.m3u8"),
        ("https://s3cr3t/%40h/x", "***"),
        ("https://s3cr3t/%25%34%30h/x", "***"),
        ("https://s3cr3t/%EF%BC%A0h/x", "***"),
        ("https://s3cr3t/&#64;h/x", "***"),
        ("https://s3cr3t/\\u0040h/x", "***"),
        ("https://h-01234567890123456-s3cr3t/x", "***"),
        ("s3cr3t://h/x", "***"),
        ("rtmp://h:s3cr3t/live/x", "***"),
        ("rtmp://[fe80::1%s3cr3t]/live/x", "***"),
        ("s3cr3t", "***"),
        ("callback.example.com", "callback.example.com"),
        ("callback.example.com:8080/hook?t=s3cr3t", "callback.example.com:8080/hook?t=***"),
        ("", ""),
        (None, None),
    ],
)
def test_addresses_show_their_place_and_hide_their_secrets(connection, url: str | None, masked: str | None) -> None:
    assert apply(connection, "mask_url", url) == masked
    assert SECRET not in (masked or "")


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("play.example.com/live/s3cr3t", "play.example.com/live/***"),
        ("play.example.com:1935/live/s3cr3t?a=b", "play.example.com:1935/live/***?a=***"),
        ("//h/live/s3cr3t", "***"),
        ("10.0.0.1/live/s3cr3t", "10.0.0.1/live/***"),
        ("https://h/live/x.m3u8", "https://h/live/x.m3u8"),
    ],
)
def test_a_stream_without_a_scheme_hides_its_path(connection, url: str, masked: str) -> None:
    assert apply(connection, "mask_stream_url", url) == masked


@pytest.mark.parametrize(
    ("arguments", "masked"),
    [
        ("auth_key=s3cr3t&arg1=value1", "auth_key=***&arg1=***"),
        ("s3cr3t", "***"),
        ("?sign=s3cr3t", "***"),
        ("s3cr3t=", "***"),
        ("s3cr3t==&a=s3cr3t", "***&a=***"),
        ("a=&s3cr3t=&s3cr3t==x&b=s3cr3t", "***&***&***&b=***"),
        ("", ""),
        (None, None),
    ],
)
def test_push_arguments_show_their_names_only(connection, arguments: str | None, masked: str | None) -> None:
    assert apply(connection, "mask_args", arguments) == masked


@pytest.mark.parametrize(
    ("macro", "text", "masked"),
    [
        ("mask_json", '{"a":"s3cr3t","b\\"c":{"d":"s3cr3t"}}', '{"a":"***","b\\"c":"***"}'),
        ("mask_json", '{"token=s3cr3t":1,"a s3cr3t@x":2,"token=s3cr3t2":3}', '{"a ***":"***","token=***":"***"}'),
        ("mask_json", None, None),
        ("mask_field", "new_field", "new_field"),
        ("mask_field", "rtmp://h/s3cr3t", "***"),
        ("mask_raw", "s3cr3t", "***"),
        ("mask_raw", "", ""),
        ("mask_raw", None, None),
        ("mask_words", "no answer at https://u:s3cr3t@h/x?y=s3cr3t; try again", "no answer at *** try again"),
        ("mask_words", "token=s3cr3t, key: s3cr3t", "token=*** key: ***"),
        ("mask_words", "Access=s3cr3t, Signature=s3cr3t", "Access=*** Signature=***"),
        ("mask_words", "HTTP 403 APIGW.0302", "HTTP 403 APIGW.0302"),
        ("mask_words", "srt://h?streamid=#!::r=live,u=s3cr3t failed", "*** failed"),
        ("mask_words", 'answered {"token":"s3cr3t"} at user:s3cr3t@h', 'answered {"token":***} at ***'),
        ("mask_words", "Bearer s3cr3t, pwd: s3cr3t", "Bearer *** pwd: ***"),
        ("mask_stream_name", "channel-1", "channel-1"),
        ("mask_stream_name", "频道 1", "频道 1"),
        ("mask_stream_name", "x?auth=s3cr3t", "x***"),
        ("mask_name", "x%3Fauth%3Ds3cr3t", "x***"),
        ("mask_name", "x|s3cr3t", "x***"),
        ("mask_name", "x\u2028s3cr3t", "x***"),
        ("mask_name", "x\xa0s3cr3t", "x***"),
        ("mask_name", "体育\uff08一\uff09", "体育\uff08一\uff09"),
        ("mask_name", "user:s3cr3t@push.example.com", "***push.example.com"),
    ],
)
def test_other_texts_are_masked_by_their_kind(connection, macro: str, text: str | None, masked: str | None) -> None:
    assert apply(connection, macro, text) == masked
    if macro == "mask_words":
        assert (masking.mask_words(text), masking.mask_words(masked)) == (masked, masked)


def test_stream_names_are_masked_when_asked_for() -> None:
    connection = duckdb.connect()
    masking.install(connection, mask_stream_names=True)
    assert [apply(connection, "mask_stream_name", name) for name in ("channel-1", "", None)] == ["***", "", None]


def test_a_fingerprint_is_the_keyed_hash_of_the_whole_value(connection) -> None:
    for value in ("rtmp://h/live/key", "频道", "x" * 500):
        expected = hashlib.sha256((b"k" * redaction_key.KEY_BYTES).hex().encode() + value.encode()).hexdigest()
        assert apply(connection, "fingerprint", value) == expected[: masking.FINGERPRINT_CHARACTERS]
    assert apply(connection, "fingerprint", None) is None


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.prepare()
    key = redaction_key.read_or_make_key(lake)
    assert redaction_key.read_or_make_key(lake) == key
    assert (len(key), lake.redaction_key.stat().st_mode & 0o777) == (redaction_key.KEY_BYTES, 0o600)


def test_a_damaged_key_is_refused_not_replaced(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.prepare()
    lake.redaction_key.write_text("oops")
    with pytest.raises(LakeError, match="not a redaction key"):
        redaction_key.read_or_make_key(lake)
    assert lake.redaction_key.read_text() == "oops"


def test_messages_of_the_database_quote_no_values() -> None:
    text = "Could not convert string 'rtmp://h/s3cr3t' to INT64, or \"https://s3cr3t\" or rtmp://h/s3cr3t"
    assert SECRET not in masking.scrub(text)


PIECES = [
    *"ab1/:@?&=#;% .-~\\\n,[]'",
    "://",
    "rtmp://",
    "https://h/",
    ":80",
    "..",
    "%3F",
    "é",
    "频",
    "\uff20",
    "\uff1f",
    "\u200b",
    "\u2028",
    "\xa0",
    "|",
    "%40",
    "%2F",
    "频道",
    "é",
    "e\u0301",
    "⚽",
    "①",
    "\uff20",
    "\uff1f",
    "\u200b",
]
ADDRESSES = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(
    values=st.lists(
        ADDRESSES
        | ADDRESSES.map("rtmp://h".__add__)
        | ADDRESSES.map("https://h/".__add__)
        | ADDRESSES.map("rtmp://u:p@h/a/b".__add__)
        | ADDRESSES.map("h.example.com/a".__add__),
        max_size=300,
    )
)
def test_only_what_is_ordinary_is_shown(connection, values: list[str]) -> None:
    """Whatever an address is made of: the form of what is left of it, and that it begins as the address began."""
    shown = connection.execute(
        "select value, mask_stream_url(value), mask_url(value), mask_name(value) is distinct from mask_any_name(value) "
        "from (select unnest($1::varchar[]) as value)",
        [values],
    ).fetchall()
    for value, *masked, name_differs in shown:
        assert not name_differs
        for text in masked:
            assert MASKED.fullmatch(text), (value, text)
            assert unicodedata.normalize("NFKC", text) == text  # no sign that stands for another one
            begins = text.replace("***@", "").removesuffix("/***").partition("***")[0]
            assert re.sub(r"//[^@]*@", "//", value).startswith(begins)


# What can be left of an address: nothing, three stars, or a place and behind it a plain path and names of arguments.
MASKED = re.compile(
    r"|\*{3}|([A-Za-z+]+://(\*{3}@)?)?(([^\W_]|[-.☀-🙏])+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?"
    r"(/\*{3}|(/([^\s/?#=@;&%|:\\]|%E[4-9]%..%..)+)*/?(\?[\w.-]+=\*{3}(&[\w.-]+=\*{3})*)?)"
)


def masked_both_ways(connection, values: list[str]) -> list[tuple[str, str, str]]:
    return connection.execute(
        "select value, mask_stream_url(value), mask_url(value) from (select unnest($1::varchar[]) as value)", [values]
    ).fetchall()


def test_no_stream_address_shows_a_key_wherever_it_is_planted(connection) -> None:
    shown = masked_both_ways(connection, planted_addresses(100_000, seed=13, secret=SECRET))
    leaks = [row for row in shown if SECRET in row[1] or ("://" in row[0] and SECRET in row[2])]
    assert not leaks, (len(leaks), leaks[:20])
    places = sum("h.example.com" in row[1] or "10.0.0.1" in row[1] or "2001" in row[1] for row in shown)
    assert places > len(shown) / 8  # not because everything is hidden


@pytest.mark.parametrize("count", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_no_odd_address_shows_its_key_in_whatever_place_it_is_planted(connection, count: int) -> None:
    odd = odd_addresses(count, seed=3)
    shown = masked_both_ways(connection, [each.address for each in odd])
    leaks = [
        (each.where, row)
        for each, row in zip(odd, shown, strict=True)
        # a receiver without a scheme is a web page, whose path may be seen
        if each.is_seen_in(row[1]) or ("://" in row[0] and each.is_seen_in(row[2]))
    ]
    assert not leaks, (len(leaks), leaks[:20])
    assert {each.where for each in odd} == set(PLACES)
    assert sum(row[1] != "***" for row in shown) > count / 8  # likewise


def test_ordinary_addresses_show_their_scheme_and_host_and_most_of_them_what_follows(connection) -> None:
    shown = masked_both_ways(connection, ordinary_addresses(10_000, seed=5))
    places = rest = 0
    for value, masked, _ in shown:
        place = re.sub(r"//[^/?]*@", "//***@", re.match(r"(\w+://)?[^/?]+", value)[0])
        places += masked.startswith(place)
        rest += masked.startswith(place) and masked not in {place, f"{place}/***"}
    assert places == len(shown)
    assert rest > 0.8 * len(shown)


@pytest.mark.parametrize(
    ("macro", "patterns"),
    [("mask_stream_url", 14), ("mask_url", 14), ("mask_name", 3), ("host_of", 1)],
)
def test_a_mask_compiles_few_patterns(connection, macro: str, patterns: int) -> None:
    """A pattern takes up to 2 ms to be compiled, which is most of what a small day masks."""
    texts = "(select 'a' || n as value from range(9) as t(n))"
    ((_, text),) = connection.execute(f"explain (format json) select {macro}(value) from {texts}").fetchall()
    assert text.count("regexp_") <= patterns


def test_the_table_at_the_head_of_the_masks_is_what_they_do(connection):
    text = (Path(__file__).parent.parent / "sql" / "masks" / "addresses.sql").read_text(encoding="utf-8")
    rows = [re.split(r" {2,}", line.removeprefix("--").strip()) for line in text.splitlines() if "***" in line]
    table = [row for row in rows if len(row) == 4]
    assert len(table) == 6
    for value, *shown in table:
        masked = [apply(connection, macro, value) for macro in ("mask_stream_url", "mask_url")]
        masked.append(apply(connection, "hide_path", masked[0]))
        assert [shown[0] if word == "the same" else word for word in shown] == masked


@pytest.mark.parametrize(
    ("masked", "host"),
    [
        ("rtmp://Push.example.com:1935/live/***?sign=***", "push.example.com"),
        ("rtmp://***@push.example.com/live/***", "push.example.com"),
        ("push.example.com/live/x", "push.example.com"),
        ("https://[2001:db8::1]:443/x", "[2001:db8::1]"),
        ("1.2.3.4:80", "1.2.3.4"),
        ("srt://h:9000?***#***", "h"),
        ("***", None),
        ("%***", None),
        ("h%***", None),
        ("/live/x", None),
        ("", None),
        (None, None),
    ],
)
def test_a_host_is_what_a_masked_address_shows_of_it(connection, masked: str | None, host: str | None):
    assert apply(connection, "host_of", masked) == host


@given(value=st.text(max_size=60))
def test_a_host_shows_nothing_that_the_masked_address_hides(connection, value: str):
    for macro in ("mask_stream_url", "mask_url"):
        masked = apply(connection, macro, value)
        host = apply(connection, "host_of", masked)
        assert host is None or (host in masked.lower() and "*" not in host)


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a=" * 100_000, "key:" * 50_000, '"' * 200_000, "@" * 200_000, "http://" * 30_000]
)
def test_masking_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    assert len(mask_words(text)) <= 2 * len(text)
