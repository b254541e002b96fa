"""``alfosc-reduce demo``: a simulated night with known truth, reduced and judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from alfosc_reduce.errors import ConfigurationError

DEMOS = "alfosc_reduce.demos"


@click.command("demo")
@click.argument("kind")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
def command(kind: str, folder: Path | None) -> int:
    """Simulate a raw night of KIND (spec, phot) in FOLDER, reduce it, and say how close it came to the truth."""
    from alfosc_reduce.registry import load_plugin

    demo = load_plugin(DEMOS, kind)()
    place = folder or Path(f"alfosc-demo-{kind}")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise ConfigurationError(f"{place} is there already; give another folder, or remove it")
    click.echo(f"Simulating a raw night in {place / 'raw'}")
    place.mkdir(parents=True, exist_ok=True)
    demo.make(place)
    code = reduce_as_a_person_would(kind, place, getattr(demo, "adapt", None))
    click.echo("\nCompared with the truth:")
    for sentence in demo.judge(place):
        click.echo(f"  {sentence}")
    click.echo(f"\nResults are in {place / 'reduced'}, figures in {place / 'reduced' / 'figures'}.")
    return code


def reduce_as_a_person_would(kind: str, folder: Path, adapt: Callable[[Path], list[str]] | None = None) -> int:
    """Do what ``init`` and ``run`` do, on the raw frames in `folder`; return the exit code of the run.

    Parameters
    ----------
    kind, folder
        Of the recipe, and of the demo.
    adapt
        Edits the recipe in the folder before the run, as a person would, and says what it changed.
    """
    from alfosc_reduce.initialisation import initialise
    from alfosc_reduce.reduction import Choices, reduce

    click.echo(f"$ alfosc-reduce init {kind} {folder / 'raw'} --folder {folder}")
    for line in initialise(kind, [str(folder / "raw")], folder):
        click.echo(line)
    for line in adapt(folder) if adapt else ():
        click.echo(line)
    click.echo(f"$ alfosc-reduce run {folder / 'recipe.toml'}")
    return reduce(folder / "recipe.toml", Choices())
