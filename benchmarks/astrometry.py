"""Some hundred fields with wrong headers: how many are solved, how many wrongly, how well, in what time.

    python benchmarks/astrometry.py [--fields 40]

Source lists are simulated: a camera of 2048 x 2048 pixels of 0.2138 arcsec with cubic distortion, stars of a field
twice as wide, positions with the errors that their signal to noise gives, false sources, stars missing in either list.
The header is off by up to 2 arcmin, 5 degrees and 2 % of scale. The judge knows the true map.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any, NamedTuple

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import DataError, get_step

SIZE = 2048
SCALE = 0.2138


class Case(NamedTuple):
    name: str
    stars: int
    dec: float = 28.0
    ra: float = 150.0
    false: float = 0.3
    header: str = "wrong"
    mirrored: bool = False
    distortion: float = 3.0
    seeing: float = 4.0
    empty: bool = False


CASES = (
    *(Case(f"{n} stars", n) for n in (8, 12, 20, 50, 150, 600, 3000)),
    Case("8 stars, dec +75", 8, dec=75.0),
    Case("100 stars, dec +75", 100, dec=75.0),
    Case("100 stars, dec 0, ra 0h", 100, dec=0.0, ra=0.0),
    Case("100 stars, dec +89.97", 100, dec=89.97),
    Case("100 stars, mirrored", 100, mirrored=True),
    Case("20 stars, mirrored", 20, mirrored=True),
    Case("100 stars, half false", 100, false=0.5),
    Case("30 stars, half false", 30, false=0.5),
    Case("100 stars, no WCS, pointing and scale", 100, header="pointing"),
    Case("15 stars, no WCS, pointing and scale", 15, header="pointing"),
    Case("200 stars, distortion of 15 pixels", 200, distortion=15.0),
    Case("another field, 8", 8, empty=True),
    Case("another field, 30", 30, empty=True),
    Case("another field, 150", 150, empty=True),
    Case("another field, 600", 600, empty=True),
)


def true_map(case: Case, rng: np.random.Generator) -> WCS:
    """Return the true WCS: turned at random by up to 5 degrees, with cubic distortion."""
    header = fits.Header()
    turn = np.radians(rng.uniform(-5, 5))
    sign = 1.0 if case.mirrored else -1.0
    matrix = SCALE / 3600 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([sign, 1])
    size = case.distortion / (SIZE / 2 * np.sqrt(2)) ** 3
    header.update({"CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP", "CRVAL1": case.ra, "CRVAL2": case.dec,
                   "CRPIX1": SIZE / 2 + 40.0, "CRPIX2": SIZE / 2 - 25.0})  # fmt: skip
    for i, j in np.ndindex(2, 2):
        header[f"CD{i + 1}_{j + 1}"] = matrix[i, j]
    for axis in "AB":
        header[f"{axis}_ORDER"] = 3
    header.update({"A_3_0": size, "A_1_2": size, "B_0_3": size, "B_2_1": size, "A_2_0": 0.1 * size * SIZE,
                   "B_1_1": -0.1 * size * SIZE})  # fmt: skip
    return WCS(header)


def field(case: Case, seed: int) -> tuple[CCDData, QTable, QTable, WCS]:
    """Return an image without stars but with a header, its sources, its catalogue, and the true map."""
    rng = np.random.default_rng(seed)
    truth = true_map(case, rng)
    reference = catalogue(case, truth, rng)
    x, y = truth.all_world2pix(reference["now_ra"], reference["now_dec"], 0, quiet=True)
    inside = (x > 0) & (x < SIZE - 1) & (y > 0) & (y < SIZE - 1)
    sources = detections(x[inside], y[inside], np.asarray(reference["mag_r"])[inside], case, rng)
    reference.remove_columns(["now_ra", "now_dec"])
    reference = reference[rng.random(len(reference)) < 0.95]
    if case.empty:
        sources["x"], sources["y"] = rng.uniform(0, SIZE, (2, len(sources)))
    image = CCDData(np.zeros((SIZE, SIZE), np.float32), unit="electron", meta=wrong_header(case, truth, rng))
    return image, sources, reference, truth


def catalogue(case: Case, truth: WCS, rng: np.random.Generator) -> QTable:
    """Return stars of a field twice as wide as the image (so that about `stars` fall on it), at epoch 2016."""
    number = int(np.ceil(case.stars * 4 * 1.05))
    plane = WCS(naxis=2)
    plane.wcs.ctype, plane.wcs.crval, plane.wcs.crpix = ["RA---TAN", "DEC--TAN"], truth.wcs.crval, [0, 0]
    plane.wcs.cdelt = [SCALE / 3600] * 2
    ra, dec = plane.all_pix2world(*rng.uniform(-SIZE, SIZE, (2, number)), 0)
    if case.stars < 30:  # the field has as many as it says
        keep = np.flatnonzero(inside_of(truth, ra, dec))
        more = np.setdiff1d(np.arange(number), keep)
        x, y = rng.uniform(20, SIZE - 20, (2, case.stars))
        new = truth.all_pix2world(x, y, 0)
        ra, dec = np.concatenate([ra[more], new[0]]), np.concatenate([dec[more], new[1]])
    pmra, pmdec = rng.normal(0, 8, (2, len(ra)))
    years = 9.0
    table = QTable({"source_id": np.arange(len(ra)).astype(str), "mag_r": 14 + 6 * rng.random(len(ra)) ** 0.4})
    table["ra"] = (ra - pmra * years / 3.6e6 / np.cos(np.radians(dec))) % 360 * u.deg
    table["dec"] = (dec - pmdec * years / 3.6e6) * u.deg
    table["pmra"], table["pmdec"] = pmra * u.mas / u.yr, pmdec * u.mas / u.yr
    table["epoch"] = 2016.0
    table["now_ra"], table["now_dec"] = ra, dec
    table.meta.update(CATALOG="simulated", RA=float(truth.wcs.crval[0]), DEC=float(truth.wcs.crval[1]))
    return table


def inside_of(truth: WCS, ra: Any, dec: Any) -> Any:
    x, y = truth.all_world2pix(ra, dec, 0, quiet=True)
    return (x > 0) & (x < SIZE - 1) & (y > 0) & (y < SIZE - 1)


def detections(x: Any, y: Any, mag: Any, case: Case, rng: np.random.Generator) -> QTable:
    """Return the sources: signal to noise 2000 at magnitude 14, centroids as good as that allows."""
    false = round(len(x) * case.false / (1 - case.false))
    mag = np.concatenate([mag, 14 + 6 * rng.random(false) ** 0.4])
    snr = 2000 * 10 ** (-0.4 * (mag - 14)) / np.sqrt(1 + 10 ** (-0.4 * (16 - mag)))
    error = case.seeing / 2.355 / np.maximum(snr, 3)
    px = np.concatenate([x, rng.uniform(0, SIZE, false)]) + rng.normal(0, 1, len(mag)) * error
    py = np.concatenate([y, rng.uniform(0, SIZE, false)]) + rng.normal(0, 1, len(mag)) * error
    flux = 10 ** (-0.4 * (mag + rng.normal(0, 0.3, len(mag)))) * 1e10
    table = QTable({"x": px, "y": py, "x_error": error, "y_error": error, "flux": flux, "snr": snr})
    return table[rng.permutation(len(table))]


def wrong_header(case: Case, truth: WCS, rng: np.random.Generator) -> fits.Header:
    """Return a header off by 2 arcmin, up to 5 degrees and 2 %, or without a WCS."""
    header = fits.Header({"FILENAME": case.name, "MJD-AVG": 51544.5 + 25 * 365.25})
    away = rng.uniform(0, 2 * np.pi)
    centre = truth.all_pix2world([[SIZE / 2 - 0.5, SIZE / 2 - 0.5]], 0)[0]
    dec = centre[1] + np.sin(away) * 2 / 60
    ra = (centre[0] + np.cos(away) * 2 / 60 / max(np.cos(np.radians(dec)), 1e-3)) % 360
    header["RA"], header["DEC"], header["PIXSCALE"] = ra, dec, SCALE * (1 + rng.uniform(-0.02, 0.02))
    if case.header == "wrong":
        header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": ra, "CRVAL2": dec,
                       "CRPIX1": SIZE / 2 + 0.5, "CRPIX2": SIZE / 2 + 0.5})  # fmt: skip
        header["CD1_1"], header["CD2_2"] = -header["PIXSCALE"] / 3600, header["PIXSCALE"] / 3600
    return header


def judge(solved: Any, truth: WCS) -> tuple[float, float]:
    """Return rms and worst error of a map over the field, arc seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = WCS(solved.image.meta)
    x, y = (part.ravel() for part in np.meshgrid(*[np.linspace(0, SIZE - 1, 21)] * 2))
    a, b = found.all_pix2world(x, y, 0), truth.all_pix2world(x, y, 0)
    east = (a[0] - b[0] + 180) % 360 - 180
    error = 3600 * np.hypot(east * np.cos(np.radians(b[1])), a[1] - b[1])
    return float(np.sqrt(np.mean(error**2))), float(error.max())


def run(case: Case, number: int, step: Any) -> str:
    """Return a line of the table for a case."""
    solved, wrong, errors, seconds, degrees = 0, 0, [], [], []
    for seed in range(number):
        image, sources, reference, truth = field(case, seed)
        begin = time.process_time()
        try:
            result = step(image, sources, reference)
        except DataError:
            continue
        finally:
            seconds.append(time.process_time() - begin)
        rms, worst = judge(result, truth)
        bad = case.empty or worst > 5.0
        wrong, solved = wrong + bad, solved + (not bad)
        errors.append((rms, worst))
        degrees.append(result.image.meta["WCSFIT"])
    rms, worst = np.percentile(errors, 50, axis=0)[0] if errors else np.nan, max((e[1] for e in errors), default=np.nan)
    kinds = " ".join(f"{kind} {degrees.count(kind)}" for kind in sorted(set(degrees)))
    return (
        f"{case.name:40s} {solved:4d}/{number:<4d} {wrong:5d} {1000 * rms:9.2f} {1000 * worst:9.1f} "
        f"{np.mean(seconds):7.3f} {max(seconds):7.3f}   {kinds}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fields", type=int, default=40)
    parser.add_argument("--only", default="")
    wanted = parser.parse_args()
    print(f"{'field':40s} {'solved':>9s} {'wrong':>5s} {'rms mas':>9s} {'worst mas':>9s} {'mean s':>7s} {'max s':>7s}")
    step = get_step("solve_wcs")()
    for case in CASES:
        if wanted.only in case.name:
            print(run(case, wanted.fields, step), flush=True)


if __name__ == "__main__":
    main()
