"""A catalogue that knows three stars, and a step that asks one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import astropy.units as u

from alfosc_reduce import Catalog, DataError, Step
from alfosc_reduce.catalog import make_reference
from alfosc_reduce.catalog_choice import CatalogChoice, CatalogChoices
from alfosc_reduce.parameters import InputFile

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.nddata import CCDData
    from astropy.table import QTable


class ToyCatalog(Catalog):
    """Three stars, or those of a file."""

    name: ClassVar[str] = "toy"
    fullname: ClassVar[str] = "Three stars"
    footprint: ClassVar[str] = "the northern sky"
    main: ClassVar[str] = "brightest"

    brightest: float = 12.0
    """Magnitude of the first."""
    path: InputFile | None = None
    """Further magnitudes, one a line."""

    @property
    def bands(self) -> Mapping[str, str]:
        return {"V": "Vega"}

    def covers(self, centre: SkyCoord, radius: u.Quantity) -> bool:
        return bool(centre.dec > 0 * u.deg)

    def sources(self, centre: SkyCoord, radius: u.Quantity) -> QTable:
        if self.brightest > 90:
            raise DataError("the toy catalogue is on strike; come back tomorrow")
        further = [float(line) for line in self.path.read_text().split()] if self.path else []
        magnitudes = [self.brightest, self.brightest + 1, self.brightest + 2, *further]
        return make_reference(
            [centre.ra.deg] * len(magnitudes), [centre.dec.deg + n / 3600 for n in range(len(magnitudes))],
            epoch=2020.0, magnitudes={"V": (magnitudes, [0.01] * len(magnitudes))}, systems=self.bands,
            catalog=self.name, centre=centre, radius=radius, release="1", source="made up",
        )  # fmt: skip


class LookUp(Step):
    """Ask a catalogue."""

    catalog: CatalogChoice = "toy"  # type: ignore[assignment]
    """Which one."""
    others: CatalogChoices = ()
    """Further ones."""

    def __call__(self, image: CCDData) -> QTable:
        from astropy.coordinates import SkyCoord

        return self.catalog.sources(SkyCoord(10, 20, unit="deg"), 1 * u.arcmin)

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"stars": len(result)}


class Unnamed(ToyCatalog):
    """Published under another name than its own."""
