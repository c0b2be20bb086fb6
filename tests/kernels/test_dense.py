"""Whole steps of dense nets; that they are the right ones is shown against torch in tests/study/training/test_steps.py."""

from dataclasses import replace

import pytest
import torch

from dropnorm.kernels import blas, instruction_sets
from dropnorm.kernels.dense import AdamState, DenseData, DenseKernel, DenseLayer, DenseNets

NATIVE = [name for name in instruction_sets.available() if name != instruction_sets.REFERENCE]
pytestmark = pytest.mark.skipif(blas.addresses() is None, reason="whole steps need the MKL of torch")
FEATURES, CLASSES, ROWS, BATCH, STEPS = 13, 3, 50, 8, 4


def layer(generator, nets, inputs, outputs, *, norm):
    """With batch norm a layer has that, and without it a bias."""
    weight = torch.randn(nets, inputs, outputs, generator=generator) * 0.3
    if not norm:
        return DenseLayer(weight, bias=torch.randn(nets, outputs, generator=generator))
    return DenseLayer(
        weight,
        norm_weight=torch.rand(nets, outputs, generator=generator) + 0.5,
        norm_bias=torch.randn(nets, outputs, generator=generator),
        running_mean=torch.zeros(nets, outputs),
        running_var=torch.ones(nets, outputs),
    )


def some_nets(nets=3, *, norm=True, hidden=(17, 11), generator=None, **given):
    generator = generator or torch.Generator().manual_seed(0)
    widths = (FEATURES, *hidden, CLASSES)
    layers = [layer(generator, nets, *widths[i : i + 2], norm=norm and i < len(hidden)) for i in range(len(hidden) + 1)]
    settings = {
        "layers": layers,
        "rates": [[0.3, 0.0, 0.5][:nets], [0.0, 0.2, 0.5][:nets]][: len(hidden)],
        "input_rates": [0.0, 0.1, 0.2][:nets],
        "input_site": 9,
        "decays": [0.0, 0.1, 0.01][:nets],
        "largest_norms": [torch.inf, 1.0, torch.inf][:nets],
        "activation": "relu",
        "negative_slope": 0.01,
        "eps": 1e-5,
        "momentum": 0.1,
    }
    return DenseNets(**(settings | given))


def some_data(nets=3):
    generator = torch.Generator().manual_seed(1)
    return DenseData(
        base=torch.randn(ROWS, FEATURES, generator=generator),
        factor=torch.rand(2, FEATURES, generator=generator) + 0.5,
        shift=torch.randn(2, FEATURES, generator=generator),
        farthest=1e6,
        seeds=torch.tensor([0, 1, 0][:nets]),
        targets=torch.randint(0, CLASSES, (ROWS,), generator=generator),
    )


def fresh_moments(nets):
    def zeros():
        return [[None if each is None else torch.zeros_like(each) for each in one.trained] for one in nets.layers]

    return AdamState(zeros(), zeros())


def order_and_keys(nets=3):
    generator = torch.Generator().manual_seed(2)
    order = torch.randint(0, ROWS, (3, STEPS * BATCH), generator=generator)
    return order[:nets], torch.randint(-(2**62), 2**62, (3, STEPS), generator=generator)[:nets]


def trained(nets, data=None, order=None, keys=None, rates=None):
    """All tensors of the nets after training, and their outputs of all rows."""
    count = len(nets.input_rates)
    given_order, given_keys = order_and_keys(count)
    kernel = DenseKernel.of(nets, data or some_data(count), fresh_moments(nets))
    kernel.train(
        given_order if order is None else order,
        given_keys if keys is None else keys,
        1,
        rates or [0.01] * count,
        (0.9, 0.999),
        1e-8,
    )
    tensors = [each for one in nets.layers for each in (*one.trained, one.running_mean, one.running_var)]
    outputs = kernel.outputs(torch.arange(ROWS).expand(count, -1), CLASSES)
    return [each for each in (*tensors, outputs) if each is not None]


def assert_same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)


@pytest.fixture
def with_threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.mark.parametrize("nets", [1, 3])
@pytest.mark.parametrize("norm", [True, False])
def test_the_number_of_threads_changes_nothing(native, with_threads, nets, norm):
    results = []
    for threads in (1, 2, 3):
        with_threads(threads)
        results.append(trained(some_nets(nets, norm=norm, hidden=(300, 200))))
    assert_same(results[0], results[1])
    assert_same(results[0], results[2])


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "gelu", "silu"])
def test_instruction_sets_agree(forced, activation):
    results = []
    for name in NATIVE:
        with forced(name):
            results.append(trained(some_nets(activation=activation)))
    for one in results[1:]:
        for a, b in zip(one, results[0], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("norm", [True, False])
def test_a_net_is_the_same_alone_and_among_others(native, norm):
    together, (order, keys) = trained(some_nets(norm=norm)), order_and_keys()
    for net in range(3):
        nets, data = some_nets(norm=norm), some_data()
        own = [[[per_net[net]] for per_net in nets.rates], *([each[net]] for each in (nets.input_rates, nets.decays))]
        alone = replace(
            nets,
            layers=[
                DenseLayer(
                    *(
                        None if each is None else each[net : net + 1].clone()
                        for each in (*one.trained, one.running_mean, one.running_var)
                    )
                )
                for one in nets.layers
            ],
            rates=own[0],
            input_rates=own[1],
            decays=own[2],
            largest_norms=[nets.largest_norms[net]],
        )
        seed = replace(data, seeds=data.seeds[net : net + 1].clone())
        results = trained(alone, seed, order[net : net + 1], keys[net : net + 1])
        assert_same(results, [each[net : net + 1] for each in together])


@pytest.mark.parametrize("norm", [True, False])
def test_each_net_learns_at_its_own_rate(native, norm):
    rates = [0.01, 0.002, 0.05]
    together = trained(some_nets(norm=norm), rates=rates)
    for net, rate in enumerate(rates):
        alike = trained(some_nets(norm=norm), rates=[rate] * 3)
        assert_same([each[net] for each in alike], [each[net] for each in together])


@pytest.mark.parametrize("count", [0, 1, 2, 4])
def test_a_number_of_rates_that_is_not_that_of_the_nets_is_refused(native, count):
    nets = some_nets()
    kernel = DenseKernel.of(nets, some_data(), fresh_moments(nets))
    message = (
        rf"^order \(3, 32\), keys \(3, 4\) and {count} learning rates are no training steps of these nets: expected rows of "
        rf"the table \(nets, steps \* batch\) and keys \(nets, steps\), both int64, a learning rate for each net, and nets "
        rf"made with Adam's moments\.$"
    )
    with pytest.raises(IndexError, match=message):
        kernel.train(*order_and_keys(), 1, [0.01] * count, (0.9, 0.999), 1e-8)


def test_steps_in_one_call_are_those_of_several(native):
    order, keys = order_and_keys()
    nets = some_nets()
    kernel = DenseKernel.of(nets, some_data(), fresh_moments(nets))
    for step in range(STEPS):
        rows = order[:, step * BATCH : (step + 1) * BATCH]
        kernel.train(rows, keys[:, step : step + 1], step + 1, [0.01] * 3, (0.9, 0.999), 1e-8)
    outputs = kernel.outputs(torch.arange(ROWS).expand(3, -1), CLASSES)
    assert torch.equal(outputs, trained(some_nets())[-1])


@pytest.mark.parametrize("count", [1, 127, 128, 129, 300])
def test_outputs_do_not_depend_on_which_others_are_asked_for(native, count):
    kernel = DenseKernel.of(some_nets(), some_data())
    rows = torch.arange(count).remainder(ROWS).expand(3, -1)
    every = kernel.outputs(torch.arange(ROWS).expand(3, -1), CLASSES)
    torch.testing.assert_close(kernel.outputs(rows, CLASSES), every[:, rows[0]], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        (torch.full((3, 8), ROWS), torch.zeros(3, 1, dtype=torch.int64)),
        (torch.full((3, 8), -1), torch.zeros(3, 1, dtype=torch.int64)),
        (torch.zeros(3, 8, dtype=torch.int64), torch.zeros(3, 3, dtype=torch.int64)),
        (torch.zeros(2, 8, dtype=torch.int64), torch.zeros(3, 1, dtype=torch.int64)),
        (torch.zeros(3, 8, dtype=torch.int32), torch.zeros(3, 1, dtype=torch.int64)),
        (torch.zeros(3, 0, dtype=torch.int64), torch.zeros(3, 1, dtype=torch.int64)),
    ],
)
def test_rows_and_keys_that_do_not_fit_are_refused(native, order, keys):
    nets = some_nets()
    before = nets.layers[0].weight.clone()
    kernel = DenseKernel.of(nets, some_data(), fresh_moments(nets))
    with pytest.raises(IndexError):
        kernel.train(order, keys, 1, [0.01] * 3, (0.9, 0.999), 1e-8)
    assert torch.equal(nets.layers[0].weight, before)


def test_nets_for_outputs_alone_are_not_trained(native):
    kernel = DenseKernel.of(some_nets(), some_data())
    with pytest.raises(IndexError):
        kernel.train(*order_and_keys(), 1, [0.01] * 3, (0.9, 0.999), 1e-8)


@pytest.mark.parametrize(
    "given",
    [
        {"activation": "tanh"},
        {"layers": []},
        {"layers": some_nets(2).layers},
        {"layers": [DenseLayer(torch.zeros(3, FEATURES, 5)), DenseLayer(torch.zeros(3, 6, CLASSES))]},
        {"layers": [DenseLayer(torch.zeros(3, FEATURES, CLASSES, dtype=torch.float64))]},
        {"layers": [DenseLayer(torch.zeros(3, CLASSES, FEATURES).transpose(1, 2))]},
        {"layers": [DenseLayer(torch.zeros(3, FEATURES + 1, CLASSES))], "rates": []},
        {"rates": [[0.0] * 3]},
        {"rates": [[0.0] * 2] * 2},
        {"decays": [0.0]},
        {"largest_norms": [1.0] * 4},
    ],
)
def test_nets_that_the_kernel_does_not_take_are_left_to_others(native, given):
    assert DenseKernel.of(some_nets(**given), some_data()) is None


@pytest.mark.parametrize(
    "given",
    [
        {"base": torch.zeros(ROWS, FEATURES, dtype=torch.float64)},
        {"factor": torch.zeros(2, FEATURES + 1)},
        {"shift": torch.zeros(1, FEATURES)},
        {"seeds": torch.tensor([0, 1, 2])},
        {"seeds": torch.tensor([0, 1])},
        {"targets": torch.full((ROWS,), CLASSES)},
        {"targets": torch.zeros(ROWS - 1, dtype=torch.int64)},
        {"targets": torch.zeros(1, ROWS)},
    ],
)
def test_data_that_the_kernel_does_not_take_are_left_to_others(native, given):
    assert DenseKernel.of(some_nets(), replace(some_data(), **given)) is None


def test_the_reference_has_no_whole_steps(forced):
    with forced(instruction_sets.REFERENCE):
        assert DenseKernel.of(some_nets(), some_data()) is None


def test_weights_of_classes_scale_the_loss_and_those_of_one_change_nothing(native):
    data = some_data()
    alike = replace(data, class_weights=torch.ones(2, CLASSES))
    assert_same(trained(some_nets(), data), trained(some_nets(), alike))
    some = torch.rand(2, CLASSES, generator=torch.Generator().manual_seed(4)) + 0.1
    weighted, others = (trained(some_nets(), replace(data, class_weights=some * factor)) for factor in (1.0, 3.0))
    # Adam's steps are nearly the same whatever the size of all gradients.
    for one, other in zip(weighted[-1:], others[-1:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-2, atol=1e-2)
    assert not torch.allclose(weighted[-1], trained(some_nets(), data)[-1], atol=1e-2)


def test_weights_that_do_not_fit_are_refused(native):
    for wrong in (torch.ones(2, CLASSES + 1), torch.ones(1, CLASSES), torch.ones(2, CLASSES, dtype=torch.float64)):
        assert DenseKernel.of(some_nets(), replace(some_data(), class_weights=wrong), None) is None
    quantities = replace(some_data(), targets=torch.zeros(2, ROWS), class_weights=torch.ones(2, CLASSES))
    assert DenseKernel.of(some_nets(), quantities, None) is None
