"""The plan of a study: which nets are trained, and from which keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from dropnorm._validate import choice, positive, probability, whole
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.random import derive_key
from dropnorm.study.records import ARMS, ArmName, StudyConfig

STUDY_KEY = 0x64726F706E6F726D  # "dropnorm" in ASCII
NETS_PER_BLOCK = 64
_EXAMPLES = {"hidden": "(128, 128)", "dropout": "(0.1, 0.3)"}


class Purpose(IntEnum):
    """What a seed's random numbers are for: each use derives its own keys."""

    MASKS = 0
    WEIGHTS = 1
    ORDER = 2


@dataclass(frozen=True)
class NetPlan:
    """One net to be trained."""

    net: int
    arm: ArmName
    seed: int
    rate: float

    @property
    def batch_norm(self) -> bool:
        """Whether its hidden layers are batch-normalized."""
        return "batch_norm" in self.arm


def configure(**given: Any) -> StudyConfig:
    """A checked configuration; arguments that are None take their defaults.

    Raises:      ArgumentError, ArgumentTypeError for a value out of range.
    """
    chosen = {name: value for name, value in given.items() if value is not None}
    config = StudyConfig.model_construct(**chosen)
    for name in ("hidden", "dropout"):
        if isinstance(values := getattr(config, name), str) or not isinstance(values, Sequence):
            raise ArgumentTypeError(f"{name}={values!r} is no list of numbers: expected one such as {_EXAMPLES[name]}.")
    whole(config.seeds, "seeds", 2, "one seed has no interval")
    whole(config.epochs, "epochs", 1)
    whole(config.batch_size, "batch_size", 2, "batch norm has no variance in a batch of one")
    whole(config.patience, "patience", 1)
    positive(config.learning_rate, "learning_rate")
    for width in config.hidden:
        whole(width, "hidden", 1)
    if not config.hidden:
        raise ArgumentError("hidden=() leaves no hidden layer to regularize: expected at least one width, such as 128.")
    for rate in config.dropout:
        if not 0.0 < probability(rate, "dropout") < 1.0:
            raise ArgumentError(
                f"dropout={rate!r} is no rate to try: expected 0 < dropout < 1. Arm 'plain' has no dropout."
            )
    if not config.dropout:
        raise ArgumentError("dropout=() names no rate: expected at least one, such as 0.2.")
    for size in ("validation_size", "test_size"):
        if not 0.0 < getattr(config, size) < 0.5:
            raise ArgumentError(
                f"{size}={getattr(config, size)!r} is out of range: expected a fraction above 0 and below 0.5."
            )
    return StudyConfig(**chosen)


def checked_arms(names: str | Sequence[str] | None) -> tuple[ArmName, ...] | None:
    """The arms in their fixed order, `plain` among them, since the others are compared with it."""
    if names is None:
        return None
    if isinstance(names, str):
        names = [name.strip() for name in names.split(",")]
    wanted = {"plain", *(choice(name, "arms", ARMS) for name in names)}
    if len(wanted) == 1:
        raise ArgumentError("arms names plain alone: expected another one beside it, to compare plain with.")
    return tuple(arm for arm in ARMS if arm in wanted)


def plan_nets(config: StudyConfig) -> tuple[NetPlan, ...]:
    """Every net of the study: each arm with each seed, and dropout arms with each rate of the grid."""
    nets: list[NetPlan] = []
    for arm in config.arms:
        rates = sorted(set(config.dropout)) if "dropout" in arm else [0.0]
        nets += [
            NetPlan(net=len(nets) + position, arm=arm, seed=seed, rate=rate)
            for position, (seed, rate) in enumerate((seed, rate) for seed in range(config.seeds) for rate in rates)
        ]
    return tuple(nets)


def plan_blocks(nets: Sequence[NetPlan]) -> tuple[tuple[NetPlan, ...], ...]:
    """Nets of one shape train together: those without batch norm, and those with."""
    blocks: list[tuple[NetPlan, ...]] = []
    for batch_norm in (False, True):
        alike = [net for net in nets if net.batch_norm == batch_norm]
        blocks += [tuple(alike[start : start + NETS_PER_BLOCK]) for start in range(0, len(alike), NETS_PER_BLOCK)]
    return tuple(blocks)


def seed_keys(seeds: Sequence[int], purpose: Purpose, *counter: Tensor | int) -> Tensor:
    """One key per seed for a purpose, and for an epoch and a step where these are given."""
    base = derive_key(torch.tensor(STUDY_KEY), torch.tensor(seeds), int(purpose))
    shape = (-1,) + (1,) * max((value.ndim for value in counter if isinstance(value, Tensor)), default=0)
    return derive_key(base.reshape(shape), *counter) if counter else base


def seed_generator(key: Tensor) -> torch.Generator:
    """A CPU generator that the key seeds, for weights and orders."""
    return torch.Generator().manual_seed(int(key) & (2**63 - 1))
