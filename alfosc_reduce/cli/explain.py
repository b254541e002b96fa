"""``alfosc-reduce explain FILE``: how a product was made."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("explain")
@click.argument("file", type=click.Path(path_type=Path))
def command(file: Path) -> None:
    """Tell how the product in FILE was made: every step with its owner, parameters, inputs and raw files."""
    from alfosc_reduce.explanation import story

    click.echo(story(file))
