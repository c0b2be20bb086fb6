"""A study as a TOML file: what to study, how, and which arms; every run writes its own."""

import os
import tomllib
from pathlib import Path
from typing import Any

import tomlkit

from dropnorm._options import options_of
from dropnorm._validate import closest
from dropnorm.errors import ArgumentError, ArgumentTypeError, DataError
from dropnorm.study.arms import RATES
from dropnorm.study.data.sources.bundled import BUNDLED
from dropnorm.study.options import DataName, DataOptions, PlanOptions
from dropnorm.study.records import Arm, StudyConfig

STUDY_FILE_NAME = "study.toml"


def is_named(value: Any) -> bool:
    """Whether a user gave a name or a path, and no values in memory."""
    return isinstance(value, str | Path)


def is_study_file(source: Any) -> bool:
    """Whether a user's data is the name of a study file."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() == ".toml"


def read_study_file(path: str | Path) -> dict[str, Any]:
    """The options that a study file gives, by the names that `run_study` has for them.

    A path in it is seen from the file's own folder. Rates, widths and names of arms may stand alone or in a list.
    Raises:      DataError for a file that cannot be read, or for a key that is unknown, with the closest one; ArgumentError and
                 ArgumentTypeError for a value that is not allowed.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is no file. Expected a study file, such as one that a run wrote. Name it.")
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: there is no such file. Expected a study file, such as one that a run wrote."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: is no study file: {error}. Expected TOML, such as a run's {STUDY_FILE_NAME}."
        ) from error
    options = {option.key: option for option in options_of(PlanOptions).values() if option.in_words}
    given: dict[str, Any] = {}
    for key, value in written.items():
        if key not in options:
            meant = closest(key, options)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise DataError(f"{path}: the key {key!r} is unknown.{hint} Expected of {', '.join(options)}.")
        option = options[key]
        try:
            given[option.name] = option.constraint.check(value, key)
        except (ArgumentError, ArgumentTypeError) as error:
            raise type(error)(f"{path}: {error}") from error
        if isinstance(option.constraint, DataName) and value not in BUNDLED:
            given[option.name] = str(path.parent / value)
    if "X" not in given:
        raise DataError(f'{path}: names no data. Add a line such as data = "train.csv", or name them in Python.')
    return given


def study_file(data: DataOptions, config: StudyConfig, folder: Path) -> bytes:
    """A study file for the folder of a run, with all that decides its numbers.

    Args:        data: what was studied; values in memory are left out, which a comment says.
    """
    kept: dict[str, Any] = {}
    in_memory = []
    for option in options_of(DataOptions).values():
        value = getattr(data, option.name)
        if option.in_memory and not is_named(value) and (value is not None or option.name == "X"):
            in_memory.append(option.key)
        elif value is not None and option.in_words and value != option.default:
            kept[option.key] = _seen_from(folder, value) if isinstance(option.constraint, DataName) else value
    ignored = {name for name in config.settings if name not in config.used} if ":" in config.net else set()
    settings = {name: value for name, value in config.settings.items() if value is not None and name not in ignored}
    arms = {arm.name: _settings(arm) for arm in config.arms if arm.regularizers}
    lines = ["# What this run studied, and how. `dropnorm study` with the name of this file repeats it."]
    if in_memory:
        lines.append(f"# Given in memory, and so not here: {', '.join(in_memory)}.")
    return ("\n".join(lines) + "\n" + tomlkit.dumps(kept | settings | {"arms": arms})).encode()


def common_rates(config: StudyConfig) -> tuple[float, ...]:
    """The rates that named arms were most likely given: those of the first arm that has any."""
    return next((arm.dropout for arm in config.arms if arm.dropout), RATES)


def _settings(arm: Arm) -> dict[str, Any]:
    return arm.model_dump(exclude={"name"}, exclude_defaults=True)


def _seen_from(folder: Path, path: str | Path) -> str:
    if str(path) in BUNDLED:
        return str(path)
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # another drive
        return str(Path(path).resolve())
