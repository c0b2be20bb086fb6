"""The arms of a study: ways to regularize a net, by name or described one by one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dropnorm._constraints import Flag
from dropnorm._validate import Constraint, OneOf, Probability, Real, choice, closest, shown
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.study.records import Arm

RATES = (0.1, 0.3, 0.5)
INPUT_RATE = 0.2
LARGEST_NORM = 3.0
DECAYS = (0.01, 0.1, 1.0)
DEFAULT = ("plain", "dropout", "batch_norm", "dropout+batch_norm")
RATE = Probability(closed="neither", remedy="Arm 'plain' has no dropout.")
_INPUT_RATE = Probability(closed="left", remedy="Use {name}=0.2.")
_POSITIVE = Real(0.0, closed="neither")

WORDS = {
    "dropout": "dropout",
    "last_dropout": "dropout before the last layer",
    "input_dropout": "dropout of the inputs",
    "batch_norm": "batch norm",
    "max_norm": "max-norm",
    "weight_decay": "weight decay",
}
"""What the name of an arm is made of, joined by a plus, and what each is called in a sentence."""


@dataclass(frozen=True)
class ArmsGiven(Constraint):
    """Arms as a user gives them; what each one must be depends on the rates, and is checked by `checked_arms`."""

    form: ClassVar[Any] = str

    def check(self, value: Any, name: str) -> tuple[Any, ...] | Mapping[str, Any]:
        """Return names, or `Arm`s, as a tuple, and arms with their settings as they are."""
        if isinstance(value, Mapping):
            return value
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(","))
        if isinstance(value, Arm) or not isinstance(value, Sequence):
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no list of arms: expected one such as ['dropout', 'batch_norm']."
            )
        return tuple(value)

    def write(self, value: Any) -> str:
        """Write names with commas."""
        return ",".join(value)


def named_arm(name: str, rates: Sequence[float] = RATES) -> Arm:
    """The arm of a name such as "dropout+batch_norm": parts of `WORDS` joined by a plus, or "plain".

    Equation:    dropout: after every hidden layer, at the best of `rates`; last_dropout: after the last hidden layer alone;
                 input_dropout: of the features, at 0.2; batch_norm: before every activation; max_norm: the weights into a
                 hidden unit have norm 3 at most; weight_decay: decoupled, the best of 0.01, 0.1 and 1.0.
    Raises:      ArgumentError for a name that is unknown, or has a part twice.
    Source:      Srivastava et al. 2014, sections 5.1 and A.4; Ioffe & Szegedy 2015; Li et al. 2019, arXiv:1801.05134,
                 section 5.2; Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2.
    """
    if name == "plain":
        return Arm(name=name)
    parts = name.split("+")
    for part in parts:
        choice(part, "arms", WORDS if len(parts) > 1 else ["plain", *WORDS])
    if len(set(parts)) < len(parts) or {"dropout", "last_dropout"} <= set(parts):
        raise ArgumentError(f"arms={name!r} has one part twice, or two that drop the same units: expected each once.")
    settings: dict[str, dict[str, Any]] = {
        "dropout": {"dropout": tuple(rates)},
        "last_dropout": {"dropout": tuple(rates), "where": "last"},
        "input_dropout": {"input_dropout": INPUT_RATE},
        "batch_norm": {"batch_norm": True},
        "max_norm": {"max_norm": LARGEST_NORM},
        "weight_decay": {"weight_decay": DECAYS},
    }
    return Arm(name=name, **{key: value for part in parts for key, value in settings[part].items()})


def checked_arms(given: Any = None, rates: Sequence[float] = RATES) -> tuple[Arm, ...]:
    """The arms of a study, the simplest first, `plain` among them, since the others are compared with it.

    Args:        given: names, in one text with commas or one by one; `Arm`s; or a mapping of names to their settings, which
                 are those of `Arm`, and of which none makes it the arm that its name says.
    Raises:      ArgumentError and ArgumentTypeError for what is no arm, is there twice, or is plain alone.
    """
    given = ArmsGiven().check(DEFAULT if given is None else given, "arms")
    if isinstance(given, Mapping):
        found = [_described(str(name), settings, rates) for name, settings in given.items()]
    else:
        found = [_check(one) if isinstance(one, Arm) else named_arm(str(one), rates) for one in given]
    unique = {arm.name: arm for arm in [Arm(name="plain"), *found]}
    if unique["plain"] != Arm(name="plain"):
        raise ArgumentError("arms has a plain one with settings: expected plain without. Give that arm another name.")
    arms = sorted(unique.values(), key=_simplicity)
    if len(arms) == 1:
        raise ArgumentError("arms names plain alone: expected another one beside it, to compare plain with.")
    alike: dict[Arm, str] = {}
    for arm in arms:
        first = alike.setdefault(arm.model_copy(update={"name": ""}), arm.name)
        if first != arm.name:
            raise ArgumentError(
                f"arms={arm.name!r} is the same as {first!r}: expected arms that differ. Leave one out."
            )
    return tuple(arms)


def words(arm: str) -> str:
    """What an arm is called in a sentence: a known name by its parts, another as it is."""
    if arm == "plain":
        return "the plain net"
    parts = arm.split("+")
    return " with ".join(WORDS[part] for part in parts) if set(parts) <= set(WORDS) else arm


def _described(name: str, settings: Any, rates: Sequence[float]) -> Arm:
    """An arm from its settings."""
    if not isinstance(settings, Mapping):
        raise ArgumentTypeError(
            f"arms: {name}={settings!r} is no table of settings: expected one such as {{'dropout': [0.1, 0.3]}}."
        )
    if not settings:
        return named_arm(name, rates)
    allowed = [field for field in Arm.model_fields if field != "name"]
    for setting in settings:
        if setting not in allowed:
            meant = closest(str(setting), allowed)
            raise ArgumentError(
                f"the setting {setting!r} of the arm {name!r} is unknown: expected one of {', '.join(map(repr, allowed))}."
                f"{f' Did you mean {meant!r}?' if meant else ''}"
            )
    grids = {
        field: tuple(settings[field]) if isinstance(settings[field], list | tuple) else (settings[field],)
        for field in ("dropout", "weight_decay")
        if field in settings
    }
    return _check(Arm.model_construct(**({"name": name} | dict(settings) | grids)))


def _check(arm: Arm) -> Arm:
    """The arm, with whole numbers as floats, if its settings are in range."""
    for rate in arm.dropout:
        RATE.check(rate, "dropout")
    _INPUT_RATE.check(arm.input_dropout, "input_dropout")
    if arm.max_norm is not None:
        _POSITIVE.check(arm.max_norm, "max_norm")
    for decay in arm.weight_decay:
        _POSITIVE.check(decay, "weight_decay")
    OneOf(("hidden", "last")).check(arm.where, "where")
    Flag().check(arm.batch_norm, "batch_norm")
    if arm.name != "plain" and not arm.regularizers:
        raise ArgumentError(
            f"arms: {arm.name!r} regularizes nothing: expected one of its settings. Plain is always there."
        )
    return Arm(**arm.model_dump())


def _simplicity(arm: Arm) -> tuple[int, list[int]]:
    order = list(WORDS)
    return len(arm.regularizers), [order.index(part) for part in arm.regularizers]
