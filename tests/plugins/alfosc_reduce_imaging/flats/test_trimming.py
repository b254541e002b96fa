import numpy as np
import pytest
from alfosc_reduce_imaging.flats.trimming import TrimImage, largest_rectangle
from astropy.io.fits import Header
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alfosc_reduce import Flag
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image, variance_of


def image(shape=(210, 240), radius=None):
    y, x = np.mgrid[: shape[0], : shape[1]]
    flags = np.zeros(shape, np.int16)
    if radius:
        flags[np.hypot(y - shape[0] / 2, x - shape[1] / 2) > radius] = Flag.OUTSIDE_FIELD
    header = Header({
        "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 28.0, "CRPIX1": 120.0, "CRPIX2": 100.0,
        "CD1_1": -6e-5, "CD1_2": 1e-6, "CD2_1": 1e-6, "CD2_2": 6e-5, "DETSEC": "[101:580,1:420]", "CCDSUM": "2 2",
        "DISPPIX0": 101.5, "DISPSTEP": 2.0, "SLITPIX0": 1.5, "SLITSTEP": 2.0, "FILENAME": "image.fits",
    })  # fmt: skip
    return make_image(1000.0 * y + x, unit="electron", header=header, variance=y + 1.0, flags=flags)


def best_by_hand(inside):
    best = 0
    for y0 in range(inside.shape[0]):
        for x0 in range(inside.shape[1]):
            for y1 in range(y0, inside.shape[0]):
                for x1 in range(x0, inside.shape[1]):
                    if inside[y0 : y1 + 1, x0 : x1 + 1].all():
                        best = max(best, (y1 - y0 + 1) * (x1 - x0 + 1))
    return best


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6))))
def test_the_rectangle_is_the_largest(inside):
    if not inside.any():
        with pytest.raises(DataError, match="no part"):
            largest_rectangle(inside)
        return
    y0, y1, x0, x1 = largest_rectangle(inside)
    assert inside[y0 : y1 + 1, x0 : x1 + 1].all()
    assert (y1 - y0 + 1) * (x1 - x0 + 1) == best_by_hand(inside)


def test_on_a_large_frame_it_is_nearly_so():
    y, x = np.mgrid[:2062, :2046]
    inside = np.hypot(y - 1031, x - 1023) < 1190
    y0, y1, x0, x1 = largest_rectangle(inside)
    assert inside[y0 : y1 + 1, x0 : x1 + 1].all()
    assert (y1 - y0 + 1) * (x1 - x0 + 1) > 0.985 * 2 * 1190**2


def test_corners_go_and_everything_follows():
    before = image(radius=130)
    after = TrimImage()(before)
    assert not (flags_of(after) & int(Flag.OUTSIDE_FIELD)).any()
    y0, x0 = divmod(int(after.data[0, 0]), 1000)
    assert np.array_equal(after.data, before.data[y0 : y0 + after.shape[0], x0 : x0 + after.shape[1]])
    assert np.array_equal(variance_of(after)[:, 0], y0 + 1.0 + np.arange(after.shape[0]))
    places = [WCS(frame.meta).pixel_to_world_values(x, y) for frame, x, y in ((before, x0 + 7, y0 + 9), (after, 7, 9))]
    assert np.allclose(places[0], places[1], atol=1e-12)
    assert after.meta["DETSEC"].startswith(f"[{101 + 2 * x0}:{100 + 2 * (x0 + after.shape[1])},")
    assert after.meta["DISPPIX0"] == 101.5 + 2 * x0 and after.meta["SLITPIX0"] == 1.5 + 2 * y0
    numbers = TrimImage().quality(after, image=before)
    assert numbers["columns"] == after.shape[1] and 0.4 < numbers["kept_fraction"] < 0.8


def test_given_edges_and_wrong_ones():
    step = TrimImage(section="[11:60,21:100]")
    after = step(image())
    assert after.shape == (80, 50) and after.data[0, 0] == 20010.0
    assert after.meta["TRIMMED"] == "[11:60,21:100]"
    with pytest.raises(DataError, match="reaches beyond"):
        TrimImage(section="[1:300,1:50]")(image())
    with pytest.raises(DataError, match="must look like"):
        TrimImage(section="middle")(image())


def test_an_image_without_dark_corners_stays_as_it_is():
    before = image()
    after = TrimImage()(before)
    assert after.shape == before.shape and after.meta["CRPIX1"] == before.meta["CRPIX1"]


def test_a_field_of_next_to_nothing_is_refused():
    with pytest.raises(DataError, match="less than a tenth"):
        TrimImage()(image(radius=30))
