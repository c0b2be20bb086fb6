"""The plan of a study: which nets are trained, and from which keys."""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from dropnorm._options import options_of, with_options
from dropnorm._validate import shown
from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.random import derive_key
from dropnorm.study.arms import checked_arms
from dropnorm.study.modules.factory import factory_name, is_factory
from dropnorm.study.options import DesignOptions
from dropnorm.study.records import Arm, StudyConfig
from dropnorm.study.settings import MOST_REPETITIONS, Settings

STUDY_KEY = 0x64726F706E6F726D  # "dropnorm" in ASCII
NETS_PER_BLOCK = 64
_NUMBERS_PER_BLOCK = 1 << 25  # of one layer's activations in a batch: 128 MiB


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


@with_options(DesignOptions)
def configure(options: DesignOptions) -> StudyConfig:
    """A checked configuration.

    Args:        {options}
    Raises:      ArgumentError, ArgumentTypeError for values that are not allowed, or not together.
    """
    net = options.net if isinstance(options.net, str) else factory_name(options.net)
    settings = {name: getattr(options, name) for name in options_of(Settings)}
    if settings["class_weight"] and not settings["metric"]:
        settings["metric"] = "balanced_accuracy"  # what nets are trained for then
    rates = options.dropout if isinstance(options.dropout, Sequence) else (options.dropout,)
    arms = checked_arms(options.arms, rates)
    config = StudyConfig(**settings, arms=arms, net=net, device=_device(options.device))
    _check_together(config, options.given)
    return config


def _check_together(config: StudyConfig, given: Container[str]) -> None:
    """Refuse settings that are allowed one by one, and not together."""
    if config.repetitions < 2:
        what = "one seed" if config.splits is None else "one net"
        raise ArgumentError(f"seeds=1 is too small: expected at least 2 ({what} has no interval). Use seeds=2.")
    if config.repetitions > MOST_REPETITIONS:
        raise ArgumentError(
            f"splits={config.splits} of seeds={config.seeds} are {config.repetitions:,} nets of each arm: expected at most "
            f"{MOST_REPETITIONS:,}. Use fewer of one of them."
        )
    ignored = [name for name in options_of(Settings) if name in given and name not in config.used]
    if is_factory(config.net) and ignored:
        raise ArgumentError(
            f"net={config.net!r} is given with {', '.join(ignored)}, on which a factory's nets do not depend: expected one. "
            f"Leave {'them' if len(ignored) > 1 else 'it'} out."
        )


def _device(device: str | torch.device) -> str:
    if not isinstance(device, str | torch.device):
        raise ArgumentTypeError(
            f"device={shown(device)} is no device: expected 'cpu', 'cuda' or 'auto'. Use device='cpu'."
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        known = torch.device(device).type in ("cpu", "cuda")
    except (RuntimeError, TypeError, ValueError):
        known = False
    if not known:
        raise ArgumentError(f"device={str(device)!r} is unknown: expected 'cpu', 'cuda' or 'auto'.")
    if torch.device(device).type == "cuda" and not torch.cuda.is_available():
        raise ArgumentError(f"device={str(device)!r} is not there: torch sees no CUDA device. Use device='cpu'.")
    return str(device)


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
