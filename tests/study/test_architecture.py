import torch

from dropnorm.study.architecture import Architecture


def test_widths_and_parameters_are_those_of_torchs_layers():
    shape = Architecture(features=5, hidden=(7, 3), outputs=2)
    assert shape.widths == (5, 7, 3, 2)
    layers = [torch.nn.Linear(5, 7), torch.nn.Linear(7, 3), torch.nn.Linear(3, 2)]
    assert shape.parameters == sum(parameter.numel() for layer in layers for parameter in layer.parameters())
