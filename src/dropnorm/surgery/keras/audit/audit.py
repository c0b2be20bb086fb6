"""A Keras model looked over by all rules, and left as it was."""

from collections.abc import Sequence
from typing import Any

import keras

from dropnorm.errors import ArgumentError, ArgumentTypeError
from dropnorm.surgery.audit.findings import Audit
from dropnorm.surgery.audit.history import losses_of
from dropnorm.surgery.audit.registry import chosen, looked_over
from dropnorm.surgery.keras.audit.examination import Examination
from dropnorm.surgery.keras.audit.measuring import look_at, measure
from dropnorm.surgery.keras.audit.rules import RULES
from dropnorm.surgery.keras.audit.watching import Seen, is_relu
from dropnorm.surgery.keras.batches import batches_of, inputs_of
from dropnorm.surgery.keras.graph import Graph, is_graph, read_graph
from dropnorm.surgery.keras.paths import layers_of
from dropnorm.surgery.modules.restoring import random_states

SEEN_BY_RUNNING = ("DN123", "DN204")
"""What only a batch shows of a model with a call of its own."""


def audit(
    model: Any,
    batch: Any,
    loader: Any,
    optimizer: Any,
    history: Any,
    select: Sequence[str] | str | None,
    ignore: Sequence[str] | str,
) -> Audit:
    """See `dropnorm.surgery.audit.audit.audit`."""
    rules = chosen(select, ignore, RULES)
    _check(model, optimizer)
    batches = None if loader is None else batches_of(loader)
    # A list is several inputs to a model that does not say how many it has.
    is_open = isinstance(batch, list) and not getattr(model, "inputs", None)
    given = batch if batch is None or is_open else inputs_of(model, batch)
    if given is None and batches is not None:
        with random_states():  # what is shuffled draws when it begins
            given = inputs_of(model, next(iter(batches), None))
    # A model that is not built would be by its first run, which is to leave it as it was.
    built = model if model.built or given is None else keras.models.clone_model(model)
    graph = read_graph(built) if is_graph(built) else None
    optimizer = getattr(model, "optimizer", None) if optimizer is None else optimizer
    losses = _losses(model, history)
    seen, behaviour, layers = Seen(), None, layers_of(built) | _relus(graph)
    if given is not None:
        seen = look_at(built, layers, given)
    if batches is not None:
        behaviour = measure(built, layers, graph, batches)
    examination = Examination(
        model=built,
        graph=graph,
        batches=tuple(seen.batches),
        always=tuple(seen.training),
        loss=getattr(model, "loss", None),
        optimizer=optimizer,
        behaviour=behaviour,
        history=losses,
    )
    needs = {"batch": given, "optimizer": optimizer, "loader": batches, "history": losses}
    if graph is not None:
        return looked_over(type(model).__name__, examination, rules, needs, "")
    found = looked_over(
        type(model).__name__, examination, rules, needs, "only a functional or Sequential model has a graph"
    )
    unseen = {rule.code: "needs a batch" for rule in rules if rule.code in SEEN_BY_RUNNING and given is None}
    return found.model_copy(update={"not_checked": found.not_checked | unseen})


def _check(model: Any, optimizer: Any) -> None:
    if not isinstance(model, keras.Model):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is a single layer of Keras: expected a keras.Model. Put it into a keras.Sequential."
        )
    if not model.built and not is_graph(model):
        raise ArgumentTypeError(
            f"model={type(model).__name__} is not built, so that it has no weights yet: expected a model that has. Call it on "
            f"a batch, or model.build(input_shape), before."
        )
    if optimizer is not None and not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ArgumentTypeError(
            f"optimizer={type(optimizer).__name__} is no keras.optimizers.Optimizer: expected the one that trains the model. "
            f"Leave it out if there is none, or if the model is compiled."
        )


def _losses(model: Any, history: Any) -> dict[str, list[float]] | None:
    """Those given, or those that fit has left in the model, if it had validation data."""
    if history is not None:
        return losses_of(history)
    try:
        return losses_of(model.history) if getattr(model, "history", None) is not None else None
    except (ArgumentError, ArgumentTypeError):
        return None


def _relus(graph: Graph | None) -> dict[str, Any]:
    """The ReLUs that are operations and no layers."""
    operations = () if graph is None else graph.operations
    is_layer = keras.layers.Layer
    return {
        each.path: each.layer for each in operations if is_relu(each.layer) and not isinstance(each.layer, is_layer)
    }
