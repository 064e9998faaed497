"""Many lakes as one: their open tables under one name each, on DuckDB or Spark.

Lives here: the lakes of a fleet, the statements that unite them, their state.
Does not live here: writing the open tables (warehouse.build.open_tables), one lake's own file (warehouse).
"""
