"""Settings: every key that a user may set, its default, and its meaning.

Lives here: the sections, and what is wrong with keys of one section together.
Does not live here: what is wrong with one value (values, secret), where values come from, mistakes of several sections
(config).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pulltasks.names import target_label
from pulltasks.secret import AddressSecret, KeySecret, TextSecret, gather, secrets_of
from pulltasks.values import (
    Duration,
    Endpoint,
    Memory,
    PlaceUrl,
    ProjectId,
    Region,
    Remote,
    Root,
    StoreEndpoint,
    WebhookFormat,
    Zone,
    ZoneOrNone,
)

if TYPE_CHECKING:
    from datetime import date, datetime

PREFIX = "PULLTASKS_"


class _Section(BaseModel):
    """A table of the file; each field `x` that is a secret is written as `x` or as `x_file`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _a_secret_has_one_field(cls, data: Any) -> Any:
        return gather(data, secrets_of(cls)) if isinstance(data, dict) else data


class StoreSettings(_Section):
    """A place outside the lake that rclone puts files into; without `url` and `remote` there is none.

    Attributes:
        url: `s3://bucket/prefix`, or a folder.
        remote: `name:path` of the user's own rclone configuration, in the place of `url`.
        kind: which rules a store of `s3://` follows: those of OBS, or those of all others.
        endpoint: address of the store without the bucket; by default OBS of `region`.
        max_minutes: how long putting may take in one run.
    """

    url: PlaceUrl | None = None
    remote: Remote | None = None
    kind: Literal["obs", "s3"] = "obs"
    endpoint: StoreEndpoint | None = None
    region: Region | None = None
    access_key: KeySecret = None
    secret_key: KeySecret = None
    security_token: KeySecret = None
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
        if bool(self.access_key) != bool(self.secret_key):
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
    max_gone_checks: int = Field(default=20, ge=0)
    max_drop_ratio: float = Field(default=0.5, gt=0, le=1)
    max_run_minutes: float = Field(default=60, gt=0)


class CredentialSettings(_Section):
    """One way to prove who asks; secrets come from the environment or from files, never from TOML."""

    method: Literal["chain", "token", "password"] = "chain"
    env_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    user: str | None = None
    domain: str | None = None
    token: KeySecret = None
    password: TextSecret = None

    @model_validator(mode="after")
    def _has_what_its_method_needs(self) -> CredentialSettings:
        if self.method == "token" and not self.token:
            raise ValueError("method 'token' needs a token: set PULLTASKS_AUTH__TOKEN or PULLTASKS_AUTH__TOKEN_FILE")
        if self.method == "password":
            if not (self.user and self.domain):
                raise ValueError("method 'password' needs 'user' (the IAM user) and 'domain' (the account name)")
            if not self.password:
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

    display_timezone: ZoneOrNone = None
    mask_stream_names: bool = False
    expose_secrets: bool = False
    threads: int | None = Field(default=None, ge=1)
    memory: Memory | None = None


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


class AlertSettings(_Section):
    """Where alarms are sent and how; when something is called too old. Without an address nothing is sent.

    Attributes:
        webhook: the address that takes the body of `format`.
        urls: addresses of services as apprise writes them, separated by blanks or line ends.
        heartbeat: an address that is asked for after each run that leaves every target complete.
        resolved: whether the end of what was told is told as well.
        language: of the words around a message; the service's own words stay as they came.
    """

    webhook: AddressSecret = None
    urls: TextSecret = None
    heartbeat: AddressSecret = None
    resolved: bool = False
    language: Literal["en", "zh"] = "en"
    format: WebhookFormat = "json"
    max_age: Duration = timedelta(hours=26)
    max_target_age: Duration = timedelta(hours=50)

    @property
    def limits(self) -> Limits:
        """How old the lake and its targets may be."""
        return Limits(lake=self.max_age, target=self.max_target_age)

    @property
    def are_sent(self) -> bool:
        """Whether there is somebody to send them to."""
        return bool(self.webhook or self.urls or self.heartbeat)


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

    timezone: Zone = "UTC"
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
