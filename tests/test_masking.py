"""Masking: what is hidden, what stays, and that equal values stay recognisable."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("https://user:s3@cr3t@h/s3cr3t@/x?a=s3cr3t", "https://***@***"),
        ("https://h/x?token=s3cr3t&b=s3cr3t#s3cr3t", "https://h/x?token=***&b=***#***"),
        ("https://h/x?s3cr3t", "https://h/x?***"),
        ("https://[2001:db8::1]:443/x?k=s3cr3t", "https://[2001:db8::1]:443/x?k=***"),
        ("https://h/x;jsessionid=s3cr3t", "https://h/x;***"),
        ("https://h/x%3Ftoken%3Ds3cr3t", "https://h/x%***"),
        ("srt://h:9000?streamid=#!::r=live,u=s3cr3t", "srt://h:9000?***#***"),
        ("rtmp://h/live live=s3cr3t", "rtmp://h/*** ***"),
        ("  https://u:s3cr3t@h/x", "https://***@h/x"),
        ("//u:s3cr3t@h/x", "//***@h/x"),
        ("u:s3cr3t@h/x", "***@h/x"),
        ("https://u:s3cr3t\uff20h/x", "https://***@h/x"),
        ("\ufeffrtmp://h/app/s3cr3t", "rtmp://h/app/***"),
        ("\u200b rtmp://h/app/s3cr3t", "rtmp://h/app/***"),
        ('"rtmp://h/app/s3cr3t', "rtmp://h/app/***"),
        ("https://h/x?czNjcjN0s3cr3t==", "https://h/x?***"),
        ("rtmp://h/app/s3cr3t/.", "rtmp://h/app/***"),
        ("rtmp://h/app/s3cr3t/%20", "rtmp://h/app/***"),
        ("rtmp:/h/app/s3cr3t", "rtmp:/h/app/***"),
        ("http://u:a#s3cr3t@h/x", "http://***@***"),
        ("u:a?s3cr3t@h/x", "***@***"),
        ("https://h/x%253Ftoken%253Ds3cr3t", "https://h/x%***"),
        ("https://h/x\uff1ftoken=s3cr3t", "https://h/x ***"),
        ("rtmp://h/live/a%2Fs3cr3t", "rtmp://h/live/***"),
        ("rtmp://h/live/%73s3cr3t", "rtmp://h/live/***"),
        ("rtmp://h/live%2Fs3cr3t", "rtmp://h/***"),
        ("rtmp://h/s3cr3t", "rtmp://h/***"),
        ("rtmp://h/app/inner/s3cr3t", "rtmp://h/app/***"),
        ("rtmp://h/live/s3cr3t/*", "rtmp://h/live/***"),
        ("rtmp://h/live\uff0fs3cr3t", "rtmp://h/*** ***"),
        ("rtmp://h/live/s3cr3t,rtmp://h2/live/x", "rtmp://h/***"),
        ("http://proxy/rtmp://h/live/s3cr3t", "http://proxy/***"),
        ("rtmp+tls://h/live/s3cr3t", "rtmp+tls://h/live/***"),
        ("rtmp:///s3cr3t", "***"),
        ("srt://h:9000/%41s3cr3t", "srt://h:9000/***"),
        ("https://user:s3cr3t/x", "***"),
        ("https://user:s3cr3t%40h/x", "https://***@h/x"),
        ("rtmp://u:123456%40h/x", "rtmp://***@h/***"),
        ("rtmp://u:12345%40h/x", "rtmp://***@h/***"),
        ("rtmp://[s3cr3t]/app/x", "***"),
        ("https://u:s3cr3t\ufe6bh/x", "https://***@h/x"),
        ("https://h/x%3Bs3cr3t", "https://h/x%***"),
        ("rtmp://h/live/a@s3cr3t", "rtmp://***@***"),
        ("rtmp://h/live/s3cr3t@b", "rtmp://***@***"),
        ("rtmp://h/live/a%2540s3cr3t", "rtmp://***@***"),
        ("https://h/live/a@s3cr3t", "https://***@***"),
        ("http://u:12/s3cr3t?x@h", "http://***@***"),
        ("http://u:12?s3cr3t@h", "http://***@***"),
        ("https://u:s3 cr3t@s3cr3t/x", "https://***@***"),
        ("rtmp://h\uff0flive\uff0fa@s3cr3t", "rtmp://***@***"),
        ("rtmp://h%2Flive%2Fa@s3cr3t", "rtmp://***@***"),
        ("rtmp://h?x@s3cr3t", "rtmp://***@***"),
        ("h/live/a@s3cr3t", "***@***"),
        ("rtmp:///x@s3cr3t", "***"),
        ("https://h/hdnts=st=1~exp=2~hmac=s3cr3t/x.m3u8", "https://h/***/x.m3u8"),
        ("https://h/token=s3cr3t/s3cr3t==/x.ts?a=s3cr3t", "https://h/***/***/x.ts?a=***"),
        ("https://h/x?a=&s3cr3t=&s3cr3t==&b=1&s3cr3t==x", "https://h/x?***&***&***&b=***&***"),
        ("https://h/x|s3cr3t", "https://h/x ***"),
        ("https://h/x%7Cs3cr3t", "https://h/x%***"),
        ("https://h/x\u2028s3cr3t", "https://h/x ***"),
        ("https://h/x\xa0s3cr3t", "https://h/x ***"),
        ("https://h/x%C2%A0s3cr3t", "https://h/x%***"),
        ("https://h/x%E2%80%A8s3cr3t", "https://h/x%***"),
        ("https://h/x\uff0fs3cr3t", "https://h/x ***"),
        ("https://h/x{s3cr3t}", "https://h/x ***"),
        ("https://h/\u76f4\u64ad/1.m3u8", "https://h/\u76f4\u64ad/1.m3u8"),
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
        ("//h/live/s3cr3t", "//h/live/***"),
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
    with pytest.raises(LakeError, match="no redaction key"):
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
        | ADDRESSES.map("srt://h:9000?streamid=#".__add__)
        | ADDRESSES.map("https://h/a/b c".__add__),
        max_size=300,
    )
)
def test_what_ordinary_values_are_spared_changes_none_of_them(connection, values: list[str]) -> None:
    """The short ways of the macros give what the rules give."""
    differing = connection.execute(
        """
        select value from (select unnest($1::varchar[]) as value)
        where mask_address(value) is distinct from mask_any_address(value)
            or mask_place(value) is distinct from mask_any_place(value)
            or host_of(mask_place(value)) is distinct from host_of_any(mask_place(value))
            or mask_name(value) is distinct from mask_any_name(value)
            or mask_stream_url(value) is distinct from
                list_transform([mask_place(value)], lambda address: hide_stream_path(address))[1]
        """,
        [values],
    ).fetchall()
    assert differing == []


SEPARATORS = [
    *"@?&#;=|~,:!$*+'()[]{}<>^`\\\" \t\n\0",
    *"\x85\xa0\u3000\u2028\u2029\u200b\u202e\ufeff\uff20\ufe6b\uff1f\uff06\uff1d\uff03\uff1b\uff0f\uff1a\uff5c\uff3c🔑",
    *("%40", "%2540", "%3f", "%253D", "%7C", "%5c", "%0A", "%20", "%2F", "%EF%BC%9F", "%C2%A0", "%e2%80%a8"),
    *("==", "/=", "/@", "/..", "//", "/ "),
]
STREAM_FRONTS = [
    "rtmp://",
    "RTMPS://",
    "rtmp:/",
    "srt://",
    "rtsp://",
    "rtmp+tls://",
    "//",
    "",
    " rtmp://",
    "\ufeffrtmp://",
]
USERS = ["", "", "", "u@", "u:p@", "u:p%40", "u:12@", "u:/12@", "u: @"]
HOSTS = ["h.example.com", "h.example.com:1935", "10.0.0.1", "[2001:db8::1]:1935", "频道.example.com", "u:12"]


def planted_addresses(count: int, seed: int) -> list[str]:
    """Addresses of streams with a key anywhere but in the host, as the application, or as a name of an argument."""
    choose = random.Random(seed)
    made = []
    for _ in range(count):
        pick = choose.choice
        noise = [
            "".join(pick([*"aé频1._-", "", pick(SEPARATORS)]) for _ in range(choose.randrange(4))) for _ in range(3)
        ]
        key = (
            pick(["", "x", pick(SEPARATORS), "n" + pick(SEPARATORS)]) + SECRET + pick(["", "", pick(SEPARATORS) + "x"])
        )
        front = pick(STREAM_FRONTS) + pick(USERS) + pick(HOSTS) + "/live/"
        tail = f"{noise[0]}/{key}" if choose.random() < 0.5 else f"{key}{noise[0]}"
        address = front + noise[1].replace("/", "") + pick(["", "", "/"]) + tail
        if choose.random() < 0.3:
            address = (
                front + f"x?a=1&n={noise[2]}" + pick(["", "&"]) + (f"k={key}" if choose.random() < 0.5 else f";{key}")
            )
        if choose.random() < 0.1:
            address = pick(STREAM_FRONTS) + f"u:{SECRET}{noise[0]}@" + pick(HOSTS) + "/live/x"
        if not re.search(f"[?&]{SECRET}=[^=&#]", address):
            made.append(address)
    return made


def test_no_stream_address_shows_a_key_wherever_it_is_planted(connection) -> None:
    addresses = planted_addresses(100_000, seed=13)
    shown = connection.execute(
        "select value, mask_stream_url(value), mask_url(value) from (select unnest($1::varchar[]) as value)",
        [addresses],
    ).fetchall()
    leaks = [row for row in shown if SECRET in row[1] or ("://" in row[0] and SECRET in row[2])]
    assert not leaks, (len(leaks), leaks[:20])
    places = sum("h.example.com" in row[1] or "10.0.0.1" in row[1] or "2001" in row[1] for row in shown)
    assert places > len(shown) / 4  # not because everything is hidden


def test_folded_patterns_mask_like_the_pieces_that_they_are_made_of(connection) -> None:
    values = [*planted_addresses(2_000, seed=19), "", None, "a=b&c", '{"a": 1}']
    names = re.findall(r"create macro ((?:mask|hide|host_of)\w*)\((?:value|masked|address)\)", masking.masks_sql())
    assert len(names) > 10
    found = []
    with duckdb.connect() as in_pieces:
        in_pieces.execute(masking.masks_sql())
        for each in (in_pieces, connection):
            each.execute("create or replace temp table given as select unnest($1::varchar[]) as value", [values])
            masked = ", ".join(f"{name}(value) as {name}" for name in names if name != "mask_json")
            found.append(each.execute(f"select {masked} from given").fetchall())
    assert found[0] == found[1]
    assert "||" not in masking.folded(masking.masks_sql()).partition("create macro mask_usual")[0]


@pytest.mark.parametrize(
    ("macro", "patterns", "large"),
    [("mask_stream_url", 34, 2), ("mask_place", 31, 2), ("mask_url", 34, 2), ("mask_name", 3, 0), ("host_of", 4, 0)],
)
def test_a_mask_compiles_few_patterns(connection, macro: str, patterns: int, large: int) -> None:
    """A pattern with the letters of all scripts takes 2 ms to be compiled, which is most of what a small day masks."""
    texts = "(select 'a' || n as value from range(9) as t(n))"
    ((_, text),) = connection.execute(f"explain (format json) select {macro}(value) from {texts}").fetchall()
    assert text.count("regexp_") <= patterns
    assert text.count("{L}") <= large


def test_no_plain_character_is_foreign(connection) -> None:
    characters = [chr(point) for point in (*range(1, 0xD800), *range(0xE000, 0x11000), *range(0x1F000, 0x20000))]
    both = connection.execute(
        "select value from (select unnest($1::varchar[]) as value) "
        "where regexp_full_match(value, plain_character()) and regexp_full_match(value, foreign_sign())",
        [characters],
    ).fetchall()
    assert both == []


def test_the_short_ways_give_what_the_rules_give_wherever_a_sign_is_planted(connection) -> None:
    addresses = planted_addresses(40_000, seed=17)
    addresses += [
        address.replace("/live/", "/live/x", 1) + end for address in addresses[:20_000] for end in ("\uff20", "#\uff20")
    ]
    differing = connection.execute(
        "select value from (select unnest($1::varchar[]) as value) "
        "where mask_place(value) is distinct from mask_any_place(value)",
        [addresses],
    ).fetchall()
    assert differing[:5] == []


def test_the_table_at_the_head_of_the_masks_is_what_they_do(connection):
    text = (Path(__file__).parent.parent / "sql" / "masks" / "addresses.sql").read_text(encoding="utf-8")
    rows = [re.split(r" {2,}", line.removeprefix("--").strip()) for line in text.splitlines() if "***" in line]
    table = [row for row in rows if len(row) == 4]
    assert len(table) == 5
    for value, *shown in table:
        masked = [apply(connection, macro, value) for macro in ("mask_stream_url", "mask_url", "mask_place")]
        masked[2] = apply(connection, "hide_stream_path", masked[2])
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
