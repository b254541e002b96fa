"""Light at given positions."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.forced import ForcePhotometry
from alfosc_reduce_imaging.photometry.forced_positions import read_place
from alfosc_reduce_imaging.sources.flags import SourceFlag
from astropy.table import QTable, Table

from alfosc_reduce.errors import DataError

WCS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 28.0, "CRPIX1": 200.5, "CRPIX2": 200.5,
       "CD1_1": -6e-5, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 6e-5}  # fmt: skip


def texts(x: np.ndarray, y: np.ndarray) -> tuple[str, ...]:
    return tuple(f"{a:.4f} {b:.4f} pix" for a, b in zip(x, y, strict=True))


@pytest.fixture(scope="module")
def field(sky_field: Any) -> Any:
    """Bright stars, faint ones below the limit of detection, and places without any."""
    number = 196
    flux = np.exp(np.random.default_rng(1).uniform(np.log(2e4), np.log(1e5), number))
    flux[1::4], flux[2::4] = 1e-3, 500.0
    return sky_field(shape=(840, 840), number=number, flux=flux, seed=2)


@pytest.fixture(scope="module")
def table(field: Any) -> Any:
    return ForcePhotometry(positions=texts(field.x, field.y))(field.image(header={"MAGZP": 25.0, "MAGSYS": "AB"}))


@pytest.mark.parametrize("kind", ["aper", "psf"])
@pytest.mark.parametrize(("low", "high"), [(0, 1), (1, 1e3), (1e3, 1e6)])
def test_fluxes_and_errors_are_right_seen_or_not(field: Any, table: Any, kind: str, low: float, high: float) -> None:
    chosen = (field.flux >= low) & (field.flux < high)
    flux, error = (table[f"flux_{kind}{end}"].value[chosen] for end in ("", "_error"))
    pull = (flux - field.flux[chosen]) / error
    assert len(pull) >= 45
    assert np.std(pull) == pytest.approx(1, abs=0.1 + 1 / np.sqrt(2 * len(pull)))
    assert abs(np.mean(pull)) < 0.5


def test_limits_hold(field: Any, table: Any) -> None:
    nothing = field.flux < 1
    assert np.count_nonzero(table["detected"][nothing]) <= 1
    assert table["detected"][field.flux > 1e4].all()
    faint = field.flux < 1e3
    assert np.mean(table["flux_limit"].value[faint] > field.flux[faint]) > 0.99
    assert np.median(table["flux_limit"].value[nothing] / table["flux_psf_error"].value[nothing]) < 4


def test_magnitudes_follow_the_zero_point(field: Any, table: Any) -> None:
    bright = field.flux > 1e4
    truth = 25 - 2.5 * np.log10(field.flux[bright] / 100)
    assert np.median(table["mag_psf"].value[bright] - truth) == pytest.approx(0, abs=0.005)
    assert np.isnan(table["mag_psf"].value[table["flux_psf"].value < 0]).all()
    assert table["mag_limit"].value == pytest.approx(25 - 2.5 * np.log10(table["flux_limit"].value / 100))
    assert table.meta["MAGSYS"] == "AB"


def test_light_of_a_galaxy_below_is_not_the_object_s(sky_field: Any) -> None:
    y, x = np.mgrid[:500, :500]
    places = np.array([[200.0, 250.0], [300.0, 240.0], [250.0, 330.0]])
    stars = sky_field(shape=(500, 500), number=36, flux=5e4, seed=4)
    galaxy = 200 * np.exp(-np.hypot(x - 250, y - 250) / 80)
    data = stars.data + np.random.default_rng(1).poisson(galaxy)
    changed = type(stars)(**{**vars(stars), "data": data})
    found = ForcePhotometry(positions=texts(*places.T))(changed.image())
    near = np.hypot(*(places[:, None] - np.column_stack([stars.x, stars.y])).T).min(0) > 20
    pull = found["flux_psf"].value / found["flux_psf_error"].value
    assert near.all()
    assert np.abs(pull).max() < 4


def test_a_bright_neighbour_is_fitted_together_with_the_object(sky_field: Any) -> None:
    gx, gy = (grid.ravel() for grid in np.meshgrid(np.arange(40.0, 400, 80), np.arange(40.0, 400, 80)))
    x, y = np.append(gx, 209.0), np.append(gy, 200.0)
    flux = np.append(np.where((gx == 200) & (gy == 200), 8e4, 5e4), 1500.0)
    pulls = []
    for seed in range(8):
        found = ForcePhotometry(positions=("209 200 pix",))(sky_field(positions=(x, y), flux=flux, seed=seed).image())
        pulls.append((found["flux_psf"][0].value - 1500) / found["flux_psf_error"][0].value)
    assert abs(np.mean(pulls)) < 0.8
    assert np.std(pulls) < 1.6


def test_positions_stay_unless_asked_to_move(sky_field: Any) -> None:
    field = sky_field(number=16, flux=3e4)
    given = texts(field.x + 0.8, field.y - 0.6)
    kept, moved = (ForcePhotometry(positions=given, centre=centre)(field.image()) for centre in (False, True))
    assert kept["x"].value == pytest.approx(field.x + 0.8, abs=1e-3)
    assert moved["x"].value == pytest.approx(field.x, abs=0.1)
    assert moved["flux_psf"].value == pytest.approx(field.flux, rel=0.06)
    assert np.median(kept["flux_psf"].value) < 0.97 * 3e4


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("150.5 -28.25", (150.5, -28.25, True)),
        ("12 42 36.44 -40 44 46.2", (190.65183, -40.74617, True)),
        ("12:42:36.44 -40:44:46.2", (190.65183, -40.74617, True)),
        ("12h42m36.44s -40d44m46.2s", (190.65183, -40.74617, True)),
        ("0:0:1, +75:0:0", (15 / 3600, 75.0, True)),
        ("512.3 80 pix", (512.3, 80.0, False)),
        ("512.3, 80 pixels", (512.3, 80.0, False)),
    ],
)
def test_places_are_read_as_people_write_them(text: str, place: tuple[float, float, bool]) -> None:
    found = read_place(text)
    assert found[:2] == pytest.approx(place[:2], abs=1e-5)
    assert found[2] is place[2]


@pytest.mark.parametrize("text", ["", "here", "12 42", "a b pix", "1 2 3 4", "95:00:00 12:00:00 x"])
def test_what_is_no_place_is_refused_with_a_sentence(text: str) -> None:
    if text == "12 42":
        assert read_place(text) == (12.0, 42.0, True)
        return
    with pytest.raises(DataError, match="cannot be read"):
        read_place(text)


def test_names_sky_positions_and_tables(sky_field: Any, tmp_path: Path) -> None:
    field = sky_field(number=16, flux=3e4)
    image = field.image(header=WCS)
    from alfosc_reduce_imaging.sources.sky import world

    ra, dec = world(image.meta, field.x[:3], field.y[:3])
    named = ForcePhotometry(positions=(f"SN: {ra[0]:.7f} {dec[0]:.7f}", f"{ra[1]:.7f} {dec[1]:.7f}"))(image)
    assert named["name"].tolist() == ["SN", "2"]
    assert named["x"].value == pytest.approx(field.x[:2], abs=0.01)
    path = tmp_path / "places.csv"
    Table({"target": ["a", "b", "c"], "RA": ra, "Dec": dec}).write(path)
    of_file = ForcePhotometry(file=path)(image)
    assert of_file["name"].tolist() == ["a", "b", "c"]
    assert of_file["flux_psf"].value[:2] == pytest.approx(named["flux_psf"].value, rel=1e-3)
    of_table = ForcePhotometry()(image, QTable({"x": field.x[:3], "y": field.y[:3]}))
    assert of_table["flux_psf"].value == pytest.approx(of_file["flux_psf"].value, rel=1e-3)
    assert of_table["ra"].value == pytest.approx(ra)


def test_positions_outside_are_nan_and_named(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    field = sky_field(number=16, flux=3e4)
    with caplog.at_level(logging.WARNING):
        found = ForcePhotometry(positions=("lost: -50 20 pix", *texts(field.x[:1], field.y[:1])))(field.image())
    assert np.isnan(found["flux_psf"][0].value)
    assert not found["detected"][0]
    assert found["source_flags"][0] & SourceFlag.EDGE
    assert found["detected"][1]
    assert "lost" in caplog.text


def test_without_stars_the_circle_alone_is_known(sky_field: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = ForcePhotometry(positions=("100 100 pix",), aperture="5 pix")(sky_field(number=0).image())
    assert np.isnan(found["flux_psf"][0].value)
    assert abs(found["flux_aper_1"][0].value) < 5 * found["flux_aper_1_error"][0].value
    assert found["flux_aper_1_error"][0].value == pytest.approx(np.sqrt(325 * np.pi * 25), rel=0.1)
    assert "flux_aper_1" in caplog.text


def test_the_aperture_may_be_given_on_the_sky(sky_field: Any) -> None:
    image = sky_field(number=16, flux=3e4).image()
    found = ForcePhotometry(positions=("30 30 pix",), aperture="1.069 arcsec")(image)
    assert found.meta["APRADIUS"] == pytest.approx(5.0)
    del image.meta["PIXSCALE"]
    with pytest.raises(DataError, match="PIXSCALE"):
        ForcePhotometry(positions=("30 30 pix",), aperture="1.069 arcsec")(image)


def test_what_is_missing_is_said(sky_field: Any) -> None:
    image = sky_field(number=4).image()
    with pytest.raises(DataError, match="no positions"):
        ForcePhotometry()(image)
    with pytest.raises(DataError, match="no WCS"):
        ForcePhotometry(positions=("150 28",))(image)
    with pytest.raises(DataError, match="ra and dec"):
        ForcePhotometry()(image, QTable({"a": [1.0]}))


def test_the_title_of_one_position_fits_and_no_empty_panel_stands_beside_it(field: Any, table: Any) -> None:
    image = field.image(header={"OBJECT": "Simulated field", "FILTER": "r_SDSS"})
    (figure,) = dict(ForcePhotometry().figures(table[:1], image=image)).values()
    figure.draw_without_rendering()
    title = figure._suptitle.get_window_extent()
    assert title.x0 >= 0 and title.x1 <= figure.bbox.width
    assert [axes.axison for axes in figure.axes] == [True, False]
