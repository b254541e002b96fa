"""New sources are found, old ones are not new, and what is no source is told with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.transients.new_sources import FindNew
from astropy.table import QTable, vstack

from alfosc_reduce import DataError
from alfosc_reduce.testing import StepContract

Make = Callable[..., Any]


def search(field: Any, *, photometric: Any = None, known: Any = None, sources: Any = None, **parameters: Any) -> Any:
    step = FindNew(**parameters)
    return step(field.image, field.sources if sources is None else sources, field.reference, photometric, known)


@pytest.mark.parametrize("ra, dec", [(150.0, 0.0), (150.0, 75.0), (0.0, 28.0), (359.99, -60.0)])
def test_what_is_new_is_found_and_nothing_else(field: Make, ra: float, dec: float) -> None:
    found = spurious = injected = 0
    for seed in range(12):
        true = field(seed=seed, ra=ra, dec=dec)
        result = search(true)
        ids = set(np.asarray(result.sources["id"]))
        expected = set(np.asarray(true.sources["id"][true.new]))
        found, injected = found + len(ids & expected), injected + len(expected)
        spurious += len(ids - expected)
    assert found >= 0.95 * injected
    assert spurious < 12 * 0.5


def test_numbers_count_from_the_brightest(field: Make) -> None:
    true = field(seed=3)
    true.sources["flux_psf"][true.new] *= np.linspace(1, 3, len(true.new))
    table = search(true).sources
    assert list(table["number"]) == [1, 2, 3, 4, 5]
    assert (np.diff(table["magnitude"].value) > 0).all()
    expected = 32 - 2.5 * np.log10(table["flux_psf"].value)
    assert np.allclose(table["magnitude"].value, expected)


def test_a_star_with_a_large_proper_motion_is_not_new(field: Make) -> None:
    true = field(seed=3, new=0)
    fast = true.reference.copy()
    years = 2000 + (60310.5 - 51544.5) / 365.25 - 2016
    fast["pmdec"][:5] += 2000 * u.mas / u.yr
    fast["dec"][:5] -= years * 2.0 * u.arcsec
    assert len(FindNew()(true.image, true.sources, fast).sources) == 0
    fast["pmdec"] = 0 * fast["pmdec"]
    assert len(FindNew()(true.image, true.sources, fast).sources) >= 4


def test_a_second_catalogue_knows_more(field: Make) -> None:
    true = field(seed=3)
    extra = true.sources[true.new[:2]]["ra", "dec"].copy()
    assert len(search(true, photometric=extra).sources) == len(true.new) - 2


def test_known_objects_are_named(field: Make) -> None:
    true = field(seed=3)
    asteroid = true.sources[true.new[:1]]["ra", "dec"].copy()
    asteroid["name"] = ["Ceres"]
    asteroid["dec"] += 1.5 * u.arcsec
    result = search(true, known=asteroid)
    assert len(result.sources) == len(true.new) - 1
    assert list(result.rejected["reason"]).count("known: Ceres") == 1


def test_what_is_no_source_is_rejected_with_the_reason(field: Make, more_sources: Make) -> None:
    true = field(seed=3, count=40, flux=2e4)
    bad = more_sources(true, [200, 300, 400, 3, 600, 700, 800], [900] * 7, [5000] * 7)
    bad["fwhm"][0] = 2.0
    bad["ellipticity"][1] = 0.8
    bad["fwhm"][2] = 12.0
    bad["source_flags"][4] = 2
    bad["class_star"][5], bad["fwhm"][5] = 0.001, 6.5
    bad["source_flags"][6] = 16
    result = search(true, sources=vstack([true.sources, bad]))
    reasons = dict(zip(np.round(result.rejected["x"], -2), result.rejected["reason"], strict=True))
    assert reasons[200] == "cosmic ray" and reasons[300] == "shape" and reasons[400] == "extended"
    assert reasons[0] == "edge" and reasons[600] == "saturated" and reasons[700] == "extended"
    assert reasons[800] == "masked"
    assert len(result.sources) == len(true.new)


def test_noise_may_make_a_point_long_but_not_misfit(field: Make, more_sources: Make) -> None:
    """Moments on few pixels scatter; what the point spread function describes is a point all the same."""
    true = field(seed=3, count=40, flux=2e4)
    long = more_sources(true, [200, 400], [900, 900], [5000, 5000])
    long["ellipticity"] = 0.8
    both = vstack([true.sources, long])
    both["chi2_psf"] = np.ones(len(both))
    both["chi2_psf"][-2:] = [1.1, 8.0]
    result = search(true, sources=both)
    assert 200 in np.round(result.sources["x"], -2) and len(result.sources) == len(true.new) + 1
    reasons = dict(zip(np.round(result.rejected["x"], -2), result.rejected["reason"], strict=True))
    assert reasons[400] == "shape"


def test_noise_is_less_of_an_excuse_for_what_misfits(field: Make, more_sources: Make) -> None:
    """Of a trail that is cut in pieces one may lie alone, not longer than noise could make a star."""
    true = field(seed=3, count=40, flux=2e4)
    long = more_sources(true, [200, 400], [900, 900], [700, 700])
    flux, noise = long["flux_psf"].value, long["flux_psf_error"].value
    long["ellipticity"] = 0.15 + 0.7 * 6.5 / (flux / noise)
    both = vstack([true.sources, long])
    both["chi2_psf"] = np.ones(len(both))
    both["chi2_psf"][-2:] = [1.0, 2.5]
    result = search(true, sources=both, limit=26.0)
    assert np.abs(result.sources["x"] - long["x"][0]).min() < 1 and len(result.sources) == len(true.new) + 1
    reasons = dict(zip(np.round(result.rejected["x"], -2), result.rejected["reason"], strict=True))
    assert reasons[400] == "shape"


def test_pieces_of_a_trail_are_not_new(field: Make, more_sources: Make) -> None:
    true = field(seed=3, count=40, flux=2e4)
    x = np.array([100.0, 230, 410, 700])
    pieces = more_sources(true, x, 880 + 0.1 * x, np.full(4, 700.0))
    both = vstack([true.sources, pieces])
    both["theta"] = np.random.default_rng(1).uniform(-90, 90, len(both)) * u.deg
    both["theta"][-4:] = [3, 8, 10, 1] * u.deg
    both["ellipticity"][-4:] = 0.5
    result = search(true, sources=both, limit=26.0)
    assert (result.rejected["reason"] == "trail").sum() == 4
    assert len(result.sources) == len(true.new)
    both["theta"][-4:] = [50, 90, -40, -90] * u.deg
    assert len(search(true, sources=both, limit=26.0).sources) == len(true.new) + 4


def test_structure_in_the_light_of_a_bright_star_is_not_new(field: Make, more_sources: Make) -> None:
    true = field(seed=3, count=40, flux=2e4)
    star = true.reference[:1].copy()
    around = more_sources(true, [800, 812, 800, 814, 830], [800, 800, 845, 812, 800], [5e6, 3000, 8000, 600, 800])
    around["source_flags"][0] = 2
    around["xmin"], around["xmax"] = around["x"] - 10, around["x"] + 10
    around["ymin"], around["ymax"] = around["y"] - 40, around["y"] + 40
    star["ra"], star["dec"] = around["ra"][:1], around["dec"][:1]
    star["pmra"], star["pmdec"] = 0 * star["pmra"], 0 * star["pmdec"]
    both = vstack([true.reference, star])
    sources = vstack([true.sources, around], metadata_conflicts="silent")
    result = FindNew()(true.image, sources, both)
    assert len(result.sources) == len(true.new)
    assert (result.rejected["reason"] == "light of a bright star").sum() == 4


def test_a_shallow_catalogue_makes_no_news_of_faint_stars(field: Make) -> None:
    true = field(seed=5, count=400, deepest=20.5)
    result = search(true)
    assert len(result.sources) <= 1
    assert result.sources.meta["LIMIT"] == pytest.approx(20.5, abs=0.35)
    assert (result.rejected["reason"] == "fainter than the catalogue").sum() > 50
    bright = field(seed=5, count=400, deepest=20.5, flux=10 ** (-0.4 * (19.5 - 32)))
    ids = set(np.asarray(search(bright).sources["id"]))
    assert set(np.asarray(bright.sources["id"][bright.new])) <= ids


def test_a_limit_rules(field: Make) -> None:
    true = field(seed=5, count=400, deepest=20.5)
    asked = search(true, limit=23.0)
    magnitude = 32 - 2.5 * np.log10(true.sources["flux_psf"].value)
    assert len(asked.sources) > 0.8 * ((magnitude > 20.6) & (magnitude < 23)).sum()
    assert (asked.sources["magnitude"].value <= 23).all()
    assert len(search(true, limit=18.0).sources) == 0


def test_a_zero_point_by_hand(field: Make, caplog: Any) -> None:
    true = field(seed=3, zero_point=False)
    result = search(true, limit=23.0)
    assert "limit 23.00 is not used" in caplog.text
    assert np.isnan(result.sources["magnitude"]).all() and len(result.sources) == 5
    by_hand = search(true, zp=32.0, limit=25.3)
    assert len(by_hand.sources) == 5 and np.isfinite(by_hand.sources["magnitude"]).all()


def test_outside_the_cone_of_the_catalogue_nothing_is_new(field: Make) -> None:
    true = field(seed=3)
    true.reference.meta["RADIUS"] = 0.012
    result = search(true)
    assert (result.rejected["reason"] == "outside the catalogue").sum() > 0


@pytest.mark.parametrize("dec", [0.0, 75.0])
def test_classes_are_right_on_the_sphere(field: Make, dec: float) -> None:
    true = field(seed=3, dec=dec)
    middle = true.sources[true.new[2]]
    ra, declination = middle["ra"].value, middle["dec"].value
    apart = true.sources["x"][true.new] - middle["x"]
    bat = f"{ra} {declination} {75 * 0.2138 / 60}"
    xrt = f"{ra} {declination} 2"
    for circles, expected in (
        ({"bat": bat}, np.abs(apart) < 75),
        ({"xrt": xrt}, 2 * (np.abs(apart) < 9)),
        ({"bat": bat, "xrt": xrt}, (np.abs(apart) < 75).astype(int) + (np.abs(apart) < 9)),
    ):
        table = search(true, **circles).sources
        found = dict(zip(table["id"], table["class"], strict=True))
        assert [found[i] for i in true.sources["id"][true.new]] == list(expected.astype(int))
    assert list(table["class"]) == sorted(table["class"], reverse=True)
    assert table["class"][0] == 2 and table["color"][0] == "green"
    assert table["bat_distance"].unit == u.arcmin and table["xrt_distance"].unit == u.arcsec


def test_without_circles_all_is_class_0(field: Make) -> None:
    table = search(field(seed=3)).sources
    assert (table["class"] == 0).all() and "bat_significance" not in table.colnames


def test_a_host_is_noted(field: Make) -> None:
    true = field(seed=3)
    galaxy = true.reference[:1].copy()
    galaxy["ra"], galaxy["dec"] = true.sources["ra"][true.new[:1]], true.sources["dec"][true.new[:1]] + 4 * u.arcsec
    galaxy["source_id"], galaxy["extended"] = ["NGC 1"], [True]
    table = FindNew()(true.image, true.sources, vstack([true.reference, galaxy])).sources
    row = table[table["id"] == true.sources["id"][true.new[0]]][0]
    assert row["host"] == "NGC 1" and row["host_distance"].value == pytest.approx(4, abs=0.6)


def test_an_empty_result_is_a_table(field: Make) -> None:
    true = field(seed=3, new=0)
    result = search(true, bat="150 75 3")
    assert len(result.sources) == 0 and "class" in result.sources.colnames
    assert [name for name, _ in FindNew().figures(result, **true.inputs)] == ["new_sources"]


def test_a_catalogue_that_does_not_fit_is_refused(field: Make) -> None:
    true = field(seed=3)
    wrong = true.reference.copy()
    wrong["dec"] += 30 * u.arcsec
    with pytest.raises(DataError, match=r"the catalogue has \d+ of the \d+ clean sources"):
        FindNew()(true.image, true.sources, wrong)
    with pytest.raises(DataError, match="the catalogue is empty"):
        FindNew()(true.image, true.sources, true.reference[:0])
    with pytest.raises(DataError, match="no positions on the sky"):
        FindNew()(true.image, QTable(true.sources, copy=True)["id", "x", "y"], true.reference)


def test_numbers_and_figures(field: Make) -> None:
    true = field(seed=3)
    step = FindNew(bat="150 75 1.5", xrt="10:00:00 +75:00:20 5")
    result = step(**true.inputs)
    numbers = step.quality(result, **true.inputs)
    assert numbers["new_sources"] == len(result.sources) and numbers["new_rejected"] == len(result.rejected)
    assert [name for name, _ in step.figures(result, **true.inputs)] == ["new_sources", "new_sources_close"]
    assert [circle[3] for circle in result.sources.meta["CIRCLES"]] == ["BAT", "XRT"]


class TestContract(StepContract):
    step = FindNew(bat="150.0 75.0 1.5", xrt="150 75 4", limit=25.0)

    @pytest.fixture(autouse=True)
    def _field(self, field: Make) -> None:
        self.make = field

    def inputs(self) -> dict[str, Any]:
        return dict(self.make(seed=3, count=60).inputs)
