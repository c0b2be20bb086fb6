"""A trained net's layers as nodes of an ONNX graph: one function per kind of layer."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from dropnorm._optional import optional_import
from dropnorm.errors import ArgumentError
from dropnorm.study.saving.layered_nets import ChannelsFirst
from dropnorm.surgery.modules.folding import fold_sequential

OPSET = 20


def onnx() -> Any:
    """The package, which only an export needs."""
    optional_import("onnx.helper", "onnx", "an export to ONNX")
    return optional_import("onnx", "onnx", "an export to ONNX")


class Graph:
    """Nodes and constants under names of their own; each node takes what others gave."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        """Keep an array; returns its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx().numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; returns the name of what it gives."""
        name = f"{operation.lower()}_{len(self.nodes)}"
        self.nodes.append(onnx().helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def name_output(self, output: str, name: str) -> None:
        """Give what the last node gives a name for users."""
        self.nodes.append(onnx().helper.make_node("Identity", [output], [name]))


def add_layers(graph: Graph, net: torch.nn.Sequential, x: str) -> str:
    """Add a net in inference, batch norm folded and dropout gone; returns the name of its outputs.

    Raises:      ArgumentError for a layer that has no counterpart here, or settings that its node does not have.
    """
    for index, layer in enumerate(fold_sequential(net)):
        add = _NODES.get(type(layer))
        if add is None:
            known = ", ".join(sorted(kind.__name__ for kind in _NODES if kind is not ChannelsFirst))
            raise ArgumentError(
                f"layer {index} of the folded net is a {type(layer).__name__}, which cannot be exported: expected one of "
                f"{known}, or a batch norm behind a linear layer or convolution. Replace it, or export with "
                f"torch.onnx.export(model.module(), ...)."
            )
        x = add(graph, layer, x)
    return x


def _linear(graph: Graph, layer: torch.nn.Linear, x: str) -> str:
    parameters = [graph.constant(_array(layer.weight))]
    if layer.bias is not None:
        parameters.append(graph.constant(_array(layer.bias)))
    return graph.add("Gemm", x, *parameters, transB=1)


def _conv2d(graph: Graph, layer: torch.nn.Conv2d, x: str) -> str:
    if isinstance(layer.padding, str) or layer.padding_mode != "zeros":
        raise ArgumentError(
            f"a Conv2d has padding={layer.padding!r} and padding_mode={layer.padding_mode!r}: only zeros and a count of them "
            f"can be exported. Write the padding as numbers."
        )
    parameters = [graph.constant(_array(layer.weight))]
    if layer.bias is not None:
        parameters.append(graph.constant(_array(layer.bias)))
    return graph.add(
        "Conv",
        x,
        *parameters,
        kernel_shape=list(layer.kernel_size),
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        dilations=list(layer.dilation),
        group=layer.groups,
    )


def _max_pool2d(graph: Graph, layer: torch.nn.MaxPool2d, x: str) -> str:
    padding = _pair(layer.padding)
    return graph.add(
        "MaxPool",
        x,
        kernel_shape=_pair(layer.kernel_size),
        strides=_pair(layer.stride),
        pads=padding + padding,
        dilations=_pair(layer.dilation),
        ceil_mode=int(layer.ceil_mode),
    )


def _flatten(graph: Graph, layer: torch.nn.Flatten, x: str) -> str:
    if (layer.start_dim, layer.end_dim) != (1, -1):
        raise ArgumentError(
            f"a Flatten goes from dimension {layer.start_dim} to {layer.end_dim}: only 1 to -1 can be exported. Use Flatten()."
        )
    return graph.add("Flatten", x, axis=1)


def _unflatten(graph: Graph, layer: torch.nn.Unflatten, x: str) -> str:
    if layer.dim != 1:
        raise ArgumentError(
            f"an Unflatten is of dimension {layer.dim}: only 1 can be exported. Use Unflatten(1, shape)."
        )
    shape = np.array([0, *layer.unflattened_size], dtype=np.int64)  # 0 keeps the rows
    return graph.add("Reshape", x, graph.constant(shape))


def _channels_first(graph: Graph, _: ChannelsFirst, x: str) -> str:
    return graph.add("Transpose", x, perm=[0, 3, 1, 2])


def _silu(graph: Graph, _: torch.nn.SiLU, x: str) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _alone(operation: str, graph: Graph, _: torch.nn.Module, x: str) -> str:
    """A layer without settings."""
    return graph.add(operation, x)


_NODES: dict[type[torch.nn.Module], Callable[[Graph, Any, str], str]] = {
    torch.nn.Linear: _linear,
    torch.nn.Conv2d: _conv2d,
    torch.nn.MaxPool2d: _max_pool2d,
    torch.nn.Flatten: _flatten,
    torch.nn.Unflatten: _unflatten,
    ChannelsFirst: _channels_first,
    torch.nn.ReLU: functools.partial(_alone, "Relu"),
    torch.nn.Tanh: functools.partial(_alone, "Tanh"),
    torch.nn.Sigmoid: functools.partial(_alone, "Sigmoid"),
    torch.nn.SiLU: _silu,
    torch.nn.LeakyReLU: lambda graph, layer, x: graph.add("LeakyRelu", x, alpha=layer.negative_slope),
    torch.nn.GELU: lambda graph, layer, x: graph.add("Gelu", x, approximate=layer.approximate),
}


def _array(parameter: torch.Tensor) -> np.ndarray:
    array: np.ndarray = parameter.detach().cpu().numpy()
    return array


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
