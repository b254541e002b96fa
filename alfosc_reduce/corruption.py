"""Products damaged on purpose, to see what a step makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np

CORRUPTIONS = ("nan", "zero", "empty")
"""All values NaN; all values zero; no values at all."""


def planes_of(value: Any) -> list[Any]:
    """Return every image and spectrum in a product, or in lists and tuples of products."""
    kinds = {base.__name__ for base in type(value).__mro__}
    if kinds & {"NDData", "Spectrum"}:
        return [value]
    if isinstance(value, (list, tuple)):
        return [plane for item in value for plane in planes_of(item)]
    return []


def corrupted(value: Any, kind: str) -> Any:
    """Return a product damaged in one of the ways of `CORRUPTIONS`; tables and numbers stay as they are.

    Parameters
    ----------
    value
        An image, a spectrum, a table, or a list of them; it may be changed.
    kind
        One of `CORRUPTIONS`. An ``empty`` list has no members, an ``empty`` image has the shape (0, 0).
    """
    if isinstance(value, list):
        return type(value)() if kind == "empty" else type(value)(corrupted(item, kind) for item in value)
    kinds = {base.__name__ for base in type(value).__mro__}
    if "CCDData" in kinds:
        return _image(value, kind)
    if "Spectrum" in kinds:
        return _spectrum(value, kind)
    return value


def _image(image: Any, kind: str) -> Any:
    from astropy.nddata import CCDData

    if kind != "empty":
        image.data = np.full_like(np.asarray(image.data), np.nan if kind == "nan" else 0)
        return image
    none = np.zeros((0, 0), np.float32)
    error = image.uncertainty
    return CCDData(
        none,
        unit=image.unit,
        uncertainty=None if error is None else type(error)(none.copy()),
        mask=None if image.mask is None else none.astype(bool),
        flags=None if image.flags is None else none.astype(np.int16),
        meta=image.meta,
    )


def _spectrum(spectrum: Any, kind: str) -> Any:
    from specutils import Spectrum

    keep = slice(0, 0) if kind == "empty" else slice(None)
    error = spectrum.uncertainty
    values = np.asarray(spectrum.flux.value)[keep]
    per_pixel = {key: value[keep] for key, value in spectrum.meta.items() if isinstance(value, np.ndarray)}
    columns = {name: column[keep] for name, column in spectrum.meta.get("columns", {}).items()}
    return Spectrum(
        spectral_axis=spectrum.spectral_axis[keep],
        flux=(values if kind == "empty" else np.full_like(values, np.nan if kind == "nan" else 0)) * spectrum.flux.unit,
        uncertainty=None if error is None else type(error)(np.asarray(error.array)[keep]),
        mask=None if spectrum.mask is None else np.asarray(spectrum.mask)[keep],
        meta={**spectrum.meta, **per_pixel, "columns": columns},
    )
