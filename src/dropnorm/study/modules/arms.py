"""The arms of a user's own network: dropout and batch norm put in at the right places."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from dropnorm.errors import ArgumentError, RunError, SurgeryError
from dropnorm.study.modules.architecture import FactoryArchitecture, ModuleArchitecture, make_module
from dropnorm.study.modules.check import look_over
from dropnorm.study.modules.tensors import seeded
from dropnorm.study.records import Arm
from dropnorm.surgery.plan import Plan
from dropnorm.surgery.regularize import regularize


def module_of_arm(architecture: ModuleArchitecture, arm: Arm, rate: float, key: int) -> nn.Module:
    """A net of an arm: what the factory makes from the key, and the arm's dropout and batch norm in it."""
    net = make_module(architecture, key)
    changes = changes_of(arm, rate)
    made: nn.Module = _plan(net, architecture, arm, changes).apply() if changes else net
    return made


def changes_of(arm: Arm, rate: float) -> dict[str, Any]:
    """What `regularize` is asked for, to make a net of an arm; nothing where the net stays as it is."""
    if not (rate or arm.batch_norm or arm.input_dropout):
        return {}
    changes: dict[str, Any] = {"dropout": rate or None, "where": "auto" if arm.where == "hidden" else "last"}
    return changes | {"batch_norm": arm.batch_norm, "input_dropout": arm.input_dropout or None}


def check_arms(architecture: ModuleArchitecture, arms: Sequence[Arm]) -> None:
    """See that every arm changes the factory's net by each of its parts, and that the nets can be trained.

    Raises:      ArgumentError for an arm that would be another under its name, with what stands in its way.
    """
    for arm in arms:
        check_parts(arm, architecture.factory, partial(_plan_anew, architecture, arm))
        if arm.max_norm is not None and architecture.output_layer is None:
            raise nothing_to_limit(arm, architecture.factory, "torch.nn.Linear and Conv")
        module_of_arm(architecture, arm, arm.dropout[0] if arm.dropout else 0.0, 0)


def check_parts(arm: Arm, factory: str, plan_of: Callable[[dict[str, Any]], Plan]) -> None:
    """See that each part of an arm that puts layers in has a place for them; `plan_of` makes the plan of some changes."""
    where = "auto" if arm.where == "hidden" else "last"
    off: dict[str, Any] = {"dropout": None, "batch_norm": False}
    parts: dict[str, list[dict[str, Any]]] = {
        # A net whose own dropout has one of the rates is changed by the others.
        "dropout": [off | {"dropout": rate, "where": where} for rate in arm.dropout],
        "batch_norm": [off | {"batch_norm": True}] if arm.batch_norm else [],
        "input_dropout": [off | {"input_dropout": arm.input_dropout}] if arm.input_dropout else [],
    }
    for part, changes in parts.items():
        plans = [plan_of(each) for each in changes]
        if plans and not any(plan.edits for plan in plans):
            reasons = " ".join(str(note) for note in plans[0].notes) or "There is no hidden layer with an activation."
            raise ArgumentError(
                f"arms={arm.name!r}: {part} has no place in the net of {factory!r}. {reasons} Expected arms that change the "
                f"net. Leave this one out."
            )


def nothing_to_limit(arm: Arm, factory: str, layers: str) -> ArgumentError:
    """The error for a largest norm where there are no weights for it."""
    return ArgumentError(
        f"arms={arm.name!r}: max_norm limits weights of {layers} layers, of which the net of {factory!r} has none. Expected "
        f"arms that change the net. Leave this one out."
    )


def rebuilt(architecture: ModuleArchitecture, arm: Arm, rate: float) -> nn.Module:
    """A net of a finished study made anew, to be given its weights.

    Raises:      RunError if the factory's nets are not those that were studied.
    """
    given = architecture.model_copy(update={"parameters": 0, "largest": 1, "output_layer": None, "fingerprint": ""})
    check_fingerprint(architecture, look_over(given).fingerprint)
    return module_of_arm(architecture, arm, rate, 0)


def check_fingerprint(architecture: FactoryArchitecture, found: str) -> None:
    """See that a factory's nets are those that were studied.

    Raises:      RunError if they are not.
    """
    if found != architecture.fingerprint:
        raise RunError(
            f"net={architecture.factory!r} makes another net than the one that was studied: expected the same layers and "
            f"shapes. Give the factory its former source, or study again."
        )


def cannot_be_made(arm: Arm, factory: str, error: SurgeryError) -> ArgumentError:
    """The error for an arm whose layers do not go into the net."""
    return ArgumentError(f"arms={arm.name!r} cannot be made of the net of {factory!r}. {error} Or leave this arm out.")


def _plan_anew(architecture: ModuleArchitecture, arm: Arm, changes: dict[str, Any]) -> Plan:
    return _plan(make_module(architecture, 0), architecture, arm, changes)


def _plan(net: nn.Module, architecture: ModuleArchitecture, arm: Arm, changes: dict[str, Any]) -> Plan:
    try:
        with seeded(1, "cpu"), torch.no_grad():
            return regularize(net.eval(), **changes, sample=architecture.sample())
    except SurgeryError as error:
        raise cannot_be_made(arm, architecture.factory, error) from error
