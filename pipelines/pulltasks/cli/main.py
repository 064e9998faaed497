"""The command line: all verbs, in the order in which a user needs them.

Lives here: the app, `--version`, completion, the installed command.
Does not live here: the verbs (runs, reads, account, lake, fleet), ending a command (ending).

Exit codes: 0 all complete; 1 nothing published; 2 usage or configuration; 3 published, but not all complete.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from typer import completion
from typer.core import TyperGroup

from pulltasks.cli.account import doctor, init, sandbox
from pulltasks.cli.ending import end, stop_on_signals
from pulltasks.cli.fleet import fleet_app, sql
from pulltasks.cli.lake import lake_app
from pulltasks.cli.lazy_imports import import_at_need
from pulltasks.cli.reads import dashboard, query, shell, status
from pulltasks.cli.runs import compact, forget, rebuild, snapshot

NAME = "pulltasks"
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


class Shell(StrEnum):
    """Shells that can complete the command line."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


completion.completion_init()  # type: ignore[attr-defined]  # registers the shells
app = typer.Typer(
    name=NAME,
    cls=_InOrder,
    no_args_is_help=True,
    add_completion=False,  # Typer's own options ignore the name of a shell
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


def _show_completion(shell: Shell | None) -> None:
    if shell:
        typer.echo(completion.get_completion_script(prog_name=NAME, complete_var="_PULLTASKS_COMPLETE", shell=shell))  # type: ignore[attr-defined]
        raise typer.Exit


def _install_completion(shell: Shell | None) -> None:
    if shell:
        _, file = completion.install(shell=shell, prog_name=NAME)  # type: ignore[attr-defined]
        typer.echo(f"wrote {file}; open a new terminal to use it")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    install_completion: Annotated[
        Shell | None,
        typer.Option(
            metavar="SHELL",
            callback=_install_completion,
            is_eager=True,
            help="Install completion: bash, zsh, fish or powershell.",
        ),
    ] = None,
    show_completion: Annotated[
        Shell | None,
        typer.Option(
            metavar="SHELL", callback=_show_completion, is_eager=True, help="Print the shell's script for completion."
        ),
    ] = None,
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
    end(lambda: app(prog_name=NAME))
