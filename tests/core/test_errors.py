"""Errors speak to a person."""

from __future__ import annotations

import pickle

import pytest

from alfosc_reduce.errors import ConfigurationError, DataError, ReductionError, suggest


def test_nearest_spelling_comes_first() -> None:
    assert suggest("widht", ["height", "width"]) == "did you mean 'width'? Allowed are: height, width"


def test_nothing_near_is_not_guessed() -> None:
    assert suggest("zzz", ["height", "width", "width"]) == "Allowed are: height, width"


def test_nothing_allowed() -> None:
    assert suggest("width", []) == ""


def test_all_problems_are_kept() -> None:
    error = ConfigurationError(["one thing", "another"])
    assert error.problems == ["one thing", "another"] and str(error) == "one thing\nanother"
    assert ConfigurationError("alone").problems == ["alone"]


@pytest.mark.parametrize("kind", [DataError, ConfigurationError])
def test_all_are_reduction_errors(kind: type[ReductionError]) -> None:
    assert issubclass(kind, ReductionError)


@pytest.mark.parametrize("error", [DataError("flat: too dark"), ConfigurationError(["a", "b"])])
def test_errors_travel_between_processes(error: ReductionError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
