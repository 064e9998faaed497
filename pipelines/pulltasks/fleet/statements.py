"""The statements that create one set of tables and views over the open tables of many lakes.

Lives here: external tables, the views that unite them, the views of models, comments; their order.
Does not live here: translating a select for an engine (portable), the places of the files (lakes).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pulltasks.fleet.dialects import DIALECTS
from pulltasks.fleet.portable import Portable
from pulltasks.sql_files import sql_folder
from pulltasks.sql_literals import quoted
from pulltasks.warehouse.build.open_tables import described, words_of
from pulltasks.warehouse.sql.meta import META
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pulltasks.fleet.lakes import FleetLake
    from pulltasks.warehouse.sql.kinds import Model
    from pulltasks.warehouse.sql.models import Models

LAKE_COLUMN, LAKE_MEANS = "lake", "Name of the lake that the row comes from."
# The tables that models read over many lakes in place of a lake's own. `stg_build` is not published, so its day is the
# newest day of all lakes. Two lakes may have the same target, which must count only once.
READ_INSTEAD = {"stg_build": "newest_day", "dim_targets": "each_target", "fct_target_days": "each_target_day"}
DATES, COVERAGE = "dim_dates", ("targets_complete", "targets_expected")
OF_ITS_LAKE = " Counted in the row's own lake only."
# Published tables without a counterpart over many lakes, with the reason.
NOT_CARRIED = {
    "dim_pull_task_past_versions": "its rows are those of dim_pull_task_versions that have a valid_to_date",
    "meta_inputs": "it names files of one lake",
}
# Macros that engines without macros do not get, with the reason: a view has no arguments.
NO_ARGUMENTS = {
    "tasks_scheduled_at": (
        "its argument is a moment, and there are too many to be rows of a view; ask pull_tasks_as_of for the moment's "
        "day where coalesce(start_time_raw, '') = '' and coalesce(end_time_raw, '') = '' and (start_time is null or "
        "start_time <= moment) and (end_time is null or end_time > moment)"
    ),
}


@dataclass(frozen=True)
class Statement:
    """One statement; `name` is the object that it creates, and `is_public` whether analysts query that."""

    name: str
    sql: str
    is_public: bool = True


def statements(engine: str, lakes: Sequence[FleetLake]) -> list[Statement]:
    """Return all statements to run on an engine, in order.

    Args:
        engine: duckdb or spark.
        lakes: lakes with different names.
    """
    return list(_Writer(engine, lakes).all())


def questions_for(engine: str) -> Callable[[str], str]:
    """Return a function that translates a query in DuckDB's SQL for the views of an engine."""
    return _Writer(engine, ()).question


@cache
def tables_read() -> tuple[str, ...]:
    """Return the open tables that the statements read; all others are computed from these."""
    models = load_models()
    return tuple(name for name in described(models) if name in META or not is_computed(models[name], models))


def alike(lakes: Iterable[FleetLake], name: str) -> list[list[FleetLake]]:
    """Return the lakes that publish a table, in groups that have the same columns and types in it."""
    groups: defaultdict[tuple[tuple[str, str], ...], list[FleetLake]] = defaultdict(list)
    for lake in lakes:
        if name in lake.tables:
            groups[tuple(lake.tables[name].items())].append(lake)
    return list(groups.values())


def left_out(engine: str) -> dict[str, str]:
    """Return the tables and macros of the warehouse that an engine does not get, with the reasons."""
    return NOT_CARRIED | ({} if engine == "duckdb" else NO_ARGUMENTS)


def is_computed(model: Model, models: Models) -> bool:
    """Tell whether a model reads only open tables and the newest day, so that it can be computed over many lakes."""
    return not (model.sources or model.reads_before) and all(
        name in READ_INSTEAD or (models[name].is_published and name not in NOT_CARRIED) for name in model.depends_on
    )


class _Writer:
    """Writes the statements of one engine over some lakes."""

    def __init__(self, engine: str, lakes: Sequence[FleetLake]) -> None:
        self._engine = engine
        self._dialect = DIALECTS[engine]
        self._lakes = lakes
        self._models = load_models()
        self._described = described(self._models)
        own = {model.name: {c.name: c.type for c in model.columns} for model in self._models.in_order}
        for name, (_, words) in self._described.items():
            if name not in own:
                own[name] = dict.fromkeys(words, "VARCHAR") | _types_in(lakes, name, set(words))
        # Models see the tables without `lake`, so that a star in a model does not bring that column. The selects of
        # sql/fleet see it.
        self._columns = own
        dates = {f"lakes_{DATES}": _with_lake(own[DATES])}
        of_lakes = {name: _with_lake(own[name]) for name in READ_INSTEAD if name in self._described}
        read_instead = {other: own[name] for name, other in READ_INSTEAD.items()}
        self._of_models = Portable(self._dialect, own | read_instead, READ_INSTEAD)
        self._of_fleet = Portable(self._dialect, own | dates | of_lakes, {})

    def all(self) -> Iterator[Statement]:
        """Yield the statements, each after those that it needs."""
        for name in tables_read() if self._engine == "spark" else ():
            yield from self._external(name)
        yield self._view(f"lakes_{DATES}", DATES, _with_lake(self._columns[DATES]), self._union(DATES), is_public=False)
        yield self._fleet_view(DATES, DATES)
        for name in tables_read():
            if name != DATES:
                yield self._united(name)
        for name, other in READ_INSTEAD.items():
            yield self._fleet_view(other, name)
        for model in self._models.in_order:
            if model.is_published and is_computed(model, self._models) and model.name not in left_out(self._engine):
                yield self._of_model(model)

    def question(self, sql: str) -> str:
        """Translate a query in DuckDB's SQL for the engine's views."""
        united = {name: _with_lake(self._columns[name]) for name in tables_read() if name != DATES}
        return Portable(self._dialect, self._columns | united, {}).question(sql)

    def _external(self, name: str) -> Iterator[Statement]:
        """Yield the statements that create Spark's external tables, in which each lake is a partition.

        A lake's name is a value in them: names of tables could not have its hyphens.
        """
        description, words = self._described[name]
        for number, lakes in enumerate(alike(self._lakes, name), 1):
            types = {c: self._type(kind) for c, kind in _with_lake(lakes[0].tables[name]).items()}
            columns = self._listed(types, {LAKE_COLUMN: LAKE_MEANS} | words)
            comment = f"COMMENT {self._dialect.literal(description)}"
            places = [(each.name, self._dialect.literal(each.place(name))) for each in lakes]
            parts = "".join(f"\n  PARTITION ({LAKE_COLUMN} = '{lake}') LOCATION {place}" for lake, place in places)
            # Dropped first, because Spark replaces external tables only in some catalogs. With a LOCATION the table is
            # external, so all files stay; queries read the locations of the partitions alone.
            made = f"USING PARQUET\nPARTITIONED BY ({LAKE_COLUMN})\n{comment}\nLOCATION {places[0][1]}"
            table = f"{name}_files_{number}"
            create = f"CREATE TABLE {table} (\n{columns}\n)\n{made}"
            for sql in (f"DROP TABLE IF EXISTS {table}", create, f"ALTER TABLE {table} ADD{parts}"):
                yield Statement(table, sql, is_public=False)

    def _united(self, name: str) -> Statement:
        """Return the view with the rows of all lakes and the lake's name; rows of a day have the coverage of all lakes.

        Rows of a day show in `targets_complete` and `targets_expected` the targets of all lakes, from `dim_dates`.
        """
        columns, union = _with_lake(self._columns[name]), self._union(name)
        if self._is_of_a_day(name):
            listed = ", ".join(f"{'dates' if each in COVERAGE else 'rows_of'}.{each}" for each in columns)
            of_day = f"INNER JOIN {DATES} AS dates ON rows_of.snapshot_date = dates.snapshot_date"
            return self._view(name, name, columns, f"SELECT {listed}\nFROM (\n{union}\n) AS rows_of\n{of_day}")
        return self._view(name, name, columns, union)

    def _union(self, name: str) -> str:
        columns = self._columns[name]
        selects = [
            self._select(LAKE_COLUMN, columns, lakes[0].tables[name])
            + f"\nFROM {f'{name}_files_{number}' if self._engine == 'spark' else _read(name, lakes)}"
            for number, lakes in enumerate(alike(self._lakes, name), 1)
        ]
        # a table that no lake publishes becomes an empty view, so that the models that read it can be created
        return "\nUNION ALL\n".join(selects or [f"{self._select('NULL', columns, {})} WHERE 1 = 0"])

    def _select(self, lake: str, columns: Mapping[str, str], there: Mapping[str, str]) -> str:
        """Return the select list over lakes that are alike; columns that lakes of another version lack are null."""
        listed = [
            column
            if there.get(column) == kind
            else f"CAST({column if column in there else 'NULL'} AS {self._type(kind)}) AS {column}"
            for column, kind in columns.items()
        ]
        return f"SELECT CAST({lake} AS {self._type('VARCHAR')}) AS {LAKE_COLUMN}, {', '.join(listed)}"

    def _fleet_view(self, name: str, described_as: str) -> Statement:
        """Return the view of a select in sql/fleet."""
        sql = (sql_folder() / "fleet" / f"{name}.sql").read_text(encoding="utf-8")
        columns, select = self._of_fleet.view(sql, _with_lake(self._columns[described_as]))
        return self._view(name, described_as, columns, select, is_public=name == described_as)

    def _of_model(self, model: Model) -> Statement:
        """Return the view of a model over all lakes; in DuckDB a macro stays a macro."""
        if model.arguments and self._engine == "duckdb":
            head = f"CREATE OR REPLACE MACRO {model.name}({', '.join(model.arguments)}) AS TABLE\n"
            comment = f";\nCOMMENT ON MACRO TABLE {model.name} IS {quoted(words_of(model)[0])}"
            return Statement(model.name, head + self._of_models.macro(model.sql) + comment)
        columns, select = self._of_models.view(model.sql, self._columns[model.name])
        return self._view(model.name, model.name, columns, select)

    def _view(
        self, name: str, described_as: str, columns: Iterable[str], select: str, *, is_public: bool = True
    ) -> Statement:
        description, words = self._words(described_as)
        if self._engine == "spark":
            listed = self._listed(dict.fromkeys(columns, ""), words)
            head = f"CREATE OR REPLACE VIEW {name} (\n{listed}\n)\nCOMMENT {self._dialect.literal(description)}\nAS\n"
            return Statement(name, head + select, is_public)
        statements = [f"CREATE OR REPLACE VIEW {name} AS\n{select}"]
        if is_public:
            statements.append(f"COMMENT ON VIEW {name} IS {quoted(description)}")
            statements += [f"COMMENT ON COLUMN {name}.{column} IS {quoted(words[column])}" for column in columns]
        return Statement(name, ";\n".join(statements), is_public)

    def _is_of_a_day(self, name: str) -> bool:
        """Tell whether the coverage in a table's rows is that of their own day."""
        return name not in META and {"snapshot_date", *COVERAGE} <= self._columns[name].keys()

    def _listed(self, types: Mapping[str, str], words: Mapping[str, str]) -> str:
        """Return columns with their types and comments, as the column list of a statement."""
        return ",\n".join(
            f"  {' '.join(filter(None, (column, kind)))} COMMENT {self._dialect.literal(words.get(column, ''))}"
            for column, kind in types.items()
        )

    def _words(self, name: str) -> tuple[str, dict[str, str]]:
        if name in self._described:
            description, words = self._described[name]
        else:
            description, words = words_of(self._models[name])
        if name in tables_read() and name != DATES and not self._is_of_a_day(name):
            words = words | {each: f"{words[each]}{OF_ITS_LAKE}" for each in COVERAGE if each in words}
        return description, {LAKE_COLUMN: LAKE_MEANS} | words

    def _type(self, kind: str) -> str:
        return self._dialect.types[kind]


def _read(name: str, lakes: Sequence[FleetLake]) -> str:
    """Return all files of lakes that are alike as one relation of DuckDB, which opens only the first to bind a view."""
    files = [(quoted(each.file(name)), each.name) for each in lakes]
    # one place may have two names, and is then read once
    listed, named = ", ".join(dict(files)), ", ".join(f"({file}, '{lake}')" for file, lake in files)
    # names of folders are not read as columns; a left join cannot lose a row
    return (
        f"read_parquet([{listed}], hive_partitioning = false, filename = true) AS files\n"
        f"LEFT JOIN (VALUES {named}) AS lakes (filename, {LAKE_COLUMN}) USING (filename)"
    )


def _with_lake(columns: Mapping[str, str]) -> dict[str, str]:
    return {LAKE_COLUMN: "VARCHAR"} | dict(columns)


def _types_in(lakes: Sequence[FleetLake], name: str, known: set[str]) -> dict[str, str]:
    """Return the column types of a table without a model (`meta_*`), from the lakes."""
    return {column: kind for lake in lakes for column, kind in lake.tables.get(name, {}).items() if column in known}
