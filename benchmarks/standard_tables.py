"""Put the stars of Oke & Gunn (1983) on the scale of CALSPEC, bin by bin, and say what that changes.

    python benchmarks/standard_tables.py [FOLDER OF PUBLISHED TABLES] [--write]

Oke & Gunn measured four subdwarfs with one instrument in the same bins of 40 A. One of them, BD+26 2606, has been
observed since by HST, whose spectrum is averaged in the same bins. What the old table has too little or too much there
is the calibration of that time and what its bins do at lines; it holds for the other subdwarfs too, whose lines are
nearly the same. The factors are the column ``scale`` of the shipped tables, so that flux / scale is Oke & Gunn's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from measures import Measure
from numpy.typing import NDArray

SHIPPED = Path(__file__).parent.parent / "instruments/alfosc_reduce_alfosc/data/standards"
TIED = {"hd84937": "mSP0946p139.dat", "hd19445": "mSP0305p261.dat"}
BRIDGE, BRIDGE_FILE = "bd+26_2606", "mSP1446p259.dat"
LIGHT = 2.99792458e18
SOURCE = "Oke & Gunn 1983, ApJ 266, 713; AB magnitudes in 40 A bands; on the scale of CALSPEC by BD+26 2606"
COMMENTS = (
    "wavelengths air in the source, converted to vacuum (Ciddor 1996, as in Morton 2000);",
    "AB magnitudes made F_lambda at the air wavelength, times scale",
    "scale: CALSPEC (bd26d2606_stis_006) over Oke & Gunn for BD+26 2606, mean in the bin",
    "width: full width of the bin that flux is the mean of; 0: sampled spectrum",
)


def published(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths in air, fluxes and widths of the bins of a table of AB magnitudes."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()[:1].isdigit()]
    wave, magnitude, width = np.array([[float(word) for word in line[:3]] for line in lines]).T
    return wave, 10 ** (-0.4 * (magnitude + 48.6)) * LIGHT / wave**2, width


def vacuum(air: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vacuum wavelengths of those in air, Angstrom."""
    from alfosc_reduce_alfosc.spectra import air_wavelength

    found = air.copy()
    for _ in range(4):
        found = found + air - air_wavelength(found)
    return found


def mean_flux(wave: NDArray[np.float64], flux: NDArray[np.float64], low: float, high: float) -> float:
    """Return the mean of a sampled spectrum in a bin; NaN where it does not reach."""
    if low < wave[0] or high > wave[-1]:
        return float("nan")
    fine = np.linspace(low, high, 801)
    return float(np.mean(np.interp(fine, wave, flux)))


def scale_of(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return wavelengths in air and CALSPEC over Oke & Gunn in each bin, held constant where CALSPEC ends."""
    from astropy.io import fits

    new = fits.getdata(SHIPPED / f"{BRIDGE}.fits", 1)
    fine, flux = np.asarray(new["wavelength"], float), np.asarray(new["flux"], float)
    air, old, width = published(folder / "ing" / BRIDGE_FILE)
    middle = vacuum(air)
    means = [mean_flux(fine, flux, m - w / 2, m + w / 2) for m, w in zip(middle, width, strict=True)]
    ratio = np.array(means) / old
    known = np.isfinite(ratio)
    return air, np.interp(air, air[known], ratio[known])


def tied(folder: Path, star: str) -> dict[str, NDArray[np.float64]]:
    """Return the columns of a star's table."""
    air, flux, width = published(folder / "ing" / TIED[star])
    scale = np.interp(air, *scale_of(folder))
    return {"wavelength": vacuum(air), "flux": flux * scale, "width": width, "scale": scale}


def write(star: str, columns: dict[str, NDArray[np.float64]]) -> None:
    """Write the table that is shipped."""
    from astropy.io import fits

    units = {"wavelength": "Angstrom", "flux": "erg / (s cm2 Angstrom)", "width": "Angstrom", "scale": ""}
    kinds = {"wavelength": "D", "flux": "E", "width": "E", "scale": "E"}
    made = [fits.Column(name, kinds[name], unit=units[name] or None, array=columns[name]) for name in columns]
    unit = fits.BinTableHDU.from_columns(made, name="FLUX")
    unit.header["OBJECT"] = star.upper()
    unit.header["AIRORVAC"] = "VACUUM"
    unit.header["SOURCE"] = SOURCE
    for comment in COMMENTS:
        unit.header.add_comment(comment)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(SHIPPED / f"{star}.fits", overwrite=True)


def main() -> int:
    """Compare the shipped tables with their sources."""
    from astropy.io import fits

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="../shared/data/standards", type=Path)
    parser.add_argument("--write", action="store_true", help="write the shipped tables anew")
    arguments = parser.parse_args()
    passed = True
    for star in TIED:
        columns = tied(arguments.folder, star)
        if arguments.write:
            write(star, columns)
        shipped = fits.getdata(SHIPPED / f"{star}.fits", 1)
        seen = (columns["wavelength"] > 4000) & (columns["wavelength"] < 8800)
        difference = float(np.max(np.abs(shipped["flux"] / columns["flux"] - 1)))
        for measure in (
            Measure(f"{star}: shipped over source, largest difference", difference, 0, 1e-5),
            Measure(f"{star}: least scale, 4000-8800 A", float(columns["scale"][seen].min()), 0.95, 1.05),
            Measure(f"{star}: largest scale, 4000-8800 A", float(columns["scale"][seen].max()), 0.95, 1.05),
        ):
            print(measure)
            passed &= measure.passed
    return 0 if passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
