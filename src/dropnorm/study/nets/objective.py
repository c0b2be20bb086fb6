"""What the nets of each task are trained on and measured by, in torch: losses, scores and predictions."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from dropnorm.kernels import training
from dropnorm.study.records import TaskName


class Objective(Protocol):
    """What a task asks of the outputs (nets, batch, outputs) of nets for targets (nets, batch)."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of each row (nets, batch)."""

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The gradient of each net's mean loss, like the outputs."""

    def points(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """What a net's score is made of, row by row, in float64 (nets, batch)."""

    def score(self, mean_points: Tensor, target_scale: Tensor) -> Tensor:
        """Each net's score from the mean of its points, in the target's own unit, which is so many standardized ones."""

    def confidences(self, outputs: Tensor) -> Tensor | None:
        """How sure the nets are of each prediction, in float64 (nets, batch), where that has a meaning."""

    def r2(self, loss: float, target_variance: float) -> float | None:
        """The share of the variance that is explained, where that has a meaning."""

    def values(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """What outputs (nets, rows, outputs) say in the target's own terms: probabilities, or the quantity (nets, rows, 1).

        Args:        mean, scale: (nets,), those that each net's target was standardized by
        Numerics:    probabilities are of the outputs' type, quantities in float64
        """


class CrossEntropy:
    """Classes by their logits; the score is the accuracy."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the softmax."""
        # torch's softmax is vectorized over the middle of three dimensions, and not over a short last one.
        return F.cross_entropy(outputs.transpose(1, 2), targets, reduction="none")

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Probabilities less one for the right class, over the rows."""
        return training.softmax_gradient(outputs, targets, 1.0 / targets.shape[1])

    def points(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """One for the right class, zero for another."""
        return (outputs.argmax(-1) == targets).double()

    def score(self, mean_points: Tensor, target_scale: Tensor) -> Tensor:
        """The accuracy."""
        return mean_points

    def confidences(self, outputs: Tensor) -> Tensor | None:
        """The probability of the predicted class."""
        return outputs.double().softmax(-1).amax(-1)

    def r2(self, loss: float, target_variance: float) -> float | None:
        """Classes have no variance to be explained."""
        return None

    def values(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """The probability of each class."""
        # Over the middle of three dimensions, as in `losses`.
        return outputs.transpose(1, 2).softmax(dim=1).transpose(1, 2)


class SquaredError:
    """A quantity, standardized by its training part; the score is the RMSE in the quantity's own unit."""

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Squared error of the standardized target."""
        return F.mse_loss(outputs.squeeze(-1), targets, reduction="none")

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Twice the error, over the rows."""
        return (outputs - targets[..., None]).mul_(2.0 / targets.shape[1])

    def points(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The squared error."""
        return self.losses(outputs, targets).double()

    def score(self, mean_points: Tensor, target_scale: Tensor) -> Tensor:
        """The RMSE."""
        return mean_points.sqrt() * target_scale

    def confidences(self, outputs: Tensor) -> Tensor | None:
        """A quantity is predicted without saying how surely."""
        return None

    def r2(self, loss: float, target_variance: float) -> float | None:
        """One less the error's share of the variance; zero, by convention, where nothing varies."""
        return 1.0 - loss / target_variance if target_variance > 0.0 else 0.0

    def values(self, outputs: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """The quantity in its own unit."""
        return torch.addcmul(mean.double()[:, None, None], outputs.double(), scale.double()[:, None, None])


OBJECTIVES: dict[TaskName, Objective] = {"classification": CrossEntropy(), "regression": SquaredError()}
