"""Masking: what of an address, of arguments or of an unknown text may be seen outside raw/ and tidy/.

Lives here: the rules, as SQL macros that the staging models call, and the keyed fingerprint.
Does not live here: which column is masked how (sql/staging), where the key lies (lake).

The rules deny by default: of an address the scheme, the host, the path and the names of parameters stay; userinfo,
values, fragments and whatever does not look like an address go. A fingerprint is the SHA-256 of the key, which fills
one block of it, and the whole value; only a part of it is shown, so nothing can be appended to what it was made of.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from pipelines.errors import LakeError
from pipelines.literals import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from pipelines.lake import Lake

KEY_BYTES = 32
FINGERPRINT_CHARACTERS = 16  # 64 bits: among a million addresses two share one by chance once in 30 million lakes

_AT = "[@\uff20\ufe6b]"
_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*:/{1,2}"
_ENCODED = "%(25)*(3F|26|3D|23|40|3B)"  # ? & = # @ ; however often they were encoded
_WIDE = "[\uff1f\uff06\uff1d\uff03\uff1b]"  # the same as full-width characters
# Applied in this order; (pattern, replacement, options of regexp_replace). RE2 and Python's re agree on all of them.
_ADDRESS_RULES = (
    # blanks, quotes and invisible characters in front hide the scheme from the rules below
    ("^[^A-Za-z0-9/@\\[]+", "", ""),
    # userinfo, up to the last @ before the path; without a scheme as well, and over ? and # that stand in a password
    (f"^({_SCHEME}|//)?[^/]*{_AT}", r"\1***@", ""),
    (f"^({_SCHEME}|//)?[^?#]*{_AT}", r"\1***@", ""),
    # an address in an address: another one behind a comma, or one that is proxied
    (f"^({_SCHEME}[^/]*/).*:/.*$", r"\1***", "s"),
    ("#.*$", "#***", "s"),
    (r"[\s\\].*$", " ***", "s"),
    (r";[^?#]*", ";***", "g"),
    # everything behind an encoded separator might be a parameter
    (f"(?i)({_ENCODED}|{_WIDE}).*$", "%***", "s"),
    # a name without a value might be a key that ends in =
    (r"([?&])[^=&#]*=+(&|#|$)", r"\1***\2", "g"),
    (r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&#]*", r"\1\2***", "g"),
)
# An address that none of the rules but the last two can touch, nor those either where it has no arguments: most are so.
_PLAIN = "[^\\s\\\\@#;%:?&=\uff20\ufe6b\uff1f\uff06\uff1d\uff03\uff1b]"
_ORDINARY = "[A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9.-]+(:[0-9]{1,5})?" + f"(/{_PLAIN}*)?" + r"(\?[A-Za-z0-9._~=&/-]*)?"
# One of a web page or a file without arguments: nothing of it is hidden.
_ORDINARY_WEB = "https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?" + f"(/{_PLAIN}*)?"
# What is left must look like a place: a scheme or a masked user before a host, or at least a host's name. Else it is no
# address, and may as well be a key.
_HOST = r"(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]|[^/?#;:@,%\[\]\s\\]+)(:[0-9]{1,5})?"
_PLACE = (
    f"^(({_SCHEME}|//)(\\*\\*\\*@)?{_HOST}"
    f"|\\*\\*\\*@{_HOST}"
    r"|([a-z0-9-]{1,63}\.)+[a-z]{2,24}(:[0-9]{1,5})?"
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]{1,5})?)"
    r"([/?#;\s].*)?$"
)
# The path of a stream: its application may be seen if a plain name follows it, all else may be the key.
_FRONT = f"({_SCHEME}|//)?(\\[[^\\]]*\\]|[^/?#;:\\s]+)(:[0-9]{{1,5}})?/+"
_KEYED_PATH = (
    f"^({_FRONT}[A-Za-z0-9_~-][A-Za-z0-9._~-]*/)[/.]*([A-Za-z0-9_~\u0080-\U0010ffff-]|%[013-9A-Fa-f])[^?#;\\s]*"
)
_ANY_PATH = f"^({_FRONT})[^?#;\\s]+"
_IS_WEB = "(?i)^https?:/+"
_HAS_SCHEME = f"^{_SCHEME}"
# What stands before the last @ of a name, and what follows one of the others, is no name, but what somebody put there.
_USER = f"^.*{_AT}"
_ARGUMENTS = f"(?i)([?&#;=]|{_WIDE}|{_ENCODED}).*$"
# A name without any of these is none of the above.
_SUSPECT = "[@?&#;=%\uff20\ufe6b\uff1f\uff06\uff1d\uff03\uff1b]"
# Words of the service and of the system: addresses, values of whatever looks like a parameter, and quoted values.
_MESSAGE_RULES = (
    (r"[A-Za-z][A-Za-z0-9+.-]*:/\S*", "***"),
    (rf"\S*{_AT}\S*", "***"),
    (r"""(["']\s*:\s*)["'][^"']*["']""", r"\1***"),
    (r"([A-Za-z0-9_.-]{1,40}=)\S+", r"\1***"),
    (
        r"(?i)((key|token|secret|sign[a-z]*|pass[a-z]*|pwd|access|auth[a-z_]*|credential|streamid|ak|sk)\s*[=:]\s*)[^\s,;)]+",
        r"\1***",
    ),
    (r"(?i)(bearer\s+)\S+", r"\1***"),
)


def macros(*, mask_stream_names: bool = False, expose_secrets: bool = False) -> list[str]:
    """The SQL that makes the macros `mask_*` and `fingerprint`, which the staging models call.

    All of them give null for null. `fingerprint` needs the variables that `set_key` sets.

    Args:
        mask_stream_names: whether stream names are hidden as well.
        expose_secrets: whether the macros leave everything as it is.
    """
    fingerprint = (
        f"create macro fingerprint(value) as substr(sha256(getvariable('redaction_key') || value), 1, "
        f"{FINGERPRINT_CHARACTERS})"
    )
    if expose_secrets:
        masks = ("address", "place", "url", "stream_url", "args", "raw", "text", "json", "name", "stream_name")
        names = [*(f"mask_{name}" for name in masks), "hide_path", "hide_stream_path"]
        return [*(f"create macro {name}(value) as value" for name in names), fingerprint]
    address = _replaced("value", _ADDRESS_RULES)
    arguments = _replaced("value", _ADDRESS_RULES[-2:])
    message = _replaced("value", tuple((pattern, replacement, "g") for pattern, replacement in _MESSAGE_RULES))
    hidden = "case when value = '' then '' when value is not null then '***' end"
    nameless = quoted(r"([?&])[^=&]*=+(&|$)")
    parameters = quoted(r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&]*")
    name = _replaced("value", ((_USER, "***", "s"), (_ARGUMENTS, "***", "s")))
    # a list of one and a lambda: so what is found once is not computed again wherever it is named
    once = "list_transform([{found}], lambda address: {result})[1]"
    place = f"case when address = '' or regexp_matches(address, {quoted(_PLACE)}, 's') then address "
    place += "when address is not null then '***' end"
    path = f"case when regexp_matches(address, {quoted(_KEYED_PATH)}) "
    path += f"then regexp_replace(address, {quoted(_KEYED_PATH)}, '\\1***') "
    path += f"else regexp_replace(address, {quoted(_ANY_PATH)}, '\\1***') end"
    return [
        f"create macro mask_address(value) as case when regexp_full_match(value, {quoted(_ORDINARY)}) "
        f"then case when contains(value, '?') then {arguments} else value end else {address} end",
        f"create macro mask_place(value) as {once.format(found='mask_address(value)', result=place)}",
        # `hide_*` go on from what `mask_place` left of an address; the path of a web page or a file may be seen, of a
        # stream, and of what has no scheme, it holds the key
        f"create macro hide_path(address) as {path}",
        "create macro hide_stream_path(address) as "
        f"case when regexp_matches(address, {quoted(_IS_WEB)}) then address else hide_path(address) end",
        f"create macro mask_stream_url(value) as case when regexp_full_match(value, {quoted(_ORDINARY_WEB)}) "
        f"then value else {once.format(found='mask_place(value)', result='hide_stream_path(address)')} end",
        "create macro mask_url(value) as "
        + once.format(
            found="mask_place(value)",
            result=f"case when regexp_matches(address, {quoted(_HAS_SCHEME)}) then hide_stream_path(address) "
            "else address end",
        ),
        "create macro mask_args(value) as case when value = '' then '' else "
        f"substr(regexp_replace(regexp_replace('?' || value, {nameless}, '\\1***\\2', 'g'), "
        f"{parameters}, '\\1\\2***', 'g'), 2) end",
        f"create macro mask_raw(value) as {hidden}",
        f"create macro mask_text(value) as {message}",
        "create macro mask_json(value) as case when value is not null then '{' || array_to_string("
        "list_transform(json_keys(value), lambda field: to_json(field) || ':\"***\"'), ',') || '}' end",
        f"create macro mask_name(value) as case when regexp_matches(value, {quoted(_SUSPECT)}) then {name} "
        "else value end",
        f"create macro mask_stream_name(value) as {hidden if mask_stream_names else 'mask_name(value)'}",
        fingerprint,
    ]


def _replaced(value: str, rules: Sequence[tuple[str, str, str]]) -> str:
    """SQL that applies the rules to a value, one after the other."""
    for pattern, replacement, options in rules:
        value = f"regexp_replace({value}, {quoted(pattern)}, {quoted(replacement)}, '{options}')"
    return value


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Bind the key for `fingerprint`; it stands in no SQL text and in no file that the connection writes."""
    connection.execute("set variable redaction_key = $1", [key.hex()])


def read_or_make_key(lake: Lake, *, may_make: bool = True) -> bytes:
    """The lake's redaction key; made at first use.

    Args:
        lake: where it lies.
        may_make: whether a missing key is a beginning; in a lake that has published before it is a loss.

    Raises:
        LakeError: when the file is there and is no key, or is missing and may not be made.
    """
    path = lake.redaction_key
    if not path.is_file() and not may_make:
        raise LakeError(
            f"{path}: the redaction key is gone, and with it the meaning of every published fingerprint. Restore it "
            f"from a backup; or remove all builds in {lake.warehouse} to begin with a new key"
        )
    if not path.is_file():
        with lake.writing(path) as unfinished:
            unfinished.write_text(secrets.token_hex(KEY_BYTES) + "\n", encoding="ascii")
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise LakeError(
            f"{path}: this is no redaction key ({2 * KEY_BYTES} characters 0-9 a-f); restore it from a backup, "
            "or remove it to begin with a new one (fingerprints will differ from the earlier ones)"
        )
    return bytes.fromhex(text)


def mask_text(text: str) -> str:
    """Words of the service as the macro `mask_text` masks them; what is masked already stays as it is."""
    for pattern, replacement in _MESSAGE_RULES:
        text = re.sub(pattern, replacement, text)
    return text


def scrub(text: str) -> str:
    """A message of the database without the values that it may quote."""
    text = re.sub(r"'[^'\n]*'", "'***'", text)
    text = re.sub(r'"[^"\n]*://[^"\n]*"', '"***"', text)
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", "***", text)
