import copy
import inspect
import io
import pickle

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from dropnorm import nn, ops
from dropnorm.errors import ArgumentError, ArgumentTypeError, ShapeError
from dropnorm.nn.dropout import checked_generator
from dropnorm.random import draw_key, keep_mask

KEY = 2**40 + 3
LAYERS = {
    "Dropout": (4, 5),
    "Dropout1d": (4, 5, 6),
    "Dropout2d": (4, 5, 6, 3),
    "Dropout3d": (4, 5, 2, 3, 2),
}


def pair(name, *args, **kwargs):
    return getattr(nn, name)(*args, **kwargs), getattr(torch.nn, name)(*args, **kwargs)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_torchs_layer_with_torchs_arguments_first(name):
    ours, torchs = (inspect.signature(getattr(home, name)).parameters.values() for home in (nn, torch.nn))
    ours = list(ours)
    for mine, theirs in zip(ours, torchs, strict=False):
        assert (mine.name, mine.default, mine.kind) == (theirs.name, theirs.default, theirs.kind)
    assert all(added.kind == added.KEYWORD_ONLY for added in ours[len(list(torchs)) :])
    layer, _ = pair(name)
    assert isinstance(layer, getattr(torch.nn, name))
    assert (layer.p, layer.inplace, layer.generator) == (0.5, False, None)


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_shown_as_torch_shows_it(name):
    ours, torchs = pair(name, 0.25, inplace=True)
    assert repr(ours) == repr(torchs)
    own = getattr(nn, name)(0.25, generator=torch.Generator())
    assert repr(own) == f"{name}(p=0.25, inplace=False, generator=given)"


@pytest.mark.parametrize("name", LAYERS)
def test_inference_returns_the_input_itself_and_draws_nothing(name):
    x, state = torch.randn(LAYERS[name]), torch.get_rng_state()
    layer = getattr(nn, name)(0.5).eval()
    assert layer(x) is x
    if name in ("Dropout1d", "Dropout3d"):
        single = x[0]
        assert layer(single) is single
    assert torch.equal(torch.get_rng_state(), state)


def test_a_training_call_drops_by_a_key_from_torchs_generator():
    x = torch.randn(7, 33)
    torch.manual_seed(5)
    y = nn.Dropout(0.3)(x)
    torch.manual_seed(5)
    assert torch.equal(y, ops.dropout(x, 0.3, draw_key()))


@pytest.mark.parametrize("own", [False, True])
def test_one_call_is_one_draw_whatever_the_size(own):
    states = []
    for shape in ((1, 1), (1000, 1000)):
        generator = torch.Generator().manual_seed(1) if own else torch.default_generator.manual_seed(1)
        nn.Dropout(generator=generator if own else None)(torch.ones(shape))
        states.append(generator.get_state())
    assert torch.equal(*states)
    expected = torch.Generator().manual_seed(1)
    draw_key(expected)
    assert torch.equal(states[0], expected.get_state())


def test_successive_calls_have_successive_masks():
    layer, x = nn.Dropout(), torch.ones(16, 64)
    agree = (layer(x) == layer(x)).double().mean()
    # 1024 fair coins; six deviations of 1 / 64 are 2e-9 of bad luck.
    assert abs(agree - 0.5) < 6 / 64


def test_a_generator_of_its_own_leaves_torchs_alone():
    x, state = torch.ones(8, 8), torch.get_rng_state()
    first = nn.Dropout(generator=torch.Generator().manual_seed(2))(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, nn.Dropout(generator=torch.Generator().manual_seed(2))(x))


@pytest.mark.parametrize("name", LAYERS)
def test_a_given_key_draws_nothing_and_rows_choose_from_the_mask(name):
    x, state, layer = torch.ones(LAYERS[name]), torch.get_rng_state(), getattr(nn, name)(0.5)
    whole = layer(x, key=KEY)
    assert torch.equal(whole, layer(x, key=torch.tensor(KEY)))
    assert torch.equal(layer(x[1:3], key=KEY, rows=torch.tensor([1, 2])), whole[1:3])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout2d", "Dropout3d"])
def test_channels_are_dropped_as_wholes(name):
    x = torch.ones(LAYERS[name])
    kept = keep_mask(torch.tensor(KEY), torch.arange(4), 5, [0.5])
    expected = 2.0 * kept.reshape(4, 5, *(1,) * (x.ndim - 2)).expand_as(x)
    assert torch.equal(getattr(nn, name)()(x, key=KEY), expected)


@pytest.mark.parametrize("name", ["Dropout1d", "Dropout3d"])
def test_without_a_batch_dimension_the_input_is_one_sample(name):
    x, layer = torch.ones(LAYERS[name]), getattr(nn, name)()
    assert torch.equal(layer(x[0], key=KEY), layer(x[:1], key=KEY)[0])


def test_dropout2d_takes_three_dimensions_as_a_batch_of_sequences_with_a_warning_as_torch_does():
    x, layer = torch.ones(4, 5, 6), nn.Dropout2d()
    message = (
        r"\ADropout2d got a 3-d input of shape \(4, 5, 6\) and takes it as \(N, C, L\), as torch does. For sequences use "
        r"Dropout1d; for a single image add a batch dimension.\Z"
    )
    with pytest.warns(UserWarning, match=message) as caught:
        y = layer(x, key=KEY)
    assert torch.equal(y, nn.Dropout1d()(x, key=KEY))
    assert len(caught) == 1
    with pytest.warns(UserWarning, match="Received a 3D input"):
        torchs = torch.nn.Dropout2d()(x)
    assert (torchs == torchs[..., :1]).all()


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("Dropout1d", (4,), "a 2-d or 3-d input"),
        ("Dropout1d", (4, 5, 6, 3), "a 2-d or 3-d input"),
        ("Dropout2d", (4, 5), "a 4-d input (N, C, H, W)"),
        ("Dropout2d", (4, 5, 2, 3, 2), "a 4-d input (N, C, H, W)"),
        ("Dropout3d", (4, 5, 6), "a 4-d or 5-d input"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_other_dimensions_are_refused(refuses, name, shape, expected, training):
    message = f"input.shape={shape} does not fit {name}: expected {expected}. To drop single units use Dropout."
    with refuses(ShapeError, message):
        getattr(nn, name)().train(training)(torch.ones(shape))


@pytest.mark.parametrize("name", LAYERS)
def test_p_must_be_a_probability_and_a_generator_on_the_cpu(refuses, name):
    layer = getattr(nn, name)
    with refuses(
        ArgumentError, "p=1.5 is not a probability: expected 0 <= p <= 1. To drop 1.5 % of the units use p=0.015."
    ):
        layer(1.5)
    with refuses(
        ArgumentTypeError, "p='half' is not a number: expected a real number, got str. Give a float or an int."
    ):
        layer("half")
    elsewhere = type("Elsewhere", (torch.Generator,), {"device": torch.device("cuda", 0)})()
    message = (
        "generator.device=cuda:0 is not supported: expected a CPU generator, torch.Generator(). It governs the masks on "
        "every device."
    )
    with refuses(ArgumentError, message):
        layer(generator=elsewhere)
    with refuses(ArgumentError, message):
        checked_generator(elsewhere)


def test_integers_are_refused_in_training(refuses):
    with refuses(
        ArgumentTypeError,
        "x.dtype=torch.int64 is not supported: expected float32, float64, bfloat16 or float16. Convert it with x.float().",
    ):
        nn.Dropout()(torch.ones(2, 3, dtype=torch.int64))


@pytest.mark.parametrize("name", LAYERS)
def test_inplace_writes_into_the_input_as_torch_does(name):
    x = torch.randn(LAYERS[name])
    expected = getattr(nn, name)()(x, key=KEY)
    y = getattr(nn, name)(inplace=True)(x, key=KEY)
    assert y is x
    assert torch.equal(x, expected)
    if name in ("Dropout1d", "Dropout3d"):
        single = torch.randn(LAYERS[name][1:])
        assert torch.equal(getattr(nn, name)(inplace=True)(single, key=KEY), single)


def test_inplace_has_the_gradient_of_the_copy():
    x, grads = torch.randn(4, 5), []
    for inplace in (False, True):
        leaf = x.clone().requires_grad_()
        nn.Dropout(inplace=inplace)(leaf * 3, key=KEY).square().sum().backward()
        grads.append(leaf.grad)
    assert torch.equal(*grads)


def test_inplace_refuses_a_leaf_as_torch_does():
    for layer in pair("Dropout", 0.5, inplace=True):
        with pytest.raises(
            RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"
        ):
            layer(torch.randn(4, 5, requires_grad=True))


def test_it_works_in_a_sequential_and_has_no_state():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), nn.Dropout(0.5))
    assert list(model.state_dict()) == ["0.weight", "0.bias"]
    assert model(torch.randn(2, 3)).shape == (2, 4)


def saved_and_loaded(layer):
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), saved_and_loaded])
def test_a_copy_draws_what_the_original_would(copied):
    x = torch.ones(8, 8)
    layer = nn.Dropout(0.25, generator=torch.Generator().manual_seed(4))
    layer(x)
    twin = copied(layer)
    assert (type(twin), twin.p) == (nn.Dropout, 0.25)
    assert twin.generator is not layer.generator
    assert torch.equal(twin(x), layer(x))
    assert copied(nn.Dropout()).generator is None


def test_on_a_meta_device_there_is_a_shape():
    x = torch.ones(4, 5, 6, 3, device="meta")
    for layer in (nn.Dropout(), nn.Dropout2d()):
        y = layer(x)
        assert (y.shape, y.device.type) == (x.shape, "meta")


def test_under_autocast_the_type_is_kept_and_the_mask_is_the_same():
    model, x = torch.nn.Sequential(torch.nn.Linear(8, 16), nn.Dropout()), torch.randn(4, 8)
    torch.manual_seed(1)
    full = model(x)
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(x)
    assert half.dtype == torch.bfloat16
    assert torch.equal(half == 0, full == 0)


@pytest.mark.parametrize("reentrant", [False, True])
def test_under_activation_checkpointing_the_mask_is_made_again(reentrant):
    block = torch.nn.Sequential(torch.nn.Linear(8, 8), nn.Dropout(), torch.nn.Tanh(), nn.Dropout())
    x, found = torch.randn(4, 8), []
    for run in (block, lambda x: checkpoint(block, x, use_reentrant=reentrant)):
        leaf = x.clone().requires_grad_()
        torch.manual_seed(8)
        y = run(leaf)
        torch.rand(3)  # what follows draws too
        y.square().sum().backward()
        found.append((y.detach(), leaf.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def test_under_activation_checkpointing_a_given_key_serves_where_a_generator_of_its_own_cannot():
    layer = nn.Dropout(generator=torch.Generator().manual_seed(1))
    x = torch.ones(8, 8, requires_grad=True)
    y = checkpoint(lambda x: layer(x.exp(), key=KEY), x, use_reentrant=False)
    y.sum().backward()
    torch.testing.assert_close(x.grad, y.detach())


def test_compiled_it_draws_the_masks_of_eager_mode_and_no_two_alike(compiled):
    first, second, shared, channels = nn.Dropout(), nn.Dropout(), nn.Dropout(), nn.Dropout1d()
    own = nn.Dropout(generator=torch.Generator())
    twin = nn.Dropout(generator=torch.Generator())

    def function(x):
        return first(x), second(x), shared(x), shared(x), own(x), own(x), twin(x), channels(x)

    # With a gradient to come torch merges calls that look alike; without, it does not.
    fast, x = compiled(function), torch.ones(16, 4, 16, requires_grad=True)

    def runs(call):
        torch.manual_seed(9)
        own.generator.manual_seed(10)
        twin.generator.manual_seed(11)
        found = []
        for _ in range(2):
            masks = call(x)
            # Each mask's gradient has a weight of its own, so that the sum of all tells them apart.
            weighted = sum(2**place * mask for place, mask in enumerate(masks))
            (of_x,) = torch.autograd.grad(weighted, x, torch.ones_like(x))
            assert torch.equal(of_x, weighted)
            found += masks
        return found

    eager, quick = runs(function), runs(fast)
    for one, other in zip(eager, quick, strict=True):
        assert torch.equal(one, other)
    for index, one in enumerate(quick):
        for other in quick[:index]:
            # Of 1024 coins, or of 64 for channels, all alike: 2**-64 of bad luck for each pair.
            assert not torch.equal(one, other)


def test_compiled_its_gradient_has_the_mask_and_its_rate_may_change(compiled):
    layer = nn.Dropout(0.1)
    fast = compiled(layer)
    for p in (0.1, 0.5, 0.9):
        layer.p = p
        x = torch.ones(32, 32, requires_grad=True)
        y = fast(x)
        y.sum().backward()
        assert torch.equal(x.grad, y)
        # 1024 units: six deviations of sqrt(p (1 - p) / 1024) are 2e-9 of bad luck, nearly, at these p.
        assert abs(float((y == 0).double().mean()) - p) < 7 * (p * (1 - p) / 1024) ** 0.5


def both_passes(call, x):
    """What is kept of ones in the forward pass, which must be what is kept of the gradient."""
    leaf = torch.ones_like(x).requires_grad_()
    y = call(leaf)
    y.backward(torch.ones_like(y))
    assert torch.equal(leaf.grad != 0, y != 0)
    return y.detach() != 0


@pytest.mark.parametrize("when", ["in the graph", "between the passes"])
def test_compiled_a_key_and_rows_may_be_moved_on_in_place(when, compiled):
    layer, key, rows = nn.Dropout(), torch.tensor(KEY), torch.arange(16)

    def moved():
        key.add_(1)
        rows.add_(16)

    def function(x):
        y = layer(x, key=key), layer(x, key=key ^ 1, rows=rows)
        if when == "in the graph":
            moved()
        return torch.stack(y)

    fast = compiled(function)
    for step in range(3):
        x = torch.ones(16, 40, requires_grad=True)
        y = fast(x)
        if when == "between the passes":
            moved()
        (y[0] + 2 * y[1]).sum().backward()
        now = torch.arange(16) + 16 * step
        expected = (
            keep_mask(torch.tensor(KEY + step), torch.arange(16), 40, [0.5]),
            keep_mask(torch.tensor(KEY + step ^ 1), now, 40, [0.5]),
        )
        assert torch.equal(y.detach(), 2.0 * torch.stack(expected))
        assert torch.equal(x.grad, y[0] + 2 * y[1])


def test_compiled_side_by_side_all_kinds_have_the_masks_of_eager_mode_in_both_passes(compiled):
    layers = [
        (nn.Dropout(0.2), (40,)),
        (nn.Dropout(1.0), (40,)),
        (nn.Dropout(inplace=True, generator=torch.Generator()), (5, 8)),
        (nn.Dropout1d(), (5, 8)),
        (nn.Dropout2d(generator=torch.Generator()), (5, 2, 4)),
        (nn.Dropout3d(0.2), (5, 2, 2, 2)),
    ]

    def function(x):
        parts = [
            layer(part.reshape(-1, *shape) * 1).reshape(-1, 40)
            for part, (layer, shape) in zip(x.unbind(1), layers, strict=True)
        ]
        return torch.stack(parts, dim=1)

    def runs(call):
        torch.manual_seed(1)
        for layer, _ in layers:
            if layer.generator is not None:
                layer.generator.manual_seed(2)
        # With the second length the compiler takes it for a variable.
        return [both_passes(call, torch.ones(rows, 6, 40)) for rows in (4, 7, 7, 3)]

    for eager, quick in zip(runs(function), runs(compiled(function)), strict=True):
        assert torch.equal(eager, quick)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_compiled_the_mask_of_both_passes_is_that_of_any_type_and_memory_format(dtype, compiled):
    layer, x = nn.Dropout(0.3), torch.ones(4, 3, 5, 6, dtype=dtype)
    fast = compiled(layer)
    for each in (x.to(memory_format=torch.channels_last), x.new_ones(3, 4, 6, 5).permute(1, 0, 3, 2)):
        torch.manual_seed(5)
        key = draw_key()
        torch.manual_seed(5)
        expected = keep_mask(key, torch.arange(4), 90, [0.3]).reshape(x.shape)
        assert torch.equal(both_passes(fast, each), expected)


@pytest.mark.parametrize("own", [False, True])
def test_compiled_under_activation_checkpointing_even_a_generator_of_its_own_has_one_mask(own, compiled):
    layer = nn.Dropout(generator=torch.Generator() if own else None)
    fast = compiled(lambda x: checkpoint(lambda x: layer(x.sin()).cos() - 1, x, use_reentrant=False))
    masks = [both_passes(fast, torch.ones(16, 40)) for _ in range(2)]
    assert not torch.equal(*masks)


@pytest.mark.parametrize("setting", [{"activation_memory_budget": 0.5}, {"aggressive_recomputation": True}])
def test_no_key_is_drawn_again_where_the_compiler_is_to_save_memory(setting, compiled):
    layer = nn.Dropout()
    with torch._functorch.config.patch(setting):
        both_passes(compiled(lambda x: layer(x.sin()).cos() - 1), torch.ones(16, 40))


@pytest.mark.parametrize(
    "how", [{"mode": "reduce-overhead"}, {"mode": "max-autotune"}, {"backend": "aot_eager"}], ids=str
)
def test_every_way_of_compiling_has_one_mask_for_both_passes(how):
    torch.compiler.reset()
    fast = torch.compile(nn.Dropout(), **how)
    masks = [both_passes(fast, torch.ones(16, 40)) for _ in range(2)]
    assert not torch.equal(*masks)


@pytest.mark.parametrize("layer", [nn.Dropout, nn.BatchNormActDropout1d])
def test_a_seed_is_no_generator(layer, refuses):
    with refuses(
        ArgumentTypeError,
        "generator=3 is not a generator: expected a torch.Generator. To fix a seed, give torch.Generator().manual_seed(3).",
    ):
        layer(4 if layer is nn.BatchNormActDropout1d else 0.5, generator=3)


def test_each_compiled_layer_draws_from_its_own_generator(compiled):
    x = torch.ones(4, 16)

    def layer(seed):
        return nn.Dropout(0.5, generator=torch.Generator().manual_seed(seed))

    first, second = layer(1), layer(2)
    compiled_first, compiled_second = compiled(first), compiled(second)
    assert torch.equal(compiled_first(x), layer(1)(x))
    assert torch.equal(compiled_second(x), layer(2)(x))
    first.generator = torch.Generator().manual_seed(3)
    assert torch.equal(compiled_first(x), layer(3)(x))
    twin = copy.deepcopy(layer(4))
    assert torch.equal(compiled(twin)(x), layer(4)(x))


def test_the_default_device_has_no_say_in_the_key():
    x = torch.ones(3, 50)
    torch.manual_seed(5)
    expected = nn.Dropout(0.5)(x)
    torch.manual_seed(5)
    with torch.device("meta"):
        got = nn.Dropout(0.5)(x)
        keyed = nn.Dropout(0.5)(x, key=7)
    assert torch.equal(got, expected)
    assert torch.equal(keyed, nn.Dropout(0.5)(x, key=7))
