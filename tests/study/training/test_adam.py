import torch

from dropnorm.study.training.adam import MOMENTS, Adam


def test_steps_are_those_of_torchs_optimizer_and_go_on_from_saved_moments():
    ours = {"a": torch.randn(3, 5), "b": torch.randn(7)}
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in ours.items()}
    optimizer, adam = torch.optim.Adam(theirs.values(), lr=0.01), Adam(ours, [0.01])
    for step in range(6):
        if step == 3:
            adam = Adam(ours, [0.01], {name: dict(adam.moments[name]) for name in MOMENTS}, steps=3)
        gradients = {name: torch.randn_like(tensor) for name, tensor in ours.items()}
        for name, parameter in theirs.items():
            parameter.grad = gradients[name].clone()
        optimizer.step()
        adam.step(gradients)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name].detach())


def test_nets_that_are_slowed_down_learn_at_a_share_of_their_rates():
    start, gradient = torch.randn(3, 5), torch.randn(3, 5)
    moved = {}
    for name, rates in {"one": [0.1, 0.1, 0.1], "share": [0.1, 0.1, 0.1]}.items():
        values = {"a": start.clone()}
        adam = Adam(values, rates)
        if name == "share":
            adam.slow_down(torch.tensor([False, True, False]), 0.5)
            adam.slow_down(torch.tensor([False, True, True]), 0.5)
        adam.step({"a": gradient})
        moved[name] = values["a"] - start
    torch.testing.assert_close(moved["share"] / moved["one"], torch.tensor([[1.0], [0.25], [0.5]]).expand(3, 5))
