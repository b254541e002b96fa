"""Arc exposures combined: lamps add, saturated pixels come from the shorter exposure."""

from __future__ import annotations

import numpy as np
import pytest
from alfosc_reduce_longslit.lines.profile import LineProfile
from astropy.io import fits

from alfosc_reduce import DataError, Flag, get_step
from alfosc_reduce.images import make_image

LIMIT = 5e4


def exposure(lamp: str, seconds: float, places, rate: float, seed: int, grism: str = "Grism_#4"):
    rng = np.random.default_rng(seed)
    profile = LineProfile(2.3, 0.2)
    row = sum(rate * 10.0**k * seconds * profile(np.arange(200) - x) for k, x in enumerate(places))
    data = rng.poisson(np.tile(row + 20.0, (30, 1))) + rng.normal(0, 5, (30, 200))
    flags = np.where(data > LIMIT, int(Flag.SATURATED), 0)
    header = fits.Header()
    header.update(
        {"GRISM": grism, "LAMP": lamp, "EXPTIME": seconds, "OBJECT": f"{lamp} {seconds} s", "MJD-AVG": 1.0 * seed}
    )
    return make_image(
        np.minimum(data, LIMIT), unit="electron", header=header, variance=np.maximum(data, 0) + 25, flags=flags
    )


def test_one_exposure_passes_unchanged() -> None:
    one = exposure("He", 10.0, (50, 100), 300.0, 1)
    result = get_step("combine_arcs")()([one])
    assert np.array_equal(result.data, one.data)
    assert np.array_equal(result.flags, one.flags)
    assert np.allclose(result.uncertainty.array, one.uncertainty.array)


def test_lamps_add_and_are_named() -> None:
    he, ne = exposure("He", 10.0, (50, 100), 300.0, 1), exposure("Ne", 5.0, (150,), 3000.0, 2)
    result = get_step("combine_arcs")()([he, ne])
    assert result.meta["LAMP"] == "He+Ne"
    assert np.allclose(result.data, he.data + ne.data, rtol=1e-5)
    assert np.allclose(result.uncertainty.array, he.uncertainty.array + ne.uncertainty.array, rtol=1e-5)
    assert get_step("combine_arcs")().quality(result)["n_frames"] == 2


def test_saturated_pixels_come_from_the_shorter_exposure() -> None:
    long = exposure("He", 100.0, (50, 100), 300.0, 1)
    short = exposure("He", 5.0, (50, 100), 300.0, 2)
    assert (long.flags & Flag.SATURATED).any()
    result = get_step("combine_arcs")()([short, long])
    assert not (result.flags & Flag.SATURATED).any()
    peak = result.data[:, 99:102].sum(axis=1).mean()
    assert peak == pytest.approx(3000.0 * 100 * LineProfile(2.3, 0.2)(np.arange(-1, 2)).sum(), rel=0.02)


def test_variance_is_honest() -> None:
    frames = [exposure("He", 10.0, (50, 100), 300.0, seed) for seed in range(8)]
    result = get_step("combine_arcs")()(frames)
    column = result.data[:, 50]
    assert np.var(column) == pytest.approx(result.uncertainty.array[:, 50].mean(), rel=0.6)


def test_arcs_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(DataError, match=r"GRISM.*group the arcs"):
        get_step("combine_arcs")()(
            [exposure("He", 10.0, (50,), 300.0, 1), exposure("He", 10.0, (50,), 300.0, 2, "Grism_#7")]
        )
    with pytest.raises(DataError, match="no arc frames"):
        get_step("combine_arcs")()([])
