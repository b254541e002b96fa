"""Zero points and colour terms of simulated fields against the truth: are they right, and are their errors?

    python benchmarks/zero_points.py [--fields N]

Magnitudes only, no pixels: `new_sources.py` measures zero points on images.
"""

from __future__ import annotations

import argparse

import numpy as np
from alfosc_reduce_imaging.photometry.zero_point_fit import fit_zero_point

ZERO_POINT, COLOUR_TERM = 25.3, 0.06
COLOUR = 0.7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--fields", type=int, default=400)
    rng = np.random.default_rng(1)
    zero, slope, typical, refused = [], [], [], 0
    for _ in range(parser.parse_args().fields):
        count = int(rng.integers(15, 150))
        colour, colour_error = rng.normal(COLOUR, 0.35, count), rng.uniform(0.005, 0.1, count)
        error = rng.uniform(0.003, 0.05, count)
        difference = ZERO_POINT + COLOUR_TERM * colour + rng.normal(0, np.hypot(error, 0.01))
        wild = rng.random(count) < 0.1
        difference[wild] += rng.exponential(0.5, wild.sum()) * rng.choice([-1, 1, 1], wild.sum())
        fit = fit_zero_point(difference, error, colour + rng.normal(0, colour_error), colour_error)
        if fit.colour_term is None or fit.colour_error is None:
            refused += 1
            typical.append(fit.zero_point - ZERO_POINT - COLOUR_TERM * COLOUR)
            continue
        zero.append((fit.zero_point - ZERO_POINT) / fit.error)
        slope.append((fit.colour_term - COLOUR_TERM) / fit.colour_error)
        typical.append(fit.zero_point + fit.colour_term * COLOUR - ZERO_POINT - COLOUR_TERM * COLOUR)
    print(f"zero point, error over stated error: mean {np.mean(zero):+.2f}, scatter {np.std(zero):.2f}")
    print(f"colour term, error over stated error: mean {np.mean(slope):+.2f}, scatter {np.std(slope):.2f}; "
          f"within 2 sigma {np.mean(np.abs(slope) < 2):.3f}; refused in {refused} fields")  # fmt: skip
    print(f"magnitude of a typical star: bias {np.mean(typical):+.4f}, rms {np.std(typical):.4f}, "
          f"within 0.003 mag {np.mean(np.abs(typical) < 0.003):.2f}")  # fmt: skip
    constant = fit_zero_point(difference, error, np.full(count, 0.6), colour_error)
    print(f"one colour for all stars: {constant.zero_point:.3f} +- {constant.error:.3f}, {constant.remark}")


if __name__ == "__main__":
    main()
