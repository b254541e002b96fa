"""The contract of a step as a test class: subclass it in your tests, for ours and for yours alike.

    from alfosc_reduce.testing import StepContract

    class TestSmooth(StepContract):
        step = Smooth(width=5 * u.pix)

        def inputs(self):
            return {"spectrum": a_small_spectrum()}

pytest then checks that inputs stay untouched; that same inputs give same bits; that unit, mask and uncertainty are
carried; that parameters are documented and survive a recipe; that products survive the store; and that bad data raise
`DataError` with a sentence, or are flagged.
"""

from __future__ import annotations

import copy
import pickle
import re
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from alfosc_reduce.catalog_contract import CatalogContract
from alfosc_reduce.comparison import differences, digest, identical
from alfosc_reduce.corruption import CORRUPTIONS, corrupted, planes_of
from alfosc_reduce.docstrings import parameter_texts
from alfosc_reduce.errors import ReductionError
from alfosc_reduce.flags import mask_of
from alfosc_reduce.help_text import documentation_of

if TYPE_CHECKING:
    from pathlib import Path

    from alfosc_reduce.step import Step

__all__ = ["CatalogContract", "StepContract", "differences", "digest", "identical"]

ROUNDING = 1e-12
"""Relative difference allowed after the store: a spectrum's variance is kept as its square root."""

DESCRIBES_ARRAYS = re.compile(
    r"\[(SIMPLE|BITPIX|NAXIS\d?|EXTEND|[PG]COUNT|BZERO|BSCALE|CHECKSUM|DATASUM|WCS\w+|LTV\d|LTM\d_\d|(CD|PC)\d_\d"
    r"|C(RPIX|RVAL|DELT|TYPE|UNIT|ROTA)\d)\]: only in the first"
)
"""Header cards of the array that a frame was read from; they are not part of a product made from it."""


@dataclass(frozen=True)
class Trial:
    """One call of a step: what went in, what came out, which inputs had changed by then."""

    inputs: dict[str, Any]
    result: Any
    outputs: tuple[Any, ...]
    changed: list[str]
    quality: dict[str, Any]
    figures: list[str]


class StepContract:
    """What every step promises, as tests; a subclass says which step, on which inputs.

    Attributes
    ----------
    step
        The step to test, with parameters.
    damaged
        Names of the inputs that the bad-data tests damage; by default the first one.
    moves_pixels
        True for a step whose images are not, pixel by pixel, those of its input (rectified, flipped, combined): flags
        are then not compared one by one.
    """

    step: ClassVar[Step]
    damaged: ClassVar[tuple[str, ...]] = ()
    moves_pixels: ClassVar[bool] = False
    _first: ClassVar[Trial]

    def inputs(self) -> dict[str, Any]:
        """Return small inputs, by name; called anew for every test."""
        raise NotImplementedError("return the inputs of the step by name")

    def run(self, inputs: dict[str, Any]) -> Any:
        """Call the step."""
        return self.step(**inputs)

    def first(self) -> Trial:
        """Return the first call of the step and all that came of it; made once and shared by the tests."""
        if "_first" not in type(self).__dict__:
            type(self)._first = self._try()
        return type(self)._first

    def _try(self) -> Trial:
        inputs = self.inputs()
        before = {name: digest(value) for name, value in inputs.items()}
        result = self.run(inputs)
        outputs = tuple(result) if len(self.step.outputs()) > 1 else (result,)
        self.check_types(outputs)
        quality = self.step.quality(result, **inputs)
        figures = [name for name, figure in self.step.figures(result, **inputs) if _drawn(figure)]
        changed = [name for name, value in inputs.items() if digest(value) != before[name]]
        return Trial(inputs, result, outputs, changed, quality, figures)

    def test_inputs_are_untouched(self) -> None:
        """Nothing in the inputs has changed after the call and its figures and numbers."""
        changed = self.first().changed
        assert not changed, f"the step changed its input {', '.join(changed)}: work on a copy"

    def test_same_inputs_give_same_bits(self) -> None:
        """Two calls, also of a step that went through a pickle, agree bit for bit."""
        again = pickle.loads(pickle.dumps(self.step))(**self.inputs())
        told = differences(self.first().result, again)
        assert not told, f"two calls differ: {told}; seed random numbers with a parameter, and keep no state"

    def test_inputs_and_outputs_are_declared(self) -> None:
        """Every input and output is annotated with a product type, and the call returns that type."""
        bare = [str(port) for port in (*self.step.inputs(), *self.step.outputs()) if "Any" in port.types]
        assert not bare, f"annotate {', '.join(bare)} with a product type"
        self.check_types(self.first().outputs)

    def check_types(self, outputs: tuple[Any, ...]) -> None:
        """Assert that the products are of the types that the step declares."""
        for port, product in zip(self.step.outputs(), outputs, strict=True):
            kinds = {base.__name__ for base in type(product).__mro__}
            assert kinds & {*port.types} or "Any" in port.types, (
                f"the call returned a {type(product).__name__}, but declares {port}"
            )

    def test_parameters_are_documented(self) -> None:
        """The step and each of its parameters have a docstring; names of inputs and parameters differ."""
        step = type(self.step)
        assert documentation_of(step), f"{step.__name__} has no docstring"
        bare = [name for name, text in parameter_texts(step).items() if not text]
        assert not bare, f"write a docstring below the parameter {', '.join(bare)}"
        twice = {port.name for port in step.inputs()} & set(step.model_fields)
        assert not twice, f"{', '.join(twice)} is both an input and a parameter"

    def test_parameters_survive_a_recipe(self) -> None:
        """Parameters written as JSON and read again give the same step, and cannot be changed."""
        step = type(self.step)
        again = step.model_validate(self.step.model_dump(mode="json"))
        assert again == self.step, f"{again!r} is not {self.step!r}"
        assert step.model_validate_json(self.step.model_dump_json()) == self.step
        assert step.model_config.get("frozen"), "a step is frozen: its parameters cannot be changed"
        assert step.model_config.get("extra") == "forbid", "a step refuses parameters that it does not have"

    def test_unit_mask_and_uncertainty_are_carried(self) -> None:
        """Outputs have units; what had an uncertainty and flags still has them, and values marked good are numbers."""
        inputs = self.first().inputs
        given = [plane for value in inputs.values() for plane in planes_of(value)]
        for plane in [plane for output in self.first().outputs for plane in planes_of(output)]:
            assert plane.unit is not None, "an output has no unit"
            if given and all(other.uncertainty is not None for other in given):
                assert plane.uncertainty is not None, "the uncertainty of the input was dropped"
            assert_good_values_are_numbers(plane)
        if not self.moves_pixels:
            self.check_flags(planes_of(next(iter(inputs.values()))))

    def check_flags(self, given: list[Any]) -> None:
        """Assert that every flag of a single input image or spectrum stands in the output of the same shape."""
        if len(given) != 1 or flags_in(given[0]) is None:
            return
        before = flags_in(given[0])
        for plane in [plane for output in self.first().outputs for plane in planes_of(output)]:
            after = flags_in(plane)
            if np.shape(plane.data) == np.shape(given[0].data):
                assert after is not None, "the flags of the input were dropped"
                lost = np.count_nonzero(before & ~after)
                assert lost == 0, f"{lost} pixels lost a flag that the input had"

    def test_products_survive_the_store(self, tmp_path: Path) -> None:
        """Every output saves to a FITS file and comes back the same."""
        from alfosc_reduce.products import load, save

        for port, product in zip(self.step.outputs(), self.first().outputs, strict=True):
            found = differences(product, load(save(product, tmp_path / f"{port.name}.fits")), rtol=ROUNDING)
            told = [line for line in found if not DESCRIBES_ARRAYS.search(line)]
            assert not told, f"the output {port.name} came back from its file changed: {told}"

    def test_bad_data_are_refused_or_flagged(self) -> None:
        """NaN, all-zero and empty data raise `DataError` with a sentence, or the result says what is bad."""
        for name in self.damaged or tuple(self.inputs())[:1]:
            for kind in CORRUPTIONS:
                inputs = self.inputs()
                inputs[name] = corrupted(copy.deepcopy(inputs[name]), kind)
                self.check_bad(name, kind, inputs)

    def check_bad(self, name: str, kind: str, inputs: dict[str, Any]) -> None:
        """Assert that the step answers to damaged inputs with a sentence or with flags."""
        try:
            result = self.run(inputs)
        except ReductionError as error:
            assert_sentence(str(error))
            return
        except Exception as error:
            raise AssertionError(
                f"with {kind} {name}: {type(error).__name__} ({error}); raise DataError with a sentence"
            ) from error
        for plane in planes_of(result):
            assert_good_values_are_numbers(plane)

    def test_quality_and_figures_are_for_people(self) -> None:
        """Numbers have stable plain names and plain values; figures have distinct names and can be drawn."""
        for name, value in self.first().quality.items():
            assert re.fullmatch(r"[a-z][a-z0-9_]*", name), f"the name {name!r} of a number is not snake_case"
            assert value is None or isinstance(value, (bool, int, float, str)), f"{name} is a {type(value).__name__}"
        names = self.first().figures
        assert len(names) == len(set(names)), f"two figures of one step have the same name: {names}"


def assert_sentence(text: str) -> None:
    """Assert that an error speaks to a person: some words, on one line each, without Python's traceback."""
    assert len(text.split()) >= 4 and "Traceback" not in text, f"no sentence for a person: {text!r}"


def assert_good_values_are_numbers(plane: Any) -> None:
    """Assert that values not masked are finite, and so are their uncertainties, which are not negative."""
    good = np.ones(np.shape(plane.data), bool) if plane.mask is None else ~np.asarray(plane.mask, bool)
    bad = np.count_nonzero(~np.isfinite(np.asarray(plane.data)[good]))
    assert bad == 0, f"{bad} values are not finite, but not masked"
    if plane.uncertainty is not None:
        errors = np.asarray(plane.uncertainty.array)[good]
        bad = np.count_nonzero(~np.isfinite(errors) | (errors < 0))
        assert bad == 0, f"{bad} uncertainties are not finite or negative, where the value is not masked"


def flags_in(plane: Any) -> Any:
    """Return the flags of an image or a spectrum, checked against its mask; None if it has none."""
    flags = plane.flags if hasattr(plane, "flags") else plane.meta.get("flags")
    if flags is not None and plane.mask is not None:
        assert not np.any(mask_of(np.asarray(flags)) & ~np.asarray(plane.mask)), "flagged values that are not masked"
    return None if flags is None else np.asarray(flags)


def _drawn(figure: Any) -> bool:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.tell() > 0
