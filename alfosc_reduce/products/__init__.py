"""Products on disk: every product a step may return saves to one FITS file and comes back the same."""

from __future__ import annotations

from alfosc_reduce.products.files import header_of_file, load, save, type_of_file

__all__ = ["header_of_file", "load", "save", "type_of_file"]
