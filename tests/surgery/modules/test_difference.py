from torch import nn

from dropnorm.surgery.modules.difference import difference


def test_lines_that_come_go_and_stay():
    old = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Dropout(0.5), nn.Linear(2, 1))
    new = nn.Sequential(nn.Linear(1, 2, bias=False), nn.BatchNorm1d(2), nn.ReLU(), nn.Dropout(0.2), nn.Linear(2, 1))
    assert difference(old, new).splitlines() == [
        "  Sequential(",
        "-   (0): Linear(in_features=1, out_features=2, bias=True)",
        "+   (0): Linear(in_features=1, out_features=2, bias=False)",
        f"+   (1): {nn.BatchNorm1d(2)!r}",
        "    (2): ReLU()",
        "-   (2): Dropout(p=0.5, inplace=False)",
        "+   (3): Dropout(p=0.2, inplace=False)",
        "    (4): Linear(in_features=2, out_features=1, bias=True)",
        "  )",
    ]


def test_modules_by_name_one_inside_the_other(models):
    old, new = models.Named(), models.Named()
    new.act1 = nn.Sequential(nn.GELU(), nn.Dropout())
    del new.act2
    lines = difference(old, new).splitlines()
    assert [line for line in lines if line[0] != " "] == [
        "-   (act1): GELU(approximate='none')",
        "+   (act1): Sequential(",
        "+     (0): GELU(approximate='none')",
        "+     (1): Dropout(p=0.5, inplace=False)",
        "+   )",
        "-   (act2): GELU(approximate='none')",
    ]
    assert lines[0] == "  Named("


def test_empty_sequentials_and_equal_models(models):
    old, new = models.Residual(), models.Residual()
    assert {line[0] for line in difference(old, new).splitlines()} == {" "}
    new.blocks[0].shortcut.append(nn.ReLU())
    changed = [line.strip() for line in difference(old, new).splitlines() if line[0] != " "]
    assert changed == [
        "-       (shortcut): Sequential()",
        "+       (shortcut): Sequential(",
        "+         (0): ReLU()",
        "+       )",
    ]


def test_another_class_is_another_model(models):
    lines = difference(models.mlp(), models.Heads()).splitlines()
    assert {line[0] for line in lines} == {"-", "+"}
