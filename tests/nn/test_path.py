import torch

from dropnorm.nn._path import path_of


class Asking(torch.nn.Module):
    """A layer that returns its own path."""

    def forward(self, _):
        return self.helper()

    def helper(self):
        return path_of(self)


def test_a_layer_that_is_called_alone_has_its_class_name():
    assert Asking()(0) == "Asking"


def test_a_layer_in_a_model_has_its_path_from_the_outermost_module():
    inner = torch.nn.Sequential(torch.nn.Identity(), Asking())
    assert inner(0) == "'1' (Asking)"
    assert torch.nn.Sequential(inner)(0) == "'0.1' (Asking)"


def test_names_of_attributes_are_part_of_a_path():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = torch.nn.ModuleDict({"norm": Asking(), "other": Asking()})

        def forward(self, input):
            return self.encoder["norm"](input), self.encoder["other"](input)

    assert Net()(0) == ("'encoder.norm' (Asking)", "'encoder.other' (Asking)")


def test_callers_that_are_no_modules_or_do_not_hold_the_layer_are_passed_over():
    class Trainer:
        def __init__(self, model):
            self.model = model

        def step(self):
            return self.model(0)

    class Borrower(torch.nn.Module):
        def forward(self, _):
            return trainer.step()

    trainer = Trainer(torch.nn.Sequential(Asking()))
    assert trainer.step() == "'0' (Asking)"
    assert Borrower()(0) == "'0' (Asking)"
