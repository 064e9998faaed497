"""The statements that make one set of tables and views of the open tables of many lakes.

Lives here: external tables, what unites them, the views of models, comments; their order.
Does not live here: how an engine writes a select (portable), where the lakes' files are (lakes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.fleet.portable import SPARK_TYPES, TRINO_TYPES, Portable
from pulltasks.sql_files import sql_folder
from pulltasks.sql_literals import quoted
from pulltasks.warehouse.models import load_models
from pulltasks.warehouse.open_tables import DEPRECATED, described

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pulltasks.fleet.lakes import FleetLake
    from pulltasks.warehouse.kinds import Model
    from pulltasks.warehouse.models import Models

ENGINES = ("duckdb", "spark", "trino")
LAKE_COLUMN, LAKE_MEANS = "lake", "Name of the lake that the row comes from."
NEWEST_DAY = "newest_day"
# What `stg_build`, which no lake publishes, is to a model: the newest day of all lakes.
STANDS_FOR = {"stg_build": NEWEST_DAY}
# Tables that say how much of a day all lakes know, by the select in sql/fleet/ that says it.
COVERED_TOGETHER = ("dim_dates", "fct_daily_task_counts")
NOT_CARRIED = {
    "rpt_destination_conflicts": "it stands for one more version only; rpt_stream_conflicts replaces it",
    "dim_pull_task_past_versions": "its rows are those of dim_pull_task_versions that have a valid_to_date",
    "meta_inputs": "it names files of one lake",
}
# A view has no arguments, and of these engines not all have functions that return rows.
NO_ARGUMENTS = {
    "tasks_scheduled_at": (
        "its argument is a moment, and there are too many to be rows of a view; ask pull_tasks_as_of for the moment's "
        "day where coalesce(start_time_raw, '') = '' and coalesce(end_time_raw, '') = '' and (start_time is null or "
        "start_time <= moment) and (end_time is null or end_time > moment)"
    ),
}


@dataclass(frozen=True)
class Statement:
    """One statement; `name` is what it makes, and `is_public` whether an analyst asks it."""

    name: str
    sql: str
    is_public: bool = True


def statements(engine: str, lakes: Sequence[FleetLake]) -> list[Statement]:
    """Everything to run on an engine, in order.

    Args:
        engine: duckdb, spark or trino.
        lakes: with different names.
    """
    return list(_Writer(engine, lakes).all())


def left_out(engine: str) -> dict[str, str]:
    """What the warehouse has and the engine does not get, with the reason."""
    return NOT_CARRIED | ({} if engine == "duckdb" else NO_ARGUMENTS)


def is_computed(model: Model, models: Models) -> bool:
    """Whether a model reads nothing but open tables and the newest day, so that it can be had over many lakes."""
    return not (model.sources or model.reads_before) and all(
        name in STANDS_FOR or (models[name].is_published and name not in NOT_CARRIED) for name in model.depends_on
    )


class _Writer:
    def __init__(self, engine: str, lakes: Sequence[FleetLake]) -> None:
        self._engine = engine
        self._lakes = lakes
        self._models = load_models()
        self._columns = {model.name: {c.name: c.type for c in model.columns} for model in self._models.in_order}
        self._columns[NEWEST_DAY] = self._columns["stg_build"]
        self._described = described(self._models)
        for name, (_, words) in self._described.items():
            if name not in self._columns:
                self._columns[name] = dict.fromkeys(words, "VARCHAR") | _types_in(lakes, name, set(words))
        for name in COVERED_TOGETHER:
            self._columns[f"lakes_{name}"] = {LAKE_COLUMN: "VARCHAR"} | self._columns[name]
        self._portable = Portable(engine, self._columns)

    def all(self) -> Iterator[Statement]:
        models = [model for model in self._models.in_order if model.is_published]
        computed = [each for each in models if is_computed(each, self._models) and each.name not in left_out(self._engine)]
        names = {model.name for model in computed}
        for name in self._described:
            if name not in names | DEPRECATED:
                yield from self._united(name)
        for name in COVERED_TOGETHER[:1]:
            yield self._covered(name)
        yield self._newest_day()
        for name in COVERED_TOGETHER[1:]:
            yield self._covered(name)
        for model in computed:
            yield self._view_of(model)

    def _united(self, name: str) -> Iterator[Statement]:
        """The table in each lake, and all of them as one."""
        having = [lake for lake in self._lakes if name in lake.tables]
        for lake in having:
            yield from self._external(lake, name)
        columns = self._columns[name]
        selects = [self._rows_of(lake, name, columns) for lake in having] or [self._no_rows(columns)]
        together = name in COVERED_TOGETHER
        yield self._view(
            f"lakes_{name}" if together else name,
            [LAKE_COLUMN, *columns],
            "\nUNION ALL\n".join(selects),
            is_public=not together,
            described_as=name,
        )

    def _external(self, lake: FleetLake, name: str) -> Iterator[Statement]:
        table, columns = f"{lake.name}__{name}", lake.tables[name]
        description, words = self._described[name]
        place = lake.place(name)
        if self._engine == "duckdb":
            yield Statement(
                table, f"CREATE OR REPLACE VIEW {table} AS FROM read_parquet({quoted(lake.file(name))})", is_public=False
            )
            return
        types = SPARK_TYPES if self._engine == "spark" else TRINO_TYPES
        listed = ",\n".join(
            f"  {column} {types[kind]} COMMENT {self._text(words.get(column, ''))}" for column, kind in columns.items()
        )
        yield Statement(table, f"DROP TABLE IF EXISTS {table}", is_public=False)
        end = (
            f"USING PARQUET\nCOMMENT {self._text(description)}\nLOCATION {self._text(place)}"
            if self._engine == "spark"
            else f"COMMENT {self._text(description)}\nWITH (format = 'PARQUET', external_location = {self._text(place)})"
        )
        yield Statement(table, f"CREATE TABLE {table} (\n{listed}\n)\n{end}", is_public=False)

    def _rows_of(self, lake: FleetLake, name: str, columns: Mapping[str, str]) -> str:
        there = lake.tables[name]
        listed = [
            column if there.get(column) == kind else f"CAST({column if column in there else 'NULL'} AS {self._type(kind)}) AS {column}"
            for column, kind in columns.items()
        ]
        return f"SELECT {quoted(lake.name)} AS {LAKE_COLUMN}, {', '.join(listed)} FROM {lake.name}__{name}"

    def _no_rows(self, columns: Mapping[str, str]) -> str:
        listed = (f"CAST(NULL AS {self._type(kind)}) AS {column}" for column, kind in columns.items())
        return f"SELECT CAST(NULL AS {self._type('VARCHAR')}) AS {LAKE_COLUMN}, {', '.join(listed)} WHERE 1 = 0"

    def _covered(self, name: str) -> Statement:
        types = self._columns[name] if name == "dim_dates" else {LAKE_COLUMN: "VARCHAR"} | self._columns[name]
        columns, select = self._portable.select(_fleet_sql(name), types, renamed={})
        return self._view(name, columns, select)

    def _newest_day(self) -> Statement:
        columns, select = self._portable.select(_fleet_sql(NEWEST_DAY), self._columns[NEWEST_DAY], renamed={})
        return self._view(NEWEST_DAY, columns, select, is_public=False, described_as="stg_build")

    def _view_of(self, model: Model) -> Statement:
        types = self._columns[model.name]
        if model.arguments and self._engine == "duckdb":
            select = self._portable.macro(model.sql, types, renamed=STANDS_FOR)
            return Statement(
                model.name, f"CREATE OR REPLACE MACRO {model.name}({', '.join(model.arguments)}) AS TABLE\n{select}"
            )
        columns, select = self._portable.select(model.sql, types, renamed=STANDS_FOR)
        return self._view(model.name, columns, select)

    def _view(
        self, name: str, columns: Sequence[str], select: str, *, is_public: bool = True, described_as: str | None = None
    ) -> Statement:
        description, words = self._words(described_as or name)
        if self._engine == "spark":
            listed = ",\n".join(f"  {column} COMMENT {self._text(words.get(column, ''))}" for column in columns)
            head = f"CREATE OR REPLACE VIEW {name} (\n{listed}\n)\nCOMMENT {self._text(description)}\nAS\n"
            return Statement(name, head + select, is_public)
        if self._engine == "trino":
            head = f"CREATE OR REPLACE VIEW {name}\nCOMMENT {self._text(description)}\nSECURITY INVOKER\nAS\n"
            return Statement(name, head + select, is_public)
        comments = [f"COMMENT ON VIEW {name} IS {quoted(description)}"]
        comments += [f"COMMENT ON COLUMN {name}.{column} IS {quoted(words.get(column, ''))}" for column in columns]
        return Statement(name, ";\n".join([f"CREATE OR REPLACE VIEW {name} AS\n{select}", *comments]), is_public)

    def _words(self, name: str) -> tuple[str, dict[str, str]]:
        if name in self._described:
            description, words = self._described[name]
        else:
            model = self._models[name]
            description, words = f"{model.description} Grain: {model.grain}.", {c.name: c.description for c in model.columns}
        return description, {LAKE_COLUMN: LAKE_MEANS} | words

    def _type(self, kind: str) -> str:
        return {"spark": SPARK_TYPES, "trino": TRINO_TYPES}.get(self._engine, {}).get(kind, kind)

    def _text(self, text: str) -> str:
        """A literal; Spark's own takes a backslash for an escape."""
        if self._engine == "spark":
            return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return quoted(text)


def _types_in(lakes: Sequence[FleetLake], name: str, known: set[str]) -> dict[str, str]:
    """The types of a table that no model describes, as the lakes have them."""
    return {column: kind for lake in lakes for column, kind in lake.tables.get(name, {}).items() if column in known}


def _fleet_sql(name: str) -> str:
    return (sql_folder() / "fleet" / f"{name}.sql").read_text(encoding="utf-8")
