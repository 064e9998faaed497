"""The command line: all verbs, in the order in which a user needs them.

Lives here: the app, `--version`, the installed command.
Does not live here: the verbs (runs, reads, account, lake, fleet), ending a command (ending).

Exit codes: 0 all complete; 1 nothing published; 2 usage or configuration; 3 published, but not all complete.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pulltasks.cli.account import doctor, init, sandbox
from pulltasks.cli.ending import end, stop_on_signals
from pulltasks.cli.fleet import fleet_app, sql
from pulltasks.cli.lake import lake_app
from pulltasks.cli.lazy_imports import import_at_need
from pulltasks.cli.reads import dashboard, query, shell, status
from pulltasks.cli.runs import compact, forget, rebuild, snapshot

# The verbs in the order in which a user needs them.
ORDER = (
    "init", "doctor", "snapshot", "status", "query", "shell", "dashboard", "rebuild", "compact", "forget", "lake",
    "fleet", "sql", "sandbox",
)  # fmt: skip


class _InOrder(TyperGroup):
    """Lists the verbs in the order of use."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the signature is click's
        """Return the names of the verbs in the order of use."""
        return sorted(self.commands, key=ORDER.index)


app = typer.Typer(
    name="pulltasks",
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for verb in (init, doctor, snapshot, status, query, shell, dashboard, rebuild, compact, forget, sql, sandbox):
    app.command()(verb)
app.add_typer(lake_app, name="lake")
app.add_typer(fleet_app, name="fleet")


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"pulltasks {version('pulltasks')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """A daily, provably complete record of Huawei Cloud Live's pull tasks."""


def command() -> None:
    """Run the installed `pulltasks`: `main` in a process of its own."""
    # not in `main`, which tests call in a process that needs the real libraries
    import_at_need()
    stop_on_signals()
    main()


def main() -> None:
    """Run the command line."""
    end(app)
