"""The response of simulated standards comes back within its error, and lost light is found."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.response.curve import fit_curve
from alfosc_reduce_longslit.response.points import FLUX_DENSITY, rate_in_bins, table_bins
from alfosc_reduce_longslit.response.response import MeasureResponse
from astropy.io.fits import Header
from astropy.table import QTable
from specutils import Spectrum, SpectrumList
from stand_ins import StandIn

from alfosc_reduce import DataError, Flag, load, save
from alfosc_reduce.instrument import StandardStar
from alfosc_reduce.spectra import make_spectrum

WAVELENGTH = 3300 + 6.6 * np.arange(900)
FINE = np.arange(3000, 10000, 0.5)


def star_flux(wavelength: np.ndarray) -> np.ndarray:
    """A hot star with Balmer lines."""
    flux = 2e-12 * (wavelength / 5000) ** -2.5
    for line in (6564.6, 4862.7, 4341.7, 4102.9):
        flux = flux * (1 - 0.5 * np.exp(-0.5 * ((wavelength - line) / 9) ** 2))
    return flux


def true_response(wavelength: np.ndarray) -> np.ndarray:
    x = (wavelength - 5600) / 2500
    return 3e14 * np.exp(-1.3 * x**2 - 0.3 * x**4 + 0.25 * np.sin(2.3 * x))


class House(StandIn):
    """One star, in a table of 40 Angstrom bins or sampled."""

    def __init__(self, *, sampled: bool = False, table_noise: float = 0.0) -> None:
        super().__init__()
        centre = FINE if sampled else np.arange(3320, 9600, 60.0)
        width = np.zeros(len(centre)) if sampled else np.full(len(centre), 40.0)
        flux = star_flux(centre)
        if not sampled:
            flux = np.array([star_flux(FINE[np.abs(FINE - c) <= 20]).mean() for c in centre])
        flux = flux * (1 + np.random.default_rng(5).normal(0, table_noise, len(flux)))
        self.table = QTable({"wavelength": centre * u.AA, "flux": flux * FLUX_DENSITY, "width": width * u.AA})

    def standard(self, header: Header) -> StandardStar:
        if header["OBJECT"] != "STAR":
            raise DataError(f"{header['OBJECT']} is no standard star of the tables; name it")
        return StandardStar("STAR", self.table)


def observed(
    *,
    seed: int = 0,
    airmass: float = 1.24,
    light: float = 1.0,
    tilt: float = 0.0,
    noise: bool = True,
    exposure: float = 18.0,
    name: str = "ALDc200086.fits",
    star: str = "STAR",
) -> SpectrumList:
    extinction = 10 ** (-0.4 * airmass * (0.1 + 0.3 * (4000 / WAVELENGTH) ** 4))
    caught = light * np.exp(tilt * (WAVELENGTH - 6000) / 3000)
    # The mean over each pixel, with the telluric A band.
    band = 1 - 0.5 * np.exp(-0.5 * ((WAVELENGTH - 7640) / 25) ** 2)
    sub = WAVELENGTH[:, None] + np.linspace(-3.0, 3.0, 11)
    rate = (star_flux(sub) * true_response(sub)).mean(axis=1) * extinction * caught * band
    counts = rate * exposure * 6.6
    rng = np.random.default_rng(seed)
    variance = counts + 40.0
    data = counts + (rng.normal(0, np.sqrt(variance)) if noise else 0)
    header = Header({"OBJECT": star, "EXPTIME": exposure, "AIRMASS": airmass, "FILENAME": name})
    return SpectrumList([make_spectrum(WAVELENGTH * u.AA, data * u.electron, variance=variance, header=header)])


def deviation(response: object, low: float = 3500, high: float = 9000) -> tuple[np.ndarray, np.ndarray]:
    chosen = (response.wavelength > low) & (response.wavelength < high)  # type: ignore[attr-defined]
    truth = true_response(response.wavelength[chosen])  # type: ignore[attr-defined]
    return np.log(response.response[chosen] / truth), response.error[chosen]  # type: ignore[attr-defined]


@pytest.mark.parametrize("sampled", [False, True])
def test_the_response_comes_back(sampled: bool) -> None:
    response = MeasureResponse()([observed()], House(sampled=sampled))
    difference, error = deviation(response)
    assert np.sqrt(np.mean(difference**2)) < 0.004
    assert np.abs(difference).max() < 0.02
    assert 0.0003 < np.median(error) < 0.006


def test_the_error_is_honest() -> None:
    """Over many nights with a table of 0.8 % errors, the curve misses the truth by its own error."""
    pulls = []
    for seed in range(25):
        house = House()
        rng = np.random.default_rng(1000 + seed)
        house.table["flux"] = house.table["flux"] * (1 + rng.normal(0, 0.008, len(house.table)))
        response = MeasureResponse()([observed(seed=seed)], house)
        difference, error = deviation(response, 3700, 8700)
        pulls.append((difference / error)[::40])
    spread = np.std(np.concatenate(pulls))
    assert 0.75 < spread < 1.35, "neighbouring values of a smooth curve are not independent: 25 nights of 25 values"
    assert abs(np.mean(np.concatenate(pulls))) < 0.35


def test_cross_validated_rms_is_that_of_the_table() -> None:
    step = MeasureResponse()
    response = step([observed()], House(table_noise=0.008))
    quality = step.quality(response)
    assert 0.55 < quality["rms_percent"] < 0.95  # type: ignore[operator]
    assert quality["rms_percent"] <= quality["rms_cross_validated_percent"] < 1.2  # type: ignore[operator]


def test_what_frames_share_is_told_from_what_is_their_own() -> None:
    """The table's errors show in every frame alike; dust in the way of one frame makes frames differ."""

    def dusty(seed: int, name: str) -> SpectrumList:
        clean = observed(seed=seed, name=name, noise=False)[0]
        dust = 1 + np.repeat(np.random.default_rng(seed).normal(0, 0.006, 150), 6)
        return SpectrumList(
            [
                make_spectrum(
                    WAVELENGTH * u.AA,
                    clean.flux * dust,
                    variance=clean.uncertainty.array,
                    header=clean.meta["header"],
                )
            ]
        )

    step, sizes = MeasureResponse(), []
    for noise in (0.0, 0.008):
        frames = [dusty(1, "a.fits"), dusty(2, "b.fits"), dusty(3, "c.fits")]
        sizes.append(step.quality(step(frames, House(table_noise=noise))))
    for quality in sizes:
        assert 0.35 < quality["frames_differ_percent"] < 0.65  # type: ignore[operator]
    low, high = (float(quality["rms_cross_validated_all_percent"]) for quality in sizes)  # type: ignore[arg-type]
    assert low < 0.5
    assert 0.7 < high < 1.2
    assert step.quality(step([observed()], House()))["frames_differ_percent"] is None


def test_lost_light_is_found_scaled_and_named(caplog: pytest.LogCaptureFixture) -> None:
    frames = [observed(), observed(seed=1, light=0.44, tilt=0.1, name="ALDc200087.fits")]
    with caplog.at_level(logging.WARNING):
        response = MeasureResponse()(frames, House())
    row = response.frames[1]
    assert row["scale"] == pytest.approx(0.44, rel=0.03)
    assert row["used"]
    assert "ALDc200087.fits" in caplog.text and "lost at the slit" in caplog.text
    difference, _ = deviation(response)
    assert np.sqrt(np.mean(difference**2)) < 0.004, "the frame that lost light must not pull the response down"
    assert MeasureResponse().quality(response)["lowest_scale"] == pytest.approx(0.44, rel=0.03)


def test_order_of_frames_does_not_matter() -> None:
    frames = [observed(), observed(seed=1, light=0.44, tilt=0.1, name="ALDc200087.fits")]
    one, other = MeasureResponse()(frames, House()), MeasureResponse()(frames[::-1], House())
    np.testing.assert_allclose(one.response, other.response, rtol=1e-6)


def test_frames_at_two_air_masses_agree() -> None:
    response = MeasureResponse()([observed(airmass=1.0), observed(airmass=2.0, seed=4, name="b.fits")], House())
    assert response.frames["scale"][1] == pytest.approx(1, abs=0.01)
    assert not response.frames["remark"][1]


def test_a_frame_of_another_shape_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    bad = observed(seed=2, light=0.8, name="bad.fits")[0]
    ripple = 1 + 0.3 * np.sin(WAVELENGTH / 150)
    crooked = make_spectrum(
        bad.spectral_axis.value * u.AA, bad.flux * ripple, variance=bad.uncertainty.array, header=bad.meta["header"]
    )
    with caplog.at_level(logging.WARNING):
        response = MeasureResponse()([observed(), SpectrumList([crooked])], House())
    assert list(response.frames["used"]) == [True, False]
    assert "left out" in caplog.text
    difference, _ = deviation(response)
    assert np.sqrt(np.mean(difference**2)) < 0.005


def test_nothing_outside_the_measured_range() -> None:
    response = MeasureResponse()([observed()], House())
    used = response.points[response.points["used"]]
    assert response.wavelengths == (used["wavelength"].min() - 20, used["wavelength"].max() + 20)
    assert (response.wavelength[0], response.wavelength[-1]) == pytest.approx(response.wavelengths)


def test_telluric_and_balmer_points_are_kept_out() -> None:
    points = MeasureResponse()([observed()], House()).points
    for low, high, reason in ((7590, 7700, "telluric"), (6550, 6580, "balmer")):
        near = (points["wavelength"] > low) & (points["wavelength"] < high)
        assert near.any()
        assert not points["used"][near].any()
        assert set(points["reason"][near]) == {reason}


def test_a_wrong_value_of_the_table_is_rejected() -> None:
    house = House(table_noise=0.005)
    bad = int(np.argmin(np.abs(house.table["wavelength"].value - 5420)))
    house.table["flux"][bad] *= 1.12
    response = MeasureResponse()([observed()], house)
    near = np.abs(response.points["wavelength"] - house.table["wavelength"][bad].value) < 1
    assert list(response.points["reason"][near]) == ["rejected"]
    difference, _ = deviation(response)
    assert np.abs(difference).max() < 0.02


def test_masked_pixels_do_not_matter() -> None:
    good = observed(noise=False)[0]
    flags, data = np.zeros(len(WAVELENGTH), np.int16), good.flux.value.copy()
    hit = np.arange(20, 900, 40)
    flags[hit], data[hit] = Flag.COSMIC_RAY, 1e7
    masked = make_spectrum(
        WAVELENGTH * u.AA, data * u.electron, variance=good.uncertainty.array, header=good.meta["header"], flags=flags
    )
    response = MeasureResponse()([SpectrumList([masked])], House())
    difference, _ = deviation(response)
    assert np.sqrt(np.mean(difference**2)) < 0.004


def test_rates_in_bins_count_every_electron_once() -> None:
    spectrum = observed(noise=False)[0]
    edges = np.linspace(4000, 8000, 30)
    rate, error = rate_in_bins(spectrum, edges[:-1], edges[1:])
    total = np.sum(rate * np.diff(edges)) * 18
    inside = (WAVELENGTH > 4000) & (WAVELENGTH < 8000)
    assert total == pytest.approx(spectrum.flux.value[inside].sum(), rel=2e-3)
    assert np.sqrt(np.sum((error * np.diff(edges) * 18) ** 2)) == pytest.approx(
        np.sqrt(spectrum.uncertainty.array[inside].sum()), rel=0.05
    )


def test_a_sampled_table_is_averaged_not_picked() -> None:
    low, high, flux = table_bins(House(sampled=True).table, WAVELENGTH)
    truth = [star_flux(np.arange(a, b, 0.05)).mean() for a, b in zip(low, high, strict=True)]
    np.testing.assert_allclose(flux, truth, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"star": "QUASAR"}, "no standard star"),
        ({"airmass": float("nan")}, "air mass"),
        ({"exposure": -1.0}, "EXPTIME"),
    ],
)
def test_what_cannot_be_used_is_said(change: dict[str, object], word: str) -> None:
    bad = observed(noise=False)
    header = bad[0].meta["header"]
    for key, name in (("star", "OBJECT"), ("exposure", "EXPTIME")):
        if key in change:
            header[name] = change[key]
    if "airmass" in change:
        header["AIRMASS"] = "high"
    with pytest.raises(DataError, match=word):
        MeasureResponse()([bad], House())


def test_no_frames_and_no_objects() -> None:
    with pytest.raises(DataError, match="no usable standard frame"):
        MeasureResponse()([], House())
    with pytest.raises(DataError, match="without any object"):
        MeasureResponse()([SpectrumList([])], House())


def test_the_response_survives_its_file(tmp_path: object) -> None:
    response = MeasureResponse()([observed()], House())
    again = load(save(response, tmp_path / "r.fits"))  # type: ignore[operator]
    np.testing.assert_array_equal(again.response, response.response)
    assert again.wavelengths == response.wavelengths
    assert list(again.points["reason"]) == list(response.points["reason"])
    assert [name for name, _ in MeasureResponse().figures(again)] == ["response", "telluric"]
    assert MeasureResponse().quality(again) == MeasureResponse().quality(response)


def test_the_curve_predicts_as_if_the_group_were_not_there() -> None:
    rng = np.random.default_rng(0)
    x = np.repeat(np.linspace(0, 10, 25), 2)
    y = np.sin(x / 3) + rng.normal(0, 0.01, 50)
    group = np.repeat(np.arange(25), 2)
    used, error = np.ones(50, bool), np.full(50, 0.01)
    curve = fit_curve(x, y, error, used, (0, 10), group)
    from scipy.interpolate import make_lsq_spline

    keep = group != 12
    refit = make_lsq_spline(x[keep], y[keep], curve.knots, 3)
    np.testing.assert_allclose(curve.predicted_residual[~keep], y[~keep] - refit(x[~keep]), rtol=1e-6)
    assert np.isnan(curve.predicted_residual[[0, 1, 48, 49]]).all()


def test_a_single_spectrum_type() -> None:
    assert isinstance(observed()[0], Spectrum)


def test_a_filter_edge_at_the_end_does_not_pull_the_curve_off_its_neighbours() -> None:
    x = np.linspace(3500, 8900, 90)
    y = 0.3 * np.sin(x / 1500)
    y[0] -= 1.2
    error = np.full(x.size, 0.002)
    noisy = y + np.random.default_rng(2).normal(0, error)
    curve = fit_curve(x, noisy, error, np.ones(x.size, bool), (3470, 8930))
    assert not curve.used[0] and curve.used[1:].sum() >= x.size - 3
    assert np.abs(curve(x[2:]) - y[2:]).max() < 0.01


def test_frames_moved_by_flexure_share_the_bins_of_a_sampled_table() -> None:
    table = House(sampled=True).table
    wave = np.linspace(3400, 9500, 1000)
    (low, high, _), (again, _, _) = table_bins(table, wave), table_bins(table, wave + 0.7)
    assert set(np.round(again, 6)) & set(np.round(low, 6)) >= set(np.round(low[1:-1], 6))
    assert np.ptp(high - low) < 1e-6


def test_one_exposure_calibrates_the_shape_of_another_that_lost_light() -> None:
    """What a quadratic leaves of a frame calibrated with another one is noise: the tilt of the slit loss is gone."""
    from alfosc_reduce_longslit.flux.flux import CalibrateFlux

    house, step = House(), CalibrateFlux(telluric=False)
    response = MeasureResponse()([observed()], house)
    lost = observed(seed=1, light=0.44, tilt=0.1, name="ALDc200087.fits")
    lost[0].meta["header"]["FRAMEKND"] = "standard"
    quality = step.quality(step(lost, house, response), instrument=house)
    assert quality["standard_rms_percent"] > 3  # type: ignore[operator]
    assert quality["standard_shape_rms_percent"] < 0.7  # type: ignore[operator]
    assert quality["standard_grey_factor"] == pytest.approx(0.44, rel=0.05)
