"""``alfosc-reduce plan``: what a run would do, and why."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("plan")
@click.argument("recipe", default="recipe.toml")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="E.g. steps.sky.params.degree=3.")
@click.option("--target", "targets", multiple=True, help="Only this target, and what it needs.")
@click.option("--only", multiple=True, metavar="STEP", help="Only this step, and what it needs.")
def command(recipe: str, overrides: tuple[str, ...], targets: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Say which frames and calibrations each task of RECIPE uses and why, what is cached, and what cannot run."""
    from alfosc_reduce.plan_text import plan_text
    from alfosc_reduce.reduction import Choices, look_ahead, prepare

    prepared = prepare(Path(recipe), Choices(overrides, targets, only))
    click.echo(plan_text(prepared.plan, look_ahead(prepared), prepared.remarks))
