"""Numbers and the limits that they must keep, as the benchmarks print them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A number and the range in which it must lie."""

    name: str
    value: float
    low: float
    high: float

    @property
    def passed(self) -> bool:
        """Whether it does."""
        return self.low <= self.value <= self.high

    def __str__(self) -> str:
        return f"{'ok  ' if self.passed else 'FAIL'} {self.name:<66} {self.value:9.4f}   [{self.low:g}, {self.high:g}]"
