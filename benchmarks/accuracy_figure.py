"""Draw how far a reduced demo night is from the truth: the figure of docs/accuracy.md.

python benchmarks/accuracy_figure.py FOLDER OF A FINISHED DEMO [-o docs/images/accuracy.png]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from alfosc_reduce_simulate.judgement import (
    flux_of,
    judge_frames,
    judged,
    nearest,
    slit_factor,
    topocentric_vacuum,
)
from matplotlib.figure import Figure
from PIL import Image

from alfosc_reduce import Flag, load
from alfosc_reduce.spectra import header_of, spectrum_flags, spectrum_variance

COLOURS = ("#9aa5b1", "#5b6b7b", "#1f6fb2", "#c05621")
BIN = 14
"""Pixels that are averaged in the panel of fluxes, 100 Angstrom."""


def exposures(demo: Path) -> list[dict[str, Any]]:
    """Return, for each exposure, what was found and what is true on the same pixels."""
    truth = load(demo / "truth.fits")
    found = []
    for file, path in judge_frames(truth, demo / "reduced"):
        spectrum = nearest(truth, file, load(path))
        header, true = header_of(spectrum), truth.of(file)
        first = round((float(header["DISPPIX0"]) - truth.first) / truth.step)
        part = slice(first, first + spectrum.flux.size)
        wave = true["wavelength"][part]
        found.append(
            {
                "name": f"{path.parent.parent.name} {path.name.partition('_')[0]}",
                "wave": wave,
                "miss": topocentric_vacuum(spectrum.spectral_axis.value, header) - wave,
                "step": np.gradient(wave),
                "supported": (spectrum_flags(spectrum) & int(Flag.EXTRAPOLATED_WAVELENGTH)) == 0,
                "flux": flux_of(spectrum),
                "true": true["flux"][part] * slit_factor(truth, file, 0, part),
                "error": np.sqrt(spectrum_variance(spectrum)),
                "good": judged(wave) & ~spectrum.mask,
            }
        )
    return found


def draw(found: list[dict[str, Any]]) -> Figure:
    """Return the figure: wavelengths, fluxes, and errors against the truth."""
    figure = Figure(figsize=(10, 6.5), dpi=90, layout="constrained")
    axes = figure.subplot_mosaic([["wave", "pull"], ["flux", "flux"]], height_ratios=[1, 1], width_ratios=[1.5, 1])
    grid = np.linspace(-5, 5, 51)
    for one, colour in zip(found, COLOURS, strict=True):
        kept = one["supported"]
        axes["wave"].plot(one["wave"][kept], (one["miss"] / one["step"])[kept], color=colour, lw=1.2, label=one["name"])
        number = one["wave"].size // BIN * BIN
        use = np.where(one["good"], 1.0, 0.0)[:number].reshape(-1, BIN)
        flux, true = (np.sum(one[name][:number].reshape(-1, BIN) * use, axis=1) for name in ("flux", "true"))
        noise = np.sqrt(np.sum(one["error"][:number].reshape(-1, BIN) ** 2 * use, axis=1))
        full, place = use.sum(axis=1) > BIN / 2, one["wave"][:number].reshape(-1, BIN).mean(axis=1)
        ratio, error = 100 * (flux[full] / true[full] - 1), 100 * noise[full] / true[full]
        axes["flux"].errorbar(place[full], ratio, error, fmt="o", ms=3, lw=0.8, color=colour)
        good = one["good"]
        pull = (one["flux"] - one["true"])[good] / one["error"][good]
        axes["pull"].hist(pull, grid, density=True, histtype="step", color=colour, lw=1.2)
    axes["pull"].plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), "k:", lw=1, label="unit Gaussian")
    axes["wave"].set(xlabel="wavelength / Å", ylabel="(found - true) / pixel", ylim=(-0.12, 0.12))
    axes["wave"].legend(fontsize=8, ncols=2)
    axes["pull"].set(xlabel="(flux - true flux) / error", ylabel="fraction", xlim=(-5, 5))
    axes["pull"].legend(fontsize=8)
    axes["flux"].set(xlabel="wavelength / Å", ylabel="flux - true flux / %, means of 100 Å", ylim=(-6, 6))
    for name in ("wave", "flux"):
        axes[name].axhline(0, color="k", lw=0.6)
    return figure


def main() -> None:
    """Write the figure with few colours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/images/accuracy.png"))
    arguments = parser.parse_args()
    draw(exposures(arguments.demo)).savefig(arguments.output)
    image = Image.open(arguments.output).convert("RGB")
    image.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(arguments.output, optimize=True)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
