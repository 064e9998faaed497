"""The configuration: read from TOML and the environment, checked, all mistakes reported at once.

Lives here: the only reader of environment variables, checks over several keys, what a relative path begins at.
Does not live here: the keys themselves (settings), secrets (secret), what is done with them, paths inside the lake.
"""

from __future__ import annotations

import os
import tomllib
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
        need_targets: whether a configuration without targets (or without a file) is a mistake.

    Raises:
        ConfigError: with all mistakes that can be seen at once, each with its key.
    """
    named = path or (Path(os.environ["PULLTASKS_CONFIG"]) if os.environ.get("PULLTASKS_CONFIG") else None)
    file = named or DEFAULT_FILE
    source = str(file)
    if not file.is_file():
        if named or need_targets:
            raise ConfigError(
                [f"{file}: there is no such file; `pulltasks init` writes one, or name one with --config"], source
            )
        data: dict[str, Any] = {}
    else:
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8-sig"))  # some editors put a mark in front
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([f"{file}: not readable as TOML: {error}"], source) from None
        except OSError as error:
            raise ConfigError([f"{file}: cannot be read: {error.strerror}"], source) from None

    return _placed(_checked(data, source, need_targets=need_targets), file.absolute().parent)


def require_some(path: Path | None) -> None:
    """Refuse to go on with nothing but defaults: no file, and nothing of ours in the environment.

    Raises:
        ConfigError: when nothing says which lake is meant.
    """
    is_set = "PULLTASKS_CONFIG" in os.environ or _our_variables(os.environ)
    if path is None and not is_set and not DEFAULT_FILE.is_file():
        text = f"{DEFAULT_FILE}: there is no such file; `pulltasks init` writes one, or name one with --config"
        raise ConfigError([text], str(DEFAULT_FILE))


_M = TypeVar("_M", bound=BaseModel)


def _placed(section: _M, folder: Path, key: str = "") -> _M:
    """Return a section with secrets that know their whole key, and with whole paths.

    Args:
        section: the settings, or a section of them.
        folder: the configuration file's, which relative paths begin at.
        key: the section's own.
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
    """The settings without any file: defaults and what the environment sets.

    Raises:
        ConfigError: with all mistakes.
    """
    return _placed(_checked({}, "the environment", need_targets=False), Path())


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
        told = {mistake.split(":")[0] for mistake in mistakes}
        raise ConfigError(mistakes + [m for m in _texts(error) if m.split(":")[0] not in told], source) from None
    mistakes += _cross_checks(settings, need_targets=need_targets)
    if mistakes:
        raise ConfigError(mistakes, source)
    zone = settings.warehouse.display_timezone or settings.timezone
    return settings.model_copy(update={"warehouse": settings.warehouse.model_copy(update={"display_timezone": zone})})


def access_key_from_environment(prefix: str) -> tuple[str, str, str | None] | None:
    """`(ak, sk, security_token)` from `{prefix}HUAWEICLOUD_SDK_*`, else from `{prefix}CLOUD_SDK_*`, else None."""
    for family in ("HUAWEICLOUD_SDK", "CLOUD_SDK"):
        names = [f"{prefix}{family}_{part}" for part in ("AK", "SK")]
        values = [_key_from_environment(name) for name in names]
        if all(values):
            token_name = f"{prefix}{family}_SECURITY_TOKEN"
            return values[0], values[1], _key_from_environment(token_name) or None
        if any(values):
            raise ConfigError(
                [f"{name}: not set, though its other half is" for name, v in zip(names, values, strict=True) if not v]
            )
    return None


def _key_from_environment(name: str) -> str:
    return Secret(name, key_text, text=os.environ.get(name, "")).read()


def environment_for_rclone(*, with_own_configuration: bool) -> dict[str, str]:
    """Return the variables that rclone may see: programs, home, proxies, certificates.

    A bundle of certificates that is named for other programs only (AWS_CA_BUNDLE) is not among them: rclone 1.60 ends
    where it sees it.

    Args:
        with_own_configuration: whether rclone reads the user's own remotes, which its own variables belong to.
    """
    names = {"PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY"}
    found = {name: value for name, value in os.environ.items() if name.upper() in names}
    if with_own_configuration:
        own = ("RCLONE_", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME")
        found |= {name: value for name, value in os.environ.items() if name.startswith(own)}
    return found


# What is no key of any section, and whoever writes it means a secret.
_MEANT_AS_SECRETS = frozenset({"ak", "sk", "secret", "access_key_id"})


def _secrets_of(section: str) -> list[str]:
    """Return the secrets that a section of the file has."""
    kind = Settings.model_fields[section].annotation if section in Settings.model_fields else None
    return secrets_of(kind) if isinstance(kind, type) and issubclass(kind, BaseModel) else []


@cache
def _never_in_the_file() -> frozenset[str]:
    """Return the keys whose value, whatever it is, would end in a repository or a backup."""
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
            yield f"{'.'.join(here)}: a secret may not stand in the file; put it into {_place_for(here)}"


def _place_for(key: tuple[str, ...]) -> str:
    if key[-1].lower() in _secrets_of(key[0]):
        name = PREFIX + "__".join(key).upper()
        return f"the environment ({name}) or into a file of its own ({name}_FILE)"
    return "the environment (HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK)"


def _our_variables(environ: Mapping[str, str]) -> list[str]:
    """Return the names of variables that set a key, or are meant to, in order."""
    ours = (name for name in environ if name.startswith(PREFIX) and name != "PULLTASKS_CONFIG")
    return sorted(name for name in ours if not is_service_link(name, environ[name]))


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _our_variables(environ):
        section = name.removeprefix(PREFIX).lower().split("__")[0]
        if section == "targets":
            yield f"{name}: targets are read from the file only"
        elif section not in Settings.model_fields:
            yield f"{name}: there is no such setting; the sections are {', '.join(sorted(Settings.model_fields))}"


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
    for item in error.errors(include_url=False, include_input=False):
        location = [str(part) for part in item["loc"] if part != "named"]
        key = ".".join(location) or "configuration"
        if location[:2] == ["lake", "mirror"]:
            yield f"{key}: the mirror is gone; write [backup] url and region instead, and [publish] url for readers"
        elif location[0] == "api" and location[-1] in _REMOVED_FROM_API:
            yield f"{key}: was removed, as the program now sets this bound itself; delete it from the file"
        elif item["type"] == "extra_forbidden":
            yield f"{key}: there is no such key; {_keys_instead(location)}"
        else:
            yield f"{key}: {_in_words(item)}"


# What the kinds of mistakes that the settings' types find are called here; all others are written beside the types.
_WORDS = {
    "missing": "is missing; add it",
    "string_type": "is no text; write it between quotes",
    "int_parsing": "is no whole number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "float_parsing": "is no number",
    "float_type": "is no number",
    "finite_number": "is no number",
    "bool_parsing": "is neither true nor false",
    "bool_type": "is neither true nor false",
    "path_type": "is no path; write it between quotes",
    "list_type": "is no list; write [[targets]] above each",
    "model_type": "is no section; write it as [section] with keys below",
    "dict_type": "is no section; write it as [section] with keys below",
    "model_attributes_type": "is no section; write it as [section] with keys below",
    "greater_than_equal": "is below the least, {ge}",
    "greater_than": "must be above {gt}",
    "less_than_equal": "is above the most, {le}",
    "less_than": "must be below {lt}",
    "literal_error": "is none of {expected}",
}


def _in_words(item: Mapping[str, Any]) -> str:
    words = _WORDS.get(item["type"])
    if words is None:
        return str(item["msg"]).removeprefix("Value error, ")
    return words.format(**item.get("ctx", {}))


def _keys_instead(location: list[str]) -> str:
    """What may have been meant by a key that there is not."""
    kind: Any = Settings
    for part in location[:-1]:
        if part in kind.model_fields:
            annotation = kind.model_fields[part].annotation
            kind = get_args(annotation)[0] if get_origin(annotation) is list else annotation
    keys = sorted([*kind.model_fields, *(f"{name}_file" for name in secrets_of(kind))])
    near = get_close_matches(location[-1], keys, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(keys)}"


@cache
def _is_known_to_the_database(zone: str) -> bool:
    """Python takes names that DuckDB does not: `localtime`, `posix/…`, `right/…`."""
    import duckdb

    with duckdb.connect() as connection:
        try:
            connection.execute("select timezone($1, timestamp '2026-01-01')", [zone])
        except duckdb.Error:
            return False
    return True


def zone_of_this_machine() -> str:
    """The time zone that the machine is set to; UTC where that has no name that the database knows."""
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
                f"{key}: {zone!r} is no time zone that the database knows; write an IANA name such as 'UTC' or "
                "'Asia/Shanghai'"
            )
    if need_targets and not settings.targets:
        yield "targets: there is none; add a [[targets]] table with project_id and region"
    seen: dict[tuple[str, str], int] = {}
    for position, target in enumerate(settings.targets):
        if target.key in seen:
            yield f"targets.{position}: the same project_id and region as targets.{seen[target.key]}"
        seen.setdefault(target.key, position)
        if target.credential is not None and target.credential not in settings.auth.named:
            yield f"targets.{position}.credential: there is no [auth.{target.credential}]"
