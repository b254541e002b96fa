"""Light curves against comparison stars."""

from __future__ import annotations

from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.forced import ForcePhotometry
from alfosc_reduce_imaging.photometry.light_curve import MakeLightCurve
from alfosc_reduce_imaging.photometry.light_curve_ensemble import solve_ensemble
from alfosc_reduce_imaging.photometry.light_curve_times import barycentric_dates
from astropy.table import QTable

from alfosc_reduce.errors import DataError

FRAMES, STARS = 40, 30
TRUTH = 0.15 * np.sin(np.arange(FRAMES) / 4)


def tables(*, seed: int = 1, wild: bool = True, sky: bool = True, noise: float = 60.0) -> list[QTable]:
    """Fluxes of a variable (first) and comparison stars through changing clouds; star 4 is another variable."""
    rng = np.random.default_rng(seed)
    flux = np.exp(rng.uniform(np.log(1e4), np.log(2e5), STARS))
    flux[0] = 3e4
    place = rng.uniform(20, 1000, (2, STARS))
    clouds = rng.uniform(0, 0.6, FRAMES)
    made = []
    for i in range(FRAMES):
        change = np.zeros(STARS)
        change[0], change[4] = TRUTH[i], 0.3 * (-1) ** i * wild
        true = flux * 10 ** (-0.4 * (clouds[i] + change))
        error = np.sqrt(true + noise**2)
        table = QTable({"name": [f"s{k}" for k in range(STARS)]})
        columns = ("ra", "dec") if sky else ("x", "y")
        unit = u.deg if sky else u.pix
        for name, value in zip(columns, place, strict=True):
            table[name] = (10 + value / 1e4 if sky else value) * unit
        for kind in ("psf", "aper"):
            table[f"flux_{kind}"] = (true + rng.normal(0, error)) * u.electron
            table[f"flux_{kind}_error"] = error * u.electron
        table["source_flags"] = np.zeros(STARS, np.int32)
        table.meta.update({"FRAME": f"f{i:02}", "MJD-AVG": 59000 + i / 48, "EXPTIME": 60.0, "OBJECT": "X",
                           "PIXSCALE": 0.2, "AIRMASS": 1.1})  # fmt: skip
        made.append(table)
    return made


@pytest.mark.parametrize("kind", ["psf", "aper"])
def test_an_injected_variable_is_recovered_with_right_errors(kind: str) -> None:
    pulls = []
    for seed in range(4):
        curve = MakeLightCurve(flux=kind)(tables(seed=seed))
        left = curve["mag"].value - TRUTH
        total = np.hypot(curve["mag_error"].value, curve["offset_error"].value)
        pulls.append((left - np.average(left, weights=total**-2)) / total)
    assert np.std(np.concatenate(pulls)) == pytest.approx(1, abs=0.12)


def test_constant_stars_are_constant_and_variables_are_left_out() -> None:
    curve = MakeLightCurve()(tables())
    stars = curve.meta["COMPARISONS"]
    assert [i for i, star in enumerate(stars) if not star["used"]] == [3]
    chi2 = [star["chi2"] for star in stars if star["used"]]
    assert np.mean(chi2) == pytest.approx(1, abs=0.15)
    assert curve.meta["CHI2"] > 20
    steady = MakeLightCurve(target=text_of(tables()[0], 7))(tables())
    assert steady.meta["CHI2"] == pytest.approx(1, abs=0.6)


def text_of(table: QTable, row: int) -> str:
    return f"{table['ra'][row].value:.8f} {table['dec'][row].value:.8f}"


def test_the_order_of_the_tables_does_not_matter() -> None:
    given = tables()
    mixed = [given[i] for i in np.random.default_rng(1).permutation(FRAMES)]
    one, other = MakeLightCurve()(given), MakeLightCurve()(mixed)
    assert np.all(np.diff(other["mjd"].value) > 0)
    assert np.allclose(one["mag"].value, other["mag"].value, atol=1e-9)
    assert other["frame"].tolist() == one["frame"].tolist()


def test_clouds_are_found_as_offsets_of_the_frames() -> None:
    given = tables(seed=3)
    clouds = np.random.default_rng(3)
    clouds.uniform(np.log(1e4), np.log(2e5), STARS), clouds.uniform(20, 1000, (2, STARS))
    truth = clouds.uniform(0, 0.6, FRAMES)
    curve = MakeLightCurve()(given)
    left = curve["offset"].value - (truth - truth.mean())
    assert np.std(left) < 0.003
    assert np.median(curve["offset_error"].value) == pytest.approx(np.std(left), rel=0.5)


def test_magnitudes_are_calibrated_where_frames_are() -> None:
    given = tables(seed=3)
    clouds = np.random.default_rng(3)
    clouds.uniform(np.log(1e4), np.log(2e5), STARS), clouds.uniform(20, 1000, (2, STARS))
    for table, cloud in zip(given, clouds.uniform(0, 0.6, FRAMES), strict=True):
        table.meta["MAGZP"] = 25.0 - cloud
    curve = MakeLightCurve()(given)
    assert curve.meta["CALIBRATED"]
    assert np.mean(curve["mag"].value - TRUTH) == pytest.approx(25 - 2.5 * np.log10(3e4 / 60), abs=0.01)


def test_missing_stars_and_frames_are_lived_with() -> None:
    given = tables()
    given[3] = given[3][[0, 5, 6]]
    given[7] = given[7][1:]
    given[9]["source_flags"][0] = 2
    given[11]["flux_psf"][5] = np.nan * u.electron
    curve = MakeLightCurve(target=text_of(given[0], 0), comparisons=tuple(text_of(given[0], i) for i in range(5, 12)))(
        given
    )
    assert len(curve) == FRAMES
    assert curve["comparisons"][3] == 2
    assert np.isnan(curve["mag"].value[[7, 9]]).all()
    assert np.isfinite(np.delete(curve["mag"].value, [7, 9])).all()
    assert curve["offset_error"][3] > 1.2 * np.median(curve["offset_error"])


def test_stars_may_be_matched_in_pixels() -> None:
    given = tables(sky=False)
    curve = MakeLightCurve(match_radius="2 pix")(given)
    assert "bjd" not in curve.colnames
    assert np.std(curve["mag"].value - TRUTH) < 0.01
    with pytest.raises(DataError, match="as the tables have them"):
        MakeLightCurve(target="150 28")(given)


def test_tables_of_all_sources_choose_their_comparison_stars() -> None:
    given = tables()
    for table in given:
        table.remove_column("name")
        table["class_star"] = np.ones(STARS)
    curve = MakeLightCurve(target=text_of(given[0], 0))(given)
    assert len(curve.meta["COMPARISONS"]) == STARS - 1
    assert np.std(curve["mag"].value - TRUTH) < 0.01


def test_images_to_a_light_curve(sky_field: Any) -> None:
    place = np.random.default_rng(5).uniform(30, 370, (2, 14))
    flux, made = np.full(14, 4e4), []
    change = [0.0, 0.3, -0.2, 0.1]
    for i, magnitude in enumerate(change):
        now = flux * 10 ** (-0.05 * i)
        now[0] *= 10 ** (-0.4 * magnitude)
        field = sky_field(positions=place, flux=now, seed=i, fwhm=4 + 0.4 * i)
        image = field.image(header={"MJD-AVG": 59000.0 + i, "FILENAME": f"f{i}.fits"})
        positions = tuple(f"s{k}: {x:.4f} {y:.4f} pix" for k, (x, y) in enumerate(place.T))
        made.append(ForcePhotometry(positions=positions)(image))
    curve = MakeLightCurve(match_radius="2 pix")(made)
    left = curve["mag"].value - change
    assert np.std(left) < 0.02
    quality = MakeLightCurve().quality(curve)
    assert quality["frames"] == quality["measured"] == 4


def test_what_cannot_make_a_light_curve_is_refused() -> None:
    given = tables()
    with pytest.raises(DataError, match="at least two"):
        MakeLightCurve()(given[:1])
    with pytest.raises(DataError, match="no comparison star"):
        MakeLightCurve()([table[:1] for table in given])
    with pytest.raises(DataError, match="measured on no frame"):
        MakeLightCurve(target="80 10")(given)
    del given[2].meta["MJD-AVG"]
    with pytest.raises(DataError, match="MJD-AVG"):
        MakeLightCurve()(given)


def test_the_ensemble_solves_exactly_what_has_no_noise() -> None:
    rng = np.random.default_rng(1)
    star, frame = rng.uniform(10, 15, 6), rng.uniform(0, 1, 9)
    magnitude = star + frame[:, None]
    magnitude[2, 3] = np.nan
    found = solve_ensemble(magnitude, np.full(magnitude.shape, 0.01))
    assert found.offset - found.offset[0] == pytest.approx(frame - frame[0], abs=1e-4)
    assert found.used.all()


def test_barycentric_dates_agree_with_astropy() -> None:
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    mjd = np.array([58940.1, 59120.7])
    ours = barycentric_dates(mjd, 150.0, 28.0)
    time = Time(mjd, format="mjd", scale="utc", location=EarthLocation.from_geodetic(-17.885, 28.757, 2382))
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "ignore"):
        delay = time.light_travel_time(SkyCoord(150.0, 28.0, unit="deg"), ephemeris="builtin")
    assert ours == pytest.approx((time.tdb + delay).jd, abs=0.03 / 86400)
