"""Whole runs: the steps, their order, and the report at the end.

Lives here: the order (order), one method per step (steps), the sentences (report).
Does not live here: the work of a step (capture, lake, warehouse, dashboard), the callers (cli, Dagster).
"""
