"""The single source for columns: the API's fields and the tidy tables that are made from them.

Lives here: names, Arrow types, keys, descriptions and units.
Does not live here: filling the columns (lake.rows), the models that read them (sql/).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pulltasks.lazily import pa

# Raise it when a column is added, renamed or retyped, or when a value is read in another way: a build takes over rows
# of unchanged tasks from days of the same version only. Every file has it in its metadata.
SCHEMA_VERSION = 5

# Types of columns, by Arrow's names; Arrow has no name for a list of texts, so `texts` is our own.
DATE, TEXT, TEXTS, FLAG, COUNT, RATIO = "date32", "string", "texts", "bool", "int64", "double"
TIME = "timestamp[us]"  # always UTC
_SQL_TYPES = {
    DATE: "DATE",
    TEXT: "VARCHAR",
    TEXTS: "VARCHAR[]",
    FLAG: "BOOLEAN",
    COUNT: "BIGINT",
    RATIO: "DOUBLE",
    TIME: "TIMESTAMP",
}


def arrow_type(name: str) -> pa.DataType:
    """Return the Arrow type of that name."""
    return pa.list_(pa.string()) if name == TEXTS else pa.type_for_alias(name)


@dataclass(frozen=True)
class ApiField:
    """One field of the API's `LivePullTaskInfo`.

    Attributes:
        name: the API's name.
        kind: the type that the answer must have; a `time` is sent as text.
        column: the name of the tidy column, if it differs from the API's.
        description: the meaning of the field.
    """

    name: str
    kind: Literal["text", "integer", "time", "texts"]
    description: str
    column: str = ""

    @property
    def tidy_name(self) -> str:
        """The name of the tidy column for the field."""
        return self.column or self.name


# https://support.huaweicloud.com/intl/en-us/api-live/ListPullTasks.html, table LivePullTaskInfo
API_FIELDS = (
    ApiField("task_id", "text", "The task's identifier; unique within a target."),
    ApiField("status", "text", "State of the task in the service's own words; the vocabulary is open."),
    ApiField("create_time", "time", "When the task was created."),
    ApiField("region", "text", "Region in which the task runs, as the answer names it.", column="task_region"),
    ApiField("source_type", "text", "PullLivePushLive pulls a live stream, PullVodPushLive plays video files."),
    ApiField("source_urls", "texts", "Where the stream or the files are pulled from, in order."),
    ApiField("domain", "text", "Ingest domain that the stream is pushed to."),
    ApiField("app_name", "text", "Application name at the destination."),
    ApiField("stream_name", "text", "Stream name at the destination."),
    ApiField("push_args", "text", "Arguments appended to the push address."),
    ApiField("destination_url", "text", "Full destination; stands in place of domain, app_name and stream_name."),
    ApiField("start_time", "time", "When the task is scheduled to start."),
    ApiField("end_time", "time", "When the task is scheduled to end."),
    ApiField("callback_events", "texts", "Events that are called back; absent, null and empty mean all of them."),
    ApiField("callback_url", "text", "Receiver of the callbacks; may lack a scheme."),
    ApiField("backup_source_type", "text", "Type of the backup source."),
    ApiField("backup_source_urls", "texts", "Where the stream is pulled from when the main source breaks, in order."),
    ApiField("vod_loop_time", "text", "Rounds that the file list is played: -1 without end, N rounds, empty default."),
    ApiField("vod_start_video_index", "integer", "Position in source_urls that playing starts at, from 0."),
    ApiField("vod_start_video_time", "integer", "Second of that file that playing starts at."),
    ApiField("vod_refresh_type", "text", "How a changed task moves to its new files."),
)


@dataclass(frozen=True)
class Column:
    """One column of a tidy table."""

    name: str
    type: str
    description: str
    unit: str | None = None

    @property
    def meaning(self) -> str:
        """Description and unit in one text."""
        return f"{self.description} ({self.unit})" if self.unit else self.description

    @property
    def sql_type(self) -> str:
        """DuckDB's name of the type."""
        return _SQL_TYPES[self.type]


@dataclass(frozen=True)
class Table:
    """One tidy table: one sorted Parquet file per day."""

    name: str
    description: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, with descriptions and the schema version in its metadata."""
        return pa.schema(
            [
                pa.field(
                    c.name,
                    arrow_type(c.type),
                    metadata={"description": c.description} | ({"unit": c.unit} if c.unit else {}),
                )
                for c in self.columns
            ],
            metadata={"pulltasks.table": self.name, "pulltasks.schema_version": str(SCHEMA_VERSION)},
        )


_TARGET = (
    Column("snapshot_date", DATE, "Day on which the run began, in the configured time zone."),
    Column("project_id", TEXT, "Project of the target."),
    Column("region", TEXT, "Region of the target."),
)
_TASK_ID = Column("task_id", TEXT, "The task's identifier; unique within a target.")
_ARROW = {"text": TEXT, "integer": COUNT, "time": TIME}
_UNITS = {"vod_start_video_time": "seconds", "vod_start_video_index": "position, from 0"}


def _task_columns() -> list[Column]:
    columns: list[Column] = []
    for field in API_FIELDS:
        if field.kind == "texts":
            continue  # lists have tables of their own, one row per element
        unit = "UTC" if field.kind == "time" else _UNITS.get(field.name)
        columns.append(Column(field.tidy_name, _ARROW[field.kind], field.description, unit))
        if field.kind == "time":
            text = f"What {field.name} held where it could not be read as a time; else null."
            columns.append(Column(f"{field.name}_raw", TEXT, text))
    return columns


PULL_TASKS = Table(
    "pull_tasks",
    "Pull tasks as listed, one row each.",
    "one row per target, date and task",
    ("snapshot_date", "project_id", "region", "task_id"),
    (
        *_TARGET,
        *_task_columns(),
        Column("callback_events_specified", FLAG, "False when callback_events was absent or null: all events then."),
        Column("content_hash", TEXT, "SHA-256 of the task's canonical JSON, known and unknown fields alike.", "hex"),
        Column("extra", TEXT, "Fields that no column here knows, as JSON; null when there are none."),
        Column("capture_id", TEXT, "The capture that the row comes from."),
        Column("capture_complete", FLAG, "Whether that capture is complete; if not, only presence is evidence."),
    ),
)

PULL_TASK_SOURCE_URLS = Table(
    "pull_task_source_urls",
    "Source addresses of pull tasks, one row each.",
    "one row per target, date, task, role and position",
    ("snapshot_date", "project_id", "region", "task_id", "role", "position"),
    (
        *_TARGET,
        _TASK_ID,
        Column("role", TEXT, "primary (source_urls) or backup (backup_source_urls)."),
        Column("position", COUNT, "Place in the list; vod_start_video_index points at it.", "position, from 0"),
        Column("url", TEXT, "The address; null where the list held null or no text."),
    ),
)

PULL_TASK_CALLBACK_EVENTS = Table(
    "pull_task_callback_events",
    "Events that pull tasks name for their callbacks, one row each.",
    "one row per target, date, task and position",
    ("snapshot_date", "project_id", "region", "task_id", "position"),
    (
        *_TARGET,
        _TASK_ID,
        Column("position", COUNT, "Place in the list.", "position, from 0"),
        Column("event", TEXT, "Name of the event; null where the list held null or no text."),
    ),
)

CAPTURES = Table(
    "captures",
    "How the listing of each target ended.",
    "one row per target and date that was to be listed",
    ("snapshot_date", "project_id", "region"),
    (
        *_TARGET,
        Column("name", TEXT, "Name of the target in the configuration."),
        Column("endpoint", TEXT, "Address that was asked."),
        Column("query_region", TEXT, "Value of the region parameter that was sent."),
        Column("is_listed", FLAG, "Whether the day's newest target list names the target."),
        Column("timezone", TEXT, "Time zone in which snapshot dates are counted."),
        Column("max_drop_ratio", RATIO, "A listing that lacks more than this part of the tasks known before is held."),
        Column("drop_accepted", FLAG, "Whether the operator accepted what this listing lacks."),
        Column("accepted_task_ids", TEXTS, "Tasks whose loss the operator accepted earlier on the day."),
        Column("capture_id", TEXT, "Identifier of the capture; null when there was none."),
        Column("verdict", TEXT, "complete, incomplete or failed; null when there was no capture."),
        Column("proof", TEXT, "by_chain or by_agreement when complete."),
        Column("verdict_reason", TEXT, "Why the capture is not complete; or what is worth knowing of one that is."),
        Column("evidence", TEXT, "Which premises of the proof were tested, in a sentence; null unless complete."),
        Column("drift_repairs", COUNT, "Pages that were read only to bridge or repeat others.", "pages"),
        Column("offset_unit", TEXT, "rows, pages or unknown: what the offset parameter counts."),
        Column("order_witness", TEXT, "Field by which the pages were found sorted, or assumed."),
        Column("error_code", TEXT, "The service's code, where it refused."),
        Column("error_message", TEXT, "What went wrong and what to do about it, in words of this program alone."),
        Column("service_message", TEXT, "The service's own words, unmasked; empty where it said none."),
        Column("task_count", COUNT, "Distinct tasks in the answers that count.", "tasks"),
        Column("total_first", COUNT, "total of the first answer that carried one.", "tasks"),
        Column("total_last", COUNT, "total of the last answer that carried one.", "tasks"),
        Column("changed_while_listing", COUNT, "Tasks that different answers showed with different contents.", "tasks"),
        Column("sweeps", COUNT, "Passes over the pages.", "passes"),
        Column("requests", COUNT, "Requests that were sent.", "requests"),
        Column("retries", COUNT, "Of these, the ones sent again after a fault.", "requests"),
        Column("answer_bytes", COUNT, "Size of all answers that were kept, decompressed.", "bytes"),
        Column("started_at", TIME, "When the capture began.", "UTC"),
        Column("finished_at", TIME, "When the capture ended.", "UTC"),
        Column("clock_skew_seconds", COUNT, "By how much this machine's clock was corrected.", "seconds"),
        Column("gone", TEXTS, "Tasks of the last complete capture that the service does not know any more."),
        Column("unlisted", TEXTS, "Tasks of the last complete capture that the service knows and does not list."),
        Column(
            "unchecked",
            TEXTS,
            "Tasks of the last complete capture that are not listed and were not asked for, or got no clear answer.",
        ),
        Column("asked_count", COUNT, "Of these three, the ones that were asked for by id.", "tasks"),
        Column("first_request_id", TEXT, "The service's identifier of the first answer."),
        Column("last_request_id", TEXT, "The service's identifier of the last answer."),
    ),
)

DATA_QUALITY = Table(
    "data_quality",
    "What the answers held that was not expected; nothing of it is lost.",
    "one row per target, date, task, field, rule and position",
    ("snapshot_date", "project_id", "region", "task_id", "field", "rule", "position"),
    (
        *_TARGET,
        Column("task_id", TEXT, "The task; for unknown_field the first one that carried it."),
        Column("field", TEXT, "The API's field; (answer) for what is odd about answers as a whole."),
        Column(
            "rule",
            TEXT,
            "unknown_field, wrong_type, unreadable_number, not_unicode, name_not_unicode, unreadable_time, "
            "time_without_zone, null_element, task_without_id, task_id_not_unicode, byte_order_mark, old_encoding, "
            "unknown_answer_field (beside the list), repeated_key (twice in an object; what was replaced) or left_out.",
        ),
        Column("position", COUNT, "Place in a list; null for the field as a whole.", "position, from 0"),
        Column("raw_text", TEXT, "What stood there, as JSON; what is no text is escaped."),
        Column("occurrences", COUNT, "Tasks, or answers, of the target that it was seen at.", "tasks"),
    ),
)

TABLES = (PULL_TASKS, PULL_TASK_SOURCE_URLS, PULL_TASK_CALLBACK_EVENTS, CAPTURES, DATA_QUALITY)
