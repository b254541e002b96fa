"""What may be wrong with a source: one set of flags for all tables of sources."""

from __future__ import annotations

from enum import IntFlag


class SourceFlag(IntFlag):
    """Reasons, one bit each; the column ``source_flags``."""

    EDGE = 1
    """The source, or its aperture, reaches beyond the image or the illuminated field."""
    SATURATED = 2
    """A pixel of the source is saturated."""
    BLENDED = 4
    """It shares an isophote with another source."""
    NEIGHBOUR = 8
    """More than a twentieth of its aperture belongs to other sources; what lies opposite was taken instead."""
    MASKED = 16
    """A pixel within the aperture may not be used; what lies opposite was taken instead."""
    BAD_FIT = 32
    """The fit of the point spread function ran away, or too little of the source is known."""
    COSMIC_RAY = 64
    """A cosmic ray hit the source."""
    NONLINEAR = 128
    """A pixel of the source is above the linear range."""
    SHARP = 256
    """Narrower than a star can be: a cosmic ray or a hot pixel."""
    SHALLOW = 512
    """The image is much shallower here than elsewhere: fewer exposures, whose stars are not those of the image."""


NOT_A_SOURCE = SourceFlag.EDGE | SourceFlag.SHARP | SourceFlag.COSMIC_RAY
UNSAFE = SourceFlag.EDGE | SourceFlag.SATURATED | SourceFlag.MASKED | SourceFlag.COSMIC_RAY | SourceFlag.SHARP
"""Sources with one of these are not used to calibrate."""
