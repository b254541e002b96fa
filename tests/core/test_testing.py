"""The contract passes for a good step, and names the fault of a bad one."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import numpy as np
import pytest
from astropy import units as u
from astropy.io.fits import Header
from astropy.nddata import CCDData
from astropy.table import QTable
from matplotlib.figure import Figure
from pydantic import ConfigDict
from specutils import Spectrum

from alfosc_reduce import DataError, Flag, Step
from alfosc_reduce.images import flags_of, make_image, usable, variance_of
from alfosc_reduce.parameters import Pixels
from alfosc_reduce.spectra import make_spectrum, spectrum_flags, spectrum_variance
from alfosc_reduce.testing import StepContract


def an_image() -> CCDData:
    flags = np.zeros((6, 8), np.int16)
    flags[2, 3] = Flag.COSMIC_RAY
    header = Header({"OBJECT": "star", "EXPTIME": 2.0})
    return make_image(np.arange(48.0).reshape(6, 8), unit="electron", header=header, variance=4.0, flags=flags)


def a_spectrum() -> Spectrum:
    wave = np.linspace(4000, 5000, 20) * u.AA
    return make_spectrum(wave, np.ones(20) * u.electron, variance=np.full(20, 0.3), header=Header({"OBJECT": "star"}))


class Double(Step):
    """Multiply an image by two."""

    factor: float = 2.0
    """By what."""
    width: Pixels = 3 * u.pix
    """Of nothing."""

    def __call__(self, image: CCDData) -> CCDData:
        if not usable(image).any():
            raise DataError("double: no usable pixel in the image; leave it out")
        return make_image(
            image.data * self.factor,
            unit=str(image.unit),
            header=image.meta,
            variance=variance_of(image) * self.factor**2,
            flags=flags_of(image),
        )

    def figures(self, result: Any, **inputs: Any) -> Any:
        yield "image", Figure(figsize=(2, 2))

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"mean": float(result.data.mean())}


class Halve(Step):
    """Halve a spectrum."""

    def __call__(self, spectrum: Spectrum) -> Spectrum:
        if not np.any(spectrum.flux.value):
            raise DataError("halve: no light in the spectrum; leave it out")
        return make_spectrum(
            spectrum.spectral_axis,
            spectrum.flux / 2,
            variance=spectrum_variance(spectrum) / 4,
            header=spectrum.meta["header"],
            flags=spectrum_flags(spectrum),
        )


class Count(Step):
    """Count the light of several images."""

    def __call__(self, images: list[CCDData]) -> QTable:
        if not images:
            raise DataError("count: no images were given; add some")
        return QTable({"sum": [float(image.data.sum()) for image in images] * u.electron})


class TestDouble(StepContract):
    step = Double()

    def inputs(self) -> dict[str, Any]:
        return {"image": an_image()}


class TestHalve(StepContract):
    step = Halve()

    def inputs(self) -> dict[str, Any]:
        return {"spectrum": a_spectrum()}


class TestCount(StepContract):
    step = Count()

    def inputs(self) -> dict[str, Any]:
        return {"images": [an_image(), an_image()]}


class ChangesInput(Double):
    """Write into the input."""

    def __call__(self, image: CCDData) -> CCDData:
        image.data[0, 0] = 7
        return super().__call__(image)


class ChangesHeader(Double):
    """Write into the header of the input."""

    def __call__(self, image: CCDData) -> CCDData:
        image.meta["OBJECT"] = "other"
        return super().__call__(image)


class KeepsState(Double):
    """Return something else each time."""

    counter: ClassVar[Any] = itertools.count()

    def __call__(self, image: CCDData) -> CCDData:
        result = super().__call__(image)
        result.data[1, 1] = next(self.counter)
        return result


class DropsErrors(Double):
    """Forget the uncertainty."""

    def __call__(self, image: CCDData) -> CCDData:
        return make_image(image.data, unit="electron", header=image.meta, flags=flags_of(image))


class DropsFlags(Double):
    """Forget the flags."""

    def __call__(self, image: CCDData) -> CCDData:
        return make_image(image.data, unit="electron", header=image.meta, variance=variance_of(image))


class InventsNumbers(Double):
    """Leave a NaN unmasked."""

    def __call__(self, image: CCDData) -> CCDData:
        result = super().__call__(image)
        result.data[0, 0] = np.nan
        return result


class NegativeVariance(Double):
    """Return errors that are none."""

    def __call__(self, image: CCDData) -> CCDData:
        result = super().__call__(image)
        result.uncertainty.array[0, 0] = -1
        return result


class WrongType(Double):
    """Promise an image, return an array."""

    def __call__(self, image: CCDData) -> CCDData:
        return np.asarray(image.data)


class NotAnnotated(Step):
    """Take anything."""

    def __call__(self, image):  # type: ignore[no-untyped-def]
        return image


class NotDocumented(Double):
    """Have a parameter without a docstring."""

    secret: int = 3


class NoDocstring(Double):
    pass


class NotFrozen(Double):
    """Let parameters be changed."""

    model_config = ConfigDict(frozen=False)


class Crashes(Double):
    """Trip over bad data."""

    def __call__(self, image: CCDData) -> CCDData:
        if not np.any(np.nan_to_num(image.data)):
            raise IndexError("list index out of range")
        return super().__call__(image)


class Mumbles(Double):
    """Refuse bad data with half a word."""

    def __call__(self, image: CCDData) -> CCDData:
        if not np.any(np.nan_to_num(image.data)):
            raise DataError("bad")
        return super().__call__(image)


class WrongNumbers(Double):
    """Return numbers that are no numbers."""

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"mean": np.ones(3)}


class WrongNames(Double):
    """Name numbers as nobody can type."""

    def quality(self, result: Any, **inputs: Any) -> dict[str, Any]:
        return {"Mean (e)": 3.0}


class SameNames(Double):
    """Two figures of one name."""

    def figures(self, result: Any, **inputs: Any) -> Any:
        yield "image", Figure(figsize=(1, 1))
        yield "image", Figure(figsize=(1, 1))


class Unsavable(Step):
    """Return what no file holds."""

    def __call__(self, image: CCDData) -> dict:
        return {"image": image}


FAULTS = [
    (ChangesInput(), "test_inputs_are_untouched", "changed its input image"),
    (ChangesHeader(), "test_inputs_are_untouched", "changed its input image"),
    (KeepsState(), "test_same_inputs_give_same_bits", "two calls differ"),
    (DropsErrors(), "test_unit_mask_and_uncertainty_are_carried", "uncertainty of the input was dropped"),
    (DropsFlags(), "test_unit_mask_and_uncertainty_are_carried", "1 pixels lost a flag"),
    (InventsNumbers(), "test_unit_mask_and_uncertainty_are_carried", "not finite, but not masked"),
    (NegativeVariance(), "test_unit_mask_and_uncertainty_are_carried", "not finite or negative"),
    (WrongType(), "test_inputs_and_outputs_are_declared", "returned a ndarray"),
    (NotAnnotated(), "test_inputs_and_outputs_are_declared", "annotate image"),
    (NotDocumented(), "test_parameters_are_documented", "secret"),
    (NoDocstring(), "test_parameters_are_documented", "NoDocstring has no docstring"),
    (NotFrozen(), "test_parameters_survive_a_recipe", "frozen"),
    (Crashes(), "test_bad_data_are_refused_or_flagged", "raise DataError with a sentence"),
    (Mumbles(), "test_bad_data_are_refused_or_flagged", "no sentence"),
    (WrongNumbers(), "test_quality_and_figures_are_for_people", "mean is a ndarray"),
    (WrongNames(), "test_quality_and_figures_are_for_people", "snake_case"),
    (SameNames(), "test_quality_and_figures_are_for_people", "two figures"),
]


@pytest.mark.parametrize(("step", "test", "words"), FAULTS, ids=lambda v: type(v).__name__)
def test_contract_names_the_fault(step: Step, test: str, words: str) -> None:
    class Contract(StepContract):
        def inputs(self) -> dict[str, Any]:
            return {"image": an_image()}

    contract = Contract()
    contract.step = step  # type: ignore[misc]
    with pytest.raises(AssertionError, match=words.replace("(", r"\(")):
        getattr(contract, test)()


def test_contract_refuses_a_product_that_cannot_be_saved(tmp_path: Any) -> None:
    class Contract(StepContract):
        step = Unsavable()

        def inputs(self) -> dict[str, Any]:
            return {"image": an_image()}

    with pytest.raises(Exception, match="cannot be saved"):
        Contract().test_products_survive_the_store(tmp_path)


def test_contract_asks_for_inputs() -> None:
    with pytest.raises(NotImplementedError, match="inputs of the step"):
        StepContract().inputs()
