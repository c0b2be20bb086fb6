"""Changes of a Keras model, made: edits become layers, and the model is built anew with them."""

from collections.abc import Sequence
from typing import Any

import keras

from dropnorm import keras as own
from dropnorm.surgery.edits import Edit, Insert, Remove, ReturnBias, SetRate
from dropnorm.surgery.keras.copying import copied
from dropnorm.surgery.keras.graph import Graph, read_graph
from dropnorm.surgery.keras.layers import noise_shape
from dropnorm.surgery.keras.operations import activation_in
from dropnorm.surgery.keras.reading import is_fused
from dropnorm.surgery.keras.rebuild import Changes, New, rebuilt
from dropnorm.surgery.keras.weights import axis_of


def rewrite(model: keras.Model, edits: Sequence[Edit]) -> keras.Model:
    """A copy of the model with these changes."""
    return rebuilt(model, changes_of(read_graph(model), edits))


def changes_of(graph: Graph, edits: Sequence[Edit]) -> Changes:
    """What edits do to the layers of a model."""
    return _Rewriting(graph).changes(edits)


class _Rewriting:
    """Makes the new layers, under names that are free in the models that they come into."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made = Changes()
        self.taken = {each.path for each in graph.operations}

    def changes(self, edits: Sequence[Edit]) -> Changes:
        """The changes that these edits are; of several at one place the first comes first."""
        for edit in edits:
            if isinstance(edit, SetRate):
                self._instead(edit.path, rate=edit.rate)
            elif isinstance(edit, ReturnBias):
                self._return_bias(edit)
            elif isinstance(edit, Remove):
                self._remove(edit)
            elif edit.layer.role == "norm":
                self._insert_norm(edit)
            else:
                self._insert_dropout(edit)
        return self.made

    def _instead(self, path: str, **arguments: Any) -> None:
        layer = self.graph.layers[path]
        new = New(copied(layer, **arguments), like=layer)
        self.made.instead |= dict.fromkeys(self.graph.paths[layer], new)

    def _after(self, edit: Insert, new: New) -> None:
        self.made.after.setdefault((edit.path, edit.call), []).append(new)

    def _insert_norm(self, edit: Insert) -> None:
        layer = self.graph.layers[edit.like]
        moved = {name: getattr(layer, f"bias_{name}") for name in ("initializer", "regularizer", "constraint")}
        beta = {f"beta_{name}": value for name, value in moved.items()} if edit.takes_bias else {}
        name = self._free(edit.path, "norm")
        norm = own.BatchNormalization(axis=axis_of(layer), name=name, dtype=layer.dtype_policy, **beta)
        norm.trainable = layer.trainable
        values: dict[str, Any] = {}
        if layer.built:
            # So that variance + epsilon is 1, and the new one the identity until it is trained.
            values["moving_variance"] = keras.ops.full((edit.layer.argument,), 1 - norm.epsilon)
            if edit.takes_bias:
                values["beta"] = layer.bias
        self._after(edit, New(norm, values=values))
        function = activation_in(layer)
        if function is not None or edit.takes_bias:
            self._instead(edit.path, activation=None, use_bias=layer.use_bias and not edit.takes_bias)
        if function is not None:
            name = self._free(edit.path, "activation")
            activation = keras.layers.Activation(function, name=name, dtype=layer.dtype_policy)
            self._after(edit, New(activation))

    def _insert_dropout(self, edit: Insert) -> None:
        like, here = (self.graph.layers.get(path) for path in (edit.like, edit.path))
        policy = getattr(here if here is not None else like, "dtype_policy", None)
        arguments: dict[str, Any] = {"name": self._free(edit.path, "dropout"), "dtype": policy}
        rate, name = edit.layer.argument, edit.layer.name
        channels_first = getattr(like, "data_format", "") == "channels_first"
        if name == "SpatialDropout1D" and channels_first:
            layer = own.Dropout(rate, noise_shape=(None, None, 1), **arguments)
        elif name in ("SpatialDropout2D", "SpatialDropout3D"):
            layer = getattr(own, name)(rate, getattr(like, "data_format", None), **arguments)
        else:
            layer = getattr(own, name)(rate, **arguments)
        self._after(edit, New(layer))

    def _remove(self, edit: Remove) -> None:
        layer = self.graph.layers[edit.path]
        if not is_fused(layer):
            self.made.removed.add(edit.path)
            return
        activation = keras.layers.Activation(layer.activation, name=layer.name, dtype=layer.dtype_policy)
        self.made.instead[edit.path] = New(activation)
        if edit.keep_dropout and layer.rate:
            for call in {each.call for each in self.graph.operations if each.path == edit.path}:
                name, noise = self._free(edit.path, "dropout"), self._noise(edit.path)
                dropout = own.Dropout(layer.rate, noise, layer.seed, name=name, dtype=layer.dtype_policy)
                self.made.after.setdefault((edit.path, call), []).append(New(dropout))

    def _return_bias(self, edit: ReturnBias) -> None:
        """Give a layer without bias that of its batch norm, so that what `regularize` moved there comes back."""
        layer, norm = self.graph.layers[edit.path], self.graph.layers[edit.norm]
        moved = {f"bias_{name}": getattr(norm, f"beta_{name}") for name in ("initializer", "regularizer", "constraint")}
        new = copied(layer, use_bias=True, **{name: _serialized(value) for name, value in moved.items()})
        values = {"bias": norm.beta} if norm.built and norm.center else {}
        self.made.instead[edit.path] = New(new, like=layer, values=values)

    def _noise(self, path: str) -> tuple[int | None, ...] | None:
        """The mask's shape of a fused layer, which may drop whole channels."""
        shapes = (each.shape for each in self.graph.operations if each.path == path and each.shape is not None)
        shape = next(shapes, None)
        return None if shape is None else noise_shape(self.graph.layers[path], keras.KerasTensor(shape))

    def _free(self, path: str, role: str) -> str:
        """A name beside a layer that no other has."""
        holder, _, name = path.rpartition("/")
        prefix = f"{holder}/" if holder else ""
        free, number = f"{name or 'input'}_{role}", 1
        while prefix + free in self.taken:
            number += 1
            free = f"{name or 'input'}_{role}_{number}"
        self.taken.add(prefix + free)
        return free


def _serialized(value: Any) -> Any:
    return None if value is None else keras.saving.serialize_keras_object(value)
