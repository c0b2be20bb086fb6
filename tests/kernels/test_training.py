import pytest
import torch
import torch.nn.functional as F

from dropnorm.kernels import instruction_sets
from dropnorm.kernels.training import adam, gather, softmax_gradient

NATIVE = [name for name in instruction_sets.available() if name != instruction_sets.REFERENCE]
INF, NAN = float("inf"), float("nan")


def on_each(forced, compute, threads=(1, 2, 3)):
    """The results of every instruction set with each number of threads, which agree to the bit, and of the reference."""
    before, native = torch.get_num_threads(), []
    try:
        for name in NATIVE:
            for count in threads:
                torch.set_num_threads(count)
                with forced(name):
                    native.append(compute())
    finally:
        torch.set_num_threads(before)
    for one in native[1:]:
        torch.testing.assert_close(one, native[0], rtol=0, atol=0, equal_nan=True)
    with forced(instruction_sets.REFERENCE):
        return native[0] if native else compute(), compute()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("features", [1, 7, 64, 785])
def test_gathered_rows_are_each_on_their_seeds_scale(forced, dtype, features):
    base = torch.randint(0, 256, (40, features)).to(dtype)
    # of 3 nets 31 rows each, out of an order of 80
    rows, seeds = torch.randint(0, 40, (3, 80))[:, 20:51], torch.tensor([1, 0, 1])
    factor, shift = torch.randn(2, features), torch.randn(2, features)
    native, reference = on_each(forced, lambda: gather(base, rows, seeds, factor, shift, 1e6))
    expected = torch.stack([base[rows[i]].double() * factor[s].double() + shift[s] for i, s in enumerate((1, 0, 1))])
    for got in (native, reference):
        torch.testing.assert_close(got, expected.float(), rtol=1e-6, atol=1e-4)  # products of up to 255 x 5


def test_what_is_missing_is_zero_and_nothing_is_beyond_the_farthest(forced):
    base = torch.tensor([[NAN, INF, -INF], [1e30, -1e30, 2.0]])
    factor, shift = torch.full((1, 3), 1e10), torch.ones(1, 3)
    native, reference = on_each(
        forced, lambda: gather(base, torch.tensor([[0, 1]]), torch.tensor([0]), factor, shift, 50.0)
    )
    expected = torch.tensor([[[0.0, 50.0, -50.0], [50.0, -50.0, 50.0]]])
    assert torch.equal(native, expected)
    assert torch.equal(reference, expected)


def test_a_row_that_is_not_there_is_refused(native):
    with pytest.raises(IndexError):
        gather(torch.ones(4, 2), torch.tensor([[4]]), torch.tensor([0]), torch.ones(1, 2), torch.ones(1, 2), 1e6)


@pytest.mark.parametrize("shape", [(3, 21, 10), (1, 1, 2), (2, 5, 3000), (0, 4, 5), (7, 128, 17)])
def test_the_gradient_of_softmax_is_autograds(forced, shape):
    outputs, targets = torch.randn(shape) * 20, torch.randint(0, shape[-1], shape[:-1])
    native, reference = on_each(forced, lambda: softmax_gradient(outputs, targets, 0.25))
    exact = outputs.double().requires_grad_()
    (0.25 * F.cross_entropy(exact.flatten(0, 1), targets.flatten(), reduction="sum")).backward()
    for got in (native, reference):
        torch.testing.assert_close(got.double(), exact.grad, rtol=1e-5, atol=1e-7)


def test_outputs_that_are_not_finite_have_no_gradient(forced):
    outputs = torch.tensor([[[NAN, 1.0], [INF, 1.0], [0.0, 1.0]]])
    for got in on_each(forced, lambda: softmax_gradient(outputs, torch.tensor([[0, 0, 1]]), 1.0)):
        assert got[0, :2].isnan().any(1).all()
        assert got[0, 2].isfinite().all()


@pytest.mark.parametrize("sizes", [(1,), (3, 5000, 17), (40000,)])
def test_steps_are_those_of_torchs_adam(forced, sizes):
    torch.manual_seed(0)
    start, grads = [torch.randn(size) for size in sizes], [[torch.randn(size) for size in sizes] for _ in range(5)]

    def trained():
        values = [value.clone() for value in start]
        means, squares = ([torch.zeros_like(value) for value in start] for _ in range(2))
        for step, of_step in enumerate(grads, 1):
            adam(values, of_step, means, squares, [0.01], (0.9, 0.999), 1e-8, step)
        return values

    parameters = [torch.nn.Parameter(value.double()) for value in start]
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for of_step in grads:
        for parameter, grad in zip(parameters, of_step, strict=True):
            parameter.grad = grad.double()
        optimizer.step()
    for values in on_each(forced, trained):
        for value, parameter in zip(values, parameters, strict=True):
            torch.testing.assert_close(value.double(), parameter.detach(), rtol=1e-5, atol=1e-6)


def test_a_step_is_taken_for_all_or_for_none(native):
    values, doubles = [torch.ones(3)], [torch.ones(3, dtype=torch.float64)]
    zeros = [torch.zeros(3), torch.zeros(3, dtype=torch.float64)]
    adam(
        values + doubles,
        [torch.ones(3), doubles[0].clone()],
        zeros,
        [zero.clone() for zero in zeros],
        [0.1],
        (0.9, 0.999),
        0.0,
        1,
    )
    for each in (*values, *doubles):
        torch.testing.assert_close(each, torch.full_like(each, 0.9))


@pytest.mark.parametrize("size", [(3, 1), (3, 7), (3, 5000), (3, 4, 2100)])
def test_each_net_has_its_own_learning_rate(forced, size):
    torch.manual_seed(1)
    rates, start, grad = [0.01, 0.2, 0.003], torch.randn(size), torch.randn(size)

    def stepped(nets, learning_rates):
        value = start[nets].clone()
        mean, square = torch.zeros_like(value), torch.zeros_like(value)
        adam([value], [grad[nets].clone()], [mean], [square], learning_rates, (0.9, 0.999), 1e-8, 1)
        return value

    def alone():
        return torch.cat([stepped(slice(net, net + 1), rates[net : net + 1]) for net in range(3)])

    native, reference = on_each(forced, lambda: stepped(slice(None), rates))
    for got, expected in zip((native, reference), on_each(forced, alone), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-7)
    assert torch.equal(native, on_each(forced, alone)[0]), "to the bit, where it is computed natively"
