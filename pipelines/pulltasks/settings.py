"""Settings: every key that a user may set, its default, and its meaning.

Lives here: the sections, and checks over several keys of one section.
Does not live here: checks of one value (values, secret), the sources of values and checks over sections (config).
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
    LakeName,
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
    """A table of the file; a secret field `x` may be given as `x` or as `x_file`."""

    # Errors must not quote values, as one may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _a_secret_has_one_field(cls, data: Any) -> Any:
        return gather(data, secrets_of(cls)) if isinstance(data, dict) else data


class StoreSettings(_Section):
    """A place outside the lake to which rclone copies files; without `url` and `remote` there is none.

    Attributes:
        url: `s3://bucket/prefix`, or a folder.
        remote: `name:path` of the user's own rclone configuration, instead of `url`.
        kind: the kind of store of `s3://`: OBS, or any other.
        endpoint: address of the store without the bucket; by default OBS of `region`.
        max_minutes: the time limit of copying in one run.
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
        """Tell whether there is such a place."""
        return bool(self.url or self.remote)

    @property
    def place(self) -> str:
        """The name of the place in messages."""
        return self.url or self.remote or ""

    @property
    def bucket(self) -> str | None:
        """Bucket and prefix of `s3://bucket/prefix`; None for any other place."""
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
    """The place for a copy of the lake; it is as private as the lake."""


class LakeSettings(_Section):
    """The place and the age of files.

    Attributes:
        root: the folder of the lake; a relative path begins at the configuration file's folder.
        name: the name of this lake, if one Dagster has several: asset keys begin with it.
        keep_raw_days: days for which raw files are kept; None for ever.
        keep_daily_months: number of the newest closed months that keep one file per day.
    """

    root: Root = Path("lake")
    name: LakeName | None = None
    keep_raw_days: int | None = Field(default=None, ge=1)
    keep_daily_months: int = Field(default=0, ge=0)


class ApiSettings(_Section):
    """The addresses of the API, and the limits of requests."""

    endpoint: Endpoint = "https://live.{region}.myhuaweicloud.com"
    iam_endpoint: Endpoint = "https://iam.{region}.myhuaweicloud.com"
    page_size: int = Field(default=100, ge=1, le=100)
    page_overlap: int = Field(default=5, ge=0, le=99)
    max_concurrency: int = Field(default=20, ge=1)
    requests_per_second: float = Field(default=5, gt=0)
    timeout_seconds: float = Field(default=30, gt=0)
    max_attempts: int = Field(default=5, ge=1)
    max_gone_checks: int = Field(default=20, ge=0)
    max_drop_ratio: float = Field(default=0.5, gt=0, le=1)
    max_run_minutes: float = Field(default=60, gt=0)


class CredentialSettings(_Section):
    """One credential; secrets come from the environment or from files, never from TOML.

    A secret that is missing is a mistake only where it is used (`huawei.auth.credential_from`): who looks at the lake
    need not have it.
    """

    method: Literal["chain", "token", "password"] = "chain"
    env_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_]*$")
    user: str | None = None
    domain: str | None = None
    token: KeySecret = None
    password: TextSecret = None

    @model_validator(mode="after")
    def _names_its_user(self) -> CredentialSettings:
        if self.method == "password" and not (self.user and self.domain):
            raise ValueError("method 'password' needs 'user' (the IAM user) and 'domain' (the account name)")
        return self


class AuthSettings(CredentialSettings):
    """The default credential, and the named ones (`[auth.NAME]`)."""

    named: dict[str, CredentialSettings] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _tables_are_named_credentials(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        # In TOML [auth.NAME] is a table inside [auth]; the model has one field for all of them.
        return {
            **{key: value for key, value in data.items() if not isinstance(value, dict)},
            "named": {key: value for key, value in data.items() if isinstance(value, dict)},
        }


class ScheduleSettings(_Section):
    """The hour at which the daily run begins, in the configured zone; later hours only list missing targets.

    Attributes:
        enabled: Dagster's schedules are on by default; false where cron or a timer starts the runs.
    """

    enabled: bool = True
    hour: int = Field(default=1, ge=0, le=23)


class WarehouseSettings(_Section):
    """The content of the published file, and the memory and threads of a build, by default those of the machine.

    `display_timezone` is the zone of columns that end in `_local`; by default `timezone`.
    """

    display_timezone: ZoneOrNone = None
    mask_stream_names: bool = False
    expose_secrets: bool = False
    threads: int | None = Field(default=None, ge=1)
    memory: Memory | None = None


class DashboardSettings(_Section):
    """The page: `enabled` makes each publish also write `warehouse/dashboard.html`."""

    enabled: bool = False


class PublishSettings(StoreSettings):
    """The open tables, and the bucket in which distant readers find them.

    Attributes:
        tables: each publish also writes the published tables as Parquet, for engines that cannot read a DuckDB file.
    """

    tables: bool = False


@dataclass(frozen=True)
class Limits:
    """The largest allowed ages.

    Attributes:
        lake: the time since the end of the newest published capture.
        target: the time since the last complete capture of a target; by default it may miss a day.
    """

    lake: timedelta
    target: timedelta


class AlertSettings(_Section):
    """The receivers and the form of alarms, and the ages that cause one. Without an address nothing is sent.

    Attributes:
        webhook: the address that receives a body in `format`.
        urls: addresses of services in the notation of apprise, separated by blanks or line ends.
        heartbeat: an address that is requested after each run in which every target is complete.
        resolved: also send an alarm when a trouble is over.
        language: the language around a message; the service's own words are not translated.
        format: the form of the webhook's body.
        max_age: the largest age of the lake.
        max_target_age: the largest age of a target.
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
        """The largest allowed ages of the lake and of its targets."""
        return Limits(lake=self.max_age, target=self.max_target_age)

    @property
    def are_sent(self) -> bool:
        """Tell whether there is a receiver."""
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
        """`(project_id, region)`, by which targets are sorted everywhere."""
        return (self.project_id, self.region)

    @property
    def label(self) -> str:
        """The name of the target in messages: `name (project_id/region)`, or `project_id/region`."""
        return target_label(self.project_id, self.region, self.name)


class Settings(BaseSettings):
    """The whole configuration."""

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
        """Return the sources in order: the environment overrides the file."""
        return (env_settings, init_settings)

    def credential(self, target: Target) -> tuple[str, CredentialSettings]:
        """Return the name and the settings of the credential of a target."""
        if target.credential is None:
            return "default", self.auth
        return target.credential, self.auth.named[target.credential]

    def today(self, now: datetime) -> date:
        """Return the calendar day in the configured time zone."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def endpoint(self, target: Target) -> str:
        """Return the address of the API for a target."""
        return (target.endpoint or self.api.endpoint).format(region=target.region)
