"""The key of the fingerprints, and the checksum that shows whether it was replaced.

Lives here: creating and reading both.
Does not live here: what is fingerprinted (masking, sql/masks), the paths of the files (lake).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING

from pulltasks.errors import LakeError

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.lake.lake import Lake

KEY_BYTES = 32


def read_or_make_key(lake: Lake, *, may_make: bool = True) -> bytes:
    """Return the lake's redaction key (32 bytes); create it and its checksum at first use.

    Args:
        lake: the lake of the key.
        may_make: whether a missing key may be created; in a lake that has published before it was lost.

    Raises:
        LakeError: when the file is not a key, or differs from its checksum, or is missing and may not be created.
    """
    path = lake.redaction_key
    if not path.is_file() and not may_make:
        raise LakeError(
            f"{path}: the redaction key is gone, and with it the meaning of every published fingerprint. Restore it "
            f"from a backup; or remove all builds in {lake.warehouse} to begin with a new key"
        )
    if not path.is_file():
        # removed first, because the checksum of the old key would refuse the new one
        lake.redaction_key_checksum.unlink(missing_ok=True)
        _write(lake, path, secrets.token_hex(KEY_BYTES))
    key = read_key(lake)
    if not lake.redaction_key_checksum.is_file():
        _write(lake, lake.redaction_key_checksum, fingerprint_of(key))
    return key


def read_key(lake: Lake) -> bytes:
    """Return the lake's redaction key (32 bytes), compared with its checksum if there is one.

    Raises:
        LakeError: when the file is not a key, or differs from its checksum.
        OSError: when the file is missing or cannot be read.
    """
    path = lake.redaction_key
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    if not re.fullmatch(rf"[0-9a-f]{{{2 * KEY_BYTES}}}", text):
        raise LakeError(
            f"{path}: this is not a redaction key ({2 * KEY_BYTES} characters 0-9 a-f); restore it from a backup, "
            "or remove it to begin with a new one (fingerprints will differ from the earlier ones)"
        )
    key = bytes.fromhex(text)
    checksum = lake.redaction_key_checksum
    if checksum.is_file() and checksum.read_text(encoding="utf-8", errors="replace").strip() != fingerprint_of(key):
        raise LakeError(
            f"{path}: this is not the key that {checksum.name} was made of, and every fingerprint would change; "
            f"restore it from a backup, or remove {checksum.name} if the key was changed on purpose"
        )
    return key


def fingerprint_of(key: bytes) -> str:
    """Return a hash, in hex, that identifies a key without revealing it; the checksum file holds it."""
    return hashlib.sha256(b"redaction key\0" + key).hexdigest()


def _write(lake: Lake, path: Path, line: str) -> None:
    with lake.writing(path) as unfinished:
        unfinished.write_text(line + "\n", encoding="ascii")
