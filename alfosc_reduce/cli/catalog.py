"""``alfosc-reduce catalog``: what reference catalogues there are, and how to have them without network."""

from __future__ import annotations

import click


@click.group("catalog")
def command() -> None:
    """List the installed reference catalogues, or fetch them ahead of work without network."""


@command.command("list")
def listing() -> None:
    """List the installed catalogues with their bands, where they have sources, and their owners."""
    from alfosc_reduce.cli.catalog_table import catalog_lines

    for line in catalog_lines():
        click.echo(line)


@command.command("fetch")
@click.argument("source", nargs=-1, metavar="RECIPE|RAW")
@click.option("--catalog", "names", multiple=True, metavar="CATALOG", help="Catalogue [those in the recipe].")
@click.option("--at", "positions", multiple=True, metavar='"RA DEC"', help="A position, in degrees or as h:m:s d:m:s.")
@click.option("--radius", metavar="ANGLE", help="Radius of the field [10 arcmin with --at, else that of the images].")
@click.option("--margin", default="5 arcmin", show_default=True, metavar="ANGLE", help="Added around images.")
@click.option("--instrument", default="", help="Instrument of raw frames [all installed ones].")
def fetch(
    source: tuple[str, ...],
    names: tuple[str, ...],
    positions: tuple[str, ...],
    radius: str | None,
    margin: str,
    instrument: str,
) -> int:
    """Fetch catalogues for all fields of a night, so that later runs need no network.

    The fields are those of the images of a recipe, which also says the catalogues, or of raw frames (files or
    folders), or the positions given. Ends with 1 if a catalogue could not be had.
    """
    from alfosc_reduce.cli.catalog_fields import asked
    from alfosc_reduce.cli.catalog_table import fetched_lines

    fields, catalogs, remarks = asked(source, names, positions, radius, margin, instrument)
    for remark in remarks:
        click.echo(remark, err=True)
    failed = False
    for line, good in fetched_lines(fields, catalogs):
        click.echo(line)
        failed |= not good
    return 1 if failed else 0
