"""``alfosc-reduce steps [NAME]``: what steps there are, and all about one."""

from __future__ import annotations

import click


@click.command("steps")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List the installed steps with their owners, or tell all about NAME: inputs, outputs, parameters."""
    if name is None:
        listing()
        return
    from alfosc_reduce.help_text import step_text
    from alfosc_reduce.registry import STEPS, find, get_step

    click.echo(step_text(find(STEPS, name), get_step(name)))


def listing() -> None:
    """Print one line a step; a step that cannot be loaded is listed with the reason."""
    from alfosc_reduce.registry import STEPS, plugins

    found = plugins(STEPS)
    if not found:
        click.echo("no steps are installed")
    width = max(map(len, found), default=0)
    for name, plugin in found.items():
        click.echo(f"{name:{width}}  {_summary(name)}  [{plugin.owner} {plugin.version}]")


def _summary(name: str) -> str:
    from alfosc_reduce.errors import ConfigurationError
    from alfosc_reduce.registry import get_step

    try:
        return get_step(name).summary() or "(no documentation)"
    except ConfigurationError as error:
        return f"(broken: {error})"
