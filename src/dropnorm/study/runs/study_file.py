"""A study as a TOML file: what to study, how, and which arms; every run writes its own."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from dropnorm._validate import closest
from dropnorm.errors import DataError
from dropnorm.study.arms import RATES
from dropnorm.study.data.sources.bundled import BUNDLED
from dropnorm.study.records import Arm, StudyConfig

STUDY_FILE_NAME = "study.toml"
PATHS = ("data", "test")
_KINDS = {"ignore": str | list, "skip_broken": bool}
_NAMES = ("net", "activation", "device")
ABOUT_DATA = ("data", "target", "task", "test", "group", "time", "ignore", "skip_broken")


def is_study_file(source: Any) -> bool:
    """Whether a user's data is the name of a study file."""
    return isinstance(source, str | Path) and Path(source).suffix.lower() == ".toml"


def read_study_file(path: str | Path) -> dict[str, Any]:
    """The arguments that a study file gives, by the names of `run_study`'s, with `data` for X.

    A path in it is seen from the file's own folder. Rates, widths and names of arms may stand alone or in a list.
    Raises:      DataError for a file that cannot be read, or for a key that is unknown, with the closest one.
    """
    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: there is no such file. Expected a study file, such as one that a run wrote."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(
            f"{path}: is no study file: {error}. Expected TOML, such as a run's {STUDY_FILE_NAME}."
        ) from error
    allowed = [*ABOUT_DATA, "dropout", *StudyConfig.model_fields]
    for key, value in given.items():
        if key not in allowed:
            meant = closest(key, allowed)
            hint = f" Did you mean {meant!r}?" if meant else ""
            raise DataError(f"{path}: the key {key!r} is unknown.{hint} Expected of {', '.join(allowed)}.")
        if key in (*ABOUT_DATA, *_NAMES) and not isinstance(value, _KINDS.get(key, str)):
            raise DataError(f"{path}: {key} = {value!r} is of another kind than expected. Give a text, as for --{key}.")
        if isinstance(value, int | float) and not isinstance(value, bool) and key in ("dropout", "hidden"):
            given[key] = [value]
    if "data" not in given:
        raise DataError(f'{path}: names no data. Add a line such as data = "train.csv", or name them in Python.')
    for key in PATHS:
        if key in given and given[key] not in BUNDLED:
            given[key] = str(path.parent / given[key])
    return given


def study_file(data: Mapping[str, Any], config: StudyConfig, folder: Path) -> bytes:
    """A study file for the folder of a run, with all that decides its numbers.

    Args:        data: the arguments about the data that were given; those that were values in memory are left out.
    """
    kept: dict[str, Any] = {}
    for name in ABOUT_DATA:
        value = data.get(name)
        if name in PATHS and isinstance(value, str | Path):
            kept[name] = _seen_from(folder, value)
        elif isinstance(value, _KINDS.get(name, str)) and value:
            kept[name] = value
    ignored = {"hidden", "channels", "activation"} if ":" in config.net else set()
    settings = config.model_dump(exclude={"arms", *ignored}, exclude_none=True)
    arms = {arm.name: _settings(arm) for arm in config.arms if arm.regularizers}
    lines = ["# What this run studied, and how. `dropnorm study` with the name of this file repeats it."]
    in_memory = [name for name in ("test", "group", "time") if not isinstance(data.get(name), str | Path | None)]
    if missing := [*([] if "data" in kept else ["data"]), *in_memory]:
        lines.append(f"# Given in memory, and so not here: {', '.join(missing)}.")
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
