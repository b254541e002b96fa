"""Full frames, on which the slit has two ends: nothing beyond them may disturb sky and objects."""

from dataclasses import replace

import numpy as np
import pytest
from alfosc_reduce_longslit.sky.quality import residuals_of, robust_std
from alfosc_reduce_simulate import Night, Readout, Source, Target, exposures, power_law, simulate_frame, truth_of

from alfosc_reduce import Flag, get_instrument, get_step
from alfosc_reduce.images import rows_on_slit, usable
from alfosc_reduce.spectra import spectrum_variance

BINNING = 4
HALF = 745 * 0.2138
"""Arc seconds from the middle of the slit to its ends."""
INSTRUMENT = get_instrument("alfosc")


class Reduction:
    """One exposure of a night without a standard, reduced step by step."""

    def __init__(self, slit, folder):
        # The light ends 38 rows before the read-out does: along y the middle of the frame is not that of the slit.
        middle = 19 * 0.2138 if slit.startswith("Vert") else 0.0
        places = (-20.0, HALF - 5.0 - middle)
        sources = tuple(Source(power_law(1e-15), position=place) for place in places)
        target = Target("TEST1002+2801", 150.70, 28.02, sources, exposure=600.0)
        readout = Readout(binning=(BINNING, BINNING))
        self.night = Night((target,), slit=slit, readout=readout, n_bias=3, n_flat=3, start="2020-03-20T22:00:00")
        # A slow read-out of big pixels would saturate in a long flat.
        self.night = replace(self.night, flat_exposure=1.0, arc_exposure=1.0)
        self.folder = folder
        trimmed = {kind: [self.trimmed(frame) for frame in self.of(kind)] for kind in ("bias", "flat", "arc", "object")}
        bias = get_step("combine_bias")()(trimmed["bias"])
        detector = get_step("measure_detector")()(trimmed["bias"], trimmed["flat"])
        correct = get_step("correct_frame")()
        electrons = {k: [correct(f, bias, None, detector) for f in trimmed[k]] for k in ("flat", "arc", "object")}
        self.flat = get_step("combine_flat")()(electrons["flat"])
        self.arc = get_step("solve_wavelengths")()(get_step("combine_arcs")()(electrons["arc"]), INSTRUMENT)
        image = get_step("divide_flat")()(electrons["object"][0], self.flat)
        image = get_step("reject_cosmic_rays")()(image)
        self.image, self.sky = get_step("subtract_sky")()(image, self.arc)
        self.traces = get_step("trace_objects")()(self.image, self.sky)

    def true(self, number):
        """Return the truth of a source on the pixels of the trimmed frame."""
        header, nx = self.image.header, self.image.shape[1]
        name = str(self.truth.spectra["file"][0])
        start = round((header["DISPPIX0"] - self.truth.first) / self.truth.step)
        true = {key: value[start : start + nx] for key, value in self.truth.of(name, number).items()}
        offset = (header["SLITPIX0"] - self.truth.slit_first) / self.truth.slit_step
        return true | {"trace": true["trace"] - offset}

    def of(self, kind):
        return [one for one in exposures(self.night) if one.kind == kind]

    def trimmed(self, exposure):
        frame = simulate_frame(self.night, exposure, INSTRUMENT)
        if exposure.kind == "object":
            self.truth = truth_of(self.night, frame)
        return get_step("subtract_overscan")()(INSTRUMENT.read(frame.write(self.folder / exposure.name)))


@pytest.fixture(scope="module", params=["Slit_1.0", "Vert_1.0"])
def reduced(request, tmp_path_factory):
    return Reduction(request.param, tmp_path_factory.mktemp("raw"))


def test_the_ends_are_flagged_and_no_more(reduced):
    lit = np.any(usable(reduced.image), axis=1)
    assert lit.sum() * BINNING == pytest.approx(1490, abs=50)
    rows = rows_on_slit(reduced.image)
    assert rows.start == np.flatnonzero(lit)[0] and rows.stop == np.flatnonzero(lit)[-1] + 1


def test_sky_residuals_are_noise_up_to_the_ends(reduced):
    residual, blank = residuals_of(reduced.image)
    rows = np.flatnonzero(blank.any(axis=1))
    assert robust_std(residual[blank]) == pytest.approx(1, abs=0.03)
    for end in (rows[:12], rows[-12:]):
        values = residual[end][blank[end]]
        # The polynomial along the slit follows its last rows most: there residuals are smaller than their error.
        assert 0.9 < robust_std(values) < 1.05 and abs(np.median(values)) < 0.1
    assert (reduced.sky.data[np.all(reduced.image.mask, axis=1)] == 0).all()


def test_no_object_is_found_at_the_ends_but_the_one_there(reduced):
    assert len(reduced.traces) == 2
    found = np.sort(np.median(reduced.traces.centres, axis=1))
    expected = sorted(np.median(reduced.true(number)["trace"]) for number in (0, 1))
    assert found == pytest.approx(expected, abs=0.1)


def test_an_object_near_an_end_is_extracted_right(reduced):
    spectra = get_step("extract_optimal")()(reduced.image, reduced.traces, reduced.arc, reduced.sky)
    for number in (0, 1):
        true = reduced.true(number)
        found = min(spectra, key=lambda s: abs(s.meta["header"]["OBJROW"] - np.median(true["trace"])))
        good = ~np.asarray(found.mask) & (true["electrons"] > 300)
        flux, error = found.flux.value[good], np.sqrt(spectrum_variance(found))[good]
        assert good.sum() > 200
        assert np.median(flux / true["electrons"][good]) == pytest.approx(1, abs=0.01)
        assert robust_std((flux - true["electrons"][good]) / error) < 1.4


def test_the_rectified_frame_knows_the_ends(reduced):
    straight = get_step("rectify")()(reduced.image, reduced.arc)
    outside = (np.asarray(straight.flags) & Flag.OUTSIDE_FIELD) != 0
    rows = rows_on_slit(reduced.image)
    assert (
        outside[: rows.start].all() and outside[rows.stop :].all() and not outside[rows.start + 4 : rows.stop - 4].any()
    )
