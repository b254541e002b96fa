"""Every step keeps the contract that is shipped for strangers."""

import numpy as np
import pytest
from alfosc_reduce_ccd.bias import CombineBias
from alfosc_reduce_ccd.correction import CorrectFrame
from alfosc_reduce_ccd.cosmic_rays import RejectCosmicRays
from alfosc_reduce_ccd.dark import CombineDark
from alfosc_reduce_ccd.detector import MeasureDetector
from alfosc_reduce_ccd.flat import CombineFlat
from alfosc_reduce_ccd.flatfield import DivideFlat
from alfosc_reduce_ccd.overscan import SubtractOverscan

from alfosc_reduce.images import make_image
from alfosc_reduce.testing import StepContract

OVERSCAN = SubtractOverscan()


@pytest.fixture(autouse=True)
def _small_detector(request, detector):
    if request.instance is not None:
        request.instance.detector = detector


class Frames(StepContract):
    """Frames of a small detector, always the same."""

    def light(self, peak=12000.0):
        y, x = np.mgrid[: self.detector.ny, : self.detector.nx]
        return peak * np.exp(-(((y - 120) / 60) ** 2)) * (1 + 0.05 * np.sin(x / 9)) + 100

    def made(self, number, light=None, **cards):
        self.detector.rng = np.random.default_rng(number)
        return [OVERSCAN(self.detector.raw(light, name=f"f{i}", **cards)) for i in range(number)]

    def corrected(self, number, peak=12000.0):
        return [CorrectFrame()(frame, CombineBias()(self.made(3))) for frame in self.made(number, self.light(peak))]


class TestSubtractOverscan(Frames):
    step = OVERSCAN
    moves_pixels = True

    def inputs(self):
        self.detector.rng = np.random.default_rng(1)
        return {"image": self.detector.raw(self.light())}


class TestCombineBias(Frames):
    step = CombineBias()
    moves_pixels = True

    def inputs(self):
        return {"frames": self.made(5)}


class TestCombineDark(Frames):
    step = CombineDark()
    moves_pixels = True

    def inputs(self):
        return {"frames": self.made(4, self.light(5.0), EXPTIME=600.0), "bias": CombineBias()(self.made(3))}


class TestMeasureDetector(Frames):
    step = MeasureDetector()
    damaged = ("bias", "flats")

    def inputs(self):
        return {"bias": self.made(4), "flats": self.made(3, self.light())}


class TestCorrectFrame(Frames):
    step = CorrectFrame()
    damaged = ("image", "bias")
    moves_pixels = True

    def inputs(self):
        return {"image": self.made(1, self.light())[0], "bias": CombineBias()(self.made(3))}


class TestCombineFlat(Frames):
    step = CombineFlat()
    moves_pixels = True

    def inputs(self):
        return {"frames": self.corrected(3)}


class TestDivideFlat(Frames):
    step = DivideFlat()
    damaged = ("image", "flat")

    def inputs(self):
        return {"image": self.corrected(1, 50.0)[0], "flat": CombineFlat()(self.corrected(3))}


class TestRejectCosmicRays(Frames):
    step = RejectCosmicRays()

    def inputs(self):
        image = self.corrected(1, 50.0)[0]
        data = np.array(image.data)
        data[50, 60:64] += 900
        variance = image.uncertainty.array
        return {"image": make_image(data, unit="electron", header=image.meta, variance=variance, flags=image.flags)}
