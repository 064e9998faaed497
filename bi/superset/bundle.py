"""The Superset bundle: a database, datasets, charts and a dashboard as one zip that Superset imports.

Lives here: the form of the zip; `python bi/superset/bundle.py` writes it, `make superset` calls that.
Does not live here: the charts (charts/, datasets.yaml, dashboard.yaml), descriptions of columns (the headers in sql/).
"""

from __future__ import annotations

import argparse
import json
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulltasks.warehouse.sql.kinds import Model

HERE = Path(__file__).parent
VERSION = "1.0.0"  # of Superset's format
DATABASE = "pulltasks"
# For several rows, `complete` is the smallest value and `expected` the largest, so a sum never looks better covered
# than it is.
COVERAGE = {
    "complete": ("Targets complete", "min(targets_complete)", "Targets that were captured completely."),
    "expected": ("Targets expected", "max(targets_expected)", "Targets that were to be captured."),
}
# Each query opens the file that is published at that moment, because Superset does not pool connections by default.
# A user who may write SQL in Superset reads this file, and no other file of the machine.
OPTIONS = "access_mode=read_only&enable_external_access=false"
CACHE_SECONDS = 300  # if Superset has a cache: its own default is a day, too long for a page that shows today
FORMATS = {
    "DATE": {"d3TimeFormat": "%Y-%m-%d"},
    "TIMESTAMP": {"d3TimeFormat": "%Y-%m-%d %H:%M"},
    "DOUBLE": {"d3NumberFormat": ",.1f"},
    "BIGINT": {"d3NumberFormat": ",d"},
}
# All rows in one scrolling list; no bars behind numbers, because they would make 2 of 3 targets look like many.
TABLE = {"page_length": 0, "show_cell_bars": False, "color_pn": False}


def bundle(warehouse: Path) -> dict[str, dict[str, Any]]:
    """Return the files of the bundle, by their path in it.

    Args:
        warehouse: the absolute path under which Superset finds the published file.
    """
    documents = {path.stem: _read(path) for path in sorted((HERE / "charts").glob("*.yaml"))}
    files = {
        # Without a `type` Superset takes it both as a dashboard (the UI) and as assets (the API, which updates all).
        "metadata.yaml": {"version": VERSION},
        f"databases/{DATABASE}.yaml": _database(warehouse),
        f"dashboards/{DATABASE}.yaml": _dashboard(_read(HERE / "dashboard.yaml"), documents),
    }
    datasets = {dataset["table_name"]: dataset for dataset in _datasets()}
    files |= {f"datasets/{DATABASE}/{name}.yaml": dataset for name, dataset in datasets.items()}
    for name, document in documents.items():
        files[f"charts/{name}.yaml"] = _chart(name, document, datasets[document["dataset"]])
    return files


def write(files: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the zip: the same files give the same bytes on every machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(f"pulltasks/{name}")  # of a fixed date; Superset drops the first folder
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def _uuid(kind: str, name: str) -> str:
    """Return an identifier that depends on kind and name only, so that a second import updates the first."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"pulltasks/superset/{kind}/{name}"))


def _database(warehouse: Path) -> dict[str, Any]:
    return {
        "database_name": DATABASE,
        "sqlalchemy_uri": f"duckdb:///{warehouse}?{OPTIONS}",
        "cache_timeout": CACHE_SECONDS,
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_csv_upload": False,
        "extra": {"allows_virtual_table_explore": True},
        "uuid": _uuid("database", DATABASE),
        "version": VERSION,
    }


def _datasets() -> list[dict[str, Any]]:
    """Return a dataset for every table and view of the warehouse, and for the queries that charts need beside them."""
    written = _read(HERE / "datasets.yaml")
    models = load_models()
    tables = [
        _dataset(model, model.name, model.description, written["tables"].get(model.name, {}))
        for model in models.in_order
        if model.is_published and not model.kind.takes_arguments
    ]
    queries = [
        _dataset(models[query["like"]], name, query["description"], {}, query["sql"])
        for name, query in written["queries"].items()
    ]
    return tables + queries


def _dataset(
    model: Model, name: str, description: str, metrics: Mapping[str, Mapping[str, str]], sql: str | None = None
) -> dict[str, Any]:
    columns = {column.name for column in model.columns}
    coverage = {
        metric: {"title": title, "sql": expression, "description": text}
        for metric, (title, expression, text) in COVERAGE.items()
        if {"targets_complete", "targets_expected"} <= columns
    }
    return {
        "table_name": name,
        "schema": "main",
        "description": f"{description} Grain: {model.grain}.",
        "sql": sql,
        "main_dttm_col": "snapshot_date" if "snapshot_date" in columns else None,
        "uuid": _uuid("dataset", name),
        "database_uuid": _uuid("database", DATABASE),
        "version": VERSION,
        "columns": [
            {
                "column_name": column.name,
                "verbose_name": _in_words(column.name),
                "type": column.type,
                "description": column.description,
                "is_dttm": column.type in {"DATE", "TIMESTAMP"},
                "is_active": True,
                "groupby": True,
                "filterable": True,
            }
            for column in model.columns
        ],
        "metrics": [
            {
                "metric_name": metric,
                "verbose_name": its["title"],
                "expression": its["sql"],
                "description": its["description"],
                "metric_type": its.get("type", "BIGINT"),
            }
            for metric, its in {**coverage, **metrics}.items()
        ],
    }


def _in_words(name: str) -> str:
    """Return the heading of a column: `overlap_start_time` becomes Overlap start time."""
    return name.replace("_", " ").capitalize()


def _chart(name: str, document: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    form = {
        **(_table(dataset) if document["viz_type"] == "table" else {}),
        **document["params"],
        "viz_type": document["viz_type"],
        "adhoc_filters": [
            {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": condition}
            for condition in document.get("where", [])
        ],
        "order_by_cols": [
            json.dumps([column, way == "asc"]) for column, way in map(str.split, document.get("order_by", []))
        ],
    }
    # The query for the API and for reports; a browser builds its own from the form. Superset sets the dataset's id.
    context = {
        "datasource": {"id": 0, "type": "table"},
        "force": False,
        "queries": _queries(form),
        "form_data": form,
        "result_format": "json",
        "result_type": "full",
    }
    return {
        "slice_name": document["title"],
        "description": document["description"],
        "viz_type": document["viz_type"],
        "params": form,
        "query_context": json.dumps(context),
        "cache_timeout": None,
        "uuid": _uuid("chart", name),
        "version": VERSION,
        "dataset_uuid": dataset["uuid"],
    }


def _table(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a table chart, with the formats of its dataset's columns and metrics."""
    types = {column["column_name"]: column["type"] for column in dataset["columns"]}
    types |= {metric["metric_name"]: metric["metric_type"] for metric in dataset["metrics"]}
    return {**TABLE, "column_config": {name: FORMATS[kind] for name, kind in types.items() if kind in FORMATS}}


def _queries(form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the queries of a chart: one; for a mixed chart two, for bars and for lines."""
    suffixes = ("", "_b") if form["viz_type"] == "mixed_timeseries" else ("",)
    return [_query(form, suffix) for suffix in suffixes]


def _query(form: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    columns = [*form.get("all_columns", []), *form.get(f"groupby{suffix}", [])]
    if "x_axis" in form:
        grain = {"columnType": "BASE_AXIS", "timeGrain": form["time_grain_sqla"]}
        axis = {"label": form["x_axis"], "sqlExpression": form["x_axis"], "expressionType": "SQL"}
        columns.insert(0, {**axis, **grain})
    order = [json.loads(text) for text in form["order_by_cols"]]
    if "timeseries_limit_metric" in form:
        order = [[form["timeseries_limit_metric"], not form["order_desc"]]]
    filters = form.get(f"adhoc_filters{suffix}", [])
    return {
        "columns": columns,
        "metrics": form.get(f"metrics{suffix}", [form["metric"]] if "metric" in form else []),
        "filters": [],
        "extras": {"where": " and ".join(f"({its['sqlExpression']})" for its in filters), "having": ""},
        "orderby": order,
        "row_limit": form.get(f"row_limit{suffix}", 1),
    }


def _dashboard(document: Mapping[str, Any], charts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"id": "ROOT_ID", "type": "ROOT", "children": ["GRID_ID"]},
        "HEADER_ID": {"id": "HEADER_ID", "type": "HEADER", "meta": {"text": document["title"]}},
        "GRID_ID": {"id": "GRID_ID", "type": "GRID", "parents": ["ROOT_ID"], "children": []},
    }
    for number, row in enumerate(document["rows"], start=1):
        row_id = f"ROW-{number}"
        children = [f"CHART-{name}" for name in row["charts"]]
        parents = ["ROOT_ID", "GRID_ID"]
        position["GRID_ID"]["children"].append(row_id)
        background = {"background": "BACKGROUND_TRANSPARENT"}
        position[row_id] = {"id": row_id, "type": "ROW", "parents": parents, "children": children, "meta": background}
        for name, width in row["charts"].items():
            meta = {
                "chartId": len(position),  # Superset puts its own number here
                "uuid": _uuid("chart", name),
                "sliceName": charts[name]["title"],
                "width": width,
                "height": row["height"],
            }
            chart_id = f"CHART-{name}"
            position[chart_id] = {
                "id": chart_id,
                "type": "CHART",
                "parents": [*parents, row_id],
                "children": [],
                "meta": meta,
            }
    return {
        "dashboard_title": document["title"],
        "description": document["description"],
        "slug": document["slug"],
        "published": True,
        "uuid": _uuid("dashboard", document["slug"]),
        "position": position,
        "metadata": {"label_colors": document["colours"], "cross_filters_enabled": False},
        "version": VERSION,
    }


def main() -> None:
    """Write the zip, and print its path and the warehouse that it reads."""
    parser = argparse.ArgumentParser(description="Writes a bundle that Superset imports.")
    parser.add_argument(
        "--warehouse",
        type=Path,
        default=Path("lake/warehouse/pulltasks.duckdb"),
        help="the published file as Superset sees it (in its container, if it has one); default: %(default)s",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("dist/pulltasks-superset.zip"), help="the zip; default: %(default)s"
    )
    arguments = parser.parse_args()
    # absolute, but the link is not resolved, because each publish changes its target
    write(bundle(arguments.warehouse.absolute()), arguments.output)
    print(f"{arguments.output}: reads {arguments.warehouse.absolute()}")


if __name__ == "__main__":
    main()
