"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real observations, or a skip that says where it was looked for."""
    places = [os.environ.get("ALFOSC_REDUCE_TESTDATA"), ROOT.parent / "shared" / "data"]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("no real data: set ALFOSC_REDUCE_TESTDATA to the folder of observations")
