"""The files of a lake: raw answers, tidy Parquet tables, and the manifests that make them valid.

Lives here: where files lie and who may write (lake), the raw archive (raw), answers into tables (rows, normalise),
closed months (compaction), days that are damaged (audit).
Does not live here: listing (capture), the warehouse that is built of the tables (warehouse).
"""
