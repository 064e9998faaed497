"""Read the published warehouse.

Lives here: opening the published file, confined queries, the state of targets, previous captures.
Does not live here: building it (warehouse.build).
"""
