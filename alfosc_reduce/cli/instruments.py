"""``alfosc-reduce instruments``: what instruments there are."""

from __future__ import annotations

import click


@click.command("instruments")
def command() -> None:
    """List the installed instruments, their owners and the recipes they ship."""
    from alfosc_reduce.registry import INSTRUMENTS, plugins

    found = plugins(INSTRUMENTS)
    if not found:
        click.echo("no instruments are installed")
    for name, plugin in found.items():
        click.echo(f"{name}  {_summary(name)}  [{plugin.owner} {plugin.version}]")


def _summary(name: str) -> str:
    from alfosc_reduce.errors import ConfigurationError
    from alfosc_reduce.registry import get_instrument

    try:
        instrument = get_instrument(name)
    except ConfigurationError as error:
        return f"(broken: {error})"
    recipes = ", ".join(f"{name}:{recipe}" for recipe in sorted(instrument.recipes())) or "none"
    return f"{instrument.fullname or '(no full name)'}; recipes: {recipes}"
