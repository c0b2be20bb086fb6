"""What older versions wrote, in the fields of this one: a function for each part that has changed, from JSON to JSON.

A finished run says what its own version concluded. What that version did not know is None or absent; the same study started
again draws the conclusions anew, without training.
"""

from dataclasses import fields as dataclass_fields
from dataclasses import replace
from typing import Any

from dropnorm._options import EMPTY, options_of
from dropnorm.study.records import StudyConfig, StudyIdentity
from dropnorm.study.schema import Fields
from dropnorm.study.settings import Settings

TRAINS_AS = ("0.1.0",)
"""Older versions whose nets this version trains to the same numbers, with options that were not there as they were before."""

MODELS_OF_3 = "models"
"""Under this name a store of schema 3 has what it kept of each arm's net."""

_OPTIONS = frozenset(one.name for one in dataclass_fields(StudyConfig))
_STATISTICS = (
    "train_score",
    "validation_score",
    "test_score",
    "test_loss",
    "calibration_error",
    "generalization_gap",
    "test_r2",
    "loss_gap",
)
_OF_A_SINGLE_NET = ("mean", "scale", "target_mean", "target_scale")
_MEASURES = {"score": "test_score", "loss": "test_loss"}


def summary_from_3(fields: Fields) -> Fields:
    """A summary of schema 3, whose arms had a field for each statistic, and a recommendation in the place of advice."""
    kept = {name: value for name, value in fields.items() if name != "recommendation"}
    limits = {"epochs": fields["config"]["epochs"], "patience": fields["config"]["patience"]}
    return kept | {
        "schema_version": 4,
        "limits": limits | {"growth": 0.0, "progress": 0.0, "drops": 0, "drop_to": 1.0, "stop_by": "loss"},
        "arms": [_arm_from_3(arm) for arm in fields["arms"]],
        "interactions": [_of_a_statistic(one) for one in fields["interactions"]],
        "advice": _advice_from_3(fields["recommendation"], fields["config"]),
    }


def config_of(identity: StudyIdentity) -> StudyConfig:
    """The configuration that a study was begun with.

    Raises:      pydantic's ValidationError for what is none.
    """
    return StudyConfig.read({name: value for name, value in identity.config.items() if name in _OPTIONS})


def with_options_of(begun: StudyIdentity, config: StudyConfig) -> StudyConfig:
    """A configuration for going on with what was begun: an option that is not given now has the value of what was done then, if
    the option was not there, or if all those were left to the defaults of then that are to those of now.
    """
    options = options_of(Settings)
    left = {name: before for name, before in before_options().items() if getattr(config, name) == options[name].default}
    known = {name: before for name, before in left.items() if name in begun.config}
    if any(begun.config[name] != before for name, before in known.items()):
        left = {name: before for name, before in left.items() if name not in known}
    return replace(config, **left)


def before_options() -> Fields:
    """What was done where an option that was not there, or had another default, was not given."""
    return {name: option.before for name, option in options_of(Settings).items() if option.before is not EMPTY}


def as_this_version(begun: StudyIdentity, version: str) -> StudyIdentity:
    """What a study was begun with, as this version says it; an older version that trains the same nets is as good as this one.

    Raises:      pydantic's ValidationError for what is no configuration.
    """
    others = {name: value for name, value in begun.config.items() if name not in _OPTIONS}
    if others.get("version") in TRAINS_AS:
        others["version"] = version
    return StudyIdentity(config=config_of(begun).kept() | others, data=begun.data)


def model_from_3(fields: Fields) -> Fields:
    """The description of a model of schema 3, which was a single net, as one of a single member."""
    member = {name: fields[name] for name in _OF_A_SINGLE_NET}
    kept = {name: value for name, value in fields.items() if name not in member}
    return kept | {"schema_version": 4, "members": [member], "of_older_version": True}


def _arm_from_3(fields: Fields) -> Fields:
    kept = {name: value for name, value in fields.items() if name not in _STATISTICS}
    statistics = {name: fields[name] for name in _STATISTICS if fields[name] is not None}
    return kept | {"statistics": statistics, "comparisons": [_of_a_statistic(one) for one in fields["comparisons"]]}


def _of_a_statistic(fields: Fields) -> Fields:
    """A comparison or interaction, which named a measure; two of them have other names as statistics."""
    kept = {name: value for name, value in fields.items() if name != "measure"}
    return {"statistic": _MEASURES.get(fields["measure"], fields["measure"])} | kept


def _advice_from_3(recommendation: Fields, config: Fields) -> dict[str, Any]:
    """The recommended arm, by the rule of then, which kept no evidence on the other arms."""
    splits = config["splits"]
    return {
        "arm": recommendation["arm"],
        "rate": recommendation["rate"],
        "weight_decay": recommendation["weight_decay"],
        "units": splits if splits is not None and splits > 1 else config["seeds"],
        "evidence": [],
    }
