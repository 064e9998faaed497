"""The files of a lake: raw answers, tidy Parquet tables, and the manifests that make them valid.

Lives here: paths and the writer's lock (lake), the raw archive (raw), turning answers into tables (rows, normalise),
closed months (compaction), damaged days (audit).
Does not live here: listing (capture), the warehouse that is built from the tables (warehouse).
"""
