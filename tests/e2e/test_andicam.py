"""Real images of another camera, from pixels to places and magnitudes, one command a step."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table

from alfosc_reduce import load
from alfosc_reduce.cli import main

TABLES = {"V": "photometry_2019so_04735.ecsv", "B": "photometry_2019so_05406.ecsv"}
COLUMNS = {
    "ra": "ra", "dec": "decl", "pmra": "pm_ra", "pmdec": "pm_dec", "source_id": "starid", "mag_G": "gaia_mag",
    "mag_B": "B_mag", "mag_V": "V_mag", "mag_g": "g_mag", "mag_r": "r_mag", "mag_i": "i_mag",
}  # fmt: skip

pytestmark = pytest.mark.xdist_group("andicam")
"""On one worker: each image is measured once."""


@dataclass(frozen=True)
class Measured:
    """What the commands wrote for one image."""

    image: Any
    sources: Any
    reference: Any
    published: Table


def run(*words: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert not ended.value.code


@pytest.fixture(scope="session")
def measured(testdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Measured]:
    """Give an image in a band after all steps."""

    @cache
    def measure(band: str) -> Measured:
        folder = tmp_path_factory.mktemp(band)
        image = testdata / "andicam" / f"SN2019so_20190201_{band}.fits.gz"
        table = testdata / "andicam" / TABLES[band]
        catalog = {"name": "file", "path": str(table), "columns": COLUMNS, "epoch": 2015.5}
        run("step", "measure_sources", image, "-o", folder / "m.fits")
        run("step", "fetch_catalog", image, "-o", folder / "reference.fits", "--catalogs", json.dumps([catalog]))
        run("step", "solve_wcs", image, folder / "m_sources.fits", folder / "reference.fits", "-o", folder / "w.fits",
            "--figures", folder / "figures")  # fmt: skip
        run("step", "measure_zero_point", folder / "w_image.fits", folder / "w_sources.fits",
            folder / "reference.fits", "-o", folder / "z.fits", "--band", band)  # fmt: skip
        assert {path.name for path in (folder / "figures").iterdir()} == {"residuals.png", "field.png"}
        names = ("z_image.fits", "z_sources.fits", "reference.fits")
        return Measured(*(load(folder / name) for name in names), Table.read(table))

    return measure


@pytest.mark.parametrize(("band", "rms", "left_out"), [("V", 0.014, 0.020), ("B", 0.019, 0.026)])
def test_stars_are_where_gaia_has_them(
    measured: Callable[[str], Measured], band: str, rms: float, left_out: float
) -> None:
    """Published for these images are 0.031 (V) and 0.038 arcsec (B)."""
    found = measured(band)
    header, summary = found.image.meta, found.sources.meta["ASTROMETRY"]
    assert header["WCSNSTAR"] > 0.85 * len(found.reference)
    assert header["WCSRMS"] < rms
    assert summary["left_out_rms"] < left_out
    assert header["RADESYS"] == "ICRS"
    assert not {"LTM1_1", "LTV1", "WAT0_001", "WCSDIM", "RADECSYS"} & set(header)
    assert found.image.meta["PIXSCALE"] == pytest.approx(0.3707, abs=1e-3)


@pytest.mark.parametrize("band", TABLES)
def test_every_star_matched_is_within_a_tenth_of_an_arcsecond(measured: Callable[[str], Measured], band: str) -> None:
    """Of those with a place in Gaia; galaxy and supernova are in the table with other positions."""
    found = measured(band)
    stars = found.sources[found.sources["source_id"] != ""]
    of_gaia = np.isin(stars["source_id"], found.reference["source_id"][found.reference["mag_G"].value > 1])
    off = np.hypot(stars["ra_offset"].to_value("arcsec"), stars["dec_offset"].to_value("arcsec"))[of_gaia]
    assert of_gaia.sum() > 45
    assert off.max() < 0.1
    assert np.sqrt(np.mean(off**2)) < {"V": 0.035, "B": 0.042}[band]


def test_two_images_of_one_night_agree_on_the_sky(measured: Callable[[str], Measured]) -> None:
    """The maps share the catalogue, but neither stars' noise nor pointing."""
    first, second = (measured(band).sources for band in "VB")
    shared, i, j = np.intersect1d(first["source_id"], second["source_id"], return_indices=True)
    real = np.array([len(name) > 5 for name in shared])
    east = (first["ra"][i] - second["ra"][j]).to_value("arcsec") * np.cos(np.radians(first["dec"][i].value))
    north = (first["dec"][i] - second["dec"][j]).to_value("arcsec")
    assert real.sum() > 40
    assert np.median(np.hypot(east, north)[real]) < 0.02


@pytest.mark.parametrize("band", TABLES)
def test_magnitudes_are_the_published_ones(measured: Callable[[str], Measured], band: str) -> None:
    found = measured(band)
    published = {str(name): float(mag) for name, mag in found.published["starid", "mag"]}
    stars = found.sources[(found.sources["source_id"] != "") & (found.sources["source_flags"] == 0)]
    known = [str(name) in published for name in stars["source_id"]]
    stars = stars[np.array(known)]
    expected = np.array([published[str(name)] for name in stars["source_id"]])
    for kind in ("mag_aper", "mag_psf"):
        off = stars[kind].value - expected
        assert len(off) > 15
        assert abs(np.median(off)) < 0.04
        assert np.sqrt(np.mean((off - np.median(off)) ** 2)) < 0.04


@pytest.mark.parametrize("band", TABLES)
def test_zero_points_are_the_published_ones(measured: Callable[[str], Measured], band: str) -> None:
    """Like with like: the published one is for fluxes (of a point spread function cut short, counts a second) that are
    smaller than the total light. In which circle we find as much light, the fluxes of the stars say, no zero point."""
    found = measured(band)
    published = {str(name): float(flux) for name, flux in found.published["starid", "flux_psf"]}
    stars = found.sources[(found.sources["source_flags"] == 0) & (found.sources["snr"] > 50)]
    stars = stars[np.array([str(name) in published for name in stars["source_id"]])]
    theirs = np.array([published[str(name)] for name in stars["source_id"]]) * found.image.meta["EXPTIME"]
    radii = np.array(found.sources.meta["APERTURES"])
    shares = [np.median(stars[f"flux_aper_{k}"].value / theirs) for k in range(1, len(radii) + 1)]
    radius = np.interp(1, shares, radii)
    assert len(stars) > 15
    assert 1.3 < radius / found.published.meta["fwhm"].value < 1.7
    ours = np.interp(radius, radii, [found.image.meta[f"MAGZPA{k}"] for k in range(1, len(radii) + 1)])
    assert ours == pytest.approx(found.published.meta["zp"], abs=0.03)
