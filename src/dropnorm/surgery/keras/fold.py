"""A Keras model made ready to be deployed: batch norm folded into the layers beside it, dropout gone."""

from typing import Any

import keras

from dropnorm import keras as own
from dropnorm.errors import SurgeryError
from dropnorm.surgery import fold_reasons as reasons
from dropnorm.surgery.keras.check import agree, outputs
from dropnorm.surgery.keras.copying import copied
from dropnorm.surgery.keras.difference import difference
from dropnorm.surgery.keras.folding import Weights, folded_before, folded_behind, weights_of
from dropnorm.surgery.keras.graph import Graph, Operation
from dropnorm.surgery.keras.operations import CONVOLUTIONAL, DROPOUTS, TRANSPOSED, computes_as
from dropnorm.surgery.keras.reading import always_trains, is_fused, left_alone, read
from dropnorm.surgery.keras.rebuild import Changes, New, rebuilt
from dropnorm.surgery.keras.receipt import Receipt
from dropnorm.surgery.keras.weights import axis_of, obstacle
from dropnorm.surgery.kinds import Kind
from dropnorm.surgery.notes import Note, folded_summary
from dropnorm.surgery.ways import neighbour

_NORMS = (keras.layers.BatchNormalization, own.BatchNormalization, own.BatchNormActDropout)
_NOISE = (keras.layers.GaussianNoise,)
_QUIET = (
    *(*DROPOUTS, *_NOISE, keras.layers.Identity, keras.layers.ActivityRegularization),
    *(own.Dropout, own.SpatialDropout1D, own.SpatialDropout2D, own.SpatialDropout3D),
)
_NO_LAYER = reasons.NO_LAYER.format("Dense, Conv, DepthwiseConv, SeparableConv or ConvTranspose without an activation")


def fold_keras(model: Any, sample: Any) -> Receipt:
    """The receipt of `dn.fold` for a functional or Sequential model."""
    folding = _Folding(read(model))
    changes = folding.changes()
    new = rebuilt(model, changes)
    if sample is not None and model.built and not agree(outputs(rebuilt(model), sample), outputs(new, sample)):
        raise SurgeryError(
            f"model={type(model).__name__} cannot be changed safely: its outputs for the sample in inference mode would be "
            f"others. Expected layers that only compute, and do not look at each other. Leave it as it is."
        )
    done, notes = (tuple(dict.fromkeys(each)) for each in (folding.done, folding.notes))
    return Receipt(new, done, notes, folded_summary(done), difference(folding.graph, changes), rebuilt(model))


class _Folding:
    """Gathers what becomes of each layer; a layer between two batch norms takes in both."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.weights: dict[str, Weights] = {}
        self.removed: set[str] = set()
        self.left: dict[str, New] = {}
        self.done: list[Note] = []
        self.notes: list[Note] = left_alone(graph)

    def changes(self) -> Changes:
        """Fold every batch norm that can be, and take every dropout out."""
        for path, layer in self.graph.layers.items():
            at = [each for each in self.graph.operations if each.layer is layer]
            if isinstance(layer, keras.layers.BatchNormalization):
                if reason := self._fold(path, layer, at):
                    self.notes.append(Note(path, f"stays: {reason}"))
            elif isinstance(layer, (*DROPOUTS, *_NOISE)):
                what = "noise" if isinstance(layer, _NOISE) else "dropout"
                if any(map(always_trains, at)):
                    self.notes.append(Note(path, f"stays: the {what} is called with training=True."))
                elif computes_as(layer, _QUIET):
                    self.removed.add(path)
                    self.done.append(Note(path, f"{what} is gone"))
        instead = {path: self._layer_with(path, weights) for path, weights in self.weights.items()}
        return Changes(instead=instead | self.left, removed=self.removed)

    def _layer_with(self, path: str, weights: Weights) -> New:
        return New(copied(self.graph.layers[path], use_bias=True), values=weights)

    def _fold(self, path: str, norm: Any, at: list[Operation]) -> str:
        """Fold one batch norm, or say why not."""
        if not norm.built:
            return "it has no statistics yet, since the model is not built."
        if not computes_as(norm, _NORMS):
            return reasons.OTHER_NORM_CALL.format(type(norm).__name__, "Keras")
        if any(map(always_trains, at)):
            return "it is called with training=True, and normalizes by each batch."
        if len(self.graph.paths[norm]) > 1:
            return reasons.SAME_LAYER.format(self.graph.paths[norm][1])
        refused = []
        for before in (True, False):
            if not before and is_fused(norm):
                continue  # its activation stands in between
            beside, reason = self._layer_beside(at, before)
            if beside is not None:
                reason = self._refusal(norm, at[0], beside, before)
            if beside is not None and not reason:
                layer, where = beside.layer, beside.path
                weights = self.weights.get(where) or weights_of(layer)
                fold = folded_before(layer, weights, norm) if before else folded_behind(norm, layer, weights)
                self.weights[where] = fold
                self._take_out(path, norm)
                self.done.append(Note(path, f"batch norm is in {where}"))
                return ""
            refused.append(reason)
        return reasons.best(refused, _NO_LAYER)

    def _take_out(self, path: str, norm: Any) -> None:
        """Of a fused layer its activation stays."""
        if is_fused(norm):
            self.left[path] = New(keras.layers.Activation(norm.activation, name=norm.name, dtype=norm.dtype_policy))
        else:
            self.removed.add(path)

    def _layer_beside(self, at: list[Operation], before: bool) -> tuple[Operation | None, str]:
        """The layer whose every call is followed, or preceded, by this batch norm and by nothing else."""
        found: list[Operation] = []
        for operation in at:
            beside = neighbour(self.graph, operation, before, _passes)
            if beside is None or beside.kind is not Kind.WEIGHT or not isinstance(beside.layer, keras.layers.Layer):
                return None, _NO_LAYER
            found.append(beside)
        layers = dict.fromkeys(each.layer for each in found)
        if len(layers) > 1:
            return None, reasons.SEVERAL_LAYERS.format(" and ".join(sorted({each.path for each in found})))
        if self.graph.calls(found[0].layer) != len(at):
            return None, reasons.CALLED_ELSEWHERE.format(found[0].path)
        return found[0], ""

    def _refusal(self, norm: Any, at: Operation, beside: Operation, before: bool) -> str:
        """Why this layer cannot take the batch norm in."""
        layer, path = beside.layer, beside.path
        if len(self.graph.paths[layer]) > 1:
            return reasons.SAME_LAYER.format(self.graph.paths[layer][1])
        if reason := obstacle(layer):
            return f"{path}: {reason}"
        if at.shape is None:
            return "it is not known how many dimensions it has. Build the model with an input shape."
        if norm.axis % len(at.shape) != axis_of(layer) % len(at.shape):
            return reasons.OTHER_DIMENSION.format(path)
        if not before and isinstance(layer, TRANSPOSED):
            return reasons.TRANSPOSED.format(path)
        if not before and isinstance(layer, CONVOLUTIONAL) and _pads(layer):
            return reasons.PADS.format(path)
        return ""


def _passes(operation: Operation) -> bool:
    """Whether an operation does nothing in inference mode."""
    return computes_as(operation.layer, _QUIET) and not always_trains(operation)


def _pads(layer: Any) -> bool:
    return layer.padding != "valid" and any(size > 1 for size in layer.kernel_size)
