"""Parts of one task done two at a time: on the nights when a task is all that can be done, the other core helps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Part = TypeVar("Part")
Result = TypeVar("Result")

AT_ONCE = 2


def two_at_a_time(work: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """Return ``work(part)`` of all parts in their order; worth while where most of it leaves Python's lock alone.

    Parameters
    ----------
    work
        May write to places that no other part touches.
    parts
        In the order of the results.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(work, parts))
