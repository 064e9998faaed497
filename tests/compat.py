"""Prints all that a warehouse holds, whatever DuckDB reads it: row counts and sums, comments, macros; no test by itself."""

import hashlib
import json
import sys

import duckdb

connection = duckdb.connect(sys.argv[1], read_only=True)


def rows(query):
    return connection.execute(query).fetchall()


found = {"comments": {}, "tables": {}}
day = rows("select cast(through_date as varchar) from meta_build")[0][0]
found["comments"]["tables"] = sorted(rows("select table_name, comment from duckdb_tables()"))
found["comments"]["views"] = sorted(rows("select view_name, comment from duckdb_views() where not internal"))
found["comments"]["columns"] = sorted(
    rows("select table_name, column_name, comment from duckdb_columns() where not internal")
)
macros = sorted(
    rows("select function_name, comment from duckdb_functions() where not internal and function_type = 'table_macro'")
)
found["comments"]["macros"] = macros
sources = [name for name, _ in found["comments"]["tables"] + found["comments"]["views"]]
sources += [f"{name}('{day}')" for name, _ in macros] + [f"{name}(date '{day}')" for name, _ in macros]
for source in sources:
    # as text, so that no two versions differ in how a value is shown in Python
    columns = [row[0] for row in rows(f"describe select * from {source}")]
    texts = ", ".join(f'cast(to_json("{name}") as varchar)' for name in columns)
    content = sorted(map(str, rows(f"select {texts} from {source}")))
    found["tables"][source] = [columns, len(content), hashlib.sha256("\n".join(content).encode()).hexdigest()]
json.dump(found, sys.stdout, ensure_ascii=False, indent=1)
