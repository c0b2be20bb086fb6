"""A saved net as an ONNX model that needs nothing else: features in, probabilities or quantities out."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm.errors import ArgumentError
from dropnorm.study.data.standardization import FARTHEST
from dropnorm.study.files import write_where_told
from dropnorm.study.saving.onnx_graph import OPSET, Graph, add_layers, onnx
from dropnorm.study.saving.saved_model import SavedModel
from dropnorm.surgery.dispatch import is_keras

IR_VERSION = 9  # the one of opset 20, so that runtimes of 2023 read it
INPUT = "features"


def export_onnx(model: SavedModel, path: str | Path) -> None:
    """Write a saved net as an ONNX model: standardization included, batch norm folded, dropout gone.

    Shape:       input `features` (rows, features), float64, NaN where a value is missing, as `model.features(X)` gives them
                 -> output `probabilities` (rows, classes), float32, or of a quantity `prediction` (rows,), float64
    Args:        model: what `load_model` or a study gives; path: the file to write.
    State:       the model's metadata: `classes` and `features`, the names of outputs and inputs, as JSON; `arm`.
    Numerics:    equal to `model.predict` to 1e-5. The standardization is in float64, as there, the net in float32.
    Raises:      ExtraError if the package onnx is not installed; ArgumentError for a net with a layer that has no node here;
                 RunError for a place that cannot be written to.
    Source:      ONNX, opset 20.
    """
    if is_keras(model.net):
        raise ArgumentError(
            f"the net of the arm {model.description.arm.name!r} is a Keras model, which is not exported from here: expected a "
            f"net of PyTorch. Use model.net.export(path, format='onnx'), whose inputs are standardized features."
        )
    helper, types = onnx().helper, onnx().TensorProto
    described = model.description
    encoding = described.encoding
    graph = Graph()
    x = _standardized(graph, np.array(described.mean), np.array(described.scale))
    outputs = add_layers(graph, model.net, x)
    if encoding.classes:
        name, kind, shape = "probabilities", types.FLOAT, ["rows", len(encoding.classes)]
        outputs = graph.add("Softmax", outputs, axis=1)
    else:
        name, kind, shape = "prediction", types.DOUBLE, ["rows"]
        outputs = _quantity(graph, outputs, described.target_mean, described.target_scale)
    graph.name_output(outputs, name)
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "dropnorm",
            [helper.make_tensor_value_info(INPUT, types.DOUBLE, ["rows", encoding.features])],
            [helper.make_tensor_value_info(name, kind, shape)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="dropnorm",
    )
    names = [name for column in encoding.columns for name in column.feature_names]
    metadata = {"arm": described.arm.name, "classes": json.dumps(encoding.classes), "features": json.dumps(names)}
    helper.set_model_props(made, metadata)
    try:
        onnx().checker.check_model(made, full_check=True)
    except (onnx().checker.ValidationError, onnx().shape_inference.InferenceError) as error:
        raise ArgumentError(
            f"the net of the arm {described.arm.name!r} has layers whose shapes ONNX does not take ({error}): expected Linear "
            f"layers of rows (rows, features). Flatten before them, or export with torch.onnx.export(model.net)."
        ) from error
    write_where_told(Path(path), made.SerializeToString())


def _standardized(graph: Graph, mean: np.ndarray, scale: np.ndarray) -> str:
    """What `Standardization.apply` does: scaled, cut far out, 0 where missing, then float32."""
    scaled = graph.add("Div", graph.add("Sub", INPUT, graph.constant(mean)), graph.constant(scale))
    ends = (graph.constant(np.array(end)) for end in (-FARTHEST, FARTHEST))
    known = graph.add("Where", graph.add("IsNaN", scaled), graph.constant(np.array(0.0)), scaled)
    return graph.add("Cast", graph.add("Clip", known, *ends), to=onnx().TensorProto.FLOAT)


def _quantity(graph: Graph, outputs: str, mean: float, scale: float) -> str:
    """From the standardized target back to its own unit."""
    column: Any = graph.add("Squeeze", outputs, graph.constant(np.array([1], dtype=np.int64)))
    double = graph.add("Cast", column, to=onnx().TensorProto.DOUBLE)
    return graph.add("Add", graph.add("Mul", double, graph.constant(np.array(scale))), graph.constant(np.array(mean)))
