"""The peer that a study replaces: a plain loop of torch's own layers and fused Adam, one net after the other."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.model_selection import train_test_split
from torch import Tensor

ARMS = {
    "plain": (False, 0.0),
    "dropout": (False, 0.2),
    "batch_norm": (True, 0.0),
    "dropout+batch_norm": (True, 0.2),
}
"""Each arm's batch norm and rate."""


@dataclass(frozen=True)
class Split:
    """Standardized features and labels of the three parts."""

    train: tuple[Tensor, Tensor]
    validation: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def split(X: np.ndarray, y: np.ndarray, seed: int, test: tuple[np.ndarray, np.ndarray] | None = None) -> Split:
    """A fifth for the test unless there is one, and as many for validation, stratified."""
    validation = math.ceil(0.2 * len(X))
    if test is None:
        X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
    else:
        X_test, y_test = test
    X, X_validation, y, y_validation = train_test_split(X, y, test_size=validation, stratify=y, random_state=seed)
    mean, deviation = X.mean(axis=0, dtype=np.float64), X.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1.0

    def part(features: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
        scaled = ((features - mean) / deviation).astype(np.float32)
        return torch.from_numpy(scaled), torch.from_numpy(labels.astype(np.int64))

    return Split(part(X, y), part(X_validation, y_validation), part(X_test, y_test))


def train_net(parts: Split, hidden: tuple[int, ...], arm: str, seed: int, epochs: int, batch: int) -> float:
    """Train one net with its data in memory, keep its best weights on validation; its accuracy on the test part."""
    torch.manual_seed(seed)
    net = _net(parts.train[0].shape[1], hidden, int(parts.train[1].max()) + 1, *ARMS[arm])
    optimizer = torch.optim.Adam(net.parameters(), fused=True)
    features, labels = parts.train
    best_loss, best = float("inf"), net.state_dict()
    for _ in range(epochs):
        net.train()
        for rows in torch.randperm(len(features)).split(batch):
            if len(rows) == batch:
                loss = F.cross_entropy(net(features[rows]), labels[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        net.eval()
        with torch.no_grad():
            validation = F.cross_entropy(net(parts.validation[0]), parts.validation[1]).item()
        if validation < best_loss:
            best_loss, best = validation, {name: each.clone() for name, each in net.state_dict().items()}
    net.load_state_dict(best)
    with torch.no_grad():
        return (net(parts.test[0]).argmax(1) == parts.test[1]).double().mean().item()


def _net(features: int, hidden: tuple[int, ...], classes: int, batch_norm: bool, rate: float) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = []
    for width in hidden:
        modules += [torch.nn.Linear(features, width, bias=not batch_norm)]
        modules += [torch.nn.BatchNorm1d(width)] if batch_norm else []
        modules += [torch.nn.ReLU()]
        modules += [torch.nn.Dropout(rate)] if rate else []
        features = width
    return torch.nn.Sequential(*modules, torch.nn.Linear(features, classes))
