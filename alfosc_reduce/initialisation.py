"""Starting a reduction: the table of frames and a recipe that says everything that can be set."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from alfosc_reduce.bookkeeping import write_text
from alfosc_reduce.docstrings import parameter_texts
from alfosc_reduce.errors import ConfigurationError, suggest
from alfosc_reduce.frame_table import frame_table, relative, write_table
from alfosc_reduce.frames import Night, find_files, observe
from alfosc_reduce.limits import plain
from alfosc_reduce.recipe_file import RecipeFile, read_recipe
from alfosc_reduce.reduction import instruments_for
from alfosc_reduce.registry import get_step


def initialise(
    kind: str, raw: Sequence[str], folder: Path, *, instrument: str = "", overwrite: bool = False
) -> list[str]:
    """Classify frames and write ``frames.ecsv`` and ``recipe.toml``.

    Parameters
    ----------
    kind
        Name of a recipe that the instrument ships, e.g. ``spec``.
    raw
        Files or folders.
    folder
        Where to write.
    instrument
        To look for; empty for all that are installed.
    overwrite
        Replace what is there.

    Returns
    -------
    list of str
        What was found, for the terminal.

    Raises
    ------
    ConfigurationError
        If there are no frames, frames of several instruments, no such recipe, or files in the way.
    """
    folder = folder.absolute()
    places = [str(Path(r).absolute()) for r in raw]
    missing = [f"{p}: no such file or folder" for p in places if not Path(p).exists()]
    if missing:
        raise ConfigurationError(missing)
    night = observe(find_files(places, folder), instruments_for(instrument))
    name = _one_instrument(night, places)
    _check_recipe(name, kind)
    targets = folder / "frames.ecsv", folder / "recipe.toml"
    in_the_way = [str(path) for path in targets if path.exists()]
    if in_the_way and not overwrite:
        raise ConfigurationError(f"{' and '.join(in_the_way)} exist; add --overwrite to replace them")
    recipe = recipe_text(name, kind, [relative(Path(p), folder) for p in places], folder)
    write_text(targets[1], recipe)
    write_table(frame_table(night, folder), targets[0])
    return [*_counts(night), f"wrote {targets[0]} and {targets[1]}; next: alfosc-reduce run {targets[1]}"]


def _one_instrument(night: Night, places: Sequence[str]) -> str:
    names = sorted({frame.instrument for frame in night.frames})
    if len(names) > 1:
        raise ConfigurationError(f"frames of several instruments: {', '.join(names)}; choose one with --instrument")
    if not names:
        reasons = [f"{r.path.name}: {r.reason}" for r in night.rejected[:20]]
        raise ConfigurationError("\n".join([f"there are no frames in {', '.join(places)}", *reasons]))
    return names[0]


def _check_recipe(instrument: str, kind: str) -> None:
    recipes = instruments_for(instrument)[0].recipes()
    if kind not in recipes:
        raise ConfigurationError(f"{instrument} has no recipe {kind!r}; {suggest(kind, recipes) or 'it has none'}")


def _counts(night: Night) -> Iterator[str]:
    groups: dict[tuple[str, str, str], list[str]] = {}
    for frame in night.frames:
        what = "" if frame.info.kind in ("bias", "dark", "flat") else frame.info.object
        key = (frame.info.kind, what, frame.info.coordinates.get("setup", ""))
        groups.setdefault(key, []).append(frame.name)
    for (kind, what, setup), names in groups.items():
        span = names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
        yield f"{len(names):4d} {kind:<13} {what:<28} {setup:<30} {span}"
    for frame in night.frames:
        for remark in frame.info.remarks:
            yield f"     {frame.name}: {remark}"
    for rejected in night.rejected:
        yield f"     {rejected.path.name}: no frame: {rejected.reason}"


def recipe_text(instrument: str, kind: str, files: Sequence[str], folder: Path) -> str:
    """Return a recipe that extends a shipped one and shows every parameter with its default, as comments."""
    shipped = instruments_for(instrument)[0].recipes()[kind]
    lines = [
        "# What stands in comments is the default; remove the # to change it. 'alfosc-reduce steps NAME' tells more.",
        f'extends = "{instrument}:{kind}"',
        "",
        "[input]",
        f"files = {toml_value(files)}",
        'table = "frames.ecsv"   # edit it to leave frames out or to correct what they are',
        "# exclude = []",
    ]
    file = read_recipe(shipped)
    for name in file.recipe.steps:
        lines += ["", *_step_lines(file, name)]
    for name in file.recipe.limits:
        lines += ["", *_limit_lines(file, name)]
    return "\n".join(lines) + "\n"


def _step_lines(file: RecipeFile, name: str) -> Iterator[str]:
    entry = file.recipe.steps[name]
    cls = get_step(file.recipe.uses(name))
    yield from textwrap.wrap(cls.summary(), 110, initial_indent="# ", subsequent_indent="# ")
    yield f"[steps.{name}]"
    yield f"# enabled = {json.dumps(entry.enabled)}"
    step = cls(**entry.params)
    values = step.model_dump(mode="json")
    for parameter, text in parameter_texts(cls).items():
        yield from textwrap.wrap(text, 110, initial_indent="# ", subsequent_indent="# ")
        yield _parameter_line(parameter, values[parameter])


def _parameter_line(name: str, value: Any) -> str:
    """Return a line that, with its # removed, says what is so without it; TOML cannot say that a value is not set."""
    return f"# params.{name} is not set" if value is None else f"# params.{name} = {toml_value(value)}"


def _limit_lines(file: RecipeFile, name: str) -> Iterator[str]:
    yield f"[limits.{_key(name)}]"
    for number, limit in file.recipe.limits[name].items():
        bounds = [f"{_key(k)} = {toml_value(v)}" for k, v in plain(limit).items() if k != "only"]
        bounds += [f"only.{_key(k)} = {toml_value(v[0] if len(v) == 1 else v)}" for k, v in limit.only.items()]
        yield f"# {_key(number)} = {{ {', '.join(bounds)} }}"


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else toml_value(text)


def toml_value(value: Any) -> str:
    """Return a plain value as TOML; in a table what is None is left out, which TOML does not have."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(toml_value(v) for v in value)}]"
    if isinstance(value, dict):
        members = [f"{toml_value(str(k))} = {toml_value(v)}" for k, v in value.items() if v is not None]
        return f"{{ {', '.join(members)} }}"
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
