"""The configuration: read from TOML and the environment, checked, with all mistakes reported at once.

Lives here: the only reader of environment variables, checks over several keys, the base of relative paths.
Does not live here: the keys themselves (settings), secrets (secret), their use, paths inside the lake.
"""

from __future__ import annotations

import os
import shlex
import tomllib
from datetime import timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from pulltasks.errors import ConfigError
from pulltasks.secret import Secret, key_text, secrets_of
from pulltasks.service_links import is_service_link
from pulltasks.settings import PREFIX, Settings, StoreSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_FILE = Path("pulltasks.toml")


def load(path: Path | None = None, *, need_targets: bool = True) -> Settings:
    """Read and check the configuration.

    Args:
        path: the file; default `PULLTASKS_CONFIG`, else `pulltasks.toml` in the working folder.
        need_targets: a configuration without targets (or without a file) is a mistake.

    Raises:
        ConfigError: with all mistakes that can be found at once, each with its key.
    """
    file = file_of(path)
    source = str(file)
    if not file.is_file():
        # A named file must exist; without one, defaults are enough for verbs that need no targets.
        if path or os.environ.get("PULLTASKS_CONFIG") or need_targets:
            raise _not_found(file)
        data: dict[str, Any] = {}
    else:
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors write a byte order mark
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([f"{file}: not readable as TOML: {error}"], None) from None
        except OSError as error:
            raise ConfigError([f"{file}: cannot be read: {error.strerror}"], None) from None

    return _placed(_checked(data, source, need_targets=need_targets), file.absolute().parent)


def file_of(path: Path | None) -> Path:
    """Return the configuration file: the named one, else `PULLTASKS_CONFIG`, else `pulltasks.toml` in this folder."""
    return path or Path(os.environ.get("PULLTASKS_CONFIG") or DEFAULT_FILE)


def _not_found(file: Path) -> ConfigError:
    named = "" if file == DEFAULT_FILE else f" --config {shlex.quote(str(file))}"
    text = f"{file}: not found; run `pulltasks init{named}` to write it, or name another file with --config"
    return ConfigError([text], None)


def require_some(path: Path | None) -> None:
    """Refuse to continue with defaults only: without a file and without any of our variables.

    Raises:
        ConfigError: when neither of them is there, so that the lake is not known.
    """
    is_set = "PULLTASKS_CONFIG" in os.environ or _our_variables(os.environ)
    if path is None and not is_set and not DEFAULT_FILE.is_file():
        raise _not_found(DEFAULT_FILE)


_M = TypeVar("_M", bound=BaseModel)


def _placed(section: _M, folder: Path, key: str = "") -> _M:
    """Return a section with absolute paths, and with secrets that know their full key.

    Args:
        section: the settings, or a section of them.
        folder: the configuration file's folder, at which relative paths begin.
        key: the key of the section.
    """
    update: dict[str, Any] = {}
    for name, value in section:
        here = f"{key}.{name}".removeprefix(".")
        if isinstance(value, Secret):
            update[name] = value.placed(here, folder)
        elif isinstance(value, Path):
            update[name] = folder / value.expanduser()
        elif isinstance(value, BaseModel):
            update[name] = _placed(value, folder, here)
        elif isinstance(value, dict):  # named tables, as [auth.NAME]
            update[name] = {table: _placed(each, folder, f"{key}.{table}") for table, each in value.items()}
    if isinstance(section, StoreSettings) and section.url and not section.bucket:
        update["url"] = str(folder / Path(section.url).expanduser())
    return section.model_copy(update=update)


def from_environment() -> Settings:
    """Return the settings without any file, from defaults and the environment.

    Raises:
        ConfigError: with all mistakes.
    """
    return _placed(_checked({}, "the environment", need_targets=False), Path())


def given_by_variables() -> Iterator[tuple[tuple[str, ...], object, str]]:
    """Return the settings that variables set, without secrets: their keys, values and variables."""
    settings = Settings()
    for name in _our_variables(os.environ):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        value = _at(settings, path)
        is_file_of_a_secret = isinstance(_at(settings, (*path[:-1], path[-1].removesuffix("_file"))), Secret)
        if isinstance(value, bool | int | float):
            yield path, value, name
        elif isinstance(value, str | Path | timedelta) or (is_file_of_a_secret and path[-1].endswith("_file")):
            yield path, os.environ[name], name


def _at(section: Any, path: tuple[str, ...]) -> Any:
    """Return the setting with a key, also of a named credential; None if there is none."""
    for part in path:
        section = getattr(section, "named", {}).get(part) or getattr(section, part, None)
    return section


def _checked(data: dict[str, Any], source: str, *, need_targets: bool) -> Settings:
    variables = _our_variables(os.environ)
    if data and variables:
        source += f" with {', '.join(variables)}"
    mistakes = [*_secrets_in_file(data), *_unknown_variables(os.environ)]
    try:
        settings = Settings(**data)
    except SettingsError:
        raise ConfigError(
            [*mistakes, "a PULLTASKS_ variable names a whole section; name one key: PULLTASKS_API__PAGE_SIZE"], source
        ) from None
    except ValidationError as error:
        # A key that has a message of ours does not need a second one.
        known = {mistake.split(":")[0] for mistake in mistakes}
        raise ConfigError(mistakes + [m for m in _texts(error) if m.split(":")[0] not in known], source) from None
    mistakes += _cross_checks(settings, need_targets=need_targets)
    if mistakes:
        raise ConfigError(mistakes, source)
    # Filled in here, because the default of one section cannot depend on another one.
    zone = settings.warehouse.display_timezone or settings.timezone
    return settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"display_timezone": zone})})


def access_key_from_environment(prefix: str) -> tuple[str, str, str | None] | None:
    """Return `(ak, sk, security_token)` of `{prefix}HUAWEICLOUD_SDK_*`, else of `{prefix}CLOUD_SDK_*`, else None."""
    for family in ("HUAWEICLOUD_SDK", "CLOUD_SDK"):
        names = [f"{prefix}{family}_{part}" for part in ("AK", "SK")]
        values = [_key_from_environment(name) for name in names]
        if all(values):
            token_name = f"{prefix}{family}_SECURITY_TOKEN"
            return values[0], values[1], _key_from_environment(token_name) or None
        if any(values):
            raise ConfigError(
                [f"{name}: not set, although its other half is" for name, v in zip(names, values, strict=True) if not v]
            )
    return None


def _key_from_environment(name: str) -> str:
    return Secret(name, key_text, text=os.environ.get(name, "")).read()


def environment_for_rclone(*, with_own_configuration: bool) -> dict[str, str]:
    """Return the environment of rclone: programs, home, proxies, certificates.

    AWS_CA_BUNDLE, which names certificates for other programs, is not part of it: rclone 1.60 fails if it is set.

    Args:
        with_own_configuration: rclone reads the user's own remotes, so its own variables are included.
    """
    names = {"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"}
    found = {name: value for name, value in os.environ.items() if name.upper() in names}
    if with_own_configuration:
        own = ("RCLONE_", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME")
        found |= {name: value for name, value in os.environ.items() if name.startswith(own)}
    return found


# Names that are not keys of any section; anyone who writes one means a secret.
_MEANT_AS_SECRETS = frozenset({"ak", "sk", "secret", "access_key_id"})


def _secrets_of(section: str) -> list[str]:
    """Return the names of the secrets of a section."""
    kind = Settings.model_fields[section].annotation if section in Settings.model_fields else None
    return secrets_of(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


@cache
def _never_in_the_file() -> frozenset[str]:
    """Return the keys that the file must not have, as their values would end up in a repository or a backup."""
    return _MEANT_AS_SECRETS.union(*(_secrets_of(section) for section in Settings.model_fields))


def _secrets_in_file(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _secrets_in_file(value, here)
        elif isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _secrets_in_file(item, (*here, str(position)))
        elif key.lower() in _never_in_the_file():
            yield f"{'.'.join(here)}: a secret must not be in the file; put it into {_place_for(here)}"


def _place_for(key: tuple[str, ...]) -> str:
    if key[-1].lower() in _secrets_of(key[0]):
        name = PREFIX + "__".join(key).upper()
        return f"the environment ({name}) or into a file of its own ({name}_FILE)"
    return "the environment (HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK)"


def _our_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of variables that set a key, or are meant to, sorted."""
    # PULLTASKS_CONFIG names the file itself.
    ours = (name for name in environ if name.startswith(PREFIX) and name != "PULLTASKS_CONFIG")
    return sorted(name for name in ours if not is_service_link(name, environ[name]))


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _our_variables(environ):
        section = name.removeprefix(PREFIX).lower().split("__")[0]
        if section == "targets":
            yield f"{name}: targets are read from the file only"
        elif section not in Settings.model_fields:
            yield f"{name}: there is no such setting; the sections are {', '.join(sorted(Settings.model_fields))}"


# Keys of earlier versions; each gets a message of its own instead of "no such key".
_REMOVED_FROM_API = frozenset(
    {
        "answer_seconds",
        "max_answer_mb",
        "max_header_kb",
        "max_in_flight_mb",
        "max_pages",
        "max_repairs",
        "max_sweeps",
        "max_target_mb",
    }
)


def _texts(error: ValidationError) -> Iterator[str]:
    # Without the input, which may be a secret.
    for item in error.errors(include_url=False, include_input=False):
        # `named` is a field of ours, which the file does not have.
        location = [str(part) for part in item["loc"] if part != "named"]
        key = ".".join(location) or "configuration"
        if location[:2] == ["lake", "mirror"]:
            yield f"{key}: the mirror was removed; write [backup] url and region instead, and [publish] url for readers"
        elif location[0] == "api" and location[-1] in _REMOVED_FROM_API:
            yield f"{key}: was removed, because the program sets this limit itself now; delete it from the file"
        elif item["type"] == "extra_forbidden":
            yield f"{key}: there is no such key; {_keys_instead(location)}"
        else:
            yield f"{key}: {_in_words(item)}"


# Messages for the mistakes that pydantic finds; all others are in the modules of the types (values, secret).
_WORDS = {
    "missing": "is missing; add it",
    "string_type": "is not a text; write it between quotes",
    "int_parsing": "is not a whole number",
    "int_type": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "float_type": "is not a number",
    "finite_number": "is not a number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "path_type": "is not a path; write it between quotes",
    "list_type": "is not a list; write [[targets]] above each",
    "model_type": "is not a section; write it as [section] with keys below",
    "dict_type": "is not a section; write it as [section] with keys below",
    "model_attributes_type": "is not a section; write it as [section] with keys below",
    "greater_than_equal": "is below the minimum, {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "is above the maximum, {le}",
    "less_than": "must be below {lt}",
    "literal_error": "is not one of {expected}",
}


def _in_words(item: Mapping[str, Any]) -> str:
    words = _WORDS.get(item["type"])
    if words is None:
        return str(item["msg"]).removeprefix("Value error, ")
    return words.format(**item.get("ctx", {}))


def _keys_instead(location: list[str]) -> str:
    """Return a suggestion for an unknown key: the most similar one, or all keys of the section."""
    kind: Any = Settings
    for part in location[:-1]:
        if part in kind.model_fields:
            annotation = kind.model_fields[part].annotation
            kind = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    keys = sorted([*kind.model_fields, *(f"{name}_file" for name in secrets_of(kind))])
    near = get_close_matches(location[-1], keys, n=1)
    return f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"


@cache
def _is_known_to_the_database(zone: str) -> bool:
    """Tell whether DuckDB knows a zone; Python knows more names: `localtime`, `posix/…`, `right/…`."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            connection.execute("select timezone($1, timestamp '2026-01-01')", [zone])
        except duckdb.Error:
            return False
    return True


def zone_of_this_machine() -> str:
    """Return the time zone of this machine; UTC if the database does not know its name."""
    from tzlocal import get_localzone_name

    try:
        name = get_localzone_name()
    except (LookupError, OSError, ValueError):
        return "UTC"
    return name if name and _is_known_to_the_database(name) else "UTC"


def _checks_of_readers(settings: Settings) -> Iterator[str]:
    if settings.publish.is_set and not (settings.publish.tables or settings.dashboard.enabled):
        yield "publish.url: there is nothing to put there; set publish.tables or dashboard.enabled to true"
    if settings.publish.is_set and settings.publish.place == settings.backup.place:
        yield "publish.url: is the place of the backup, which is private; name another bucket"


def _cross_checks(settings: Settings, *, need_targets: bool) -> Iterator[str]:
    # Pages of one row cannot overlap.
    if settings.api.page_size > 1 and settings.api.page_overlap >= settings.api.page_size:
        yield (
            f"api.page_overlap: {settings.api.page_overlap} is not below api.page_size ({settings.api.page_size}); "
            "a page must reach beyond the one before"
        )
    if settings.dashboard.enabled and settings.warehouse.expose_secrets:
        yield (
            "dashboard.enabled: the page is for everybody and would show what warehouse.expose_secrets leaves in "
            "clear; switch one of them off"
        )
    yield from _checks_of_readers(settings)
    zones = {"timezone": settings.timezone, "warehouse.display_timezone": settings.warehouse.display_timezone}
    for key, zone in zones.items():
        if zone and zone != "UTC" and not _is_known_to_the_database(zone):
            yield (
                f"{key}: {zone!r} is not a time zone that the database knows; write an IANA name such as 'UTC' or "
                "'Asia/Shanghai'"
            )
    if need_targets and not settings.targets:
        yield "targets: there are none; add a [[targets]] table with project_id and region"
    seen: dict[tuple[str, str], int] = {}
    for position, target in enumerate(settings.targets):
        if target.key in seen:
            yield f"targets.{position}: the same project_id and region as targets.{seen[target.key]}"
        seen.setdefault(target.key, position)
        if target.credential is not None and target.credential not in settings.auth.named:
            yield f"targets.{position}.credential: there is no [auth.{target.credential}]"
