"""A secret: a text that must never be shown, given as text or as the file that has it.

Lives here: the type, the kinds of texts, and the merge of `x` and `x_file` of a section into one secret.
Does not live here: the list of secrets (settings), the environment and the configuration file (config).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

from pulltasks.errors import ConfigError
from pulltasks.values import THIS_MACHINE, path_is_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel, ValidationInfo


class Secret:
    """A secret, or the file that has it; neither `repr` nor `str` shows it.

    Attributes:
        key: its name in messages, such as `alerts.webhook`.
        file: the file that has it; None if it was given as text.
    """

    __slots__ = ("_check", "_text", "file", "key")

    def __init__(self, key: str, check: Callable[[str], str], *, text: str = "", file: Path | None = None) -> None:
        """Keep the arguments; no file is read yet.

        Args:
            key: its name in messages.
            check: returns the text in its final form; its ValueError names the mistake without quoting the text.
            text: the secret itself.
            file: the file that has it instead.
        """
        self.key = key
        self.file = file
        self._check = check
        self._text = text

    def __repr__(self) -> str:
        return f"Secret({self.key})"

    def placed(self, key: str, folder: Path) -> Secret:
        """Return the same secret under its full key; a relative path of its file begins at `folder`."""
        file = folder / self.file.expanduser() if self.file else None
        return Secret(key, self._check, text=self._text, file=file)

    def read(self) -> str:
        """Return the secret itself, which must not become part of any message or file.

        Raises:
            ConfigError: when the file cannot be read or is empty, or the text is not valid for this secret.
        """
        text = self._text if self.file is None else self._text_of(self.file)
        try:
            return self._check(text)
        except ValueError as error:
            raise ConfigError([f"{self.key}: {error}"]) from None

    def _text_of(self, file: Path) -> str:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                [f"{self.key}: {file} cannot be read: {error.strerror}; check its path, its owner and its mode"]
            ) from None
        except UnicodeDecodeError:  # its own message quotes a byte of the secret
            raise ConfigError([f"{self.key}: {file} cannot be read: it is not UTF-8; write it again"]) from None
        if not text:
            raise ConfigError([f"{self.key}: {file} is empty; write the secret into it"])
        return text


def key_text(text: str) -> str:
    """Return a key or a token without surrounding blanks.

    Raises:
        ValueError: when it has characters that a header cannot have.
    """
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ValueError("holds characters that no key or token has; copy it again")
    return stripped


def _address(text: str) -> str:
    """Return the address of a webhook, all of which is secret, if it is valid."""
    address = text.strip()
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    is_plain = re.fullmatch(r"[!-~]*", address) and not (parts.username or parts.password or parts.fragment)
    if not (parts.scheme in {"http", "https"} and parts.hostname and port_is_valid and is_plain):
        raise ValueError("is not a valid webhook address; copy it again: https://HOST/PATH")
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise ValueError("would be sent in clear; 'http' is accepted for this machine only")
    return address


class _Given(NamedTuple):
    """The two keys of a secret in a section, `x` and `x_file`."""

    text: Any
    file: Any


def gather(section: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a section, with `x` and `x_file` of each secret merged into one `x`."""
    rest = dict(section)
    given = {name: _Given(rest.pop(name, None), rest.pop(f"{name}_file", None)) for name in names}
    return rest | {name: each for name, each in given.items() if each != (None, None)}


def secrets_of(section: type[BaseModel]) -> list[str]:
    """Return the names of a section's fields that are secrets."""
    return [name for name, field in section.model_fields.items() if Secret in get_args(field.annotation)]


def _kind(check: Callable[[str], str]) -> BeforeValidator:
    """Return the validator that builds a secret from `x` and `x_file`; an empty text gives None.

    A text is checked at once, a file when it is read, because it may be written later.
    """

    def made(given: _Given, info: ValidationInfo) -> Secret | None:
        name = info.field_name or ""
        if given.text and given.file is not None:
            raise ValueError(f"{name} and {name}_file are both set; leave one of them out")
        if given.file is not None:
            return Secret(name, check, file=_path(given.file, f"{name}_file"))
        if not isinstance(given.text, str):
            raise PydanticKnownError("string_type")
        if not given.text.strip():
            return None
        # Checked now, so that the mistake is reported with all others; the result is computed again by `read`.
        check(given.text)
        return Secret(name, check, text=given.text)

    return BeforeValidator(made)


def _path(file: Any, name: str) -> Path:
    if not isinstance(file, str):
        raise ValueError(f"{name} is not a path; write it between quotes")  # noqa: TRY004 - pydantic reports only these
    try:
        return Path(path_is_named(file))
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


# A key or a token, which is sent in a header; the address of a webhook; any text.
KeySecret = Annotated[Secret | None, _kind(key_text)]
AddressSecret = Annotated[Secret | None, _kind(_address)]
TextSecret = Annotated[Secret | None, _kind(str)]
