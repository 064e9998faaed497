"""`python -m pulltasks`: the installed command, for the Python that runs it.

Does not live here: anything else; the command is in cli.main.
"""

from pulltasks.cli.main import command

command()
