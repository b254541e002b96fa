"""``alfosc-reduce run``: reduce everything a recipe asks for."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("run")
@click.argument("recipe", default="recipe.toml")
@click.option("--jobs", type=int, help="Number of processes [one a core].")
@click.option("--dask", metavar="ADDRESS", help="Run on the Dask cluster at this address.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="E.g. steps.sky.params.degree=3.")
@click.option("--target", "targets", multiple=True, help="Only this target, and what it needs.")
@click.option("--only", multiple=True, metavar="STEP", help="Only this step, and what it needs.")
@click.option("--fresh", is_flag=True, help="Forget earlier products first.")
@click.option("--quiet", is_flag=True, help="Say nothing unless something fails.")
def command(
    recipe: str,
    jobs: int | None,
    dask: str | None,
    overrides: tuple[str, ...],
    targets: tuple[str, ...],
    only: tuple[str, ...],
    fresh: bool,
    quiet: bool,
) -> None:
    """Reduce everything that RECIPE asks for, into reduced/ beside it; running again resumes."""
    from alfosc_reduce.reduction import Choices, reduce

    sys.exit(reduce(Path(recipe), Choices(overrides, targets, only, jobs, dask, fresh, quiet)))
