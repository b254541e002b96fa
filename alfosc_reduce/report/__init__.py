"""The report of a night: one self-contained page, made from what any recipe did; it knows no step by name."""

from __future__ import annotations

from alfosc_reduce.report.story import Story
from alfosc_reduce.report.writing import REPORT, write_report

__all__ = ["REPORT", "Story", "write_report"]
