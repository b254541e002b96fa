"""``alfosc-reduce qc``: the numbers of a reduction beside their limits."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("qc")
@click.argument("source", default="recipe.toml", metavar="[RECIPE or qc.json]")
def command(source: str) -> None:
    """Print every number that has a limit beside it; exit with 1 if a limit is broken.

    With a recipe, the numbers of its last run are held against the limits that the recipe has now; with a qc.json, the
    limits are those of the run.
    """
    from alfosc_reduce.quality import quality_of, quality_report

    text, broken = quality_report(quality_of(Path(source)))
    click.echo(text)
    sys.exit(1 if broken else 0)
