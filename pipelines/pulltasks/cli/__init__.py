"""The command line.

Lives here: verbs and options, printing (output), ending a command (ending).
Does not live here: the work of a verb (run, doctor, warehouse, …).
"""
