"""SQL models over the tidy days as one read-only DuckDB file.

Lives here: models and their kinds, building day by day, checks, publishing, reading the published file.
Does not live here: the SQL itself (sql/), the tidy tables (lake).
"""
