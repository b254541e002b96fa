"""The instrument: headers to kinds and setups, raw files to ``CCDData``, and the facts that steps ask for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from alfosc_reduce.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.io.fits import Header
    from astropy.nddata import CCDData
    from astropy.table import QTable

KINDS = (
    "bias", "dark", "flat", "arc", "object", "standard",
    "imaging_flat", "image", "acquisition", "focus", "slit_image", "unknown",
)  # fmt: skip
"""Kinds of frames; ``flat``, ``arc``, ``object`` and ``standard`` are spectra."""


@dataclass(frozen=True)
class FrameInfo:
    """What an instrument reads from one header.

    Attributes
    ----------
    kind
        One of `KINDS`.
    object
        What was observed, a clean name (``HD84937`` for a standard known by a catalogue number).
    exposure
        Exposure time in seconds.
    time
        Middle of the exposure, MJD (UTC).
    coordinates
        By what frames are grouped and matched: ``readout`` (window, binning, speed), ``grism``, ``slit``,
        ``filter``, ``lamp``, ``target``, ``setup``.
    binning, window, filters
        As text, for a person.
    remarks
        What is odd about the frame: an unknown grism, slit or filter, a keyword that had to be derived.
    """

    kind: str
    object: str
    exposure: float
    time: float
    coordinates: Mapping[str, str]
    binning: str = ""
    window: str = ""
    filters: str = ""
    remarks: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Disperser:
    """What is known of a grism before any arc is seen.

    Attributes
    ----------
    name
        As in the headers.
    dispersion
        Mean dispersion in Angstrom an unbinned pixel, positive.
    wavelengths
        First and last wavelength on the whole detector in Angstrom, vacuum; good to some 100 pixels.
    second_order
        Wavelength in Angstrom where second-order light begins behind the filters in the beam (as far as the header
        names them), or None.
    scale
        Where better known: the wavelength in Angstrom (vacuum) as a power series of u, thousands of unbinned detector
        pixels from `centre` to the red; as precise as the mechanics repeat, not as an arc. Empty if not known.
    centre
        The unbinned detector pixel (1-based, along the dispersion) from which `scale` counts, or None.
    second_order_place
        Where measured: the wavelength at which second-order light of wavelength w shows, over w, as a power series of
        thousands of Angstrom from 4000.
    second_order_strength
        Where measured: the logarithm of electrons in second order over those in first order at the same wavelength, as
        the same kind of series.
    """

    name: str
    dispersion: float
    wavelengths: tuple[float, float]
    second_order: float | None = None
    scale: tuple[float, ...] = ()
    centre: float | None = None
    second_order_place: tuple[float, ...] = ()
    second_order_strength: tuple[float, ...] = ()


@dataclass(frozen=True)
class StandardStar:
    """A spectrophotometric standard.

    Attributes
    ----------
    name
        The name in the table of standards.
    table
        Columns ``wavelength`` (vacuum, Angstrom), ``flux`` (erg / (s cm2 Angstrom)) and ``width`` (Angstrom): the mean
        flux in bins of that width; 0 where the table samples a spectrum. ``meta["source"]`` says from where.
    """

    name: str
    table: QTable


class Instrument(ABC):
    """A spectrograph or camera. Only `recognises`, `describe` and `read` must be there; the rest is asked for by steps.

    `read` returns ``CCDData`` in ADU (unit ``adu``, 64-bit float data, wrapped negative values mended and flagged
    ``NEGATIVE_WRAPPED``) whose header has, beside the raw keywords, these normalised ones:

    =========== =====================================================================================================
    INSTRUME    name of the instrument
    FRAMEKND    kind, one of `KINDS`
    OBJECT      clean object name
    EXPTIME     exposure time in seconds
    DATE-AVG    middle of the exposure, ISO, UTC;  MJD-AVG the same as MJD
    RA, DEC     pointing in degrees, ICRS (absent if not known)
    AIRMASS     air mass at the middle of the exposure (absent if not known)
    BIASSEC     overscan section without light, FITS order ``[x1:x2,y1:y2]`` in pixels of this array; empty if none
    BIASSEC2    further overscan section, if any
    TRIMSEC     the exposed part that is kept
    DETSEC      the same part in unbinned detector pixels
    CCDSUM      binning, ``"x y"``
    GAIN        header gain, electron/ADU;  RDNOISE header read noise, electron
    SATURATE    ADU above which a raw value is saturated;  LINMAX ADU above which the detector is not linear
    DISPAXIS    raw FITS axis along which the light is dispersed (1 or 2), 0 for an image
    DISPSIGN    +1 if wavelength rises with the raw pixel, else -1
    PIXSCALE    arc seconds a binned pixel along the slit (images: along y)
    GRISM, SLIT, FILTER, LAMP   names as in the coordinates;  SLITWID true slit width in arc seconds
    BAND        images: photometric band, one of U B V R I u g r i z (absent for other filters)
    CTYPE1 ...  images: a tangential map of this array to the sky, as good as the pointing (absent if not known)
    =========== =====================================================================================================
    """

    name: ClassVar[str]
    """Entry-point name."""
    fullname: ClassVar[str] = ""
    """For a person: instrument and telescope."""

    @abstractmethod
    def recognises(self, header: Header) -> bool:
        """Say whether a raw file with this (merged) header comes from this instrument."""

    @abstractmethod
    def describe(self, header: Header) -> FrameInfo:
        """Classify a raw frame.

        Parameters
        ----------
        header
            Primary header with that of the first image extension merged in.

        Raises
        ------
        DataError
            If a needed keyword is missing or malformed; the text names it.
        """

    @abstractmethod
    def read(self, path: Path) -> CCDData:
        """Read a raw file into ADU with the normalised header keywords of the class documentation."""

    def recipes(self) -> dict[str, Path]:
        """Return the recipes that the instrument ships, by name (``spec``, ``phot``)."""
        return {}

    def disperser(self, header: Header) -> Disperser:
        """Return the grism in the beam; raises `DataError` for one that the tables do not know."""
        raise self._unknown("grisms")

    def lamp_lines(self, lamps: Sequence[str]) -> QTable:
        """Return the lines of arc lamps.

        Parameters
        ----------
        lamps
            Of ``He``, ``Ne``, ``Ar``, ``Th``.

        Returns
        -------
        QTable
            Columns ``wavelength`` (vacuum, Angstrom), ``wavelength_air``, ``ion``, ``strength`` (relative, comparable
            within a lamp), sorted by wavelength.
        """
        raise self._unknown("arc lines")

    def standard(self, header: Header) -> StandardStar:
        """Return the flux table of the standard star in a frame, by position or name; raises `DataError` if unknown."""
        raise self._unknown("flux standards")

    def extinction(self) -> QTable:
        """Return the atmospheric extinction of the site: columns ``wavelength``, ``extinction`` (mag an air mass)."""
        raise self._unknown("extinction curve")

    def site(self) -> EarthLocation:
        """Return where the telescope stands."""
        raise self._unknown("site")

    def pointing(self, header: Header) -> SkyCoord:
        """Return where the telescope pointed, for the barycentric correction."""
        from astropy.coordinates import SkyCoord

        if "RA" not in header or "DEC" not in header:
            raise DataError(f"{header.get('FILENAME', 'this frame')}: no RA and DEC in the header")
        return SkyCoord(header["RA"], header["DEC"], unit="deg")

    def slit_angle(self, header: Header) -> float | None:
        """Return the position angle of the slit on the sky (degrees, north through east), None if it is not known."""
        return None

    def slit_on_sky(self, header: Header) -> tuple[float, float] | None:
        """Return how the slit lies about the pointing, None if it is not known.

        Returns
        -------
        tuple
            The unbinned detector pixel along the slit (1-based) on which the pointing falls, and the position angle
            (degrees, north through east) in which the pixels rise.
        """
        return None

    def _unknown(self, what: str) -> DataError:
        return DataError(f"the instrument {self.name!r} comes without a table of {what}")
