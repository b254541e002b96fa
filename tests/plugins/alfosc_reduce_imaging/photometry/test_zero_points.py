"""Zero points: the truth comes back, and what the stars do not tell is not told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_imaging.photometry.zero_points import MeasureZeroPoint
from alfosc_reduce_imaging.sources.flags import SourceFlag

from alfosc_reduce import DataError, load, save
from alfosc_reduce.testing import StepContract

Make = Callable[..., Any]


def measured(field: Any, **parameters: Any) -> Any:
    return MeasureZeroPoint(**parameters)(field.image, field.sources, field.reference)


@pytest.mark.parametrize("dec, ra", [(0.0, 0.0), (28.0, 150.0), (75.0, 359.99)])
def test_truth_is_recovered_everywhere_on_the_sky(field: Make, dec: float, ra: float) -> None:
    true = field(seed=5, count=150, dec=dec, ra=ra)
    header = measured(true).image.meta
    at_mean = header["MAGZP"] + header["COLTERM"] * 0.8 - (true.zero_point + true.colour_term * 0.8)
    assert abs(at_mean) < 0.003
    assert abs(header["MAGZP"] - true.zero_point) < 3 * header["MAGZPERR"] < 0.015
    assert abs(header["COLTERM"] - true.colour_term) < 2 * header["COLTERR"]
    assert header["MAGSYS"] == "AB" and header["MAGBAND"] == "r" and header["COLOR"] == "g-r"
    assert header["MAGZPN"] > 100


def test_errors_are_honest(field: Make) -> None:
    pulls, slopes = [], []
    for seed in range(60):
        true = field(seed=seed, count=60, outliers=0.08)
        header = measured(true).image.meta
        pulls.append((header["MAGZP"] - true.zero_point) / header["MAGZPERR"])
        slopes.append((header["COLTERM"] - true.colour_term) / header["COLTERR"])
    for pull in (pulls, slopes):
        assert abs(np.mean(pull)) < 0.4 and 0.8 < np.std(pull) < 1.25


def test_three_bright_stars_do_not_decide_alone(field: Make) -> None:
    """Their photon noise is 0.0003 mag, but a flat is no better than 0.002."""
    pulls, rng = [], np.random.default_rng(9)
    for seed in range(40):
        true = field(seed=seed, count=20, scatter=0.0)
        bright = np.arange(20) < 3
        true.reference["mag_r_error"][bright] = true.reference["mag_g_error"][bright] = 0.0003 * u.mag
        flat = np.where(bright, rng.normal(0, 0.002, 20), 0.0)
        rate = 10 ** (-0.4 * (true.reference["mag_r"].value - true.zero_point - true.colour_term * true.true["colour"]))
        noise = np.where(bright, 0.0003, 0.03)
        flux = 200 * rate * 10 ** (-0.4 * (flat + rng.normal(0, noise)))
        true.reference["mag_g"] = true.reference["mag_r"] + true.true["colour"] * u.mag
        true.sources["flux_aper"], true.sources["flux_aper_error"] = flux * u.electron, flux * noise * u.electron
        header = measured(true).image.meta
        pulls.append(header["MAGZP"] + header.get("COLTERM", 0.06) * 0.8 - true.zero_point - 0.06 * 0.8)
        pulls[-1] /= header["MAGZPERR"]
    assert abs(np.mean(pulls)) < 0.5 and np.std(pulls) < 1.3


def test_a_rate_and_counts_give_the_same(field: Make) -> None:
    counts, rate = measured(field(seed=3)), measured(field(seed=3, unit="electron / s"))
    assert counts.image.meta["MAGZP"] == pytest.approx(rate.image.meta["MAGZP"], abs=1e-5)
    assert counts.image.meta["MAGLIM"] == pytest.approx(rate.image.meta["MAGLIM"], abs=1e-5)


def test_magnitudes_are_those_of_the_catalogue(field: Make) -> None:
    true = field(seed=8, count=120)
    table = measured(true).sources
    difference = table["mag_aper"].value - true.true["r"]
    pull = difference / np.hypot(table["mag_aper_error"].value, 0.01)
    assert abs(np.median(difference)) < 0.004
    assert 0.8 < np.std(pull) < 1.2
    assert table["colour_known"].all() and {"mag_psf", "mag_auto_error"} <= set(table.colnames)
    row = table[0]
    expected = (
        table.meta["MAGZP"] - 2.5 * np.log10(row["flux_psf"].value / 200) + table.meta["COLTERM"] * row["colour"].value
    )
    assert row["mag_psf"].value == pytest.approx(expected)


def test_columns_say_which_magnitudes_are_total(field: Make) -> None:
    true = field(seed=8)
    true.sources["mag_V"] = np.ones(80) * u.mag
    true.sources["mag_V"].info.description = "of another program"
    table = measured(true).sources
    for name in ("mag_aper", "mag_psf"):
        assert "total light" in table[name].info.description
    assert "0.02 mag fainter" in table["mag_auto"].info.description
    assert table.meta["UCD"]["mag_psf_error"] == "stat.error;phot.mag"
    assert table["mag_V"].info.description == "of another program"


def test_circles_have_zero_points_of_their_own(field: Make) -> None:
    """Magnitudes from sums in circles are those of the total light, though a few stars have a neighbour in them."""
    true = field(seed=8, count=120)
    shares = (0.4, 0.85, 0.97)
    true.sources.meta["APERTURES"] = [2.0, 5.0, 9.0]
    crowded = np.where(np.arange(120) % 10 == 0, 1.5, 1.0)
    for number, share in enumerate(shares, 1):
        true.sources[f"flux_aper_{number}"] = share * crowded * true.sources["flux_aper"]
    result = measured(true)
    for number, share in enumerate(shares, 1):
        value = result.image.meta[f"MAGZPA{number}"]
        assert value - result.image.meta["MAGZP"] == pytest.approx(2.5 * np.log10(share), abs=0.003)
        assert result.sources.meta[f"MAGZPA{number}"] == value
    assert result.image.meta.comments["MAGZPA2"] == "[mag] MAGZP for flux_aper_2: 5.00 pix"
    again = MeasureZeroPoint(zero_point=25.0)(result.image, true.sources, None).image.meta
    assert not [key for key in again if key.startswith("MAGZPA")]


@pytest.mark.parametrize("spread", [0.0, 0.002, 0.1])
def test_a_colour_term_that_nothing_constrains_is_refused(field: Make, spread: float, caplog: Any) -> None:
    true = field(seed=4, colours=(0.6, 0.6 + spread))
    with caplog.at_level(logging.INFO):
        header = measured(true).image.meta
    assert "COLTERM" not in header
    assert "colours of 80 stars span only" in caplog.text
    assert header["MAGZP"] == pytest.approx(true.zero_point + true.colour_term * (0.6 + spread / 2), abs=0.008)


def test_an_unknown_colour_is_that_of_the_typical_star(field: Make) -> None:
    true = field(seed=9)
    table = measured(true).sources
    true.sources["ra"][:3] += 5e-3 * true.sources["ra"].unit
    moved = measured(true).sources
    assert not moved["colour_known"][:3].any()
    assert moved["colour"][0].value == pytest.approx(np.median(true.true["colour"]), abs=0.1)
    assert moved["mag_psf"][1].value == pytest.approx(table["mag_psf"][1].value, abs=0.06)


def test_bad_stars_do_not_count(field: Make) -> None:
    clean = field(seed=6, count=60)
    spoilt = field(seed=6, count=60)
    half = slice(0, 20)
    spoilt.sources["flux_aper"][half] *= 1.4
    spoilt.sources["source_flags"][0:5] = 2
    spoilt.sources["source_flags"][5:10] = 4
    spoilt.sources["class_star"][10:15] = 0.01
    spoilt.reference["variable"] = np.arange(60) // 5 == 3
    a, b = measured(clean).image.meta, measured(spoilt).image.meta
    assert b["MAGZPN"] <= 40 < a["MAGZPN"]
    assert b["MAGZP"] == pytest.approx(a["MAGZP"], abs=0.006)


def test_the_shallow_rim_of_an_image_does_not_count(field: Make) -> None:
    """There fewer exposures went in: their stars have another zero point."""
    whole = field(seed=9)
    rim = field(seed=9)
    rim.sources["source_flags"][:30] = int(SourceFlag.SHALLOW)
    for name in ("aper", "psf", "auto"):
        rim.sources[f"flux_{name}"][:30] *= 1.1
    found, best = (MeasureZeroPoint()(**one.inputs).image.meta for one in (rim, whole))
    assert found["MAGZPN"] <= best["MAGZPN"] - 25
    assert found["MAGZP"] == pytest.approx(rim.zero_point, abs=4 * found["MAGZPERR"])


def test_a_neighbour_in_the_catalogue_spoils_a_star(field: Make) -> None:
    from astropy.table import vstack

    true = field(seed=6, count=60)
    near = true.reference[:10].copy()
    near["ra"] += 1.2 / 3600 * near["ra"].unit
    near["mag_r"] += 0.5 * near["mag_r"].unit
    true.sources["flux_aper"][:10] *= 1.6
    both = vstack([true.reference, near], metadata_conflicts="silent")
    header = MeasureZeroPoint()(true.image, true.sources, both).image.meta
    assert header["MAGZPN"] <= 50
    assert header["MAGZP"] == pytest.approx(true.zero_point, abs=0.012)


def test_vega_and_ab_differ_by_the_constant(field: Make) -> None:
    true = field(seed=2)
    native, vega = measured(true).image.meta, measured(true, magnitudes="Vega").image.meta
    assert vega["MAGSYS"] == "Vega"
    assert native["MAGZP"] - vega["MAGZP"] == pytest.approx(0.16, abs=1e-6)


def test_the_header_says_where_magnitudes_come_from(field: Make, tmp_path: Path) -> None:
    true = field(seed=2)
    true.reference.meta["CATALOG"] = "panstarrs"
    image = measured(true, band="R", magnitudes="AB").image
    header = load(save(image, tmp_path / "image.fits")).meta
    assert header["ZPCAT"] == "R from r and g-r of panstarrs (tonry2012), +0.21 to AB"
    assert header["MAGZPERR"] == image.meta["MAGZPERR"] and header["COLOR"] == "V-R"


def test_by_hand(field: Make) -> None:
    true = field(seed=2)
    result = MeasureZeroPoint(zero_point=25.0)(true.image, true.sources)
    assert result.image.meta["MAGZP"] == 25.0 and result.image.meta["MAGZPN"] == 0
    assert result.image.meta["MAGSYS"] == "AB"
    expected = 25.0 - 2.5 * np.log10(true.sources["flux_aper"].value / 200)
    assert np.allclose(result.sources["mag_aper"].value, expected)
    assert "COLTERM" not in result.image.meta
    assert not list(MeasureZeroPoint(zero_point=25.0).figures(result, **true.inputs))


def test_a_measured_zero_point_replaces_an_older_one(field: Make) -> None:
    true = field(seed=2)
    first = measured(true)
    again = MeasureZeroPoint(zero_point=24.0)(first.image, first.sources)
    assert "MAGZPERR" not in again.image.meta and "COLTERM" not in again.image.meta


def test_negative_fluxes_have_no_magnitude(field: Make) -> None:
    true = field(seed=2)
    true.sources["flux_psf"][3] *= -1
    table = measured(true).sources
    assert np.isnan(table["mag_psf"][3].value) and np.isnan(table["mag_psf_error"][3].value)
    assert np.isfinite(table["mag_aper"][3].value)


def test_what_is_missing_is_said(field: Make) -> None:
    true = field(seed=2)
    with pytest.raises(DataError, match=r"no catalogue of this field.*set params.zero_point"):
        MeasureZeroPoint()(true.image, true.sources)
    with pytest.raises(DataError, match=r"sdss has g, r magnitudes, which do not give I"):
        measured(true, band="I")
    with pytest.raises(DataError, match=r"the band 'H' is not known.*set params.band"):
        measured(true, band="H")
    del true.image.meta["BAND"]
    with pytest.raises(DataError, match="the header has no BAND"):
        measured(true)
    with pytest.raises(DataError, match=r"2 good stars, it takes 3 \(2 matched"):
        MeasureZeroPoint(band="r")(true.image, true.sources[:2], true.reference)
    del true.image.meta["EXPTIME"]
    with pytest.raises(DataError, match="EXPTIME in the header is missing"):
        measured(true, band="r")
    true.sources.remove_columns(["ra", "dec"])
    with pytest.raises(DataError):
        measured(true, band="r")


def test_numbers_and_figures(field: Make) -> None:
    true = field(seed=2)
    step = MeasureZeroPoint()
    result = step(true.image, true.sources, true.reference)
    numbers = step.quality(result, **true.inputs)
    assert numbers["zero_point_scatter"] == pytest.approx(0.01, abs=0.005)
    assert numbers["zero_point_pull"] == pytest.approx(1.0, abs=0.2)
    assert numbers["psf_less_aperture"] == pytest.approx(0.0, abs=1e-6)
    assert [name for name, _ in step.figures(result, **true.inputs)] == ["zero_point", "zero_point_field"]


class TestContract(StepContract):
    step = MeasureZeroPoint()

    @pytest.fixture(autouse=True)
    def _field(self, field: Make) -> None:
        self.make = field

    def inputs(self) -> dict[str, Any]:
        return dict(self.make(seed=2).inputs)


def test_skymapper_does_not_give_bessel_bands(field: Make) -> None:
    true = field(seed=8)
    true.reference.meta["CATALOG"] = "skymapper"
    with pytest.raises(DataError, match=r"no published transformation leads from SkyMapper .* fetch gaia"):
        measured(true, band="V")
    assert measured(true).image.meta["MAGZP"] == pytest.approx(true.zero_point, abs=0.02)
