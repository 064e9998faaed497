"""Building the warehouse: the plan, the days, the checks, publishing, the open tables.

Lives here: everything that writes a warehouse file.
Does not live here: what a model is (warehouse.sql), reading what was published (warehouse.read).
"""
