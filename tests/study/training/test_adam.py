import torch

from dropnorm.study.training.adam import MOMENTS, Adam


def test_steps_are_those_of_torchs_optimizer_and_go_on_from_saved_moments():
    ours = {"a": torch.randn(3, 5), "b": torch.randn(7)}
    theirs = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in ours.items()}
    optimizer, adam = torch.optim.Adam(theirs.values(), lr=0.01), Adam(ours, 0.01)
    for step in range(6):
        if step == 3:
            adam = Adam(ours, 0.01, {name: dict(adam.moments[name]) for name in MOMENTS}, steps=3)
        gradients = {name: torch.randn_like(tensor) for name, tensor in ours.items()}
        for name, parameter in theirs.items():
            parameter.grad = gradients[name].clone()
        optimizer.step()
        adam.step(gradients)
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name].detach())
