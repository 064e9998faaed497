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
FINGERPRINT_CHARACTERS = 32

# Applied in this order; (pattern, replacement, options of regexp_replace). RE2 and Python's re agree on all of them.
_ADDRESS_RULES = (
    (r"^\s+", "", ""),
    # userinfo, up to the last @ before path, query and fragment; without a scheme as well
    ("^([A-Za-z][A-Za-z0-9+.-]*://|//)?[^?#]*[@\uff20]", r"\1***@", ""),
    (r"#.*$", "#***", "s"),
    (r"[\s\\].*$", " ***", "s"),
    (r";[^?#]*", ";***", "g"),
    # everything behind an encoded ? & = # ; might be a parameter
    (r"(?i)%(3F|26|3D|23|3B|40).*$", "%***", "s"),
    (r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&#]*", r"\1\2***", "g"),
    # the last segment of these is the stream key
    (r"(?i)^((rtmp[a-z]*|srt)://[^?#;]*/)[^/?#;]+/*", r"\1***", ""),
)


def macros(*, mask_stream_names: bool) -> list[str]:
    """The SQL that makes the macros `mask_*` and `fingerprint`, which the staging models call.

    All of them give null for null. `fingerprint` needs the variables that `set_key` sets.
    """
    address = "value"
    for pattern, replacement, options in _ADDRESS_RULES:
        address = f"regexp_replace({address}, {_quoted(pattern)}, {_quoted(replacement)}, '{options}')"
    hidden = "case when value = '' then '' when value is not null then '***' end"
    parameters = _quoted(r"([?&])([A-Za-z0-9_.-]{1,40}=)?[^&]*")
    return [
        f"create macro mask_url(value) as {address}",
        "create macro mask_args(value) as case when value = '' then '' else "
        f"substr(regexp_replace('?' || value, {parameters}, '\\1\\2***', 'g'), 2) end",
        f"create macro mask_raw(value) as {hidden}",
        "create macro mask_text(value) as regexp_replace(regexp_replace(value, "
        f"{_quoted('[A-Za-z][A-Za-z0-9+.-]*://[^ ,;)]*')}, '***', 'g'), "
        f"{_quoted('(?i)((key|token|secret|sign[a-z]*|password|auth[a-z_]*)[ ]*[=:][ ]*)[^ ,;)]+')}, '\\1***', 'g')",
        "create macro mask_json(value) as case when value is not null then '{' || array_to_string("
        "list_transform(json_keys(value), lambda field: to_json(field) || ':\"***\"'), ',') || '}' end",
        f"create macro mask_stream_name(value) as {hidden if mask_stream_names else 'value'}",
        "create macro fingerprint(value) as substr(sha256(getvariable('redaction_outer') || "
        f"unhex(sha256(getvariable('redaction_inner') || encode(value)))), 1, {FINGERPRINT_CHARACTERS})",
    ]


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Bind the key for `fingerprint`; it stands in no SQL text and in no file that the connection writes."""
    block = key.ljust(64, b"\0")
    connection.execute("set variable redaction_inner = $1", [bytes(byte ^ 0x36 for byte in block)])
    connection.execute("set variable redaction_outer = $1", [bytes(byte ^ 0x5C for byte in block)])


def read_or_make_key(lake: Lake) -> bytes:
    """The lake's redaction key; made at first use.

    Raises:
        LakeError: when the file is there and is no key.
    """
    path = lake.redaction_key
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
