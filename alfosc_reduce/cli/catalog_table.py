"""What ``alfosc-reduce catalog`` prints: the installed catalogues, and what was fetched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from alfosc_reduce.catalog import UnavailableError, check_reference
from alfosc_reduce.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from alfosc_reduce.catalog import Catalog
    from alfosc_reduce.cli.catalog_fields import NamedField


def catalog_lines() -> Iterator[str]:
    """Yield a line for each installed catalogue; one that cannot be loaded is listed with the reason."""
    from alfosc_reduce.registry import CATALOGS, plugins

    found = plugins(CATALOGS)
    if not found:
        yield "no catalogues are installed"
    width = max(map(len, found), default=0)
    for name, plugin in found.items():
        yield f"{name:{width}}  {_summary(name)}  [{plugin.owner} {plugin.version}]"


def _summary(name: str) -> str:
    from pydantic import ValidationError

    from alfosc_reduce.registry import get_catalog

    try:
        cls = get_catalog(name)
    except ConfigurationError as error:
        return f"(broken: {error})"
    try:
        bands = " ".join(cls().bands) or "none"
    except ValidationError:  # it has parameters that must be given
        bands = "as its columns say"
    return f"{cls.fullname or '(no full name)'}; bands: {bands}; {cls.footprint}"


def fetched_lines(fields: Iterable[NamedField], catalogs: Iterable[Catalog]) -> Iterator[tuple[str, bool]]:
    """Fetch each catalogue for each field; yield a line of a table for each, and whether it is as it should be."""
    yield f"{'field':<24} {'centre (deg)':<22} {'radius':>7}  {'catalogue':<10} {'sources':>8}", True
    chosen = list(catalogs)
    for named in fields:
        centre = named.field.centre.icrs
        place = f"{centre.ra.deg:.5f} {centre.dec.deg:+.5f}"
        start = f"{named.name[:24]:<24} {place:<22} {named.field.radius.to_value('arcmin'):>6.1f}'"
        for catalog in chosen:
            words, good = _fetched(catalog, named)
            yield f"{start}  {catalog.name:<10} {words}", good


def _fetched(catalog: Catalog, named: NamedField) -> tuple[str, bool]:
    field = named.field
    try:
        if not catalog.covers(field.centre, field.radius):
            return f"{'-':>8}  covers only {catalog.footprint}", True
        table = catalog.sources(field.centre, field.radius)
        check_reference(table)
    except UnavailableError as error:
        return f"{'failed':>8}  {error.reason}", False
    except DataError as error:
        return f"{'failed':>8}  {error}", False
    return f"{len(table):>8}{'' if table.meta['COMPLETE'] else '  cut off: there are more'}", True
