"""Building the warehouse: the plan, the days, the checks, publishing, the open tables.

Lives here: everything that writes a warehouse file.
Does not live here: models and kinds (warehouse.sql), reading the published file (warehouse.read).
"""
