"""Types of step parameters that carry a unit, for recipes (``"8 arcsec"``), shells and notebooks alike."""

from __future__ import annotations

from typing import Annotated, Any

import astropy.units as u
from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class InUnits:
    """Annotation of a quantity that must be convertible to one of `units`.

    Text such as ``"3 arcsec"`` is parsed; a bare number is refused, as is a wrong dimension.
    """

    def __init__(self, *units: str) -> None:
        self.units = units

    def parse(self, value: object) -> u.Quantity:
        """Return `value` as a scalar quantity; raises a validation error that names the allowed units."""
        allowed = " or ".join(self.units)
        try:
            quantity = u.Quantity(value)
        except (TypeError, ValueError):
            raise PydanticCustomError(
                "quantity",
                "{value} is not a number with a unit; write for example '3 {unit}'",
                {"value": repr(value), "unit": self.units[0]},
            ) from None
        if not quantity.isscalar or not any(quantity.unit.is_equivalent(u.Unit(name)) for name in self.units):
            raise PydanticCustomError(
                "unit", "{value} is not in {allowed}", {"value": repr(str(value)), "allowed": allowed}
            )
        return quantity

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse`, write as text."""
        return core_schema.no_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(text_of)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Describe as text with units, for help and documentation."""
        return {"type": "string", "units": list(self.units)}


def text_of(quantity: u.Quantity) -> str:
    """Return `quantity` as text that `InUnits` reads back to the same number and unit."""
    return f"{float(quantity.value)!r} {quantity.unit.to_string()}"


Arcsec = Annotated[u.Quantity, InUnits("arcsec", "pix")]
"""A length along the slit or on the sky, in arc seconds (or any angle) or detector pixels."""

Angstrom = Annotated[u.Quantity, InUnits("Angstrom")]
"""A wavelength or an interval of wavelength."""

Pixels = Annotated[u.Quantity, InUnits("pix")]
"""A length on the detector, in (binned) pixels."""

Minutes = Annotated[u.Quantity, InUnits("min")]
"""A time."""


def to_pixels(length: u.Quantity, pixel_scale: float) -> float:
    """Convert a length along the slit to pixels.

    Parameters
    ----------
    length
        Angle or pixels.
    pixel_scale
        Arc seconds a (binned) pixel.
    """
    if length.unit.is_equivalent(u.pix):
        return float(length.to_value(u.pix))
    return float(length.to_value(u.arcsec)) / pixel_scale
