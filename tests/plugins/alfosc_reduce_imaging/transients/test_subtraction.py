"""A reference subtracted: what changed is left with its flux, what did not is noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.correlated_noise import correlated_error
from alfosc_reduce_imaging.photometry.forced import ForcePhotometry
from alfosc_reduce_imaging.sources.measuring import MeasureSources
from alfosc_reduce_imaging.transients.new_sources import FindNew
from alfosc_reduce_imaging.transients.subtraction import SubtractReference
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from astropy.wcs import WCS

from alfosc_reduce import DataError, load, save
from alfosc_reduce.flags import Flag
from alfosc_reduce.images import make_image
from alfosc_reduce.testing import StepContract

SIZE, SCALE, NOISE = 360, 0.2138, 6.0


@dataclass(frozen=True)
class Pair:
    image: CCDData
    reference: CCDData
    stars: Any
    """x, y, flux of each, in the image."""
    new: Any
    ratio: float


def sky(size: int, turn: float, scale: float, dec: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = (
        ["RA---TAN", "DEC--TAN"],
        [0.001, dec],
        [size / 2 + 3.3, size / 2 - 2.2],
    )
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    wcs.wcs.cd = scale / 3600 * np.array([[-c, s], [s, c]])
    return wcs


def light(size: int, x: Any, y: Any, flux: Any, fwhm: float, beta: float, vary: float) -> Any:
    """Moffat stars whose width changes across the field."""
    total = np.zeros((size, size))
    for a, b, one in zip(x, y, flux, strict=True):
        alpha = fwhm * (1 + vary * (a + b - size) / size) / 2 / np.sqrt(2 ** (1 / beta) - 1)
        column, row = round(a), round(b)
        part = (slice(max(0, row - 45), max(0, row + 46)), slice(max(0, column - 45), max(0, column + 46)))
        yy, xx = np.mgrid[part][:, : size - part[0].start, : size - part[1].start]
        profile = (1 + ((xx - a) ** 2 + (yy - b) ** 2) / alpha**2) ** -beta
        total[part] += one * (beta - 1) / np.pi / alpha**2 * profile
    return total


@cache
def make_pair(seed: int = 1, own: float = 5.0, other: float = 4.0, depth: float = 8.0, turn: float = 3.0,
              scale: float = SCALE, dec: float = 75.0, new_flux: float = 3000.0) -> Pair:  # fmt: skip
    rng = np.random.default_rng(seed)
    here, there = sky(SIZE, 0.0, SCALE, dec), sky(SIZE + 40, turn, scale, dec)
    x, y, flux = *rng.uniform(-10, SIZE + 10, (2, 60)), 10 ** rng.uniform(3.2, 5.5, 60)
    galaxies = rng.uniform(60, SIZE - 60, (2, 4))
    radius, angle = rng.exponential(2.5, (4, 80)), rng.uniform(0, 2 * np.pi, (4, 80))
    gx = (galaxies[0][:, None] + radius * np.cos(angle)).ravel()
    gy = (galaxies[1][:, None] + 0.6 * radius * np.sin(angle)).ravel()
    new = galaxies + rng.uniform(-3, 3, (2, 4))
    all_x, all_y, all_flux = np.append(x, gx), np.append(y, gy), np.append(flux, np.full(len(gx), 500.0))
    data = 300 + light(SIZE, all_x, all_y, all_flux, own, 2.8, 0.05)
    data += light(SIZE, *new, np.full(4, new_flux), own, 2.8, 0.05)
    where = there.all_world2pix(*here.all_pix2world(all_x, all_y, 0), 0)
    old = 300 * depth + light(SIZE + 40, *where, depth * all_flux, other * SCALE / scale, 3.2, -0.03)
    images = []
    for values, wcs, name in ((data, here, "image"), (old, there, "reference")):
        header = fits.Header({"FILENAME": name})
        header.update(wcs.to_header())
        values = rng.poisson(values) + rng.normal(0, NOISE, values.shape)
        images.append(make_image(values, unit="electron", header=header, variance=np.maximum(values, 1) + NOISE**2))
    return Pair(*images, (x, y, flux), new, 1 / depth)


@cache
def subtracted(**case: float) -> CCDData:
    pair = make_pair(**case)
    return SubtractReference()(pair.image, pair.reference)


def sums(image: CCDData, x: Any, y: Any, radius: float) -> tuple[Any, Any]:
    yy, xx = np.mgrid[:SIZE, :SIZE]
    discs = [(xx - a) ** 2 + (yy - b) ** 2 <= radius**2 for a, b in zip(x, y, strict=True)]
    flux = np.array([image.data[disc].sum() for disc in discs])
    error = np.sqrt([image.uncertainty.array[disc].sum() for disc in discs])
    return flux, correlated_error(error, np.pi * radius**2, image.meta)


CASES = [
    {},
    {"own": 4.0, "other": 5.2},
    {"own": 4.6, "other": 4.5, "seed": 2},
    {"depth": 1.0, "scale": 0.3, "dec": 0.0},
]


@pytest.mark.parametrize("case", CASES)
def test_new_stars_on_galaxies_have_their_flux_and_old_stars_are_gone(case: dict[str, float]) -> None:
    pair, difference = make_pair(**case), subtracted(**case)
    assert difference.meta["DIFFCONV"] == ("image" if case.get("other", 4.0) > case.get("own", 5.0) else "reference")
    flux, error = sums(difference, *pair.new, 5.0)
    first = difference.meta["DIFFCONV"] == "reference"
    beta, fwhm = (2.8, case.get("own", 5.0)) if first else (3.2, case.get("other", 4.0))
    alpha = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
    inside = 1 - (1 + 25 / alpha**2) ** (1 - beta)
    pull = (flux - 3000 * inside) / error
    assert np.abs(pull).max() < 3.5 and abs(pull.mean()) < 1.5
    x, y, old = pair.stars
    apart = np.hypot(x[:, None] - pair.new[0], y[:, None] - pair.new[1]).min(axis=1)
    whole = (apart > 25) & (np.minimum(x, y) > 25) & (np.maximum(x, y) < SIZE - 25)
    left, noise = sums(difference, x[whole], y[whole], 4.0)
    pull = left / np.hypot(noise, 0.003 * old[whole])
    assert abs(pull.mean()) < 0.6 and 0.6 < pull.std() < 1.5


@pytest.mark.parametrize("case", CASES)
def test_noise_is_right(case: dict[str, float]) -> None:
    pair, difference = make_pair(**case), subtracted(**case)
    assert difference.meta["DIFFNOIS"] == pytest.approx(1.0, abs=0.06)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(20, SIZE - 20, (2, 800))
    sources = np.hstack([np.array(pair.stars[:2]), pair.new])
    free = np.hypot(x[:, None] - sources[0], y[:, None] - sources[1]).min(axis=1) > 25
    flux, error = sums(difference, x[free], y[free], 3.0)
    assert (flux / error).std() == pytest.approx(1.0, abs=0.2)


def test_the_flux_ratio_is_found() -> None:
    pair, difference = make_pair(), subtracted()
    assert difference.meta["DIFFRAT"] == pytest.approx(pair.ratio, rel=0.04)
    numbers = SubtractReference().quality(difference)
    assert numbers["difference_stars"] > 15 and numbers["difference_chi2"] == pytest.approx(1.0, abs=0.3)


def test_what_is_bad_in_either_is_bad_in_the_difference() -> None:
    pair = make_pair()
    image, reference = (make_image(one.data, unit="electron", header=one.meta, variance=one.uncertainty.array)
                        for one in (pair.image, pair.reference))  # fmt: skip
    image.flags[100, 100] = Flag.BAD_PIXEL
    image.mask[100, 100] = True
    reference.flags[200:210, 200:210] = Flag.SATURATED
    reference.mask[200:210, 200:210] = True
    difference = SubtractReference()(image, reference)
    assert difference.flags[100, 100] == Flag.BAD_PIXEL
    where = WCS(image.meta).all_world2pix(*WCS(reference.meta).all_pix2world(204.5, 204.5, 0), 0)
    assert difference.flags[round(float(where[1])), round(float(where[0]))] & Flag.SATURATED


def test_where_the_reference_ends_there_is_no_difference() -> None:
    pair = make_pair()
    part = make_image(pair.reference.data[:, :300], unit="electron", header=pair.reference.meta,
                      variance=pair.reference.uncertainty.array[:, :300])  # fmt: skip
    difference = SubtractReference()(pair.image, part)
    outside = (difference.flags & Flag.OUTSIDE_DETECTOR) != 0
    assert 0.15 < outside.mean() < 0.5 and difference.mask[outside].all()


def test_along_the_rim_there_is_no_difference() -> None:
    """The kernel reaches beyond the image there, and what it would need of a star is not known."""
    mask = subtracted().mask
    assert all(rim.all() for rim in (mask[:4], mask[-4:], mask[:, :4], mask[:, -4:]))
    assert not mask[25:-25, 25:-25].any()


def test_a_file_is_as_good_as_an_input(tmp_path: Path) -> None:
    pair = make_pair()
    ours = SubtractReference(reference=save(pair.reference, tmp_path / "ref.fits"))(pair.image)
    assert np.array_equal(ours.data, subtracted().data)
    fits.writeto(tmp_path / "survey.fits", pair.reference.data, pair.reference.meta)
    survey = SubtractReference(reference=tmp_path / "survey.fits")(pair.image)
    flux, error = sums(survey, *pair.new, 5.0)
    assert (flux > 5 * error).all() and survey.meta["DIFFREF"] == "reference"


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    pair = make_pair()
    with pytest.raises(DataError, match="no reference image"):
        SubtractReference()(pair.image)
    bare = make_image(pair.reference.data, unit="electron", header=fits.Header())
    with pytest.raises(DataError, match="the reference image has no celestial WCS"):
        SubtractReference()(pair.image, bare)
    away = pair.reference.copy()
    away.meta = away.meta.copy()
    away.meta["CRVAL2"] = 60.0
    with pytest.raises(DataError, match="covers 0 %"):
        SubtractReference()(pair.image, away)
    blank = make_image(np.random.default_rng(1).normal(300, 20, (SIZE, SIZE)), unit="electron", header=pair.image.meta)
    with pytest.raises(DataError, match="too few to match"):
        SubtractReference()(blank, pair.reference)


class TestContract(StepContract):
    step = SubtractReference()
    damaged = ("image", "reference_image")
    moves_pixels = True

    def inputs(self) -> dict[str, Any]:
        pair = make_pair()
        return {"image": pair.image.copy(), "reference_image": pair.reference.copy()}


@pytest.mark.parametrize("case", [{}, {"own": 4.0, "other": 5.2}])
def test_the_point_spread_function_of_the_blunter_image_goes_with_the_difference(
    case: dict[str, float], tmp_path: Path
) -> None:
    """On four new stars alone, on galaxies, none could be built: their fluxes would be wrong by a factor of two."""
    pair, difference = make_pair(**case), load(save(subtracted(**case), tmp_path / "difference.fits"))
    sources = MeasureSources()(difference).sources
    assert sources.meta["PSFGIVEN"] and sources.meta["SEEINGPX"] == pytest.approx(5.05, abs=0.3)
    apart = np.hypot(sources["x"].value[:, None] - pair.new[0], sources["y"].value[:, None] - pair.new[1])
    found = apart.argmin(axis=0)
    assert apart.min(axis=0).max() < 1.5
    positions = tuple(f"{x:.3f} {y:.3f} pix" for x, y in pair.new.T)
    forced = ForcePhotometry(positions=positions)(difference)
    for table in (sources[found], forced):
        for kind in ("psf", "aper"):
            flux, error = table[f"flux_{kind}"].value, table[f"flux_{kind}_error"].value
            assert np.mean(flux) == pytest.approx(3000, rel=0.15)
            assert np.abs((flux - 3000) / error).max() < 3.5


def test_a_part_of_a_difference_tells_its_own_point_spread_function() -> None:
    difference = subtracted()
    part = make_image(difference.data[:200], unit="electron", header=difference.meta,
                      variance=difference.uncertainty.array[:200])  # fmt: skip
    assert not MeasureSources()(part).sources.meta["PSFGIVEN"]


def test_what_is_left_is_found_with_its_magnitude() -> None:
    """Where a galaxy of the catalogue is, that is the host; where a star is, it has varied."""
    pair = make_pair()
    image = pair.image.copy()
    image.meta = image.meta.copy()
    image.meta.update({"EXPTIME": 100.0, "MAGZP": 25.0, "PIXSCALE": SCALE})
    difference = SubtractReference()(image, pair.reference)
    sources = MeasureSources()(difference).sources
    ra, dec = WCS(image.meta).all_pix2world(*pair.new, 0)
    star_ra, star_dec = WCS(image.meta).all_pix2world(*pair.stars[:2], 0)
    reference = QTable({"ra": np.append(ra + 1e-4, star_ra) * u.deg, "dec": np.append(dec, star_dec) * u.deg})
    reference["source_id"] = [f"S{i}" for i in range(len(reference))]
    reference["extended"] = np.arange(len(reference)) < 4
    result = FindNew()(difference, sources, reference)
    apart = np.hypot(result.sources["x"].value[:, None] - pair.new[0], result.sources["y"].value[:, None] - pair.new[1])
    assert len(result.sources) == 4 and sorted(np.argmin(apart, axis=1)) == [0, 1, 2, 3]
    assert apart.min(axis=1).max() < 1.5
    off = result.sources["magnitude"].value - (25 - 2.5 * np.log10(3000 / 100))
    assert np.abs(off / result.sources["magnitude_error"].value).max() < 4 and abs(np.median(off)) < 0.2
    assert set(result.sources["host"]) == {"S0", "S1", "S2", "S3"}
    reference["extended"] = False
    again = FindNew()(difference, sources, reference)
    assert len(again.sources) < 4
    assert (again.rejected["reason"] == "star of the catalogue has varied").any()
