"""A saved model as an ONNX graph that needs nothing else: features in, probabilities or quantities out."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dropnorm._arguments import checked
from dropnorm._constraints import FilePath, Instance
from dropnorm.errors import ArgumentError
from dropnorm.study.data.standardization import FARTHEST
from dropnorm.study.files import write_where_told
from dropnorm.study.saving.onnx_graph import OPSET, Graph, add_layers, onnx
from dropnorm.study.saving.saved_model import SavedModel
from dropnorm.surgery.dispatch import is_keras

IR_VERSION = 9  # the one of opset 20, so that runtimes of 2023 read it
INPUT = "features"


@checked(
    model=Instance(SavedModel, "model of a study", "Use what load_model gives, or a study's model."),
    path=FilePath("a file to write"),
)
def export_onnx(model: SavedModel, path: str | Path) -> None:
    """Write a model as one ONNX graph: all its nets and their mean, standardization included, batch norm folded, dropout gone.

    Shape:       input `features` (rows, features), float64, NaN where a value is missing, as `model.features(X)` gives them
                 -> output `probabilities` (rows, classes), float32, or of a quantity `prediction` (rows,), float64
    Args:        model: what `load_model` or a study gives; path: the file to write.
    State:       the graph's metadata: `classes` and `features`, the names of outputs and inputs, as JSON; `arm`; `nets`, the
                 numbers of the nets in the study, as JSON.
    Numerics:    equal to `model.predict` to 1e-5. The standardization is in float64, the nets in float32.
    Raises:      ExtraError if the package onnx is not installed; ArgumentError for a net with a layer that has no node here;
                 RunError for a place that cannot be written to.
    Source:      ONNX, opset 20.
    """
    described = model.description
    if is_keras(model.nets[0]):
        raise ArgumentError(
            f"the nets of the arm {described.arm.name!r} are Keras models, which are not exported from here: expected nets of "
            f"PyTorch. Use model.nets[0].export(path, format='onnx') for each, whose inputs are standardized features."
        )
    helper, types = onnx().helper, onnx().TensorProto
    encoding = described.encoding
    graph = Graph()
    if encoding.classes:
        name, kind, shape = "probabilities", types.FLOAT, ["rows", len(encoding.classes)]
    else:
        name, kind, shape = "prediction", types.DOUBLE, ["rows"]
    outputs = [
        add_layers(graph, net, _standardized(graph, np.array(member.mean), np.array(member.scale)))
        for net, member in zip(model.nets, described.members, strict=True)
    ]
    if encoding.classes:
        predictions = [graph.add("Softmax", one, axis=1) for one in outputs]
    else:
        predictions = [
            _quantity(graph, one, member.target_mean, member.target_scale)
            for one, member in zip(outputs, described.members, strict=True)
        ]
    count = graph.constant(np.array(len(predictions), dtype=np.float32 if encoding.classes else np.float64))
    graph.name_output(graph.add("Div", graph.add("Sum", *predictions), count), name)
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
    numbers = [member.net for member in described.members]
    metadata = {"arm": described.arm.name, "nets": numbers, "classes": encoding.classes, "features": names}
    helper.set_model_props(made, {key: value if key == "arm" else json.dumps(value) for key, value in metadata.items()})
    try:
        onnx().checker.check_model(made, full_check=True)
    except (onnx().checker.ValidationError, onnx().shape_inference.InferenceError) as error:
        raise ArgumentError(
            f"the nets of the arm {described.arm.name!r} have layers whose shapes ONNX does not take ({error}): expected "
            f"Linear layers of rows (rows, features). Flatten before them, or use torch.onnx.export(model.module(), ...)."
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
