"""The command line.

Lives here: verbs and options (main), what they print (output), how a command ends (ending).
Does not live here: what a verb does (run, doctor, warehouse).
"""
