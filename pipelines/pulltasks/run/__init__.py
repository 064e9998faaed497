"""Whole runs: the steps, their order, and what is said of them in the end.

Lives here: the order (order), one method for each step (steps), the sentences (report).
Does not live here: what a step does (capture, lake, warehouse, dashboard), who drives a run (cli, Dagster).
"""
