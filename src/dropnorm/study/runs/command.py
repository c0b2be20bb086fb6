"""What repeats a study: a command line, or a call in Python where the data came from memory."""

import shlex
from pathlib import Path
from typing import Any

import torch

from dropnorm._options import options_of
from dropnorm.errors import ArgumentError
from dropnorm.study.arms import DEFAULT, RATES, named_arm
from dropnorm.study.options import DataOptions, PlanOptions
from dropnorm.study.records import StudyConfig
from dropnorm.study.runs.study_file import STUDY_FILE_NAME, common_rates, is_named


def command_of(data: DataOptions, config: StudyConfig, folder: Path | None) -> str:
    """The command of a study; one whose arms have no names that say it all is repeated from the run's study file.

    Args:        data: what was studied, with X None if it was in memory.
    """
    options = options_of(PlanOptions)
    given = {name: getattr(data, name) for name in options_of(DataOptions) if name not in ("X", "y")}
    given = {name: value for name, value in given.items() if value is not options[name].default}
    in_memory = [name for name, value in given.items() if options[name].in_memory and not is_named(value)]
    changed = {name: value for name, value in config.settings.items() if value != options[name].default}
    if config.device == "cpu" and not torch.cuda.is_available():
        del changed["device"]  # "auto" would choose it
    if "time" in given:
        changed.pop("splits", None)  # one order in time, one split
    arms = _arms_by_name(config)
    if arms is None and folder is not None and data.X is not None and not in_memory:
        # A function that a study file names is called where the command names it too.
        net = ["--net", config.net] if ":" in config.net else []
        return shlex.join(["dropnorm", "study", str(folder / STUDY_FILE_NAME), *net])
    if data.X is None or in_memory or arms is None:
        start = ["X", *([] if "target" in given else ["y"])] if data.X is None else [repr(str(data.X))]
        described = {"arms": list(config.arms)} if arms is None else arms
        arguments = [
            f"{name}={name if name in in_memory else repr(value)}"
            for name, value in (given | changed | described).items()
        ]
        return f"dropnorm.run_study({', '.join([*start, *arguments])})"
    words = ["dropnorm", "study", str(data.X)]
    for name, value in (given | changed | arms).items():
        words += options[name].constraint.spell(options[name].flag, value)
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
    return ({} if names == DEFAULT else {"arms": names[1:]}) | ({} if rates == RATES else {"dropout": rates})
