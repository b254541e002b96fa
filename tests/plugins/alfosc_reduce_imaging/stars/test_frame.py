"""What is known of an image before its stars are measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from alfosc_reduce_imaging.stars.frame import frame_of

from alfosc_reduce.flags import Flag


def test_the_noise_of_light_is_told_from_the_variance(sky_field: Any) -> None:
    noise = frame_of(sky_field().image("electron / s")).noise
    assert noise.photon == pytest.approx(1 / 100.0, rel=0.05)
    assert np.median(noise.sky) == pytest.approx(325 / 100.0**2, rel=0.05)


def test_what_bad_pixels_hold_is_no_light(sky_field: Any) -> None:
    """A vignetted corner that the flat has made bright: what is put for its variance knows nothing of that."""
    field = sky_field()
    data, flags = field.data.copy(), np.zeros(field.data.shape, np.int16)
    data[:120, :120], flags[:120, :120] = 5e4, Flag.OUTSIDE_FIELD
    noise = frame_of(replace(field, data=data).image(flags=flags)).noise
    assert noise.photon == pytest.approx(1, rel=0.05)
