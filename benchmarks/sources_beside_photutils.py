"""Each piece of finding and measuring sources beside its like in photutils, on the same full frames.

    python benchmarks/sources_beside_photutils.py [SCENE ...] [--piece PIECE ...] [--night FOLDER] [--seed N]

prints a table for each scene (see `scenes.py`): seconds of processor, megabytes held at most beyond what was held
before, and how right the results are: bias in millimagnitudes and pull (standard deviation of error over stated error)
around a signal to noise of 10, 50 and 200, share of stars found there, false sources. Fluxes are first put on the scale
of the truth by one factor for each method, that of its brightest stars, as a zero point would; `scale` is that factor.

photutils is used as its documentation advises: float32 and bottleneck; the background twice, the second time with the
sources of the first masked and grown; sources on the image convolved with a star, deblended in one process; neighbours
corrected; an effective point spread function of the same stars as ours; close sources fitted together.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scenes
from scipy.spatial import KDTree

STRENGTHS = (10.0, 50.0, 200.0)
AROUND = 1.6
"""Stars up to this factor from a strength count for it."""


@dataclass(frozen=True, eq=False)
class Work:
    """A scene with all that the pieces need, as our own code makes it."""

    scene: scenes.Scene
    frame: Any
    ready: Any
    smooth: np.ndarray
    local: np.ndarray
    error: np.ndarray

    @property
    def light(self) -> np.ndarray:
        return self.ready.scene.light

    @property
    def good(self) -> np.ndarray:
        return self.frame.light.good


@dataclass(frozen=True)
class Cost:
    seconds: float
    megabytes: float


def prepared(scene: scenes.Scene) -> Work:
    """Return the scene after background, detection and point spread function of our own."""
    from alfosc_reduce_imaging.sources.measurement import prepare
    from alfosc_reduce_imaging.stars.frame import frame_of

    header = scene.image.meta
    known = (float(header["NOISECOR"]), float(header.get("NOISELEN", 1))) if "NOISECOR" in header else None
    frame = frame_of(scene.image)
    ready = prepare(frame, 5.0, 5, known)
    error = np.sqrt(ready.noise.sky + ready.noise.photon * np.maximum(ready.scene.light, 0))
    return Work(scene, frame, ready, *matched_filter(frame, ready.fwhm), error)


def matched_filter(frame: Any, fwhm: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the image smoothed with a star in units of its noise, and the noise of the light relative to the sky's."""
    from alfosc_reduce_imaging.stars.peaks import FWHM_TO_SIGMA, smoothed_noise
    from scipy.ndimage import gaussian_filter

    light, sky = frame.light, frame.noise.sky
    ratio = np.where(light.seen, light.data / np.sqrt(sky), 0).astype(np.float32)
    smooth = gaussian_filter(ratio, fwhm / FWHM_TO_SIGMA, truncate=3, mode="constant")
    local = np.sqrt(1 + frame.noise.photon * np.maximum(smooth, 0) / np.sqrt(sky))
    return smooth / smoothed_noise(smooth, fwhm), local.astype(np.float32)


def clocked(job: Callable[[], Any]) -> tuple[Any, Cost]:
    """Return what a job makes, the seconds of processor it takes, and by how much it lifts the largest memory."""
    before = held("VmRSS", reset=True)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = job()
    seconds = time.process_time() - start
    return result, Cost(seconds, held("VmHWM") - before)


def held(what: str, *, reset: bool = False) -> float:
    """Return the memory of this process in MB, and let the largest begin anew; nan where the system does not tell."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def told(name: str, cost: Cost, words: str) -> None:
    print(f"  {name:<44} {cost.seconds:7.2f} s {cost.megabytes:6.0f} MB  {words}", flush=True)


# -- Background ----------------------------------------------------------------------------------------------------


def photutils_background(data: np.ndarray, mask: np.ndarray, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    from photutils.background import Background2D

    found = Background2D(data, 64, mask=mask, **options)
    return found.background, found.background_rms


def photutils_background_twice(data: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the background with the sources of a first look masked and grown, as the documentation does it."""
    from photutils.segmentation import detect_sources
    from photutils.utils import circular_footprint

    level, rms = photutils_background(data, mask)
    found = detect_sources(data - level, 2 * rms, 10, mask=mask)
    objects = found.make_source_mask(footprint=circular_footprint(radius=10))
    return photutils_background(data, mask | objects, exclude_percentile=80)


def backgrounds(work: Work) -> Iterator[None]:
    from alfosc_reduce_imaging.stars.background import background

    data = np.asarray(work.scene.image.data, np.float32)
    mask = ~work.good
    yield judge_background("background: ours", work, lambda: background(data, work.good))
    yield judge_background("background: photutils, once", work, lambda: photutils_background(data, mask))
    yield judge_background("background: photutils, sources masked", work,
                           lambda: photutils_background_twice(data, mask))  # fmt: skip


def judge_background(name: str, work: Work, job: Callable[[], Any]) -> None:
    """Print how far the level is off, in noise of a pixel: everywhere, and below stars; and the scatter over truth.

    Stars too faint to be seen belong to it: they lie below the others as well.
    """
    (level, rms), cost = clocked(job)
    scene = work.scene
    if scene.sky is None:
        return told(name, cost, "(truth not known)")
    noise = np.sqrt(scene.sky + scenes.READ_NOISE**2)
    unseen = scene.flux[scene.strength < 5].sum() / scene.sky.size
    off = (level - scene.sky - unseen) / noise
    bright = scene.strength > 100
    x, y = (np.rint(place[bright]).astype(int) for place in (scene.x, scene.y))
    aperture = np.pi * work.ready.fwhm**2
    millimag = 1085.7 * np.median(off[y, x]) * np.sqrt(aperture) / 50
    return told(name, cost, f"level off by {1000 * off.mean():+6.1f} +- {1000 * off.std():5.1f} (worst "
                f"{1000 * np.abs(off).max():5.0f}) thousandths of the noise, below stars "
                f"{1000 * off[y, x].mean():+6.1f} ({-millimag:+.1f} mmag at S/N 50); scatter over truth "
                f"{np.mean(rms / noise):.4f}")  # fmt: skip


# -- Detection and deblending --------------------------------------------------------------------------------------


def photutils_segments(work: Work, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return labels and summits of sources above the isophote of ours that are as high as ours must be, deblended."""
    from photutils.segmentation import SegmentationImage, deblend_sources, detect_sources
    from scipy.ndimage import maximum, maximum_position

    found = detect_sources(work.smooth, 2.0, 5)
    # Most are noise between two and five sigma: to take them apart would be a waste.
    high = maximum(work.smooth, found.data, found.labels) >= 5
    found = SegmentationImage(np.where(np.concatenate([[False], high])[found.data], found.data, 0))
    if options:
        found = deblend_sources(work.smooth, found, 5, progress_bar=False, **options)
    number = found.labels[maximum(work.smooth, found.data, found.labels) >= 5]
    y, x = np.transpose(maximum_position(work.smooth, found.data, number))
    return found.data, x, y


def photutils_finder(work: Work, threshold: float) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return what DAOStarFinder sees on the light in units of its noise."""
    from photutils.detection import DAOStarFinder

    ratio = np.where(work.frame.light.seen, work.light / np.sqrt(work.ready.noise.sky), 0)
    found = DAOStarFinder(threshold * work.ready.noise.correlation, work.ready.fwhm)(ratio)
    return found, np.asarray(found["x_centroid"]), np.asarray(found["y_centroid"])


def detections(work: Work) -> Iterator[None]:
    from alfosc_reduce_imaging.sources.segmentation import segment
    from alfosc_reduce_imaging.stars.detection import measured

    def ours() -> tuple[Any, np.ndarray, np.ndarray]:
        found = segment(work.smooth, work.local, 5.0, 5)
        return found.labels, found.x, found.y

    def stars() -> tuple[Any, np.ndarray, np.ndarray]:
        found = measured(work.frame.light, work.ready.fwhm, 5.0)
        return found, found.x, found.y

    yield judge_detection("sources: ours", work, ours)
    yield judge_detection("sources: photutils, not deblended", work, lambda: photutils_segments(work))
    for mode, contrast in (("exponential", 0.001), ("sinh", 0.001), ("exponential", 0.03)):
        yield judge_detection(f"sources: photutils, {mode}, contrast {contrast}", work,
                              lambda mode=mode, contrast=contrast: photutils_segments(work, mode=mode,
                                                                                      contrast=contrast))  # fmt: skip
    yield judge_detection("stars: ours (at most 1000, with shapes)", work, stars)
    for threshold in (5.0, 3.0):
        yield judge_detection(f"stars: photutils, DAOStarFinder, {threshold:.0f} sigma", work,
                              lambda threshold=threshold: photutils_finder(work, threshold))  # fmt: skip


def judge_detection(name: str, work: Work, job: Callable[[], Any]) -> None:
    """Print the share of stars found at each strength, and how many sources are nothing, or a part of one."""
    (_, x, y), cost = clocked(job)
    scene = work.scene
    visible = np.flatnonzero(scene.strength > 2)
    places, true = np.column_stack([x, y]), np.column_stack([scene.x, scene.y])[visible]
    distance, mine = KDTree(true).query(places)
    nearest = KDTree(places).query(true)[1]
    real = (distance < max(2.0, 0.5 * work.ready.fwhm)) & (nearest[mine] == np.arange(len(places)))
    found = np.zeros(len(scene.x), bool)
    found[visible[mine[real]]] = True
    shares = ", ".join(f"{np.mean(found[near(scene, one)]):.3f}" for one in STRENGTHS)
    told(name, cost, f"{len(x):5} found; of stars at S/N 10, 50, 200: {shares}; false {np.count_nonzero(~real)}")


def near(scene: scenes.Scene, strength: float) -> np.ndarray:
    """Return the stars of about a strength, away from the edges."""
    ny, nx = scene.image.shape
    inside = (scene.x > 20) & (scene.y > 20) & (scene.x < nx - 21) & (scene.y < ny - 21)
    return scene.star & inside & (np.abs(np.log(scene.strength / strength)) < np.log(AROUND))


# -- Fluxes --------------------------------------------------------------------------------------------------------


def judge_fluxes(name: str, work: Work, cost: Cost, x: np.ndarray, y: np.ndarray, flux: np.ndarray,
                 error: np.ndarray) -> None:  # fmt: skip
    """Print bias and pull at each strength, on the scale of the brightest stars."""
    scene = work.scene
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(flux) & np.isfinite(error) & (error > 0))
    distance, index = KDTree(np.column_stack([x, y])[known]).query(np.column_stack([scene.x, scene.y]))
    index = known[np.minimum(index, len(known) - 1)]
    matched = distance < 0.4 * work.ready.fwhm
    ratio, noise = flux[index] / scene.flux, error[index] / scene.flux
    bright = matched & scene.star & (scene.strength > 150) & (scene.strength < 1000)
    scale = float(np.median(ratio[bright]))
    words = [f"scale {scale:.4f};"]
    for strength in STRENGTHS:
        one = matched & near(scene, strength)
        off, pull = ratio[one] / scale - 1, (ratio[one] - scale) / noise[one]
        own = noise[one] / scale
        mean = np.average(np.clip(off, -5 * own, 5 * own), weights=own**-2)
        kept = np.abs(pull) < 5
        missing = np.count_nonzero(matched_places(x, y, work) & near(scene, strength)) - len(pull)
        words.append(f"S/N {strength:3.0f}: {1085.7 * mean:+6.1f} +- {1085.7 / np.sqrt(np.sum(own**-2)):.1f} mmag, "
                     f"pull {np.std(pull[kept]):.2f}, of {len(pull)} beyond 5 sigma {np.count_nonzero(~kept)}"
                     + (f", without flux {missing};" if missing else ";"))  # fmt: skip
    told(name, cost, " ".join(words))


def matched_places(x: np.ndarray, y: np.ndarray, work: Work) -> np.ndarray:
    """Return which true sources have a measured one where they are."""
    known = np.isfinite(x) & np.isfinite(y)
    places = np.column_stack([x, y])[known]
    return KDTree(places).query(np.column_stack([work.scene.x, work.scene.y]))[0] < 0.4 * work.ready.fwhm


def catalogues(work: Work) -> Iterator[None]:
    """Sums over isophotes, Kron ellipses, circles: on our segments, so that photometry alone is compared."""
    from alfosc_reduce_imaging.sources.apertures import circular_fluxes, kron_fluxes
    from alfosc_reduce_imaging.sources.isophotes import isophotes
    from alfosc_reduce_imaging.sources.measurement import centres

    scene, found = work.ready.scene, work.ready.found
    own = np.arange(1, len(found.x) + 1)
    light = np.where(scene.seen, scene.light, 0)
    shapes, cost = clocked(lambda: isophotes(found.labels, light, scene.noise.sky, scene.noise.photon, len(own)))
    yield told("isophotes: by photutils, in ours", cost, f"{len(own)} sources")
    (_, x, y), cost = clocked(lambda: centres(scene, found, shapes, work.ready.fwhm))
    yield told("centres under a matched weight: ours", cost, "")
    kron, cost = clocked(lambda: kron_fluxes(scene, x, y, own, (shapes.xx, shapes.xy, shapes.yy)))
    yield judge_fluxes("Kron: ours", work, cost, x, y, kron.flux, kron.error)
    yield from photutils_catalogue(work, kron)
    circles, cost = clocked(lambda: circular_fluxes(scene, x, y, own, work.ready.radii))
    yield judge_fluxes("six circles, neighbours mended: ours, r = FWHM", work, cost, x, y, circles.flux[:, 2],
                       circles.error[:, 2])  # fmt: skip
    share = work.ready.psf.enclosed(work.ready.radii, x, y)[:, 2]
    yield judge_fluxes("  over the share of a star's light at its place", work, Cost(0, 0), x, y,
                       circles.flux[:, 2] / share, circles.error[:, 2] / share)  # fmt: skip
    yield from photutils_apertures(work, x, y)


def photutils_catalogue(work: Work, kron: Any) -> Iterator[None]:
    """SourceCatalog, a property at a time."""
    from photutils.segmentation import SegmentationImage, SourceCatalog

    scene = work.ready.scene

    catalogue = SourceCatalog(scene.light, SegmentationImage(scene.labels), error=work.error, mask=~scene.seen)
    x, y = np.asarray(catalogue.x_centroid), np.asarray(catalogue.y_centroid)
    (flux, error), cost = clocked(lambda: (catalogue.kron_flux, catalogue.kron_flux_err))
    yield judge_fluxes("Kron: photutils", work, cost, x, y, np.asarray(flux), np.asarray(error))
    _, cost = clocked(lambda: (catalogue.x_centroid_win, catalogue.y_centroid_win))
    yield told("centres under a matched weight: photutils", cost, "")
    circles, cost = clocked(lambda: [catalogue.circular_photometry(radius) for radius in work.ready.radii])
    yield judge_fluxes("six circles, neighbours mended: photutils", work, cost, x, y, *map(np.asarray, circles[2]))
    ratio = np.asarray(flux) / kron.flux
    strong = kron.flux > 50 * kron.error
    yield print(f"  {'':<44} Kron fluxes over ours, S/N > 50: median {np.nanmedian(ratio[strong]):.4f}, scatter "
                f"{1.4826 * np.nanmedian(np.abs(ratio[strong] - np.nanmedian(ratio[strong]))):.4f}")  # fmt: skip


def photutils_apertures(work: Work, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
    """Exact circles, without care for neighbours; the same less the median of an annulus."""
    from photutils.aperture import CircularAperture, aperture_photometry
    from photutils.background import LocalBackground

    fwhm, mask = work.ready.fwhm, ~work.ready.scene.seen
    discs = [CircularAperture(np.column_stack([x, y]), radius) for radius in work.ready.radii]
    table, cost = clocked(lambda: aperture_photometry(work.light, discs, error=work.error, mask=mask))
    flux, error = np.asarray(table["aperture_sum_2"]), np.asarray(table["aperture_sum_err_2"])
    yield judge_fluxes("six circles, exact: photutils, r = FWHM", work, cost, x, y, flux, error)
    around = LocalBackground(4 * fwhm, 6 * fwhm)
    level, more = clocked(lambda: around(work.light, x, y, mask=mask | (work.ready.scene.labels > 0)))
    yield judge_fluxes("  and less the median of an annulus", work, more, x, y, flux - discs[2].area * level, error)


# -- Point spread function -----------------------------------------------------------------------------------------


def point_spreads(work: Work) -> Iterator[None]:
    """On a part of the frame with some 900 sources, where there are more."""
    from alfosc_reduce_imaging.sources.isophotes import isophotes
    from alfosc_reduce_imaging.sources.measurement import centres, star_stamps
    from alfosc_reduce_imaging.sources.psf_photometry import fit_psf
    from alfosc_reduce_imaging.stars.psf_building import build_psf

    scene, found, fwhm = work.ready.scene, work.ready.found, work.ready.fwhm
    light = np.where(scene.seen, scene.light, 0)
    shapes = isophotes(found.labels, light, scene.noise.sky, scene.noise.photon, len(found.x))
    _, x, y = centres(scene, found, shapes, fwhm)
    few = slice(None) if len(x) < 1000 else (x < 1000) & (y < 1000)
    x, y, free = x[few], y[few], (found.significance > 7)[few]
    stamps = star_stamps(work.frame, work.ready.stars, found, fwhm)
    psf, cost = clocked(lambda: build_psf(stamps, fwhm, work.good.shape))
    yield told(
        "point spread function: ours",
        cost,
        f"{len(stamps.x)} stars; light in all {psf.total(np.array([[1.0, 0, 0, 0, 0, 0]]))[0]:.4f}",
    )
    fit, cost = clocked(lambda: fit_psf(scene.light, work.good, scene.noise, psf, x, y, free))
    yield judge_fluxes(f"fits of it: ours, {len(x)} sources", work, cost, fit.x, fit.y, fit.flux, fit.error)
    yield from photutils_point_spread(work, stamps, x, y)


def photutils_point_spread(work: Work, stamps: Any, x: np.ndarray, y: np.ndarray) -> Iterator[None]:
    """EPSFBuilder on the same stars, and PSFPhotometry: alone, in groups, and with errors from a first fit."""
    from photutils.psf import SourceGrouper

    one, cost = clocked(lambda: effective(work, stamps.x, stamps.y))
    yield told("point spread function: photutils, EPSFBuilder", cost, f"{one.data.shape} oversampled")
    fitted("fits of it: photutils, each alone", work, one, x, y, None, work.error)
    together = SourceGrouper(2 * work.ready.fwhm)
    model = fitted("fits of it: photutils, in groups", work, one, x, y, together, work.error)
    error = np.sqrt(work.ready.noise.sky + work.ready.noise.photon * np.maximum(model, 0))
    yield fitted("  and again with errors from their model", work, one, x, y, together, error)
    grid, cost = clocked(lambda: effective_grid(work))
    if grid is not None:
        yield told("nine of them, each of 25 stars: photutils", cost, "")
        yield fitted("fits of these: photutils, in groups", work, grid, x, y, together, error)


def fitted(name: str, work: Work, model: Any, x: np.ndarray, y: np.ndarray, grouper: Any, error: np.ndarray) -> Any:
    """Print how right the fluxes of PSFPhotometry are, and return the image of what was fitted."""
    from astropy.modeling.fitting import LMLSQFitter
    from astropy.table import Table
    from photutils.psf import PSFPhotometry

    fwhm = work.ready.fwhm
    fit = PSFPhotometry(model, 2 * int(np.ceil(fwhm)) + 1, grouper=grouper, fitter=LMLSQFitter(),
                        aperture_radius=fwhm, xy_bounds=0.6 * fwhm, group_warning_threshold=10**6)  # fmt: skip
    start = Table({"x": x, "y": y})
    table, cost = clocked(lambda: fit(work.light, mask=~work.good, error=error, init_params=start))
    columns = (np.asarray(table[key], float) for key in ("x_fit", "y_fit", "flux_fit", "flux_err"))
    judge_fluxes(name, work, cost, *columns)
    return fit.make_model_image(work.light.shape, psf_shape=4 * int(np.ceil(fwhm)) + 1)


def effective(work: Work, x: np.ndarray, y: np.ndarray) -> Any:
    """Return the effective point spread function of stars as photutils builds it."""
    from astropy.nddata import NDData, StdDevUncertainty
    from astropy.table import Table
    from photutils.psf import EPSFBuilder, extract_stars

    fwhm = work.ready.fwhm
    data = NDData(work.light, uncertainty=StdDevUncertainty(work.error), mask=~work.good)
    stars = extract_stars(data, Table({"x": x, "y": y}), size=2 * int(np.ceil(4 * fwhm)) + 1)
    return EPSFBuilder(oversampling=2, fit_shape=2 * int(np.ceil(fwhm)) + 1, progress_bar=False)(stars)[0]


def effective_grid(work: Work) -> Any:
    """Return effective point spread functions for three by three places, each of the 25 nearest stars; None if few."""
    from astropy.nddata import NDData
    from photutils.psf import GriddedPSFModel

    stars = work.ready.stars
    x, y = stars.x[stars.is_star], stars.y[stars.is_star]
    if len(x) < 150:
        return None
    middle = [
        (u * work.light.shape[1], v * work.light.shape[0]) for v in (1 / 6, 0.5, 5 / 6) for u in (1 / 6, 0.5, 5 / 6)
    ]
    rows = [np.argsort(np.hypot(x - u, y - v))[:25] for u, v in middle]
    cells = [np.asarray(effective(work, x[row], y[row]).data) for row in rows]
    return GriddedPSFModel(NDData(np.array(cells), meta={"grid_xypos": middle, "oversampling": 2}))


PIECES: dict[str, Callable[[Work], Iterator[None]]] = {
    "background": backgrounds,
    "detection": detections,
    "fluxes": catalogues,
    "psf": point_spreads,
}


def imported() -> None:
    """Import what is compared, so that no piece pays for it."""
    import photutils.aperture
    import photutils.background
    import photutils.detection
    import photutils.psf
    import photutils.segmentation  # noqa: F401


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", default=["isolated", "night", "crowded"])
    parser.add_argument("--piece", nargs="+", default=list(PIECES), choices=list(PIECES))
    parser.add_argument("--night", type=Path, default=Path("simulated-night"), help="folder; made if not there")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(f"importing photutils after our own steps: {clocked(imported)[1].seconds:.2f} s")
    for name in arguments.scenes:
        scene = scenes.night(arguments.night) if name == "night" else getattr(scenes, name)(arguments.seed)
        work, cost = clocked(lambda scene=scene: prepared(scene))
        print(f"\n{name}: {len(scene.x)} sources in truth; all that comes before: {cost.seconds:.2f} s")
        for piece in arguments.piece:
            for _ in PIECES[piece](work):
                pass


if __name__ == "__main__":
    main()
