"""Images in this project's form."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty

from alfosc_reduce import Flag
from alfosc_reduce.images import (
    as_it_is,
    flags_of,
    header_wcs,
    make_image,
    stored_variance,
    usable,
    variance_of,
    wcs_of,
)


def test_what_is_not_finite_is_flagged_and_zero() -> None:
    image = make_image([[1.0, np.nan], [np.inf, 4.0]], unit="adu", header=Header())
    assert np.array_equal(image.data, [[1, 0], [0, 4]])
    assert np.array_equal(image.flags == Flag.NOT_FINITE, [[False, True], [True, False]])
    assert np.array_equal(image.mask, [[False, True], [True, False]])


def test_nothing_is_shared_with_what_was_given() -> None:
    data, flags, header = np.ones((2, 2), np.float32), np.zeros((2, 2), np.int16), Header({"A": 1})
    image = make_image(data, unit="adu", header=header, variance=data, flags=flags)
    data[:], flags[:], header["A"] = 7, 1, 2
    assert np.all(image.data == 1) and not image.flags.any() and image.meta["A"] == 1
    assert np.all(image.uncertainty.array == 1)


@pytest.mark.parametrize(("kind", "value"), [(StdDevUncertainty, 2.0), (InverseVariance, 0.25)])
def test_any_uncertainty_becomes_a_variance(kind: type, value: float) -> None:
    image = CCDData(np.ones((2, 3)), unit="electron", uncertainty=kind(np.full((2, 3), value)))
    assert np.allclose(variance_of(image), 4.0)


def test_no_uncertainty_is_infinite_variance() -> None:
    assert np.all(np.isinf(variance_of(CCDData(np.ones((2, 3)), unit="adu"))))


def test_a_strangers_mask_becomes_a_flag() -> None:
    image = CCDData(np.ones((1, 3)), unit="adu", mask=np.array([[True, False, False]]))
    assert flags_of(image).tolist() == [[Flag.BAD_PIXEL, 0, 0]]
    assert usable(image).tolist() == [[False, True, True]]


def test_flags_are_a_copy() -> None:
    image = make_image(np.ones((2, 2)), unit="adu", header=Header())
    flags_of(image)[:] = 1
    assert not image.flags.any()


def test_usable_needs_finite_values() -> None:
    assert usable(CCDData(np.array([[1.0, np.nan]]), unit="adu")).tolist() == [[True, False]]


def test_a_header_tells_its_wcs_quietly() -> None:
    header = Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 75.0, "CRPIX1": 1.0,
                     "CRPIX2": 1.0, "CD1_1": -1e-4, "CD2_2": 1e-4, "DATE-OBS": "2020-06-01", "NAXIS": 0})  # fmt: skip
    found = header_wcs(header)
    assert found is not None and header["NAXIS"] == 0
    assert found.pixel_to_world(0, 0).dec.deg == pytest.approx(75)
    assert header_wcs(Header({"CTYPE1": "X", "CTYPE2": "Y"})) is None


def test_the_wcs_of_an_image_comes_before_that_of_its_header() -> None:
    header = Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 75.0})
    image = make_image(np.ones((3, 3)), unit="adu", header=header)
    assert wcs_of(image).wcs.crval[1] == 75
    image.wcs = header_wcs(_moved(header))
    assert wcs_of(image).wcs.crval[1] == 5


def _moved(header: Header) -> Header:
    moved = header.copy()
    moved["CRVAL2"] = 5.0
    return moved


def test_an_image_with_nothing_to_change_is_itself_unless_gaps_bear_no_flag() -> None:
    data = np.ones((4, 5), np.float32)
    whole = make_image(data, unit="adu", header=Header(), variance=data)
    assert as_it_is(whole) is whole
    data[1, 2] = np.nan
    flagged = make_image(data, unit="adu", header=Header())
    assert as_it_is(flagged) is flagged
    stranger = CCDData(data, unit="adu", mask=np.zeros(data.shape, bool), meta=Header())
    mended = as_it_is(stranger)
    assert mended.mask[1, 2] and mended.mask.sum() == 1 and np.isfinite(mended.data).all()
    assert as_it_is(CCDData(data, unit="adu", mask=np.isnan(data), meta=Header())).mask.sum() == 1
    assert stored_variance(flagged) is None and stored_variance(whole).dtype == np.float32
