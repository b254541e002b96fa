import numpy as np
import pytest
from alfosc_reduce_ccd.flat import CombineFlat
from alfosc_reduce_ccd.flatfield import DivideFlat
from alfosc_reduce_ccd.slit import slit_ends

from alfosc_reduce import Flag
from alfosc_reduce.images import flags_of

NY, NX = 700, 1100
X = np.arange(NX)


def slit(low, high, *, slope=0.0, edge=1.5, dust=True):
    """Light along a slit from row `low` to row `high` (half light), aslant, with dust and a gradient."""
    y = np.arange(NY)[:, None] - slope * (X - NX / 2)
    shape = 1 / (1 + np.exp(-(y - low) / edge)) / (1 + np.exp((y - high) / edge))
    shadow = 1 - dust * (0.6 * np.exp(-(((y - 330) / 4) ** 2)) + 0.05 * np.exp(-(((y - low - 25) / 2) ** 2)))
    spectrum = 30000 * np.exp(-(((X - 650) / 350.0) ** 2))
    return spectrum * shape * shadow * (1 - 2e-4 * y) + 300.0


def noisy(light):
    return np.random.default_rng(1).poisson(light).astype(np.float32)


@pytest.mark.parametrize("slope", [0.0, 0.006, -0.01])
@pytest.mark.parametrize("edge", [0.5, 1.5, 4.0])
def test_ends_follow_the_slit_and_keep_its_full_light(slope, edge):
    ends = slit_ends(noisy(slit(80, 610, slope=slope, edge=edge)))
    low, high = (end + slope * (X - NX / 2) for end in (80, 610))
    clear = edge * np.log(1 / 0.03)  # where 3 % of the light are lost
    assert (ends.first >= low + clear).all() and (ends.first <= low + clear + 6).all()
    assert (ends.last <= high - clear).all() and (ends.last >= high - clear - 6).all()


def test_a_slit_that_fills_the_frame_loses_no_row():
    assert slit_ends(noisy(slit(-50, 900))) is None
    # Dust that shades the first rows, and an edge that is only vignetted, are no ends.
    light = slit(-50, 900)
    light[:40] *= np.linspace(0.6, 1, 40)[:, None]
    assert slit_ends(noisy(light)) is None


def test_one_end_alone():
    ends = slit_ends(noisy(slit(-50, 500)))
    assert (ends.first == 0).all() and (abs(ends.last - 493) < 4).all()


def test_unusable_rows_at_the_edge_are_no_end():
    light = noisy(slit(-50, 900))
    light[:6] = np.nan
    assert slit_ends(light) is None
    assert slit_ends(np.full((NY, NX), np.nan)) is None


def test_the_flag_goes_from_the_flat_to_the_frame(electrons):
    frames = [electrons(noisy(slit(80, 610)) + i, FILENAME=f"flat{i}.fits") for i in range(3)]
    flat = CombineFlat()(frames)
    outside = (flags_of(flat) & Flag.OUTSIDE_FIELD) != 0
    assert outside[:80].all() and not outside[95:595].any() and outside[611:].all()
    assert 80 < flat.meta["SLITROW1"] < 95 and 595 < flat.meta["SLITROW2"] < 611
    science = DivideFlat()(electrons(np.full((NY, NX), 100.0)), flat)
    assert np.array_equal((flags_of(science) & Flag.OUTSIDE_FIELD) != 0, outside)
    assert science.mask[outside].all()
