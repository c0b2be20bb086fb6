import torch
import torch.nn.functional as F
from torch import nn

from dropnorm.surgery.modules.placing import Place, place_dropout, place_norm
from dropnorm.surgery.modules.reading import read


def node_of(reading, name):
    (flow,) = reading.trace.flows
    return flow, next(node for node in flow.graph.nodes if node.name == name)


def dropout_at(model, name, **options):
    reading = read(model)
    return place_dropout(reading, *node_of(reading, name), **options)


def norm_at(model, name):
    reading = read(model)
    return place_norm(reading, *node_of(reading, name))


def test_in_a_sequential_after_the_layer_and_after_the_activation(models):
    assert norm_at(models.mlp(), "_0") == Place("0", after=True, flat=True)
    assert dropout_at(models.mlp(), "_1") == [Place("1", after=True, flat=True)]


def test_at_the_module_of_an_activation(models):
    assert norm_at(models.Named(), "fc1") == Place("act1", after=False, flat=False)
    assert dropout_at(models.Named(), "act1") == [Place("act1", after=True, flat=False)]


def test_functions_past_poolings_and_reshapes(models):
    assert norm_at(models.LeNet(), "conv1") == Place("conv1", after=True, flat=False)
    assert dropout_at(models.LeNet(), "relu") == [Place("conv2", after=False, flat=False)]
    assert dropout_at(models.LeNet(), "relu_1") == [Place("fc1", after=False, flat=False, flattened=True)]


def test_after_the_block_that_returns_a_value(models):
    assert dropout_at(models.Residual(), "blocks_0_relu_1") == [Place("blocks.0", after=True, flat=True)]


def test_before_the_block_that_takes_it(models):
    """The stem's output is used twice, and both uses are in the first block."""
    assert dropout_at(models.Residual(), "relu") == [Place("blocks.0", after=False, flat=True)]


def test_before_each_of_several_layers(models):
    assert dropout_at(models.Heads(), "relu") == [
        Place("first", after=False, flat=False),
        Place("second", after=False, flat=False),
    ]


def test_a_module_of_several_calls_only_if_that_is_asked_for(models):
    assert dropout_at(models.Reused(), "act") == []
    assert dropout_at(models.Reused(), "act", repeated=True) == [Place("act", after=True, flat=False)]


def test_nowhere_between_functions(models):
    assert dropout_at(models.TiedByFunction(), "relu") == []
    assert norm_at(models.TiedByFunction(), "encode") is None


def test_never_around_a_recurrent_layer(models):
    assert dropout_at(models.Recurrent(), "x") == []


class Joined(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(torch.cat([F.relu(self.a(x)), F.relu(self.b(x))], 1))


def test_behind_activations_that_are_joined():
    assert dropout_at(Joined(), "relu") == dropout_at(Joined(), "relu_1") == [Place("out", after=False, flat=False)]


class Indexed(nn.Module):
    """A Sequential used as a list."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))

    def forward(self, x):
        return self.layers[2](self.layers[1](self.layers[0](x)))


def test_no_neighbours_in_a_sequential_that_is_not_called():
    assert dropout_at(Indexed(), "layers_1") == [Place("layers.1", after=True, flat=False)]
    assert norm_at(Indexed(), "layers_0") == Place("layers.1", after=False, flat=False)


class Overridden(nn.Sequential):
    def forward(self, x):
        return super().forward(x) + x


def test_no_neighbours_in_a_sequential_with_a_forward_of_its_own():
    net = nn.Sequential(Overridden(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4)))
    assert dropout_at(net, "_0_1") == [Place("0.1", after=True, flat=False)]


class Aliased(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 2)
        self.act = nn.ReLU()
        self.same = self.act

    def forward(self, x):
        return self.b(self.act(self.a(x)))


def test_a_module_of_two_names_is_not_touched():
    assert dropout_at(Aliased(), "act") == [Place("b", after=False, flat=False)]
    assert norm_at(Aliased(), "a") == Place("a", after=True, flat=False)


class HalfJoined(Joined):
    def forward(self, x):
        return self.out(torch.cat([F.relu(self.a(x)), x], 1))


def test_not_behind_activations_that_are_joined_with_other_values():
    assert dropout_at(HalfJoined(), "relu") == []


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.side = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        x = F.relu(self.a(x))
        self.aside = self.side(x)
        return x


class Aside(nn.Module):
    def __init__(self):
        super().__init__()
        self.block, self.out = Block(), nn.Linear(4, 4)

    def forward(self, x):
        return self.out(self.block(x)) + self.block.aside


def test_not_after_a_block_in_which_the_value_has_another_user():
    """Both users get one of their own."""
    assert dropout_at(Aside(), "relu") == [
        Place("block.side", after=False, flat=False),
        Place("out", after=False, flat=False),
    ]


class Backwards(nn.Sequential):
    """Its objects are called in another way than its class is."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.forward = self.backwards

    def backwards(self, x):
        return self[0](self[1](x))


def test_no_neighbours_in_a_sequential_whose_forward_was_replaced():
    reading = read(nn.Sequential(Backwards(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4)))
    assert not reading.is_in_sequential(reading.trace.flows[0], "0.1")
