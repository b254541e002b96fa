"""Rectified exposures on top of each other: moved along the slit, scaled, cleaned, with right errors."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_longslit.combination.combination_2d import Combine2D, shift_between
from astropy.io.fits import Header
from astropy.nddata import CCDData

from alfosc_reduce import DataError, Flag
from alfosc_reduce.images import flags_of, make_image, variance_of

NY, NX = 120, 200


def frame(
    seed: int, *, row: float = 60.0, light: float = 1.0, first: float = 4000.0, unit: str = "electron / Angstrom"
) -> CCDData:
    rng = np.random.default_rng(seed)
    profile = 60 * light * np.exp(-0.5 * ((np.arange(NY) - row) / 1.8) ** 2)
    truth = profile[:, None] * np.ones(NX)
    noise = np.sqrt(25 + truth)
    header = Header({"OBJECT": "QSO", "FILENAME": f"r{seed}.fits", "EXPTIME": 100.0, "PIXSCALE": 0.2138})
    header.update({"CTYPE1": "WAVE", "CRVAL1": first, "CDELT1": 7.0, "CDELT2": 0.2138})
    return make_image(truth + rng.normal(0, noise), unit=unit, variance=noise**2, header=header)


def truth_at(row: float) -> np.ndarray:
    return 60 * np.exp(-0.5 * ((np.arange(NY) - row) / 1.8) ** 2)[:, None] * np.ones(NX)


@pytest.mark.parametrize("shift", [0, 7, -31])
def test_frames_are_moved_and_errors_are_right(shift: int) -> None:
    result = Combine2D()([frame(1), frame(2, row=60.0 + shift)])
    assert result.meta["CSHF0002"] == -shift
    good = ~np.asarray(result.mask)
    pull = ((np.asarray(result.data) - truth_at(60)) / np.sqrt(np.maximum(variance_of(result), 1e-9)))[good]
    assert pull.mean() == pytest.approx(0, abs=0.03)
    assert pull.std() == pytest.approx(1, abs=0.03)


def test_lost_light_is_scaled() -> None:
    result = Combine2D()([frame(1), frame(2, light=0.5)])
    assert result.meta["CSCL0002"] == pytest.approx(2, rel=0.03)
    assert np.asarray(result.data)[60].mean() == pytest.approx(60, rel=0.03)


def test_cosmic_rays_and_masks() -> None:
    images = [frame(i) for i in range(2)]
    hit = np.asarray(images[1].data).copy()
    hit[20:22, 50] += 5000
    flags = np.zeros((NY, NX), np.int16)
    flags[90, 100:110] = Flag.COSMIC_RAY
    hit[90, 100:110] = 1e6
    images[1] = make_image(
        hit, unit="electron / Angstrom", variance=variance_of(images[1]), header=images[1].meta, flags=flags
    )
    result = Combine2D()(images)
    assert np.abs(np.asarray(result.data)[20:22, 50]).max() < 30
    np.testing.assert_allclose(np.asarray(result.data)[90, 100:110], np.asarray(images[0].data)[90, 100:110])
    assert not result.mask.any()
    assert result.meta["NREJECT"] == 2


def test_other_wavelength_axes_are_brought_together() -> None:
    result = Combine2D()([frame(1), frame(2, first=4003.1)])
    assert result.meta["CRVAL1"] == 4000
    good = ~np.asarray(result.mask)
    pull = ((np.asarray(result.data) - truth_at(60)) / np.sqrt(np.maximum(variance_of(result), 1e-9)))[good]
    assert pull.std() == pytest.approx(1, abs=0.03)


def test_rows_of_one_exposure_only_keep_its_error() -> None:
    first = frame(1)
    result = Combine2D()([first, frame(2, row=90.0)])
    alone = slice(NY - 29, NY)
    np.testing.assert_allclose(np.asarray(result.data)[alone], np.asarray(first.data)[alone])
    np.testing.assert_allclose(variance_of(result)[alone], variance_of(first)[alone], rtol=1e-6)


def test_nothing_stands_out_nothing_moves(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = Combine2D()([frame(1, light=0.0), frame(2, light=0.0, row=20)])
    assert result.meta["CSHF0002"] == 0
    assert "nothing that stands out" in caplog.text


def test_one_frame_none_and_mixed_units(caplog: pytest.LogCaptureFixture) -> None:
    image = frame(1)
    same = Combine2D()([image])
    np.testing.assert_array_equal(same.data, image.data)
    np.testing.assert_array_equal(flags_of(same), flags_of(image))
    with pytest.raises(DataError, match="no rectified frame"):
        Combine2D()([])
    calibrated = frame(2, unit="erg / (Angstrom s cm2)")
    with caplog.at_level(logging.WARNING):
        result = Combine2D()([image, calibrated])
    assert result.unit == calibrated.unit
    assert "left out" in caplog.text


def test_the_shift_of_profiles() -> None:
    y = np.arange(200)
    first, second = (np.exp(-0.5 * ((y - centre) / 2) ** 2) for centre in (30.0, 171.0))
    assert shift_between(first, second, np.full(200, 0.01), most=190) == -141
    assert shift_between(first, np.zeros(200), np.full(200, 0.01), most=190) is None


def test_figures_and_quality() -> None:
    step, images = Combine2D(), [frame(1), frame(2, row=55.0)]
    result = step(images)
    quality = step.quality(result, images=images)
    assert quality["exposures"] == 2
    assert quality["shift_rows_2"] == 5
    drawn = dict(step.figures(result, images=images))
    assert list(drawn) == ["combined_2d"]
    assert drawn["combined_2d"].axes[0].get_title().endswith(f"{len(images)} exposures combined")


class ReadAnew(Sequence[CCDData]):
    """Frames as a run gives them: each is another object whenever it is looked at."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> CCDData:
        if index not in (0, 1):
            raise IndexError
        return frame(index)


def test_frames_that_are_read_anew_each_time(caplog: pytest.LogCaptureFixture) -> None:
    found, expected = Combine2D()(ReadAnew()), Combine2D()([frame(0), frame(1)])  # type: ignore[arg-type]
    assert caplog.messages == [] and np.array_equal(found.data, expected.data)
