"""From the result of a step to files and lines for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alfosc_reduce.errors import ConfigurationError, ReductionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from alfosc_reduce.step import Step


def target_files(step: type[Step], output: Path) -> dict[str, Path]:
    """Return the file of each output: `output` for a single one, else ``<stem>_<name>.fits`` for each."""
    names = [port.name for port in step.outputs()]
    if len(names) == 1:
        return {names[0]: output}
    return {name: output.with_name(f"{output.stem}_{name}{output.suffix or '.fits'}") for name in names}


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raise `ConfigurationError` if one of the files exists."""
    problems = [f"{path} exists; give another name, or --overwrite" for path in paths if path.exists()]
    if problems:
        raise ConfigurationError(problems)


def write(
    step: Step, result: Any, inputs: Mapping[str, Any], targets: Mapping[str, Path], figures: Path | None
) -> Iterator[str]:
    """Save the outputs (and the figures, if a folder is given) and yield a line for each thing done or measured."""
    from alfosc_reduce.products import save
    from alfosc_reduce.products.exports import FORMATS, export

    outputs = (result,) if len(targets) == 1 else tuple(result)
    for product, path in zip(outputs, targets.values(), strict=True):
        yield f"wrote {export(product, path) if path.suffix.lower() in FORMATS else save(product, path)}"
    for name, value in step.quality(result, **inputs).items():
        yield f"{name} = {value:.6g}" if isinstance(value, float) else f"{name} = {value}"
    if figures is not None:
        for path in draw(step, result, inputs, figures):
            yield f"drew {path}"


def draw(step: Step, result: Any, inputs: Mapping[str, Any], folder: Path) -> Iterator[Path]:
    """Write the figures of a step as PNG into `folder` and yield their files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in step.figures(result, **inputs):
            path = folder / f"{name}.png"
            figure.savefig(path)
            yield path
    except OSError as error:
        raise ReductionError(f"cannot write figures to {folder}: {error.strerror or error}") from error
