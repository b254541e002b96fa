"""Published images of the sky as data for the page: a small picture, where it points, and the sources in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alfosc_reduce.flags import Flag, mask_of
from alfosc_reduce.publishing import Publication
from alfosc_reduce.report.spectra import packed

if TYPE_CHECKING:
    from astropy.table import QTable
    from numpy.typing import NDArray

    from alfosc_reduce.store import Store

WIDEST = 1100
"""Pixels along the longer side of a picture."""
MOST = 4000
"""Sources that are drawn of one table, the brightest first."""
_FAINT, _BRIGHT = -1.5, 60.0
"""Ends of the grey scale: standard deviations of the sky below and above it."""
_MAGNITUDES = ("mag_psf", "mag_aper", "mag_auto", "magnitude", "mag")
_MAP = ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")


def is_field(publication: Publication, store: Store) -> bool:
    """Say whether a published product is an image of the sky of one target."""
    if not publication.result.task.coordinates.get("target") or _type(publication, store) != "CCDData":
        return False
    from astropy.io import fits

    header = fits.getheader(publication.source, "SCI")
    if not header.get("BUNIT"):  # a map of something else than light, such as of which pixel belongs to which source
        return False
    return {str(header.get(f"CTYPE{axis}", "")).partition("-")[0] for axis in (1, 2)} == {"RA", "DEC"}


def fields_of(publications: Sequence[Publication], store: Store) -> list[dict[str, Any]]:
    """Return all images of the sky among the products of a target, those that join several frames first.

    Raises
    ------
    OSError, KeyError, ValueError
        If a file is damaged.
    """
    images = [p for p in publications if is_field(p, store)]
    images.sort(key=lambda p: ("frame" in p.result.task.coordinates, p.result.task.time))
    tables = _tables(publications, store)
    return [_field(image, [t for t in tables if _same_data(t, image)]) for image in images]


def _type(publication: Publication, store: Store) -> str | None:
    outputs: Mapping[str, str] = store.record(publication.key)["entity"]["outputs"]
    return outputs.get(publication.source.stem)


def _tables(publications: Iterable[Publication], store: Store) -> list[Publication]:
    """Return the published tables, each once, whatever the formats it was published in."""
    found = {p.source: p for p in publications if _type(p, store) == "QTable"}
    return list(found.values())


def _same_data(table: Publication, image: Publication) -> bool:
    return table.result.task.coordinates == image.result.task.coordinates


def _field(image: Publication, tables: Iterable[Publication]) -> dict[str, Any]:
    from astropy.io import fits

    with fits.open(image.source, memmap=False) as hdus:
        header, data = hdus["SCI"].header, np.asarray(hdus["SCI"].data, np.float32)
        flags = np.asarray(hdus["FLAGS"].data) if "FLAGS" in hdus else np.zeros(data.shape, np.int16)
    where = image.result.task.coordinates
    factor = max(1, -(-max(data.shape) // WIDEST))
    return {
        "title": " ".join(part for part in (where.get("filter", ""), where.get("frame", "")) if part) or "image",
        "picture": picture(data, mask_of(flags & ~np.int16(Flag.SATURATED)), factor),
        "factor": factor,
        "size": [data.shape[1], data.shape[0]],
        "map": {key: float(header[key]) for key in _MAP if key in header},
        "layers": [layer for table in tables for layer in _layers(table, image)],
    }


def picture(data: NDArray[np.float32], bad: NDArray[np.bool_], factor: int) -> str:
    """Return an image as the address of itself: blocks averaged, grey by the inverse hyperbolic sine, first row below.

    Parameters
    ----------
    data, bad
        Shape (ny, nx); what is bad shows as sky.
    factor
        Pixels that become one.
    """
    from PIL import Image

    small = averaged(data, bad, factor)
    seen = small[np.isfinite(small)]
    low, middle, high = np.percentile(seen, [16, 50, 84]) if seen.size else (0.0, 0.0, 1.0)
    sigma = max(float(min(middle - low, high - middle)), 1e-30)
    depth = np.nan_to_num((small - middle) / sigma)
    ends = np.arcsinh([_FAINT, _BRIGHT])
    grey = (np.arcsinh(np.clip(depth, _FAINT, _BRIGHT)) - ends[0]) / (ends[1] - ends[0])
    packed_image = BytesIO()
    Image.fromarray((255 * grey[::-1]).astype(np.uint8)).save(packed_image, "WEBP", quality=72, method=0)
    return f"data:image/webp;base64,{b64encode(packed_image.getvalue()).decode()}"


def averaged(data: NDArray[np.float32], bad: NDArray[np.bool_], factor: int) -> NDArray[np.float32]:
    """Return the means of blocks of `factor` x `factor` usable pixels, NaN where there is none; the rest is padded."""
    ny, nx = (-(-n // factor) for n in data.shape)
    padding = [(0, ny * factor - data.shape[0]), (0, nx * factor - data.shape[1])]
    good = np.pad(~bad & np.isfinite(data), padding)
    values = np.where(good, np.pad(data, padding), 0)
    count = good.reshape(ny, factor, nx, factor).sum((1, 3))
    total = values.reshape(ny, factor, nx, factor).sum((1, 3), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total / count, np.float32)


def _layers(publication: Publication, image: Publication) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that have places in the image; nothing for a table of something else."""
    from alfosc_reduce.products import load

    table = load(publication.source)
    if not {"x", "y"} <= set(table.colnames) or not len(table):
        return
    table = table[_brightest(table)]
    yield {
        "name": _name(publication, image),
        "x": packed(_plain(table, "x")),
        "y": packed(_plain(table, "y")),
        "said": list(_said(table)),
    }


def _name(table: Publication, image: Publication) -> str:
    """Return what the name of a table's file adds to that of its image."""
    one, other = Path(image.path).stem, Path(table.path).stem
    shared = sum(1 for _ in takewhile(lambda letters: letters[0] == letters[1], zip(one, other, strict=False)))
    added = other[shared:].removesuffix(one[shared:]).strip("_")
    return added.replace("_", " ") or table.result.task.step.name


def _brightest(table: QTable) -> NDArray[np.intp]:
    for name, sign in [(m, 1) for m in _MAGNITUDES] + [("flux_auto", -1), ("flux", -1)]:
        if name in table.colnames:
            return np.argsort(sign * _plain(table, name), kind="stable")[:MOST]
    return np.arange(len(table))[:MOST]


def _plain(table: QTable, name: str) -> NDArray[np.float64]:
    column = table[name]
    return np.asarray(getattr(column, "value", column), dtype=np.float64)


def _said(table: QTable) -> Iterator[str]:
    """Yield what is said of each source when it is pointed at."""
    names = [n for n in ("number", "id") if n in table.colnames][:1]
    magnitude = next((n for n in _MAGNITUDES if n in table.colnames), None)
    for row in range(len(table)):
        parts = [str(table[n][row]) for n in names]
        if "ra" in table.colnames and "dec" in table.colnames:
            parts.append(f"{_plain(table, 'ra')[row]:.6f} {_plain(table, 'dec')[row]:+.6f}")
        if magnitude:
            parts.append(_with_error(table, magnitude, row))
        yield ", ".join(parts)


def _with_error(table: QTable, name: str, row: int) -> str:
    band = str(table.meta.get("BAND", "")) or "mag"
    error = f" ± {_plain(table, f'{name}_error')[row]:.3f}" if f"{name}_error" in table.colnames else ""
    return f"{band} = {_plain(table, name)[row]:.3f}{error}"
