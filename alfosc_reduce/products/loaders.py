"""Our readers for ``Spectrum.read`` and ``SpectrumList.read``: every object in a file, with masks and flags.

Without them specutils opens the first object of our files by itself (its ``tabular-fits`` reader), but not the mask.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from specutils import Spectrum, SpectrumList

FORMAT = "alfosc-reduce"
"""The name for ``Spectrum.read(file, format=...)``."""


def announce() -> None:
    """Register the readers now if specutils is loaded, else as soon as it is: it is too slow to load for nothing."""
    if "specutils" in sys.modules:
        register()
    elif not any(isinstance(finder, _WhenLoaded) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WhenLoaded())


def register() -> None:
    """Make `FORMAT` known to specutils; its own reader stays for files that are not ours. May be called again."""
    from astropy.io import registry
    from specutils import Spectrum, SpectrumList

    for reader, cls in ((read_spectrum, Spectrum), (read_spectra, SpectrumList)):
        registry.register_reader(FORMAT, cls, reader, force=True, priority=20)
        registry.register_identifier(FORMAT, cls, is_ours, force=True)


def is_ours(origin: str, path: Any, fileobj: Any, *args: Any, **kwargs: Any) -> bool:
    """Say whether a file to be read is one of spectra that this package wrote."""
    from alfosc_reduce.errors import DataError
    from alfosc_reduce.products.files import type_of_file

    # specutils passes the name as first argument of the read, astropy as `path`.
    name = path if path is not None else (args[0] if args else None)
    if origin != "read" or not isinstance(name, str):
        return False
    try:
        return type_of_file(name) in ("Spectrum", "SpectrumList")
    except DataError:
        return False


def read_spectrum(path: Any, *, hdu: int | str = 1, **kwargs: Any) -> Spectrum:
    """Return one object with its mask, flags and columns.

    Parameters
    ----------
    path
        The file.
    hdu
        Which: a number from 1, or ``"OBJ2"``.
    """
    from astropy.io import fits

    from alfosc_reduce.products.spectrum_hdus import hdu_to_spectrum

    with fits.open(path, memmap=False) as hdus:
        return hdu_to_spectrum(hdus[hdu])


def read_spectra(path: Any, **kwargs: Any) -> SpectrumList:
    """Return all objects in a file, brightest first, with masks, flags and columns."""
    from astropy.io import fits

    from alfosc_reduce.products.spectrum_hdus import hdus_to_spectra

    with fits.open(path, memmap=False) as hdus:
        return hdus_to_spectra(hdus)


class _WhenLoaded(MetaPathFinder):
    """Waits for ``import specutils``, lets the usual machinery do it, and registers our readers afterwards."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "specutils":
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: ModuleType) -> None:
                load(module)
                register()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec
