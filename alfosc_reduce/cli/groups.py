"""A group of commands that imports a command's module only when that command is called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from alfosc_reduce.errors import suggest


class LazyGroup(click.Group):
    """Commands from a table.

    Parameters
    ----------
    table
        Name of each command -> (module with a click command named ``command``, help in one line).
    **attributes
        As for ``click.Group``.
    """

    def __init__(self, table: Mapping[str, tuple[str, str]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.table = dict(table)
        self.params.append(_version_option())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in self.table:
            return None
        command: click.Command = import_module(self.table[cmd_name][0]).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Return the command that `args` name; an unknown one gets the nearest spelling."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}. {suggest(args[0], self.table)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.table.items()])


def _version_option() -> click.Option:
    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            from alfosc_reduce import __version__

            click.echo(f"alfosc-reduce {__version__}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version."
    )
