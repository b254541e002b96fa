"""The columns of a table of sources: what they mean, and the words of the Virtual Observatory for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from astropy.table import QTable

DESCRIPTIONS: dict[str, tuple[str, str]] = {
    "id": ("meta.id;meta.main", "number of the source, as in the segmentation map"),
    "ra": ("pos.eq.ra;meta.main", "right ascension"),
    "dec": ("pos.eq.dec;meta.main", "declination"),
    "x": ("pos.cartesian.x;instr.det", "centre, column; that of the first pixel is 0"),
    "y": ("pos.cartesian.y;instr.det", "centre, row; that of the first pixel is 0"),
    "x_error": ("stat.error;pos.cartesian.x", "error of x"),
    "y_error": ("stat.error;pos.cartesian.y", "error of y"),
    "a": ("phys.angSize.smajAxis", "root of the second moment of the light along the major axis, isophotal"),
    "b": ("phys.angSize.sminAxis", "root of the second moment of the light along the minor axis, isophotal"),
    "theta": ("pos.posAng", "angle of the major axis from +x towards +y"),
    "ellipticity": ("src.ellipticity", "1 - b / a"),
    "fwhm": ("phys.angSize;src", "full width at half maximum, from moments under a matched weight"),
    "area": ("phys.angArea", "pixels within the isophote"),
    "xmin": ("pos.cartesian.x;stat.min", "first column"),
    "xmax": ("pos.cartesian.x;stat.max", "last column"),
    "ymin": ("pos.cartesian.y;stat.min", "first row"),
    "ymax": ("pos.cartesian.y;stat.max", "last row"),
    "peak": ("phot.count;stat.max", "highest pixel above the background"),
    "background": ("instr.skyLevel", "background at the centre"),
    "significance": ("stat.snr;stat.max", "height on the image smoothed with the width of a star, sigma"),
    "snr": ("stat.snr", "flux_aper over its error"),
    "flux_iso": ("phot.flux", "light of the source's own pixels"),
    "flux_auto": ("phot.flux", "light within 2.5 Kron radii: of a star some 2 per cent less than its total light"),
    "kron_radius": ("phys.angSize;stat.mean", "Kron radius in units of a"),
    "flux_aper": (
        "phot.flux;meta.main",
        "total light of a star: aperture of meta APMAIN, corrected for what is outside",
    ),
    "flux_psf": ("phot.flux", "total light of a star: fit of the point spread function"),
    "mag_aper": ("phot.mag;meta.main", "magnitude of flux_aper, the total light of a star"),
    "mag_auto": (
        "phot.mag",
        "magnitude of flux_auto, for galaxies: of a star some 0.02 mag fainter than mag_aper and mag_psf",
    ),
    "mag_psf": ("phot.mag", "magnitude of flux_psf, the total light of a star"),
    "colour": ("phot.color", "colour with which the colour term was applied"),
    "colour_known": ("meta.code", "whether the catalogue knows that colour; else it is that of the typical star"),
    "x_psf": ("pos.cartesian.x;instr.det", "centre of the fit of the point spread function, column"),
    "y_psf": ("pos.cartesian.y;instr.det", "centre of the fit of the point spread function, row"),
    "x_psf_error": ("stat.error;pos.cartesian.x", "error of x_psf"),
    "y_psf_error": ("stat.error;pos.cartesian.y", "error of y_psf"),
    "chi2_psf": ("stat.fit.chi2", "reduced chi square of that fit"),
    "aperture_correction": ("phot.flux;arith.factor", "flux_aper over the light within its aperture"),
    "class_star": ("src.class.starGalaxy", "1 for the width of a star, towards 0 for what is wider or narrower"),
    "flags": ("meta.code.qual", "flags of the pixels within the source (alfosc_reduce.Flag)"),
    "source_flags": ("meta.code.qual", "what may be wrong with the source (SourceFlag)"),
}
"""UCD (IVOA, UCD1+ 1.5) and description of each column; errors of fluxes and numbered apertures follow from them."""


def describe(table: QTable, names: Iterable[str] | None = None) -> None:
    """Give columns of `table` (all, or those named) their descriptions and UCDs, and keep these in ``meta["UCD"]``."""
    words = dict(table.meta.get("UCD", {}))
    for name in table.colnames if names is None else names:
        ucd, text = description_of(name)
        table[name].info.description = text
        table[name].info.meta = {"ucd": ucd}
        words[name] = ucd
    table.meta["UCD"] = words


def description_of(name: str) -> tuple[str, str]:
    """Return UCD and description of a column, empty for one that is not known."""
    if name in DESCRIPTIONS:
        return DESCRIPTIONS[name]
    if name.endswith("_error"):
        ucd, text = description_of(name.removesuffix("_error"))
        return (f"stat.error;{ucd.partition(';')[0]}", f"error of {name.removesuffix('_error')}") if text else ("", "")
    if name.startswith("flux_aper_"):
        return "phot.flux", f"light within aperture {name.removeprefix('flux_aper_')} of meta APERTURES"
    return "", ""
