"""Settings: read from TOML and the environment, checked, all mistakes reported at once.

Lives here: every key a user may set, its default and its meaning; the only reader of environment variables.
Does not live here: what is done with a setting, credentials in use, paths inside the lake.
"""

from __future__ import annotations

import os
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date, datetime

PREFIX = "PULLTASKS_"
DEFAULT_FILE = Path("pulltasks.toml")
# Keys that may never stand in the file, whatever their value: the value would end in a repository or a backup.
SECRET_KEYS = frozenset(
    {
        "token",
        "password",
        "ak",
        "sk",
        "access_key",
        "secret_key",
        "secret",
        "security_token",
        "access_key_id",
        "webhook",
    }
)
# Those of them that have a variable of their own, by section.
_VARIABLES = frozenset({("auth", "token"), ("auth", "password"), ("alerts", "webhook")})
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write an IANA name such as 'UTC' or 'Asia/Shanghai'") from None
    return name


def _endpoint(template: str) -> str:
    try:
        parts = urlsplit(template.format(region="region"))
        port_is_valid = parts.port is None or parts.port > 0
    except (ValueError, KeyError, IndexError):
        parts, port_is_valid = urlsplit(""), False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_valid:
        raise ValueError(f"{template!r} is no address; write it like 'https://live.{{region}}.myhuaweicloud.com'")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an endpoint has a host and at most a path: no user, password, query or fragment")
    if parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        raise ValueError(f"{template!r} would send signatures in clear; 'http' is accepted for this machine only")
    return template.rstrip("/")


def _webhook(secret: SecretStr) -> SecretStr:
    """The address of a webhook; it is a secret as a whole, so that no text quotes any of it."""
    address = secret.get_secret_value().strip()
    try:
        parts = urlsplit(address)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_valid = urlsplit(""), False
    is_plain = re.fullmatch(r"[!-~]*", address) and not (parts.username or parts.password or parts.fragment)
    if address and not (parts.scheme in {"http", "https"} and parts.hostname and port_is_valid and is_plain):
        raise ValueError("is no address of a webhook; copy it again: https://HOST/PATH")
    if parts.scheme == "http" and parts.hostname not in _THIS_MACHINE:
        raise ValueError("would be sent in clear; 'http' is accepted for this machine only")
    return SecretStr(address)


def _project_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError(f"{text!r} is no project id; it has 32 characters 0-9 a-f (console: My Credentials)")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(-[a-z0-9]+)+-[0-9]+", text):
        raise ValueError(f"{text!r} is no region id; write it like 'cn-north-4'")
    return text


def duration(text: Any) -> timedelta:
    """A time span as people write it: `90m`, `26h`, `2d`.

    Raises:
        ValueError: saying how it is written.
    """
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if isinstance(text, timedelta):
        return text
    if not (isinstance(text, str) and text[:-1].isdecimal() and text[-1] in units):
        raise ValueError(f"{text!r} is no duration; write it like 90m, 26h or 2d")
    return timedelta(**{units[text[-1]]: int(text[:-1])})


Endpoint = Annotated[str, AfterValidator(_endpoint)]
ProjectId = Annotated[str, AfterValidator(_project_id)]
Region = Annotated[str, AfterValidator(_region)]
Webhook = Annotated[SecretStr, AfterValidator(_webhook)]
Duration = Annotated[timedelta, BeforeValidator(duration)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class LakeSettings(_Section):
    """Where the files live, a relative root being taken from the configuration file's folder; and for how long."""

    root: Path = Path("lake")
    keep_raw_days: int | None = Field(default=None, ge=1)
    keep_daily_months: int = Field(default=0, ge=0)


class ApiSettings(_Section):
    """How the API is asked."""

    endpoint: Endpoint = "https://live.{region}.myhuaweicloud.com"
    iam_endpoint: Endpoint = "https://iam.{region}.myhuaweicloud.com"
    page_size: int = Field(default=100, ge=1, le=100)
    page_overlap: int = Field(default=5, ge=0, le=99)
    max_concurrency: int = Field(default=5, ge=1)
    requests_per_second: float = Field(default=5, gt=0)
    timeout_seconds: float = Field(default=30, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    max_sweeps: int = Field(default=4, ge=2)
    max_repairs: int = Field(default=50, ge=0)
    max_gone_checks: int = Field(default=20, ge=0)
    max_drop_ratio: float = Field(default=0.5, gt=0, le=1)
    max_run_minutes: float = Field(default=60, gt=0)


class CredentialSettings(_Section):
    """One way to prove who asks; secrets come from the environment or from files, never from TOML."""

    method: Literal["chain", "token", "password"] = "chain"
    env_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    user: str | None = None
    domain: str | None = None
    token: SecretStr | None = None
    token_file: Path | None = None
    password: SecretStr | None = None
    password_file: Path | None = None

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> CredentialSettings:
        if self.method == "token" and not (self.token or self.token_file):
            raise ValueError("method 'token' needs a token: set PULLTASKS_AUTH__TOKEN or PULLTASKS_AUTH__TOKEN_FILE")
        if self.method == "password":
            if not (self.user and self.domain):
                raise ValueError("method 'password' needs 'user' (the IAM user) and 'domain' (the account name)")
            if not (self.password or self.password_file):
                raise ValueError(
                    "method 'password' needs a password: set PULLTASKS_AUTH__PASSWORD or PULLTASKS_AUTH__PASSWORD_FILE"
                )
        return self


class AuthSettings(CredentialSettings):
    """The default credential, and beside it the named ones (`[auth.NAME]`)."""

    named: dict[str, CredentialSettings] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _tables_are_named_credentials(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            **{key: value for key, value in data.items() if not isinstance(value, dict)},
            "named": {key: value for key, value in data.items() if isinstance(value, dict)},
        }


class ScheduleSettings(_Section):
    """When the daily run begins, in the configured time zone; later hours only fetch what is missing."""

    hour: int = Field(default=1, ge=0, le=23)


class WarehouseSettings(_Section):
    """What the published file shows."""

    mask_stream_names: bool = False
    expose_secrets: bool = False


class DashboardSettings(_Section):
    """Whether each publish also writes `warehouse/dashboard.html`."""

    enabled: bool = False


class AlertSettings(_Section):
    """Where alarms are sent and in which shape; when something is called too old. Without a webhook nothing is sent."""

    webhook: Webhook | None = None
    webhook_file: Path | None = None
    format: Literal["json", "slack", "feishu", "dingtalk"] = "json"
    max_age: Duration = timedelta(hours=26)

    @property
    def are_sent(self) -> bool:
        """Whether there is a webhook to send them to."""
        return bool(self.webhook or self.webhook_file)


class Target(_Section):
    """One `(project_id, region)` to list."""

    project_id: ProjectId
    region: Region
    name: str | None = None
    endpoint: Endpoint | None = None
    query_region: str | None = None
    credential: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """`(project_id, region)`: the order in which targets are listed everywhere."""
        return (self.project_id, self.region)

    @property
    def label(self) -> str:
        """`project_id/region`, with the name where there is one: how messages call the target."""
        place = f"{self.project_id}/{self.region}"
        return f"{self.name} ({place})" if self.name else place


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, hide_input_in_errors=True
    )

    timezone: Annotated[str, AfterValidator(_timezone)] = "UTC"
    lake: LakeSettings = LakeSettings()
    api: ApiSettings = ApiSettings()
    auth: AuthSettings = AuthSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    dashboard: DashboardSettings = DashboardSettings()
    alerts: AlertSettings = AlertSettings()
    targets: list[Target] = Field(default_factory=list)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment stands above the file."""
        return (env_settings, init_settings)

    def credential(self, target: Target) -> tuple[str, CredentialSettings]:
        """The name and the settings of the credential that `target` asks for."""
        if target.credential is None:
            return "default", self.auth
        return target.credential, self.auth.named[target.credential]

    def today(self, now: datetime) -> date:
        """The calendar day in the configured time zone."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def endpoint(self, target: Target) -> str:
        """The address that `target` is listed from."""
        return (target.endpoint or self.api.endpoint).format(region=target.region)


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
                [f"{file}: there is no such file; copy pulltasks.example.toml, or name one with --config"], source
            )
        data: dict[str, Any] = {}
    else:
        try:
            data = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError([f"{file}: not readable as TOML: {error}"], source) from None
        except OSError as error:
            raise ConfigError([f"{file}: cannot be read: {error.strerror}"], source) from None

    settings = _checked(data, source, need_targets=need_targets)
    root = settings.lake.root if settings.lake.root.is_absolute() else file.absolute().parent / settings.lake.root
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"root": root})})


def from_environment() -> Settings:
    """The settings without any file: defaults and what the environment sets.

    Raises:
        ConfigError: with all mistakes.
    """
    return _checked({}, "the environment", need_targets=False)


def _checked(data: dict[str, Any], source: str, *, need_targets: bool) -> Settings:
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
    return settings


def access_key_from_environment(prefix: str) -> tuple[str, str, str | None] | None:
    """`(ak, sk, security_token)` from `{prefix}HUAWEICLOUD_SDK_*`, else from `{prefix}CLOUD_SDK_*`, else None."""
    for family in ("HUAWEICLOUD_SDK", "CLOUD_SDK"):
        names = [f"{prefix}{family}_{part}" for part in ("AK", "SK")]
        values = [_clean(os.environ.get(name, ""), name) for name in names]
        if all(values):
            token_name = f"{prefix}{family}_SECURITY_TOKEN"
            return values[0], values[1], _clean(os.environ.get(token_name, ""), token_name) or None
        if any(values):
            raise ConfigError(
                [f"{name}: not set, though its other half is" for name, v in zip(names, values, strict=True) if not v]
            )
    return None


def _clean(secret: str, name: str) -> str:
    """A secret as it may stand in a header: blanks around it are slips of the hand, other strange characters are not.

    Raises:
        ConfigError: naming the variable, never the value.
    """
    text = secret.strip()
    if not (text.isascii() and text.isprintable()):
        raise ConfigError([f"{name}: holds characters that no key or token has; copy it again"])
    return text


def read_secret(value: SecretStr | None, file: Path | None, key: str, *, is_header: bool = True) -> str:
    """The secret itself, from the environment's value or from the file named there.

    Args:
        value: the environment's value.
        file: the file that holds it instead.
        key: how messages call it.
        is_header: whether it is sent as a header, which allows printable ASCII only; a password is not.

    Raises:
        ConfigError: when the file cannot be read or is empty.
    """
    if value is not None:
        return _clean(value.get_secret_value(), key) if is_header else value.get_secret_value()
    try:
        text = file.read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{key}: {file} cannot be read: {getattr(error, 'strerror', None) or error}"]) from None
    if not text:
        raise ConfigError([f"{key}: {file} is empty"])
    return _clean(text, key) if is_header else text


def read_webhook(alerts: AlertSettings) -> str:
    """The address that alarms are sent to.

    Raises:
        ConfigError: when the file cannot be read, or holds no address that may be used.
    """
    address = read_secret(alerts.webhook or None, alerts.webhook_file, "alerts.webhook")
    try:
        return _webhook(SecretStr(address)).get_secret_value()
    except ValueError as error:
        raise ConfigError([f"alerts.webhook: {error}"]) from None


def _secrets_in_file(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in data.items():
        here = (*path, key)
        if isinstance(value, dict):
            yield from _secrets_in_file(value, here)
        elif isinstance(value, list):
            for position, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _secrets_in_file(item, (*here, str(position)))
        elif key.lower() in SECRET_KEYS:
            yield f"{'.'.join(here)}: a secret may not stand in the file; put it into {_place_for(here)}"


def _place_for(key: tuple[str, ...]) -> str:
    if (key[0], key[-1].lower()) in _VARIABLES:
        name = PREFIX + "__".join(key).upper()
        return f"the environment ({name}) or into a file of its own ({name}_FILE)"
    return "the environment (HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK)"


def _unknown_variables(environ: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name == "PULLTASKS_CONFIG":
            continue
        section = name.removeprefix(PREFIX).lower().split("__")[0]
        if section == "targets":
            yield f"{name}: targets are read from the file only"
        elif section not in Settings.model_fields:
            yield f"{name}: there is no such setting; the sections are {', '.join(sorted(Settings.model_fields))}"


def _texts(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        location = [str(part) for part in item["loc"] if part != "named"]
        key = ".".join(location) or "configuration"
        if item["type"] == "extra_forbidden":
            yield f"{key}: there is no such key"
        else:
            yield f"{key}: {item['msg'].removeprefix('Value error, ')}"


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
    if need_targets and not settings.targets:
        yield "targets: there is none; add a [[targets]] table with project_id and region"
    seen: dict[tuple[str, str], int] = {}
    for position, target in enumerate(settings.targets):
        if target.key in seen:
            yield f"targets.{position}: the same project_id and region as targets.{seen[target.key]}"
        seen.setdefault(target.key, position)
        if target.credential is not None and target.credential not in settings.auth.named:
            yield f"targets.{position}.credential: there is no [auth.{target.credential}]"
