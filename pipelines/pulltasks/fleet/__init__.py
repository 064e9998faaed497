"""Many lakes as one: their open tables under one name each, on DuckDB or Spark.

Lives here: which lakes there are, the statements that unite them, how they stand.
Does not live here: making the open tables (warehouse.build.open_tables), one lake's own file (warehouse).
"""
