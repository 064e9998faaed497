"""The SQL models as data: their headers, kinds, columns, dependencies and lineage.

Lives here: what a model is, read from the files in `sql/`.
Does not live here: building (warehouse.build), reading what was built (warehouse.read).
"""
