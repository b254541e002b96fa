"""Fields with sources like those of the sky, and catalogues of them."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate.imaging import Field, Injected, catalogue_of
from alfosc_reduce_simulate.imaging.bands import BANDS, band
from alfosc_reduce_simulate.imaging.field import magnitude_at, place_at, sources_of
from alfosc_reduce_simulate.imaging.sphere import separation

from alfosc_reduce import DataError
from alfosc_reduce.reference import check_reference

NEW = (
    Injected(30.0, 40.0, 20.0),
    Injected(-50.0, 10.0, 18.0, kind="variable", amplitude=0.4, period=2.0),
    Injected(0.0, 0.0, 19.0, kind="moving", rate=(36.0, -18.0)),
)
FIELD = Field(0.02, 75.0, stars=400, galaxies=150, injected=NEW, seed=4)


@pytest.fixture(scope="module")
def sources():
    return sources_of(FIELD)


def test_there_are_as_many_sources_as_ordered(sources):
    area = np.pi * (60 * FIELD.radius) ** 2
    for kind, number in (("star", 400), ("galaxy", 150)):
        assert np.sum(sources["kind"] == kind) == round(number * area / 50)
    assert list(sources["kind"][-3:]) == ["transient", "variable", "moving"]
    assert separation(sources["ra"].value, sources["dec"].value, 0.02, 75.0).max() < 3600 * FIELD.radius * 1.001


def test_faint_stars_are_more_than_bright_ones_by_the_slope(sources):
    red = sources["mag_r"].value[sources["kind"] == "star"]
    assert red.min() > 12.3 and red.max() < 23.6
    expected = 10 ** (FIELD.slope * 2.0)
    assert np.sum(red < 23.4) / np.sum(red < 21.4) == pytest.approx(expected, rel=0.15)


def test_colours_are_those_of_stars(sources):
    stars = sources[sources["kind"] == "star"]
    g_r = stars["mag_g"].value - stars["mag_r"].value
    assert np.percentile(g_r, 1) > 0.05 and np.percentile(g_r, 99) < 1.65
    assert np.std(g_r) > 0.3
    b_v = stars["mag_B"].value - stars["mag_V"].value
    assert np.corrcoef(g_r, b_v)[0, 1] > 0.98


def test_moving_and_changing_sources_move_and_change(sources):
    start, later = place_at(sources, 2025.2, 0.0), place_at(sources, 2025.2, 2.0)
    assert separation(start[0][-1], start[1][-1], later[0][-1], later[1][-1]) == pytest.approx(
        2 * np.hypot(36, 18), abs=1e-3
    )
    bright, faint = (magnitude_at(sources, "g", hours)[-2] for hours in (1.5, 0.5))
    assert faint - bright == pytest.approx(0.8)
    star = np.flatnonzero(sources["kind"] == "star")[0]
    speed = np.hypot(sources["pmra"].value, sources["pmdec"].value)[star]
    now = place_at(sources, 2026.0, 0.0)
    gone = separation(now[0][star], now[1][star], sources["ra"].value[star], sources["dec"].value[star])
    assert gone == pytest.approx(speed * 10 / 1000, rel=1e-6)


def test_the_same_seed_gives_the_same_field(sources):
    again = sources_of(FIELD)
    assert all(np.array_equal(again[name], sources[name]) for name in sources.colnames)
    assert not np.array_equal(sources_of(Field(0.02, 75.0, seed=5))["ra"][:100], sources["ra"][:100])


@pytest.mark.parametrize("noise", [False, True])
def test_a_catalogue_has_the_form_of_a_reference_and_no_transients(sources, noise):
    table = catalogue_of(sources, noise=noise)
    check_reference(table)
    assert len(table) == len(sources) - 2
    assert table["variable"].sum() == 1
    assert table["extended"].sum() == np.sum(sources["kind"] == "galaxy")
    assert {f"mag_{name}" for name in BANDS if name != "U"} <= set(table.colnames)
    assert table.meta["MAGSYS"]["r"] == "AB" and table.meta["MAGSYS"]["V"] == "Vega"


def test_an_exact_catalogue_is_exact(sources):
    table = catalogue_of(sources, noise=False)
    listed = sources[: len(table)]
    np.testing.assert_array_equal(table["ra"][:50], listed["ra"][:50])
    np.testing.assert_array_equal(table["mag_r"][:50], listed["mag_r"][:50])


def test_the_noise_of_a_catalogue_is_its_errors(sources):
    table = catalogue_of(sources, noise=True)
    known = sources[~np.isin(sources["kind"], ["transient", "moving"])]
    off = (table["dec"] - known["dec"]).to_value("mas") / table["dec_error"].to_value("mas")
    assert off.std() == pytest.approx(1, abs=0.1)
    off = (table["mag_r"] - known["mag_r"]).value / table["mag_r_error"].value
    assert off.std() == pytest.approx(1, abs=0.1)
    assert np.all(table["pmra"][~table["pm_known"]] == 0)
    assert 0 < catalogue_of(sources, limit=20.0)["mag_r"].size < len(table) / 3


def test_an_unknown_band_is_told():
    with pytest.raises(DataError, match="no band 'q'"):
        band("q")
