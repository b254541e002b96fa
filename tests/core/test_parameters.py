"""Parameters with units: read from text, refused with a sentence, written so that they come back."""

from __future__ import annotations

import astropy.units as u
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from alfosc_reduce import Step
from alfosc_reduce.parameters import Angstrom, Arcsec, Minutes, Pixels, text_of, to_pixels


class Aperture(Step):
    """A step with all kinds of parameters."""

    width: Arcsec = 3 * u.arcsec
    """Of the aperture."""
    window: Angstrom = 50 * u.AA
    """In wavelength."""
    margin: Pixels = 2 * u.pix
    """At the edge."""
    gap: Minutes = 30 * u.min
    """In time."""
    clip: float = 5.0
    """Sigma."""
    span: tuple[float, float] | None = None
    """A range."""


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)


@given(numbers, st.sampled_from(["arcsec", "pix", "deg", "mas"]))
def test_text_comes_back_to_the_same_number(value: float, unit: str) -> None:
    step = Aperture(width=f"{value!r} {unit}")
    assert step.width.value == value and step.width.unit == u.Unit(unit)
    assert Aperture.model_validate_json(step.model_dump_json()) == step
    assert Aperture(**step.model_dump(mode="json")) == step


@given(numbers)
def test_text_of_is_exact(value: float) -> None:
    assert u.Quantity(text_of(value * u.AA)) == value * u.AA


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": "8"}, "not in arcsec or pix"),
        ({"width": 8}, "not in arcsec or pix"),
        ({"width": "8 Angstrom"}, "not in arcsec or pix"),
        ({"width": "eight"}, "write for example '3 arcsec'"),
        ({"width": [1, 2]}, "not in arcsec or pix"),
        ({"window": "3 pix"}, "not in Angstrom"),
        ({"widht": "3 arcsec"}, "widht"),
        ({"clip": "much"}, "clip"),
    ],
    ids=str,
)
def test_wrong_values_are_refused(given: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Aperture(**given)


def test_equivalent_units_are_taken() -> None:
    assert Aperture(window="5 nm").window.to_value(u.AA) == pytest.approx(50)


def test_steps_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Aperture().clip = 3.0


def test_to_pixels() -> None:
    assert to_pixels(8 * u.pix, 0.2) == 8
    assert to_pixels(1 * u.arcsec, 0.2) == pytest.approx(5)
    assert to_pixels((1 / 60) * u.arcmin, 0.5) == pytest.approx(2)
