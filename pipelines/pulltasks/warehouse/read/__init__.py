"""Reading what was published.

Lives here: opening the published file, confined queries, the state of targets, what earlier captures showed.
Does not live here: building it (warehouse.build).
"""
