import pytest
import torch
from torch import nn

import dropnorm as dn
from dropnorm.surgery.edits import Insert, NewLayer, SetRate
from dropnorm.surgery.modules.rewrite import rewrite
from dropnorm.surgery.notes import Note
from dropnorm.surgery.plan import Plan


def test_a_plan_as_text(models):
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    assert str(dn.regularize(net, dropout=0.1)).splitlines() == [
        "Sequential: 1 batch norm added, 1 bias moved there, 1 rate changed",
        "  Sequential(",
        "-   (0): Linear(in_features=4, out_features=8, bias=True)",
        "+   (0): Linear(in_features=4, out_features=8, bias=False)",
        f"+   (1): {dn.nn.BatchNorm1d(8)!r}",
        "    (2): ReLU()",
        "-   (2): Dropout(p=0.5, inplace=False)",
        "+   (3): Dropout(p=0.1, inplace=False)",
        "    (4): Linear(in_features=8, out_features=2, bias=True)",
        "  )",
        "  2: dropout is there already: its rate 0.5 becomes 0.1.",
    ]


@pytest.mark.parametrize(
    ("edits", "summary"),
    [
        ((), "nothing to change"),
        ((Insert("0", True, True, NewLayer("Dropout", 0.1)),) * 2, "2 dropouts added"),
        (
            (Insert("0", True, True, NewLayer("BatchNorm1d", 1), takes_bias=True),) * 2,
            "2 batch norms added, 2 biases moved there",
        ),
        ((SetRate("0", 0.1),), "1 rate changed"),
    ],
)
def test_the_summary(edits, summary):
    assert str(Plan(nn.ReLU(), edits, (), "  ReLU()", rewrite)) == f"ReLU: {summary}\n  ReLU()"


def test_notes_that_say_the_same_are_one_line():
    notes = (*(Note(f"layer{n}", "is there.") for n in range(6)), Note("", "cannot be traced."))
    assert str(Plan(nn.ReLU(), (), notes, "", rewrite)).splitlines()[2:] == [
        "  layer0, layer1, layer2, layer3 and 2 more: is there.",
        "  the model: cannot be traced.",
    ]


def test_every_application_is_a_new_copy_with_the_weights_of_the_day(models):
    net = models.mlp()
    plan = dn.regularize(net)
    first, second = plan.apply(), plan.apply()
    assert first[0].weight is not second[0].weight
    with torch.no_grad():
        net[0].weight.fill_(7.0)
    assert torch.equal(plan.apply()[0].weight, net[0].weight)
    assert not torch.equal(first[0].weight, net[0].weight)
