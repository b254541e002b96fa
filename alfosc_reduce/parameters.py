"""Types of step parameters beyond plain numbers: with a unit (``"8 arcsec"``), or a file a person made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import astropy.units as u
from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from alfosc_reduce.errors import DataError
from alfosc_reduce.fingerprint import file_digest

FOLDER = "folder"
"""Key of the validation context: the folder to which the files of a recipe are relative."""
BY_CONTENT = {"by content": True}
"""Context in which parameters are written for a fingerprint: a file counts by what is in it, not by its place."""


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

Angle = Annotated[u.Quantity, InUnits("arcmin")]
"""An angle on the sky."""

Pixels = Annotated[u.Quantity, InUnits("pix")]
"""A length on the detector, in (binned) pixels."""

Minutes = Annotated[u.Quantity, InUnits("min")]
"""A time."""


class ReadableFile:
    """Annotation of a path to a file that exists, kept as an absolute path.

    A relative path counts from the folder of the recipe, or from the current folder where there is no recipe. In the
    fingerprint of a task the file's content stands for it: a changed file is a new result, a moved one is not.
    """

    def parse(self, value: object, info: core_schema.ValidationInfo) -> Path:
        """Return the path; raises a validation error if there is no such file."""
        if not isinstance(value, (str, Path)) or not str(value).strip():
            raise PydanticCustomError("file", "{value} is not the name of a file", {"value": repr(value)})
        folder = (info.context or {}).get(FOLDER) or Path.cwd()
        path = Path(folder, Path(value).expanduser()).absolute()
        if not path.is_file():
            raise PydanticCustomError("file", "there is no file {path}", {"path": str(path)})
        return path

    def write(self, path: Path, info: core_schema.SerializationInfo) -> str:
        """Return the path as text, or in a fingerprint the hash of the file."""
        if not BY_CONTENT.items() <= (info.context or {}).items():
            return str(path)
        try:
            return file_digest(path)
        except DataError:
            return "gone"  # the task that wants to read it says so

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Validate with `parse`, write with `write`."""
        return core_schema.with_info_plain_validator_function(
            self.parse, serialization=core_schema.plain_serializer_function_ser_schema(self.write, info_arg=True)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        """Describe as the name of a file."""
        return {"type": "string", "words": "file"}


InputFile = Annotated[Path, ReadableFile()]
"""A file that a step reads beside its inputs: a table of a person's choices, a catalogue."""


def files_in(value: object) -> dict[str, str]:
    """Return the files among parameters, however deep, with the hash of the content of each."""
    if isinstance(value, Path):
        return {str(value): file_digest(value)} if value.is_file() else {}
    if isinstance(value, BaseModel):
        value = value.__dict__
    members = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
    return {path: content for member in members for path, content in files_in(member).items()}


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
