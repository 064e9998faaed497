"""Objects in a bucket: put, get, list, delete; what goes wrong in one sentence.

Lives here: the client and what OBS needs of it, keys, the store's errors in our words.
Does not live here: which objects there are (heads, contents), when they go (retention).
"""

from __future__ import annotations

import hashlib
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from pulltasks.config import access_key_from_environment, read_secret
from pulltasks.errors import ConfigError, MirrorError
from pulltasks.huawei.auth import vendor_chain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from obstore.store import S3Credential

    from pulltasks.settings import Settings

IN_FLIGHT = 8
TRIES, GIVE_UP_AFTER, CONNECT_WITHIN = 3, timedelta(seconds=60), timedelta(seconds=30)
# For a whole request with its body: 8 MB within it are 14 kB/s, of which eight are under way.
TIMEOUT = timedelta(minutes=10)
# Keys are read again this often: a temporary one may be replaced while a run goes on.
KEYS_ARE_GOOD_FOR = timedelta(minutes=5)
# Larger files are put in parts of this size.
WHOLE_BYTES = 8 * 2**20
PIECE_BYTES = 2**20
MOST_SAID = 200  # characters of what the store said
# What the store says, in its own codes, and what to do about it; the first that is found counts.
ADVICE = (
    ("NoSuchBucket", "there is no such bucket; make it, or correct lake.mirror.url"),
    ("RequestTimeTooSkewed", "this machine's clock is wrong for the store; set the clock"),
    ("InvalidAccessKeyId", "the store does not know this access key; check PULLTASKS_LAKE__MIRROR__ACCESS_KEY"),
    ("SignatureDoesNotMatch", "the secret key is wrong; check PULLTASKS_LAKE__MIRROR__SECRET_KEY"),
    ("InvalidToken", "the security token is not accepted; take a new one"),
    ("ExpiredToken", "the security token has ended; take a new one"),
    ("VirtualHostDomainRequired", "the store wants the bucket in its host; set lake.mirror.path_style = false"),
    ("AuthorizationHeaderMalformed", "the bucket lies in another region; correct lake.mirror.region and endpoint"),
    ("PermanentRedirect", "the bucket lies in another region; correct lake.mirror.region and endpoint"),
    ("TemporaryRedirect", "the bucket lies in another region; correct lake.mirror.region and endpoint"),
    ("incorrectly configured region", "the bucket lies in another region; correct lake.mirror.region and endpoint"),
    ("AccessDenied", "the key lacks a permission: it must list, get, put and delete objects below lake.mirror.url"),
    ("Forbidden", "the key lacks a permission: it must list, get, put and delete objects below lake.mirror.url"),
)


@dataclass(frozen=True)
class Found:
    """One object of a list; `at` is when it was put, by the store's clock."""

    key: str
    size: int
    at: datetime


class Store:
    """The objects below one `s3://bucket/prefix`; every error is a `MirrorError` that names it."""

    def __init__(self, url: str, settings: Settings, now: Callable[[], datetime]) -> None:
        self.url = url
        self._store = _client(url, settings, now)

    def get(self, key: str) -> bytes:
        """An object's content.

        Raises:
            MirrorError: when it cannot be had.
        """
        found = self.find(key)
        if found is None:
            raise MirrorError(f"{self.url}/{key}: is not there; the mirror is damaged")
        return found

    def find(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""
        with self._told(key):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def fetch(self, key: str, path: Path) -> str:
        """Write an object's content to a file, a piece at a time; returns its SHA-256.

        Raises:
            MirrorError: when it cannot be had.
        """
        digest = hashlib.sha256()
        with path.open("wb") as file, self._told(key):
            try:
                for piece in obstore.get(self._store, key).stream(min_chunk_size=PIECE_BYTES):
                    file.write(piece)
                    digest.update(piece)
            except FileNotFoundError:
                raise MirrorError(f"{self.url}/{key}: is not there; the mirror is damaged") from None
        return digest.hexdigest()

    def put(self, key: str, content: bytes | Path) -> None:
        """Put an object, in the place of another one if there is one."""
        with self._told(key):
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            obstore.put(self._store, key, content, use_multipart=size > WHOLE_BYTES, chunk_size=WHOLE_BYTES)

    def create(self, key: str, content: bytes) -> bool:
        """Put an object where there is none; False where there is one."""
        with self._told(key):
            try:
                obstore.put(self._store, key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

    def put_new(self, key: str, path: Path) -> None:
        """Put a file where there is no object yet; one that is there stays as it is."""
        if path.stat().st_size <= WHOLE_BYTES:
            self.create(key, path.read_bytes())
        elif not any(found.key == key for found in self.objects(key)):
            self.put(key, path)

    def delete(self, key: str) -> None:
        """Remove an object."""
        with self._told(key), suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def objects(self, prefix: str, after: str | None = None) -> Iterator[Found]:
        """All objects whose keys begin so, in order; only those that come after `after`."""
        with self._told(prefix):
            for batch in obstore.list(self._store, prefix=prefix, offset=after):
                for each in batch:
                    yield Found(each["path"], each["size"], each["last_modified"])

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Tell what goes wrong as a `MirrorError`."""
        try:
            yield
        except (BaseError, OSError) as error:
            raise self._error(key, error) from None
        except BaseException as error:
            # the client's own code, in Rust, ends so where it does not know what to do: it is no exception of Python's
            if type(error).__name__ != "PanicException":
                raise
            raise self._error(key, error) from None

    def _error(self, key: str, error: BaseException) -> MirrorError:
        said = str(error)
        advice = next((words for code, words in ADVICE if code in said), None)
        if advice is None:
            advice = (
                "it cannot be reached, or did not answer in time; the next run or `pulltasks lake push` tries again"
            )
        return MirrorError(f"{self.url}: {advice} ({_said(said)}; at {key})")


def at_once(do: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    """Do something for each item, several at a time; the first error stops what has not begun."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        pending = [pool.submit(do, item) for item in items]
        try:
            return [each.result() for each in pending]
        except BaseException:
            for each in pending:
                each.cancel()
            raise


def sha256(content: bytes) -> str:
    """SHA-256, in hex."""
    return hashlib.sha256(content).hexdigest()


def _client(url: str, settings: Settings, now: Callable[[], datetime]) -> S3Store:
    """The client as OBS needs it.

    OBS refuses a bucket in the path, bodies that are signed in pieces, and deleting many at once without a checksum.
    """
    mirror = settings.lake.mirror
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    endpoint = mirror.endpoint or f"https://obs.{mirror.region}.myhuaweicloud.com"
    if not mirror.path_style:
        parts = urlsplit(endpoint)
        endpoint = f"{parts.scheme}://{bucket}.{parts.netloc}"
    _keys(settings, now())  # a missing key is told before anything is sent
    return S3Store(
        bucket,
        prefix=prefix or None,
        endpoint=endpoint,
        region=mirror.region or "us-east-1",
        virtual_hosted_style_request=not mirror.path_style,
        disable_bulk_delete=True,
        client_options={
            "allow_http": endpoint.startswith("http://"),
            "timeout": TIMEOUT,
            "connect_timeout": CONNECT_WITHIN,
        },
        retry_config={"max_retries": TRIES, "retry_timeout": GIVE_UP_AFTER},
        credential_provider=lambda: _keys(settings, now()),
    )


def _keys(settings: Settings, now: datetime) -> S3Credential:
    """The mirror's own key, else the one that the API is asked with; read again from time to time."""
    ak, sk, token = _key_triple(settings)
    keys: S3Credential = {
        "access_key_id": ak,
        "secret_access_key": sk,
        "expires_at": now + KEYS_ARE_GOOD_FOR,
    }
    if token:
        keys["token"] = token
    return keys


def _key_triple(settings: Settings) -> tuple[str, str, str | None]:
    mirror = settings.lake.mirror
    if mirror.access_key or mirror.access_key_file:
        has_token = mirror.security_token or mirror.security_token_file
        return (
            read_secret(mirror.access_key, mirror.access_key_file, "lake.mirror.access_key"),
            read_secret(mirror.secret_key, mirror.secret_key_file, "lake.mirror.secret_key"),
            read_secret(mirror.security_token, mirror.security_token_file, "lake.mirror.security_token")
            if has_token
            else None,
        )
    pair = access_key_from_environment(settings.auth.env_prefix)
    if pair is None and settings.auth.method == "chain" and (chain := vendor_chain()) is not None:
        pair = (chain.ak, chain.sk, chain.security_token)
    if pair is None:
        raise ConfigError(
            [
                "lake.mirror: no access key found; set PULLTASKS_LAKE__MIRROR__ACCESS_KEY and "
                "PULLTASKS_LAKE__MIRROR__SECRET_KEY (or …_FILE)"
            ]
        )
    return pair


def _said(text: str) -> str:
    """What the store said, short: its code and message where it gave them, else the end of what the client says."""
    code, message = (re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message"))
    if code:
        return f"{code[1]}: {message[1]}" if message else code[1]
    line = " ".join(text.split("Debug source:", maxsplit=1)[0].split())
    return line if len(line) <= MOST_SAID else f"…{line[-MOST_SAID:]}"
