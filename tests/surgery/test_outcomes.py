import math

import pytest
import torch

from dropnorm.errors import ArgumentError
from dropnorm.surgery.outcomes import QUANTITIES, classes, labels


@pytest.mark.parametrize("dimension", [1, -1])
def test_classes(dimension):
    logits = torch.randn(5, 4, 3) if dimension == -1 else torch.randn(5, 4, 3, 2)
    at = dimension + 1 if dimension > 0 else dimension
    of_logits, of_probabilities = classes(dimension, True), classes(dimension, False)
    probabilities = of_logits.values(logits)
    assert torch.equal(probabilities, logits.double().softmax(at))
    assert torch.equal(of_probabilities.values(probabilities), probabilities)
    even = torch.full((4, 3), 1 / 3).double()
    torch.testing.assert_close(of_logits.entropy(even.movedim(-1, dimension)), torch.full((4,), math.log(3)).double())


def test_labels_and_quantities():
    logits = torch.randn(5, 4, 2)
    assert torch.equal(labels(True).values(logits), logits.double().sigmoid())
    torch.testing.assert_close(
        labels(True).entropy(torch.tensor([[0.5, 0.0, 1.0]])), torch.tensor([[math.log(2), 0, 0]])
    )
    assert torch.equal(QUANTITIES.values(logits), logits.double())
    assert QUANTITIES.entropy is None


def test_what_are_no_probabilities():
    for outcomes in (classes(-1, False), labels(False)):
        for wrong in (1.5, -0.1, math.nan):
            with pytest.raises(
                ArgumentError, match=rf"\Athe model's outputs are no probabilities, such as {wrong:g}: expected"
            ):
                outcomes.values(torch.tensor([[[0.5, wrong]]]))
    with pytest.raises(ArgumentError, match=r"\Athe model's outputs do not add up to 1"):
        classes(-1, False).values(torch.tensor([[[0.5, 0.4]]]))
