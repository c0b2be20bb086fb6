import pytest
import torch

from dropnorm import nn
from dropnorm.surgery.modules.folding import fold_sequential


def lively(net: torch.nn.Module) -> torch.nn.Module:
    """The same net with batch norms whose parameters and statistics are not those of their birth."""
    for module in net.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.1, 3)
            if module.affine:
                torch.nn.init.uniform_(module.weight, -2, 2)
                torch.nn.init.normal_(module.bias)
    return net.eval()


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("norm", [torch.nn.BatchNorm1d(7), nn.BatchNorm1d(7), torch.nn.BatchNorm1d(7, affine=False)])
def test_a_linear_takes_the_batch_norm_in(norm, bias):
    net = lively(torch.nn.Sequential(torch.nn.Linear(4, 7, bias=bias), norm, torch.nn.ReLU(), torch.nn.Dropout(0.5)))
    folded, x = fold_sequential(net), torch.randn(20, 4)
    assert [type(layer) for layer in folded] == [torch.nn.Linear, torch.nn.ReLU]
    torch.testing.assert_close(folded(x), net(x), rtol=1e-5, atol=1e-5)


def test_in_float64_nothing_is_lost():
    net = lively(torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.BatchNorm1d(7), torch.nn.Linear(7, 2))).double()
    folded, x = fold_sequential(net), torch.randn(20, 4).double()
    assert len(folded) == 2
    torch.testing.assert_close(folded(x), net(x), rtol=1e-13, atol=1e-13)


def test_convolutions_and_nested_parts():
    block = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5), torch.nn.ReLU(), nn.Dropout2d(0.2)
    )
    net = lively(torch.nn.Sequential(block, torch.nn.Identity(), torch.nn.Flatten(), torch.nn.Linear(80, 2)))
    folded, x = fold_sequential(net), torch.randn(6, 3, 4, 4)
    kinds = [torch.nn.Conv2d, torch.nn.ReLU, torch.nn.Flatten, torch.nn.Linear]
    assert [type(layer) for layer in folded] == kinds
    torch.testing.assert_close(folded(x), net(x), rtol=1e-5, atol=1e-5)


def test_what_cannot_be_folded_stays():
    fused = nn.BatchNormActDropout1d(7, p=0.5)
    net = lively(
        torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 7), torch.nn.ReLU(), torch.nn.BatchNorm1d(7))
    )
    net.append(torch.nn.Linear(7, 7)).append(lively(fused))
    folded, x = fold_sequential(net), torch.randn(20, 4)
    assert [type(layer) for layer in folded] == [type(layer) for layer in net]
    assert torch.equal(folded(x), net(x))


def test_the_given_net_stays_as_it_was():
    net = lively(torch.nn.Sequential(torch.nn.Linear(4, 7), torch.nn.BatchNorm1d(7), torch.nn.Dropout()))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    folded = fold_sequential(net)
    assert len(net) == 3
    assert net[0].weight.requires_grad
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    folded[0].weight.data.zero_()
    assert torch.equal(net[0].weight, before["0.weight"])


def test_a_part_with_a_forward_of_its_own_stays_whole():
    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    net = lively(torch.nn.Sequential(Residual(torch.nn.Linear(4, 4), torch.nn.ReLU()), torch.nn.Linear(4, 2)))
    folded, x = fold_sequential(net), torch.randn(20, 4)
    assert [type(layer) for layer in folded] == [Residual, torch.nn.Linear]
    torch.testing.assert_close(folded(x), net(x))
