"""Which pixels belong to which source, and what they add up to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.sources.isophotes import isophotes
from alfosc_reduce_imaging.sources.segmentation import segment


def hill(x: float, y: float, height: float, width: float = 3.0, shape: tuple[int, int] = (60, 80)) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return (height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * width**2))).astype(np.float32)


def quiet(image: np.ndarray) -> np.ndarray:
    return np.ones(image.shape, np.float32)


def test_separate_hills_are_separate_sources() -> None:
    image = hill(20, 30, 50) + hill(60, 20, 20)
    found = segment(image, quiet(image), 5.0, 5)
    assert found.x.tolist() == [20, 60]
    assert found.y.tolist() == [30, 20]
    assert found.significance == pytest.approx([50, 20], rel=1e-3)
    assert not found.blended.any()
    assert found.labels[30, 20] == 1
    assert found.labels[0, 0] == 0


def test_touching_hills_are_told_apart_at_the_saddle() -> None:
    image = hill(20, 30, 50) + hill(32, 30, 30)
    found = segment(image, quiet(image), 5.0, 5)
    assert len(found.x) == 2
    assert found.blended.all()
    saddle = int(np.argmin(image[30, 20:33])) + 20
    assert found.labels[30, saddle - 2] == 1
    assert found.labels[30, saddle + 2] == 2


def test_a_bump_that_noise_can_make_is_no_source() -> None:
    image = hill(20, 30, 50, 5.0) + hill(36, 30, 1.5, 1.5)
    assert len(segment(image, quiet(image), 5.0, 5).x) == 1
    # Even a larger one, where the light itself is that noisy.
    image = hill(20, 30, 50, 5.0) + hill(36, 30, 9, 1.5)
    assert len(segment(image, quiet(image), 5.0, 5).x) == 2
    assert len(segment(image, 4 * quiet(image), 5.0, 5).x) == 1


def test_faint_and_small_hills_are_left_out() -> None:
    image = hill(20, 30, 4.9) + hill(60, 30, 8.0, 0.7)
    assert len(segment(image, quiet(image), 5.0, 8).x) == 0
    assert len(segment(image, quiet(image), 4.0, 3).x) == 2


def test_nothing_is_nothing() -> None:
    image = np.zeros((30, 30), np.float32)
    found = segment(image, quiet(image), 5.0, 5)
    assert len(found.x) == 0
    assert not found.labels.any()


def test_three_in_a_row_and_a_plateau() -> None:
    image = hill(15, 30, 40) + hill(30, 30, 60) + hill(45, 30, 20)
    assert sorted(segment(image, quiet(image), 5.0, 5).x.tolist()) == [15, 30, 45]
    flat = np.zeros((30, 30), np.float32)
    flat[10:20, 10:20] = 9
    assert len(segment(flat, quiet(flat), 5.0, 5).x) == 1


def test_sums_over_the_pixels_of_sources() -> None:
    labels = np.zeros((10, 12), np.int32)
    labels[2:5, 3:8], labels[7, 9] = 1, 2
    light = np.where(labels == 1, 2.0, np.where(labels == 2, 5.0, 0.0)).astype(np.float32)
    sums = isophotes(labels, light, np.full(labels.shape, 3, np.float32), 0.5, 2)
    assert sums.area.tolist() == [15, 1]
    assert (sums.xmin[0], sums.xmax[0], sums.ymin[0], sums.ymax[0]) == (3, 7, 2, 4)
    assert sums.flux.tolist() == [30, 5]
    assert sums.variance == pytest.approx([45 + 15, 3 + 2.5])
    assert sums.peak.tolist() == [2, 5]
    assert (sums.x[0], sums.y[0]) == (5, 3)
    assert sums.xx[0] == pytest.approx(2)
    assert sums.yy[0] == pytest.approx(2 / 3)
    assert sums.xx[1] == pytest.approx(1 / 12)


def test_sources_without_light_have_the_centre_of_their_pixels() -> None:
    labels = np.zeros((10, 12), np.int32)
    labels[2:5, 3:8], labels[6:8, 9:11] = 1, 2
    light = np.where(labels == 2, 1.0, 0.0).astype(np.float32)
    sums = isophotes(labels, light, np.ones(labels.shape, np.float32), 1.0, 2)
    assert (sums.x.tolist(), sums.y.tolist()) == ([5, 9.5], [3, 6.5])
    assert sums.flux.tolist() == [0, 4]
    assert sums.xx[0] == sums.yy[0] == pytest.approx(1 / 12)
    assert len(isophotes(np.zeros_like(labels), light, light, 1.0, 0).flux) == 0


@pytest.mark.parametrize("crowding", [10, 60])
def test_detection_and_deblending_find_what_photutils_finds(sky_field: Any, crowding: int) -> None:
    from photutils.segmentation import deblend_sources, detect_sources
    from scipy.ndimage import gaussian_filter, maximum

    field = sky_field(shape=(300, 300), number=crowding, grid=False, flux=(4e3, 2e5), seed=crowding)
    smooth = gaussian_filter((field.data - field.sky) / field.noise, field.fwhm / 2.3548)
    smooth = (smooth * 2 * np.sqrt(np.pi) * field.fwhm / 2.3548).astype(np.float32)
    ours = segment(smooth, np.ones_like(smooth), 5.0, 5)
    isophotes = detect_sources(smooth, 2.0, 5)
    assert np.array_equal(ours.labels > 0, (ours.labels > 0) & (isophotes.data > 0))
    theirs = deblend_sources(smooth, isophotes, 5, contrast=0.003, progress_bar=False).data
    number = np.unique(theirs[theirs > 0])
    high = number[maximum(smooth, theirs, number) > 5]
    assert abs(len(high) - len(ours.x)) <= 0.05 * len(high)
    # Pixels at the foot of two hills may go to either; the light does not.
    same = 0
    for label in range(1, len(ours.x) + 1):
        mine = ours.labels == label
        other = theirs == theirs[ours.y[label - 1], ours.x[label - 1]]
        same += smooth[mine & other].sum() > 0.9 * max(smooth[mine].sum(), smooth[other].sum())
    assert same >= 0.9 * len(ours.x)
