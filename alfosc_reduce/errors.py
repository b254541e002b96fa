"""Errors, each a sentence for an astronomer: what failed, on which data, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class ReductionError(Exception):
    """Anything that goes wrong in a way the user can understand; its text is shown without a traceback."""


class DataError(ReductionError):
    """These data cannot be reduced in this way; other data are not concerned.

    Parameters
    ----------
    message
        What failed, what was found, what to do.
    figures
        What a person would want to see of it, as (short name, matplotlib figure); published like those of a step, and
        not asked for before: a generator draws nothing for those who do not look.
    """

    def __init__(self, message: str, figures: Iterable[tuple[str, Any]] = ()) -> None:
        super().__init__(message)
        self.figures = figures

    def __reduce__(self) -> tuple[type[DataError], tuple[str]]:
        """Travel between processes as the sentence alone."""
        return type(self), (str(self),)


class ConfigurationError(ReductionError):
    """The recipe, the command line or the installation asks for something impossible.

    Parameters
    ----------
    problems
        One sentence a mistake; all of them are shown at once.
    """

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


def suggest(found: str, allowed: Iterable[str]) -> str:
    """Say what is allowed instead of `found`, the nearest spelling first.

    Parameters
    ----------
    found
        What stood there.
    allowed
        What may stand there.

    Returns
    -------
    str
        For example ``did you mean 'width'? Allowed are: height, width``; empty if nothing is allowed.
    """
    names = sorted(set(allowed))
    if not names:
        return ""
    close = get_close_matches(found, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}Allowed are: {', '.join(names)}"
