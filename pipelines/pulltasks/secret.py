"""A secret: a text that nothing may show, given as it is or as the file that holds it.

Lives here: the type, the kinds of texts, and how `x` and `x_file` of a section become one secret.
Does not live here: which secrets there are (settings), the environment and the file that name them (config).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

from pulltasks.errors import ConfigError
from pulltasks.values import THIS_MACHINE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel, ValidationInfo


class Secret:
    """A secret, or the file that holds it; neither `repr` nor `str` shows it.

    Attributes:
        key: how messages call it: `alerts.webhook`.
        file: the file that holds it; None where it was given as it is.
    """

    __slots__ = ("_check", "_text", "file", "key")

    def __init__(self, key: str, check: Callable[[str], str], *, text: str = "", file: Path | None = None) -> None:
        """Nothing is read yet; `check` returns the text as it is used, or its ValueError says what is wrong with it."""
        self.key, self.file = key, file
        self._check, self._text = check, text

    def __repr__(self) -> str:
        return f"Secret({self.key})"

    def placed(self, key: str, folder: Path) -> Secret:
        """Return the same secret under its whole key; a relative path of its file begins at `folder`."""
        file = folder / self.file.expanduser() if self.file else None
        return Secret(key, self._check, text=self._text, file=file)

    def read(self) -> str:
        """Return the secret itself; no text that somebody may read may hold it.

        Raises:
            ConfigError: when the file cannot be read or is empty, or when this is no text of its kind.
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
        except UnicodeDecodeError:  # its own words quote a byte of the secret
            raise ConfigError([f"{self.key}: {file} cannot be read: it is not UTF-8; write it again"]) from None
        if not text:
            raise ConfigError([f"{self.key}: {file} is empty; write the secret into it"])
        return text


def key_text(text: str) -> str:
    """Return a key or a token without the blanks around it.

    Raises:
        ValueError: when it does not fit into a header.
    """
    stripped = text.strip()
    if not (stripped.isascii() and stripped.isprintable()):
        raise ValueError("holds characters that no key or token has; copy it again")
    return stripped


def _address(text: str) -> str:
    """Return the address of a webhook, which is a secret as a whole."""
    address = text.strip()
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    is_plain = re.fullmatch(r"[!-~]*", address) and not (parts.username or parts.password or parts.fragment)
    if not (parts.scheme in {"http", "https"} and parts.hostname and port_is_valid and is_plain):
        raise ValueError("is no address of a webhook; copy it again: https://HOST/PATH")
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise ValueError("would be sent in clear; 'http' is accepted for this machine only")
    return address


def gather(section: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the keys of a section, those of each secret, `x` and `x_file`, as one `x` with both values."""
    rest = dict(section)
    given = {name: (rest.pop(name, None), rest.pop(f"{name}_file", None)) for name in names}
    return rest | {name: each for name, each in given.items() if each != (None, None)}


def secrets_of(section: type[BaseModel]) -> list[str]:
    """Return the names of a section's fields that are secrets."""
    return [name for name, field in section.model_fields.items() if Secret in get_args(field.annotation)]


def _kind(check: Callable[[str], str]) -> BeforeValidator:
    """Return what makes a secret of what a section says of it, None of an empty text.

    A text is checked at once, a file when it is read: it may be written later.
    """

    def made(given: tuple[Any, Any], info: ValidationInfo) -> Secret | None:
        name, (text, file) = info.field_name or "", given
        if text and file is not None:
            raise ValueError(f"{name} and {name}_file are both set; leave one of them out")
        if file is not None:
            if not (isinstance(file, str) and file.strip()):
                raise ValueError(f"{name}_file names no file; write its path between quotes, or leave the key out")
            return Secret(name, check, file=Path(file))
        if not isinstance(text, str):
            raise PydanticKnownError("string_type")
        if not text.strip():
            return None
        check(text)
        return Secret(name, check, text=text)

    return BeforeValidator(made)


# A key or a token, which goes into a header; the address of a webhook; any text.
KeySecret = Annotated[Secret | None, _kind(key_text)]
AddressSecret = Annotated[Secret | None, _kind(_address)]
TextSecret = Annotated[Secret | None, _kind(str)]
