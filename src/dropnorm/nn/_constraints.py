"""What values the arguments of a layer may have that only torch knows."""

from typing import Any

import torch

from dropnorm._validate import Constraint, Real, Whole, shown
from dropnorm.errors import ArgumentError, ArgumentTypeError

COUNT = Whole(0, 2**31 - 1)
NUMBER = Real()


class Device(Constraint):
    """A device of torch, or its name or number."""

    def check(self, value: Any, name: str) -> Any:
        """Return the value if torch has a tensor there."""
        if not isinstance(value, str | int | torch.device) or isinstance(value, bool):
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no device: expected a torch.device or its name. {_ON_CPU}"
            )
        try:
            torch.empty(0, device=value)  # a device may be known, and its driver or the device itself not there
        except (RuntimeError, ValueError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            raise ArgumentError(
                f"{name}={shown(value)} is not there ({reason}): expected a device on which torch can make tensors. {_ON_CPU}"
            ) from error
        return value


class FloatingType(Constraint):
    """A floating-point type of torch."""

    def check(self, value: Any, name: str) -> torch.dtype:
        """Return the value."""
        if not isinstance(value, torch.dtype) or not value.is_floating_point:
            raise ArgumentTypeError(
                f"{name}={shown(value)} is no type of numbers with fractions: expected torch.float32, float64, bfloat16 or "
                f"float16. Leave {name} out for torch's default."
            )
        return value


_ON_CPU = "Use device='cpu', or leave it out."
