"""The one truth about columns: the API's fields and the tidy tables made of them.

Lives here: names, Arrow types, keys, descriptions and units.
Does not live here: how a value gets into a column (lake.normalise), what the models make of it (sql/).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pulltasks.lazily import pa

# Raised when a column is added, renamed or retyped, or a value is read in another way: a build takes rows of the same
# content over from days of the same version. It is in the metadata of every file.
SCHEMA_VERSION = 5

# Types of columns, by Arrow's names for them; of lists it has none.
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
    """Return Arrow's type of that name."""
    return pa.list_(pa.string()) if name == TEXTS else pa.type_for_alias(name)


@dataclass(frozen=True)
class ApiField:
    """One field of the API's `LivePullTaskInfo`.

    Attributes:
        name: the API's name.
        kind: how the answer must carry it; `time` is text on the wire.
        column: the tidy column, where it is not the API's name.
        description: meaning, with the unit where there is one.
    """

    name: str
    kind: Literal["text", "integer", "time", "texts"]
    description: str
    column: str = ""

    @property
    def tidy_name(self) -> str:
        """The column that holds the field in the tidy table."""
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
    ApiField("destination_url", "text", "Full destination, used instead of domain, app_name and stream_name."),
    ApiField("start_time", "time", "When the task is scheduled to start."),
    ApiField("end_time", "time", "When the task is scheduled to end."),
    ApiField("callback_events", "texts", "Events that trigger a callback; absent, null or empty means all events."),
    ApiField("callback_url", "text", "Address that receives the callbacks; may lack a scheme."),
    ApiField("backup_source_type", "text", "Type of the backup source."),
    ApiField("backup_source_urls", "texts", "Where the stream is pulled from if the main source fails, in order."),
    ApiField(
        "vod_loop_time", "text", "Rounds for which the file list is played: N, -1 for endless, empty for the default."
    ),
    ApiField("vod_start_video_index", "integer", "Position in source_urls where playback starts, from 0."),
    ApiField("vod_start_video_time", "integer", "Second within that file where playback starts."),
    ApiField("vod_refresh_type", "text", "How a changed task switches to its new files."),
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
            continue
        unit = "UTC" if field.kind == "time" else _UNITS.get(field.name)
        columns.append(Column(field.tidy_name, _ARROW[field.kind], field.description, unit))
        if field.kind == "time":
            text = f"Text of {field.name} if it is not a valid time; else null."
            columns.append(Column(f"{field.name}_raw", TEXT, text))
    return columns


PULL_TASKS = Table(
    "pull_tasks",
    "Pull tasks as listed.",
    "one row per target, date and task",
    ("snapshot_date", "project_id", "region", "task_id"),
    (
        *_TARGET,
        *_task_columns(),
        Column(
            "callback_events_specified",
            FLAG,
            "Whether callback_events was neither absent nor null; false means all events.",
        ),
        Column("content_hash", TEXT, "SHA-256 of the task's canonical JSON, with known and unknown fields.", "hex"),
        Column("extra", TEXT, "Fields without a column of their own, as JSON; null if there are none."),
        Column("capture_id", TEXT, "The capture that the row comes from."),
        Column("capture_complete", FLAG, "Whether that capture is complete; if not, a missing task proves nothing."),
    ),
)

PULL_TASK_SOURCE_URLS = Table(
    "pull_task_source_urls",
    "Source addresses of pull tasks.",
    "one row per target, date, task, role and position",
    ("snapshot_date", "project_id", "region", "task_id", "role", "position"),
    (
        *_TARGET,
        _TASK_ID,
        Column("role", TEXT, "primary (source_urls) or backup (backup_source_urls)."),
        Column("position", COUNT, "Position in the list; vod_start_video_index refers to it.", "position, from 0"),
        Column("url", TEXT, "The address; null if the list element is null or not a text."),
    ),
)

PULL_TASK_CALLBACK_EVENTS = Table(
    "pull_task_callback_events",
    "Events that pull tasks name for their callbacks.",
    "one row per target, date, task and position",
    ("snapshot_date", "project_id", "region", "task_id", "position"),
    (
        *_TARGET,
        _TASK_ID,
        Column("position", COUNT, "Position in the list.", "position, from 0"),
        Column("event", TEXT, "Name of the event; null if the list element is null or not a text."),
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
        Column("endpoint", TEXT, "Endpoint that the requests were sent to."),
        Column("query_region", TEXT, "Value of the region parameter in the requests."),
        Column("is_listed", FLAG, "Whether the day's newest target list names the target."),
        Column("timezone", TEXT, "Time zone in which snapshot dates are counted."),
        Column("max_drop_ratio", RATIO, "A listing is held if it lacks more than this share of the known tasks."),
        Column("drop_accepted", FLAG, "Whether the operator accepted the loss of the tasks that this listing lacks."),
        Column("accepted_task_ids", TEXTS, "Tasks whose loss the operator accepted earlier on the day."),
        Column("capture_id", TEXT, "Identifier of the capture; null if there was none."),
        Column("verdict", TEXT, "complete, incomplete or failed; null without a capture."),
        Column("proof", TEXT, "by_chain or by_agreement if complete; else null."),
        Column("verdict_reason", TEXT, "Why the capture is not complete; a note if it is complete."),
        Column("evidence", TEXT, "Tested premises of the proof, in a sentence; null unless complete."),
        Column("drift_repairs", COUNT, "Extra pages, read to bridge gaps or to repeat other pages.", "pages"),
        Column("offset_unit", TEXT, "Unit of the offset parameter as observed: rows, pages or unknown."),
        Column("order_witness", TEXT, "Field by which the pages are sorted, observed or assumed."),
        Column("error_code", TEXT, "The service's error code, if it refused."),
        Column("error_message", TEXT, "What went wrong and what to do, in pulltasks' own words."),
        Column("service_message", TEXT, "The service's own message, unmasked; empty if there is none."),
        Column("task_count", COUNT, "Distinct tasks in the answers that count towards the verdict.", "tasks"),
        Column("total_first", COUNT, "total in the first answer with a total.", "tasks"),
        Column("total_last", COUNT, "total in the last answer with a total.", "tasks"),
        Column("changed_while_listing", COUNT, "Tasks with different content in different answers.", "tasks"),
        Column("sweeps", COUNT, "Passes over the pages.", "passes"),
        Column("requests", COUNT, "Requests sent, retries included.", "requests"),
        Column("retries", COUNT, "Requests among these that were sent again after an error.", "requests"),
        Column("answer_bytes", COUNT, "Decompressed size of all stored answers.", "bytes"),
        Column("started_at", TIME, "When the capture began.", "UTC"),
        Column("finished_at", TIME, "When the capture ended.", "UTC"),
        Column("clock_skew_seconds", COUNT, "Correction of this machine's clock.", "seconds"),
        Column("gone", TEXTS, "Tasks of the last complete capture that the service no longer knows."),
        Column("unlisted", TEXTS, "Tasks of the last complete capture that the service knows but does not list."),
        Column(
            "unchecked",
            TEXTS,
            "Tasks of the last complete capture that are not listed and were not looked up, or got no clear answer.",
        ),
        Column("asked_count", COUNT, "Tasks in these three columns that were looked up by id.", "tasks"),
        Column("first_request_id", TEXT, "The service's request id of the first answer."),
        Column("last_request_id", TEXT, "The service's request id of the last answer."),
    ),
)

DATA_QUALITY = Table(
    "data_quality",
    "Unexpected values in the API's answers, retained in full.",
    "one row per target, date, task, field, rule and position",
    ("snapshot_date", "project_id", "region", "task_id", "field", "rule", "position"),
    (
        *_TARGET,
        Column("task_id", TEXT, "The task; for unknown_field, the first task with the field."),
        Column("field", TEXT, "The API's field; (answer) for answers as a whole."),
        Column(
            "rule",
            TEXT,
            "unknown_field, wrong_type, unreadable_number, not_unicode, name_not_unicode, unreadable_time, "
            "time_without_zone, null_element, task_without_id, task_id_not_unicode, byte_order_mark, old_encoding, "
            "unknown_answer_field (beside the list), repeated_key (twice in an object: the one replaced) or left_out.",
        ),
        Column("position", COUNT, "Position in a list; null for the field as a whole.", "position, from 0"),
        Column("raw_text", TEXT, "The unexpected value, as JSON; bytes that are not text are escaped."),
        Column("occurrences", COUNT, "Tasks or answers of the target with the value.", "tasks"),
    ),
)

TABLES = (PULL_TASKS, PULL_TASK_SOURCE_URLS, PULL_TASK_CALLBACK_EVENTS, CAPTURES, DATA_QUALITY)
