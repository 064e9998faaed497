"""Mask addresses, arguments and unknown texts for everything outside raw/ and tidy/.

Lives here: creating the macros of sql/masks/ in a database, masking names and messages from outside.
Does not live here: the rules (sql/masks), the mask of each column (sql/staging), the key (lake.redaction_key).
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
    """Return the SQL that creates the masks: all files of `sql/masks/`, in order of their names.

    Raises:
        ModelError: when there are no such files.
    """
    folder = sql_folder() / "masks"
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise ModelError(f"{folder}: no masks there; is the installation whole?")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def install(
    connection: duckdb.DuckDBPyConnection, *, mask_stream_names: bool = False, expose_secrets: bool = False
) -> None:
    """Create the macros `mask_*`, `hide_*` and `fingerprint`, which the staging models call, in the default catalog.

    Args:
        connection: `fingerprint` needs the variable that `set_key` sets on it.
        mask_stream_names: whether stream names are hidden as well.
        expose_secrets: whether the macros return every value unchanged.
    """
    connection.execute(masks_sql())
    if mask_stream_names:
        connection.execute("create or replace macro mask_stream_name(value) as mask_raw(value)")
    if expose_secrets:
        # the models stay the same: the macros are replaced by ones that return their argument
        for name in re.findall(r"create macro ((?:mask|hide)_\w+)", masks_sql()):
            connection.execute(f"create or replace macro {name}(value) as value")


def masks_digest(key: bytes, *, mask_stream_names: bool, expose_secrets: bool) -> str:
    """Return a hash, in hex, that changes when values are masked or fingerprinted otherwise; never with a comment."""
    flags = f"{mask_stream_names}|{expose_secrets}"
    # the digest is published, so it must not reveal the key: the key is hashed by itself first
    parts = (without_comments(masks_sql()), flags, hashlib.sha256(key).hexdigest())
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def set_key(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Set the key for `fingerprint`, as a variable: no SQL text and no file of the connection contains it."""
    connection.execute("set variable redaction_key = $1", [key.hex()])


def mask_text(text: str) -> str:
    """Return the known harmless parts of a service's message, in our words; `***` if there are none."""
    return known_phrases(text) or HIDDEN


def mask_words(text: str) -> str:
    """Return a name from outside, or a message of a program, masked by the macro `mask_words`."""
    ((masked,),) = _masking().cursor().execute("select mask_words($1::varchar)", [cleaned(text)]).fetchall()
    return str(masked)


@cache
def _masking() -> duckdb.DuckDBPyConnection:
    """Return a database with nothing but the masks; it is created once per process."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    install(connection)
    return connection


def scrub(text: str) -> str:
    """Return a message of the database without the values that it may quote."""
    # a double-quoted text is a name and stays, unless it contains an address
    text = re.sub(r"'[^'\n]*'", "'***'", text)
    text = re.sub(r'"[^"\n]*://[^"\n]*"', '"***"', text)
    return re.sub(r"[A-Za-z][A-Za-z0-9+.-]*://\S*", "***", text)
