"""The plan of a study: which nets are trained, and from which keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, get_args

import torch
from torch import Tensor

from dropnorm._validate import choice, positive, whole
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.random import derive_key
from dropnorm.study.arms import RATES, checked_arms, checked_rates
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.records import Arm, NetName, StudyConfig

STUDY_KEY = 0x64726F706E6F726D  # "dropnorm" in ASCII
NETS_PER_BLOCK = 64
_NUMBERS_PER_BLOCK = 1 << 25  # of one layer's activations in a batch: 128 MiB
_EXAMPLES = {"hidden": "(128, 128)", "channels": "(16, 32)", "dropout": "(0.1, 0.3)"}


class Purpose(IntEnum):
    """What a seed's random numbers are for: each use derives its own keys."""

    MASKS = 0
    WEIGHTS = 1
    ORDER = 2


@dataclass(frozen=True)
class NetPlan:
    """One net to be trained: an arm, a seed, and one of each of the arm's choices."""

    net: int
    arm: Arm
    seed: int
    rate: float
    weight_decay: float = 0.0

    @property
    def structure(self) -> tuple[bool, ...]:
        """What must be alike for nets to train together as one: whether each has batch norm, and what few arms have."""
        return (
            self.arm.batch_norm,
            self.arm.input_dropout > 0.0,
            self.arm.max_norm is not None,
            bool(self.arm.weight_decay),
        )


def configure(**given: Any) -> StudyConfig:
    """A checked configuration; arguments that are None take their defaults.

    Raises:      ArgumentError, ArgumentTypeError for a value out of range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    rates = checked_rates(_sequence(chosen.pop("dropout", RATES), "dropout"))
    if not rates:
        raise ArgumentError("dropout=() names no rate: expected at least one, such as 0.2.")
    chosen["arms"] = checked_arms(chosen.get("arms"), rates)
    config = StudyConfig.model_construct(**chosen)
    _sequence(config.hidden, "hidden")
    _sequence(config.channels, "channels")
    if config.splits is None:
        whole(config.seeds, "seeds", 2, "one seed has no interval")
    else:
        whole(config.splits, "splits", 1)
        whole(config.seeds, "seeds", 1 if config.splits > 1 else 2, "one net has no interval")
    whole(config.epochs, "epochs", 1)
    whole(config.batch_size, "batch_size", 2, "batch norm has no variance in a batch of one")
    whole(config.patience, "patience", 1)
    positive(config.learning_rate, "learning_rate")
    for name in ("hidden", "channels"):
        for width in getattr(config, name):
            whole(width, name, 1)
    if not config.hidden:
        raise ArgumentError("hidden=() leaves no hidden layer to regularize: expected at least one width, such as 128.")
    choice(config.activation, "activation", ACTIVATIONS)
    if not isinstance(config.learning_curve, bool):
        raise ArgumentTypeError(f"learning_curve={config.learning_curve!r} is no truth value: expected True or False.")
    if ":" not in config.net:
        choice(config.net, "net", get_args(NetName))
    elif ignored := [name for name in ("hidden", "channels", "activation") if name in chosen]:
        raise ArgumentError(
            f"net={config.net!r} is given with {', '.join(ignored)}, on which a factory's nets do not depend: expected one. "
            f"Leave {'them' if len(ignored) > 1 else 'it'} out."
        )
    for size in ("validation_size", "test_size"):
        if not 0.0 < getattr(config, size) < 0.5:
            raise ArgumentError(
                f"{size}={getattr(config, size)!r} is out of range: expected a fraction above 0 and below 0.5."
            )
    return StudyConfig(**chosen)


def _sequence(values: Any, name: str) -> Sequence[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ArgumentTypeError(f"{name}={values!r} is no list of numbers: expected one such as {_EXAMPLES[name]}.")
    return values


def plan_nets(config: StudyConfig) -> tuple[NetPlan, ...]:
    """Every net of the study: each arm with each seed, and with each rate and decay that it may choose."""
    choices = (
        (arm, seed, rate, decay)
        for arm in config.arms
        for seed in range(config.repetitions)
        for rate, decay in arm.choices
    )
    return tuple(NetPlan(net, *choice) for net, choice in enumerate(choices))


def plan_blocks(
    nets: Sequence[NetPlan], numbers: int = 1, together: int = NETS_PER_BLOCK
) -> tuple[tuple[NetPlan, ...], ...]:
    """Nets of one structure train together, as many as lie in memory when a layer holds so many numbers for one net."""
    size = max(1, min(together, _NUMBERS_PER_BLOCK // numbers))
    blocks: list[tuple[NetPlan, ...]] = []
    for structure in sorted({net.structure for net in nets}):
        alike = [net for net in nets if net.structure == structure]
        blocks += [tuple(alike[start : start + size]) for start in range(0, len(alike), size)]
    return tuple(blocks)


def seed_keys(seeds: Sequence[int], purpose: Purpose, *counter: Tensor | int) -> Tensor:
    """One key per seed for a purpose, and for an epoch and a step where these are given."""
    base = derive_key(torch.tensor(STUDY_KEY), torch.tensor(seeds), int(purpose))
    shape = (-1,) + (1,) * max((value.ndim for value in counter if isinstance(value, Tensor)), default=0)
    return derive_key(base.reshape(shape), *counter) if counter else base


def seed_generator(key: Tensor) -> torch.Generator:
    """A CPU generator that the key seeds, for weights and orders."""
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))
