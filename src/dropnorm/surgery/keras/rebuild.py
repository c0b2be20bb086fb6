"""A Keras model built anew, with other layers here and there: of the same classes, names and weights, and compiled alike."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from dropnorm.surgery.keras.copying import copied, uncopyable
from dropnorm.surgery.keras.graph import Place, input_layer_of, is_graph, joined, nodes_of


@dataclass(frozen=True)
class New:
    """A layer that comes into a model, and what its weights are then.

    Args:        layer: not built yet; like: a layer whose weights of the same names and shapes it gets; values: of others, by
                 the names of the layer's attributes.
    """

    layer: keras.layers.Layer
    like: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Changes:
    """What becomes of a model's layers.

    Args:        instead: another layer for the one at a path, at each of its calls; after: new ones behind one call, in the
                 order of the signal, an input counted as a call; removed: paths of layers of one input that are gone.
    """

    instead: dict[str, New] = field(default_factory=dict)
    after: dict[Place, list[New]] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)


def rebuilt(model: keras.Model, changes: Changes | None = None) -> keras.Model:
    """A copy of the model with these changes, which shares nothing with it, compiled as it is if it is compiled.

    The layers keep their names, weights, seeds and whether they are trained; a layer that is called several times still is one.
    What is removed where the model's output comes from leaves an Identity of its name, since outputs are named by layers.
    Raises:      SurgeryError for a layer that cannot be copied.
    """
    builder = _Builder(changes or Changes())
    new = builder.model(model, "")
    builder.fill()
    compile_like(model, new)
    return new


class _Builder:
    """Makes each layer once, whoever calls it, and fills in the weights when all are built."""

    def __init__(self, changes: Changes) -> None:
        self.changes = changes
        self.made: dict[int, Any] = {}
        self.copies: list[tuple[Any, Any]] = []
        self.new: list[New] = []

    def model(self, old: Any, path: str) -> Any:
        """The copy of a model, and of all that is in it."""
        if id(old) not in self.made:
            build = self._sequential if isinstance(old, keras.Sequential) else self._functional
            self.made[id(old)] = build(old, path)
            self.copies.append((old, self.made[id(old)]))
        return self.made[id(old)]

    def _functional(self, old: Any, path: str) -> Any:
        inputs = keras.tree.map_structure(lambda tensor: _input(tensor._keras_history.operation), old.input)
        values = {}
        for tensor, new in zip(old.inputs, keras.tree.flatten(inputs), strict=True):
            place = joined(path, tensor._keras_history.operation.name), 0
            values[id(tensor)] = self._through(self._after(place), new)
        outputs = {id(tensor) for tensor in old.outputs}
        calls = Counter[int]()
        for node in nodes_of(old):
            place = joined(path, node.operation.name), calls[id(node.operation)]
            calls[id(node.operation)] += 1
            arguments, named = node.arguments.fill_in(values)
            if place[0] in self.changes.removed:
                made = arguments[0] if arguments else named["inputs"]
                if any(id(tensor) in outputs for tensor in node.outputs):
                    made = _identity(node.operation)(made)
            else:
                made = self.layer(node.operation, place[0])(*arguments, **named)
            if after := self._after(place):
                made = self._through(after, made)
            values |= {id(tensor): new for tensor, new in zip(node.outputs, keras.tree.flatten(made), strict=True)}
        made = keras.tree.map_structure(lambda tensor: values[id(tensor)], old.output)
        return type(old)(inputs, made, name=old.name)

    def _sequential(self, old: Any, path: str) -> Any:
        given = input_layer_of(old)
        source = joined(path, "" if given is None else given.name)
        layers = [] if given is None else [_input(given)]
        layers += self._after((source, 0))
        calls = Counter[int]()
        for layer in old.layers:
            place = joined(path, layer.name), calls[id(layer)]
            calls[id(layer)] += 1
            if place[0] not in self.changes.removed:
                layers.append(self.layer(layer, place[0]))
            elif len(old.layers) == 1 or (layer is old.layers[-1] and not path):
                layers.append(_identity(layer))
            layers += self._after(place)
        return type(old)(layers, name=old.name)

    def layer(self, old: Any, path: str) -> Any:
        """What is called in the place of a layer."""
        if is_graph(old):
            return self.model(old, path)
        if id(old) not in self.made:
            if path in self.changes.instead:
                self.new.append(self.changes.instead[path])
                self.made[id(old)] = self.new[-1].layer
            else:
                self.made[id(old)] = copied(old, path)
                self.copies.append((old, self.made[id(old)]))
        return self.made[id(old)]

    def _after(self, place: Place) -> list[Any]:
        new = self.changes.after.get(place, [])
        self.new += new
        return [each.layer for each in new]

    @staticmethod
    def _through(layers: Sequence[Any], tensor: Any) -> Any:
        for layer in layers:
            tensor = layer(tensor)
        return tensor

    def fill(self) -> None:
        """Give all layers the weights that they are to have."""
        for old, new in self.copies:
            if not is_graph(old) and isinstance(old, keras.layers.Layer):
                _copy_weights(old, new)
        # A model sets all that is in it, so that the outer ones come first.
        for old, new in reversed(self.copies):
            if isinstance(old, keras.layers.Layer):
                _copy_trainable(old, new)
        for new in self.new:
            given = {each.name: each for each in new.like.variables} if new.like is not None else {}
            for variable in new.layer.variables:
                like = given.get(variable.name)
                if like is not None and like.shape == variable.shape:
                    _assign(variable, like)
            for name, value in new.values.items():
                _assign(getattr(new.layer, name), value)


def _identity(layer: Any) -> Any:
    """What stands where a layer was that gave an output its name."""
    # By its name, since Keras saves no policy of an Identity.
    return keras.layers.Identity(name=layer.name, dtype=layer.dtype_policy.name)


def _input(layer: Any) -> Any:
    """A new input like this one."""
    return copied(layer).output


def _copy_weights(old: Any, new: Any) -> None:
    if old.built and not new.built:
        new.build_from_config(old.get_build_config())
    mine, theirs = new.variables, old.variables
    if [tuple(each.shape) for each in mine] != [tuple(each.shape) for each in theirs]:
        raise uncopyable(old, "", "its copy has other weights")
    for variable, value in zip(mine, theirs, strict=True):
        _assign(variable, value)
    for inner, other in zip(new._flatten_layers(), old._flatten_layers(), strict=False):
        _copy_adapted(other, inner)


def _assign(variable: Any, value: Any) -> None:
    """Give a variable a value of its own: on JAX it would hold the same array, which training gives away."""
    variable.assign(keras.ops.copy(value))


def _copy_adapted(old: Any, new: Any) -> None:
    """What preprocessing layers know of the data besides their weights."""
    if hasattr(old, "save_assets"):
        with tempfile.TemporaryDirectory() as folder:
            old.save_assets(folder)
            new.load_assets(folder)
    elif hasattr(new, "finalize_state"):
        new.finalize_state()


def _copy_trainable(old: Any, new: Any) -> None:
    for mine, theirs in zip(_flags(new), _flags(old), strict=False):
        if mine.trainable != theirs.trainable:  # since a model sets what has come into it, too
            mine.trainable = theirs.trainable


def _flags(layer: Any) -> Iterator[Any]:
    return iter([layer] if is_graph(layer) else layer._flatten_layers())


def compile_like(model: keras.Model, new: keras.Model) -> None:
    """Compile a model as another one is, with an optimizer and metrics of its own."""
    config = getattr(model, "_compile_config", None)
    if not model.compiled or config is None or type(model).compile is not keras.Model.compile:
        return
    arguments = {name: keras.tree.map_structure(_anew, value) for name, value in config.config.items()}
    # In half precision Keras puts an optimizer into one that scales the loss, if it is left to.
    is_scaled = model.optimizer is not config.config["optimizer"]
    new.compile(**arguments, auto_scale_loss=is_scaled)
    # As Keras does when it clones or loads, so that a file of a model that was not trained yet is loaded.
    if new.built and new.optimizer is not None:
        new.optimizer.build(new.trainable_variables)


def _anew(value: Any) -> Any:
    """A fresh optimizer, metric or loss of the same configuration; functions, names and numbers as they are."""
    if isinstance(value, keras.optimizers.Optimizer | keras.metrics.Metric | keras.losses.Loss):
        return type(value).from_config(value.get_config())
    return value
