"""``alfosc-reduce init``: classify frames, write the table and the recipe."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("kind", metavar="RECIPE")
@click.argument("raw", nargs=-1, required=True)
@click.option("-o", "--folder", default=".", help="Where frames.ecsv and recipe.toml are written [this folder].")
@click.option("--instrument", default="", help="Instrument to look for [all installed ones].")
@click.option("--overwrite", is_flag=True, help="Replace an existing frames.ecsv and recipe.toml.")
def command(kind: str, raw: tuple[str, ...], folder: str, instrument: str, overwrite: bool) -> None:
    """Classify the frames in RAW (files or folders); write frames.ecsv and recipe.toml.

    RECIPE is the kind of data: spec for long-slit spectra, phot for images.
    """
    from alfosc_reduce.initialisation import initialise

    for line in initialise(kind, raw, Path(folder), instrument=instrument, overwrite=overwrite):
        click.echo(line)
