import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from dropnorm import nn
from dropnorm.errors import ArgumentError
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.saving.onnx_graph import OPSET, Graph, add_layers


def run(net: torch.nn.Sequential, x: torch.Tensor) -> np.ndarray:
    """What onnxruntime makes of the net's graph."""
    net.eval()
    graph = Graph()
    graph.name_output(add_layers(graph, net, "x"), "y")
    value = helper.make_tensor_value_info
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "test",
            [value("x", TensorProto.FLOAT, ["rows", *x.shape[1:]])],
            [value("y", TensorProto.FLOAT, [None] * net(x).ndim)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=9,
    )
    onnx.checker.check_model(made, full_check=True)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return session.run(None, {"x": x.numpy()})[0]


def same(net: torch.nn.Sequential, *shape: int) -> None:
    for rows in (1, 7):
        x = torch.randn(rows, *shape)
        np.testing.assert_allclose(run(net, x), net.eval()(x).detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_of_a_study(name):
    same(torch.nn.Sequential(torch.nn.Linear(5, 9), ACTIVATIONS[name].module()), 5)


@pytest.mark.parametrize("layer", [torch.nn.LeakyReLU(0.3), torch.nn.GELU(approximate="tanh")])
def test_activations_with_settings(layer):
    same(torch.nn.Sequential(layer), 5)


def test_batch_norm_is_folded_and_dropout_gone():
    net = torch.nn.Sequential(nn.Dropout(0.5), torch.nn.Linear(5, 9, bias=False), nn.BatchNorm1d(9), torch.nn.ReLU())
    net.append(nn.Dropout(0.5)).append(torch.nn.Linear(9, 2, bias=False))
    net[2].running_mean.normal_()
    net[2].running_var.uniform_(0.2, 3)
    same(net, 5)
    graph = Graph()
    add_layers(graph, net, "x")
    assert [node.op_type for node in graph.nodes] == ["Gemm", "Relu", "Gemm"]


@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2, "padding": 1}, {"padding": (2, 0), "dilation": (1, 2), "bias": False}, {"groups": 2}]
)
def test_convolutions_of_images_that_come_flat(settings):
    net = torch.nn.Sequential(torch.nn.Unflatten(1, (2, 6, 7)), torch.nn.Conv2d(2, 4, 3, **settings), nn.BatchNorm2d(4))
    net.append(torch.nn.ReLU()).append(torch.nn.MaxPool2d(2, ceil_mode=True, padding=1)).append(torch.nn.Flatten())
    net[2].running_mean.normal_()
    same(net, 2 * 6 * 7)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            torch.nn.Softplus(),
            "layer 1 of the folded net is a Softplus, which cannot be exported: expected one of Conv2d, Flatten, GELU, "
            "LeakyReLU, Linear, MaxPool2d, ReLU, SiLU, Sigmoid, Tanh, Unflatten, or a batch norm behind a linear layer or "
            "convolution. Replace it, or export with torch.onnx.export(model.module(), ...).",
        ),
        (
            torch.nn.Conv2d(1, 1, 3, padding="same"),
            "a Conv2d has padding='same' and padding_mode='zeros': only zeros and a count of them can be exported. Write the "
            "padding as numbers.",
        ),
        (
            torch.nn.Flatten(2),
            "a Flatten goes from dimension 2 to -1: only 1 to -1 can be exported. Use Flatten().",
        ),
        (
            torch.nn.Unflatten(2, (1, 1)),
            "an Unflatten is of dimension 2: only 1 can be exported. Use Unflatten(1, shape).",
        ),
    ],
)
def test_what_has_no_node_is_named(layer, message, refuses):
    with refuses(ArgumentError, message):
        add_layers(Graph(), torch.nn.Sequential(torch.nn.ReLU(), layer), "x")
