"""The judge knows right tables of sources from wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_simulate import Readout
from alfosc_reduce_simulate.imaging import (
    Field,
    ImageSeries,
    ImagingDemo,
    ImagingNight,
    Injected,
    simulate_imaging_night,
)
from alfosc_reduce_simulate.imaging.comparison import isolated, judge_magnitudes, judge_places, match
from alfosc_reduce_simulate.imaging.demo import CATALOGUE, NEW, demo_imaging_night, settings_of_demo, with_parameter
from alfosc_reduce_simulate.imaging.judgement import fields_of, judge_night, judge_tables, true_sources
from alfosc_reduce_simulate.imaging.sphere import moved, separation
from astropy import units as u
from astropy.table import QTable

from alfosc_reduce import DataError, save

TARGET, BAND = "Field 1", "r"


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    rock = Injected(50.0, 80.0, 18.0, kind="moving", rate=(60.0, 0.0))
    field = Field(0.02, 75.0, stars=600, galaxies=60, injected=(*NEW, rock), seed=3)
    night = ImagingNight(
        (ImageSeries(TARGET, field, BAND, oddities=((0, "blank"),)),), readout=Readout(binning=(4, 4)), n_bias=1,
        n_flat=1, start="2025-09-22T23:30:00",
    )  # fmt: skip
    return simulate_imaging_night(night, tmp_path_factory.mktemp("night"))


def measured(truth, *, shift=(0.0, 0.0), offset=0.0, stretch=0.0, noise=1.0, seed=1) -> QTable:
    """Return a table as a perfect reduction would give it, with known faults."""
    rng = np.random.default_rng(seed)
    true = true_sources(truth, TARGET, BAND)
    true = true[(true["magnitude"].value < 23)]
    x, y = true["x"].value, true["y"].value
    true = true[(x > 20) & (x < 510) & (y > 10) & (y < 500)]
    table = QTable()
    east, north = shift[0] + stretch * (true["x"].value - 260), np.full(len(true), shift[1])
    ra, dec = moved(true["ra"].value, true["dec"].value, east, north)
    table["x"], table["y"], table["ra"], table["dec"] = true["x"], true["y"], ra * u.deg, dec * u.deg
    flux = 10 ** (-0.4 * (true["magnitude"].value - 25))
    error = np.sqrt(flux / 100 + 0.5)
    table["flux_aper"], table["flux_aper_error"] = flux * u.electron, error * u.electron
    drawn = 1.0857 * error / flux
    for name in ("mag_aper", "mag_auto"):
        table[name] = (true["magnitude"].value + offset + noise * drawn * rng.standard_normal(len(true))) * u.mag
        table[f"{name}_error"] = drawn * u.mag
    table["flags"] = np.zeros(len(true), np.int16)
    table.meta.update(OBJECT=TARGET, BAND=BAND)
    table["kind"] = true["kind"]
    return table


def new_of(table) -> QTable:
    return table[np.isin(table["kind"], ["transient", "moving"])]


def test_a_right_table_is_right(truth):
    table = measured(truth)
    verdict = judge_tables(truth, TARGET, BAND, table, new_of(table))
    assert verdict.matched == verdict.sources == len(table)
    assert verdict.sky.rms < 1e-6 and verdict.sky.worst < 1e-6 and verdict.sky.number > 40
    for one in verdict.magnitudes:
        assert abs(one.zero_point) < 4 * one.error < 0.01
        assert abs(one.bias) < 5 * one.bias_error
        assert one.pull == pytest.approx(1, abs=0.15)
    assert (verdict.new.found, verdict.new.false) == (verdict.new.injected, 0)
    assert verdict.new.injected == 5
    assert "5 of 5 found, 0 false" in "\n".join(verdict.sentences())


def test_faults_are_seen_through(truth):
    verdict = judge_tables(truth, TARGET, BAND, measured(truth, shift=(0.1, -0.2), offset=0.05, noise=2.0))
    assert verdict.sky.rms == pytest.approx(np.hypot(0.1, 0.2), rel=0.01)
    assert verdict.magnitudes[0].zero_point == pytest.approx(0.05, abs=0.005)
    assert verdict.magnitudes[0].pull == pytest.approx(2, abs=0.3)
    assert verdict.new is None


def test_a_wrong_scale_shows_at_the_border(truth):
    sky = judge_tables(truth, TARGET, BAND, measured(truth, stretch=1e-3)).sky
    assert sky.worst == pytest.approx(0.24, abs=0.03)
    assert 0.4 * sky.worst < sky.rms < 0.8 * sky.worst


def test_missed_and_false_new_sources_are_counted(truth):
    table = measured(truth)
    new = new_of(table)
    kept = new[1:]
    wrong = kept[:1].copy()
    wrong["dec"] += 30 * u.arcsec
    from astropy.table import vstack

    verdict = judge_tables(truth, TARGET, BAND, table, vstack([kept, wrong])).new
    assert verdict.found == verdict.injected - 1
    assert verdict.false == 1
    assert len(verdict.missed) == 1


def test_wrong_classes_are_counted(truth):
    new = new_of(measured(truth))
    bat, xrt = (moved(0.02, 75.0, *place) for place in ((0.0, 0.0), (4.0, -11.0)))
    new.meta["CIRCLES"] = [[float(bat[0]), float(bat[1]), 60.0, "BAT"], [float(xrt[0]), float(xrt[1]), 4.0, "XRT"]]
    expected = [1, 0, 0, 0, 2]
    new["class"] = [*expected, 0]
    for wrong, classes in ((0, [*expected, 0]), (1, [0, *expected[1:], 0]), (2, [1, 1, 0, 0, 1, 0])):
        new["class"] = classes
        assert judge_tables(truth, TARGET, BAND, measured(truth), new).new.misjudged == wrong
    new.meta["CIRCLES"] = new.meta["CIRCLES"][1:]
    new["class"] = [0, 0, 0, 0, 2, 0]
    assert judge_tables(truth, TARGET, BAND, measured(truth), new).new.misjudged == 0


def test_faint_transients_need_not_be_found(truth):
    table = measured(truth)
    for name in ("mag_aper_error", "mag_auto_error"):
        table[name] *= 5
    assert 0 < judge_tables(truth, TARGET, BAND, table, new_of(table)).new.injected < 5


def test_what_is_fainter_than_the_search_need_not_be_found(truth):
    new = new_of(measured(truth))
    new.meta["LIMIT"] = 20.8
    assert judge_tables(truth, TARGET, BAND, measured(truth), new).new.injected == 3


def test_matches_are_mutual():
    rows = match([10.0, 10.0001, 50.0], [0.0, 0.0, 0.0], [10.00002, 50.1], [0.0, 0.0])
    assert [list(part) for part in rows] == [[0], [0]]
    assert [len(part) for part in match([], [], [1.0], [2.0])] == [0, 0]


def test_stars_with_neighbours_are_not_isolated():
    table = QTable({"ra": [1.0, 1.001, 1.1, 1.1, 1.2], "dec": [0.0, 0.0, 0.0, 0.001, 0.0]})
    table["magnitude"], table["kind"] = [18.0, 19.0, 18.0, 25.0, 18.0], ["star", "star", "star", "star", "galaxy"]
    assert list(isolated(table)) == [False, False, True, False, False]


def test_too_few_stars_give_no_number():
    assert np.isnan(judge_magnitudes("mag", [1.0, 2.0], [0.001, 0.001], [1.0, 2.0]).zero_point)
    assert np.isnan(judge_places([1.0], [1.0], [1.0], [1.0], [1.0], [1.0]).rms)


def test_published_products_are_found_and_judged(truth, tmp_path):
    place = tmp_path / "reduced" / "Field_1"
    (place / "r_SDSS").mkdir(parents=True)
    table = measured(truth)
    table.remove_column("kind")
    save(table, place / "Field_1_r_SDSS_sources.fits")
    new = measured(truth)
    new_of(new)["ra", "dec"].write(place / "Field_1_r_SDSS_new.ecsv", format="ascii.ecsv")
    frames = truth.frames[truth.frames["kind"] == "image"]
    frames = QTable({"file": frames["file"], "use": [False, True, True, True], "seeing": frames["seeing_field"] * 1.02})
    frames.write(place / "r_SDSS" / "filelist.ecsv", format="ascii.ecsv")
    (verdict,) = judge_night(truth, tmp_path / "reduced")
    assert verdict.new.found == 5
    assert verdict.seeing == pytest.approx(0.02)
    assert fields_of(truth) == [(TARGET, BAND)]


def test_missing_products_are_told(truth, tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        judge_night(truth, tmp_path / "reduced")
    (tmp_path / "reduced").mkdir()
    with pytest.raises(DataError, match="no table of the sources of Field 1 in r"):
        judge_night(truth, tmp_path / "reduced")


def test_the_demo_writes_into_the_recipe_what_it_needs(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'extends = "alfosc:phot"\n\n[steps.catalog]\n# enabled = true\n# params.catalogs = ["gaia"]\n\n'
        "[steps.photometric_catalog]\n# enabled = true\n\n[steps.new]\n# params.bat is not set\n"
    )
    said = ImagingDemo().adapt(tmp_path)
    assert len(said) == 1 + len(settings_of_demo())
    import tomllib

    written = tomllib.loads(recipe.read_text())["steps"]
    assert written["catalog"]["params"]["catalogs"] == [f"file:{CATALOGUE}"]
    assert written["photometric_catalog"]["params"]["catalogs"] == [f"file:{CATALOGUE}"]
    ra, dec, radius = map(float, written["new"]["params"]["bat"].split())
    assert radius == 1.0 and separation(ra, dec, 160.0, 28.0) < 1
    with pytest.raises(DataError, match=r"no table \[steps.sky\]"):
        with_parameter("[steps.new]\n", "sky", "degree", "3")


def test_the_demo_has_transients_in_and_out_of_the_circles():
    series = demo_imaging_night().series[0]
    assert (series.count, series.seconds) == (4, 120.0)
    kinds = [one.kind for one in series.field.injected]
    assert kinds.count("transient") == 5 and {"variable", "moving"} <= set(kinds)


def test_noise_is_judged_without_bias_whatever_noise_does_to_the_choice_of_stars():
    """Stars chosen by what was measured would seem too bright by 0.001 mag at a signal to noise of 50."""
    rng = np.random.default_rng(3)
    true = np.log10(rng.uniform(10**2.25, 10**3.3, 400_000)) / 0.15
    flux, error = 10 ** (-0.4 * (true - 22)), 10 ** (-0.4 * (20.5 - 22)) / 15
    seen = flux + error * rng.normal(size=true.size)
    good = seen > 3 * error
    verdict = judge_magnitudes("mag", 22 - 2.5 * np.log10(seen[good]), 1.0857 * error / seen[good], true[good])
    assert verdict.faint > 10_000
    assert abs(verdict.bias) < 3 * verdict.bias_error < 0.0006
    assert verdict.pull == pytest.approx(1, abs=0.01) and verdict.pull_error < 0.003


def test_the_pull_of_few_stars_is_uncertain():
    rng = np.random.default_rng(4)
    true = np.append(np.full(50, 15.0), np.full(101, 20.0))
    error = np.append(np.full(50, 0.003), np.full(101, 0.05))
    verdict = judge_magnitudes("mag", true + error * rng.normal(size=151), error, true)
    assert verdict.weak == 101 and verdict.pull_error == pytest.approx(0.07, abs=0.015)
