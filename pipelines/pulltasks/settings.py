"""Settings: every key that a user may set, its default, its meaning, and what is wrong with a value.

Lives here: the sections, and the texts that tell of a mistake in one value.
Does not live here: where values come from, mistakes of several keys together, secrets in use (config).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pulltasks.names import REGION_PATTERN, target_label

if TYPE_CHECKING:
    from datetime import date, datetime

PREFIX = "PULLTASKS_"
# Longer ones cannot be counted.
MAX_DURATION_DAYS = timedelta.max.days
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write an IANA name such as 'UTC' or 'Asia/Shanghai'") from None
    return name


def _timezone_or_none(name: str | None) -> str | None:
    return name and _timezone(name)


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


def check_webhook(secret: SecretStr) -> SecretStr:
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
    if not re.fullmatch(REGION_PATTERN, text):
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
    try:
        return timedelta(**{units[text[-1]]: int(text[:-1])})
    except OverflowError:
        raise ValueError(f"{text!r} is too long a duration; the longest allowed is {MAX_DURATION_DAYS}d") from None


def _path(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("is empty; name a file or a folder, or leave the key out")
    return value


def _root(value: Any) -> Any:
    """Refuse what a shell would have expanded and nobody does here, so that no folder gets such a name."""
    text = str(value)
    if "://" in text:
        raise ValueError(f"{text!r} is an address; name a folder of this machine")
    try:
        parts = Path(text).expanduser().parts
    except RuntimeError:
        parts = ("~",)  # there is no such user, or no home
    if re.search(r"[$`]|%\w+%", text) or "~" in parts:
        raise ValueError(
            f"{text!r} is not expanded here, as no shell reads it; write the whole path, or begin it with ~/ for the "
            "home of the user who runs pulltasks"
        )
    return value


def _memory(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[1-9][0-9]{0,6} ?(MB|GB)", text):
        raise ValueError(f"{text!r} is no amount of memory; write it like '800MB' or '2GB'")
    return text


def _place_url(url: str | None) -> str | None:
    if url is None:
        return None
    if "://" not in url and url.strip():
        return url
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?", url):
        raise ValueError(f"{url!r} is not a place for files; write it like s3://bucket/prefix, or name a folder")
    return url.rstrip("/")


def _remote(text: str | None) -> str | None:
    if text is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_ .+@-]*:[^:\n]*", text):
        raise ValueError(f"{text!r} is not a remote of rclone's own configuration; write it like 'name:path'")
    return text


def _is_this_machine(host: str) -> bool:
    return host in _THIS_MACHINE or host.endswith(".localhost")


def _store_endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    is_plain = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    if not (
        parts.hostname
        and is_plain
        and (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname)))
    ):
        raise ValueError(
            f"{url!r} is not the address of a store; write it like https://obs.cn-north-4.myhuaweicloud.com"
        )
    return url.rstrip("/")


Endpoint = Annotated[str, AfterValidator(_endpoint)]
SomePath = Annotated[Path, BeforeValidator(_path)]
Root = Annotated[Path, BeforeValidator(_path), BeforeValidator(_root)]
ProjectId = Annotated[str, AfterValidator(_project_id)]
Region = Annotated[str, AfterValidator(_region)]
Webhook = Annotated[SecretStr, AfterValidator(check_webhook)]
Duration = Annotated[timedelta, BeforeValidator(duration)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class StoreSettings(_Section):
    """A place outside the lake that rclone puts files into; without `url` and `remote` there is none.

    Attributes:
        url: `s3://bucket/prefix`, or a folder.
        remote: `name:path` of the user's own rclone configuration, in the place of `url`.
        kind: which rules a store of `s3://` follows: those of OBS, or those of all others.
        endpoint: address of the store without the bucket; by default OBS of `region`.
        max_minutes: how long putting may take in one run.
    """

    url: Annotated[str | None, AfterValidator(_place_url)] = None
    remote: Annotated[str | None, AfterValidator(_remote)] = None
    kind: Literal["obs", "s3"] = "obs"
    endpoint: Annotated[str | None, AfterValidator(_store_endpoint)] = None
    region: Region | None = None
    access_key: SecretStr | None = None
    access_key_file: SomePath | None = None
    secret_key: SecretStr | None = None
    secret_key_file: SomePath | None = None
    security_token: SecretStr | None = None
    security_token_file: SomePath | None = None
    max_minutes: float = Field(default=30, gt=0)

    @property
    def is_set(self) -> bool:
        """Whether there is such a place."""
        return bool(self.url or self.remote)

    @property
    def place(self) -> str:
        """The place as messages name it."""
        return self.url or self.remote or ""

    @property
    def bucket(self) -> str | None:
        """Bucket and prefix of `s3://bucket/prefix`; None of any other place."""
        return self.url.removeprefix("s3://") if self.url and self.url.startswith("s3://") else None

    @model_validator(mode="after")
    def _is_whole(self) -> StoreSettings:
        if self.url and self.remote:
            raise ValueError("url and remote are both set; leave one of them out")
        if self.bucket and not (self.endpoint or self.region):
            raise ValueError("url needs a region (of OBS), or the endpoint of another store")
        if bool(self.access_key or self.access_key_file) != bool(self.secret_key or self.secret_key_file):
            raise ValueError("access_key and secret_key go together; set both, each by its variable or its _FILE")
        return self


class BackupSettings(StoreSettings):
    """Where a copy of the lake is put; the place is as private as the lake."""


class LakeSettings(_Section):
    """Where the files live, a relative root being taken from the configuration file's folder; and for how long.

    Attributes:
        name: of this lake, where one Dagster has several: their asset keys begin with it.
    """

    root: Root = Path("lake")
    name: str | None = Field(default=None, pattern="^[a-z][a-z0-9_]{0,40}$")
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
    answer_seconds: float = Field(default=120, gt=0)
    max_answer_mb: int = Field(default=32, ge=1, le=32)
    max_in_flight_mb: int = Field(default=128, ge=1)
    max_header_kb: int = Field(default=64, ge=1)
    max_pages: int = Field(default=1100, ge=1)
    max_target_mb: int = Field(default=512, ge=1)


class CredentialSettings(_Section):
    """One way to prove who asks; secrets come from the environment or from files, never from TOML."""

    method: Literal["chain", "token", "password"] = "chain"
    env_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    user: str | None = None
    domain: str | None = None
    token: SecretStr | None = None
    token_file: SomePath | None = None
    password: SecretStr | None = None
    password_file: SomePath | None = None

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
    """What the published file shows; and what a build may take, by default as much as the machine lets expect.

    `display_timezone` is the zone of the columns that end in `_local`; by default the one that dates are counted in.
    """

    display_timezone: Annotated[str | None, AfterValidator(_timezone_or_none)] = None
    mask_stream_names: bool = False
    expose_secrets: bool = False
    threads: int | None = Field(default=None, ge=1)
    memory: Annotated[str | None, AfterValidator(_memory)] = None


class DashboardSettings(_Section):
    """Whether each publish also writes `warehouse/dashboard.html`."""

    enabled: bool = False


class PublishSettings(StoreSettings):
    """Whether each publish also writes the published tables as Parquet; and where readers far away find them.

    Attributes:
        tables: for engines that read no DuckDB file.
    """

    tables: bool = False


@dataclass(frozen=True)
class Limits:
    """The greatest allowed ages.

    Attributes:
        lake: since the newest capture that is published ended.
        target: since the last complete capture of each target: it may miss a day.
    """

    lake: timedelta
    target: timedelta


# Chats that had a format of their own, by the address that apprise takes for them.
_CHATS = {"slack": "slack://TokenA/TokenB/TokenC", "feishu": "feishu://TOKEN"}


def _webhook_format(name: object) -> object:
    if isinstance(name, str) and name in _CHATS:
        raise ValueError(
            f"{name!r} is gone; write {_CHATS[name]} into alerts.urls (PULLTASKS_ALERTS__URLS, or a file that "
            "alerts.urls_file names), and leave out alerts.format and the webhook"
        )
    return name


class AlertSettings(_Section):
    """Where alarms are sent and how; when something is called too old. Without an address nothing is sent.

    Attributes:
        webhook: the address that takes the body of `format`.
        urls: addresses of services as apprise writes them, separated by blanks or line ends.
        heartbeat: an address that is asked for after each run that leaves every target complete.
        resolved: whether the end of what was told is told as well.
        language: of the words around a message; the service's own words stay as they came.
    """

    webhook: Webhook | None = None
    webhook_file: SomePath | None = None
    urls: SecretStr | None = None
    urls_file: SomePath | None = None
    heartbeat: Webhook | None = None
    heartbeat_file: SomePath | None = None
    resolved: bool = False
    language: Literal["en", "zh"] = "en"
    format: Annotated[Literal["json", "dingtalk"], BeforeValidator(_webhook_format)] = "json"
    max_age: Duration = timedelta(hours=26)
    max_target_age: Duration = timedelta(hours=50)

    @property
    def limits(self) -> Limits:
        """How old the lake and its targets may be."""
        return Limits(lake=self.max_age, target=self.max_target_age)

    @property
    def are_sent(self) -> bool:
        """Whether there is somebody to send them to."""
        return bool(self.webhook or self.webhook_file or self.urls or self.urls_file or self.has_heartbeat)

    @property
    def has_heartbeat(self) -> bool:
        """Whether a good run is told."""
        return bool(self.heartbeat or self.heartbeat_file)


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
        return target_label(self.project_id, self.region, self.name)


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
    publish: PublishSettings = PublishSettings()
    backup: BackupSettings = BackupSettings()
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
