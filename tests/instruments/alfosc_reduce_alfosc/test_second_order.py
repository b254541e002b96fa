"""Where second-order light sets in, with and without a filter that blocks the blue."""

from __future__ import annotations

import pytest
from alfosc_reduce_alfosc.instrument import Alfosc
from astropy.io.fits import Header


@pytest.mark.parametrize(
    ("filters", "onset"), [("", 5900), ("Open", 5900), ("V_Bes_543", 5900), ("WG345", 6460), ("GG475_480", 8816)]
)
def test_a_blocking_filter_moves_the_onset(filters: str, onset: float) -> None:
    grism = Alfosc().disperser(Header({"GRISM": "Grism_#4", "FILTER": filters}))
    assert grism.second_order == pytest.approx(onset, abs=1)


def test_several_filters_block_as_the_reddest() -> None:
    grism = Alfosc().disperser(Header({"GRISM": "Grism_#4", "FILTER": "WG345+GG475_480"}))
    assert grism.second_order == pytest.approx(8816, abs=1)


def test_helium_of_the_arc_shows_where_the_series_says() -> None:
    """He I 3889.7 shows at 7381.5 in real arcs; the series comes from Balmer lines of a star."""
    grism = Alfosc().disperser(Header({"GRISM": "Grism_#4"}))
    offset, slope = grism.second_order_place
    assert 3889.75 * (offset + slope * (3889.75 - 4000) / 1000) == pytest.approx(7381.5, abs=8)
    assert Alfosc().disperser(Header({"GRISM": "Grism_#20"})).second_order_place == ()
