"""The reference catalogue: what is known of the sources in a piece of sky, from a service or a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from alfosc_reduce.errors import DataError
from alfosc_reduce.reference import MAGNITUDE_SYSTEMS, bands_of, check_reference, in_cone, make_reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astropy.coordinates import SkyCoord
    from astropy.table import QTable
    from astropy.units import Quantity

__all__ = [
    "MAGNITUDE_SYSTEMS",
    "Catalog",
    "UnavailableError",
    "bands_of",
    "check_reference",
    "in_cone",
    "make_reference",
]


class Catalog(BaseModel, ABC):
    """A reference catalogue with documented parameters, like a step's.

    Subclasses declare parameters as annotated fields, each followed by its docstring, set `name`, and define `bands`
    and `sources`. In recipes a catalogue is written as its name, ``"gaia"``; as name and main parameter,
    ``"file:field.ecsv"``; or as a table with its parameters, ``{ name = "file", path = "field.ecsv" }``.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_default=True
    )

    name: ClassVar[str]
    """Entry-point name."""
    fullname: ClassVar[str] = ""
    """For a person: catalogue and release."""
    footprint: ClassVar[str] = "the whole sky"
    """For a person: where there is something in it."""
    main: ClassVar[str] = ""
    """The parameter that the text after ``name:`` gives; empty if there is none."""

    @property
    @abstractmethod
    def bands(self) -> Mapping[str, str]:
        """Return the photometric bands that the catalogue has, each with its system, ``AB`` or ``Vega``."""

    @abstractmethod
    def sources(self, centre: SkyCoord, radius: Quantity) -> QTable:
        """Return what stands in a cone on the sky.

        Parameters
        ----------
        centre
            A single position.
        radius
            An angle.

        Returns
        -------
        QTable
            In the form that `make_reference` makes; without rows if nothing stands there.

        Raises
        ------
        UnavailableError
            If the catalogue cannot be had now, with what to do.
        DataError
            If it will not do.
        """

    def covers(self, centre: SkyCoord, radius: Quantity) -> bool:
        """Say whether the cone may lie in the footprint; nothing is asked of a service for that."""
        return True


class UnavailableError(DataError):
    """A catalogue cannot be had now, though it may be another time.

    Parameters
    ----------
    reason
        What happened.
    advice
        What to do; told once where several catalogues cannot be had.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(". ".join(filter(None, (reason, advice))))
        self.reason, self.advice = reason, advice
