"""The doctor as a whole: every code by the examples of its page, nothing touched, nothing invented."""

import copy
import random
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import dropnorm as dn
from dropnorm import nn as own
from dropnorm.errors import ArgumentError, ArgumentTypeError, SurgeryError
from dropnorm.surgery.audit.registry import OF_KERAS_ALONE
from dropnorm.surgery.audit.rules import RULES

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")


def net(*more):
    return nn.Sequential(nn.Linear(8, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), *more, nn.Linear(16, 3))


@pytest.mark.parametrize("code", sorted(RULES))
def test_the_page_has_an_example_with_exactly_this_finding_and_one_without(code):
    """The page itself is run by the tests of the documentation."""
    rule = RULES[code]
    assert f"| {code} | {rule.severity} | {rule.name} | {rule.needs} |" in PAGE
    section = re.search(rf"^### {code}: {re.escape(rule.name)}\n(.*?)(?=^#|\Z)", PAGE, re.M | re.S)
    assert section is not None
    assert f'.codes == ("{code}",)' in section[1]
    assert ".codes == ()" in section[1]


def test_the_page_knows_no_other_codes():
    assert set(re.findall(r"DN\d\d\d", PAGE)) <= {*RULES, *OF_KERAS_ALONE}


def test_the_model_is_left_as_it_was():
    model = net(own.Dropout(0.5, generator=torch.Generator().manual_seed(3)))
    model[1].eval()
    loader = [(torch.randn(16, 8), torch.zeros(16)) for _ in range(4)]
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    drawn = copy.deepcopy(model[3])(torch.ones(4, 8))
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    dn.audit(model, loader[0][0], loader=loader)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state
    assert torch.equal(model[3](torch.ones(4, 8)), drawn)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_shuffling_loader_leaves_the_generator_too():
    rows = torch.utils.data.TensorDataset(torch.randn(64, 8), torch.zeros(64))
    model, before = net(nn.Dropout()), torch.get_rng_state()
    dn.audit(model, loader=torch.utils.data.DataLoader(rows, batch_size=32, shuffle=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_batch_is_left_as_it_was_too():
    batch = torch.randn(32, 8)
    before = batch.clone()
    dn.audit(nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 2)), batch, loader=[batch])
    assert torch.equal(batch, before)


def test_a_batch_is_enough_for_one_run():
    runs = []
    model = net()
    model[0].register_forward_hook(lambda *_: runs.append(1))
    dn.audit(model, torch.randn(32, 8))
    assert len(runs) == 1


def test_what_cannot_be_traced_is_told_and_a_batch_helps():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.drop, self.norm = nn.Linear(8, 8), nn.Dropout(0.3), nn.BatchNorm1d(8)

        def forward(self, x):
            return F.relu(self.norm(self.drop(self.first(x)))) if x.sum() > -1e9 else x

    alone = dn.audit(Branching(), select="DN101")
    assert alone.codes == ()
    assert alone.not_checked["DN101"].startswith("the forward cannot be traced")
    assert "DN121" not in dn.audit(Branching()).not_checked
    seen = dn.audit(Branching(), torch.randn(32, 8), select="DN101")
    assert (seen.codes, seen.not_checked) == (("DN101",), {})


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_what_is_wrapped_is_looked_into(wrap):
    assert dn.audit(wrap(net(nn.Dropout(1.0)))).codes == ("DN124",)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_what_is_scripted_is_refused():
    with pytest.raises(ArgumentTypeError, match="model=RecursiveScriptModule is scripted, and cannot be looked into"):
        dn.audit(torch.jit.script(net()))


def test_findings_come_worst_first_as_table_text_and_json():
    model = nn.Sequential(
        nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.9), nn.Linear(16, 3), nn.Dropout()
    )
    found = dn.audit(model)
    assert found.codes == ("DN103", "DN125", "DN102")
    assert found.has_errors
    table = found.table().splitlines()
    assert table[0].split() == ["code", "severity", "module", "seen"]
    assert [line.split()[:3] for line in table[1:]] == [
        ["DN103", "error", "5"],
        ["DN125", "warning", "3"],
        ["DN102", "note", "0"],
    ]
    text = str(found)
    assert text.startswith("Sequential: 1 error, 1 warning, 1 note\n\nDN103 error: dropout after the last layer\n  5: ")
    assert "  fix: Move the dropout before the last layer." in text
    assert "Not looked at: DN221, DN226 (needs an optimizer)." in text
    assert type(found).model_validate_json(found.model_dump_json()) == found


def test_rules_are_chosen_by_codes_and_their_beginnings():
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.9), nn.Linear(16, 3))
    assert dn.audit(model, select=["DN1"], ignore="dn102").codes == ("DN125",)
    assert dn.audit(model, select="DN2").codes == ()
    assert set(dn.audit(model, select="DN311").not_checked) == {"DN311"}
    with pytest.raises(ArgumentError) as caught:
        dn.audit(model, ignore="DN901")
    assert str(caught.value).startswith(
        "ignore='DN901' is the code of no rule: expected one such as 'DN101', or its beginning"
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"model": nn.Linear}, ArgumentTypeError, "model=type is no torch.nn.Module"),
        (
            {"model": nn.LazyLinear(3)},
            ArgumentTypeError,
            "model holds 'itself' .LazyLinear., whose weights have no shape",
        ),
        ({"optimizer": 0.1}, ArgumentTypeError, "optimizer=float is no torch.optim.Optimizer"),
        ({"batch": torch.randn(4, 9)}, SurgeryError, r"batch=a tensor of shape \(4, 9\) cannot be given to Sequential"),
        ({"loader": torch.randn(4, 8)}, ArgumentTypeError, "loader=Tensor cannot be gone through several times"),
        ({"loader": iter([])}, ArgumentTypeError, "loader=list_iterator cannot be gone through several times"),
        ({"loader": []}, SurgeryError, "loader is empty"),
        (
            {"loader": [torch.randn(8, 9)], "batch": torch.randn(8, 8)},
            SurgeryError,
            "loader cannot be given to the model",
        ),
    ],
)
def test_what_cannot_be_looked_at(arguments, error, message):
    with pytest.raises(error, match=message):
        dn.audit(**{"model": net()} | arguments)


def test_models_as_people_write_them_raise_no_alarm(model, sample_of):
    """But for a VGG's, which has a bias before its batch norm, as in the paper."""
    assert dn.audit(model, ignore="DN102").codes == ()
    assert dn.audit(model, sample_of(model), ignore=["DN102", "DN223"]).codes == ()


def test_what_regularize_makes_raises_no_alarm(models):
    for name in ("mlp", "LeNet", "Residual"):
        plan = dn.regularize(getattr(models, name)(), dropout=0.2)
        assert dn.audit(plan.apply()).codes == ()


def test_what_a_data_set_draws_is_put_back():
    class Drawing(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, _):
            return random.random() + np.random.random() + torch.randn(8)

    model, loader = net(), torch.utils.data.DataLoader(Drawing(), batch_size=32)
    before = random.getstate(), np.random.get_state()[2], torch.get_rng_state().tolist()
    dn.audit(model, loader=loader)
    assert (random.getstate(), np.random.get_state()[2], torch.get_rng_state().tolist()) == before


def test_a_model_that_was_made_in_inference_mode():
    """Its tensors can be neither changed nor differentiated outside of it."""
    with torch.inference_mode():
        model = net(nn.Dropout(0.9))
    before = copy.deepcopy(model.state_dict())
    rows = torch.randn(32, 8)
    found = dn.audit(model, rows, loader=[rows])
    assert found.codes == dn.audit(copy.deepcopy(model), rows, loader=[rows]).codes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(tensor.is_inference() for tensor in model.parameters())
