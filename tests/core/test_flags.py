"""Flags: one bit a reason, and the mask that follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alfosc_reduce.flags import UNUSABLE, Flag, mask_of, names_of


def test_each_flag_is_one_bit_that_fits() -> None:
    values = [int(flag) for flag in Flag]
    assert all(value.bit_count() == 1 for value in values) and len(set(values)) == len(values)
    assert max(values) <= np.iinfo(np.int16).max


@pytest.mark.parametrize("flag", list(Flag))
def test_each_flag_is_documented(flag: Flag) -> None:
    import ast
    import inspect

    body = ast.parse(inspect.getsource(Flag)).body[0].body  # type: ignore[attr-defined]
    names = [node.targets[0].id for node in body if isinstance(node, ast.Assign)]
    after = [body[body.index(node) + 1] for node in body if isinstance(node, ast.Assign)]
    assert isinstance(after[names.index(flag.name)], ast.Expr), f"{flag.name} has no docstring"


@given(st.integers(0, 2**15 - 1))
def test_mask_is_true_exactly_for_unusable_bits(value: int) -> None:
    assert bool(mask_of(np.array([value], np.int16))[0]) == bool(value & UNUSABLE)


@given(st.sets(st.sampled_from(list(Flag))))
def test_names_say_what_is_set(flags: set[Flag]) -> None:
    value = sum(int(flag) for flag in flags)
    assert names_of(value) == [flag.name for flag in Flag if flag in flags]


def test_warnings_alone_do_not_mask() -> None:
    usable = Flag.NONLINEAR | Flag.NO_FLAT | Flag.EXTRAPOLATED_WAVELENGTH | Flag.SECOND_ORDER | Flag.TELLURIC
    assert not mask_of(np.array([usable | Flag.PARTIAL | Flag.NEGATIVE_WRAPPED])).any()
