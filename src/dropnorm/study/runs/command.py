"""What repeats a study: a command line, or a call in Python where the data came from memory."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dropnorm.errors import ArgumentError
from dropnorm.study.arms import DEFAULT, RATES, named_arm
from dropnorm.study.design import configure
from dropnorm.study.records import StudyConfig
from dropnorm.study.runs.study_file import STUDY_FILE_NAME, common_rates


def command_of(data: Mapping[str, Any], config: StudyConfig, folder: Path | None) -> str:
    """The command of a study; one whose arms have no names that say it all is repeated from the run's study file.

    Args:        data: the arguments about the data that were given, `data` as text, or None if it was in memory.
    """
    default = configure()
    changed = {
        name: getattr(config, name)
        for name in StudyConfig.model_fields
        if name != "arms" and getattr(config, name) != getattr(default, name)
    }
    if torch.cuda.is_available():
        # "auto" would choose for itself
        changed["device"] = config.device
    given = {name: value for name, value in data.items() if name != "data" and not _is_empty(value)}
    in_memory = [name for name in ("test", "group", "time") if not isinstance(given.get(name, ""), str | Path)]
    if "time" in given:
        changed.pop("splits", None)  # one order in time, one split
    source, arms = data.get("data"), _arms_by_name(config)
    if arms is None and folder is not None and source is not None and not in_memory:
        return shlex.join(["dropnorm", "study", str(folder / STUDY_FILE_NAME)])
    if source is None or in_memory or arms is None:
        start = ["X", *([] if "target" in given else ["y"])] if source is None else [repr(source)]
        described = {"arms": list(config.arms)} if arms is None else arms
        arguments = [
            f"{name}={name if name in in_memory else repr(value)}"
            for name, value in (given | changed | described).items()
        ]
        return f"dropnorm.run_study({', '.join([*start, *arguments])})"
    words = ["dropnorm", "study", source]
    for name, value in (given | changed | arms).items():
        words += _option(f"--{name.replace('_', '-')}", value)
    return shlex.join(words)


def _arms_by_name(config: StudyConfig) -> dict[str, Any] | None:
    """The options that give the arms, or None if names cannot."""
    rates = common_rates(config)
    names = tuple(arm.name for arm in config.arms)
    try:
        if any(arm != named_arm(arm.name, rates) for arm in config.arms):
            return None
    except ArgumentError:
        return None
    return ({} if names == DEFAULT else {"arms": ",".join(names[1:])}) | ({} if rates == RATES else {"dropout": rates})


def _is_empty(value: Any) -> bool:
    """Whether an option was left out; arrays, which have no truth value, are there."""
    return value is None or value is False or (isinstance(value, list) and not value)


def _option(name: str, value: Any) -> list[str]:
    """An option as words: a list of names is given one by one, numbers with commas, and what is true by its name alone."""
    match value:
        case True:
            return [name]
        case list():
            return [word for item in value for word in (name, str(item))]
        case tuple():
            return [name, ",".join(str(item) for item in value)]
        case _:
            return [name, str(value)]
