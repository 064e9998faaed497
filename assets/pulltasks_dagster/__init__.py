"""Dagster: the only place that imports it.

Lives here: assets, partitions, checks, schedules, sensors; they drive the steps of pulltasks.run.
Does not live here: any logic about the data itself.
"""
