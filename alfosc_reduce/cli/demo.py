"""``alfosc-reduce demo``: a simulated night with known truth, reduced and judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alfosc_reduce.errors import ConfigurationError

DEMOS = "alfosc_reduce.demos"


@click.command("demo")
@click.argument("kind")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def command(kind: str, folder: Path | None) -> None:
    """Simulate a raw night of KIND (spec) in FOLDER, reduce it, and say how close the result came to the truth."""
    from alfosc_reduce.registry import load_plugin

    demo = load_plugin(DEMOS, kind)
    demo = demo() if isinstance(demo, type) else demo
    place = folder or Path(f"alfosc-demo-{kind}")
    _refuse_used(place)
    click.echo(f"Simulating a night in {place / 'raw'} ...")
    place.mkdir(parents=True, exist_ok=True)
    demo.make(place / "raw")
    reduce(kind, place)
    click.echo("\nCompared with the truth:")
    for sentence in demo.judge(place):
        click.echo(f"  {sentence}")
    click.echo(
        f"\nProducts, figures and the log are in {place / 'reduced'} (figures in {place / 'reduced' / 'figures'})."
    )


def _refuse_used(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(f"{folder} is not empty; give another folder, or remove it")


def reduce(kind: str, folder: Path) -> None:
    """Do what a person would: ``init`` on the raw frames, then ``run``."""
    from importlib import import_module

    initialise: Any = import_module("alfosc_reduce.cli.init").initialise
    run_recipe: Any = import_module("alfosc_reduce.cli.run").run_recipe
    initialise(kind, [folder / "raw"], folder)
    run_recipe(folder / "recipe.toml")
