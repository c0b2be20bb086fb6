import torch

from dropnorm.surgery.moments import Moments


def test_parts_of_any_size_have_the_moments_of_the_whole():
    x = torch.randn(100, 3, 4) * torch.tensor([1.0, 5.0, 0.1])[:, None] + torch.tensor([0.0, 1e4, -3.0])[:, None]
    moments = Moments()
    for part in x.split([1, 50, 0, 42, 7]):
        moments.add_values(part)
    wide = x.double()
    assert moments.count == 400
    torch.testing.assert_close(moments.mean, wide.mean((0, 2)), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(moments.var, wide.var((0, 2), correction=0), rtol=1e-9, atol=0)


def test_values_and_their_moments_can_be_joined_alike():
    x, by_values, by_moments = torch.randn(60, 2), Moments(), Moments()
    for part in x.split(20):
        by_values.add_values(part)
        by_moments.add(len(part), part.double().mean(0), part.double().var(0, correction=0))
    torch.testing.assert_close(by_values.mean, by_moments.mean)
    torch.testing.assert_close(by_values.var, by_moments.var)
