"""A pass noted while it runs agrees with a trace, knows what came to batch norms, and changes nothing of the outcome."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from dropnorm.surgery.modules.operations import Kind, kind_of
from dropnorm.surgery.modules.recording import SHAPE, record
from dropnorm.surgery.modules.trace import trace


def kinds(flow):
    return [kind for node in flow.graph.nodes if (kind := kind_of(flow, node)) not in (Kind.METADATA, Kind.OTHER)]


def test_a_recording_has_the_operations_of_a_trace(model, sample_of):
    recording = record(model.train(), (sample_of(model),), {})
    assert recording.failure is None
    traced = trace(model)
    # torch's encoder layer is one operation to a trace, and its dropouts and norms to a recording.
    if traced.whole and not isinstance(model, nn.TransformerEncoderLayer):
        assert sorted(kind.name for kind in kinds(recording.flow)) == sorted(
            kind.name for kind in kinds(traced.flows[0])
        )


def test_a_recorded_run_gives_what_any_run_gives(model, sample_of):
    x = sample_of(model)
    model.eval()
    expected = model(x)
    outputs = record(model, (x,), {}).outputs
    for one, other in zip(
        *(value if isinstance(value, tuple) else (value,) for value in (expected, outputs)), strict=True
    ):
        assert torch.equal(one, other)


def test_what_came_to_a_batch_norm():
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    x = torch.randn(4, 2, 5, 5) + 7
    (seen,) = record(model, (x,), {}).batches
    values = model[0](x).double()
    assert (seen.path, seen.rows, seen.count, seen.by_batch, seen.recomputed) == ("1", 4, 100, True, False)
    torch.testing.assert_close(seen.mean, values.mean((0, 2, 3)), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(seen.var, values.var((0, 2, 3), correction=0), rtol=1e-4, atol=1e-5)
    assert not record(model.eval(), (x,), {}).batches[0].by_batch


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_call_that_will_be_made_again_is_told_apart(use_reentrant):
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.again, self.once = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4)

        def forward(self, x):
            return self.once(checkpoint(self.again, self.first(x), use_reentrant=use_reentrant))

    batches = record(Half(), (torch.randn(8, 4),), {}).batches
    assert {each.path: each.recomputed for each in batches} == {"again": True, "once": False}


def test_shapes_are_kept_and_a_failure_ends_the_recording_in_peace():
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(5, 2))
    recording = record(model, (torch.randn(3, 4),), {})
    assert isinstance(recording.failure, RuntimeError)
    shapes = {str(node.target): node.meta[SHAPE] for node in recording.flow.graph.nodes if SHAPE in node.meta}
    assert shapes == {"0": (3, 4), "1": (3, 6)}
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_values_written_in_place_are_followed():
    class Writing(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            y = self.first(x)
            y.relu_()
            y[:, 0] = 0.0
            return self.out(y)

    flow = record(Writing(), (torch.randn(3, 4),), {}).flow
    chain = [
        str(getattr(node.target, "__name__", node.target)) for node in flow.graph.nodes if node.op.startswith("call")
    ]
    assert chain == ["first", "relu_", "__setitem__", "out"]
    out = next(node for node in flow.graph.nodes if node.target == "out")
    assert out.all_input_nodes[0].target.__name__ == "__setitem__"


def test_without_gradients_nothing_will_be_made_again():
    class Frozen(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x):
            with torch.no_grad():
                return self.norm(self.first(x))

    (seen,) = record(Frozen(), (torch.randn(8, 4),), {}).batches
    assert not seen.recomputed


def test_packed_sequences_are_followed():
    class Packed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.cells = nn.Linear(4, 4), nn.GRU(4, 4, batch_first=True)

        def forward(self, x):
            packed = pack_padded_sequence(self.first(x), torch.full((len(x),), 5), batch_first=True)
            return pad_packed_sequence(self.cells(packed)[0], batch_first=True)[0]

    flow = record(Packed(), (torch.randn(3, 5, 4),), {}).flow
    cells = next(node for node in flow.graph.nodes if node.target == "cells")
    before = list(cells.all_input_nodes)
    for node in before:
        before += [each for each in node.all_input_nodes if each not in before]
    assert any(node.target == "first" for node in before)


def test_what_is_written_into_a_view_is_in_the_whole():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.out = nn.Linear(4, 4), nn.Linear(8, 2)

        def forward(self, x):
            whole = x.new_zeros(len(x), 8)
            whole[:, :4].copy_(self.first(x))
            return self.out(whole)

    with torch.no_grad():
        flow = record(Parts(), (torch.randn(3, 4),), {}).flow
    out = next(node for node in flow.graph.nodes if node.target == "out")
    assert out.all_input_nodes[0].target.__name__ == "copy_"


def test_a_layer_that_fails_is_none_if_the_forward_goes_on():
    class Trying(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.narrow, self.norm = nn.Linear(9, 4), nn.Linear(4, 4), nn.BatchNorm1d(4)

        def forward(self, x):
            try:
                x = self.wide(x)
            except RuntimeError:
                x = self.narrow(x)
            return self.norm(torch.relu(x))

    flow = record(Trying(), (torch.randn(8, 4),), {}).flow
    called = [str(getattr(node.target, "__name__", node.target)) for node in flow.graph.nodes]
    assert [each for each in called if not each.startswith("input")] == ["narrow", "relu", "norm", "output"]


def test_a_dropout_with_a_forward_of_its_own_is_looked_into():
    class Always(nn.Dropout):
        def forward(self, x):
            return nn.functional.dropout(x, self.p, training=True)

    flow = record(nn.Sequential(Always(0.5)), (torch.randn(8, 4),), {}).flow
    assert [node.target for node in flow.graph.nodes if node.op.startswith("call")] == [nn.functional.dropout]


class Looking(nn.Module):
    """Asks for values, by the given way, of what it gets or of its own."""

    def __init__(self, look):
        super().__init__()
        self.look = look
        self.own = nn.Parameter(torch.ones(3))

    def forward(self, x):
        self.look(self, x)
        return x


@pytest.mark.parametrize(
    ("look", "looks"),
    [
        (lambda _, x: 1 if x.mean() > 0 else 2, True),
        (lambda _, x: x.abs().max().item(), True),
        (lambda _, x: float(x.detach()[0, 0]), True),
        (lambda _, x: x.detach().cumsum(0).tolist(), True),
        (lambda _, x: torch.equal(x, x), True),
        (lambda self, x: 1 if (x * self.own).sum() > 0 else 2, True),
        (lambda self, _: self.own.sum().item(), False),
        (lambda _, x: x.shape[0] > 3, False),
        (lambda _, x: len(x), False),
        (lambda *_: 1 if torch.rand([]) < 0.5 else 2, False),
    ],
)
def test_who_looks_at_values_of_the_batch(look, looks):
    model = nn.Sequential(nn.Linear(3, 3), Looking(look))
    assert record(model, (torch.randn(4, 3),), {}).lookers == (("1",) if looks else ())


def test_what_is_kept_in_an_attribute_is_an_output():
    class Keeping(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            self.seen = {"hidden": [self.one(x)]}
            return self.other(self.seen["hidden"][0])

    for flow in (record(Keeping(), (torch.randn(4, 3),), {}).flow, trace(Keeping()).flows[0]):
        assert {str(node.target) for node in flow.graph.output_node().all_input_nodes} == {"one", "other"}
