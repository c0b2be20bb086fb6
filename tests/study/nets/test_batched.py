import pytest
import torch
import torch.nn.functional as F

from dropnorm.random import keep_mask
from dropnorm.study.arms import named_arm
from dropnorm.study.design import NetPlan
from dropnorm.study.nets.activations import ACTIVATIONS
from dropnorm.study.nets.architecture import Architecture
from dropnorm.study.nets.batched import EPS, MOMENTUM, BatchedNets
from dropnorm.study.records import Arm

SHAPE = Architecture(features=5, hidden=(33, 17), outputs=3)
KEYS = torch.tensor([11, -22, 33])


def plans(arm: str, seeds=(0, 1, 1), rates=(0.0, 0.3, 0.6)) -> list[NetPlan]:
    return [NetPlan(net, named_arm(arm), seed, rate) for net, (seed, rate) in enumerate(zip(seeds, rates, strict=True))]


def batched(arm: str) -> BatchedNets:
    return BatchedNets.initial(plans(arm), SHAPE)


def one_net(nets: BatchedNets, index: int) -> torch.nn.ModuleList:
    """The same net of torch's own modules: for each layer a Linear, and behind hidden ones a BatchNorm1d or nothing."""
    layers = torch.nn.ModuleList()
    for layer in range(nets.hidden_layers + 1):
        weight = nets.parameters[f"{layer}.linear.weight"][index].detach().T
        bias = nets.parameters.get(f"{layer}.linear.bias")
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        linear.load_state_dict({"weight": weight} | ({} if bias is None else {"bias": bias[index].detach()}))
        layers.append(linear)
        if f"{layer}.norm.weight" in nets.parameters:
            norm = torch.nn.BatchNorm1d(weight.shape[0], eps=EPS, momentum=MOMENTUM)
            names = ("weight", "bias", "running_mean", "running_var")
            state = {name: nets.tensors()[f"{layer}.norm.{name}"][index].detach().clone() for name in names}
            norm.load_state_dict(state, strict=False)
            layers.append(norm)
    return layers


def training_pass(nets, x):
    """The outputs, and the gradients of the sum of their squares."""
    made = []

    def of_outputs(outputs):
        made.append(outputs)
        return 2 * outputs

    gradients = nets.gradients(x.clone(), KEYS, of_outputs)
    return made[0], gradients


def assert_gradients_are_those_of(alone, gradients):
    """float32 sums of up to 21 x 33 products: to within a thousandth of the largest."""
    seen = []
    layer = -1
    for module in alone:
        kind = "norm" if isinstance(module, torch.nn.BatchNorm1d) else "linear"
        layer += kind == "linear"
        for name, parameter in module.named_parameters():
            grad = parameter.grad.T if (kind, name) == ("linear", "weight") else parameter.grad
            scale = float(grad.abs().max())
            torch.testing.assert_close(gradients[f"{layer}.{kind}.{name}"], grad, rtol=1e-3, atol=1e-3 * scale + 1e-6)
            seen.append(f"{layer}.{kind}.{name}")
    assert sorted(seen) == sorted(gradients)


def forward(layers, x, rate=0.0, key=None):
    *hidden, output = layers
    site = 0
    for module, following in zip(hidden, [*hidden[1:], output], strict=True):
        x = module(x)
        if isinstance(following, torch.nn.BatchNorm1d):
            continue
        x = F.relu(x)
        if key is not None:
            x = x * keep_mask(key, torch.arange(len(x)), x.shape[1], [rate], site) / (1 - rate)
        site += 1
    return output(x)


@pytest.mark.parametrize("arm", ["plain", "dropout", "batch_norm", "dropout+batch_norm"])
def test_each_net_computes_what_it_would_alone_with_torchs_layers(arm):
    nets = batched(arm)
    if "dropout" not in arm:
        nets.rates = [[0.0] * 3] * 2
    x = torch.randn(3, 21, 5) * 2 + 1
    outputs, gradients = training_pass(nets, x)
    for index in range(3):
        alone = one_net(batched(arm), index)
        expected = forward(alone, x[index], nets.rates[0][index], KEYS[index])
        # float32 sums of up to 33 products, in another order
        torch.testing.assert_close(outputs[index], expected, rtol=1e-5, atol=1e-5)
        expected.square().sum().backward()
        assert_gradients_are_those_of(alone, {name: tensor[index] for name, tensor in gradients.items()})
        norms = [layer for layer in alone if isinstance(layer, torch.nn.BatchNorm1d)]
        assert len(norms) == (2 if "batch_norm" in arm else 0)
        for layer, norm in enumerate(norms):
            for name in ("running_mean", "running_var"):
                torch.testing.assert_close(nets.running[f"{layer}.norm.{name}"][index], getattr(norm, name))


@pytest.mark.parametrize("arm", ["dropout", "dropout+batch_norm"])
def test_inference_drops_nothing_and_uses_the_running_statistics(arm):
    nets = batched(arm)
    for name, tensor in nets.tensors().items():
        if "norm" in name:
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    x = torch.randn(3, 9, 5)
    before = {name: tensor.clone() for name, tensor in nets.tensors().items()}
    outputs = nets.outputs(x)
    for index in range(3):
        expected = forward(one_net(nets, index).eval(), x[index])
        torch.testing.assert_close(outputs[index], expected, rtol=1e-5, atol=1e-5)
    assert all(torch.equal(before[name], tensor) for name, tensor in nets.tensors().items())


def test_a_net_learns_only_from_its_own_loss():
    nets = batched("dropout+batch_norm")
    only = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    gradients = nets.gradients(torch.randn(3, 8, 5), KEYS, lambda outputs: outputs * only)
    assert gradients.keys() == nets.parameters.keys()
    for name, grad in gradients.items():
        assert grad[1].any(), name
        assert not grad[[0, 2]].any(), name


def test_nets_of_one_seed_start_from_the_same_weights_in_every_arm():
    nets = {arm: batched(arm).parameters for arm in ("plain", "dropout", "batch_norm", "dropout+batch_norm")}
    weights = [name for name in nets["plain"] if name.endswith("weight")]
    assert weights == ["0.linear.weight", "1.linear.weight", "2.linear.weight"]
    for arm, parameters in nets.items():
        for name in [*weights, "2.linear.bias"]:
            assert torch.equal(parameters[name], nets["plain"][name]), (arm, name)
            assert torch.equal(parameters[name][1], parameters[name][2]), "the rate has no say"
            assert not torch.equal(parameters[name][0], parameters[name][1]), "another seed"


def test_a_seeds_weights_do_not_depend_on_the_nets_beside_it():
    alone = BatchedNets.initial(plans("plain", seeds=(1,), rates=(0.0,)), SHAPE)
    for name, parameter in batched("plain").parameters.items():
        assert torch.equal(parameter[1:2], alone.parameters[name])


def test_layers_and_seeds_have_weights_of_their_own():
    nets = BatchedNets.initial(plans("plain"), Architecture(features=8, hidden=(8, 8), outputs=8))
    drawn = torch.cat([parameter[:2].flatten() for parameter in nets.parameters.values()])
    assert len(drawn.unique()) > 0.99 * len(drawn)


def test_batch_norm_makes_hidden_biases_useless_and_starts_as_the_identity():
    nets = batched("batch_norm")
    assert [name for name in nets.parameters if name.endswith("linear.bias")] == ["2.linear.bias"]
    for layer, width in enumerate((33, 17)):
        assert torch.equal(nets.parameters[f"{layer}.norm.weight"], torch.ones(3, width))
        assert torch.equal(nets.parameters[f"{layer}.norm.bias"], torch.zeros(3, width))
        assert torch.equal(nets.running[f"{layer}.norm.running_mean"], torch.zeros(3, width))
        assert torch.equal(nets.running[f"{layer}.norm.running_var"], torch.ones(3, width))


IMAGES = Architecture(features=3 * 7 * 6, hidden=(11,), outputs=4, image=(3, 7, 6), channels=(5, 8))


def conv_net(nets: BatchedNets, index: int) -> tuple[list[torch.nn.Module], list[torch.nn.Module]]:
    """The convolutions and the dense layers of one net as torch's modules, each with its norm or an identity."""
    convolutions, dense = [], []
    for layer in range(4):
        kind = "conv" if layer < 2 else "linear"
        weight = nets.parameters[f"{layer}.{kind}.weight"][index].detach()
        bias = nets.parameters.get(f"{layer}.{kind}.bias")
        module = torch.nn.Conv2d(*weight.shape[1::-1], 3, padding=1) if layer < 2 else torch.nn.Linear(*weight.shape)
        with torch.no_grad():
            module.weight.copy_(weight if layer < 2 else weight.T)
            module.bias.copy_(torch.zeros(len(module.bias)) if bias is None else bias[index])
        norm = torch.nn.Identity()
        if f"{layer}.norm.weight" in nets.parameters:
            norm = (torch.nn.BatchNorm2d if layer < 2 else torch.nn.BatchNorm1d)(len(module.bias), eps=EPS)
            names = ("weight", "bias", "running_mean", "running_var")
            state = {name: nets.tensors()[f"{layer}.norm.{name}"][index].detach().clone() for name in names}
            norm.load_state_dict(state, strict=False)
        (convolutions if layer < 2 else dense).append(torch.nn.Sequential(module, norm))
    return convolutions, dense


def conv_forward(modules, x, activation, rate=0.0, key=None):
    """x (batch, channels, height, width) through one net, with the contract's masks if there is a key."""
    convolutions, dense = modules
    for site, module in enumerate(convolutions):
        x = activation(module(x))
        if key is not None:
            keep = keep_mask(key, torch.arange(len(x)), x.shape[1], [rate], site)
            x = x * keep[:, :, None, None] / (1 - rate)
        x = F.max_pool2d(x, 2)
    x = activation(dense[0](x.flatten(1)))
    if key is not None:
        x = x * keep_mask(key, torch.arange(len(x)), x.shape[1], [rate], 2) / (1 - rate)
    return dense[1](x)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", ["relu", "tanh"])
@pytest.mark.parametrize("arm", ["plain", "dropout", "batch_norm", "dropout+batch_norm"])
def test_each_convolutional_net_computes_what_it_would_alone_with_torchs_layers(arm, name, channels_last):
    shape = IMAGES.model_copy(update={"activation": name, "channels_last": channels_last})
    rates = (0.0, 0.3, 0.6) if "dropout" in arm else (0.0, 0.0, 0.0)
    nets = BatchedNets.initial(plans(arm, rates=rates), shape)
    images, function = torch.randn(3, 13, 3, 7, 6) * 2 + 1, ACTIVATIONS[name].function
    rows = (images.permute(0, 1, 3, 4, 2) if channels_last else images).flatten(2)
    alone = [conv_net(nets, index) for index in range(3)]
    outputs, gradients = training_pass(nets, rows)
    for index in range(3):
        expected = conv_forward(alone[index], images[index], function, rates[index], KEYS[index])
        # float32 sums of up to 45 products, in another order
        torch.testing.assert_close(outputs[index], expected, rtol=1e-4, atol=1e-4)
        expected.square().sum().backward()
        for layer, module in enumerate((*alone[index][0], *alone[index][1])):
            kind = "conv" if layer < 2 else "linear"
            grad = gradients[f"{layer}.{kind}.weight"][index]
            theirs = module[0].weight.grad if layer < 2 else module[0].weight.grad.T
            torch.testing.assert_close(grad, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))
    for index in range(3):
        for module in (*alone[index][0], *alone[index][1]):
            module.eval()
        expected = conv_forward(alone[index], images[index], function)
        torch.testing.assert_close(nets.outputs(rows)[index], expected, rtol=1e-4, atol=1e-4)


def test_max_norm_limits_the_weights_into_each_channel_and_unit():
    limited = Arm(name="mine", max_norm=0.3)
    nets = BatchedNets.initial([NetPlan(0, limited, 0, 0.0), NetPlan(1, named_arm("plain"), 0, 0.0)], IMAGES)
    before = {name: tensor.clone() for name, tensor in nets.parameters.items()}
    nets.constrain()
    for name, tensor in nets.parameters.items():
        assert torch.equal(tensor[1], before[name][1]), "plain has no limit"
        if name.endswith("conv.weight"):
            torch.testing.assert_close(tensor[0], torch.renorm(before[name][0], 2, 0, 0.3))
        elif name == "2.linear.weight":
            torch.testing.assert_close(tensor[0], torch.renorm(before[name][0], 2, 1, 0.3))
        else:
            assert torch.equal(tensor, before[name]), "neither biases nor the output layer"


@pytest.mark.parametrize("arm", ["plain", "batch_norm"])
def test_what_is_inside_in_inference_mode_is_what_torchs_own_layers_have_there(arm):
    nets = batched(arm)
    if arm == "batch_norm":
        training_pass(nets, torch.randn(3, 21, 5))  # moves the running statistics
    x = torch.randn(3, 9, 5)
    inside = list(nets.hidden(x))
    assert [tuple(outputs.shape) for _, outputs in inside] == [(3, 9, 33), (3, 9, 17)]
    for index in range(3):
        modules = iter(one_net(nets, index).eval())
        values = x[index]
        for inputs, outputs in inside:
            values = next(modules)(values)
            values = values if arm == "plain" else next(modules)(values)
            torch.testing.assert_close(inputs[index], values, rtol=1e-4, atol=1e-5)
            values = torch.relu(values)
            torch.testing.assert_close(outputs[index], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arm", ["plain", "batch_norm"])
def test_what_is_inside_of_convolutions_leads_to_the_outputs(arm):
    shape = Architecture(features=48, hidden=(6,), outputs=3, image=(3, 4, 4), channels=(7, 4))
    nets = BatchedNets.initial(plans(arm), shape)
    x = torch.randn(3, 5, 48)
    inside = list(nets.hidden(x))
    # Values are rows times places: 4 x 4, behind the pooling 2 x 2, and behind the next 1.
    assert [tuple(inputs.shape) for inputs, _ in inside] == [(3, 80, 7), (3, 20, 4), (3, 5, 6)]
    assert [tuple(outputs.shape) for _, outputs in inside] == [(3, 20, 7), (3, 5, 4), (3, 5, 6)]
    pooled = torch.relu(inside[0][0]).view(3, 5, 2, 2, 2, 2, 7).amax(dim=(3, 5)).reshape(3, 20, 7)
    assert torch.equal(pooled, inside[0][1])
    last = inside[-1][1]
    weight, bias = nets.parameters["3.linear.weight"], nets.parameters["3.linear.bias"]
    torch.testing.assert_close(torch.baddbmm(bias[:, None], last, weight), nets.outputs(x), rtol=1e-5, atol=1e-6)
