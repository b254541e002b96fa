"""Flux calibration: known electrons become known flux, with every error and flag."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.flux.flux import CalibrateFlux, CalibrateFlux2D
from alfosc_reduce_longslit.products import Response
from alfosc_reduce_longslit.response.atmosphere import airmass_of
from alfosc_reduce_longslit.response.points import FLUX_DENSITY
from astropy.io.fits import Header
from astropy.table import QTable
from specutils import Spectrum, SpectrumList
from stand_ins import StandIn

from alfosc_reduce import DataError, Flag, load, save
from alfosc_reduce.images import flags_of, make_image, variance_of
from alfosc_reduce.spectra import columns_of, header_of, make_spectrum, spectrum_flags, spectrum_variance

WAVELENGTH = 3300 + 6.0 * np.arange(1000) + 2e-4 * np.arange(1000) ** 2
HOUSE = StandIn()


def sensitivity(wavelength: np.ndarray) -> np.ndarray:
    return 3e14 * np.exp(-0.5 * ((wavelength - 5600) / 1800) ** 2)


def true_flux(wavelength: np.ndarray) -> np.ndarray:
    return 3e-17 * (wavelength / 5000) ** -1.2


def response(error: float = 0.01) -> Response:
    wave = np.linspace(3500, 8800, 1061)
    points = QTable({"wavelength": [4000.0]})
    frames = QTable({"frame": ["a"], "star": ["HD84937"], "used": [True], "scale": [1.0]})
    return Response(wave, sensitivity(wave), np.full(len(wave), error), (3500.0, 8800.0), points, frames)


def electrons(seed: int | None = None, airmass: float = 1.3, exposure: float = 1000.0) -> Spectrum:
    width = np.gradient(WAVELENGTH)
    through = 10 ** (-0.4 * airmass * HOUSE.curve(WAVELENGTH))
    counts = true_flux(WAVELENGTH) * sensitivity(WAVELENGTH) * through * exposure * width
    variance = counts + 100
    data = counts if seed is None else counts + np.random.default_rng(seed).normal(0, np.sqrt(variance))
    columns = {
        "SKY": np.full(len(data), 500.0) * u.electron,
        "FLUX_BOX": data * u.electron,
        "ERR_BOX": np.sqrt(2 * variance) * u.electron,
        "RESOLUTION": np.full(len(data), 16.0) * u.AA,
    }
    header = Header({"OBJECT": "QSO", "EXPTIME": exposure, "AIRMASS": airmass, "FILENAME": "q.fits"})
    flags = np.zeros(len(data), np.int16)
    flags[500] = Flag.COSMIC_RAY
    return make_spectrum(
        WAVELENGTH * u.AA, data * u.electron, variance=variance, header=header, columns=columns, flags=flags
    )


def calibrated_range() -> np.ndarray:
    return (WAVELENGTH > 3500) & (WAVELENGTH < 8800)


def test_the_flux_comes_back() -> None:
    result = CalibrateFlux()(SpectrumList([electrons()]), HOUSE, response())[0]
    inside = calibrated_range()
    np.testing.assert_allclose(result.flux.value[inside], true_flux(WAVELENGTH)[inside], rtol=2e-4)
    assert result.flux.unit == FLUX_DENSITY
    np.testing.assert_array_equal(result.spectral_axis.value, WAVELENGTH)


def test_pulls_with_an_exact_response() -> None:
    inside = calibrated_range()
    pulls = []
    for seed in range(20):
        result = CalibrateFlux()(SpectrumList([electrons(seed)]), HOUSE, response(error=0.0))[0]
        error = np.sqrt(spectrum_variance(result)[inside])
        pulls.append((result.flux.value - true_flux(WAVELENGTH))[inside] / error)
    assert np.mean(pulls) == pytest.approx(0, abs=0.03)
    assert np.std(pulls) == pytest.approx(1, abs=0.02)


def test_the_error_of_the_response_is_added() -> None:
    exact, known = (
        spectrum_variance(CalibrateFlux()(SpectrumList([electrons()]), HOUSE, response(error))[0])
        for error in (0.0, 0.05)
    )
    inside = calibrated_range()
    extra = np.sqrt(known - exact)[inside]
    np.testing.assert_allclose(extra, 0.05 * true_flux(WAVELENGTH)[inside], rtol=1e-3)


def test_outside_the_calibrated_range_there_is_no_flux() -> None:
    result = CalibrateFlux()(SpectrumList([electrons()]), HOUSE, response())[0]
    outside = ~calibrated_range()
    flags = spectrum_flags(result)
    assert (flags[outside] & Flag.OUTSIDE_CALIBRATION).all()
    assert not (flags[~outside] & Flag.OUTSIDE_CALIBRATION).any()
    assert result.mask[outside].all()
    assert (result.flux.value[outside] == 0).all()
    assert np.isfinite(result.flux.value).all()
    assert (flags[500] & Flag.COSMIC_RAY) and result.mask[500]


def test_telluric_bands_are_flagged_and_stay_usable() -> None:
    result = CalibrateFlux()(SpectrumList([electrons()]), HOUSE, response())[0]
    flags, a_band = spectrum_flags(result), np.abs(WAVELENGTH - 7640) < 20
    assert (flags[a_band] & Flag.TELLURIC).all()
    assert not result.mask[a_band].any()
    assert not (flags[np.abs(WAVELENGTH - 5500) < 500] & Flag.TELLURIC).any()


def test_all_columns_are_on_one_scale() -> None:
    before = electrons()
    result = CalibrateFlux()(SpectrumList([before]), HOUSE, response(error=0.02))[0]
    columns, inside = columns_of(result), calibrated_range()
    np.testing.assert_allclose(columns["FLUX_BOX"].value, result.flux.value)
    ratio = columns["SKY"].value[inside] / result.flux.value[inside]
    np.testing.assert_allclose(ratio, (500 / before.flux.value)[inside])
    noise = np.sqrt(2 * spectrum_variance(before)) / before.flux.value * result.flux.value
    expected = np.hypot(noise, 0.02 * result.flux.value)
    np.testing.assert_allclose(columns["ERR_BOX"].value[inside], expected[inside])
    assert columns["RESOLUTION"].unit == u.AA
    assert {columns[name].unit for name in ("SKY", "FLUX_BOX", "ERR_BOX")} == {FLUX_DENSITY}


def test_without_a_response_electrons_pass_through(caplog: pytest.LogCaptureFixture) -> None:
    before = electrons(1)
    with caplog.at_level(logging.WARNING):
        result = CalibrateFlux()(SpectrumList([before]), HOUSE)[0]
    assert "stay in electrons" in caplog.text
    assert result.flux.unit == u.electron
    np.testing.assert_array_equal(result.flux, before.flux)
    np.testing.assert_array_equal(spectrum_flags(result), spectrum_flags(before))


def test_one_spectrum_in_a_notebook() -> None:
    result = CalibrateFlux()(electrons(), HOUSE, response())  # type: ignore[arg-type]
    assert isinstance(result, Spectrum)
    assert header_of(result)["FLUXCAL"] is True
    assert header_of(result)["FCALSTAR"] == "HD84937"


def test_the_unit_survives_a_file(tmp_path: object) -> None:
    result = CalibrateFlux()(SpectrumList([electrons(3)]), HOUSE, response())
    again = load(save(result, tmp_path / "s.fits"))[0]  # type: ignore[operator]
    assert again.flux.unit == FLUX_DENSITY
    np.testing.assert_array_equal(again.flux, result[0].flux)


def test_bad_input_is_named() -> None:
    done = CalibrateFlux()(SpectrumList([electrons()]), HOUSE, response())
    with pytest.raises(DataError, match="needs electrons"):
        CalibrateFlux()(done, HOUSE, response())
    spectrum = electrons()
    spectrum.meta["header"]["EXPTIME"] = "long"
    with pytest.raises(DataError, match="EXPTIME"):
        CalibrateFlux()(SpectrumList([spectrum]), HOUSE, response())


def test_the_air_mass_is_worked_out_where_the_header_has_none() -> None:
    """On the meridian at declination = latitude - 60 deg the zenith distance is 60 deg, the air mass 2."""
    from astropy.time import Time

    time = Time("2020-03-21T00:00:00", scale="utc")
    sidereal = time.sidereal_time("mean", longitude=-17.885 * u.deg)
    header = Header({"RA": sidereal.deg, "DEC": 28.757 - 60, "DATE-AVG": time.isot})
    assert airmass_of(header, HOUSE) == pytest.approx(2.0, abs=0.03)
    with pytest.raises(DataError, match="air mass"):
        airmass_of(Header({"AIRMASS": "?"}), HOUSE)


def rectified(log: bool = False) -> tuple[object, np.ndarray]:
    n = 900
    step = 6.0
    centres = 3300 * np.exp(np.arange(n) * step / 3300 * 0.7) if log else 3300 + step * np.arange(n)
    through = 10 ** (-0.4 * 1.3 * HOUSE.curve(centres))
    density = true_flux(centres) * sensitivity(centres) * through * 1000.0
    profile = np.exp(-0.5 * ((np.arange(40) - 20) / 2) ** 2)
    header = Header({"OBJECT": "QSO", "EXPTIME": 1000.0, "AIRMASS": 1.3, "PIXSCALE": 0.2138})
    header.update({"CTYPE1": "WAVE-LOG" if log else "WAVE", "CRVAL1": 3300.0, "CDELT1": step * (0.7 if log else 1)})
    flags = np.zeros((40, n), np.int16)
    flags[3, 300] = Flag.COSMIC_RAY
    data = profile[:, None] * density
    image = make_image(data, unit="electron / Angstrom", variance=np.abs(data) + 4, header=header, flags=flags)
    return image, centres


@pytest.mark.parametrize("log", [False, True])
def test_frames_get_the_same_flux(log: bool, tmp_path: object) -> None:
    image, centres = rectified(log)
    result = CalibrateFlux2D()(image, HOUSE, response(error=0.0))  # type: ignore[arg-type]
    inside = (centres > 3500) & (centres < 8800)
    np.testing.assert_allclose(result.data[20, inside], true_flux(centres)[inside], rtol=1e-4)
    before, after = variance_of(image), variance_of(result)  # type: ignore[arg-type]
    noise, light = np.sqrt(after[20, inside]), np.asarray(result.data)[20, inside]
    relative = np.sqrt(before[20, inside]) / np.asarray(image.data)[20, inside]  # type: ignore[attr-defined]
    np.testing.assert_allclose(noise / light, relative, rtol=1e-5)
    assert (flags_of(result)[:, ~inside] & Flag.OUTSIDE_CALIBRATION).all()
    assert flags_of(result)[3, 300] & Flag.COSMIC_RAY
    again = load(save(result, tmp_path / "f.fits"))  # type: ignore[operator]
    np.testing.assert_array_equal(variance_of(again), after)
    assert again.unit == FLUX_DENSITY


def test_variances_of_faint_rows_do_not_vanish() -> None:
    image, centres = rectified()
    result = CalibrateFlux2D()(image, HOUSE, response())  # type: ignore[arg-type]
    inside = (centres > 4000) & (centres < 8000)
    assert (variance_of(result)[0, inside] > 0).all()


def test_a_frame_without_response_or_not_rectified(caplog: pytest.LogCaptureFixture) -> None:
    image, _ = rectified()
    with caplog.at_level(logging.WARNING):
        same = CalibrateFlux2D()(image, HOUSE)  # type: ignore[arg-type]
    assert same.unit == u.electron / u.AA
    assert "stays in electrons" in caplog.text
    raw = make_image(np.ones((4, 5)), unit="electron", variance=1, header=Header({"AIRMASS": 1.1, "EXPTIME": 1.0}))
    with pytest.raises(DataError, match="rectified"):
        CalibrateFlux2D()(raw, HOUSE, response())


def test_figures_and_numbers() -> None:
    step = CalibrateFlux()
    result = step(SpectrumList([electrons(5)]), HOUSE, response())
    assert [name for name, _ in step.figures(result, instrument=HOUSE)] == ["spectrum"]
    quality = step.quality(result, instrument=HOUSE)
    assert quality["calibrated"] is True
    assert quality["signal_to_noise"] == pytest.approx(
        float(np.median((result[0].flux.value / np.sqrt(spectrum_variance(result[0]) + 1e-60))[~result[0].mask])),
        rel=0.1,
    )
    assert step.quality(SpectrumList([])) == {"objects": 0}
    image, _ = rectified()
    two = CalibrateFlux2D()
    flux = two(image, HOUSE, response())  # type: ignore[arg-type]
    assert two.quality(flux)["calibrated"] is True
    assert [name for name, _ in two.figures(flux)] == ["flux_2d"]
