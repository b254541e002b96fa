"""Inputs and outputs, read from annotations without importing what they name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

import pytest

from alfosc_reduce import Step
from alfosc_reduce.ports import Port, inputs_of, outputs_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nowhere import CCDData, Instrument, SpectrumList, Traces, spectra  # type: ignore[import-not-found]


class Two(NamedTuple):
    image: CCDData
    sky: CCDData | None


class Everything(Step):
    """Has one port of each kind."""

    def __call__(
        self,
        image: CCDData,
        frames: list[CCDData],
        spectra: Sequence[SpectrumList],
        either: CCDData | spectra.Spectrum,
        quoted: "Traces",  # noqa: UP037
        instrument: Instrument,
        bias: CCDData | None = None,
        old: Optional[Traces] = None,  # noqa: UP045
        many: list[CCDData] | None = None,
    ) -> Two:
        raise NotImplementedError


def test_inputs() -> None:
    assert Everything.inputs() == (
        Port("image", ("CCDData",)),
        Port("frames", ("CCDData",), many=True),
        Port("spectra", ("SpectrumList",), many=True),
        Port("either", ("CCDData", "Spectrum")),
        Port("quoted", ("Traces",)),
        Port("instrument", ("Instrument",)),
        Port("bias", ("CCDData",), optional=True),
        Port("old", ("Traces",), optional=True),
        Port("many", ("CCDData",), many=True, optional=True),
    )


def test_named_tuple_means_several_outputs() -> None:
    assert [port.name for port in Everything.outputs()] == ["image", "sky"]
    assert Everything.outputs()[0].types == ("CCDData",)


def test_single_output_is_called_result() -> None:
    def call(self: object, image: CCDData) -> SpectrumList: ...

    assert outputs_of(call) == (Port("result", ("SpectrumList",)),)


def test_missing_annotation_is_any() -> None:
    def call(self, image):  # type: ignore[no-untyped-def]
        ...

    assert inputs_of(call) == (Port("image", ("Any",)),)


def test_annotations_that_mean_nothing_are_refused() -> None:
    def call(self: object, image: lambda: 3) -> CCDData: ...  # type: ignore[valid-type]

    with pytest.raises(TypeError, match="is not one of T"):
        inputs_of(call)


def test_what_accepts_what() -> None:
    image, spectrum, anything = Port("a", ("CCDData",)), Port("b", ("Spectrum",)), Port("c", ("Any",))
    assert image.accepts(Port("x", ("CCDData", "None"))) and not image.accepts(spectrum)
    assert anything.accepts(spectrum) and spectrum.accepts(anything)


def test_ports_read_aloud() -> None:
    assert str(Port("frames", ("CCDData",), many=True)) == "frames: list[CCDData]"
    assert str(Port("bias", ("CCDData",), optional=True)) == "bias: CCDData (optional)"


def test_summary_is_the_first_line() -> None:
    assert Everything.summary() == "Has one port of each kind."
