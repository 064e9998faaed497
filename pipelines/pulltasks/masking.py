"""Masking: what of an address, of arguments or of an unknown text may be seen outside raw/ and tidy/.

Lives here: handing the masks of sql/masks/ to a database, masking names and messages from outside.
Does not live here: the rules (sql/masks), which column is masked how (sql/staging), the key (lake.redaction_key).
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

from pulltasks.errors import ModelError
from pulltasks.json_reading import cleaned
from pulltasks.service_words import HIDDEN, known_phrases
from pulltasks.sql_files import sql_folder
from pulltasks.sql_literals import without_comments

if TYPE_CHECKING:
    import duckdb

FINGERPRINT_CHARACTERS = 16


def masks_sql() -> str:
    """The SQL that makes the masks: all files of `sql/masks/`, one after the other.

    Raises:
        ModelError: when there are none.
    """
    folder = sql_folder() / "masks"
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise ModelError(f"{folder}: no masks there; is the installation whole?")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def install(
    connection: duckdb.DuckDBPyConnection, *, mask_stream_names: bool = False, expose_secrets: bool = False
) -> None:
    """Make the macros `mask_*`, `hide_*` and `fingerprint`, which the staging models call, where new things are made.

    Args:
        connection: `fingerprint` needs the variable that `set_key` sets.
        mask_stream_names: whether stream names are hidden as well.
        expose_secrets: whether the macros leave everything as it is.
    """
    connection.execute(masks_sql())
    if mask_stream_names:
        connection.execute("create or replace macro mask_stream_name(value) as mask_raw(value)")
    if expose_secrets:
        for name in re.findall(r"create macro ((?:mask|hide)_\w+)", masks_sql()):
            connection.execute(f"create or replace macro {name}(value) as value")


def masks_digest(key: bytes, *, mask_stream_names: bool, expose_secrets: bool) -> str:
    """Changes with whatever decides how a value is masked and fingerprinted; never with a comment."""
    flags = f"{mask_stream_names}|{expose_secrets}"
    parts = (without_comments(masks_sql()), flags, hashlib.sha256(key).hexdigest())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Bind the key for `fingerprint`; it stands in no SQL text and in no file that the connection writes."""
    connection.execute("set variable redaction_key = $1", [key.hex()])


def mask_text(text: str) -> str:
    """Return of a message of the service what is known to be harmless, in our words; `***` where nothing is."""
    return known_phrases(text) or HIDDEN


def mask_words(text: str) -> str:
    """Return a name from outside, or a message of a program, as the macro `mask_words` masks it."""
    ((masked,),) = _masking().cursor().execute("select mask_words($1::varchar)", [cleaned(text)]).fetchall()
    return str(masked)


@cache
def _masking() -> duckdb.DuckDBPyConnection:
    """A database that holds nothing but the masks."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    install(connection)
    return connection


def scrub(text: str) -> str:
    """A message of the database without the values that it may quote."""
    text = re.sub(r"'[^'\n]*'", "'***'", text)
    text = re.sub(r'"[^"\n]*://[^"\n]*"', '"***"', text)
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", "***", text)
