"""The instrument as the core knows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from alfosc_reduce.errors import DataError
from alfosc_reduce.instrument import Disperser, FrameInfo, Instrument, StandardStar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.table import QTable


class Alfosc(Instrument):
    """ALFOSC at the Nordic Optical Telescope, with the detector CCD14 (since 2016)."""

    name: ClassVar[str] = "alfosc"
    fullname: ClassVar[str] = "ALFOSC, Nordic Optical Telescope"

    def recognises(self, header: Header) -> bool:
        """Say whether ``INSTRUME`` (``ALFOSC_FASU``, ``ALFOSC``) names this instrument."""
        return str(header.get("INSTRUME", "")).strip().upper().startswith("ALFOSC")

    def describe(self, header: Header) -> FrameInfo:
        """Classify a raw frame; raises `DataError` naming the keyword that is missing or malformed."""
        from alfosc_reduce_alfosc.description import describe

        return describe(header).info

    def read(self, path: Path) -> CCDData:
        """Read a raw file (plain, ``.gz``, ``.fz``) into ADU.

        Negative values that wrapped around are mended and flagged ``NEGATIVE_WRAPPED``; values that are not finite are
        set to 0 and flagged ``NOT_FINITE``. Beside the promised keywords ``AIRMASS0`` holds the header's air mass.

        Raises
        ------
        DataError
            If the file is no FITS file, truncated, without an image, all zero, of another size than its window says,
            or if a needed keyword is missing or malformed.
        """
        from alfosc_reduce_alfosc.reading import read

        return read(Path(path))

    def recipes(self) -> dict[str, Path]:
        """Return the shipped recipes by name."""
        folder = Path(__file__).with_name("recipes")
        return {name: folder / f"{name}.toml" for name in ("spec", "phot")}

    def disperser(self, header: Header) -> Disperser:
        """Return the grism in the beam; raises `DataError` for one that the tables do not know."""
        from alfosc_reduce_alfosc.spectra import disperser

        return disperser(str(header.get("GRISM") or header.get("ALGRNM") or ""), str(header.get("FILTER", "")))

    def lamp_lines(self, lamps: Sequence[str]) -> QTable:
        """Return the lines of arc lamps; ``HeNe`` and ``ThAr`` stand for their parts.

        Raises
        ------
        DataError
            If a lamp is none of ``He``, ``Ne``, ``Ar``, ``Th``.
        """
        from alfosc_reduce_alfosc.spectra import lamp_lines

        return lamp_lines(lamps)

    def standard(self, header: Header) -> StandardStar:
        """Return the flux table of the standard star in a frame, by position or name; raises `DataError` if unknown."""
        from alfosc_reduce_alfosc.description import no_standard, star_of
        from alfosc_reduce_alfosc.tables import table

        found = star_of(header)
        if found is None:
            raise DataError(no_standard(header))
        fluxes = table(str(found["file"]))
        fluxes.meta = {"source": str(found["source"]), "name": str(found["name"])}
        return StandardStar(str(found["name"]), fluxes)

    def extinction(self) -> QTable:
        """Return the extinction of La Palma (King 1985), magnitudes an air mass."""
        from alfosc_reduce_alfosc.tables import table

        return table("extinction")

    def site(self) -> EarthLocation:
        """Return where the telescope stands."""
        from alfosc_reduce_alfosc.sky import site

        return site()

    def pointing(self, header: Header) -> SkyCoord:
        """Return where the telescope pointed, ICRS; raises `DataError` if the header does not say."""
        from astropy.coordinates import SkyCoord

        from alfosc_reduce_alfosc.sky import direction

        found = direction(header)
        if found is None:
            raise DataError(f"{header.get('FILENAME', 'this frame')}: no RA and DEC in the header; add them")
        return SkyCoord(*found, unit="deg", frame="icrs")

    def slit_angle(self, header: Header) -> float | None:
        """Return the position angle of the slit on the sky, degrees; None without field rotation or orientation."""
        from alfosc_reduce_alfosc.sky import slit_angle

        return slit_angle(header)

    def slit_on_sky(self, header: Header) -> tuple[float, float] | None:
        """Return where on a horizontal slit the pointing falls and how columns rise on the sky, else None."""
        from alfosc_reduce_alfosc.sky import slit_on_sky

        return slit_on_sky(header)
