"""Masking: what of an address, of arguments or of an unknown text may be seen outside raw/ and tidy/.

Lives here: handing the masks of sql/masks/ to a database, the key of the fingerprints, texts of our own messages.
Does not live here: the rules (sql/masks), which column is masked how (sql/staging), where the key lies (lake).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import LakeError, ModelError
from pipelines.json_reading import cleaned
from pipelines.literals import without_comments

if TYPE_CHECKING:
    import duckdb

    from pipelines.lake import Lake

KEY_BYTES = 32
FINGERPRINT_CHARACTERS = 16
MASKS_FOLDER = Path(__file__).parent.parent / "sql" / "masks"


@cache
def masks_sql() -> str:
    """The SQL that makes the masks: all files of `sql/masks/`, one after the other.

    Raises:
        ModelError: when there are none.
    """
    files = sorted(MASKS_FOLDER.glob("*.sql"))
    if not files:
        raise ModelError(f"{MASKS_FOLDER}: no masks there; is the installation whole?")
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


def read_or_make_key(lake: Lake, *, may_make: bool = True) -> bytes:
    """The lake's redaction key; made at first use, as is its checksum.

    Args:
        lake: where it lies.
        may_make: whether a missing key is a beginning; in a lake that has published before it is a loss.

    Raises:
        LakeError: when the file is there and is no key or another one than its checksum names, or is missing and may
            not be made.
    """
    path = lake.redaction_key
    if not path.is_file() and not may_make:
        raise LakeError(
            f"{path}: the redaction key is gone, and with it the meaning of every published fingerprint. Restore it "
            f"from a backup; or remove all builds in {lake.warehouse} to begin with a new key"
        )
    if not path.is_file():
        lake.redaction_key_checksum.unlink(missing_ok=True)
        _write(lake, path, secrets.token_hex(KEY_BYTES))
    key = read_key(lake)
    if not lake.redaction_key_checksum.is_file():
        _write(lake, lake.redaction_key_checksum, _checksum(key))
    return key


def read_key(lake: Lake) -> bytes:
    """The lake's redaction key, held against its checksum where there is one.

    Raises:
        LakeError: when it is no key, or another one than its checksum names.
        OSError: when it is not there or cannot be read.
    """
    path = lake.redaction_key
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise LakeError(
            f"{path}: this is no redaction key ({2 * KEY_BYTES} characters 0-9 a-f); restore it from a backup, "
            "or remove it to begin with a new one (fingerprints will differ from the earlier ones)"
        )
    key = bytes.fromhex(text)
    checksum = lake.redaction_key_checksum
    if checksum.is_file() and checksum.read_text(encoding="utf-8", errors="replace").strip() != _checksum(key):
        raise LakeError(
            f"{path}: this is not the key that {checksum.name} was made of, and every fingerprint would change; "
            f"restore it from a backup, or remove {checksum.name} if the key was changed on purpose"
        )
    return key


def _checksum(key: bytes) -> str:
    return hashlib.sha256(b"redaction key\0" + key).hexdigest()


def _write(lake: Lake, path: Path, line: str) -> None:
    with lake.writing(path) as unfinished:
        unfinished.write_text(line + "\n", encoding="ascii")


def mask_text(text: str) -> str:
    """Words of the service as the macro `mask_text` masks them; what is masked already stays as it is."""
    ((masked,),) = _masking().cursor().execute("select mask_text($1::varchar)", [cleaned(text)]).fetchall()
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
