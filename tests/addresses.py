"""Make up addresses of streams and web pages, ordinary ones and odd ones with a key; no test by itself."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from urllib.parse import quote

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


def planted_addresses(count: int, seed: int, secret: str) -> list[str]:
    """Return addresses of streams with a key anywhere but in the host, as application, or as name of an argument."""
    choose = random.Random(seed)
    made = []
    for _ in range(count):
        pick = choose.choice
        noise = [
            "".join(pick([*"aé频1._-", "", pick(SEPARATORS)]) for _ in range(choose.randrange(4))) for _ in range(3)
        ]
        key = (
            pick(["", "x", pick(SEPARATORS), "n" + pick(SEPARATORS)]) + secret + pick(["", "", pick(SEPARATORS) + "x"])
        )
        front = pick(STREAM_FRONTS) + pick(USERS) + pick(HOSTS) + "/live/"
        tail = f"{noise[0]}/{key}" if choose.random() < 0.5 else f"{key}{noise[0]}"
        address = front + noise[1].replace("/", "") + pick(["", "", "/"]) + tail
        if choose.random() < 0.3:
            address = (
                front + f"x?a=1&n={noise[2]}" + pick(["", "&"]) + (f"k={key}" if choose.random() < 0.5 else f";{key}")
            )
        if choose.random() < 0.1:
            address = pick(STREAM_FRONTS) + f"u:{secret}{noise[0]}@" + pick(HOSTS) + "/live/x"
        if not re.search(f"[?&]{secret}=[^=&#]", address):
            made.append(address)
    return made


@dataclass(frozen=True)
class Odd:
    """An address, its key, and where it was planted."""

    where: str
    address: str
    key: str

    def is_seen_in(self, masked: str) -> bool:
        """Tell whether the key, or a long part of it, can be read in what is left of the address."""
        return any(part.lower() in masked.lower() for part in re.findall(r"[A-Za-z0-9]{8,}", self.key))


# A grammar: `<name>` is replaced by one of the texts below that name, and `<key>` by the key of the address.
PIECES = {
    "stream": [
        *["rtmp://"] * 12,
        *("rtmp://", "rtmps://", "srt://", "rtsp://", "RTMP://", "webrtc://", "udp://", "quic+rtmp://", "h2://"),
        *("hls://", "x-live://", "", "//", "rtmp:/", "rtmp:///", "rtmp:\\\\", "rtmp:\t//"),
    ],
    "web": [*["https://"] * 4, "http://", "HTTPS://", "https:///", "https:/"],
    "either": ["<stream>", "<web>"],
    "name": [
        *["push.example.com"] * 8,
        *("push.example.com", "h", "H.Example.COM", "10.1.2.3", "[2001:db8::7]", "[::ffff:10.0.0.1]", "a-b.example.cn"),
        *("直播.example.com", "xn--fiq228c.example.com", "h_1.example.com", "h.example.com.", "h..example.com", "-h"),
    ],
    "port": [*[""] * 6, ":1935", ":443", ":99999", ":", ":0x50"],
    "at": ["@", "@", "@", "\uff20", "\ufe6b", "%40", "%2540", "%25%34%30", "%EF%BC%A0", "&#64;", "\\u0040"],
    "user": [*[""] * 6, "u@", "u:p@", "u:<word><at>"],
    "host": ["<user><name><port>"],
    "path": ["", "/", *["/live"] * 6, "/live/x", "/live/<word>/", "//live//x", "/直播/x", "/a%20b/x", "/live/../x"],
    "word": ["a", "x1", "token", "频道", "Key", "0"],
    "end": [
        *("/?", "/#", "/;", ";", "#", "?", "/ ", " ", "\t", "\n", "\r\n", "\\", "/\\", "|", "/|", "/,rtmp://h2/", "\0"),
        *("%2F", "%3F", "%23", "%3B", "%5C", "%0A", "%09", "%20", "/%3F", "/%253F", "/%3b", "/%7C", "/%26", "/%C2%A0"),
        *("\uff0f", "/\uff1f", "\uff03", "\uff1b", "\uff3c", "/\u2028", "\u200b", "\u3000", "/\ufeff", "\u2044"),
        *("/{", "/<", '/"', "/^", "/`", "/[", "/x=", "/x==", "/..;", "/a:", "/${", "/&#47;", "/\u037e", ":/", "::"),
    ],
    "fill": [*[""] * 8, "&", "&x=1", "/x", "#x", " ", "%20", ";x", "=", "==", "?x", ".m3u8", "\n"],
    "slash": ["/", "/", "\\", "|", "\uff0f", "%2F", "/./"],
}
PLACES = {
    "scheme": ["<key>://<host><path>", "<key>:/<host><path>", "<key>+rtmp://<host><path>", "rtmp-<key>://<host><path>"],
    "before": [f"<key>{sign}<either><host><path>" for sign in (" ", "=", ",", ";", "\t", "\n", ":", "@ ", "|")],
    "user": [
        f"<either><key>{end}<at><name><port><path>" for end in ("", ":", ":p", ":p:q", ":1/2", ":#", ":?", "/", "\\")
    ],
    "password": [
        f"<either>{user}:<key><at><name><port><path>" for user in ("", "u", "u:12", "u:1/", "u?", "u#", "a@b")
    ],
    "password in parts": [
        "<either>u:12/<key><fill><at><host>",
        "<either>u:12?<key><fill><at><host>",
        "<web>u#<key><at><host>",
    ],
    "port": ["<either><host>:<key><path>", "<either><name>:<key>?a=1", "<name>:<key><path>"],
    "zone": ["<either>[fe80::1%<key>]<path>", "<either>[fe80::1%25<key>]<path>", "<either>[<key>]<path>"],
    "last label": ["<either><user><key>-0123456789abcdef<port><path>", "<either>h.<key>-0123456789abcdef<path>"],
    "stream path": ["<stream><host>/live<slash><key><fill>", "<stream><host><path>/live/x<slash><key><fill>"],
    "only part": [
        f"<stream><host>/<key>{end}" for end in ("", "/", "//", "/.", "/..", "/%20", "/*", "?a=1", "/ ", "/#")
    ],
    "behind the end": ["<either><host><path><end><key><fill>", "<either><host><path><end><word>=<key><fill>"],
    "value": [
        f"<either><host><path>?<word>={sign}<key><fill>"
        for sign in ("", "=", "%26", "&&", "a;", "a?", "%3D", " ", "\t")
    ],
    "second value": [f"<either><host><path>?a=1{sign}<word>=<key><fill>" for sign in ("&", ";", "&amp;", "%26", "?")],
    "name without value": [
        f"<either><host><path>?{front}<key>{end}"
        for front in ("", "a=1&", "&", "a&", "?", "a=%26")
        for end in ("", "=", "==", "&", "=&b=1", "=#x", "/")
    ],
    "parameter": ["<either><host><path>;<key><fill>", "<either><host><path>;<word>=<key><fill>"],
    "fragment": [f"<either><host><path>#{front}<key><fill>" for front in ("", "!::u=", "k=", "a=1&", "/", "?", "x&k=")],
    "second address": [f"<either><host><path>{sign}rtmp://<host>/live/<key>" for sign in (",", " ", "|", ";", "/", "")],
    "address in an address": ["<either>rtmp://<host>/live/<key>", "<web><host>/<stream>u:<key>@<host>/x"],
    "behind an at": [
        "<either><name>/<word>@<key><fill>",
        "<stream><name>/a/<word><at><key>",
        "<stream><name>\\a@<key>/x",
    ],
    "no address": [
        f"{front}<key><fill>" for front in ("", "rtmp:", "data:,", "mailto:", "urn:x:", "?", "#", "/", "\\\\")
    ],
    "in a text": ['["<stream><host>/live/<key>"]', "-i <stream><host>/live/<key> -c copy", "<<either><host>/?k=<key>>"],
}
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _key(choose: random.Random) -> str:
    """Return a key in one of the forms that services give out: hexadecimal, letters, with a prefix, a JWT, a UUID."""

    def drawn(signs: str, size: int) -> str:
        return "".join(choose.choices(signs, k=size))

    return choose.choice(
        (
            drawn(LETTERS[-36:], choose.randrange(16, 64)),
            drawn(LETTERS, choose.randrange(14, 40)),
            f"live_{drawn(LETTERS[-10:], 9)}_{drawn(LETTERS, 30)}",
            ".".join(
                ("eyJ" + drawn(LETTERS, 20), "eyJ" + drawn(LETTERS, 70), drawn(LETTERS, 20) + "_" + drawn(LETTERS, 22))
            ),
            "-".join(drawn("0123456789abcdef", size) for size in (8, 4, 4, 4, 12)),
        )
    )


def _written(choose: random.Random, text: str, grammar: dict[str, list[str]], key: str | None) -> str:
    """Return a text in which nothing is left to be replaced; the key is a fresh one wherever none is given."""

    def replaced(name: re.Match[str]) -> str:
        return choose.choice(grammar[name[1]]) if name[1] != "key" else key or _key(choose)

    while (longer := re.sub(r"<([a-z]+)>", replaced, text)) != text:
        text = longer
    return text


def odd_addresses(count: int, seed: int) -> list[Odd]:
    """Return odd addresses, each with a key of its own somewhere where no key may be seen.

    Not planted, as they are shown: labels of a host before its last, the plain path of a web page, the application of a
    stream before a name, the name of an argument that has a value.
    """
    choose = random.Random(seed)
    made = []
    for _ in range(count):
        where, key = choose.choice(sorted(PLACES)), _key(choose)
        address = _written(choose, choose.choice(PLACES[where]), PIECES, key)
        if choose.random() < 0.02:
            address = quote(address, safe=choose.choice(("", ":", ":/")))
        made.append(Odd(where, address, key))
    return made


# Addresses as people write them, by the same way of writing a grammar; `<key>` is a fresh key each time.
ORDINARY = {
    "address": [
        *["<rtmp>://<user><where>/<app>/<key><signed>"] * 9,
        *["<rtmp>://<where>/<app>/<name>-<number><signed>"] * 6,
        *["http<s>://<user><where>/<folder>/<name>.<kind><signed>"] * 9,
        *["http<s>://<where>/<folder>/<folder>/<name>-<number>.<kind><signed>"] * 6,
        *["rtsp://<user><where>/<folder>/<number>", "rtsp://<user><where>/cam/realmonitor?channel=1&subtype=<number>"],
        *["srt://<host>:9000?streamid=<key>", "srt://<host>:9000?streamid=#!::r=<app>/<name>,m=publish,u=<key>"],
        *["hls://<where>/<folder>/<name>.m3u8<signed>", "<where>/<app>/<key><signed>"],
        "http<s>://<where>/?token=<key>",
    ],
    "rtmp": [*["rtmp"] * 6, "rtmps", "RTMP"],
    "s": ["s", "s", ""],
    "user": [*[""] * 12, "user:<key>@", "admin:P4ss.w0rd!@"],
    "where": [*["<host>"] * 3, "<host>:8080"],
    "host": ["<name>.example.com", "<name>.example.com", "push-<number>.cn-north-4.example.com", "10.0.<number>.1"],
    "app": [*["live"] * 4, "event", "radio_1"],
    "folder": ["live", "vod", "2026-11", "channel_1", "直播", "%E7%9B%B4%E6%92%AD"],
    "name": ["news", "sport", "match", "cdn", "ch1"],
    "number": ["1", "17", "204"],
    "kind": ["m3u8", "flv", "mp4", "ts"],
    "signed": [
        *[""] * 10,
        *[
            "?txSecret=<key>&txTime=6A2F<number>",
            "?auth_key=1795000000-<number>-0-<key>",
            "?vhost=example.com&token=<key>",
        ],
        *["?wsSecret=<key>&wsTime=<number>", "?sign=<key>&t=<number>", "?hwSecret=<key>&hwTime=6a2f<number>"],
        *[
            "?Expires=<number>&Signature=<key>%2B<number>%3D",
            "?token=<key>==",
            "?token=<key>&lang=",
            "?<key>",
            "?a=1#t=17",
        ],
    ],
}


def ordinary_addresses(count: int, seed: int) -> list[str]:
    """Return addresses as people write them, nearly all of which must show more than three stars."""
    choose = random.Random(seed)
    return [_written(choose, "<address>", ORDINARY, None) for _ in range(count)]
