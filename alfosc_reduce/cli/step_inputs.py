"""From words on the command line to the inputs and parameters of a step."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from alfosc_reduce.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from astropy.io.fits import Header

    from alfosc_reduce.instrument import Instrument
    from alfosc_reduce.ports import Port
    from alfosc_reduce.step import Step

log = logging.getLogger(__name__)


def parse_parameters(step: type[Step], texts: Mapping[str, str]) -> Step:
    """Return `step` with parameters given as text.

    Text is taken as it is where the parameter accepts it, else as JSON (``[4000, 5000]``) or as numbers
    (``4000 5000``), else as the only member of a list; ``none`` is no value.

    Raises
    ------
    ConfigurationError
        With a sentence for each parameter that cannot be understood.
    """
    values: dict[str, Any] = dict(texts)
    try:
        return step(**values)
    except ValidationError as error:
        failed = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
    values.update({name: _from_json(texts[name]) for name in failed & set(texts)})
    try:
        return step(**values)
    except ValidationError as error:
        first = error
    failed = {str(problem["loc"][0]) for problem in first.errors() if problem["loc"]}
    values.update({name: [texts[name]] for name in failed & set(texts)})
    try:
        return step(**values)
    except ValidationError:
        raise ConfigurationError(_sentences(first, texts)) from None


def _from_json(text: str) -> Any:
    if text.strip().lower() == "none":
        return None
    try:
        return json.loads(text)
    except ValueError:
        return _numbers(text) or text


def _numbers(text: str) -> list[float]:
    """Return text as a list of two or more numbers; an empty one if it is none."""
    try:
        numbers = [json.loads(word.removeprefix("+")) for word in text.split()]
    except ValueError:
        return []
    return numbers if len(numbers) > 1 else []


def _sentences(error: ValidationError, texts: Mapping[str, str]) -> Iterable[str]:
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else "parameters"
        found = f" (found {texts[name]!r})" if name in texts else ""
        yield f"--{name.replace('_', '-')}: {problem['msg']}{found}"


def gather(
    ports: Sequence[Port], files: Sequence[Path], named: Mapping[str, Any], instrument: str | None
) -> dict[str, Any]:
    """Return the inputs of a step, read from files.

    Parameters
    ----------
    ports
        The inputs that the step has.
    files
        Files without a name; they fill the inputs in order, one that gathers takes all that remain.
    named
        Files by input name.
    instrument
        Its name, or None to recognise it from the files.
    """
    paths = assign([port for port in ports if "Instrument" not in port.types], files, named)
    one = _chosen(instrument) or _recognised(path for group in paths.values() for path in group)
    inputs: dict[str, Any] = {}
    for port in ports:
        if "Instrument" in port.types:
            inputs[port.name] = one if port.optional else _demanded(one)
        elif port.name in paths:
            products = [read(path, port, one, any_camera=not instrument) for path in paths[port.name]]
            inputs[port.name] = products if port.many else products[0]
    return inputs


def assign(ports: Sequence[Port], files: Sequence[Path], named: Mapping[str, Any]) -> dict[str, list[Path]]:
    """Return the files of each input; raises `ConfigurationError` if some are missing or left over."""
    left = list(files)
    paths: dict[str, list[Path]] = {}
    for port in ports:
        given = named.get(port.name)
        if given:
            paths[port.name] = list(given) if port.many else [given]
        elif left:
            count = len(left) if port.many else 1
            paths[port.name], left = left[:count], left[count:]
    missing = [str(port) for port in ports if port.name not in paths and not port.optional]
    problems = [f"no file for the input {port}" for port in missing]
    if left:
        problems.append(f"files left over: {', '.join(map(str, left))}; inputs are {', '.join(map(str, ports))}")
    if problems:
        raise ConfigurationError(problems)
    return paths


def read(path: Path, port: Port, instrument: Instrument | None, *, any_camera: bool) -> Any:
    """Return the product, raw frame, or (of `any_camera`) image or table in a file; checked for the input's type."""
    from alfosc_reduce.frames import read_header
    from alfosc_reduce.products import load
    from alfosc_reduce.products.files import KEYWORD
    from alfosc_reduce.products.foreign import TABLES, read_table

    if path.suffix.lower() in TABLES:
        product = read_table(path)
    else:
        try:
            header = read_header(path)
        except DataError as error:
            raise DataError(f"{path}: {error}") from None
        product = load(path) if KEYWORD in header else _raw(path, header, port, instrument, any_camera)
    kinds = {base.__name__ for base in type(product).__mro__}
    if not kinds & set(port.types) and "Any" not in port.types:
        raise DataError(f"{path}: holds a {type(product).__name__}, but the input is {port}")
    return product


def _raw(path: Path, header: Header, port: Port, instrument: Instrument | None, any_camera: bool) -> Any:
    if instrument is not None and instrument.recognises(header):
        return instrument.read(path)
    if any_camera or instrument is None:
        return _foreign(path, port)
    raise DataError(f"{path}: not a raw frame of {instrument.name} (INSTRUME = {header.get('INSTRUME', 'not said')})")


def _foreign(path: Path, port: Port) -> Any:
    from alfosc_reduce.products.foreign import read_image, read_table

    if "CCDData" in port.types:
        return read_image(path)
    if "QTable" in port.types:
        return read_table(path)
    raise DataError(f"{path}: neither a product nor a raw frame of an installed instrument; name one (--instrument)")


def _chosen(name: str | None) -> Instrument | None:
    from alfosc_reduce.registry import get_instrument

    return get_instrument(name) if name else None


def _recognised(paths: Iterable[Path]) -> Instrument | None:
    """Return the instrument that a file's header names, the first found."""
    from alfosc_reduce.frames import read_header

    instruments = _installed()
    for path in paths:
        try:
            header = read_header(path)
        except DataError:
            continue  # `read` tells of it, with the input it was meant for
        for instrument in instruments:
            named = str(header.get("INSTRUME", "")).strip().lower() == instrument.name.lower()
            if named or instrument.recognises(header):
                return instrument
    return None


def _installed() -> list[Instrument]:
    """Return all instruments that can be loaded; a broken one is named and left out."""
    from alfosc_reduce.registry import INSTRUMENTS, get_instrument, plugins

    instruments = []
    for name in plugins(INSTRUMENTS):
        try:
            instruments.append(get_instrument(name))
        except ConfigurationError as error:
            log.warning("left out: %s", error)
    return instruments


def _demanded(instrument: Instrument | None) -> Instrument:
    if instrument is None:
        raise ConfigurationError("the instrument cannot be told from the files; name it (--instrument NAME)")
    return instrument
