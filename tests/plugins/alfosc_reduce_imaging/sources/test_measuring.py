"""All about the sources of an image, against the truth and against published tables."""

from __future__ import annotations

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.columns import description_of
from alfosc_reduce_imaging.sources.flags import SourceFlag
from alfosc_reduce_imaging.sources.measuring import MeasureSources, Sources
from alfosc_reduce_imaging.stars.detection import at_own_width
from alfosc_reduce_imaging.stars.frame import frame_of

from alfosc_reduce.flags import Flag

KINDS = ("aper", "psf")


def measured(field: Any, unit: str = "electron", header: dict[str, Any] | None = None, **options: Any) -> Sources:
    return MeasureSources()(field.image(unit, header, **options))


@pytest.fixture(scope="module")
def fields(sky_field: Any) -> list[tuple[Any, Any]]:
    """Fields of isolated stars, each with its sources."""
    made = [
        sky_field(shape=(650, 650), number=100, flux=(4e3, 1.5e5), seed=seed, fwhm=fwhm, ellipticity=0.06, theta=40.0)
        for seed, fwhm in ((1, 4.0), (2, 4.5), (3, 5.0), (4, 3.2))
    ]
    return [(field, measured(field).sources) for field in made]


def residuals(fields: list[tuple[Any, Any]], kind: str, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Return flux over true flux, and pulls, of stars in a range of signal to noise."""
    ratio, pull = [], []
    for field, sources in fields:
        found, true = field.matched(sources["x"].value, sources["y"].value)
        flux, error = (sources[f"flux_{kind}{end}"].value[found] for end in ("", "_error"))
        chosen = (field.flux[true] > low * error) & (field.flux[true] < high * error)
        ratio.append((flux / field.flux[true])[chosen])
        pull.append(((flux - field.flux[true]) / error)[chosen])
    return np.concatenate(ratio), np.concatenate(pull)


@pytest.mark.parametrize("kind", KINDS)
def test_total_fluxes_are_right_to_two_thousandths(fields: Any, kind: str) -> None:
    ratio, pull = residuals(fields, kind, 50, 500)
    weight = np.square(pull / (ratio - 1))
    assert len(ratio) > 150
    assert abs(2.5 * np.log10(np.average(ratio, weights=weight))) < 0.002


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("low", "high"), [(12, 50), (50, 150)])
def test_errors_of_fluxes_are_right(fields: Any, kind: str, low: float, high: float) -> None:
    _, pull = residuals(fields, kind, low, high)
    assert len(pull) > 80
    assert np.std(pull) == pytest.approx(1, abs=0.1 + 1 / np.sqrt(2 * len(pull)))


def test_centres_and_their_errors(fields: Any) -> None:
    for x, error in (("x", "x_error"), ("x_psf", "x_psf_error")):
        pulls = []
        for field, sources in fields:
            found, true = field.matched(sources["x"].value, sources["y"].value)
            pulls.append((sources[x].value[found] - field.x[true]) / sources[error].value[found])
        pull = np.concatenate(pulls)
        assert np.std(pull) == pytest.approx(1, abs=0.12)
        assert abs(np.mean(pull)) < 0.2


def test_every_star_is_found_and_is_a_star(fields: Any) -> None:
    for field, sources in fields:
        found, true = field.matched(sources["x"].value, sources["y"].value)
        assert len(set(true)) == len(field.x) == len(sources) == len(found)
        assert np.median(sources["class_star"]) > 0.5
        assert np.median(sources["fwhm"].value) == pytest.approx(sources.meta["SEEINGPX"], rel=0.02)
        good = sources["snr"] > 100
        assert np.median(sources["chi2_psf"][good]) == pytest.approx(1, abs=0.15)
        assert abs(float(np.median((sources["flux_auto"] / sources["flux_aper"])[good])) - 0.95) < 0.05


def test_noise_makes_no_sources() -> None:
    from astropy.io import fits

    from alfosc_reduce.images import make_image

    spurious = 0
    for seed in range(5):
        data = np.random.default_rng(seed).normal(300, 18, (800, 800))
        spurious += len(MeasureSources()(make_image(data, unit="electron", header=fits.Header(), variance=324)).sources)
    assert spurious <= 1


def test_correlated_noise_makes_no_sources_and_larger_errors(sky_field: Any) -> None:
    from scipy.ndimage import convolve

    field = sky_field(shape=(700, 700), number=49, flux=(5e3, 3e4), read_noise=5.0)
    kernel = np.full((2, 2), 0.25)
    smoothed = type(field)(
        field.x - 0.5, field.y - 0.5, field.flux, field.light, convolve(field.data, kernel),
        convolve(field.variance, kernel) / 4, field.sky, field.noise / 2, field.fwhm, field.beta,
    )  # fmt: skip
    known, blind = measured(smoothed, header={"NOISECOR": 2.0, "NOISELEN": 1.0}), measured(smoothed)
    assert len(known.sources) <= 50
    assert blind.sources.meta["NOISECOR"] == pytest.approx(1.85, abs=0.2)
    assert known.sources.meta["NOISECOR"] == 2.0
    for sources in (known.sources, blind.sources):
        for kind in KINDS:
            _, pull = residuals([(smoothed, sources)], kind, 5, 1000)
            assert np.std(pull) == pytest.approx(1, abs=0.3)


def test_the_depth_is_that_of_injected_stars(sky_field: Any) -> None:
    meta = measured(sky_field(shape=(600, 600), number=64, flux=(2e4, 1e5))).sources.meta
    radius = meta["DEPTHAP"]
    share = 1 - (1 + (radius / 2.25) ** 2 * (2 ** (1 / 3) - 1)) ** -2
    assert meta["DEPTH5"] == pytest.approx(5 * np.sqrt(np.pi) * radius * np.sqrt(325) / share, rel=0.12)
    assert meta["APCOR"] == pytest.approx(1 / share, rel=0.03)
    assert meta["APCORERR"] < 0.01


def test_flags_say_what_is_wrong(sky_field: Any) -> None:
    x = [3.0, 100, 106, 200, 300, 100, 300, 200]
    y = [100.0, 100, 103, 100, 100, 300, 300, 300]
    flux = [5e4, 5e4, 5e4, 8e6, 5e4, 5e4, 5e4, 5e4]
    field = sky_field(positions=(x, y), flux=flux)
    flags = np.where(field.data > 1e5, int(Flag.SATURATED), 0)
    flags[100, 302] |= int(Flag.BAD_PIXEL)
    flags[301, 100] |= int(Flag.COSMIC_RAY)
    flags[:, 303:] |= np.where(np.arange(400) > 200, int(Flag.OUTSIDE_FIELD), 0)[:, None]
    field.data[300, 201] += 4000
    sources = measured(field, flags=flags).sources
    found, true = field.matched(sources["x"].value, sources["y"].value, 2.5)
    marks = dict(zip(true.tolist(), sources["source_flags"][found].tolist(), strict=True))
    expected = {
        0: SourceFlag.EDGE, 1: SourceFlag.BLENDED, 2: SourceFlag.BLENDED, 3: SourceFlag.SATURATED,
        4: SourceFlag.MASKED, 5: SourceFlag.COSMIC_RAY, 6: SourceFlag.EDGE,
    }  # fmt: skip
    for star, flag in expected.items():
        assert marks[star] & flag, f"star {star}: {SourceFlag(marks[star])!r}"
    assert not marks[7] & SourceFlag.EDGE
    saturated = sources[found[list(true).index(3)]]
    assert saturated["flags"] & int(Flag.SATURATED)


def test_a_hit_of_a_cosmic_ray_is_too_sharp_for_a_star(sky_field: Any) -> None:
    field = sky_field(number=30, seed=5)
    field.data[57, 33] += 3000
    sources = measured(field).sources
    near = np.hypot(sources["x"].value - 33, sources["y"].value - 57) < 1
    assert near.sum() == 1
    assert sources["source_flags"][near][0] & SourceFlag.SHARP
    assert np.count_nonzero(sources["source_flags"] & int(SourceFlag.SHARP)) == 1


def test_parts_with_fewer_exposures_are_said_to_be_shallow(sky_field: Any) -> None:
    field = sky_field(shape=(500, 500), number=64, flux=(2e4, 6e4), seed=8)
    rim = np.arange(500) < 90
    field.data[:, rim] += np.random.default_rng(1).normal(0, 30, (500, 90))
    field.variance[:, rim] += 900
    sources = measured(field).sources
    shallow = (sources["source_flags"] & int(SourceFlag.SHALLOW)) != 0
    x = sources["x"].value
    assert shallow[x < 80].all()
    assert not shallow[x > 110].any()
    assert sources.meta["PSFSTARS"] <= np.count_nonzero(x > 80)


def test_a_star_whose_centre_lies_beyond_the_last_row_is_no_obstacle(sky_field: Any) -> None:
    crowd = sky_field(shape=(200, 200), number=90, grid=False, margin=-12.0, flux=(2e3, 2e5), seed=3, fwhm=5.2)
    field = replace(crowd, y=199 - crowd.y, data=crowd.data[::-1].copy(), variance=crowd.variance[::-1].copy())
    assert at_own_width(frame_of(field.image()).light, 5.0).y.max() > 199.5
    assert len(measured(field).sources) > 30


def test_bright_bad_pixels_do_not_make_errors_of_bright_stars_small(sky_field: Any) -> None:
    field = sky_field(shape=(400, 400), number=36, flux=(5e4, 1e5), seed=4)
    bad = np.random.default_rng(2).uniform(size=field.data.shape) < 0.02
    spoilt = replace(field, data=np.where(bad, 5000, field.data), variance=np.where(bad, 5000, field.variance))
    sources = measured(spoilt, flags=np.where(bad, int(Flag.BAD_PIXEL), 0)).sources
    assert sources.meta["PHOTON"] == pytest.approx(1, abs=0.05)


def test_the_map_has_the_numbers_of_the_table(fields: Any, sky_field: Any) -> None:
    image = sky_field(number=30).image()
    sources, segmentation = MeasureSources()(image)
    assert segmentation.shape == image.shape
    assert str(segmentation.unit) == ""
    numbers = np.unique(np.asarray(segmentation.data))
    assert numbers.tolist() == [0, *sources["id"]]
    for row in sources[:5]:
        assert segmentation.data[round(row["y"].value), round(row["x"].value)] == row["id"]
        assert np.count_nonzero(segmentation.data == row["id"]) == row["area"]


@pytest.mark.parametrize("unit", ["electron / s", "adu"])
def test_units_are_carried_and_do_not_matter(sky_field: Any, unit: str) -> None:
    field = sky_field(number=36)
    one, other = measured(field).sources, measured(field, unit).sources
    scale = 100.0 if unit.endswith("s") else 1.0
    assert str(other["flux_psf"].unit) == unit
    assert len(one) == len(other)
    assert other["flux_psf"].value * scale == pytest.approx(one["flux_psf"].value, rel=2e-3)
    assert other["flux_aper_error"].value * scale == pytest.approx(one["flux_aper_error"].value, rel=1e-2)


def test_without_stars_there_are_no_total_fluxes(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        sources = measured(sky_field(number=9, flux=(2e7, 4e7))).sources
    assert len(sources) >= 9
    assert np.isnan(sources["flux_psf"].value).all()
    assert np.isfinite(sources["flux_aper_3"].value).all()
    assert "no star tells the point spread function" in caplog.text


def test_a_blank_image_gives_an_empty_table(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = measured(sky_field(number=0))
    assert len(result.sources) == 0
    assert "no source" in caplog.text
    assert not np.asarray(result.segmentation.data).any()
    assert MeasureSources().quality(result)["sources"] == 0
    assert result.sources.meta["DEPTH5"] != 0


def test_every_column_is_described_and_has_a_word_of_the_virtual_observatory(fields: Any) -> None:
    _, sources = fields[0]
    for name in sources.colnames:
        ucd, text = description_of(name)
        assert ucd, f"no UCD for {name}"
        assert text, f"no description of {name}"
        assert sources[name].info.description == text
    assert sources.meta["UCD"]["flux_psf_error"] == "stat.error;phot.flux"
    assert description_of("unheard_of") == ("", "")


def test_positions_on_the_sky_only_from_a_solved_wcs(sky_field: Any) -> None:
    cards = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 359.999, "CRVAL2": 75.0, "CRPIX1": 200.5,
             "CRPIX2": 200.5, "CD1_1": -6e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 6e-5}  # fmt: skip
    field = sky_field(number=30)
    stranger = measured(field, header=cards).sources
    assert (stranger["ra"].value >= 0).all()
    assert (stranger["ra"].value < 360).all()
    assert np.ptp(stranger["ra"].value) > 300
    assert "ra" not in measured(field, header=cards | {"FRAMEKND": "image"}).sources.colnames
    assert "ra" in measured(field, header=cards | {"FRAMEKND": "image", "WCSRMS": 0.05}).sources.colnames


@pytest.mark.parametrize(
    ("band", "table"), [("B", "photometry_2019so_05406.ecsv"), ("V", "photometry_2019so_04735.ecsv")]
)
def test_magnitudes_of_andicam_are_those_published(testdata: Path, band: str, table: str) -> None:
    from astropy.coordinates import SkyCoord
    from astropy.table import QTable

    from alfosc_reduce.products.foreign import read_image

    published = QTable.read(testdata / "andicam" / table)
    published = published[published["starid"] > 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = read_image(testdata / "andicam" / f"SN2019so_20190201_{band}.fits.gz")
    sources = MeasureSources()(image).sources
    places = SkyCoord(sources["ra"], sources["dec"])
    index, distance, _ = SkyCoord(published["ra"], published["decl"]).match_to_catalog_sky(places)
    magnitude = np.asarray(published["mag"])
    good = (distance.arcsec < 1.5) & (magnitude < 19) & (sources["source_flags"][index] == 0)
    for kind in KINDS:
        flux = sources[f"flux_{kind}"].value[index]
        offset = magnitude + 2.5 * np.log10(np.where(good, flux, 1) / 160)
        left = (offset - np.median(offset[good]))[good]
        assert good.sum() >= 20
        assert np.std(left[np.abs(left) < 0.2]) < 0.03
        # The published fluxes are those of a point spread function cut at some five pixels: 0.90 of the light.
        inside = np.median((sources["flux_aper_5"] / sources["flux_psf"])[sources["snr"] > 100])
        zero_point = np.median(offset[good]) + 2.5 * np.log10(inside)
        assert abs(zero_point - published.meta["zp"]) < 0.03
    assert 0.95 < sources.meta["SEEING"] < 1.1
