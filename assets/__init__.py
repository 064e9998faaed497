"""Dagster: the only place that imports it.

Lives here: assets, partitions, checks, schedule, resources; each asset calls one function of pipelines/.
Does not live here: anything about the data itself.
"""
