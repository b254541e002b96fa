import numpy as np
import pytest
from alfosc_reduce_ccd.flatfield import DivideFlat
from astropy.io.fits import Header
from astropy.nddata import StdDevUncertainty

from alfosc_reduce import Flag
from alfosc_reduce.errors import DataError
from alfosc_reduce.images import flags_of, make_image, variance_of

STEP = DivideFlat()
SHAPE = (300, 90)


def flat_of(response, variance=0.0, flags=None):
    return make_image(response, unit="", header=Header(), variance=np.full(SHAPE, variance), flags=flags)


def test_images_get_flags_of_the_field_and_the_noise_of_the_flat(electrons):
    rng = np.random.default_rng(1)
    response, flags = rng.normal(1, 0.05, SHAPE), np.zeros(SHAPE, np.int16)
    flags[:20, :30], flags[50, 40], flags[60, 41] = Flag.OUTSIDE_FIELD, Flag.BAD_PIXEL, Flag.NO_FLAT
    image = electrons(np.full(SHAPE, 5000.0), DISPAXIS=0)
    result = STEP(image, flat_of(response, 1e-4, flags))
    assert np.array_equal(flags_of(result), flags) and result.mask[0, 0] and not result.mask[60, 41]
    assert np.allclose(result.data * response, 5000, rtol=1e-6)
    expected = variance_of(image) / response**2 + result.data.astype(float) ** 2 * 1e-4 / response**2
    assert np.allclose(variance_of(result), expected, rtol=1e-5)
    assert STEP.quality(result, image=image, flat=image)["flat_used"]


def test_a_filter_without_flats_goes_on_with_a_warning(electrons, caplog):
    flags = np.zeros(SHAPE, np.int16)
    flags[3, 4] = Flag.COSMIC_RAY
    image = electrons(np.full(SHAPE, 100.0), flags=flags, DISPAXIS=0)
    result = STEP(image)
    assert "frame: no flat" in caplog.text
    assert np.array_equal(result.data, image.data) and np.array_equal(flags_of(result), flags)
    assert np.array_equal(variance_of(result), variance_of(image))
    assert not STEP.quality(result, image=image)["flat_used"]


def test_planes_in_other_forms_and_none(electrons):
    image, flat = electrons(np.full(SHAPE, 100.0)), flat_of(np.full(SHAPE, 2.0))
    image.uncertainty = StdDevUncertainty(np.full(SHAPE, 10.0))
    assert np.allclose(variance_of(STEP(image, flat)), 25.0)
    image.uncertainty = None
    bare = STEP(image, flat)
    assert bare.uncertainty is None and np.allclose(bare.data, 50.0)
    flat.uncertainty = None
    assert np.allclose(variance_of(STEP(electrons(np.full(SHAPE, 100.0), noise=0.0), flat)), 25.0)


def test_a_flat_that_does_not_fit(electrons):
    image = electrons(np.full(SHAPE, 100.0))
    with pytest.raises(DataError, match="same window and binning"):
        STEP(image, flat_of(np.ones(SHAPE))[:100])
    with pytest.raises(DataError, match="0 or below"):
        STEP(image, flat_of(np.zeros(SHAPE)))
