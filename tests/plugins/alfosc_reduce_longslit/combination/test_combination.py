"""Combined exposures: right errors, no bias, outliers found, objects matched."""

from __future__ import annotations

import logging

import astropy.units as u
import numpy as np
import pytest
from alfosc_reduce_longslit.combination.combination import CombineSpectra
from alfosc_reduce_longslit.combination.mean import outliers, robust_scale, running_median, smooth_weights
from alfosc_reduce_longslit.combination.objects import match_objects
from alfosc_reduce_longslit.combination.quality import agreement
from astropy.io.fits import Header
from specutils import Spectrum, SpectrumList

from alfosc_reduce import DataError, Flag
from alfosc_reduce.spectra import header_of, make_spectrum, spectrum_flags, spectrum_variance

N = 800
FLUX_DENSITY = u.erg / u.s / u.cm**2 / u.AA


def truth(wavelength: np.ndarray) -> np.ndarray:
    return 100 * (1 + 0.3 * np.sin(wavelength / 400)) + 150 * np.exp(-0.5 * ((wavelength - 6000) / 30) ** 2)


def exposure(
    seed: int,
    *,
    shift: float = 0.0,
    light: float = 1.0,
    sky: float = 300.0,
    unit: u.UnitBase = u.electron,
    level: float = 1.0,
    **cards: object,
) -> Spectrum:
    """One spectrum with the noise of its own photons, as an extraction estimates it from the data."""
    rng = np.random.default_rng(seed)
    wavelength = 4000 + 7.0 * (np.arange(N) + shift)
    clean = light * level * truth(wavelength)
    true_variance = clean + sky
    data = clean + rng.normal(0, np.sqrt(true_variance))
    header = Header({"OBJECT": "QSO", "FILENAME": f"e{seed}.fits", "EXPTIME": 100.0, "OBJPOS": 20.0, **cards})
    scale = 1.0 if unit == u.electron else 1e-18
    variance = np.clip(data, 0, None) + sky
    return make_spectrum(wavelength * u.AA, data * scale * unit, variance=variance * scale**2, header=header)


def lists(*spectra: Spectrum) -> list[SpectrumList]:
    return [SpectrumList([spectrum]) for spectrum in spectra]


@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 0.37])
def test_errors_and_level_are_right(count: int, shift: float) -> None:
    pulls = []
    for night in range(12):
        members = [exposure(100 * night + i, shift=shift * i) for i in range(count)]
        result = CombineSpectra(scale=False)(lists(*members))[0]
        wavelength = result.spectral_axis.value
        good = ~result.mask
        pulls.append(((result.flux.value - truth(wavelength)) / np.sqrt(spectrum_variance(result)))[good])
    pull = np.concatenate(pulls)
    assert pull.mean() == pytest.approx(0, abs=0.06)
    assert pull.std() == pytest.approx(1, abs=0.03)


def test_faint_objects_are_not_biased_by_their_own_noise() -> None:
    """Weights from each pixel's own variance would pull the mean down; smooth weights must not."""
    ratios = []
    for night in range(40):
        members = [exposure(1000 + 10 * night + i, sky=3.0, level=0.15) for i in range(3)]
        result = CombineSpectra(scale=False)(lists(*members))[0]
        ratios.append(result.flux.value.sum() / (0.15 * truth(result.spectral_axis.value)).sum())
    assert np.mean(ratios) == pytest.approx(1, abs=4 * np.std(ratios) / np.sqrt(40) + 1e-9)
    assert np.mean(ratios) == pytest.approx(1, abs=0.003)


def test_lost_light_is_scaled() -> None:
    result = CombineSpectra()(lists(exposure(1), exposure(2, light=0.6), exposure(3, light=0.9)))[0]
    header = header_of(result)
    assert header["NCOMBINE"] == 3
    assert header["CSCL0002"] == pytest.approx(1 / 0.6, rel=0.02)
    assert header["CSCL0001"] == 1
    pull = (result.flux.value - truth(result.spectral_axis.value)) / np.sqrt(spectrum_variance(result))
    assert pull.std() == pytest.approx(1, abs=0.1)


def test_the_scale_is_not_biased_by_noise() -> None:
    scales, errors = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        a, b = 5 + rng.normal(0, 3, 400), 2.5 + rng.normal(0, 3, 400)
        scale, error = robust_scale(b, a, np.full(400, 9.0), np.full(400, 9.0), np.ones(400, bool))
        scales.append(1 / scale)
        errors.append(error / scale**2)
    assert np.mean(scales) == pytest.approx(0.5, abs=0.01)
    assert np.std(scales) == pytest.approx(np.mean(errors), rel=0.15)


def test_exposures_in_electrons_of_other_lengths_are_brought_to_one() -> None:
    short = exposure(4, light=0.5, EXPTIME=50.0)
    result = CombineSpectra(scale=False)(lists(exposure(3), short))[0]
    assert header_of(result)["CSCL0002"] == 2
    pull = (result.flux.value - truth(result.spectral_axis.value)) / np.sqrt(spectrum_variance(result))
    assert abs(pull.mean()) < 0.15


@pytest.mark.parametrize("count", [2, 3, 4])
def test_cosmic_rays_that_slipped_through_are_rejected(count: int) -> None:
    members = [exposure(50 + i) for i in range(count)]
    data = members[1].flux.value.copy()
    hits = np.arange(30, 780, 50)
    data[hits] += 2000
    members[1] = make_spectrum(
        members[1].spectral_axis.value * u.AA,
        data * u.electron,
        variance=spectrum_variance(members[1]) + np.where(np.isin(np.arange(N), hits), 2000, 0),
        header=members[1].meta["header"],
    )
    result = CombineSpectra()(lists(*members))[0]
    assert header_of(result)["NREJECT"] == len(hits)
    pull = (result.flux.value - truth(result.spectral_axis.value)) / np.sqrt(spectrum_variance(result))
    assert np.abs(pull[hits]).max() < 4.5
    assert not result.mask.any()


def test_clean_exposures_lose_nothing() -> None:
    rejected = [header_of(CombineSpectra()(lists(exposure(i), exposure(i + 500)))[0])["NREJECT"] for i in range(20)]
    assert sum(rejected) <= 1


def test_masked_pixels_come_from_the_other_exposure() -> None:
    flags = np.zeros(N, np.int16)
    flags[100:110] = Flag.COSMIC_RAY
    flags[300] = Flag.NONLINEAR
    bad = exposure(7)
    values = bad.flux.value.copy()
    values[100:110] = 1e6
    masked = make_spectrum(
        bad.spectral_axis.value * u.AA, values * u.electron, variance=spectrum_variance(bad), header=bad.meta["header"],
        flags=flags,
    )  # fmt: skip
    other = exposure(8)
    result = CombineSpectra(scale=False)(lists(masked, other))[0]
    np.testing.assert_allclose(result.flux.value[100:110], other.flux.value[100:110])
    np.testing.assert_allclose(spectrum_variance(result)[100:110], spectrum_variance(other)[100:110])
    assert not result.mask[100:110].any()
    assert spectrum_flags(result)[300] == Flag.NONLINEAR
    both = CombineSpectra()(lists(masked, masked))[0]
    assert both.mask[100:110].all()
    assert (spectrum_flags(both)[100:110] & Flag.COSMIC_RAY).all()


def test_objects_are_matched_along_the_slit() -> None:
    """The target moved by 40 arcsec; its neighbour with it; a third is seen once."""
    first = SpectrumList([exposure(1, OBJPOS=20.0), exposure(2, OBJPOS=32.1, level=0.3)])
    second = SpectrumList(
        [exposure(3, OBJPOS=60.0), exposure(4, OBJPOS=10.0, level=0.3), exposure(5, OBJPOS=72.4, level=0.2)]
    )
    groups = match_objects([first, second])
    assert [[header_of(s)["FILENAME"] for s in group] for group in groups] == [
        ["e1.fits", "e3.fits"],
        ["e2.fits", "e5.fits"],
        ["e4.fits"],
    ]
    result = CombineSpectra()([first, second])
    assert [header_of(s)["NCOMBINE"] for s in result] == [2, 2, 1]


def test_mixed_units_are_not_mixed(caplog: pytest.LogCaptureFixture) -> None:
    members = [exposure(1, unit=FLUX_DENSITY), exposure(2), exposure(3, unit=FLUX_DENSITY)]
    with caplog.at_level(logging.WARNING):
        result = CombineSpectra()(lists(*members))[0]
    assert result.flux.unit == FLUX_DENSITY
    assert header_of(result)["NCOMBINE"] == 2
    assert "e2.fits is left out" in caplog.text


def test_one_exposure_passes_through() -> None:
    member = exposure(1)
    result = CombineSpectra()(lists(member))[0]
    np.testing.assert_array_equal(result.flux, member.flux)
    np.testing.assert_array_equal(spectrum_variance(result), spectrum_variance(member))


def test_exposures_without_objects() -> None:
    result = CombineSpectra()([SpectrumList([]), *lists(exposure(1))])
    assert len(result) == 1
    with pytest.raises(DataError, match="none of the exposures has an object"):
        CombineSpectra()([SpectrumList([])])


def test_agreement_of_good_and_of_underestimated_errors() -> None:
    numbers = agreement([exposure(11), exposure(12, shift=0.4)])
    assert numbers["difference_over_error"] == pytest.approx(1, abs=0.1)
    assert numbers["chi_squared"] == pytest.approx(1, abs=0.12)
    wrong = [exposure(11), exposure(12)]
    small = [
        make_spectrum(s.spectral_axis.value * u.AA, s.flux, variance=spectrum_variance(s) / 4, header=s.meta["header"])
        for s in wrong
    ]
    assert float(agreement(small)["difference_over_error"]) > 1.8  # type: ignore[arg-type]


def test_empirical_signal_to_noise() -> None:
    numbers = agreement([exposure(21), exposure(22)])
    wavelength = exposure(21).spectral_axis.value
    expected = np.median(truth(wavelength)) / np.median(np.sqrt(truth(wavelength) + 300))
    assert numbers["empirical_signal_to_noise"] == pytest.approx(expected, rel=0.1)


def test_further_columns_are_combined() -> None:
    members = [exposure(1), exposure(2)]
    with_sky = [
        make_spectrum(
            s.spectral_axis.value * u.AA, s.flux, variance=spectrum_variance(s), header=s.meta["header"],
            columns={"SKY": np.full(N, 100.0 * i) * u.electron, "ERR_BOX": np.full(N, 3.0) * u.electron},
        )
        for i, s in enumerate(members, start=1)
    ]  # fmt: skip
    columns = CombineSpectra(scale=False)(lists(*with_sky))[0].meta["columns"]
    assert np.median(columns["SKY"].value) == pytest.approx(150)
    assert np.median(columns["ERR_BOX"].value) == pytest.approx(3 / np.sqrt(2))


def test_figures_and_quality() -> None:
    step, spectra = CombineSpectra(), lists(exposure(1), exposure(2, shift=0.5))
    result = step(spectra)
    drawn = dict(step.figures(result, spectra=spectra))
    assert list(drawn) == ["combined", "exposures"]
    assert drawn["combined"].axes[0].get_title() == "QSO  2 exposures combined  100 s"
    quality = step.quality(result, spectra=spectra)
    assert quality["exposures"] == 2
    assert quality["noise_correction"] == pytest.approx(header_of(result[0])["NOISECOR"], abs=1e-4)


def test_binned_errors_with_the_noise_correction() -> None:
    pulls = []
    for night in range(60):
        members = [exposure(5000 + 10 * night + i, shift=0.5 * i) for i in range(2)]
        result = CombineSpectra(scale=False)(lists(*members))[0]
        difference = (result.flux.value - truth(result.spectral_axis.value))[10:790].reshape(-1, 20)
        error = np.sqrt(spectrum_variance(result)[10:790].reshape(-1, 20).sum(axis=1))
        pulls.append(difference.sum(axis=1) / error / header_of(result)["NOISECOR"])
    assert np.std(np.concatenate(pulls)) == pytest.approx(1, abs=0.05)


def test_smooth_weights_know_nothing_of_a_pixel() -> None:
    variance = np.full((1, 300), 4.0)
    variance[0, 150] = 1e-3
    weights = smooth_weights(variance, np.ones((1, 300), bool), np.ones((1, 300)))
    np.testing.assert_allclose(weights, 0.25)


def test_running_median_over_gaps() -> None:
    values = np.r_[np.ones(50), np.full(50, 1e9), np.ones(50)]
    good = values < 10
    np.testing.assert_allclose(running_median(values, good, 21), 1)
    np.testing.assert_allclose(running_median(values, np.zeros(150, bool), 21), 1)


def test_outliers_of_one_exposure_do_not_exist() -> None:
    assert not outliers(np.full((1, 5), 1e9), np.ones((1, 5)), np.ones((1, 5), bool)).any()
