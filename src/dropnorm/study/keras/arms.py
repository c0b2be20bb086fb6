"""The arms of a user's own Keras network: dropout and batch norm put in at the right places."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras

from dropnorm.errors import ArgumentError, SurgeryError
from dropnorm.study.keras.architecture import KerasArchitecture
from dropnorm.study.keras.fingerprint import fingerprint_of
from dropnorm.study.keras.model import make_model, weighted_layers
from dropnorm.study.keras.seeding import seeded
from dropnorm.study.modules.arms import cannot_be_made, changes_of, check_fingerprint, check_parts, nothing_to_limit
from dropnorm.study.records import Arm
from dropnorm.surgery.plan import Plan
from dropnorm.surgery.regularize import regularize


def model_of_arm(architecture: KerasArchitecture, arm: Arm, rate: float, key: int) -> keras.Model:
    """A net of an arm: what the factory makes from the key, and the arm's dropout and batch norm in it."""
    model = make_model(architecture, key)
    changes = changes_of(arm, rate)
    if not changes:
        return model
    with seeded(key):
        return _plan(model, architecture, arm, changes).apply()


def check_arms(architecture: KerasArchitecture, arms: Sequence[Arm]) -> None:
    """See that every arm changes the factory's net by each of its parts, and can be made.

    Raises:      ArgumentError for an arm that would be another under its name, with what stands in its way.
    """
    for arm in arms:
        check_parts(arm, architecture.factory, partial(_plan_anew, architecture, arm))
        model = model_of_arm(architecture, arm, arm.dropout[0] if arm.dropout else 0.0, 0)
        if arm.max_norm is not None:
            _check_limited(model, architecture, arm)


def rebuilt(architecture: KerasArchitecture, arm: Arm, rate: float) -> keras.Model:
    """A net of a finished study made anew, to be given its weights, whichever backend it was trained on.

    Raises:      RunError if the factory's nets are not those that were studied.
    """
    check_fingerprint(architecture, fingerprint_of(make_model(architecture, 0)))
    return model_of_arm(architecture, arm, rate, 0)


def _check_limited(model: keras.Model, architecture: KerasArchitecture, arm: Arm) -> None:
    layers = weighted_layers(model)
    if not layers:
        raise nothing_to_limit(arm, architecture.factory, "Dense and Conv")
    if own := [layer.name for layer in layers[:-1] if layer.kernel.constraint is not None]:
        raise ArgumentError(
            f"arms={arm.name!r}: max_norm limits the weights of {own[0]!r} in the net of {architecture.factory!r}, which has a "
            f"kernel_constraint of its own. Expected one of them. Leave kernel_constraint or this arm out."
        )


def _plan_anew(architecture: KerasArchitecture, arm: Arm, changes: dict[str, Any]) -> Plan:
    with seeded(0):
        return _plan(make_model(architecture, 0), architecture, arm, changes)


def _plan(model: keras.Model, architecture: KerasArchitecture, arm: Arm, changes: dict[str, Any]) -> Plan:
    try:
        return regularize(model, **changes)
    except SurgeryError as error:
        raise cannot_be_made(arm, architecture.factory, error) from error
