"""A catalogue of two stars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from alfosc_reduce import Catalog
from alfosc_reduce.catalog import make_reference

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from astropy.units import Quantity


class StrangerStars(Catalog):
    """The two pointers of the Great Bear, from memory."""

    name: ClassVar[str] = "stranger_stars"
    fullname: ClassVar[str] = "The Stranger's Stars"
    footprint: ClassVar[str] = "the Great Bear"

    faintest: float = 6.0
    """Leave out stars fainter than this."""

    @property
    def bands(self) -> Mapping[str, str]:
        """Return the one band."""
        return {"V": "Vega"}

    def covers(self, centre: SkyCoord, radius: Quantity) -> bool:
        """Say whether the cone is in the north."""
        return bool(centre.icrs.dec.deg > 40)

    def sources(self, centre: SkyCoord, radius: Quantity) -> QTable:
        """Return the stars in a cone."""
        stars = [
            s
            for s in (("Dubhe", 165.93196, 61.75103, 1.79), ("Merak", 165.46032, 56.38243, 2.37))
            if s[3] < self.faintest
        ]
        names, ra, dec, magnitude = zip(*stars, strict=True) if stars else ((), (), (), ())
        return make_reference(
            ra,
            dec,
            epoch=2000.0,
            magnitudes={"V": (magnitude, [0.01] * len(stars))},
            systems=self.bands,
            catalog=self.name,
            centre=centre,
            radius=radius,
            release="1",
            source="memory",
            source_id=names,
        )
