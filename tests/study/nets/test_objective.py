import pytest
import torch
from sklearn.metrics import accuracy_score, r2_score, root_mean_squared_error
from torch.nn import functional as F

from dropnorm.study.nets.objective import OBJECTIVES

CLASSES, QUANTITY = OBJECTIVES["classification"], OBJECTIVES["regression"]
NETS, ROWS = 3, 40


@pytest.fixture
def logits():
    return torch.randn(NETS, ROWS, 4), torch.randint(0, 4, (NETS, ROWS))


@pytest.fixture
def errors():
    return torch.randn(NETS, ROWS, 1), torch.randn(NETS, ROWS)


def test_classes_have_the_cross_entropy_and_accuracy_of_each_net(logits):
    outputs, targets = logits
    losses = CLASSES.losses(outputs, targets)
    scores = CLASSES.score(CLASSES.points(outputs, targets).mean(1), torch.ones(NETS))
    for net in range(NETS):
        torch.testing.assert_close(losses[net].mean(), F.cross_entropy(outputs[net], targets[net]))
        assert float(scores[net]) == pytest.approx(accuracy_score(targets[net], outputs[net].argmax(1)))
    assert CLASSES.r2(0.5, 1.0) is None


def test_a_quantity_has_the_squared_error_and_the_rmse_in_its_own_unit(errors):
    outputs, targets = errors
    scale = torch.tensor([1.0, 10.0, 0.5], dtype=torch.float64)
    mean = torch.tensor([7.0, -3.0, 1e6], dtype=torch.float64)
    values = QUANTITY.values(outputs, mean, scale)
    assert values.shape == outputs.shape
    losses = QUANTITY.losses(outputs, targets)
    scores = QUANTITY.score(QUANTITY.points(outputs, targets).mean(1), scale)
    for net in range(NETS):
        predicted = values[net, :, 0].numpy()
        truth = targets[net].double().numpy() * float(scale[net]) + float(mean[net])
        assert float(losses[net].mean()) == pytest.approx(float(F.mse_loss(outputs[net, :, 0], targets[net])))
        assert float(scores[net]) == pytest.approx(root_mean_squared_error(truth, predicted), rel=1e-6)
        r2 = QUANTITY.r2(float(losses[net].mean()), float(targets[net].var(correction=0)))
        assert r2 == pytest.approx(r2_score(truth, predicted), rel=1e-5)


@pytest.mark.parametrize("task", OBJECTIVES)
def test_the_gradient_is_that_of_each_nets_mean_loss(task, logits, errors):
    outputs, targets = logits if task == "classification" else errors
    outputs.requires_grad_()
    OBJECTIVES[task].losses(outputs, targets).mean(1).sum().backward()
    torch.testing.assert_close(OBJECTIVES[task].gradient(outputs.detach(), targets), outputs.grad)


def test_confidence_is_the_probability_of_the_predicted_class(logits, errors):
    outputs, _ = logits
    expected = outputs.double().softmax(-1).gather(-1, outputs.argmax(-1, keepdim=True))[..., 0]
    torch.testing.assert_close(CLASSES.confidences(outputs), expected)
    assert QUANTITY.confidences(errors[0]) is None


def test_of_what_does_not_vary_nothing_is_explained():
    assert QUANTITY.r2(0.5, 0.0) == 0.0


def test_the_values_of_classes_are_their_probabilities_in_the_type_of_the_outputs(logits):
    outputs, _ = logits
    mean, scale = torch.zeros(NETS), torch.ones(NETS)
    torch.testing.assert_close(CLASSES.values(outputs, mean, scale), outputs.softmax(2))
    assert CLASSES.values(outputs.double(), mean, scale).dtype == torch.float64
