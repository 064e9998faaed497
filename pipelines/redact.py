"""Masking: what of an address, of arguments or of an unknown text may be seen outside raw/ and tidy/.

Lives here: the rules, as SQL macros that the staging models call, and the keyed fingerprint.
Does not live here: which column is masked how (sql/staging), where the key lies (lake).

The rules deny by default: of an address the scheme, the host, the path and the names of parameters stay; userinfo,
values, fragments and whatever does not look like an address go. A fingerprint is an HMAC-SHA256 of the whole value.
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from pipelines.errors import LakeError

if TYPE_CHECKING:
    import duckdb

    from pipelines.lake import Lake

KEY_BYTES = 32
FINGERPRINT_CHARACTERS = 16  # 64 bits: among a million addresses two share one by chance once in 30 million lakes

# Applied in this order; (pattern, replacement, options of regexp_replace). RE2 and Python's re agree on all of them.
_ADDRESS_RULES = (
    # blanks, quotes and invisible characters in front hide the scheme from the rules below
    ("^[^A-Za-z0-9/@\\[]+", "", ""),
    # userinfo, up to the last @ before the path; without a scheme as well, and over ? and # that stand in a password
    ("^([A-Za-z][A-Za-z0-9+.-]*:/+|//)?[^/]*[@\uff20]", r"\1***@", ""),
    ("^([A-Za-z][A-Za-z0-9+.-]*:/+|//)?[^?#]*[@\uff20]", r"\1***@", ""),
    ("[#\uff03].*$", "#***", "s"),
    (r"[\s\\].*$", " ***", "s"),
    (r";[^?#]*", ";***", "g"),
    # everything behind an encoded ? & = # @ might be a parameter, however often it was encoded
    ("(?i)(%(25)*(3F|26|3D|23|40)|[\uff1f\uff06\uff1d]).*$", "%***", "s"),
    # a name without a value might be a key that ends in =
    (r"([?&])[^=&#]*=+(&|#|$)", r"\1***\2", "g"),
    (r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&#]*", r"\1\2***", "g"),
    # the last segment of these is the stream key
    (r"(?i)^((rtmp[a-z]*|srt):/+[^/?#;][^?#;]*?/)[^/?#; %]*[^/?#; %.][^/?#; %]*(%20|/|\.)*([?#; %]|$)", r"\1***\4", ""),
)

# What is left must look like a place: a scheme or a masked user before a host, or at least a host's name. Else it is no
# address, and may as well be a key.
_PLACE = (
    r"^(([A-Za-z][A-Za-z0-9+.-]*:/+|//)(\*\*\*@)?(\[[0-9A-Fa-f:.]+\]|[^/?#;:@\[\]\s\\]*)(:[0-9]*)?"
    r"|\*\*\*@[^/?#;:@\s\\]*(:[0-9]*)?"
    r"|([a-z0-9-]{1,63}\.)+[a-z]{2,24}(:[0-9]*)?"
    r"|[0-9]{1,3}(\.[0-9]{1,3}){3}(:[0-9]*)?)"
    r"([/?#;%\s].*)?$"
)
# What follows one of these in a name is no name, but arguments that somebody put there.
_ARGUMENTS = "[?&#;=@\uff1f\uff20].*$"


def macros(*, mask_stream_names: bool = False, expose_secrets: bool = False) -> list[str]:
    """The SQL that makes the macros `mask_*` and `fingerprint`, which the staging models call.

    All of them give null for null. `fingerprint` needs the variables that `set_key` sets.

    Args:
        mask_stream_names: whether stream names are hidden as well.
        expose_secrets: whether the macros leave everything as it is.
    """
    fingerprint = (
        "create macro fingerprint(value) as substr(sha256(getvariable('redaction_outer') || "
        f"unhex(sha256(getvariable('redaction_inner') || encode(value)))), 1, {FINGERPRINT_CHARACTERS})"
    )
    if expose_secrets:
        names = ("url", "args", "raw", "text", "json", "name", "stream_name")
        return [*(f"create macro mask_{name}(value) as value" for name in names), fingerprint]
    address = "value"
    for pattern, replacement, options in _ADDRESS_RULES:
        address = f"regexp_replace({address}, {_quoted(pattern)}, {_quoted(replacement)}, '{options}')"
    hidden = "case when value = '' then '' when value is not null then '***' end"
    named = _quoted(r"(?i)((key|token|secret|sign[a-z]*|password|access|auth[a-z_]*)[ ]*[=:][ ]*)[^ ,;)]+")
    nameless = _quoted(r"([?&])[^=&]*=+(&|$)")
    parameters = _quoted(r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&]*")
    return [
        f"create macro mask_address(value) as {address}",
        f"create macro mask_place(value) as case when value = '' or regexp_matches(value, {_quoted(_PLACE)}, 's') "
        "then value when value is not null then '***' end",
        "create macro mask_url(value) as mask_place(mask_address(value))",
        "create macro mask_args(value) as case when value = '' then '' else "
        f"substr(regexp_replace(regexp_replace('?' || value, {nameless}, '\\1***\\2', 'g'), "
        f"{parameters}, '\\1\\2***', 'g'), 2) end",
        f"create macro mask_raw(value) as {hidden}",
        "create macro mask_text(value) as regexp_replace(regexp_replace(value, "
        f"{_quoted('[A-Za-z][A-Za-z0-9+.-]*://[^ ,;)]*')}, '***', 'g'), "
        f"{named}, '\\1***', 'g')",
        "create macro mask_json(value) as case when value is not null then '{' || array_to_string("
        "list_transform(json_keys(value), lambda field: to_json(field) || ':\"***\"'), ',') || '}' end",
        f"create macro mask_name(value) as regexp_replace(value, {_quoted(_ARGUMENTS)}, '***', 's')",
        f"create macro mask_stream_name(value) as {hidden if mask_stream_names else 'mask_name(value)'}",
        fingerprint,
    ]


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Bind the key for `fingerprint`; it stands in no SQL text and in no file that the connection writes."""
    block = key.ljust(64, b"\0")
    connection.execute("set variable redaction_inner = $1", [bytes(byte ^ 0x36 for byte in block)])
    connection.execute("set variable redaction_outer = $1", [bytes(byte ^ 0x5C for byte in block)])


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


def scrub(text: str) -> str:
    """A message of the database without the values that it may quote."""
    text = re.sub(r"'[^'\n]*'", "'***'", text)
    text = re.sub(r'"[^"\n]*://[^"\n]*"', '"***"', text)
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", "***", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
