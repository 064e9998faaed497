"""The SQL models as data: their headers, kinds, columns, dependencies and lineage.

Lives here: models and kinds, read from the files in `sql/`.
Does not live here: building (warehouse.build), reading the published file (warehouse.read).
"""
